"""spectral_density(): the whole spectrum, by stochastic Lanczos quadrature with bounds.

The method is Lanczos quadrature on random probes: Ubaru, Chen and Saad, *Fast estimation of
tr(f(A)) via stochastic Lanczos quadrature*, SIAM J. Matrix Anal. Appl. 38 (2017), with one block
Krylov space for all probes. What the run proves of the measure that the probes see is derived in
`fastgram.density.quadrature`, what that proves of the eigenvalues in `fastgram.density.rank_law`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgram.bracket import Bracket, bracket_around
from fastgram.density.quadrature import Envelope, block_rule, envelope
from fastgram.density.rank_law import RankLaw, eigenvalue_bounds, rank_law
from fastgram.density.results import SpectralDensity
from fastgram.density.sums import Sums, known_trace, sums_of
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.extreme import default_block
from fastgram.eigenvalues.methods.lanczos import brackets_now, brackets_of, missed_by, reached_words
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Until
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint, start_vectors
from fastgram.linalg.checkpoint_folder import CheckpointFolder, as_checkpoint, opened
from fastgram.linalg.lanczos_bound import overlap_quantile
from fastgram.support.arrays import Array
from fastgram.support.memory import require_memory
from fastgram.support.progress import progress_bar
from fastgram.support.rounding import gamma
from fastgram.support.scaling import lower_end, scaled, upper_end
from fastgram.support.threads import within_threads
from fastgram.support.validation import as_flag, as_integer, as_number

__all__ = ["SpectralDensity", "spectral_density"]

# How the chance of a miss is divided.
_ORDER, _ENDS, _SUMS = 0.5, 0.25, 0.25
# Without `passes`, a run ends here at the latest.
MOST_PASSES = 80


@within_threads()
def spectral_density(
    A: Any,
    *,
    probes: int | None = None,
    passes: int | None = None,
    confidence: float = 0.999,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    time_limit: float | None = None,
    callback: Callable[[Bracket, Bracket], object] | None = None,
    progress: bool = False,
) -> SpectralDensity:
    """Estimate and bound the distribution of all eigenvalues of a symmetric matrix.

    Parameters
    ----------
    A : GramOperator, (n, n) array_like, what `open_gram` returns, or scipy LinearOperator
        Real and symmetric; what the bounds speak of is as for `extreme_eigenvalues`.
    probes : int, optional
        Random vectors, multiplied at a time: 1 to n. None takes 16, or 32 from n = 32768, as
        `extreme_eigenvalues` does.
    passes : int, optional
        Products with A. None goes on until the error of the quadrature is, on average over the
        spectrum, no more than that of the random draw, and 80 passes at most.
    confidence : float
        Of everything in the result together.
    seed : int
        Of the random probes. The same arguments give the same answer.
    checkpoint : path, optional
        A folder in which each pass is stored (n·probes·8 bytes) as it is done, and from which the
        same call goes on. One of `extreme_eigenvalues` by "lanczos" on the same matrix, with the
        same seed and as many probes as its block, is gone on from, and the other way round.
    time_limit : float, optional
        Seconds after which passes end; what has been reached comes back, its bounds as they are.
    callback : callable, optional
        Called with the brackets of λ_min and λ_max as they are, after every pass; where it returns
        True the run ends with what it has.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    SpectralDensity

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite, or an argument is out of range, or the
        basis (n·probes·8 bytes a pass) does not fit in the memory that is free; if the checkpoint
        is of another matrix, number of probes, seed or version of fastgram, is damaged, or another
        process is writing it.
    OSError
        If the checkpoint cannot be written, or the disk is full: what is stored stays as it is.

    Notes
    -----
    The part of the eigenvalues ≤ x is bounded for all x at once. Half the width of the bounds is
    about 4.7·√(2F(1 − F)/(n·probes)) for the random draw, plus one for the quadrature that falls
    like 1/passes (less where eigenvalues stand apart): a finite number of moments, of which 2 a
    pass are known, says no more.

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> answer = fg.spectral_density(np.diag([1.0, 2.0, 4.0]))
    >>> answer.count(1.5, 5.0).estimate
    2.0
    """
    until = Until(time_limit, callback, time.perf_counter())
    confidence = as_number("confidence", confidence, above=0.0, below=1.0)
    if probes is not None:
        probes = as_integer("probes", probes, 1)
    if passes is not None:
        passes = as_integer("passes", passes, 1)
    seed, progress = as_integer("seed", seed, 0), as_flag("progress", progress)
    folder = as_checkpoint(checkpoint)
    problem = as_problem(A)
    n = problem.n
    if probes is not None and probes > n:
        raise ValueError(f"probes must be at most the order of the matrix, {n}, not {probes}")
    if problem.rank_bound == 0:
        return _zero(problem, confidence, until.started)
    block = probes or default_block(n)
    most = passes or MOST_PASSES
    columns = min(most * (block + block // 2), n)  # extra start vectors included
    require_memory(f"{columns} basis vectors of length {n} (see passes)", 8 * n * columns)
    with opened(folder) as held:
        probing = _Probing(problem, block, seed, held, 1.0 - confidence, until)
        with progress_bar(progress, most, "passes", "pass") as tick:
            try:
                seen, stopped = probing.iterate(most, passes is not None, tick)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(probing.reached()) from None
        return _result(probing, seen, stopped, confidence)


class _Probing:
    """The run of one call from its random probes, and the law that their draw keeps to."""

    def __init__(
        self,
        problem: Problem,
        block: int,
        seed: int,
        checkpoint: CheckpointFolder | None,
        chance: float,
        until: Until,
    ) -> None:
        self.problem, self.until = problem, until
        n, extra = problem.n, None
        if checkpoint is not None:
            Checkpoint.begin(checkpoint, problem, n, block, seed)
        if not problem.least_count:  # as `extreme_eigenvalues` does, so that one run serves both
            count = block // 2
            extra = start_vectors(checkpoint, block, lambda: problem.extra_start_vectors(count))
        multiply, device = problem.multiply, problem.device
        self.run = BlockLanczos(multiply, n, block, seed, extra, device, noise=problem.noise_floor)
        self.law = rank_law(n, self.run.block, _ORDER * chance)
        self.quantile = overlap_quantile(_ENDS * chance / 2.0, self.run.block, n)
        self._checkpoint = checkpoint
        self._steps: BlockLanczos | Checkpoint = self.run
        if checkpoint is not None:
            self._steps = Checkpoint(checkpoint, self.run, problem)

    def iterate(
        self, most: int, fixed: bool, tick: Callable[[int], None] | None
    ) -> tuple[Envelope, str]:
        """Go on until the passes are done, or suffice, or are ended; and say what ended them."""
        run, next_check = self.run, 8
        while True:
            self._steps.advance()
            asked = self._callback_asks()
            if tick is not None:
                tick(1)
            late = self.until.out_of_time() and not self._steps.reads_back
            if run.exhausted or run.passes == most:
                return envelope(run), ""
            if not (asked or late) and (fixed or run.passes < next_check):
                continue
            next_check = run.passes + max(1, run.passes // 4)
            seen = envelope(run)
            suffices = not fixed and seen.mean_width() <= self.law.mean_width()
            if suffices or asked or late:
                return seen, "" if suffices else self.until.words(late and not asked)

    def reached(self) -> str:
        """Return the message of a run that is interrupted."""
        return reached_words(self.run, self.problem, self.quantile, self._checkpoint)

    def _callback_asks(self) -> bool:
        if self.until.callback is None:
            return False
        brackets = brackets_now(self.run, self.problem, self.quantile)
        return self.until.asks(*brackets, self.problem.exponent)


def _result(probing: _Probing, seen: Envelope, stopped: str, confidence: float) -> SpectralDensity:
    """Return all that follows from what the probes saw."""
    problem, run, law = probing.problem, probing.run, probing.law
    n, chance = problem.n, 1.0 - confidence
    nodes, weights = block_rule(run)
    # all eigenvalues of T, and its basis, are granted so many roundings beside
    size = float(np.max(np.abs(nodes)))
    ends = float(nodes[0]), float(nodes[-1])
    slack = missed_by(run, ends, problem) + gamma(128 + 2 * nodes.size) * size
    smallest, largest = brackets_of(run, ends, slack, probing.quantile, problem)
    lower, upper = eigenvalue_bounds(seen, law, nodes, slack, (smallest.lower, largest.upper))
    least, count = problem.least, problem.least_count
    lower, upper = np.maximum(lower, least), np.maximum(upper, least)
    if count:
        lower[:count] = upper[:count] = least
        smallest = Bracket(least, least, least, "exact")
    trace = known_trace(problem)
    sums = sums_of(run, problem, trace, smallest, (lower, upper), slack, _SUMS * chance)
    parts = [_account(run, law, seen, n), stopped, *_remarks(problem, run, smallest, slack)]
    exponent = problem.exponent  # from here on all is of the matrix that was given
    return SpectralDensity(
        lower=np.array([lower_end(value, exponent) for value in lower.tolist()]),
        upper=np.array([upper_end(value, exponent) for value in upper.tolist()]),
        estimates=scaled(np.clip(_quantiles(nodes, weights, n), lower, upper), exponent),
        nodes=scaled(nodes, exponent),
        weights=weights,
        smallest=bracket_scaled(smallest, exponent),
        largest=bracket_scaled(largest, exponent),
        trace=bracket_scaled(sums.trace, exponent),
        log_determinant=_logarithm_scaled(sums.log_determinant, n, exponent),
        effective_rank=sums.effective_rank,
        confidence=confidence,
        n=n,
        rank_bound=problem.rank_bound,
        block=run.block,
        passes=run.passes,
        noise_floor=upper_end(slack, exponent),
        seconds=time.perf_counter() - probing.until.started,
        message="; ".join(filter(None, parts)),
    )


def _quantiles(nodes: Array, weights: Array, n: int) -> Array:
    """Return n eigenvalues as a quadrature rule would have them, ascending."""
    ranks = (np.arange(n) + 0.5) / n
    places = np.minimum(np.searchsorted(np.cumsum(weights), ranks), nodes.size - 1)
    return nodes[places]


def _remarks(problem: Problem, run: BlockLanczos, smallest: Bracket, slack: float) -> list[str]:
    """Return the parts of the message that are about the matrix, "" where there is no remark."""
    count, floor = problem.least_count, upper_end(slack, problem.exponent)
    what = "the ridge" if problem.least else "exact zeros"
    parts = [
        f"{count} eigenvalues or more are {what}: {problem.least_reason}" if count else "",
        problem.note(run.block),
    ]
    if smallest.lower <= slack and not count:
        parts.append(f"eigenvalues below the noise floor of {floor:.2g} cannot be told from 0")
    return parts


def _logarithm_scaled(found: Bracket | None, n: int, exponent: int) -> Bracket | None:
    """Return the logarithm of the determinant of 2**exponent times the matrix."""
    if found is None or exponent == 0:
        return found
    added = n * exponent * math.log(2.0)
    rounding = 4.0 * float(np.finfo(np.float64).eps) * abs(added)
    low, high = found.lower + added - rounding, found.upper + added + rounding
    return bracket_around(low, high, found.estimate + added, found.guarantee)


def _account(run: BlockLanczos, law: RankLaw, seen: Envelope, n: int) -> str:
    """Return what was done, and what would tighten the bounds, in words."""
    done = f"{run.passes} {'pass' if run.passes == 1 else 'passes'} with {run.block} probes"
    order = sum(diagonal.shape[0] for diagonal in run.diagonals)
    if order == n:
        return f"{done} span the whole space: every eigenvalue is known but for rounding"
    drawn = f"{100.0 * law.mean_width():.2g} %"
    if run.exhausted:
        return (
            f"{done} say all of what the probes see; the bounds are {drawn} of the eigenvalues"
            " apart on average: more probes would tighten them"
        )
    integrated = f"{100.0 * seen.mean_width():.2g} %"
    return (
        f"{done}: the bounds are {drawn} of the eigenvalues apart on average from the random draw,"
        f" which more probes would tighten, and {integrated} from the quadrature, which more passes"
        " would"
    )


def _zero(problem: Problem, confidence: float, start: float) -> SpectralDensity:
    """Answer for the zero matrix, which needs no arithmetic."""
    nothing, exact = np.zeros(problem.n), Bracket(0.0, 0.0, 0.0, "exact")
    infinite = Bracket(-np.inf, -np.inf, -np.inf, "exact")
    sums = Sums(exact, infinite, None)
    return SpectralDensity(
        lower=nothing,
        upper=nothing.copy(),
        estimates=nothing.copy(),
        nodes=np.zeros(1),
        weights=np.ones(1),
        smallest=exact,
        largest=exact,
        trace=sums.trace,
        log_determinant=sums.log_determinant,
        effective_rank=sums.effective_rank,
        confidence=confidence,
        n=problem.n,
        rank_bound=0,
        block=0,
        passes=0,
        noise_floor=0.0,
        seconds=time.perf_counter() - start,
        message=f"the matrix is exactly zero: {problem.least_reason}",
    )
