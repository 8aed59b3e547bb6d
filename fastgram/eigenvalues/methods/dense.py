"""The dense method: LAPACK for the values, a proof for the brackets."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.eigenvalues.results import RitzPairs
from fastgram.linalg.certificate import certify_below, visit_array
from fastgram.support.arrays import Array
from fastgram.support.rounding import rayleigh_bounds

__all__ = ["certified_bracket", "prove_below", "run_dense"]


def run_dense(problem: Problem, request: Request) -> Answer:
    """Eigenvalues by LAPACK, bracketed by a Rayleigh quotient and a certificate."""
    A = problem.dense()
    low = _dense_pairs(A, request.k, largest=False)
    high = _dense_pairs(A, request.k, largest=True)
    smallest, floor = certified_bracket(A, low, problem, sign=1.0)
    largest, _ = certified_bracket(A, high, problem, sign=-1.0)
    message = ""
    if smallest.guarantee == "none" or largest.guarantee == "none":
        message = "a certificate failed: the matrix is too ill-scaled for its order"
    return Answer(
        smallest,
        largest,
        low if request.vectors else RitzPairs(low.values, low.residuals),
        high if request.vectors else RitzPairs(high.values, high.residuals),
        floor,
        0,
        0,
        message,
    )


def _dense_pairs(A: Array, k: int, largest: bool) -> RitzPairs:
    n = A.shape[0]
    chosen = [n - k, n - 1] if largest else [0, k - 1]
    values, vectors = scipy.linalg.eigh(A, subset_by_index=chosen, check_finite=False)
    if values.size < k:  # as LAPACK's drivers for a few do on what is nearly a multiple of I
        values, vectors = (
            part[..., chosen[0] : chosen[1] + 1] for part in scipy.linalg.eigh(A, driver="ev")
        )
    if largest:
        values, vectors = values[::-1], vectors[:, ::-1]
    residuals = np.linalg.norm(A @ vectors - vectors * values, axis=0)
    return RitzPairs(values, residuals, vectors)


def certified_bracket(
    A: Array, pairs: RitzPairs, problem: Problem, sign: float
) -> tuple[Bracket, float]:
    """Prove a bracket of the smallest eigenvalue of sign·A, and return it for A.

    Returns
    -------
    bracket : Bracket
        Of A's smallest eigenvalue for sign 1, of its largest for −1.
    floor : float
        The proof's own slack and the entries' error.
    """
    assert pairs.vectors is not None
    value = sign * float(pairs.values[0])
    ends = rayleigh_bounds(A, pairs.vectors[:, 0])
    upper = max(sign * ends[0], sign * ends[1]) + problem.entry_error
    scale = float(np.max(np.abs(np.einsum("ii->i", A)))) + abs(value)
    proven = prove_below(sign * A, value, scale)
    if proven is None:
        lower, guarantee, floor = -math.inf, "none", problem.entry_error
    else:
        lower, guarantee = proven - problem.entry_error, "certified"
        floor = value - lower
    if sign > 0.0:
        lower, upper = max(lower, problem.least), max(upper, problem.least)
    else:  # minus the largest
        upper = min(upper, -problem.least)
    if sign > 0.0:
        return bracket_around(lower, upper, value, guarantee), floor
    return bracket_around(-upper, -lower, -value, guarantee), floor


def prove_below(A: Array, value: float, scale: float) -> float | None:
    """Return a proven lower bound of the eigenvalues of A, near the smallest one, or None.

    Parameters
    ----------
    A : (n, n) array
    value : float
        LAPACK's smallest eigenvalue.
    scale : float
        Of the entries: what roundings are relative to.
    """
    n = A.shape[0]
    step = max(float(np.finfo(np.float64).eps) * math.sqrt(n) * scale, 1e-290)
    for _ in range(24):  # LAPACK's value is off by a few such steps; give up at 2²⁴ of them
        proven = certify_below(visit_array(A), n, value - step)
        if proven is not None:
            return proven
        step *= 2.0
    return None
