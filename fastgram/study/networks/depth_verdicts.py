"""The verdicts of `depth`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fastgram.study.fits import judged
from fastgram.study.networks.depth_theory import (
    beside_the_diagonal,
    critical_limit,
    deep_limit,
    erf_rate,
    slope_at_one,
)
from fastgram.study.part import Row, Verdict, by_activation

__all__ = ["verdicts_of"]

# Fixed beforehand, each as wide as what the derivation leaves out: (ln L/L)² of the condition;
# 1/(rn) of a rate; the layers before κ is as at 1; L/n of relu's plateau; what the nearest rows'
# entries may be off.
_CONDITION, _RATE, _SHIFT, _PLATEAU, _LIMIT = 0.02, 0.03, 0.10, 0.10, 0.10
_LEAST_DECAY = 10.0  # r·n from which on a rate is told
_RISEN = 0.01  # of the limit: where λ_min counts as come up
_DEEP = 64  # from which depth on limits are judged: (ln L/L)² is 0.004 there


def verdicts_of(rows: Sequence[Row]) -> list[Verdict]:
    """Return all verdicts on rows of the part."""
    seen = [row for row in rows if row.resolved and row.lower > 0.0]
    normalised = [r for r in seen if r.case.parameters["variances"] == "normalised"]
    circles = [r for r in normalised if r.case.data.startswith("circle")]
    found: list[Verdict] = []
    for activation, some in by_activation(circles).items():
        if activation == "relu":
            found += _plateau(some)
        elif slope_at_one(activation) > 1.0 + 1e-9:
            found += _limit(activation, some)
            found += _shift(activation, some)
        if activation == "erf":
            found += _rates(some)
    critical = [r for r in seen if r.case.parameters["variances"] == "critical"]
    for activation, some in by_activation(critical).items():
        found += _condition(activation, some)
    return found


def _plateau(rows: Sequence[Row]) -> list[Verdict]:
    """Whether n·λ_min of relu is 1/2 at depth 1, and 1 from depth 2 to n/4."""
    first = [r for r in rows if r.case.depth == 1]
    level = [r for r in rows if 2 <= r.case.depth <= r.case.n // 4]
    found = []
    for name, some, expected in (("at depth 1", first, 0.5), ("from depth 2 on", level, 1.0)):
        if some:
            ends = (
                min(r.case.n * r.lower for r in some),
                max(r.case.n * r.upper for r in some),
            )
            text = f"n·λ_min of {len(some)} rows lies between {ends[0]:.4g} and {ends[1]:.4g}"
            tolerance = _PLATEAU * expected
            found.append(judged(f"relu is flat, {name}", ends, expected, tolerance, text))
    return found


def _limit(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Whether λ_min is near its limit at the greatest depth."""
    least = min(row.case.n for row in rows)
    last = max((r for r in rows if r.case.n == least), key=lambda row: row.case.depth)
    expected, name = deep_limit(activation), f"limit, {activation}"
    tolerance = _LIMIT * expected
    apart = beside_the_diagonal(activation, last.case.depth, least)
    if 2.0 * apart > tolerance:  # of two neighbours each
        text = (
            f"n = {least}: at depth {last.case.depth} entries of the nearest rows are still"
            f" {apart:.2g} from their limit, and λ_min some two of these"
        )
        middle = (last.lower + last.upper) / 2.0
        return [Verdict(name, expected, middle, tolerance, "cannot be said", text)]
    text = f"λ_min at depth {last.case.depth}, n = {least}; without layers it is far below"
    return [judged(name, (last.lower, last.upper), expected, tolerance, text)]


def _risen_depth(rows: Sequence[Row], goal: float) -> float:
    """Return the depth at which λ_min passes the goal, NaN if it does not; ln(−ln λ) is linear."""
    ordered = sorted(rows, key=lambda row: row.case.depth)
    for below, above in pairwise(ordered):
        if below.upper < goal <= above.upper < 1.0:
            ends = [math.log(-math.log(r.upper)) for r in (below, above)]
            part = (math.log(-math.log(goal)) - ends[0]) / (ends[1] - ends[0])
            return below.case.depth + part * (above.case.depth - below.case.depth)
    return math.nan


def _shift(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Whether the depth that is needed grows by 2/ln χ for each unit of ln n."""
    goal = _RISEN * deep_limit(activation)
    sizes = sorted({row.case.n for row in rows})
    depths = [_risen_depth([r for r in rows if r.case.n == n], goal) for n in sizes]
    known = [(n, depth) for n, depth in zip(sizes, depths, strict=True) if math.isfinite(depth)]
    if len(known) < 2:
        return []
    expected = 2.0 / math.log(slope_at_one(activation))
    at, needed = np.log([n for n, _ in known]), np.array([depth for _, depth in known])
    slope = float(np.polyfit(at, needed, 1)[0])
    told = ", ".join(f"{depth:.1f} at n = {n}" for n, depth in known)
    text = f"λ_min passes {_RISEN:g} of its limit at depth {told}"
    ends = slope, slope
    return [judged(f"depth for n, {activation}", ends, expected, _SHIFT * expected, text)]


def _rates(rows: Sequence[Row]) -> list[Verdict]:
    """Whether −ln λ_min of erf grows with n as its nearest singularity has it, at each depth."""
    found = []
    for depth in sorted({row.case.depth for row in rows}):
        some = sorted((r for r in rows if r.case.depth == depth), key=lambda row: row.case.n)
        expected = erf_rate(depth)
        some = [r for r in some if r.case.n * expected >= _LEAST_DECAY]
        if len(some) < 2:
            continue
        first, last = some[0], some[-1]
        apart = last.case.n - first.case.n
        prefactor = 0.5 * math.log(last.case.n / first.case.n)
        ends = (
            (math.log(first.lower / last.upper) + prefactor) / apart,
            (math.log(first.upper / last.lower) + prefactor) / apart,
        )
        text = f"of λ_min/√n between n = {first.case.n} and {last.case.n}"
        name = f"rate of erf at depth {depth}"
        found.append(judged(name, ends, expected, _RATE * expected, text))
    return found


def _condition(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Whether the condition of the critical tangent kernel, extrapolated, is the limit derived."""
    at = {row.case.depth: row.values for row in rows}
    depth = max((L for L in at if 2 * L in at), default=0)
    if not depth:
        return []
    limit, n = critical_limit(activation), rows[0].case.n
    once, twice = at[depth], at[2 * depth]
    low = limit.extrapolated(n, depth, once["condition_upper"], twice["condition_lower"])
    high = limit.extrapolated(n, depth, once["condition_lower"], twice["condition_upper"])
    expected = limit.condition(n)
    text = (
        f"{twice['condition_upper']:.4g} at depth {2 * depth}, extrapolated with that at {depth};"
        f" 1 + n/{'3' if activation == 'relu' else '2'}"
    )
    tolerance, name = _CONDITION * expected, f"critical condition, {activation}"
    if depth < _DEEP:
        text += f"; only from depth {2 * _DEEP} on is what is left out less than the tolerance"
        middle = (low + high) / 2.0
        return [Verdict(name, expected, middle, tolerance, "cannot be said", text)]
    return [judged(name, (low, high), expected, tolerance, text)]
