"""scipy's Lanczos, counted and seeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from fastgram._problem import Problem
from fastgram._progress import progress_bar
from fastgram._results import RitzPairs

__all__ = ["Found", "run_arpack"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What ARPACK found at each end; no values where it did not converge."""

    low: RitzPairs
    high: RitzPairs
    low_bound: float  # a Rayleigh quotient: above λ_min and below λ_max
    high_bound: float
    passes: int
    converged: bool
    message: str


class _OutOfPasses(Exception):
    """Raised from within the operator to stop ARPACK."""


def run_arpack(
    problem: Problem, k: int, rtol: float, max_passes: int | None, seed: int, progress: bool
) -> Found:
    """Run `eigsh` for the smallest and the largest k Ritz values.

    Raises
    ------
    ValueError
        If k is not below the order of the matrix, which ARPACK needs.
    """
    n = problem.n
    if k >= n:
        raise ValueError(f"the arpack method needs k below the order of the matrix, {n}, not {k}")
    passes = 0
    with progress_bar(progress, max_passes, "passes", "pass") as tick:

        def multiply(v: Array) -> Array:
            nonlocal passes
            if max_passes is not None and passes >= max_passes:
                raise _OutOfPasses
            passes += 1
            if tick is not None:
                tick(1)
            return problem.multiply(np.reshape(v, (-1, 1)))[:, 0]

        operator = LinearOperator((n, n), matvec=multiply, dtype=np.float64)
        start = np.random.default_rng(np.random.SeedSequence([seed, n])).standard_normal(n)
        start /= np.linalg.norm(start)
        quotient = float(start @ multiply(start))
        found: dict[str, RitzPairs] = {}
        failures = []
        for which in ("LA", "SA"):
            pairs, failure = _one_end(operator, which, k, rtol, start)
            found[which] = pairs
            if failure:
                failures.append(failure)
    message = "; ".join(failures) if failures else "the other ends are not known without a proof"
    return Found(found["SA"], found["LA"], quotient, quotient, passes, not failures, message)


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
    except _OutOfPasses:
        return nothing, f"ARPACK ran out of passes at the {side} end"
