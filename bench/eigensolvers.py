"""λ_min to 1 %: fastgram's default against LAPACK, ARPACK and PRIMME, side by side.

    python -m bench.eigensolvers [--sizes 4000 8000 16000] [--dimensions 10 100] [--cap 600]

Each solver runs in a process of its own, one after the other, for at most `--cap` seconds, on all
processors. fastgram starts from the rows, and its time is that of everything; the others start
from the finished matrix, whose building is not in their time. Memory is the peak of the process
beyond what it had after its imports. The table is in Markdown; a solver's error is that against
`numpy.linalg.eigvalsh`, and fastgram's bracket must hold that value.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

RTOL = 1e-2
SOLVERS = ("fastgram", "eigvalsh", "eigh, one", "eigsh SA", "PRIMME")


def solve(name: str, n: int, d: int) -> dict[str, Any]:
    """Find λ_min of the ReLU Gram matrix of n points of the sphere, and measure it."""
    import scipy.linalg  # noqa: F401, before the memory is looked at

    import fastgram as fg

    X = fg.datasets.sphere(n, d, 0)
    fg.extreme_eigenvalues(fg.GramOperator(fg.datasets.sphere(3000, d, 0)))  # loads, compiles
    before = _fresh_peak()
    if name == "fastgram":
        start = time.perf_counter()
        answer = fg.extreme_eigenvalues(fg.GramOperator(X), rtol=RTOL)
        found = {
            "value": answer.smallest.estimate,
            "lower": answer.smallest.lower,
            "upper": answer.smallest.upper,
            "words": f"{answer.method}, {answer.passes} passes, {answer.smallest.guarantee}",
        }
    else:
        A = fg.gram(X)
        start = time.perf_counter()
        found = _peer(name, A)
    seconds = time.perf_counter() - start
    return {**found, "seconds": seconds, "bytes": 1024 * (_peak() - before)}


def _peak() -> int:
    """Return the most KiB that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _fresh_peak() -> int:
    """Let the peak start anew from what is in memory now, where Linux allows it."""
    try:
        with open("/proc/self/clear_refs", "w") as stream:
            stream.write("5")
    except OSError:
        pass
    return _peak()


def _peer(name: str, A: Any) -> dict[str, Any]:
    import scipy.linalg
    from scipy.sparse.linalg import eigsh

    if name == "eigvalsh":
        return {"value": float(np.linalg.eigvalsh(A)[0])}
    if name == "eigh, one":
        values = scipy.linalg.eigh(
            A, subset_by_index=[0, 0], eigvals_only=True, overwrite_a=True, check_finite=False
        )
        return {"value": float(values[0])}
    if name == "eigsh SA":
        values = eigsh(A, k=1, which="SA", tol=RTOL / 10, return_eigenvectors=False, maxiter=10**6)
        return {"value": float(values[0])}
    import primme

    values, _ = primme.eigsh(A, k=1, which="SA", tol=RTOL / 10)
    return {"value": float(values[0])}


def _in_a_process(name: str, n: int, d: int, cap: float) -> dict[str, Any] | None:
    """Return the outcome of `solve` in a new process, None where the time ran out."""
    command = [sys.executable, "-m", "bench.eigensolvers", "--one", name, str(n), str(d)]
    free = {key: value for key, value in os.environ.items() if "_NUM_THREADS" not in key}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=cap, check=True, env=free
        )
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(n: int, d: int, cap: float) -> list[str]:
    """Return the rows of the table for one matrix."""
    results = {name: _in_a_process(name, n, d, cap) for name in SOLVERS if _there(name)}
    exact = results["eigvalsh"]
    own = results["fastgram"]
    assert own is not None, "fastgram itself ran out of time"
    if exact is not None:
        slack = 1e-12 * n
        assert own["lower"] - slack <= exact["value"] <= own["upper"] + slack, "the bracket misses"
    rows = []
    for name, found in results.items():
        if found is None:
            rows.append(f"| {n} | {d} | {name} | > {cap:.0f} | | | |")
            continue
        error = "" if exact is None else f"{abs(found['value'] / exact['value'] - 1.0):.1e}"
        ratio = f"{found['seconds'] / own['seconds']:.1f}"
        memory = f"{found['bytes'] / 2**30:.2f}"
        words = found.get("words", "")
        seconds = f"{found['seconds']:.1f}"
        rows.append(f"| {n} | {d} | {name} {words} | {seconds} | {ratio} | {memory} | {error} |")
    return rows


def _there(name: str) -> bool:
    return name != "PRIMME" or importlib.util.find_spec("primme") is not None


def main() -> None:
    """Parse the command line and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 8000, 16000])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--cap", type=float, default=600.0, help="seconds for one solver")
    parser.add_argument("--one", nargs=3, metavar=("SOLVER", "N", "D"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, n, d = arguments.one
        print(json.dumps(solve(name, int(n), int(d))))
        return
    print("| n | d | solver | seconds | × fastgram | GiB | error |")
    print("|---|---|---|---|---|---|---|")
    for n in arguments.sizes:
        for d in arguments.dimensions:
            print("\n".join(compare(n, d, arguments.cap)), flush=True)


if __name__ == "__main__":
    main()
