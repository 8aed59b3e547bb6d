"""The lanczos method: iterate until the brackets are narrow enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram._bounds import furthest, share, share_quantile
from fastgram._checkpoint import Checkpoint
from fastgram._lanczos import BlockLanczos
from fastgram._problem import Problem
from fastgram._progress import progress_bar
from fastgram._request import Answer, Request, bracket
from fastgram._results import Bracket, RitzPairs

__all__ = ["run_lanczos"]

Array = npt.NDArray[np.float64]


def run_lanczos(problem: Problem, request: Request) -> Answer:
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
    return Answer(*brackets, low, high, slack, run.block, run.passes, stopped)


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
    smallest = bracket(bottom, upper, low, "probabilistic")
    return smallest, bracket(high - slack, top, high, "probabilistic")
