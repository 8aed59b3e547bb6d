"""`fastgram spectrum --exact`: proven digits of the extreme eigenvalues."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastgram.cli.reports.extremes import draw_extremes
from fastgram.cli.reports.report import FAILURES, Failure, Report
from fastgram.cli.reports.text_table import failed_cells, failure_words, print_results, text_console
from fastgram.cli.sweeps.cases import Case, case_name, heading

if TYPE_CHECKING:
    from fastgram.exact.results import ExactEigenvalues

__all__ = ["EXACT"]

_MOST_ROWS = 2000
# What n rows take to 15 digits, by n³ and n², on one processor core: 4.2 s for n = 300, 71 s and
# 1.5 GB for n = 1000. More where λ_min is far smaller than λ_max.
_SECONDS, _BYTES = 7e-8, 1600.0

_HEADERS = ("λ_min", "λ_max", "condition", "bits", "seconds")


def _check(cases: Sequence[Case]) -> dict[int, Exception]:
    """Refuse what would not work; say so where it works, but for long."""
    longest = max((case.task for case in cases), key=lambda task: task.X.shape[0])
    n = longest.X.shape[0]
    if n > _MOST_ROWS:
        raise ValueError(
            f"--exact takes at most {_MOST_ROWS} rows, and {longest.source} has {n}: give it fewer"
        )
    failures: dict[int, Exception] = {}
    costs = []
    for place, case in enumerate(cases):
        try:
            costs.append(_checked_cost(case))
        except FAILURES as error:
            failures[place] = error
    if len(failures) == len(cases):
        raise cases[0].task.worded(failures[0])
    minutes, size = max(seconds for seconds, _ in costs) / 60.0, max(size for _, size in costs)
    if minutes > 1.0:
        told = f"{minutes:.0f} minutes or more a network, and {size / 1e9:.1f} GB of memory"
        warnings.warn(f"--exact with {n} rows takes about {told}", RuntimeWarning, stacklevel=2)
    return failures


def _checked_cost(case: Case) -> tuple[float, float]:
    """Refuse one network, or return about how many seconds and bytes it takes."""
    from fastgram.exact.solve import check_exact
    from fastgram.support.memory import require_memory

    task = case.task
    digits = task.request["digits"]
    check_exact(task.X, case.network, task.operator["kind"], task.rows, digits)
    n, longer = task.X.shape[0], (3.4 * digits + 80.0) / 131.0  # numbers than those of 15 digits
    seconds, size = _entries_cost(case)
    size = longer * (_BYTES * n**2 + size)
    require_memory(f"exact eigenvalues of {n} rows", int(size))
    return longer * _SECONDS * n**3 + seconds, size


def _entries_cost(case: Case) -> tuple[float, float]:
    """Return the seconds that entries take, and the bytes beside those of the matrix."""
    (n, d), network = case.task.X.shape, case.network
    if network.width is not None:
        from fastgram.exact.features import bytes_of, seconds_of

        return seconds_of(network, n), bytes_of(network, n, d)
    if case.task.rows == "unit":  # rows of one norm share what an entry takes
        return 0.0, 0.0
    from fastgram.exact.built_in import formula_of

    return network.depth * formula_of(network.activation).entry_seconds * n * n / 2.0, 0.0


def _solve(case: Case, progress: bool) -> ExactEigenvalues:
    from fastgram.exact.solve import exact_extreme_eigenvalues

    task = case.task
    known = {"kind": task.operator["kind"], "rows": task.rows, **task.request}
    return exact_extreme_eigenvalues(task.X, case.network, **known, progress=progress)


def _show(cases: Sequence[Case], results: Sequence[ExactEigenvalues | Failure]) -> None:
    """Print the digits, a row a result, and a note on each that has none or is an exact zero."""
    console = text_console()
    digits = cases[0].task.request["digits"]
    proven = f"{digits} proven digit{'s' if digits > 1 else ''}"
    console.print(heading(cases, "λ_min and λ_max of the", proven))
    notes: list[str] = []
    marks, rows = [], []
    for case, result in zip(cases, results, strict=False):
        if isinstance(result, Failure):
            cells, remark = failed_cells(_HEADERS), failure_words(result)
        else:
            cells = _cells(result)
            remark = "" if result.smallest_digits not in ("", "0") else result.message
        rows.append(cells)
        marks.append(f" ({len(notes) + 1})" if remark else "")
        if remark:
            notes.append(f"{marks[-1][1:]} {case_name(case, cases)}: {remark}")
    print_results(console, cases, _HEADERS, rows, marks, 2)
    for note in notes:
        console.print(note)


def _cells(result: ExactEigenvalues) -> list[str]:
    zero = result.largest_digits == "0"
    condition = result.condition_digits.replace("inf", "infinite")
    return [
        _digits_text(result.smallest_digits) or f"at most {result.smallest.upper:.3g}",
        _digits_text(result.largest_digits),
        "undefined" if zero else condition or f"above {result.condition.lower:.3g}",
        str(result.precision),
        f"{result.seconds:.1f}",
    ]


def _digits_text(digits: str) -> str:
    return "0 (exact)" if digits == "0" else digits


EXACT = Report(check=_check, solve=_solve, show=_show, draw=draw_extremes)
