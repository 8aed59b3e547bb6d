"""Attack everything that is promised, and count what misses: ``python -m bench.attacks``.

Ten thousand brackets in minutes on two cores. Exit code 1 if any misses; each miss comes with the
line that makes it again. A whole run is kept under bench/results/.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from bench.attacks.checks import Check
from bench.attacks.entries import table_of_depths
from bench.attacks.parts import PARTS, timed
from bench.results import Figure, save

_QUICK = 8  # times fewer
_SHOWN = 12  # misses of a part


def line_of(part: str, seed: int, number: int, quick: bool) -> str:
    """Return the command that makes a case again."""
    again = f"python -m bench.attacks {part} --seed {seed} --first {number} --count 1"
    return again + (" --quick" if quick else "")


def report(part: str, checks: Sequence[Check], seconds: float) -> str:
    """Return one line of the table."""
    made = sum(check.weight for check in checks)
    missed = sum(check.missed for check in checks)
    refused = sum(check.said.startswith("refused") for check in checks)
    inside = [check.inside for check in checks if not math.isnan(check.inside)]
    widths = [check.width for check in checks if math.isfinite(check.width)]
    margins = f"{min(inside, default=math.nan):>10.3g} {np.median(widths or [math.nan]):>10.3g}"
    widest = f"{max(widths, default=math.nan):>10.3g}"
    return f"{part:<14}{made:>8}{missed:>8}{refused:>9}  {margins} {widest} {seconds:>8.0f}"


HEADER = (
    f"{'part':<14}{'made':>8}{'missed':>8}{'refused':>9}  {'nearest':>10} {'width':>10}"
    f" {'widest':>10} {'seconds':>8}\n"
    "nearest: of the truth to an end, in roundings of the scale (of entries 1 − error/bound, of\n"
    "coverage in standard deviations); width: the median, likewise; seconds of one processor"
)


def figures_of(part: str, checks: Sequence[Check]) -> list[Figure]:
    """Return the figures of a part that are saved."""
    inside = [check.inside for check in checks if math.isfinite(check.inside)] or [math.nan]
    widths = [check.width for check in checks if math.isfinite(check.width)] or [math.nan]
    made = float(sum(check.weight for check in checks))
    missed = float(sum(check.missed for check in checks))
    refused = float(sum(check.said.startswith("refused") for check in checks))
    return [
        Figure(part, "brackets", made, made, made, "1"),
        Figure(part, "misses", missed, missed, missed, "1"),
        Figure(part, "refusals", refused, refused, refused, "1"),
        Figure.of(part, "distance of the truth from the nearer end", inside, "roundings"),
        Figure.of(part, "width", widths, "roundings"),
    ]


def attack(args: argparse.Namespace) -> int:
    """Run the parts that were asked for, print and keep what they say, and return the misses."""
    parts = [args.part] if args.part else list(PARTS)
    figures: list[Figure] = []
    misses: list[str] = []
    print(HEADER, flush=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, mp_context=context) as pool:
        for part in parts:
            count = args.count or max(1, PARTS[part][1] // (_QUICK if args.quick else 1))
            jobs = [(part, args.seed, args.first + i, args.quick) for i in range(count)]
            checks: list[Check] = []
            seconds, own = 0.0, []
            for job, (found, took) in zip(jobs, pool.map(timed, jobs), strict=True):
                checks += found
                seconds += took
                wrong = [check for check in found if check.missed]
                if wrong:
                    own.append((line_of(*job), wrong))
            print(report(part, checks, seconds), flush=True)
            for line, wrong in own[:_SHOWN]:
                print(f"  {line}")
                for check in wrong[:3]:
                    print(f"    {check.what}: {check.said} ({check.inside:.3g})")
            if len(own) > _SHOWN:
                print(f"  and {len(own) - _SHOWN} more cases")
            misses += [line for line, _ in own]
            figures += figures_of(part, checks)
    if not args.part or args.part == "entries":
        figures += depths(args.quick)
    if not (args.part or args.count or args.quick):
        print(f"kept in {save('attacks', figures, about={'seed': str(args.seed)}).name}")
    print(f"{len(misses)} cases with a miss" if misses else "no misses")
    return len(misses)


def depths(quick: bool) -> list[Figure]:
    """Print and return how far entries are off, in units of what is stated, by depth."""
    print("entries, error over stated bound (bound over the largest entry):")
    figures = []
    for name, depth, ratio, bound in table_of_depths(quick):
        print(f"  {name} depth={depth}: {ratio:.3g} ({bound:.2g})", flush=True)
        case = f"entries {name} depth={depth}"
        figures.append(Figure(case, "error / stated bound", ratio, ratio, ratio, "ratio"))
        figures.append(Figure(case, "stated bound / scale", bound, bound, bound, "ratio"))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 where anything misses."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.attacks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="one part only")
    parser.add_argument("--count", type=int, help="cases of each part")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few cases, and the cheapest")
    parser.add_argument("--processes", type=int, default=2)
    args: Any = parser.parse_args(arguments)
    return int(attack(args) > 0)


if __name__ == "__main__":
    sys.exit(main())
