"""Laws through brackets: the fitted slope, how far brackets let it range, and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.study.part import Verdict, Word
from fastgram.support.arrays import Array

__all__ = ["Fit", "fit_line", "fit_power", "judged", "judged_each", "judged_slope"]


@dataclass(frozen=True)
class Fit:
    """A line y = intercept + slope·x through points known within brackets.

    Attributes
    ----------
    slope, intercept : float
        Of the weighted least squares through the middles.
    lowest, highest : float
        Between them lies the slope that the same weights give to any values within the brackets.
    """

    slope: float
    intercept: float
    lowest: float
    highest: float


def fit_line(x: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Fit:
    """Fit a line to values within brackets.

    Parameters
    ----------
    x, lower, upper : (k,) array_like
        At least two different x; finite brackets.

    Raises
    ------
    ValueError
        If there are fewer points, or a bracket is not finite.

    Notes
    -----
    The weight of a point is 1/(h² + the mean of h²) with h half the width of its bracket: a wide
    bracket counts for little, and a narrow one never for all. The slope is a linear function of the
    values, so that its range over the box of brackets is found at the box's corners.
    """
    at, low, high = (np.asarray(one, float) for one in (x, lower, upper))
    if np.unique(at).size < 2 or not np.isfinite([at, low, high]).all():
        raise ValueError("a line needs brackets with finite ends at two different places or more")
    half = np.maximum(high - low, 0.0) / 2.0
    middle, mean = (low + high) / 2.0, float(np.mean(half**2))
    weights = 1.0 / (half**2 + mean) if mean > 0.0 else np.ones(at.size)
    weights /= weights.sum()
    centred = at - weights @ at
    of_values: Array = weights * centred / (weights @ centred**2)  # slope = of_values · values
    slope = float(of_values @ middle)
    intercept = float(weights @ (middle - slope * at))
    reach = float(np.abs(of_values) @ half)
    return Fit(slope, intercept, slope - reach, slope + reach)


def fit_power(x: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Fit:
    """Fit a power c·x^slope, in logarithms: `intercept` is ln c.

    Raises
    ------
    ValueError
        As `fit_line`, and if anything is not above 0: unresolved rows are not of a power law.
    """
    return fit_line(_logarithms(x), _logarithms(lower), _logarithms(upper))


def _logarithms(values: npt.ArrayLike) -> Array:
    found = np.asarray(values, float)
    if not (found > 0.0).all():
        raise ValueError("a logarithm needs values above 0: leave unresolved rows out")
    logarithms: Array = np.log(found)
    return logarithms


def judged_slope(name: str, fit: Fit, expected: float, tolerance: float, text: str) -> Verdict:
    """Return the verdict on a fitted slope: its range by brackets against expected ± tolerance."""
    return judged(name, (fit.lowest, fit.highest), expected, tolerance, text, fit.slope)


def judged(
    name: str,
    ends: tuple[float, float],
    expected: float,
    tolerance: float,
    text: str,
    measured: float | None = None,
) -> Verdict:
    """Return the verdict on a number known to be within two ends.

    It holds if both ends are within expected ± tolerance, does not if all between them is without,
    and cannot be said otherwise. `measured` is what is told, the middle where it is left out.
    """
    low, high = ends
    word: Word = "cannot be said"
    if expected - tolerance <= low and high <= expected + tolerance:
        word = "holds"
    elif high < expected - tolerance or low > expected + tolerance:
        word = "does not hold"
    told = (low + high) / 2.0 if measured is None else measured
    return Verdict(name, expected, told, tolerance, word, text)


def judged_each(
    name: str, expected: str, total: int, wrong: Sequence[str], text: str, verb: str = ""
) -> Verdict:
    """Return the verdict on what each of several rows has to be: one that is not is enough.

    `wrong` are the names of those that are not, and `verb` follows the count of those that are.
    """
    measured = " ".join(filter(None, [f"{total - len(wrong)} of {total}", verb]))
    if wrong:
        measured += f", not {'; '.join(wrong)}"
    word: Word = "does not hold" if wrong else "holds"
    return Verdict(name, expected, measured, "none", word, text)
