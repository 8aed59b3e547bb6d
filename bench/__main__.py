"""Every number that README quotes, one program after the other: ``python -m bench``.

Some two and a half hours on two processors, as far as can be told: it was run in parts. Programs
keep what they measure under bench/results/ where they say so; ``python -m bench.compare`` compares
two such files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PROGRAMS = (
    ("pytest", "bench"),
    ("bench.cold_start",),
    ("bench.breakdown", "--all"),
    ("bench.scaling", "--plot", "scaling.png"),
    ("bench.peers",),
    ("bench.eigensolvers",),
    ("bench.large",),
)


def main() -> int:
    """Run all programs, and return how many failed."""
    argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    failed = []
    for program in PROGRAMS:
        print(f"== {' '.join(program)}", flush=True)
        if subprocess.run([sys.executable, "-m", *program], check=False).returncode:
            failed.append(program[0])
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
