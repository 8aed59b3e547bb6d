"""Builds, checks and times several sizes on a GPU within eight minutes; a short table comes last.

    python -m bench.gpu [--minutes 7.3] [--only n=1000000] [--variant one_vector]

The parts, in order: entries against the CPU's; the rates of cuBLAS and of memory; passes; dense
builds; brackets of λ_min, up to a million rows. What is wrong is not timed, and what would end too
late is left out; a line says so. The floor of a pass is 2d operations an entry of the upper
triangle, at the rate of a large DGEMM on one GPU that is timed in turn with it. Of a bracket's
seconds the table says how many went by in products, in what precedes them (close pairs and facts of
rank) and in the rest, which is mostly the host's. `--only` takes the cases whose name has these
letters, "passes", "builds" or "n=1000000" say, and no other: after the entries they come first.
`--variant` times passes, where it is for as many columns, with a kernel that is not in use as well:
right first, and in turn with the one that is.
The program takes all GPUs that CUDA_VISIBLE_DEVICES shows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.gpu.cases import Scale, brackets, builds, compilation, floors, passes
from bench.gpu.checks import check_entries
from bench.gpu.runs import Runs, facts
from bench.results import RESULTS, Figure, save
from fastgram.devices.registry import gpus
from fastgram.kernels.cuda.fused.product import VARIANTS

MINUTES = 440.0 / 60.0
# Each part, and the share of the time that it may end at: the largest brackets need the rest.
PARTS = ((floors, 0.5), (passes, 0.5), (builds, 0.55), (brackets, 1.0))


def measure(runs: Runs, scale: Scale, only: str = "") -> None:
    """Run all parts, or the cases with these letters in their names, unless entries are wrong."""
    with runs.device.context():
        compilation(runs, scale)
        check_entries(runs, scale.checked, scale.d, scale.width)
        if runs.failed:
            runs.say("entries are wrong: nothing is timed")
            return
        for part, share in PARTS:
            runs.share, runs.only = 1.0 if only else share, only
            part(runs, scale)


def table(figures: Sequence[Figure]) -> str:
    """Return one line a case, with all that was measured of it."""
    lines: dict[str, list[str]] = {}
    for figure in figures:
        unit = "" if figure.unit == "ratio" else figure.unit
        # what ran once has no range
        value = f"{figure.value:.3g}" if figure.least == figure.largest else str(figure)
        note = f"({figure.note})" if figure.note else ""
        cell = " ".join(f"{value} {unit} {figure.what} {note}".split())
        lines.setdefault(figure.case, []).append(cell)
    width = max(map(len, lines), default=0)
    return "\n".join(f"{case:<{width}}  {'; '.join(cells)}" for case, cells in lines.items())


def main(
    arguments: Sequence[str] | None = None, scale: Scale | None = None, folder: Path = RESULTS
) -> int:
    """Return 0, 1 where anything failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for everything")
    parser.add_argument("--only", default="", help="letters in the names of the cases to run")
    parser.add_argument("--variant", default="", choices=("", *VARIANTS), help="a kernel to try")
    given = parser.parse_args(arguments)
    devices, reason = gpus()
    if not devices:
        print(f"bench.gpu: {reason}", file=sys.stderr)
        return 2
    scale = scale or Scale()
    about = facts(devices)
    with devices[0].context():
        runs = Runs(devices, 60.0 * given.minutes, scale.square, scale.short)
    runs.variant = given.variant
    try:
        measure(runs, scale, given.only)
    finally:  # of a borrowed GPU nothing is lost
        print(f"kept in {save('gpu', runs.figures, folder, about)}\n")
        print("\n".join(f"{name}: {fact}" for name, fact in about.items()))
        print("median [least, largest]\n" + table(runs.figures), flush=True)
    return 1 if runs.failed else 0


if __name__ == "__main__":
    sys.exit(main())
