"""The arpack method: scipy's Lanczos, with a proof of the outer ends where n is small."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.methods.dense import certified_bracket
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.eigenvalues.results import RitzPairs
from fastgram.support.arrays import Array
from fastgram.support.progress import progress_bar
from fastgram.support.rounding import gamma

__all__ = ["run_arpack"]


def run_arpack(problem: Problem, request: Request) -> Answer:
    """SciPy's Lanczos, its values bracketed by what a certificate proves."""
    found = _search(problem, request)
    size = float(np.max(np.abs(found.high.values), initial=abs(found.high_bound)))
    # a quotient of vectors of norm 1, beside what products cannot see
    floor = problem.noise_floor(size) + gamma(2 * problem.n + 64) * size
    smallest = _one_sided(found.low, found.low_bound, floor, problem, sign=1.0)
    largest = _one_sided(found.high, found.high_bound, floor, problem, sign=-1.0)
    if problem.has_entries and problem.n <= request.dense_limit and found.converged:
        A = problem.dense()
        smallest, _ = certified_bracket(A, found.low, problem, sign=1.0)
        largest, _ = certified_bracket(A, found.high, problem, sign=-1.0)
    low, high = found.low, found.high
    if not request.vectors:
        low, high = RitzPairs(low.values, low.residuals), RitzPairs(high.values, high.residuals)
    return Answer(smallest, largest, low, high, floor, 1, found.passes, found.message)


def _one_sided(
    pairs: RitzPairs, bound: float, floor: float, problem: Problem, sign: float
) -> Bracket:
    """Return the bracket whose inner end is a Ritz value and whose outer end is unknown."""
    value = sign * float(pairs.values[0]) if pairs.values.size else sign * bound
    upper = value + floor
    lower = problem.least if sign > 0.0 else -math.inf
    upper = max(upper, lower)
    if sign > 0.0:
        return bracket_around(lower, upper, value, "none")
    return bracket_around(-upper, -lower, -value, "none")


@dataclass(frozen=True)
class _Found:
    """The Ritz pairs of each end; no values where ARPACK did not converge."""

    low: RitzPairs
    high: RitzPairs
    low_bound: float  # a Rayleigh quotient: above λ_min and below λ_max
    high_bound: float
    passes: int
    converged: bool
    message: str


class _OutOfPasses(Exception):
    """Raised from within the operator to stop ARPACK."""


def _search(problem: Problem, request: Request) -> _Found:
    """Run `eigsh` for the smallest and the largest k Ritz values.

    Raises
    ------
    ValueError
        If k is not below the order of the matrix, which ARPACK needs.
    """
    n, k, max_passes = problem.n, request.k, request.max_passes
    if k >= n:
        raise ValueError(f"the arpack method needs k below the order of the matrix, {n}, not {k}")
    passes = 0
    with progress_bar(request.progress, max_passes, "passes", "pass") as tick:

        def multiply(v: Array) -> Array:
            nonlocal passes
            if (max_passes is not None and passes >= max_passes) or request.until.out_of_time():
                raise _OutOfPasses
            passes += 1
            if tick is not None:
                tick(1)
            return np.asarray(problem.multiply(np.reshape(v, (-1, 1)))[:, 0])

        operator = LinearOperator((n, n), matvec=multiply, dtype=np.float64)
        start = np.random.default_rng(np.random.SeedSequence([request.seed, n])).standard_normal(n)
        start /= np.linalg.norm(start)
        quotient = float(start @ multiply(start))
        found: dict[str, RitzPairs] = {}
        failures = []
        for which in ("LA", "SA"):
            pairs, failure = _one_end(operator, which, k, request.rtol, start)
            found[which] = pairs
            if failure:
                failures.append(failure)
    message = "; ".join(failures) if failures else "the other ends are not known without a proof"
    return _Found(found["SA"], found["LA"], quotient, quotient, passes, not failures, message)


def _one_end(operator: Any, which: str, k: int, rtol: float, start: Array) -> tuple[RitzPairs, str]:
    nothing = RitzPairs(np.empty(0), np.empty(0))
    side = "largest" if which == "LA" else "smallest"
    try:
        # eigenvalues move with the square of ARPACK's residual, but near the edge of a dense
        # spectrum only with the residual itself: ask for a tenth of rtol
        values, vectors = eigsh(operator, k=k, which=which, tol=rtol / 10.0, v0=start)
        order = np.argsort(-values if which == "LA" else values)
        values, vectors = values[order], vectors[:, order]
        columns = [operator.matvec(vector) for vector in vectors.T]
        residuals = np.linalg.norm(np.stack(columns, axis=1) - vectors * values, axis=0)
        return RitzPairs(values, residuals, vectors), ""
    except ArpackNoConvergence:
        return nothing, f"ARPACK did not converge at the {side} end"
    except ArpackError as error:
        return nothing, f"ARPACK gave up at the {side} end: {error}"
    except _OutOfPasses:
        return nothing, f"ARPACK ran out of passes or time at the {side} end"
