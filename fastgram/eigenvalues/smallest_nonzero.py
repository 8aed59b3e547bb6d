"""The smallest eigenvalue that is not an exact zero, of a matrix known to be singular.

A matrix too large for this has the same nonzero eigenvalues as JᵀJ, if it is JJᵀ with a J of few
columns, as at finite width.

Let A be symmetric of order n and λ_r its r-th largest eigenvalue. Raising n − r directions cannot
lift more than n − r eigenvalues, nor lowering r − 1 directions more than r − 1 of them (Weyl):

    λ_min(A + YYᵀ) ≤ λ_r ≤ λ_max(A − ZZᵀ),  Y of n − r columns and Z of r − 1,

whatever Y and Z are. With LAPACK's eigenvectors of the n − r lowest and of the r − 1 largest
eigenvalues, scaled, both sides are λ_r but for rounding, and `prove_below` proves them. Nothing is
asked of those vectors, orthonormality included; what rounds is YYᵀ, by no more than γ·‖Y‖_F² in
the spectral norm, and the sum.
"""

from __future__ import annotations

import math

import numpy as np

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.methods.dense import prove_below
from fastgram.eigenvalues.problem import Problem
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma

__all__ = ["smallest_nonzero"]

_EPS = float(np.finfo(np.float64).eps)


def smallest_nonzero(problem: Problem, dense_limit: int) -> tuple[Bracket | None, str]:
    """Bracket the r-th largest eigenvalue, r being the bound on the rank.

    Parameters
    ----------
    problem : Problem
        Semidefinite, as are all whose rank is known to be below their order.
    dense_limit : int
        The order up to which it is done, of the matrix or of JᵀJ.

    Returns
    -------
    bracket : Bracket or None
        Certified; None where r is 0 or n, or both orders are beyond the limit.
    message : str
        For the result; empty where there is nothing to say.
    """
    n, r = problem.n, problem.rank_bound
    reason = ""
    # it looks at every row by itself: not for more than would be factorised
    numerical = problem.numerical_rank() if n <= dense_limit else None
    if numerical is not None and numerical[0] < r:
        r, reason = numerical
        reason = f"but for the rounding of the norms the rank is at most {r}: {reason}"
    if not 0 < r < n:
        return None, ""
    if problem.has_entries and n <= dense_limit:
        A, error = problem.dense(), problem.entry_error
    elif problem.factor_columns is not None and problem.factor_columns <= dense_limit:
        A = problem.factor_square()
        # roundings of the factor's entries and of sums over all rows, of JᵀJ in the trace norm
        error = problem.entry_error + gamma(n + 16) * 1.01 * float(np.trace(A))
    else:
        return None, f"the smallest nonzero eigenvalue needs n ≤ {dense_limit}"
    n = A.shape[0]
    values, vectors = np.linalg.eigh(A)
    value = float(values[n - r])
    # the lowest go to 2λ_r, the largest to 0
    raised = vectors[:, : n - r] * np.sqrt(np.maximum(2.0 * value - values[: n - r], 0.0))
    lowered = vectors[:, n - r + 1 :] * np.sqrt(np.maximum(values[n - r + 1 :], 0.0))
    below = _proven(A, raised, value, error, sign=1.0) if value > 0.0 else None
    above = _proven(A, lowered, value, error, sign=-1.0)
    # without either proof, semidefiniteness is left
    lower = 0.0 if below is None else max(below, 0.0)
    upper = math.inf if above is None else max(-above, 0.0)
    found = bracket_around(lower, upper, value, "none" if above is None else "certified")
    parts = [reason, "" if lower > 0.0 else f"the rank may be lower than {r}"]
    return found, "; ".join(part for part in parts if part)


def _proven(A: Array, factor: Array, value: float, entry_error: float, sign: float) -> float | None:
    """Return a proven lower bound of the smallest eigenvalue of sign·A + factor·factorᵀ, or None.

    It speaks of the ideal matrix, `entry_error` away from A, and should be near sign·value.
    """
    n, columns = factor.shape
    moved: Array = sign * A + factor @ factor.T
    scale = float(np.max(np.abs(np.einsum("ii->i", A)))) + abs(value)
    proven = prove_below(moved, sign * value, scale)
    if proven is None:
        return None
    slack = gamma(columns) * float(np.sum(factor * factor))
    slack += _EPS * float(np.linalg.norm(moved)) + n * n * float(np.finfo(np.float64).tiny)
    slack = (slack + entry_error) * (1.0 + 4.0 * n * n * _EPS)
    return float(proven - slack - 4.0 * _EPS * (abs(proven) + slack))
