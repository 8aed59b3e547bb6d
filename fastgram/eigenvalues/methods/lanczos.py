"""The lanczos method: iterate until the brackets are narrow enough."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.eigenvalues.results import RitzPairs
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint
from fastgram.linalg.exclusion import EDGE_RTOL, Missed, excludes
from fastgram.linalg.lanczos_bound import inner_end, outer_bound, overlap_quantile
from fastgram.support.progress import progress_bar, stage

__all__ = ["brackets_now", "brackets_of", "missed_by", "reached_words", "run_lanczos"]

Array = npt.NDArray[np.float64]


# Of the room for the basis, the part that a restart keeps as Ritz vectors of each end: of those
# measured, what cost the fewest passes on flat and on steep edges.
_LOWEST, _HIGHEST = 1.0 / 16.0, 1.0 / 8.0
# Blocks that the room must hold: what a restart keeps, its residual block, and a few passes.
_LEAST_BLOCKS = 6
# Columns multiplied, relative to n, at which a run that restarts gives up.
_MOST_COLUMNS = 4
# The size of a spectrum of which nothing but zeros has been seen.
_NOTHING = 1e-100


def run_lanczos(problem: Problem, request: Request) -> Answer:
    """Iterate until both brackets are as narrow as asked, or something else ends the run."""
    singular = problem.rank_bound < problem.n
    room = _room(problem.n, request)
    appended = None
    if not singular:
        with stage(request.progress, "close pairs"):
            appended = problem.extra_start_vectors(request.block // 2)
    run = BlockLanczos(
        problem.multiply, problem.n, request.block, request.seed, appended, problem.device
    )
    steps: BlockLanczos | Checkpoint = run
    if request.checkpoint is not None:
        steps = Checkpoint(request.checkpoint, run, request.seed)
    quantile = overlap_quantile(request.chance, run.block, problem.n)
    impatient = asked = False
    with progress_bar(request.progress, request.max_passes, "passes", "pass") as tick:
        next_check = 1
        while True:
            if run.columns + run.width > room and run.diagonals:
                lowest, highest = (int(part * room) for part in (_LOWEST, _HIGHEST))
                steps.restart(max(lowest, request.k), max(highest, request.k))
            try:
                steps.advance()
            except KeyboardInterrupt:
                reached = reached_words(run, problem, quantile, request.checkpoint)
                raise KeyboardInterrupt(reached) from None
            if tick is not None:
                tick(1)
            over = run.exhausted or run.passes == request.max_passes
            cramped = bool(run.earlier) and run.multiplied >= _MOST_COLUMNS * problem.n
            late = request.until.out_of_time()
            over = over or cramped or late
            if run.passes < next_check and not over:
                continue
            next_check = run.passes + max(1, run.passes // 16)
            ritz = run.ritz_values()
            slack = missed_by(run, ritz, problem)
            # an end that is below the noise floor is as it will be; the other goes on
            sunk = [_sunk(theta, slack, problem) for theta in (float(ritz[0]), float(ritz[-1]))]
            ends = _ends(ritz, singular or sunk[0])
            if over or all(sunk) or _close_enough(run, ends, slack, quantile, request.rtol):
                brackets = brackets_of(run, ritz, slack, quantile, problem)
                wanted = brackets[1:] if singular or sunk[0] else brackets
                if over or all(sunk) or all(end.within(request.rtol) for end in wanted):
                    break
            alone = singular or sunk[0]
            if request.until.callback is not None:
                brackets = brackets_of(run, ritz, slack, quantile, problem)
                asked = request.until.asks(*brackets, problem.exponent)
                if asked:
                    break
            if not alone and _out_of_patience(run, ritz, slack, quantile, problem, request):
                impatient = True
                break
    if impatient:
        brackets = brackets_of(run, ritz, slack, quantile, problem)
    wanted = brackets[1:] if singular or sunk[0] else brackets
    parts = []
    if sunk[0] and not singular:
        parts.append("the smallest Ritz value sank below the noise floor")
    if not all(end.within(request.rtol) for end in wanted):
        if impatient:
            parts.append("λ_min's bracket closed too slowly")
        elif run.exhausted or all(sunk):
            parts.append("the noise floor is wider than rtol asks for")
        elif asked or late:
            parts.append(request.until.words(late and not asked))
        elif cramped:
            parts.append("the room for the basis, or the noise floor, is too tight for rtol")
        else:
            parts.append(f"stopped at max_passes = {request.max_passes}")
    cut_short = (sunk[0] and not singular) or ((over or asked) and not run.exhausted)
    # what a pair's residual is computed with is no better than products are
    rounding = slack - problem.entry_error
    low, high = (
        _pairs(run, request, largest=largest, rounding=rounding) for largest in (False, True)
    )
    return Answer(
        *brackets,
        low,
        high,
        slack,
        run.block,
        run.passes,
        "; ".join(parts),
        method="lanczos",
        cut_short=cut_short,
        impatient=impatient,
    )


def reached_words(
    run: BlockLanczos,
    problem: Problem,
    quantile: float,
    checkpoint: str | os.PathLike[str] | None,
) -> str:
    """Return what an interrupted run has found, and how to go on."""
    parts = [f"interrupted after {run.passes} passes"]
    if len(run.diagonals) == len(run.couplings) > 0:
        found = brackets_now(run, problem, quantile)
        low, high = (bracket_scaled(end, problem.exponent) for end in found)
        parts.append(f"λ_min {low}, λ_max {high}")
    if checkpoint is not None:
        parts.append(f"the same call goes on from checkpoint {os.fspath(checkpoint)}")
    return "; ".join(parts)


def _pairs(run: BlockLanczos, request: Request, *, largest: bool, rounding: float) -> RitzPairs:
    """Return Ritz pairs, their residuals no smaller than what rounding may make of them."""
    values, residuals, vectors = run.ritz_pairs(request.k, largest=largest, vectors=request.vectors)
    return RitzPairs(values, np.maximum(residuals, rounding), vectors)


def _out_of_patience(
    run: BlockLanczos,
    ritz: Array,
    slack: float,
    quantile: float,
    problem: Problem,
    request: Request,
) -> bool:
    """Whether the smallest eigenvalue's bracket should be closed by now, or nearly, and is not."""
    if request.patience is None:
        return False
    enough = request.patience.enough(run.passes, request.rtol)
    if math.isinf(enough):
        return False
    high = (float(ritz[-1]), 1.0)
    if not _close_enough(run, [high], slack, quantile, request.rtol):
        return False  # the other end is still open, and passes are all that closes it
    low = (float(ritz[0]), -1.0)
    return not _close_enough(run, [low], slack, quantile, enough)


