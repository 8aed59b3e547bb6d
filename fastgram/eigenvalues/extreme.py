"""extreme_eigenvalues(): choose a method, run it, answer with brackets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgram.bracket import Bracket, condition_of
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.brackets import bracket_scaled, pairs_scaled
from fastgram.eigenvalues.methods.arpack import run_arpack
from fastgram.eigenvalues.methods.auto import run_auto
from fastgram.eigenvalues.methods.certified import run_certified
from fastgram.eigenvalues.methods.dense import run_dense
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request, Until
from fastgram.eigenvalues.results import ExtremeEigenvalues, RitzPairs
from fastgram.eigenvalues.smallest_nonzero import smallest_nonzero
from fastgram.linalg.checkpoint_folder import as_checkpoint, opened
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.support.literals import AnsweringMethod, Method
from fastgram.support.progress import stage
from fastgram.support.scaling import lower_end, upper_end
from fastgram.support.threads import within_threads
from fastgram.support.validation import as_choice, as_flag, as_integer, as_number

__all__ = ["Bracket", "ExtremeEigenvalues", "RitzPairs", "extreme_eigenvalues"]

_RUN: dict[Method, Callable[[Problem, Request], Answer]] = {
    "auto": run_auto,
    "dense": run_dense,
    "lanczos": run_lanczos,
    "certified": run_certified,
    "arpack": run_arpack,
}
METHODS = tuple(_RUN)
# Up to this order "auto" takes the dense method: its answer is certified, and takes two seconds.
DENSE_LIMIT = 2048
# Up to about this order ball arithmetic answers within minutes.
_EXACT_LIMIT = 1000
# What the basis of "lanczos" may take before the run restarts; fixed, so that the same call gives
# the same answer whatever memory is free.
BASIS_BYTES = 8 * 1024**3


def default_block(n: int) -> int:
    """Return the block size for a matrix of order n: a function of n alone."""
    return min(n, 16 if n < 32768 else 32)


@within_threads()
def extreme_eigenvalues(
    A: Any,
    *,
    rtol: float = 1e-2,
    confidence: float = 0.999,
    method: Method = "auto",
    block: int | None = None,
    k: int = 1,
    vectors: bool = False,
    max_passes: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    time_limit: float | None = None,
    callback: Callable[[Bracket, Bracket], object] | None = None,
    progress: bool = False,
) -> ExtremeEigenvalues:
    """Bracket the smallest and the largest eigenvalue of a symmetric matrix.

    Parameters
    ----------
    A : GramOperator, (n, n) array_like, what `open_gram` returns, or scipy LinearOperator
        Real and symmetric. Brackets speak of an array, or a file, as it is stored, and of a
        GramOperator's ideal matrix, its rows taken as exact, and of SciPy's sums and multiples of
        such; of another LinearOperator they suppose that its products are as accurate as a plain
        sum of n terms.
    rtol : float
        Stop when both brackets are no wider than ``rtol·|estimate|``.
    confidence : float
        Of both brackets together, where they are probabilistic: over the random start block, each
        end may fail with half of 1 − confidence.
    method : {"auto", "dense", "lanczos", "certified", "arpack"}
        "dense": LAPACK, its answer proven by a shifted Cholesky factorisation and a Rayleigh
        quotient with its rounding. "lanczos": block Lanczos, with probabilistic brackets.
        "certified": the same, and then a Cholesky factorisation at either end that proves the
        bracket; it needs 4n² bytes. "arpack": scipy's `eigsh`, whose Ritz values are one end of
        each bracket; the other is proven where the dense method could be used and is unknown
        elsewhere. "auto": dense up to n = 2048, else lanczos; where passes would cost more than
        factorising the matrix, it is factorised and the iteration goes on with its inverse
        ("inverse"), and where a proof costs no more than what was spent, it is added
        ("certified"). The choice follows fixed costs, not the clock, and needs half of the matrix
        to fit in `memory` of the GramOperator, in 4 GiB where that was not given.
    block : int, optional
        Vectors multiplied at a time by "lanczos"; None takes 16, or 32 from n = 32768.
    k : int
        How many Ritz values to return at each end.
    vectors : bool
        Return Ritz vectors with them, as NumPy arrays on any device.
    max_passes : int, optional
        Products with A at most (of a block, or of one vector for "arpack"). What has been reached
        then comes back as it is.
    seed : int
        Of the random start. The same arguments give the same answer; the dense method's to
        rounding where LAPACK has another number of threads, as it has while another thread of the
        process is in fastgram.
    checkpoint : path, optional
        A folder in which each pass is stored (n·block·8 bytes) as it is done. The same call on the
        same matrix goes on from there after it was killed, to the same numbers, and one with
        another `rtol`, `k`, `max_passes`, `confidence` or `method` takes what is there. Of
        factorisations what they found is kept, not the factor: one that was ended begins anew, and
        the message says so. Methods "dense" and "arpack" keep none.
    time_limit : float, optional
        Seconds after which passes end and what has been reached comes back as it is; those of a
        checkpoint are all read. A factorisation that is going on is not interrupted.
    callback : callable, optional
        Called with the brackets of λ_min and λ_max as they are, every few passes; where it returns
        True the run ends with what it has. Not by the dense method or ARPACK, which have none on
        the way.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    ExtremeEigenvalues

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite, or an argument is out of range; if the
        checkpoint is of another matrix, block, seed or version of fastgram, is damaged, or another
        process is writing it.
    OSError
        If the checkpoint cannot be written, or the disk is full: what is stored stays as it is.

    Notes
    -----
    Where exact facts show the matrix to be singular (repeated rows, a polynomial activation in few
    dimensions, opposite rows under an odd or even activation), λ_min is the exact 0; up to
    n = 2048, or 2048 parameters of a finite network, `smallest_nonzero` then brackets the smallest
    eigenvalue that need not be 0, by a full LAPACK eigh besides the method. An eigenvalue below the
    noise floor is never reported as a number: its bracket contains 0 and `resolved` is False.
    Memory for "lanczos" is n·block·8 bytes a pass, up to 8 GiB, and on a cluster a third of its
    workers' memory limits more: then it restarts with what it knows of both ends, and its brackets
    hold as before. Factorisations take 4n² bytes, in place of the
    tiles that the operator keeps.

    The brackets are derived in `fastgram.linalg.lanczos_bound`, `fastgram.linalg.exclusion` and
    `fastgram.linalg.certificate`: van Dorsselaer, Hochstenbach and van der Vorst (2000) extended to
    blocks, and Rump (2006).

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
    vectors, progress = as_flag("vectors", vectors), as_flag("progress", progress)
    rtol = as_number("rtol", rtol, above=0.0)
    if block is not None:
        block = as_integer("block", block, 1)
    if max_passes is not None:
        max_passes = as_integer("max_passes", max_passes, 1)
    until = Until(time_limit, callback, start)
    k, seed = as_integer("k", k, 1), as_integer("seed", seed, 0)
    folder = as_checkpoint(checkpoint)
    reject_checkpoint(folder, method)
    problem = as_problem(A)
    with opened(folder) as held:
        request = Request(
            rtol=rtol,
            chance=(1.0 - confidence) / 2.0,
            block=min(block or default_block(problem.n), problem.n),
            k=k,
            vectors=vectors,
            max_passes=max_passes,
            seed=seed,
            checkpoint=held,
            progress=progress,
            dense_limit=DENSE_LIMIT,
            basis_bytes=BASIS_BYTES,
            until=until,
        )
        _check(problem, request, method)
        answer = (_RUN[method] if problem.rank_bound else _zero)(problem, request)
        used = answer.method or method
        # of the zero matrix, which no method has met, as of the others that need no product
        return _finish(problem, request, answer, "dense" if used == "auto" else used, start)


