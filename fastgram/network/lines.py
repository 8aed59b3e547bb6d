"""Activations that are lines between their kinks, or steps: the facts that their integrals need."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from fastgram.network.activations import Activation
from fastgram.network.functions import Function
from fastgram.support.arrays import Array

__all__ = ["Lines", "lines_of"]

# Where an unbounded interval is looked at, in kinks' sizes beyond the last one; and of one between
# two kinks, the fractions.
_BEYOND = np.exp2(np.arange(-12.0, 13.0))
_BETWEEN = np.linspace(0.0, 1.0, 27)[1:-1]
_ROUNDINGS = 16.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Lines:
    """f(z) = intercept + slope·z between neighbouring kinks.

    Attributes
    ----------
    kinks : (k,) array
        Ascending, at least one.
    intercepts, slopes : (k + 1,) arrays
        From the left to the right.
    continuous : bool
        Whether f is; if not all slopes are 0.
    at_zero, slope_at_zero : float
        f(0) and f'(0), 0 a kink or not.
    """

    kinks: Array
    intercepts: Array
    slopes: Array
    continuous: bool
    at_zero: float
    slope_at_zero: float

    @property
    def jumps(self) -> Array:
        """Those of f' at the kinks, or, of a step function, those of f: (k,)."""
        return np.asarray(np.diff(self.slopes if self.continuous else self.intercepts))


@functools.lru_cache(maxsize=256)
def lines_of(activation: Activation) -> Lines | None:
    """Return the lines of a continuous activation or the steps of one; None for all others.

    They are recognised from values of f and f', to a few roundings.
    """
    if not activation.kinks:
        return None
    kinks = np.asarray(activation.kinks, dtype=np.float64)
    found = [_line(activation.f, activation.df, points) for points in _points(kinks)]
    lines = [line for line in found if line is not None]
    if len(lines) < len(found):
        return None
    intercepts, slopes = np.array(lines).T
    sides = [part + slope * kinks for part, slope in ((intercepts[:-1], slopes[:-1]),
                                                      (intercepts[1:], slopes[1:]))]  # fmt: skip
    sizes = np.maximum(np.abs(intercepts[:-1]), np.abs(intercepts[1:])) + np.abs(sides[0])
    continuous = bool(np.all(np.abs(sides[0] - sides[1]) <= _ROUNDINGS * sizes))
    if not continuous and np.any(slopes):
        return None
    zero = np.zeros(1)
    at_zero, slope_at_zero = float(activation.f(zero)[0]), float(activation.df(zero)[0])
    return Lines(kinks, intercepts, slopes, continuous, at_zero, slope_at_zero)


def _points(kinks: Array) -> list[Array]:
    """Return where each interval between kinks is looked at."""
    size = max(float(np.max(np.abs(kinks))), 1.0)
    inner = [low + (high - low) * _BETWEEN for low, high in itertools.pairwise(kinks)]
    return [kinks[0] - size * _BEYOND[::-1], *inner, kinks[-1] + size * _BEYOND]


def _line(f: Function, df: Function, points: Array) -> tuple[float, float] | None:
    """Return the intercept and the slope of a line through all points, None if there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        values, slopes = f(points), df(points)
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(slopes))):
            return None
        near = int(np.argmin(np.abs(points)))
        slope = float(slopes[near])
        intercept = float(values[near]) - slope * float(points[near])
        sizes = np.abs(values) + np.abs(slope * points) + np.abs(intercept)
        off = np.abs(values - (intercept + slope * points))
    steady = np.all(np.abs(slopes - slope) <= _ROUNDINGS * abs(slope))
    return (intercept, slope) if steady and np.all(off <= _ROUNDINGS * sizes) else None
