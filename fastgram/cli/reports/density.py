"""`fastgram spectrum --density`: bounds of the whole spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastgram.cli.reports.report import Failure, Report, operator_of
from fastgram.cli.reports.text_table import (
    failed_cells,
    failure_words,
    print_results,
    short_bracket_text,
    text_console,
)
from fastgram.cli.sweeps.cases import Case, case_name, figure_title, heading

if TYPE_CHECKING:
    from fastgram.density.results import SpectralDensity

__all__ = ["DENSITY"]

_HEADERS = (
    "λ_min",
    "10 %",
    "median",
    "90 %",
    "λ_max",
    "trace",
    "log-determinant",
    "effective rank",
    "passes",
    "seconds",
)
_SHOWN = (0.1, 0.5, 0.9)


def _check(cases: Sequence[Case]) -> dict[int, Exception]:
    n = min(case.task.X.shape[0] for case in cases)
    probes = cases[0].task.request["probes"]
    if probes is not None and probes > n:
        raise ValueError(f"block must be at most the number of rows, {n}, not {probes}")
    return {}


def _solve(case: Case, progress: bool) -> SpectralDensity:
    from fastgram.density.spectral_density import spectral_density

    # the entries it keeps go with it, before the next one takes the memory that is free
    op = operator_of(case, progress)
    return spectral_density(op, **case.task.request, progress=progress)


def _show(cases: Sequence[Case], results: Sequence[SpectralDensity | Failure]) -> None:
    """Print a row a result, and below what would tighten its bounds."""
    console = text_console()
    confidence = f"confidence {cases[0].task.request['confidence']:g}"
    console.print(heading(cases, "spectrum of the", confidence))
    rows = [
        failed_cells(_HEADERS) if isinstance(result, Failure) else _cells(result)
        for result in results
    ]
    marks = [f" ({k})" if len(cases) > 1 else "" for k in range(1, len(rows) + 1)]
    print_results(console, cases, _HEADERS, rows, marks, right=2)
    for case, result, mark in zip(cases, results, marks, strict=False):
        remark = failure_words(result) if isinstance(result, Failure) else result.message
        console.print(f"{mark} {case_name(case, cases)}: {remark}".strip())


def _cells(result: SpectralDensity) -> list[str]:
    quantiles = [result.quantile(p) for p in _SHOWN]
    sums = (result.trace, result.log_determinant, result.effective_rank)
    return [
        *map(short_bracket_text, (result.smallest, *quantiles, result.largest)),
        *("undefined" if bracket is None else short_bracket_text(bracket) for bracket in sums),
        str(result.passes),
        f"{result.seconds:.1f}",
    ]


def _draw(path: str, cases: Sequence[Case], results: Sequence[SpectralDensity]) -> None:
    from fastgram.plotting.densities import plot_densities

    plot_densities(
        [case_name(case, cases) for case in cases],
        results,
        path,
        figure_title(cases),
        smooth=[case.network.activation.smooth for case in cases],
    )


DENSITY = Report(check=_check, solve=_solve, show=_show, draw=_draw)
