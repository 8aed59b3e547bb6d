"""`fastgram spectrum`: brackets of the extreme eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastgram.cli.reports.report import (
    Failure,
    Report,
    Task,
    network_name,
    operator_of,
    shape_tells,
    shape_words,
)
from fastgram.cli.reports.text_table import (
    bracket_text,
    failed_cells,
    failure_words,
    house_table,
    short_bracket_text,
    text_console,
)
from fastgram.eigenvalues.results import ExtremeEigenvalues

if TYPE_CHECKING:
    from fastgram.network.network import Network
    from fastgram.plotting.figure import HasExtremes

__all__ = ["EXTREMES", "draw_extremes", "show_table"]

# Below this width, and this much more for a column of depths or widths, columns that belong
# together share one, line by line.
_NARROW = 140
_NARROW_EXTRA = 12
_HEADERS = (
    "activation",
    "depth",
    "width",
    "regularity",
    "λ_min",
    "guarantee",
    "λ_max",
    "condition",
    "passes",
    "seconds",
)
_DEPTH, _WIDTH = 1, 2
_RIGHT = {_DEPTH, _WIDTH, 7, 8, 9}
_NARROW_GROUPS = [[0, 3], [4, 5], [6], [7], [8, 9]]


def _check(task: Task, networks: Sequence[Network]) -> dict[int, Exception]:
    """Refuse nothing: options and rows were checked as they were read."""
    return {}


def _solve(task: Task, network: Network, progress: bool) -> ExtremeEigenvalues:
    from fastgram.eigenvalues.extreme import extreme_eigenvalues

    # the entries it keeps go with it, before the next one takes the memory that is free
    op = operator_of(task, network, progress)
    return extreme_eigenvalues(op, **task.request, progress=progress)


def show_table(
    task: Task, networks: Sequence[Network], results: Sequence[ExtremeEigenvalues | Failure]
) -> None:
    """Print what was computed, a row a result, and a note on each that is not settled."""
    console = text_console()
    confidence = f"confidence {task.request['confidence']:g}"
    console.print(task.heading("λ_min and λ_max of the", networks, confidence))
    depth_tells, width_tells = shape_tells(networks)
    hidden = {k for k, tells in ((_DEPTH, depth_tells), (_WIDTH, width_tells)) if not tells}
    narrow = console.width < _NARROW + _NARROW_EXTRA * (2 - len(hidden))
    groups = [[k] for k in range(len(_HEADERS)) if k not in hidden]
    if narrow:
        groups = _NARROW_GROUPS
    table = house_table(leading=int(narrow))
    for group in groups:
        table.add_column(
            "\n".join(_HEADERS[k] for k in group),
            justify="right" if group[0] in _RIGHT else "left",
            overflow="fold",
            no_wrap=group[0] > 0,  # what is folded is the name, never a number
        )
    notes: list[str] = []
    for network, result in zip(networks, results, strict=False):
        mark = ""
        remark = _remark(result)
        if remark:
            mark = f" ({len(notes) + 1})"
            notes.append(f"{mark[1:]} {network_name(network, networks)}: {remark}")
        cells = _cells(network, mark, result)
        if narrow:
            cells[0] = cells[0].replace("(", "\n(", 1) if len(cells[0]) > 16 else cells[0]
            cells[3] = "\n".join([cells[3], *shape_words(network, networks)])
            cells[4:7] = [_stacked(cell) for cell in cells[4:7]]
        table.add_row(*("\n".join(cells[k] for k in group) for group in groups))
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


def _cells(network: Network, mark: str, result: ExtremeEigenvalues | Failure) -> list[str]:
    head = [
        network.activation.name + mark,
        str(network.depth),
        "infinite" if network.width is None else str(network.width),
        network.activation.regularity,
    ]
    if isinstance(result, Failure):
        return head + failed_cells(_HEADERS[len(head) :])
    guarantees = dict.fromkeys((result.smallest.guarantee, result.largest.guarantee))
    return [
        *head,
        bracket_text(result.smallest),
        " / ".join(guarantees),
        short_bracket_text(result.largest),
        _condition_text(result),
        str(result.passes),
        f"{result.seconds:.1f}",
    ]


def _stacked(cell: str) -> str:
    """Give each number of a bracket, and each of two guarantees, its own line."""
    return cell.replace(" [", "\n[").replace(", ", ",\n ").replace(" / ", " /\n")


def _condition_text(result: ExtremeEigenvalues) -> str:
    if result.condition is None:
        return "undefined"
    if result.smallest.lower == result.smallest.upper == 0.0:
        return "infinite"
    if math.isinf(result.condition.upper):
        return f"> {result.condition.lower:.2g}"
    return f"{result.condition.estimate:.4g}"


def draw_extremes(
    path: str, task: Task, networks: Sequence[Network], results: Sequence[HasExtremes]
) -> None:
    """Draw activations side by side, or lines where depth or width has several values."""
    from fastgram.plotting.extremes import plot_extremes
    from fastgram.plotting.sweeps import plot_sweep

    title = task.figure_title(networks)
    if len({(network.depth, network.width) for network in networks}) > 1:
        plot_sweep(networks, results, path, title)
        return
    activations = [network.activation for network in networks]
    plot_extremes(
        [activation.name for activation in activations],
        results,
        path,
        title,
        smooth=[activation.smooth for activation in activations],
    )


EXTREMES = Report(check=_check, solve=_solve, show=show_table, draw=draw_extremes)
