"""A bracket of 10 % at n = 100 000, matrix-free: passes, time and peak memory.

    python -m bench.large [--n 100000] [--dimensions 100 10] [--activation relu]

Prints one line in Markdown for each dimension, from a process of its own each.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

RTOL = 0.1


def one(n: int, d: int, activation: str) -> str:
    """Return the line for one matrix."""
    import fastgram as fg

    X = fg.datasets.sphere(n, d, 0)
    answer = fg.extreme_eigenvalues(
        fg.GramOperator(X, activation, memory=0), rtol=RTOL, progress=sys.stderr.isatty()
    )
    assert answer.converged, answer
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"| {n} | {d} | {activation} | {answer.smallest} | {answer.block} | {answer.passes}"
        f" | {answer.seconds:.0f} | {peak:.2f} |"
    )


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 10])
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--one", type=int, metavar="D", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(one(arguments.n, arguments.one, arguments.activation))
        return
    print("| n | d | activation | λ_min | block | passes | seconds | GiB, the whole process |")
    print("|---|---|---|---|---|---|---|---|")
    for d in arguments.dimensions:
        options = ["--n", str(arguments.n), "--activation", arguments.activation]
        command = [sys.executable, "-m", "bench.large", *options, "--one", str(d)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
