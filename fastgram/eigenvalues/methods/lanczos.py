"""The lanczos method: iterate until the brackets are narrow enough."""

from __future__ import annotations

import enum
import math
from contextlib import suppress

import numpy as np

from fastgram.bracket import Bracket, Guarantee, bracket_around
from fastgram.devices.device import LostRowsError
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.methods.next_look import NextLook
from fastgram.eigenvalues.methods.working_ahead import WorkingAhead
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.eigenvalues.results import RitzPairs
from fastgram.linalg.basis.krylov_basis import bytes_elsewhere
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint, start_vectors
from fastgram.linalg.checkpoint_folder import CheckpointFolder
from fastgram.linalg.exclusion import EDGE_RTOL, Missed, excess, excludes
from fastgram.linalg.lanczos_bound import inner_end, outer_bound, overlap_quantile
from fastgram.support.progress import progress_bar, stage

__all__ = [
    "StopReason",
    "brackets_now",
    "brackets_of",
    "missed_by",
    "reached_words",
    "run_lanczos",
]


# Of the columns that the basis may have, the part that a restart keeps as Ritz vectors of each end:
# of those measured, what cost the fewest passes on flat and on steep edges.
_LOWEST, _HIGHEST = 1.0 / 16.0, 1.0 / 8.0
# Blocks that the basis must hold: what a restart keeps, its residual block, and a few passes.
_LEAST_BLOCKS = 6
# Columns multiplied, relative to n, at which a run that restarts gives up.
_MOST_COLUMNS = 4
# A callback is told of the brackets whenever the passes have grown by so small a part.
_TOLD = 16
# How often a run begins anew from its checkpoint where workers die that have rows of the basis.
_MOST_LOSSES = 3
# The size of a spectrum of which nothing but zeros has been seen.
_NOTHING = 1e-100


class StopReason(enum.Enum):
    """The end of a run's passes."""

    NARROW = enum.auto()  # the brackets are as narrow as asked
    BELOW_NOISE_FLOOR = enum.auto()  # both Ritz values are
    EXHAUSTED = enum.auto()  # the span of the basis is invariant
    TIME_LIMIT = enum.auto()
    BASIS_FULL = enum.auto()  # restarts do not get on
    MAX_PASSES = enum.auto()
    CALLBACK = enum.auto()
    TOO_SLOW = enum.auto()  # the budget of passes is spent


# What the caller, or what he gave, stopped: the brackets might have become narrower.
_CUT_SHORT = {
    StopReason.TIME_LIMIT,
    StopReason.BASIS_FULL,
    StopReason.MAX_PASSES,
    StopReason.CALLBACK,
}


def run_lanczos(problem: Problem, request: Request) -> Answer:
    """Iterate until both brackets are as narrow as asked, or something else ends the run.

    Raises
    ------
    LostRowsError
        If a worker died that had rows of the basis, and there is no checkpoint to go on from.
    """
    for _ in range(_MOST_LOSSES if request.checkpoint is not None else 0):
        with suppress(LostRowsError):
            return _run(problem, request)
    return _run(problem, request)


def _run(problem: Problem, request: Request) -> Answer:
    passes = _Passes(problem, request)
    with progress_bar(request.progress, request.max_passes, "passes", "pass") as tick:
        try:
            while passes.stop is None:
                passes.advance()
                if tick is not None:
                    tick(1)
                passes.judge()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(passes.reached()) from None
    return passes.answer(passes.stop)