def reject_checkpoint(checkpoint: Any, method: Method) -> None:
    """Refuse a checkpoint of a method that keeps none.

    Raises
    ------
    ValueError
    """
    if checkpoint is not None and method in ("dense", "arpack"):
        raise ValueError(f'method "{method}" keeps no checkpoint: "lanczos" and "certified" do')


def _check(problem: Problem, request: Request, method: Method) -> None:
    """Raise what does not fit together."""
    if request.k > problem.n:
        raise ValueError(f"k must be at most the order of the matrix, {problem.n}, not {request.k}")
    if method == "dense" and not problem.has_entries:
        raise ValueError("the dense method needs an array or a GramOperator, not a LinearOperator")


def _finish(
    problem: Problem, request: Request, answer: Answer, method: AnsweringMethod, start: float
) -> ExtremeEigenvalues:
    """Return the result: the method's brackets, what exact facts and one pass add, and words."""
    exponent = problem.exponent  # from here on all is of the matrix that was given
    floor = upper_end(answer.noise_floor, exponent)
    parts = [f"{method}" + (f" ({answer.why})" if answer.why else "")]
    (smallest, largest), parts = _with_exact_facts(problem, answer, parts)
    smallest, one_pass = _with_one_pass(problem, request, smallest)
    if one_pass is not None:
        parts.append(f"one pass proves λ_min ≥ {one_pass:.3g}")
    with stage(request.progress and 0 < problem.rank_bound < problem.n, "smallest nonzero"):
        nonzero, remark = smallest_nonzero(problem, request.dense_limit)
    negative = smallest.upper < 0.0
    resolved = smallest.lower > 0.0 or negative or smallest.guarantee == "exact"
    converged = smallest.within(request.rtol) and largest.within(request.rtol)
    below_noise_floor = not resolved and smallest.upper <= 2.0 * floor
    parts += [
        remark,
        "λ_min is negative: the matrix is not positive semidefinite" if negative else "",
        "dense keeps no checkpoint" if request.checkpoint and method == "dense" else "",
        problem.note(answer.block) if answer.block else "",
        answer.message,
    ]
    if below_noise_floor:
        parts.append(f"λ_min is below the noise floor of {floor:.2g}: float64 cannot see it")
    as_far = converged or not answer.cut_short
    hint = _hint(problem, (smallest, largest), method, below_noise_floor, as_far)
    parts.append(f"to tighten: {hint}" if hint else "")
    return ExtremeEigenvalues(
        smallest=smallest,
        largest=largest,
        condition=condition_of(smallest, largest),
        smallest_pairs=pairs_scaled(answer.smallest_pairs, exponent),
        largest_pairs=pairs_scaled(answer.largest_pairs, exponent),
        noise_floor=floor,
        resolved=resolved,
        converged=converged,
        rank_bound=problem.rank_bound,
        n=problem.n,
        method=method,
        block=answer.block,
        passes=answer.passes,
        seconds=time.perf_counter() - start,
        message="; ".join(filter(None, parts)),
        smallest_nonzero=None if nonzero is None else bracket_scaled(nonzero, exponent),
        one_pass_lower=one_pass,
    )


