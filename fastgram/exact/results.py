"""The answer of `exact_extreme_eigenvalues`: proven numbers in decimal and in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgram.bracket import GUARANTEES, Bracket, plain
from fastgram.support.equality import ComparedByParts
from fastgram.support.html import table

if TYPE_CHECKING:
    from flint import arb

__all__ = [
    "ExactEigenvalues",
    "as_fraction",
    "outward_bracket",
    "outward_condition",
    "proven_digits",
]


@dataclass(frozen=True, eq=False)
class ExactEigenvalues(ComparedByParts):
    """The extreme eigenvalues of a Gram matrix, with proven digits.

    Attributes
    ----------
    smallest, largest, condition : Bracket
        λ_min, λ_max and λ_max/λ_min; the ends are proven and rounded outward to float64, so that
        they are often neighbouring floats. guarantee: "certified", or "exact" for an exact zero.
        Beyond the range of float64 they are 0 or infinite; the digits are not.
    smallest_digits, largest_digits, condition_digits : str
        The same in decimal, ``"2.00921761277364e-5"``: as many significant digits as were asked
        for, and the exact value is proven to be no further away than 1 in the last of them. "0"
        and "inf" where λ_min is an exact zero; empty where nothing could be proven.
    rank_bound : int
        What the rank is known not to exceed, from exact facts alone; n where nothing is known.
    n : int
        The order of the matrix.
    precision : int
        Bits to which entries were enclosed in the end, relative to their scale.
    seconds : float
    message : str
        What was proven, or why not.
    """

    smallest: Bracket
    largest: Bracket
    condition: Bracket
    smallest_digits: str
    largest_digits: str
    condition_digits: str
    rank_bound: int
    n: int
    precision: int
    seconds: float
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`.

        None stands for an infinite number, and for digits where nothing could be proven.
        """
        return {
            key: value or None if key.endswith("_digits") else value
            for key, value in plain(self).items()
        }

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("", "digits", "lower", "upper", "guarantee")]
        for name, one, digits in (
            ("λ_min", self.smallest, self.smallest_digits),
            ("λ_max", self.largest, self.largest_digits),
            ("condition", self.condition, self.condition_digits),
        ):
            ends = f"{one.lower:.17g}", f"{one.upper:.17g}"
            rows.append((name, digits, *ends, one.guarantee))
        return table(f"Exact eigenvalues, n = {self.n}", rows, self.message)

    def __str__(self) -> str:
        small = self.smallest_digits or f"in [0, {self.smallest.upper:.3g}]"
        condition = self.condition_digits or f"above {self.condition.lower:.3g}"
        return f"λ_min {small}, λ_max {self.largest_digits}, condition {condition}\n{self.message}"


def proven_digits(lower: Fraction | None, upper: Fraction | None, digits: int) -> str:
    """Return a decimal of which no number of the bracket is further than 1 in the last digit.

    Empty if the bracket is too wide for that, or open (None).
    """
    if not lower or not upper or lower <= 0:
        return ""
    middle = (lower + upper) / 2
    power = len(str(middle.numerator)) - len(str(middle.denominator))
    if middle < Fraction(10) ** power:
        power -= 1
    unit = Fraction(10) ** (power - digits + 1)
    number = round(middle / unit)
    if max(abs(number * unit - lower), abs(upper - number * unit)) > unit:
        return ""
    text = str(number)
    power += len(text) - digits  # 9.99… may round up to 10
    text = text[:digits]
    mantissa = text[0] + ("." + text[1:] if digits > 1 else "")
    return mantissa + (f"e{power}" if power else "")


def as_fraction(ball: arb) -> Fraction:
    """Return an exact ball's value."""
    mantissa, exponent = ball.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _outward(value: Fraction, direction: float) -> float:
    """Round to float64 towards −∞ or +∞."""
    try:
        number = float(value)
    except OverflowError:
        return math.inf if direction > 0 else float(np.finfo(np.float64).max)
    exact = Fraction(number)
    wrong = exact < value if direction > 0 else exact > value
    return math.nextafter(number, direction) if wrong else number


def outward_bracket(lower: Fraction, upper: Fraction) -> Bracket:
    """Return the bracket of a number between two fractions, rounded outward to float64."""
    low, high = _outward(lower, -math.inf), _outward(upper, math.inf)
    if lower == upper == 0:
        return Bracket(0.0, 0.0, 0.0, "exact")
    middle = _outward((lower + upper) / 2, -math.inf) if lower else 0.0
    return Bracket(low, high, min(max(middle, low), high), "certified")


def outward_condition(
    smallest: Bracket, largest: Bracket, ratio: tuple[Fraction | None, Fraction | None]
) -> Bracket:
    """Return the bracket of λ_max/λ_min between two fractions; None is infinity."""
    lower = _outward(ratio[0], -math.inf) if ratio[0] is not None else math.inf
    upper = _outward(ratio[1], math.inf) if ratio[1] is not None else math.inf
    guarantee = max(smallest.guarantee, largest.guarantee, key=GUARANTEES.index)
    return Bracket(lower, upper, lower, guarantee)
