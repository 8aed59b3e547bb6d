"""Inverse block Lanczos: the same iteration on C = (A − sI)⁻¹, whose large end is λ_min(A).

A − sI = LLᵀ + E is factorised once, with s below λ_min and ‖E‖₂ ≤ c (see `fastgram._certificate`);
each product with C is two triangular solves. With λ_min far below its neighbours, in proportion to
the distance from s, a handful of products does what takes passes with A nearly n/b. The run has the
start block of the run on A, so that its bracket holds or fails with that one and costs no further
chance.

A computed product is (LLᵀ + E_v)⁻¹v with ‖E_v‖₂ ≤ γ(2n + 2)·‖L‖_F², the backward error of two
triangular solves, about 2c; to first order it moves 1/(λ_min − s) by ‖E_v‖/(λ_min − s)². With the
factorisation's own E, either end is widened by 4c in all. The upper end is the lower of the Ritz
value's and the Rayleigh quotient of the Ritz vector, from one more product with A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram._bounds import furthest, share_quantile
from fastgram._certificate import below, shifted_factor
from fastgram._guard import LOOSE, settled
from fastgram._lanczos import BlockLanczos
from fastgram._machine import one_blas_thread
from fastgram._problem import Problem
from fastgram._progress import progress_bar
from fastgram._request import Request, bracket
from fastgram._results import Bracket, RitzPairs
from fastgram._rounding import gamma

__all__ = ["Inverse", "run_inverse"]

Array = npt.NDArray[np.float64]

# Products with C at most: where so many do not close the bracket, rounding is in the way.
_PRODUCTS = 100
# A width, in slacks of the factorisation, that rounding leaves room for.
_LEAST = 24.0
# Where the factorisation fails, how many times its slack the next shift is further out.
_FURTHER = (8.0, 64.0)


@dataclass(frozen=True)
class Inverse:
    """What an inverse run found of the smallest eigenvalue.

    Attributes
    ----------
    smallest : Bracket
        "certified" where the factorisation alone proves a lower end that is near enough.
    pairs : RitzPairs
        Of A, at its low end.
    floor : float
        What rounding may have moved the ends by.
    products : int
        With C.
    """

    smallest: Bracket
    pairs: RitzPairs
    floor: float
    products: int


def run_inverse(problem: Problem, request: Request, shift: float) -> Inverse | None:
    """Bracket the smallest eigenvalue with the factor of A − sI.

    Parameters
    ----------
    problem : Problem
        With `visit`.
    request : Request
    shift : float
        A likely lower bound of λ_min, tried for s; what follows is further out, by what rounding
        may have taken.

    Returns
    -------
    Inverse or None
        None where no factorisation runs through.
    """
    assert problem.visit is not None
    factor, slack = shifted_factor(problem.visit, problem.n, shift)
    for widths in _FURTHER:
        if factor is not None:
            break
        shift -= widths * (slack + problem.entry_error)
        factor, slack = shifted_factor(problem.visit, problem.n, shift)
    if factor is None:
        return None
    run = BlockLanczos(factor.solve, problem.n, request.block, request.seed)
    quantile = share_quantile(request.chance, run.block, problem.n)
    proven = below(shift, slack)
    lower = proven
    with progress_bar(request.progress, None, "products with the inverse", "product") as tick:
        while True:
            run.advance()
            if tick is not None:
                tick(1)
            top = float(run.ritz_values()[-1])
            upper = shift + 1.0 / top
            room = max(0.8 * request.rtol * abs(upper), _LEAST * slack)
            over = run.exhausted or run.passes == _PRODUCTS
            rounding = 3.0 * slack * top * top + 2.0 * run.defect
            if over or _reaches(run, top, upper - room - shift, rounding, quantile):
                lower = max(_lower(run, top, shift, slack, rounding, quantile), proven)
                if over or upper - lower <= room:
                    break
    upper = _upper(top, shift, slack, rounding) + problem.entry_error
    vectors = run.ritz_pairs(request.k, largest=True, vectors=True)[2]
    assert vectors is not None
    # once more, for A's quotients: parts at the far end of its spectrum weigh little with C
    vectors = factor.solve(vectors)
    products = run.passes + 1
    del run, factor  # before the next product with A keeps entries again
    pairs, quotient, floor = _rayleigh(problem, vectors)
    upper = min(upper, quotient)
    lower, proven = lower - problem.entry_error, proven - problem.entry_error
    guarantee = "certified" if proven >= lower else "probabilistic"
    if problem.semidefinite:
        lower, upper = max(lower, 0.0), max(upper, 0.0)
    if not request.vectors:
        pairs = RitzPairs(pairs.values, pairs.residuals)
    smallest = bracket(lower, max(upper, lower), float(pairs.values[0]), guarantee)
    return Inverse(smallest, pairs, floor + 4.0 * slack, products)


def _reaches(
    run: BlockLanczos, top: float, distance: float, rounding: float, quantile: float
) -> bool:
    """Whether the smallest eigenvalue is so far from the shift, by one look: cheap, not final."""
    if distance <= 0.0:
        return True
    room = (1.0 / distance - top) / (1.0 + 2.0 * LOOSE)
    return room > 0.0 and settled(run, top, 1.0, room, quantile, rounding)


def _lower(
    run: BlockLanczos, top: float, shift: float, slack: float, rounding: float, quantile: float
) -> float:
    """Return the lower end of λ_min of the matrix as computed."""
    return below(shift + 1.0 / furthest(run, top, 1.0, quantile, top, rounding), slack)


def _upper(top: float, shift: float, slack: float, rounding: float) -> float:
    """Return the upper end of λ_min of the matrix as computed, from a Ritz value of C."""
    return shift + 1.0 / (top - rounding) + slack if top > rounding else math.inf


def _rayleigh(problem: Problem, vectors: Array) -> tuple[RitzPairs, float, float]:
    """Return Ritz pairs of A from vectors, and what the least one proves: an upper end of λ_min."""
    with one_blas_thread():
        basis = np.linalg.qr(vectors)[0]
    images = problem.multiply(np.ascontiguousarray(basis))
    values, small = np.linalg.eigh((basis.T @ images + images.T @ basis) / 2.0)
    vectors, images = basis @ small, images @ small
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    floor = problem.noise_floor(float(np.max(np.abs(values))))
    # products of unit vectors, orthonormal to rounding, and the small eigenproblem
    floor += gamma(2 * problem.n + 64) * float(np.linalg.norm(images))
    return RitzPairs(values, residuals, vectors), float(values[0]) + floor, floor
