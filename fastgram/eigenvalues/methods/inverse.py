"""Inverse block Lanczos: the same iteration on C = (A − sI)⁻¹, whose large end is λ_min(A).

A − sI = LLᵀ + E is factorised once, with s below λ_min and ‖E‖₂ ≤ c (see
`fastgram.linalg.certificate`); each product with C is two triangular solves. With λ_min far below
its neighbours, in proportion to the distance from s, a handful of products does what takes passes
with A nearly n/b. The lower end that it finds replaces that of the passes: one event, of the chance
that one end has.

*What rounding does.* A computed product w = fl(Cq) satisfies (A − sI + E + E_q)w = q, E of norm
at most c from the factorisation, the same for all products, and ‖E_q‖ ≤ e = γ(2n + 2)·‖L‖_F² the
backward error of two triangular solves (measured instead where the BLAS in use is not known to
substitute row by row). With A's unit eigenvector u at λ, W the products of the basis,
g = uᵀ(EW + [E_q w …]) and ‖g‖ ≤ h = c‖W‖₂ + e‖W‖_F,

    (λ − s)·uᵀW + g = uᵀQ.

For λ > s, with μ = 1/(λ − s), uᵀW = μuᵀQ − μg: u meets the recurrence of W as an eigenvector of C
at μ that misses F + μg, so that what is missed grows with μ, and `fastgram.linalg.exclusion`
excludes all μ beyond an edge, where λ is nearer to s than 1/edge. Where |λ − s| ≤ δ, ‖uᵀQ‖ ≤ δ‖W‖₂
+ h is below the quantile's root for δ = (√q − h)/‖W‖₂, on either side of s, with no μ needed; and
the factorisation proves that λ ≥ s − c. So the edge is a lower bound wherever c ≤ δ. The upper end
is the Rayleigh quotient of a Ritz vector, from one more product with A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.methods.findings import is_gone_on_with, kept
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Request
from fastgram.eigenvalues.results import RitzPairs
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.certificate import below, shifted_factor
from fastgram.linalg.exclusion import EDGE_RTOL, Missed, excludes
from fastgram.linalg.lanczos_bound import outer_bound, overlap_quantile
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.support.arrays import Array
from fastgram.support.progress import progress_bar, stage
from fastgram.support.rounding import gamma
from fastgram.support.threads import conventional_blas, one_blas_thread

__all__ = ["Inverse", "run_inverse"]

_EPS = float(np.finfo(np.float64).eps)
# Products with C at most: where so many do not close the bracket, rounding is in the way.
_PRODUCTS = 100
# A width, in slacks of the factorisation, that rounding leaves room for.
_LEAST = 24.0
# Where the factorisation fails, how many times its slack the next shift is further out.
_FURTHER = (8.0, 64.0)


@dataclass(frozen=True)
class Inverse:
    """The smallest eigenvalue, by an inverse run.

    Attributes
    ----------
    smallest : Bracket
        "certified" where the factorisation alone proves a lower end that is near enough.
    pairs : RitzPairs
        Of A, at its low end.
    floor : float
        Bound on what rounding moves the ends by.
    products : int
        With C.
    anew : bool
        Whether the passes before it were read from a checkpoint, which had no factorisation.
    """

    smallest: Bracket
    pairs: RitzPairs
    floor: float
    products: int
    anew: bool


def run_inverse(problem: Problem, request: Request, shift: float) -> Inverse | None:
    """Bracket the smallest eigenvalue with the factor of A − sI.

    Parameters
    ----------
    problem : Problem
        With entries.
    request : Request
    shift : float
        A likely lower bound of λ_min, tried for s; what follows is further out, by what rounding
        may have taken.

    Returns
    -------
    Inverse or None
        None where no factorisation runs through.
    """
    anew = is_gone_on_with(request)
    key = (shift, request.rtol, request.chance, float(request.k))
    found = kept(problem, request, "inverse", key, lambda: _iterate(problem, request, shift, anew))
    vectors = found["vectors"]
    if not vectors.shape[1]:
        return None
    lower, proven, slack = (float(found[name]) for name in ("lower", "proven", "slack"))
    pairs, upper, floor = _rayleigh(problem, vectors)
    lower, proven = lower - problem.entry_error, proven - problem.entry_error
    guarantee = "certified" if proven >= lower else "probabilistic"
    lower, upper = max(lower, problem.least), max(upper, problem.least)
    if not request.vectors:
        pairs = RitzPairs(pairs.values, pairs.residuals)
    smallest = bracket_around(lower, max(upper, lower), float(pairs.values[0]), guarantee)
    products, anew = int(found["products"]), bool(found["anew"])
    return Inverse(smallest, pairs, floor + 4.0 * slack, products, anew)


def _iterate(problem: Problem, request: Request, shift: float, anew: bool) -> dict[str, Array]:
    """Factorise, iterate, and return the lower end, what proves one, and vectors of the low end.

    There are no vectors where no factorisation runs through.
    """
    with stage(request.progress, "factorisation"):
        factor, slack, shift = _factor_near(problem, shift)
    if factor is None:
        return {"vectors": np.empty((problem.n, 0))}
    solve = _Solve(factor, conventional_blas())
    run = BlockLanczos(solve, problem.n, request.block, request.seed)
    quantile = overlap_quantile(request.chance, run.block, problem.n)
    proven = below(shift, slack)
    lower = proven
    with progress_bar(request.progress, None, "products with the inverse", "product") as tick:
        while True:
            run.advance()
            if tick is not None:
                tick(1)
            top = run.ritz_ends()[1]
            upper = shift + 1.0 / top
            allowed_width = max(0.8 * request.rtol * abs(upper), _LEAST * slack)
            done = run.exhausted or run.passes == _PRODUCTS or request.until.out_of_time()
            missed = _missed(run, top, slack, solve.error)
            if done or _reaches(run, top, upper - allowed_width - shift, missed, quantile):
                lower = max(_lower(run, top, shift, slack, missed, quantile), proven)
                if done or upper - lower <= allowed_width:
                    break
    vectors = run.ritz_pairs(request.k, largest=True, vectors=True)[2]
    assert vectors is not None
    # once more, for A's quotients: parts at the far end of its spectrum weigh little with C
    vectors = factor.solve(vectors)
    products = run.passes + 1
    numbers = {"lower": lower, "proven": proven, "slack": slack, "products": products, "anew": anew}
    return {"vectors": vectors} | {name: np.array(value) for name, value in numbers.items()}


def _factor_near(problem: Problem, shift: float) -> tuple[LowerTriangle | None, float, float]:
    """Return the factor of A − sI, its slack, and s: the shift, or a point further out."""
    factor, slack = shifted_factor(problem.visit, problem.n, shift)
    for widths in _FURTHER:
        if factor is not None:
            break
        shift -= widths * (slack + problem.entry_error)
        factor, slack = shifted_factor(problem.visit, problem.n, shift)
    return factor, slack, shift


@dataclass
class _Solve:
    """Products with C by the factor, and a bound of their backward errors ‖E_q‖."""

    factor: LowerTriangle
    conventional: bool
    error: float = field(init=False)

    def __post_init__(self) -> None:
        self.factor.clear_above()
        self._rounding = gamma(2 * self.factor.n + 2) * self.factor.sum_of_squares()
        self.error = self._rounding

    def __call__(self, block: Array) -> Array:
        """Return C times an (n, b) block."""
        solution = self.factor.solve(block)
        if not self.conventional:
            residual = np.linalg.norm(block - self.factor.multiply(solution), axis=0)
            sizes = np.linalg.norm(solution, axis=0)
            measured = float(np.max(residual / np.maximum(sizes, np.finfo(np.float64).tiny)))
            self.error = max(self.error, 1.01 * measured + self._rounding)
        return solution


def _missed(run: BlockLanczos, top: float, slack: float, error: float) -> Missed:
    """Return what the recurrence misses of an eigenvector of C, for μ at a distance from `top`."""
    by_one = slack * _size(run, top) + error * _frobenius_size(run)
    return Missed(run.defect + top * by_one, by_one)


def _frobenius_size(run: BlockLanczos) -> float:
    """Bound ‖W‖_F."""
    parts = [*run.diagonals, *run.couplings, *run.couplings[:-1]]
    return math.sqrt(sum(float(np.sum(part * part)) for part in parts)) + run.defect


def _size(run: BlockLanczos, top: float) -> float:
    """Bound ‖W‖₂, W the products of the basis: T over the last coupling, and what it misses."""
    return top + float(np.linalg.norm(run.couplings[-1])) + run.defect


def _reaches(
    run: BlockLanczos, top: float, distance: float, missed: Missed, quantile: float
) -> bool:
    """Whether the smallest eigenvalue is so far from the shift, by one look: cheap, not final."""
    if distance <= 0.0:
        return True
    slack_left = (1.0 / distance - top) / (1.0 + 2.0 * EDGE_RTOL)
    return slack_left > 0.0 and excludes(run, top, 1.0, slack_left, quantile, missed)


def _lower(
    run: BlockLanczos, top: float, shift: float, slack: float, missed: Missed, quantile: float
) -> float:
    """Return the lower end of λ_min of the matrix as computed, or −∞ where nothing is proven."""
    size = _size(run, top)
    excluded = (0.999 * math.sqrt(quantile) - missed.growth) / size
    edge = outer_bound(run, top, 1.0, quantile, top, missed)
    if slack > excluded or edge <= 0.0:
        return -math.inf
    return shift + (1.0 - 8.0 * _EPS) / edge - 4.0 * _EPS * abs(shift)


def _rayleigh(problem: Problem, vectors: Array) -> tuple[RitzPairs, float, float]:
    """Return Ritz pairs of A from vectors, and what the least one proves: an upper end of λ_min."""
    with one_blas_thread():
        basis = np.linalg.qr(vectors)[0]
    images = problem.multiply(np.ascontiguousarray(basis))
    values, small = np.linalg.eigh((basis.T @ images + images.T @ basis) / 2.0)
    vectors, images = basis @ small, images @ small
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    n, k = vectors.shape
    least, image = vectors[:, 0], images[:, 0]
    square = float(least @ least)
    row_sum = problem.absolute_row_sum()
    floor = problem.noise_floor(float(np.max(np.abs(values))), k)
    # vector and image are combinations of k, and their product a sum over n
    rounding = 2.0 * math.sqrt(k) * gamma(k + 4) * row_sum
    rounding += gamma(2 * n + 8) * float(np.linalg.norm(image))
    upper = float(least @ image) / square + 1.001 * (floor + rounding)
    return RitzPairs(values, residuals, vectors), upper, floor
