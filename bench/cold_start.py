"""Seconds to the first Gram matrix in a new process, before and after its code is compiled.

    python -m bench.cold_start [--rounds 3]

Each round starts from an empty folder for compiled code: one process that compiles and fills it,
and one that finds it filled. Both build the matrix of 1000 rows and check an entry. Beside them
run two that only import: the package, which loads little, and what builds a matrix. Seconds are
from the start of a process to its end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.commit import ROOT
from bench.results import Figure

CAP = 600.0  # seconds for one process
BUILD = """
import math
import fastgram as fg
X = fg.datasets.sphere(1000, 100, 0)
A = fg.gram(X, network="relu")
cosine = float(X[0] @ X[1])
assert abs(A[0, 1] - cosine * (math.pi - math.acos(cosine)) / (2.0 * math.pi)) < 1e-12
"""
IMPORTS = ("import fastgram", "from fastgram import datasets, gram")
CASE = "fg.gram n=1000 d=100 float64 relu, a new process"


def seconds_of(code: str, cache: Path) -> float:
    """Run code in a new process that keeps compiled code in a folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, timeout=CAP)
    return time.perf_counter() - start


def measure(rounds: int) -> list[Figure]:
    """Return the seconds of each process, over several rounds."""
    empty, filled = [], []
    imports: dict[str, list[float]] = {code: [] for code in IMPORTS}
    with tempfile.TemporaryDirectory() as folder:
        seconds_of(BUILD, Path(folder))  # so that what Python compiles of modules is there
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            empty.append(seconds_of(BUILD, cache))
            assert any(cache.rglob("*.nbc")), "no compiled code was kept"
            filled.append(seconds_of(BUILD, cache))
            for code, seconds in imports.items():
                seconds.append(seconds_of(code, cache))
    return [
        Figure.of(CASE, "no compiled code", empty, "s"),
        Figure.of(CASE, "compiled code found", filled, "s"),
        *(Figure.of(f"{code}, a new process", "import", t, "s") for code, t in imports.items()),
    ]


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print("| case | what | seconds [least, largest] |")
    print("|---|---|---|")
    for figure in figures:
        print(f"| {figure.case} | {figure.what} | {figure} |")


def main() -> None:
    """Parse the command line, measure, print and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 101), metavar="ROUNDS")
    figures = measure(parser.parse_args().rounds)
    show(figures)
    print(results.save("cold_start", figures))


if __name__ == "__main__":
    main()
