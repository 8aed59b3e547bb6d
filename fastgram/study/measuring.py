"""The row of a case: its matrix's smallest eigenvalue, bracketed or proven."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastgram.study.part import Case, Row
from fastgram.study.settings import Settings

if TYPE_CHECKING:
    from fastgram.network.network import Network

__all__ = ["bracketed_row", "proven_row"]


def bracketed_row(
    case: Case,
    X: npt.ArrayLike,
    network: Network | str,
    settings: Settings,
    values: Mapping[str, float] | None = None,
    **request: Any,
) -> Row:
    """Return the row of a case, in float64 on the settings' device.

    Parameters
    ----------
    case : Case
        Its `kind` is that of the matrix.
    X : (n, d) array_like
    network : Network or str
    settings : Settings
    values : dict, optional
        What else was measured.
    **request
        Options of `fastgram.extreme_eigenvalues`.
    """
    from fastgram.eigenvalues.extreme import extreme_eigenvalues

    start = time.perf_counter()
    matrix = settings.operator(X, network, case.kind)
    found = extreme_eigenvalues(matrix, progress=settings.progress, **request)
    least, seconds = found.smallest, time.perf_counter() - start
    ends = least.lower, least.upper, least.guarantee
    return Row(case, *ends, found.resolved, seconds, values or {})


def proven_row(
    case: Case,
    X: npt.ArrayLike,
    network: Network | str,
    digits: int = 5,
    values: Mapping[str, float] | None = None,
) -> Row:
    """Return the row of a case in ball arithmetic, however small λ_min is.

    Rows are scaled to norm 1 there, without rounding.
    """
    from fastgram.exact.solve import exact_extreme_eigenvalues

    start = time.perf_counter()
    least = exact_extreme_eigenvalues(X, network, kind=case.kind, digits=digits).smallest
    resolved = least.lower > 0.0 or least.guarantee == "exact"
    seconds = time.perf_counter() - start
    return Row(case, least.lower, least.upper, least.guarantee, resolved, seconds, values or {})
