"""Trace, log-determinant and effective rank of a matrix whose eigenvalues lie within bounds.

The *effective rank* is exp(−Σ pᵢ log pᵢ), pᵢ = λᵢ/Σλ: Roy and Vetterli, *The effective rank: a
measure of effective dimensionality*, EUSIPCO 2007. With E = Σ λ log λ and τ = Σ λ the exponent is
log τ − E/τ.

Rounding moves the matrix that the run saw by at most `slack`, from A to A'. The logarithm is
operator monotone: log(A' − slack) ≤ log A ≤ log(A' + slack). For x log x, its integral over
resolvents gives ‖f(A) − f(A')‖ ≤ δ(8 + log(c/δ) + |log c|) for 0 ≤ A, A' ≤ c, ‖A − A'‖ ≤ δ ≤ c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastgram.bracket import Bracket, bracket_around
from fastgram.density.quadrature import block_rule
from fastgram.density.rank_law import ENTROPY, MINUS_LOG, deviations, sum_bounds
from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma

__all__ = ["Sums", "known_trace", "sums_of"]

_EPS = float(np.finfo(np.float64).eps)
# Of a mean with weights that add up to 1, relative to the largest of what is averaged.
_MEAN_ERROR = 2000.0 * _EPS


@dataclass(frozen=True)
class Sums:
    """Brackets of sums over all eigenvalues."""

    trace: Bracket
    log_determinant: Bracket | None
    effective_rank: Bracket | None


def known_trace(problem: Problem) -> Bracket | None:
    """Return the trace where the diagonal can be had."""
    if not problem.has_entries:
        return None
    diagonal = problem.diagonal()
    value, size = float(np.sum(diagonal)), float(np.sum(np.abs(diagonal)))
    error = gamma(problem.n) * size + problem.n * problem.entry_error
    return bracket_around(value - error, value + error, value, "certified")


def sums_of(
    run: BlockLanczos,
    problem: Problem,
    trace: Bracket | None,
    smallest: Bracket,
    bounds: tuple[Array, Array],
    slack: float,
    chance: float,
) -> Sums:
    """Return the sums of the eigenvalues, which lie within the bounds.

    Parameters
    ----------
    run : BlockLanczos
    problem : Problem
    trace : Bracket or None
        The trace where it is known.
    smallest : Bracket
        λ_min.
    bounds : two (n,) arrays
        All eigenvalues.
    slack : float
        By how much those that the run saw are off.
    chance : float
        Of a miss beyond that of the bounds.
    """
    failure_probability = chance / 4.0  # of two means, each way
    rule = block_rule(run)
    if trace is None:
        trace = _mean_trace(rule, bounds, slack, run.block, failure_probability)
        drawn = None
    else:
        drawn = failure_probability
    if smallest.upper < 0.0:
        return Sums(trace, None, None)
    lower, upper = np.maximum(bounds[0], 0.0), np.maximum(bounds[1], 0.0)
    # of the positive eigenvalues alone
    below_zero = problem.n * max(-smallest.lower, 0.0)
    total = (
        max(trace.lower, float(np.sum(lower))),
        min(trace.upper + below_zero, float(np.sum(upper))),
    )
    if not 0.0 < total[0] <= total[1]:
        total = (max(trace.lower, 0.0), max(trace.upper + below_zero, 0.0))
    if problem.rank_bound < problem.n:  # zeros, and no ridge
        logarithm = Bracket(-math.inf, -math.inf, -math.inf, "exact")
    else:
        logarithm = _log_determinant(
            run, rule, smallest, (lower, upper), total, slack, failure_probability
        )
    if smallest.lower < 0.0:
        drawn = None
    rank = _effective_rank(run, rule, smallest, trace, (lower, upper), total, slack, drawn)
    return Sums(trace, logarithm, rank)


def _mean_trace(
    rule: tuple[Array, Array],
    bounds: tuple[Array, Array],
    slack: float,
    block: int,
    failure_probability: float,
) -> Bracket:
    n = bounds[0].size
    nodes, weights = rule
    mean = float(weights @ nodes)
    above, below = deviations(*bounds, block, failure_probability)
    error = slack + _MEAN_ERROR * float(np.max(np.abs(nodes)))
    low = max(n * (mean - above - error), float(np.sum(bounds[0])) * (1 - _MEAN_ERROR))
    high = min(n * (mean + below + error), float(np.sum(bounds[1])) * (1 + _MEAN_ERROR))
    return bracket_around(min(low, high), max(low, high), n * mean, "probabilistic")


def _log_determinant(
    run: BlockLanczos,
    rule: tuple[Array, Array],
    smallest: Bracket,
    bounds: tuple[Array, Array],
    total: tuple[float, float],
    slack: float,
    failure_probability: float,
) -> Bracket:
    n, (nodes, weights) = bounds[0].size, rule
    low, high = sum_bounds(MINUS_LOG, *bounds, total)
    low, high = -high, -low
    estimate = -math.inf
    if nodes[0] > slack:
        estimate = n * float(weights @ np.log(nodes))
    if smallest.lower > 0.0:
        above, below = deviations(
            np.log(bounds[0]), np.log(bounds[1]), run.block, failure_probability
        )
        logs = np.log(nodes + slack)
        error = _MEAN_ERROR * float(np.max(np.abs(logs)))
        high = min(high, n * (float(weights @ logs) + below + error))
        lowest = _radau(run, smallest.lower - slack, -slack)
        if lowest is not None and lowest[0][0] > 0.0:
            logs = np.log(lowest[0])
            error = _MEAN_ERROR * float(np.max(np.abs(logs)))
            mean = float(lowest[1] @ logs)
            estimate = (estimate + n * mean) / 2.0
            low = max(low, n * (mean - above - error))
    guarantee = "probabilistic" if math.isfinite(low) else "none"
    return bracket_around(low, max(low, high), estimate, guarantee)


def _effective_rank(
    run: BlockLanczos,
    rule: tuple[Array, Array],
    smallest: Bracket,
    trace: Bracket,
    bounds: tuple[Array, Array],
    total: tuple[float, float],
    slack: float,
    failure_probability: float | None,
) -> Bracket | None:
    """Bracket it; by the mean over the probes too, where a chance is left for that."""
    n = bounds[0].size
    mean = trace.estimate / n
    if mean <= 0.0:
        return None
    # in units of the mean eigenvalue, which owes nothing to the probes where the trace is known
    lower, upper = bounds[0] / mean, bounds[1] / mean
    around = total[0] / mean, total[1] / mean
    low, high = sum_bounds(ENTROPY, lower, upper, around)
    in_means = np.maximum(rule[0] / mean, 0.0)
    estimate = n * float(rule[1] @ ENTROPY.value(in_means))
    if failure_probability is not None:
        at = ENTROPY.value(lower), ENTROPY.value(upper)
        least = ENTROPY.value(np.clip(ENTROPY.level(0.0), lower, upper))
        above, below = deviations(least, np.maximum(*at), run.block, failure_probability)
        top = float(upper[-1]) + 3.0 * slack / mean
        moved = 3.0 * slack / mean
        error = _MEAN_ERROR * top * (1.0 + abs(math.log(top)))
        if moved > 0.0:
            error += moved * (8.0 + math.log(top / moved) + abs(math.log(top)))
        nodes = np.maximum(rule[0] + 2.0 * slack, 0.0) / mean
        low = max(low, n * (float(rule[1] @ ENTROPY.value(nodes)) - above - error))
        highest = _radau(run, max(smallest.lower, 0.0) - 2.0 * slack, 2.0 * slack)
        if highest is not None:
            nodes = np.maximum(highest[0], 0.0) / mean
            high = min(high, n * (float(highest[1] @ ENTROPY.value(nodes)) + below + error))
    ends = _rank_ends(n, min(low, high), max(low, high), around)
    return bracket_around(*ends, math.exp(math.log(n) - estimate / n), "probabilistic")


def _rank_ends(n: int, low: float, high: float, around: tuple[float, float]) -> tuple[float, float]:
    """Return bounds of exp(log τ − E/τ) from those of E, and of τ (around)."""
    # log τ − E/τ falls with E, and as τ grows falls to τ = −E and rises from there
    largest = max(math.log(end) - low / end for end in around)
    bottom = min(max(-high, around[0]), around[1])
    least_exponent = math.log(bottom) - high / bottom
    ends = max(math.exp(least_exponent), 1.0), min(math.exp(largest), float(n))
    return min(ends), max(ends)


def _radau(run: BlockLanczos, below: float, shift: float) -> tuple[Array, Array] | None:
    try:
        nodes, weights = block_rule(run, below)
    except np.linalg.LinAlgError:
        return None
    return nodes + shift, weights