class _Passes:
    """The passes of one run: what they have found, and why they ended."""

    stop: StopReason | None = None

    def __init__(self, problem: Problem, request: Request) -> None:
        self._problem, self._request = problem, request
        self._singular = problem.least_count > 0
        self._max_columns, self._columns_here = _max_columns(problem, request)
        if request.checkpoint is not None:
            Checkpoint.begin(request.checkpoint, problem, problem.n, request.block, request.seed)
        extra_start_vectors = None
        if not self._singular:
            with stage(request.progress, "close pairs"):
                extra_start_vectors = start_vectors(
                    request.checkpoint,
                    request.block,
                    lambda: problem.extra_start_vectors(request.block // 2),
                )
        self._run = BlockLanczos(
            problem.multiply,
            problem.n,
            request.block,
            request.seed,
            extra_start_vectors,
            problem.device,
            noise=problem.noise_floor,
        )
        self._steps: BlockLanczos | Checkpoint = self._run
        if request.checkpoint is not None:
            self._steps = Checkpoint(request.checkpoint, self._run, problem)
        self._quantile = overlap_quantile(request.chance, self._run.block, problem.n)
        budget = request.pass_budget
        marks = () if budget is None else budget.marks
        self._next_look = NextLook(problem.n, self._run.width, marks)
        self._next_told = 1  # of the callback, which changes nothing in when the run looks
        self._ahead = WorkingAhead(problem.multiplies_by_itself(self._run.width))

    def advance(self) -> None:
        """Multiply once more, and restart before that where the basis is full."""
        with self._ahead.a_pass():
            if self._has_to_restart:
                lowest, highest = (int(part * self._columns_here) for part in (_LOWEST, _HIGHEST))
                self._steps.restart(max(lowest, self._request.k), max(highest, self._request.k))
            self._steps.advance()

    @property
    def _has_to_restart(self) -> bool:
        run = self._run
        return run.columns + run.width > self._max_columns and bool(run.diagonals)

    def reached(self) -> str:
        """Return the message of a run that is interrupted."""
        checkpoint = self._request.checkpoint
        return reached_words(self._run, self._problem, self._quantile, checkpoint)

    def judge(self) -> None:
        """Look at what was found where it is time to, and set `stop` where the run is done."""
        done, passes = self._done(), self._run.passes
        callback = self._request.until.callback
        looks = done is not None or passes >= self._next_look.due
        tells = callback is not None and passes >= self._next_told
        if not looks and not tells:
            return
        if done is None and not tells and not self._next_look.ends:
            self._work_ahead()
        with self._ahead.a_look():
            self._look()
        if looks:
            self.stop = done or self._found_enough()
        if self.stop is None and tells:
            self._next_told = passes + max(1, passes // _TOLD)
            self.stop = self._asked_to_end()
        if self.stop is None and looks:
            self._next_look.plan(passes, self._gauges)
            self.stop = self._too_slow()

    def _work_ahead(self) -> None:
        """Have the device at the pass that comes next, unless a file has it."""
        if self._ahead.pays and not self._has_to_restart and not self._steps.reads_back:
            self._ahead.begin(self._run)

    def _done(self) -> StopReason | None:
        """Return what ends the run whatever it has found."""
        run = self._run
        if run.exhausted:
            return StopReason.EXHAUSTED
        if self._request.until.out_of_time() and not self._steps.reads_back:
            return StopReason.TIME_LIMIT
        if run.earlier and run.multiplied >= _MOST_COLUMNS * self._problem.n:
            return StopReason.BASIS_FULL
        if run.passes == self._request.max_passes:
            return StopReason.MAX_PASSES
        return None

    def _look(self) -> None:
        """Find the Ritz values, and what they are off by."""
        self._ritz = self._low, self._high = self._run.ritz_ends()
        self._slack = missed_by(self._run, self._ritz, self._problem)
        # an end that is below the noise floor is as it will be; the other goes on
        self._low_is_lost = self._is_below_noise_floor(self._low)
        self._both_are_lost = self._low_is_lost and self._is_below_noise_floor(self._high)
        self._gauges = self._gauges_of_ends()
        self._found: tuple[Bracket, Bracket] | None = None

    def _gauges_of_ends(self) -> list[tuple[float, ...]]:
        """Return for either end what is left until a bracket of width rtol holds, or it is lost.

        The first by one look: cheap and not final. The last of the low end tells how near λ_min is
        to what is known to be below it.
        """
        low, high, slack = self._low, self._high, self._slack
        outward, ritz = np.array([-1.0, 1.0]), np.array([low, high])
        allowed = (self._request.rtol * np.abs(ritz) - slack) / (1.0 + 2.0 * EDGE_RTOL)
        left = np.full(2, math.inf)  # where the noise floor is wider than that
        wanted = (allowed > 0.0) & np.array([not self._only_the_largest, True])
        if np.any(wanted):
            points = ritz[wanted], outward[wanted], allowed[wanted]
            left[wanted] = excess(self._run, *points, self._quantile, Missed(slack))
        width = max(self._request.rtol * abs(low), _NOTHING)
        above = max(low - self._problem.least, _NOTHING) / width
        if self._only_the_largest or above <= 1.0:
            left[0] = -math.inf
        sinking = [self._above_noise_floor(theta) for theta in (low, high)]
        to_low, to_high = left.tolist()  # Python's, of which inf less inf warns of nothing
        return [(to_low, sinking[0], math.log(above)), (to_high, sinking[1])]

    def _above_noise_floor(self, theta: float) -> float:
        """Return the logarithm of a Ritz value over the noise floor, or 0 for one below it."""
        if self._is_below_noise_floor(theta):
            return 0.0
        return math.log(abs(theta)) - math.log(max(self._slack, _NOTHING))

    def _is_below_noise_floor(self, theta: float) -> bool:
        return (theta if self._problem.least >= 0.0 else abs(theta)) <= self._slack

    @property
    def _brackets(self) -> tuple[Bracket, Bracket]:
        """The brackets of λ_min and λ_max at the newest look."""
        if self._found is None:
            self._found = brackets_of(
                self._run, self._ritz, self._slack, self._quantile, self._problem
            )
        return self._found

    @property
    def _only_the_largest(self) -> bool:
        return self._singular or self._low_is_lost

    @property
    def _are_narrow(self) -> bool:
        """Whether the brackets that are looked for are as narrow as asked."""
        wanted = self._brackets[1:] if self._only_the_largest else self._brackets
        return all(end.within(self._request.rtol) for end in wanted)

    def _found_enough(self) -> StopReason | None:
        if self._both_are_lost:
            return StopReason.BELOW_NOISE_FLOOR
        if all(gauges[0] < 0.0 for gauges in self._gauges) and self._are_narrow:
            return StopReason.NARROW
        return None

    def _asked_to_end(self) -> StopReason | None:
        asked = self._request.until.asks(*self._brackets, self._problem.exponent)
        return StopReason.CALLBACK if asked else None

    def _too_slow(self) -> StopReason | None:
        """Return TOO_SLOW where λ_min's bracket should be narrower by now, and is not."""
        budget, rtol = self._request.pass_budget, self._request.rtol
        if budget is None or self._only_the_largest:
            return None
        allowed = budget.allowed_width(self._run.passes, rtol)
        # where the other end is still open passes are all that closes it
        if math.isinf(allowed) or self._gauges[1][0] >= 0.0:
            return None
        left = (allowed * abs(self._low) - self._slack) / (1.0 + 2.0 * EDGE_RTOL)
        missed = Missed(self._slack)
        if left > 0.0 and excludes(self._run, self._low, -1.0, left, self._quantile, missed):
            return None
        return StopReason.TOO_SLOW

    def answer(self, stop: StopReason) -> Answer:
        """Return what the run has found, once it has ended."""
        run, slack = self._run, self._slack
        lost = self._low_is_lost and not self._singular
        parts = ["the smallest Ritz value sank below the noise floor"] if lost else []
        if not self._are_narrow:
            parts.append(self._why_not_narrow(stop))
        # what a pair's residual is computed with is no better than products are
        rounding = slack - self._problem.entry_error
        low, high = (
            _pairs(run, self._request, largest=largest, rounding=rounding)
            for largest in (False, True)
        )
        return Answer(
            *self._brackets,
            low,
            high,
            slack,
            run.block,
            run.passes,
            "; ".join(parts),
            method="lanczos",
            cut_short=lost or stop in _CUT_SHORT,
            stopped_early=stop is StopReason.TOO_SLOW,
        )

    def _why_not_narrow(self, stop: StopReason) -> str:
        if stop is StopReason.TOO_SLOW:
            return "λ_min's bracket closed too slowly"
        if stop is StopReason.EXHAUSTED or self._both_are_lost:
            return "the noise floor is wider than rtol asks for"
        if stop in (StopReason.TIME_LIMIT, StopReason.CALLBACK):
            return self._request.until.words(stop is StopReason.TIME_LIMIT)
        if stop is StopReason.BASIS_FULL:
            return "the room for the basis, or the noise floor, is too tight for rtol"
        return f"stopped at max_passes = {self._request.max_passes}"


def reached_words(
    run: BlockLanczos,
    problem: Problem,
    quantile: float,
    checkpoint: CheckpointFolder | None,
) -> str:
    """Return the message of an interrupted run: what it has found, and how to go on."""
    parts = [f"interrupted after {run.passes} passes"]
    if len(run.diagonals) == len(run.couplings) > 0:
        found = brackets_now(run, problem, quantile)
        low, high = (bracket_scaled(end, problem.exponent) for end in found)
        parts.append(f"λ_min {low}, λ_max {high}")
    if checkpoint is not None:
        parts.append(f"the same call goes on from checkpoint {checkpoint.path}")
    return "; ".join(parts)


def _pairs(run: BlockLanczos, request: Request, *, largest: bool, rounding: float) -> RitzPairs:
    """Return Ritz pairs, their residuals no smaller than what rounding may make of them."""
    values, residuals, vectors = run.ritz_pairs(request.k, largest=largest, vectors=request.vectors)
    return RitzPairs(values, np.maximum(residuals, rounding), vectors)


def _max_columns(problem: Problem, request: Request) -> tuple[int, int]:
    """Return how many columns the basis may have, and how many of them in this process.

    Raises
    ------
    ValueError
        If they are too few for a run that restarts.
    """
    n = problem.n
    if request.basis_bytes is None:
        return n + request.block, n + request.block
    room = request.basis_bytes + bytes_elsewhere(problem.device)
    columns = room // (8 * n)
    least = max(_LEAST_BLOCKS * request.block, 4 * request.k)
    if columns < min(least, n):
        raise ValueError(
            f"the basis needs room for {least} vectors, {8 * n * least} bytes,"
            f" not {room}: give it more, or a smaller block"
        )
    return columns, request.basis_bytes // (8 * n)


def missed_by(run: BlockLanczos, ritz: tuple[float, float], problem: Problem) -> float:
    """Bound ‖AQ − QT − (residual block)‖₂ with the ideal A: entries, products and recurrence."""
    return problem.noise_floor(max(abs(end) for end in ritz), run.multiplied) + run.defect


def brackets_now(run: BlockLanczos, problem: Problem, quantile: float) -> tuple[Bracket, Bracket]:
    """Return `brackets_of` with all that it needs from the run as it is."""
    ritz = run.ritz_ends()
    return brackets_of(run, ritz, missed_by(run, ritz, problem), quantile, problem)


def brackets_of(
    run: BlockLanczos,
    ritz: tuple[float, float],
    slack: float,
    quantile: float,
    problem: Problem,
) -> tuple[Bracket, Bracket]:
    """Bracket λ_min and λ_max from a run, its extreme Ritz values and what the run misses."""
    low, high = ritz
    spectral_scale = max(high - low, abs(high), abs(low), _NOTHING)
    # what products and recurrence miss is part of the proof at the outer ends
    bottom = outer_bound(run, low, -1.0, quantile, spectral_scale, Missed(slack))
    top = outer_bound(run, high, 1.0, quantile, spectral_scale, Missed(slack))
    least, least_error = inner_end(run, False, slack)
    most, most_error = inner_end(run, True, slack)
    upper, lower = least + least_error, most - most_error
    bottom, upper, lower = (max(end, problem.least) for end in (bottom, upper, lower))
    # inner ends are proven, and so is a ridge: worth twice the width
    proven = problem.least > 0.0 and upper - problem.least <= 2.0 * (upper - bottom)
    guarantee: Guarantee = "certified" if proven else "probabilistic"
    if proven:
        bottom = problem.least
    smallest = bracket_around(min(bottom, upper), upper, low, guarantee)
    return smallest, bracket_around(lower, max(top, lower), high, "probabilistic")
