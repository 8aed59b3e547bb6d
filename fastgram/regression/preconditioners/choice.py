"""Which preconditioner `solve` takes, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram.eigenvalues.problem import Problem
from fastgram.regression.preconditioners.cosine_features import FittedFeatures, fitted_features
from fastgram.regression.preconditioners.costs import LEAST_COLUMNS, PassCosts
from fastgram.regression.preconditioners.factorised import Precision, factorised
from fastgram.regression.preconditioners.low_rank import from_columns, from_factor, from_products
from fastgram.regression.preconditioners.sampled_spectrum import sampled_spectrum
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_choice, as_real_array

__all__ = ["Preconditioner", "PreconditionerChoice", "preconditioner_for"]

_NAMES = ("auto", "nystrom")
_MOST_COLUMNS, _MOST_BYTES = 4096, 2**31  # fixed, so that the same call gives the same answer
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
    worth : int or None
        Passes with it, after which `instead` would have cost less.
    instead : callable
        Makes another one; None where that cannot be had after all.
    """

    apply: Callable[[Array], Array]
    words: str
    passes: int = 0
    worth: int | None = None
    instead: Callable[[], Preconditioner | None] = lambda: None


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
    if given == "auto":
        return PreconditionerChoice("auto", lambda least: _cheapest(problem, least, columns, seed))

    def nystrom(least: float) -> Preconditioner:
        costs = PassCosts(problem, least, columns)
        return _nystrom(problem, costs, math.inf, seed).preconditioner

    return PreconditionerChoice("nystrom", nystrom)


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


def _cheapest(problem: Problem, least: float, columns: int, seed: int) -> Preconditioner:
    """Return what costs least with the passes that follow: few columns, or a factorisation.

    Where it is few columns after all that had seemed so, passes go on for as long as they cost less
    than a factorisation: the whole then costs about twice the cheaper way at most.
    """
    costs = PassCosts(problem, least, columns)
    whole, precision = costs.factorisation()
    if precision is None:
        return _nystrom(problem, costs, math.inf, seed).preconditioner
    used = precision

    def instead() -> Preconditioner | None:
        return _factorised(problem, used)

    cheap = _nystrom(problem, costs, whole, seed)
    if cheap.rest > whole and (made := instead()) is not None:
        return made
    worth = max(1, math.ceil(whole / costs.pass_with(cheap.rank)))
    return replace(cheap.preconditioner, worth=worth, instead=instead)


def _factorised(problem: Problem, precision: Precision) -> Preconditioner | None:
    diagonal, passes = problem.diagonal(), 0
    # a product keeps entries where there is memory, and a visit or the passes that follow read them
    if problem.entry_flops and problem.device.keeps_tiles:
        problem.multiply(diagonal[:, None])
        passes = 1
    found = factorised(problem.visit, diagonal, precision)
    if found is None:
        return None
    return Preconditioner(found, f"its Cholesky factorisation in {found.factor.dtype}", passes)


class _LowRank(NamedTuple):
    """A preconditioner of few columns, how many, and what the passes after it will cost."""

    preconditioner: Preconditioner
    rank: int
    rest: float


def _nystrom(problem: Problem, costs: PassCosts, limit: float, seed: int) -> _LowRank:
    """Return columns until they have cost what the rest of the run will.

    None, where they and the rest would cost more than the limit.
    """
    n = problem.n
    most = min(n // 2, _MOST_COLUMNS, max(64, _MOST_BYTES // (8 * n)))
    if not problem.has_columns:
        made = _of_products(problem, seed, min(n // 4, _OF_PRODUCTS, most))
        return _LowRank(made, 0, 0.0)
    diagonal = problem.diagonal() - problem.ridge.given
    drawn = np.random.default_rng(np.random.SeedSequence([seed, n])).permutation(n)
    with one_blas_thread():  # of small matrices
        by_columns = costs.columns(sampled_spectrum(problem.columns, diagonal, drawn))
        by_features, fit = costs.features(_fits(problem, diagonal, most, drawn))
    if fit is not None and by_features <= by_columns:
        # without columns of what they leave, which is not semidefinite
        found = from_factor(fit.factor(), problem.ridge, fit.left)
        made = Preconditioner(found, f"{fit.count} features of cosines")
        return _LowRank(made, fit.count, by_features)
    nothing = costs.passes(float(np.mean(diagonal))) * costs.product
    if nothing <= costs.cost(LEAST_COLUMNS) or by_columns > limit:
        return _LowRank(Preconditioner(np.copy, "nothing"), 0, min(nothing, by_columns))

    def enough(rank: int, left: float) -> bool:
        return costs.enough(rank, left) or costs.cost(rank) > limit

    chosen = from_columns(problem.columns, diagonal, problem.ridge, most, enough, seed)
    made = Preconditioner(chosen, f"Nyström of {chosen.rank} columns")
    return _LowRank(made, chosen.rank, costs.left())


def _fits(
    problem: Problem, diagonal: Array, most: int, drawn: npt.NDArray[np.intp]
) -> Iterable[FittedFeatures]:
    """Return features of the rows, none where there are no rows or few."""
    rows = problem.rows()
    if rows is None or problem.n < LEAST_COLUMNS:
        return ()
    return fitted_features(problem.columns, rows, diagonal, most, drawn)


def _of_products(problem: Problem, seed: int, rank: int) -> Preconditioner:
    """Return what one product with a random block brings."""
    if rank == 0:
        return Preconditioner(np.copy, "nothing")

    def without_ridge(block: Array) -> Array:
        product: Array = np.asarray(problem.multiply(block)) - problem.ridge.times(block)
        return product

    made = from_products(without_ridge, problem.n, problem.ridge, rank, seed)
    return Preconditioner(made, f"Nyström of {made.rank} random columns", 1)
