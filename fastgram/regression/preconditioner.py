"""Which preconditioner `solve` takes, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from fastgram.eigenvalues.methods.costs import FACTOR_BYTES, NOMINAL, Costs
from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.regression.cosine_features import FittedFeatures, fitted_features
from fastgram.regression.low_rank import from_columns, from_factor, from_products
from fastgram.regression.sampled_spectrum import SampledSpectrum, sampled_spectrum
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_choice, as_real_array

__all__ = ["Preconditioner", "PreconditionerChoice", "preconditioner_for"]

_NAMES = ("auto", "nystrom")
_MOST_COLUMNS, _MOST_BYTES = 4096, 2**31  # fixed, so that the same call gives the same answer
_LEAST_COLUMNS = 192  # before it is judged whether more of them pay
_PASSES = 7.0  # of conjugate gradients to 1e-6, for a condition number of 1
_OF_PRODUCTS = 256  # columns, where entries cannot be had


@dataclass(frozen=True)
class Preconditioner:
    """A symmetric positive definite matrix near A⁻¹.

    Attributes
    ----------
    apply : callable
        (n, b) block to it times the block.
    words : str
    passes : int
        Products with A that it took.
    """

    apply: Callable[[Array], Array]
    words: str
    passes: int = 0


@dataclass(frozen=True)
class PreconditionerChoice:
    """What was chosen, in a word, and how it is made from a lower bound of λ_min."""

    name: str
    make: Callable[[float], Preconditioner]


def preconditioner_for(
    given: Any, problem: Problem, columns: int, seed: int, dense_limit: int
) -> PreconditionerChoice:
    """Return the choice for so many right-hand sides.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or what is no operator of the order n.
    """
    if given is None:
        return PreconditionerChoice("none", lambda _: Preconditioner(np.copy, "nothing"))
    if not isinstance(given, str):
        return PreconditionerChoice("given", _of_operator(given, problem))
    as_choice("preconditioner", given, _NAMES)
    if given == "auto" and problem.has_entries and problem.n <= dense_limit:
        return PreconditionerChoice("cholesky", lambda _: _cholesky(problem))
    return PreconditionerChoice("nystrom", lambda least: _nystrom(problem, least, columns, seed))


def _of_operator(given: Any, problem: Problem) -> Callable[[float], Preconditioner]:
    shape = getattr(given, "shape", None)
    if shape != (problem.n, problem.n) or not hasattr(given, "__matmul__"):
        found = repr(given) if shape is None else f"one of shape {shape}"
        raise TypeError(
            f"preconditioner must be one of {', '.join(_NAMES)}, None, or an operator of shape"
            f" ({problem.n}, {problem.n}), not {found}"
        )

    def apply(block: Array) -> Array:
        product = as_real_array(given @ block.copy(), "the preconditioner's product")
        if product.shape != block.shape:
            raise ValueError(
                f"the preconditioner's product must be of shape {block.shape}, not {product.shape}"
            )
        return product.astype(np.float64)

    return lambda _: Preconditioner(apply, "the operator that was given")


def _cholesky(problem: Problem) -> Preconditioner:
    matrix = problem.dense()
    try:
        factor = scipy.linalg.cho_factor(matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        raise ValueError(
            "the matrix is not positive definite to rounding: add a ridge, op.with_ridge(s)"
        ) from None
    return Preconditioner(
        lambda block: np.asarray(scipy.linalg.cho_solve(factor, block, check_finite=False)),
        "its Cholesky factorisation",
    )


class _Pays:
    """Whether more columns save more passes than they cost, in the units of `Costs`."""

    def __init__(self, problem: Problem, least: float, columns: int) -> None:
        self._n, self._least, self._columns = problem.n, least, columns
        self._entry_flops = problem.entry_flops
        budget = problem.memory if problem.memory is not None else FACTOR_BYTES
        kept = min(1.0, budget / packed_bytes(problem.n))
        by_itself = problem.product_flops(columns)
        speed = problem.device.speed
        costs = Costs(problem.n, columns, 1.0 - kept, problem.entry_flops, by_itself, speed)
        self.product = costs.product
        self._seen: list[tuple[int, float]] = []  # columns, and the passes that are then left

    def passes(self, left: float) -> float:
        """Return about how many passes are left where columns leave so much of the diagonal.

        What is left has eigenvalues of about that size: the large ones are taken first.
        """
        return self._passes(2.0 * left, 0.0)

    def _passes(self, largest: float, least: float) -> float:
        """Return about how many passes are left between eigenvalues of what is left."""
        return _PASSES * math.sqrt(1.0 + largest / (self._least + least))

    def cost(self, rank: int) -> float:
        """Return what so many columns cost: entries, products with those before, and a factor."""
        rows = self._n * rank * (self._entry_flops + 5.0 * rank)
        return (rows + rank**3 / 3.0) / NOMINAL.factorisation

    def application(self, rank: int) -> float:
        """Return what applying so many columns in a pass costs: they are read twice."""
        flops = 4.0 * self._n * rank * self._columns / NOMINAL.tiles
        return max(2.0 * 4.0 * self._n * rank / NOMINAL.memory, flops)

    def enough(self, rank: int, left: float) -> bool:
        """Whether the last columns have cost more than they saved, or nothing is left to save."""
        self._seen.append((rank, self.passes(left)))
        if rank < _LEAST_COLUMNS or left < self._least / 4.0:
            return rank > 0 and left < self._least / 4.0
        before, passes = self._seen[max(len(self._seen) - 3, 0)]
        saved = (passes - self._seen[-1][1]) * self.product
        return self.cost(rank) - self.cost(before) > saved

    def features(self, fits: Iterable[FittedFeatures]) -> tuple[float, FittedFeatures | None]:
        """Return the least cost of all that follows by features, and which do it."""
        least, best = math.inf, None
        for fit in fits:
            made = (2.0 * self._n * fit.count**2 + fit.count**3 / 3.0) / NOMINAL.factorisation
            if made > least:
                break  # more of them cost more before anything has followed
            passes = self._passes(fit.largest + fit.left, fit.least)
            cost = made + passes * (self.product + self.application(fit.count))
            if cost < least:
                least, best = cost, fit
        return least, best

    def columns(self, spectrum: SampledSpectrum) -> float:
        """Return the least cost of all that follows by columns, as far as a sample shows.

        Columns come near to what half as many eigenvectors would do.
        """
        ends = zip(spectrum.values, spectrum.left, strict=True)
        return min(
            self.cost(2 * count)
            + self._passes(largest + left, spectrum.least)
            * (self.product + self.application(2 * count))
            for count, (largest, left) in enumerate(ends)
        )


def _nystrom(problem: Problem, least: float, columns: int, seed: int) -> Preconditioner:
    """Return columns until they have cost what the rest of the run will."""
    n = problem.n
    most = min(n // 2, _MOST_COLUMNS, max(64, _MOST_BYTES // (8 * n)))
    if not problem.has_columns:
        return _of_products(problem, seed, min(n // 4, _OF_PRODUCTS, most))
    pays = _Pays(problem, least, columns)
    diagonal = problem.diagonal() - problem.ridge.given
    made = _of_features(problem, diagonal, pays, most, seed)
    if made is not None:
        return made
    if pays.passes(float(np.mean(diagonal))) * pays.product <= pays.cost(_LEAST_COLUMNS):
        return Preconditioner(np.copy, "nothing")
    chosen = from_columns(problem.columns, diagonal, problem.ridge, most, pays.enough, seed)
    return Preconditioner(chosen, f"Nyström of {chosen.rank} columns")


def _of_features(
    problem: Problem, diagonal: Array, pays: _Pays, most: int, seed: int
) -> Preconditioner | None:
    """Return features of the rows, None where there are none or columns are worth more."""
    rows, n = problem.rows(), problem.n
    if rows is None or n < _LEAST_COLUMNS:
        return None
    drawn = np.random.default_rng(np.random.SeedSequence([seed, n])).permutation(n)
    with one_blas_thread():  # of small matrices
        fits = fitted_features(problem.columns, rows, diagonal, most, drawn)
        cost, fit = pays.features(fits)
        if fit is None or cost > pays.columns(sampled_spectrum(problem.columns, diagonal, drawn)):
            return None
    # without columns of what they leave, which is not semidefinite
    made = from_factor(fit.factor(), problem.ridge, fit.left)
    return Preconditioner(made, f"{fit.count} features of cosines")


def _of_products(problem: Problem, seed: int, rank: int) -> Preconditioner:
    """Return what one product with a random block brings."""
    if rank == 0:
        return Preconditioner(np.copy, "nothing")

    def without_ridge(block: Array) -> Array:
        product: Array = np.asarray(problem.multiply(block)) - problem.ridge.times(block)
        return product

    made = from_products(without_ridge, problem.n, problem.ridge, rank, seed)
    return Preconditioner(made, f"Nyström of {made.rank} random columns", 1)
