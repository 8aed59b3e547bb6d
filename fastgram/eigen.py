"""extreme_eigenvalues(): choose a method, run it, answer with brackets."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram._arpack import run_arpack
from fastgram._bounds import certify_below, furthest, rayleigh_bounds, share, share_quantile
from fastgram._checkpoint import Checkpoint
from fastgram._lanczos import BlockLanczos
from fastgram._problem import Problem, as_problem
from fastgram._progress import progress_bar
from fastgram._results import Bracket, ExtremeEigenvalues, RitzPairs, condition_of
from fastgram._validation import as_choice, as_integer, as_number

__all__ = ["Bracket", "ExtremeEigenvalues", "RitzPairs", "extreme_eigenvalues"]

Array = npt.NDArray[np.float64]

METHODS = ("auto", "dense", "lanczos", "arpack")
# Up to this order "auto" takes the dense method: its answer is certified, and takes two seconds.
DENSE_LIMIT = 2048


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    rtol: float
    chance: float  # of a miss, at each end
    block: int
    k: int
    vectors: bool
    max_passes: int | None
    seed: int
    checkpoint: str | os.PathLike[str] | None
    progress: bool


@dataclass(frozen=True)
class _Answer:
    """What a method found; an end that exact facts have settled is overridden later."""

    smallest: Bracket
    largest: Bracket
    smallest_pairs: RitzPairs
    largest_pairs: RitzPairs
    noise_floor: float
    block: int
    passes: int
    message: str


def default_block(n: int) -> int:
    """Return the block size for a matrix of order n: a function of n alone."""
    return min(n, 16 if n < 32768 else 32)


def extreme_eigenvalues(
    A: Any,
    *,
    rtol: float = 1e-2,
    confidence: float = 0.999,
    method: str = "auto",
    block: int | None = None,
    k: int = 1,
    vectors: bool = False,
    max_passes: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> ExtremeEigenvalues:
    """Bracket the smallest and the largest eigenvalue of a symmetric matrix.

    Parameters
    ----------
    A : GramOperator, (n, n) array_like or scipy LinearOperator
        Real and symmetric. Brackets speak of an array as it is stored, and of a GramOperator's
        ideal matrix, its rows taken as exact; of another LinearOperator they suppose that its
        products are as accurate as a plain sum of n terms.
    rtol : float
        Stop when both brackets are no wider than rtol·|estimate|.
    confidence : float
        Of both brackets together, where they are probabilistic: over the random start block, each
        end may fail with half of 1 − confidence.
    method : {"auto", "dense", "lanczos", "arpack"}
        "dense": LAPACK, its answer proven by a shifted Cholesky factorisation and a Rayleigh
        quotient with its rounding. "lanczos": block Lanczos, with probabilistic brackets.
        "arpack": scipy's `eigsh`, whose Ritz values are one end of each bracket; the other is
        proven where the dense method could be used and is unknown elsewhere. "auto": dense up to
        n = 2048, else lanczos.
    block : int, optional
        Vectors multiplied at a time by "lanczos"; None takes 16, or 32 from n = 32768.
    k : int
        How many Ritz values to return at each end.
    vectors : bool
        Return Ritz vectors with them.
    max_passes : int, optional
        Products with A at most (of a block, or of one vector for "arpack"). What has been reached
        then comes back as it is.
    seed : int
        Of the random start. The same arguments give the same answer.
    checkpoint : path, optional
        A folder in which "lanczos" stores each pass (n·block·8 bytes) as it is done; the same
        call on the same matrix goes on from there after it was killed, to the same numbers.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    ExtremeEigenvalues

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite, or an argument is out of range.

    Notes
    -----
    Where exact facts show the matrix to be singular (repeated rows, a polynomial activation in few
    dimensions, opposite rows under an odd or even activation), λ_min is the exact 0. An eigenvalue
    below the noise floor is never reported as a number: its bracket contains 0 and `resolved` is
    False. Memory for "lanczos" is n·block·8 bytes a pass.

    The brackets are derived in `fastgram._bounds`: van Dorsselaer, Hochstenbach and van der Vorst
    (2000) extended to blocks, and Rump (2006).

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> answer = fg.extreme_eigenvalues(np.diag([1.0, 2.0, 4.0]))
    >>> answer.smallest.lower <= 1.0 <= answer.smallest.upper
    True
    """
    start = time.perf_counter()
    as_choice("method", method, METHODS)
    confidence = as_number("confidence", confidence, above=0.0, below=1.0)
    if not isinstance(vectors, bool):
        raise TypeError(f"vectors must be True or False, not {vectors!r}")
    rtol = as_number("rtol", rtol, above=0.0)
    if block is not None:
        block = as_integer("block", block, 1)
    if max_passes is not None:
        max_passes = as_integer("max_passes", max_passes, 1)
    k, seed = as_integer("k", k, 1), as_integer("seed", seed, 0)
    problem = as_problem(A)
    if k > problem.n:
        raise ValueError(f"k must be at most the order of the matrix, {problem.n}, not {k}")
    request = _Request(
        rtol=rtol,
        chance=(1.0 - confidence) / 2.0,
        block=min(block or default_block(problem.n), problem.n),
        k=k,
        vectors=vectors,
        max_passes=max_passes,
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be a path, not {checkpoint!r}")
    if method == "dense" and problem.dense is None:
        raise ValueError("the dense method needs an array or a GramOperator, not a LinearOperator")
    why = ""
    if method == "auto":
        small = problem.n <= DENSE_LIMIT and problem.dense is not None
        method = "dense" if small else "lanczos"
        why = f"n ≤ {DENSE_LIMIT}" if small else f"n > {DENSE_LIMIT}" if problem.dense else ""
    if problem.rank_bound == 0:
        answer = _zero(problem, request)
    else:
        answer = {"dense": _dense, "lanczos": _lanczos, "arpack": _arpack}[method](problem, request)
    return _finish(problem, request, answer, method, why, time.perf_counter() - start)


def _finish(
    problem: Problem, request: _Request, answer: _Answer, method: str, why: str, seconds: float
) -> ExtremeEigenvalues:
    smallest, largest = answer.smallest, answer.largest
    parts = [f"{method}" + (f" ({why})" if why else "")]
    if problem.rank_bound == 0:
        smallest = largest = Bracket(0.0, 0.0, 0.0, "exact")
        parts = [f"the matrix is exactly zero: {problem.rank_reason}"]
    elif problem.rank_bound < problem.n:
        smallest = Bracket(0.0, 0.0, 0.0, "exact")
        zeros = problem.n - problem.rank_bound
        parts.append(f"λ_min is an exact zero, {zeros} times or more: {problem.rank_reason}")
    resolved = smallest.lower > 0.0 or smallest.guarantee == "exact"
    converged = smallest.within(request.rtol) and largest.within(request.rtol)
    if answer.message:
        parts.append(answer.message)
    if not resolved and smallest.upper <= 2.0 * answer.noise_floor:
        floor = answer.noise_floor
        parts.append(f"λ_min is below the noise floor of {floor:.2g}: float64 cannot see it")
    return ExtremeEigenvalues(
        smallest=smallest,
        largest=largest,
        condition=condition_of(smallest, largest),
        smallest_pairs=answer.smallest_pairs,
        largest_pairs=answer.largest_pairs,
        noise_floor=float(answer.noise_floor),
        resolved=resolved,
        converged=converged,
        rank_bound=problem.rank_bound,
        n=problem.n,
        method=method,
        block=answer.block,
        passes=answer.passes,
        seconds=seconds,
        message="; ".join(parts),
    )


def _bracket(lower: float, upper: float, estimate: float, guarantee: str) -> Bracket:
    ends = float(lower), float(upper)
    return Bracket(*ends, min(max(float(estimate), ends[0]), ends[1]), guarantee)


def _zero(problem: Problem, request: _Request) -> _Answer:
    """Answer for the zero matrix, which needs no arithmetic."""
    nothing = Bracket(0.0, 0.0, 0.0, "exact")
    vectors = np.eye(problem.n, request.k) if request.vectors else None
    pairs = RitzPairs(np.zeros(request.k), np.zeros(request.k), vectors)
    return _Answer(nothing, nothing, pairs, pairs, 0.0, 0, 0, "")


# --- dense -------------------------------------------------------------------------------------


def _dense(problem: Problem, request: _Request) -> _Answer:
    assert problem.dense is not None
    A = problem.dense()
    low = _dense_pairs(A, request.k, largest=False)
    high = _dense_pairs(A, request.k, largest=True)
    smallest, floor = certified_bracket(A, low, problem, sign=1.0)
    largest, _ = certified_bracket(A, high, problem, sign=-1.0)
    message = ""
    if smallest.guarantee == "none" or largest.guarantee == "none":
        message = "a certificate failed: the matrix is too ill-scaled for its order"
    return _Answer(
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
    step = max(float(np.finfo(np.float64).eps) * math.sqrt(problem.n) * scale, 1e-290)
    proven = None
    for _ in range(24):  # LAPACK's value is off by a few such steps; give up at 2²⁴ of them
        shift = value - step
        proven = certify_below(sign * A, shift)
        if proven is not None:
            break
        step *= 2.0
    if proven is None:
        lower, guarantee, floor = -math.inf, "none", problem.entry_error
    else:
        lower, guarantee = proven - problem.entry_error, "certified"
        floor = value - lower
    if problem.semidefinite and sign > 0.0:
        lower, upper = max(lower, 0.0), max(upper, 0.0)
    if sign > 0.0:
        return _bracket(lower, upper, value, guarantee), floor
    return _bracket(-upper, -lower, -value, guarantee), floor


# --- block Lanczos -----------------------------------------------------------------------------


def _lanczos(problem: Problem, request: _Request) -> _Answer:
    singular = problem.rank_bound < problem.n
    run = BlockLanczos(problem.multiply, problem.n, request.block, request.seed)
    advance = run.advance
    if request.checkpoint is not None:
        advance = Checkpoint(request.checkpoint, run, request.seed).advance
    quantile = share_quantile(request.chance, run.block, problem.n)
    stopped = ""
    with progress_bar(request.progress, request.max_passes, "passes", "pass") as tick:
        next_check = 1
        while True:
            advance()
            if tick is not None:
                tick(1)
            over = run.exhausted or run.passes == request.max_passes
            if run.passes < next_check and not over:
                continue
            next_check = run.passes + max(1, run.passes // 16)
            ritz = run.ritz_values()
            slack = problem.noise_floor(float(np.max(np.abs(ritz)))) + 2.0 * run.defect
            ends = _ends(ritz, singular)
            if not over and not singular and _sunk(float(ritz[0]), slack, problem):
                stopped = "the smallest Ritz value sank below the noise floor"
                break
            if over or _close_enough(run, ends, slack, quantile, request.rtol):
                brackets = _brackets(run, ritz, slack, quantile, problem)
                wanted = brackets[1:] if singular else brackets
                if over or all(bracket.within(request.rtol) for bracket in wanted):
                    break
    brackets = _brackets(run, ritz, slack, quantile, problem)
    wanted = brackets[1:] if singular else brackets
    if not stopped and not all(bracket.within(request.rtol) for bracket in wanted):
        if run.exhausted:
            stopped = "the noise floor is wider than rtol asks for"
        else:
            stopped = f"stopped at max_passes = {request.max_passes}: more passes would tighten it"
    low = RitzPairs(*run.ritz_pairs(request.k, largest=False, vectors=request.vectors))
    high = RitzPairs(*run.ritz_pairs(request.k, largest=True, vectors=request.vectors))
    return _Answer(*brackets, low, high, slack, run.block, run.passes, stopped)


def _ends(ritz: Array, singular: bool) -> list[tuple[float, float]]:
    """Return the Ritz values at the ends that are looked for, and which way is out."""
    high = (float(ritz[-1]), 1.0)
    return [high] if singular else [(float(ritz[0]), -1.0), high]


def _sunk(theta: float, slack: float, problem: Problem) -> bool:
    return theta <= slack if problem.semidefinite else abs(theta) <= slack


def _close_enough(
    run: BlockLanczos,
    ends: list[tuple[float, float]],
    slack: float,
    quantile: float,
    rtol: float,
) -> bool:
    """Whether brackets of width rtol would hold, by one look at each end: cheap and not final."""
    points = []
    for theta, outward in ends:
        room = rtol * abs(theta) - 2.0 * slack
        if room <= 0.0:
            return False
        points.append(theta + outward * room)
    return bool(np.all(share(run, np.array(points)) < quantile))


def _brackets(
    run: BlockLanczos, ritz: Array, slack: float, quantile: float, problem: Problem
) -> tuple[Bracket, Bracket]:
    low, high = float(ritz[0]), float(ritz[-1])
    spread = max(high - low, abs(high), abs(low), np.finfo(np.float64).tiny)
    bottom = furthest(run, low, -1.0, quantile, spread) - slack
    top = furthest(run, high, 1.0, quantile, spread) + slack
    upper = low + slack
    if problem.semidefinite:
        bottom, upper = max(bottom, 0.0), max(upper, 0.0)
    smallest = _bracket(bottom, upper, low, "probabilistic")
    return smallest, _bracket(high - slack, top, high, "probabilistic")


# --- scipy's Lanczos ---------------------------------------------------------------------------


def _arpack(problem: Problem, request: _Request) -> _Answer:
    found = run_arpack(
        problem, request.k, request.rtol, request.max_passes, request.seed, request.progress
    )
    floor = problem.noise_floor(float(np.max(np.abs(found.high.values), initial=0.0)))
    smallest = _one_sided(found.low, found.low_bound, floor, problem, sign=1.0)
    largest = _one_sided(found.high, found.high_bound, floor, problem, sign=-1.0)
    if problem.dense is not None and problem.n <= DENSE_LIMIT and found.converged:
        A = problem.dense()
        smallest, _ = certified_bracket(A, found.low, problem, sign=1.0)
        largest, _ = certified_bracket(A, found.high, problem, sign=-1.0)
    low, high = found.low, found.high
    if not request.vectors:
        low, high = RitzPairs(low.values, low.residuals), RitzPairs(high.values, high.residuals)
    return _Answer(smallest, largest, low, high, floor, 1, found.passes, found.message)


def _one_sided(
    pairs: RitzPairs, bound: float, floor: float, problem: Problem, sign: float
) -> Bracket:
    """Return the bracket whose inner end is a Ritz value and whose outer end is unknown."""
    value = sign * float(pairs.values[0]) if pairs.values.size else sign * bound
    upper = value + floor
    lower = 0.0 if problem.semidefinite and sign > 0.0 else -math.inf
    upper = max(upper, lower)
    if sign > 0.0:
        return _bracket(lower, upper, value, "none")
    return _bracket(-upper, -lower, -value, "none")