def _with_exact_facts(
    problem: Problem, answer: Answer, parts: list[str]
) -> tuple[tuple[Bracket, Bracket], list[str]]:
    """Return the brackets of the matrix that was given, exact zeros in their place, and words."""
    smallest, largest = (
        bracket_scaled(end, problem.exponent) for end in (answer.smallest, answer.largest)
    )
    least = lower_end(problem.least, problem.exponent)
    known = Bracket(least, least, least, "exact")
    if problem.rank_bound == 0:
        return (known, known), [f"the matrix is exactly zero: {problem.least_reason}"]
    if count := problem.least_count:
        what = "the ridge" if least else "an exact zero"
        fact = f"λ_min is {what}, {count} times or more: {problem.least_reason}"
        return (known, largest), [*parts, fact]
    return (smallest, largest), parts


def _with_one_pass(
    problem: Problem, request: Request, smallest: Bracket
) -> tuple[Bracket, float | None]:
    """Return λ_min's bracket, raised by one pass over the entries where that may be of use.

    And the lower bound that the pass proves, None where there was none.
    """
    one_pass = None
    if _is_open(smallest, request.rtol) and not request.until.out_of_time():
        with stage(request.progress, "one-pass bound"):
            one_pass = problem.one_pass()
    if one_pass is None:
        return smallest, None
    one_pass = lower_end(one_pass, problem.exponent)
    if one_pass > smallest.lower:
        lower = min(one_pass, smallest.upper)
        estimate = max(smallest.estimate, lower)
        smallest = Bracket(lower, smallest.upper, estimate, "certified")
    return smallest, one_pass


def _is_open(smallest: Bracket, rtol: float) -> bool:
    """Whether a proven lower end, as a rule far below a narrow bracket, may be of use."""
    closed = smallest.lower > 0.0 and smallest.within(rtol)
    return smallest.guarantee == "probabilistic" and not closed


def _hint(
    problem: Problem,
    ends: tuple[Bracket, Bracket],
    method: str,
    below_noise_floor: bool,
    as_far: bool,
) -> str:
    """Return what would make the brackets narrower or their guarantee stronger, in words.

    `as_far`: whether more passes would change nothing.
    """
    guarantees = {end.guarantee for end in ends} - {"exact"}
    if not guarantees:
        return ""
    if below_noise_floor:
        return problem.exact_call() if problem.n <= _EXACT_LIMIT else ""
    if "none" in guarantees:
        return 'method="lanczos", which bounds both ends'
    if method == "dense":
        return ""  # rounding is all that is left
    if not as_far:
        return "more passes"
    narrower = "a smaller rtol"
    if "probabilistic" in guarantees and problem.has_entries:
        size = packed_bytes(problem.n)
        return f'{narrower}; method="certified" would prove it, in {size / 2**30:.2g} GiB'
    return narrower


def _zero(problem: Problem, request: Request) -> Answer:
    """Answer for the zero matrix, which needs no arithmetic."""
    nothing = Bracket(0.0, 0.0, 0.0, "exact")
    vectors = np.eye(problem.n, request.k) if request.vectors else None
    pairs = RitzPairs(np.zeros(request.k), np.zeros(request.k), vectors)
    return Answer(nothing, nothing, pairs, pairs, 0.0, 0, 0, "")
