"""`fastgram spectrum`: brackets of the extreme eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastgram.cli.reports.report import Failure, Report, operator_of
from fastgram.cli.reports.text_table import (
    bracket_text,
    failed_cells,
    failure_words,
    house_table,
    short_bracket_text,
    text_console,
)
from fastgram.cli.sweeps.cases import (
    Case,
    case_name,
    case_words,
    figure_title,
    heading,
    told_quantities,
    value_text,
    varying_quantities,
)
from fastgram.eigenvalues.results import ExtremeEigenvalues

if TYPE_CHECKING:
    from fastgram.plotting.figure import HasExtremes

__all__ = ["EXTREMES", "draw_extremes", "show_table"]

# Below this width, and so much more for a column of what varies, columns that belong together
# share one, line by line.
_NARROW = 140
_NARROW_EXTRA = 12
_NUMBERS = ("λ_min", "guarantee", "λ_max", "condition", "passes", "seconds")
_RIGHT = ("condition", "passes", "seconds")
_NARROW_GROUPS = [
    ["activation", "regularity"],
    ["λ_min", "guarantee"],
    ["λ_max"],
    ["condition"],
    ["passes", "seconds"],
]


def _check(cases: Sequence[Case]) -> dict[int, Exception]:
    """Refuse nothing: options and rows were checked as they were read."""
    return {}


def _solve(case: Case, progress: bool) -> ExtremeEigenvalues:
    from fastgram.eigenvalues.extreme import extreme_eigenvalues

    # the entries it keeps go with it, before the next one takes the memory that is free
    op = operator_of(case, progress)
    return extreme_eigenvalues(op, **case.task.request, progress=progress)


def show_table(cases: Sequence[Case], results: Sequence[ExtremeEigenvalues | Failure]) -> None:
    """Print what was computed, a row a result, and a note on each that is not settled."""
    console = text_console()
    confidence = f"confidence {cases[0].task.request['confidence']:g}"
    console.print(heading(cases, "λ_min and λ_max of the", confidence))
    notes: list[str] = []
    rows = []
    for case, result in zip(cases, results, strict=False):
        mark = ""
        remark = _remark(result)
        if remark:
            mark = f" ({len(notes) + 1})"
            notes.append(f"{mark[1:]} {case_name(case, cases)}: {remark}")
        rows.append(_cells(case, cases, mark, result))
    varied = {quantity.name: bool(quantity.axis) for quantity in told_quantities(cases)}
    longest = [max(len(row[name]) for row in rows) for name in varied]
    wide = _NARROW + sum(max(_NARROW_EXTRA, length + 2) for length in longest)
    groups = [[name] for name in ("activation", *varied, "regularity", *_NUMBERS)]
    narrow = console.width < wide
    if narrow:
        groups = _NARROW_GROUPS
        rows = [_stacked(row, case, cases) for row, case in zip(rows, cases, strict=False)]
    table = house_table(leading=int(narrow))
    for group in groups:
        table.add_column(
            "\n".join(group),
            justify="right" if group[0] in _RIGHT or varied.get(group[0]) else "left",
            overflow="fold",
            no_wrap=group[0] != "activation",  # what is folded is the name, never a number
        )
    for row in rows:
        table.add_row(*("\n".join(row[name] for name in group) for group in groups))
    console.print(table)
    for note in notes:
        console.print(note)


def _remark(result: ExtremeEigenvalues | Failure) -> str:
    """Return the note on a row of the table: what its numbers do not say, or ""."""
    if isinstance(result, Failure):
        return failure_words(result)
    remarks = []
    if not (result.resolved and result.converged):
        state = "not converged" if result.resolved else "not resolved"
        remarks.append(f"{state}: {result.message}")
    nonzero = result.smallest_nonzero
    if nonzero is not None:
        remarks.append(f"smallest nonzero eigenvalue {nonzero}")
    return "; ".join(remarks)


def _cells(
    case: Case, cases: Sequence[Case], mark: str, result: ExtremeEigenvalues | Failure
) -> dict[str, str]:
    """Return the cells of a row, by their headers."""
    activation = case.network.activation
    cells = {"activation": activation.name + mark, "regularity": activation.regularity}
    for quantity in told_quantities(cases):
        cells[quantity.name] = value_text(quantity.value(case))
    if isinstance(result, Failure):
        return cells | dict(zip(_NUMBERS, failed_cells(_NUMBERS), strict=True))
    guarantees = dict.fromkeys((result.smallest.guarantee, result.largest.guarantee))
    return cells | {
        "λ_min": bracket_text(result.smallest),
        "guarantee": " / ".join(guarantees),
        "λ_max": short_bracket_text(result.largest),
        "condition": _condition_text(result),
        "passes": str(result.passes),
        "seconds": f"{result.seconds:.1f}",
    }


def _stacked(cells: dict[str, str], case: Case, cases: Sequence[Case]) -> dict[str, str]:
    """Give each number of a bracket, each of two guarantees and what varies its own line."""
    name = cells["activation"]
    stacked = {
        header: cells[header].replace(" [", "\n[").replace(", ", ",\n ").replace(" / ", " /\n")
        for header in ("λ_min", "guarantee", "λ_max")
    }
    stacked["activation"] = name.replace("(", "\n(", 1) if len(name) > 16 else name
    stacked["regularity"] = "\n".join([cells["regularity"], *case_words(case, cases)])
    return cells | stacked


def _condition_text(result: ExtremeEigenvalues) -> str:
    if result.condition is None:
        return "undefined"
    if result.smallest.lower == result.smallest.upper == 0.0:
        return "infinite"
    if math.isinf(result.condition.upper):
        return f"> {result.condition.lower:.2g}"
    return f"{result.condition.estimate:.4g}"


def draw_extremes(path: str, cases: Sequence[Case], results: Sequence[HasExtremes]) -> None:
    """Draw cases side by side, or lines where a number has several values."""
    from fastgram.plotting.extremes import plot_extremes
    from fastgram.plotting.sweeps import Swept, plot_sweep

    title = figure_title(cases)
    activations = [case.network.activation for case in cases]
    swept = [
        Swept(
            quantity.name,
            quantity.axis,
            [quantity.value(case) for case in cases],
            quantity.logarithmic,
        )
        for quantity in varying_quantities(cases)
    ]
    if any(one.is_magnitude for one in swept):
        plot_sweep(activations, swept, results, path, title)
        return
    plot_extremes(
        [case_name(case, cases) for case in cases] if swept else [a.name for a in activations],
        results,
        path,
        title,
        smooth=[activation.smooth for activation in activations],
    )


EXTREMES = Report(check=_check, solve=_solve, show=show_table, draw=draw_extremes)
