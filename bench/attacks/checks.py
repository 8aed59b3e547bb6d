"""Judgements of a bracket: whether it holds the truth, how far inside, and how wide it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bench.attacks.truth import Interval

__all__ = ["Check", "check", "checks_of_density", "checks_of_extremes"]

_EPS = 2.0**-52


@dataclass(frozen=True)
class Check:
    """One statement, and whether it is true.

    Attributes
    ----------
    what : str
        Of what: "swish depth=30 normalize gradient n=2: dense λ_max".
    missed : bool
    inside : float
        How far the truth is from the nearer end, in roundings of the scale of the matrix; below 0
        where the truth is outside, and NaN where there is no such number.
    width : float
        Of the bracket, in roundings of the scale.
    said : str
        What was said, and what is true.
    weight : int
        How many brackets it stands for.
    """

    what: str
    missed: bool
    inside: float
    width: float
    said: str
    weight: int = 1


def check(what: str, ends: tuple[float, float], truth: Interval, scale: Fraction) -> Check:
    """Judge one bracket: it misses where all of the truth's enclosure is outside it.

    Parameters
    ----------
    what : str
    ends : pair of float
        Infinite where nothing is said.
    truth : Interval
    scale : Fraction
        What roundings are counted of.
    """
    lower, upper = ends
    said = f"[{lower!r}, {upper!r}] of {float_of(truth.middle)!r}"
    if math.isnan(lower) or math.isnan(upper) or not lower <= upper:
        return Check(what, True, -math.inf, math.nan, said)
    unit = (scale or Fraction(1)) * Fraction(_EPS)
    below = _over(truth.high - Fraction(lower), unit) if math.isfinite(lower) else math.inf
    above = _over(Fraction(upper) - truth.low, unit) if math.isfinite(upper) else math.inf
    if lower == math.inf or upper == -math.inf:
        below = above = -math.inf
    width = math.inf
    if math.isfinite(lower) and math.isfinite(upper):
        width = _over(Fraction(upper) - Fraction(lower), unit)
    inside = min(below, above)
    return Check(what, inside < 0.0, inside, width, said)


def float_of(value: Fraction) -> float:
    """Return the nearest float64, or an infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _over(value: Fraction, unit: Fraction) -> float:
    return float_of(value / unit)


def checks_of_extremes(
    what: str, answer: Any, values: Sequence[Interval], scale: Fraction
) -> Iterable[Check]:
    """Judge all that `extreme_eigenvalues` says of a matrix with these eigenvalues, ascending."""
    low, high = values[0], values[-1]
    yield check(f"{what} λ_min {answer.smallest.guarantee}", _ends(answer.smallest), low, scale)
    yield check(f"{what} λ_max {answer.largest.guarantee}", _ends(answer.largest), high, scale)
    if answer.one_pass_lower is not None:
        yield check(f"{what} one pass", (answer.one_pass_lower, math.inf), low, scale)
    if answer.smallest_nonzero is not None:
        place = values[len(values) - answer.rank_bound]
        yield check(f"{what} smallest nonzero", _ends(answer.smallest_nonzero), place, scale)
    told = answer.smallest.lower > 0.0 or answer.smallest.upper < 0.0
    ratio = quotient(high, low)
    # where the sign of λ_min is open, what is said supposes that it is not negative
    if answer.condition is not None and ratio is not None and (told or low.low > 0):
        yield check(f"{what} condition", _ends(answer.condition), ratio, abs(ratio.middle))


def quotient(high: Interval, low: Interval) -> Interval | None:
    """Return λ_max/λ_min, or None where λ_min may be 0."""
    if low.low <= 0 <= low.high:
        return None
    ends = [a / b for a in (high.low, high.high) for b in (low.low, low.high)]
    return Interval(min(ends), max(ends))


def _ends(bracket: Any) -> tuple[float, float]:
    return bracket.lower, bracket.upper


def checks_of_density(
    what: str, density: Any, values: Sequence[Interval], scale: Fraction
) -> Iterable[Check]:
    """Judge all that `spectral_density` says."""
    for index, value in enumerate(values):
        ends = float(density.lower[index]), float(density.upper[index])
        yield check(f"{what} density λ_{index}", ends, value, scale)
    yield check(f"{what} density λ_min", _ends(density.smallest), values[0], scale)
    yield check(f"{what} density λ_max", _ends(density.largest), values[-1], scale)
    total = Interval(
        sum((v.low for v in values), Fraction()), sum((v.high for v in values), Fraction())
    )
    yield check(f"{what} trace {density.trace.guarantee}", _ends(density.trace), total, scale)
    if density.log_determinant is not None and values[0].low > 0:
        logs = log_of(values)
        yield check(f"{what} log-determinant", _ends(density.log_determinant), logs, Fraction(1))


def log_of(values: Sequence[Interval]) -> Interval:
    """Enclose the sum of logarithms of positive numbers."""
    from flint import arb, ctx

    with ctx.workprec(256):
        low = sum((_log(v.low) for v in values), arb(0))
        high = sum((_log(v.high) for v in values), arb(0))
        return Interval(Interval.of(low).low, Interval.of(high).high)


def _log(value: Fraction) -> Any:
    from flint import arb, fmpz

    return arb(fmpz(value.numerator)).log() - arb(fmpz(value.denominator)).log()
