"""How the time of a pass grows with n and d, and falls with threads, beside its GEMM alone.

    python -m bench.scaling [--quick] [--plot scaling.png]

n runs from 2000 to 100 000 at d = 100 and 10, d from 2 to 3072 at n = 8192, threads from 1 to all.
A pass and the GEMM of its tiles run in turn. Exponents are fitted by least squares to the
logarithms over the upper half of each range, over all of it for threads. Some five minutes on two
processors; `--quick` takes a minute and ends each range earlier.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import parts, results
from bench.floors import gemm_of_tiles, times_in_turn
from bench.parts import Case
from bench.results import Figure
from fastgram.plotting.figure import check_figure_path
from fastgram.support.threads import thread_count

NAMES = ("pass", "GEMM of the tiles")
LINES = ("-", "--")


@dataclass(frozen=True)
class Curve:
    """Times at several values of `over`, one of "n", "d" and "threads"."""

    over: str
    cases: list[Case]
    times: list[list[list[float]]]  # by case, by what was run, by round

    @property
    def at(self) -> list[int]:
        """The values."""
        return [getattr(case, self.over) for case in self.cases]

    @property
    def title(self) -> str:
        """Settings that all cases share."""
        case = self.cases[0]
        fixed = [f"{name}={getattr(case, name)}" for name in ("n", "d") if name != self.over]
        threads = [] if self.over == "threads" else [f"threads={case.threads}"]
        return " ".join([*fixed, case.dtype, case.activation, *threads])

    def figures(self) -> list[Figure]:
        """Return the times, their ratios and the exponents."""
        found = []
        for case, (own, gemm) in zip(self.cases, self.times, strict=True):
            name = case.name("pass")
            found += [
                Figure.of(name, what, t, "s") for what, t in zip(NAMES, (own, gemm), strict=True)
            ]
            ratios = [a / b for a, b in zip(own, gemm, strict=True)]
            found.append(Figure.of(name, "/ GEMM of the tiles", ratios, "ratio"))
        return found + self.exponents()

    def exponents(self) -> list[Figure]:
        """Return the exponent of each line, fitted round by round; none for a single value."""
        first = 0 if self.over == "threads" else len(self.cases) // 2
        if len(self.cases) - first < 2:
            return []
        logarithms = np.log(self.at[first:])
        found = []
        for which, what in enumerate(NAMES):
            rounds = np.array([times[which] for times in self.times[first:]])
            slopes = np.polynomial.polynomial.polyfit(logarithms, np.log(rounds), 1)[1]
            note = f"{self.over} from {self.at[first]} to {self.at[-1]}"
            name = f"exponent in {self.over}, {self.title}"
            found.append(Figure.of(name, what, slopes.tolist(), "exponent", note))
        return found


def time_case(case: Case, rounds: int) -> list[list[float]]:
    """Check a pass, and time it and its GEMM in turn."""
    print(case.name("pass"), file=sys.stderr, flush=True)
    op, V = case.operator(), case.vectors()
    unit = parts.entries_of(op).rows.unit
    parts.check(op, V, parts.run_pass(op, V, case.threads)[parts.chosen_rows(case.n)])
    return times_in_turn(
        (
            lambda: parts.run_pass(op, V, case.threads),
            lambda: gemm_of_tiles(unit, case.threads),
        ),
        rounds,
    )


def curve(base: Case, over: str, values: Sequence[int], rounds: int) -> Curve:
    """Time a pass at each value of n, d or threads."""
    fields: list[dict[str, Any]] = [{over: value} for value in values]
    cases = [replace(base, **field) for field in fields]
    return Curve(over, cases, [time_case(case, rounds) for case in cases])


def spaced(first: int, last: int, count: int) -> list[int]:
    """Return whole numbers, evenly spaced on a logarithmic scale."""
    return [round(float(value)) for value in np.geomspace(first, last, count)]


def measure(quick: bool) -> list[Curve]:
    """Return the four curves."""
    threads = thread_count()
    orders = spaced(1000, 8000, 4) if quick else spaced(2000, 100_000, 9)
    dimensions = spaced(2, 512, 5) if quick else spaced(2, 3072, 12)
    n, rounds = (2048, 3) if quick else (8192, 5)
    counts = range(1, threads + 1) if threads <= 8 else sorted({*spaced(1, threads, 8)})
    base = Case(n, 100, threads=threads)
    return [
        curve(base, "n", orders, min(rounds, 3)),
        curve(replace(base, d=10), "n", orders, min(rounds, 3)),
        curve(base, "d", dimensions, rounds),
        curve(base, "threads", counts, rounds),
    ]


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw a panel each for n, d and threads: passes in full lines, their GEMM dashed."""
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import LogLocator, NullLocator

    drawing = Drawing(figsize=(12, 4), layout="constrained")
    for over, axes in zip(("n", "d", "threads"), drawing.subplots(1, 3), strict=True):
        for one in curves:
            if one.over == over:
                _draw_curve(one, axes)
        axes.set(xscale="log", yscale="log", xlabel=over, ylabel="seconds")
        ticks = LogLocator(2) if over == "threads" else LogLocator(10, (1.0, 3.0))
        axes.xaxis.set_major_locator(ticks)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.legend(fontsize="small")
    drawing.savefig(path, dpi=150)


def _draw_curve(one: Curve, axes: Any) -> None:
    colour = None
    for which, (what, style) in enumerate(zip(NAMES, LINES, strict=True)):
        runs = np.array([times[which] for times in one.times])
        middle = np.median(runs, axis=1)
        spread = np.abs(np.stack([runs.min(axis=1), runs.max(axis=1)]) - middle)
        label = f"{what}, {one.title}" if which == 0 else what
        bars = axes.errorbar(one.at, middle, spread, None, style, color=colour, label=label)
        colour = bars[0].get_color()


def main() -> None:
    """Parse the command line, measure, print, draw and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a minute's run")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a figure too")
    options = parser.parse_args()
    if options.plot is not None:
        try:
            check_figure_path(options.plot)
        except (ValueError, ImportError) as error:
            parser.error(str(error))
        if not options.plot.absolute().parent.is_dir():
            parser.error(f"{options.plot}: there is no such folder")
    curves = measure(options.quick)
    figures = [figure for one in curves for figure in one.figures()]
    print("| case | what | value [least, largest] | |")
    print("|---|---|---|---|")
    for figure in figures:
        if figure.unit != "s":
            print(f"| {figure.case} | {figure.what} | {figure} | {figure.note} |")
    print(results.save("scaling", figures))
    if options.plot is not None:
        draw(curves, options.plot)


if __name__ == "__main__":
    main()