def _room(n: int, request: Request) -> int:
    """Return how many columns the basis may have."""
    room = request.basis_bytes
    if room is None:
        return n + request.block
    columns = int(room // (8 * n))
    least = max(_LEAST_BLOCKS * request.block, 4 * request.k)
    if columns < min(least, n):
        raise ValueError(
            f"the basis needs room for {least} vectors, {8 * n * least} bytes, not {room}:"
            " give it more, or a smaller block"
        )
    return columns


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
    missed = Missed(slack)
    for theta, outward in ends:
        room = (rtol * abs(theta) - slack) / (1.0 + 2.0 * EDGE_RTOL)
        if room <= 0.0 or not excludes(run, theta, outward, room, quantile, missed):
            return False
    return True


def missed_by(run: BlockLanczos, ritz: Array, problem: Problem) -> float:
    """Bound ‖AQ − QT − (residual block)‖₂ with the ideal A: entries, products and recurrence."""
    return problem.noise_floor(float(np.max(np.abs(ritz))), run.multiplied) + run.defect


def brackets_now(run: BlockLanczos, problem: Problem, quantile: float) -> tuple[Bracket, Bracket]:
    """Return `brackets_of` with all that it needs from the run as it is."""
    ritz = run.ritz_values()
    return brackets_of(run, ritz, missed_by(run, ritz, problem), quantile, problem)


def brackets_of(
    run: BlockLanczos, ritz: Array, slack: float, quantile: float, problem: Problem
) -> tuple[Bracket, Bracket]:
    """Bracket λ_min and λ_max from a run, its Ritz values and what products and recurrence miss."""
    low, high = float(ritz[0]), float(ritz[-1])
    spectral_scale = max(high - low, abs(high), abs(low), _NOTHING)
    # what products and recurrence miss is part of the proof at the outer ends
    bottom = outer_bound(run, low, -1.0, quantile, spectral_scale, Missed(slack))
    top = outer_bound(run, high, 1.0, quantile, spectral_scale, Missed(slack))
    least, least_error = inner_end(run, False, slack)
    most, most_error = inner_end(run, True, slack)
    upper, lower = least + least_error, most - most_error
    if problem.semidefinite:
        bottom, upper, lower = max(bottom, 0.0), max(upper, 0.0), max(lower, 0.0)
    smallest = bracket_around(min(bottom, upper), upper, low, "probabilistic")
    return smallest, bracket_around(lower, max(top, lower), high, "probabilistic")
