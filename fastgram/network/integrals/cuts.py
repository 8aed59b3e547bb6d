"""Where integrals are cut besides kinks: where an activation bends, or swings, far from 0.

Panels are graded toward 0: f and f' have to be polynomials of few terms on intervals that are as
long as two thirds of their distance from 0. Where they are not, as tanh 20(z − 1) is not near 1, or
a sine far out, integrals are cut as at kinks, so often that between cuts they are.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.network.activations import Activation
from fastgram.support.arrays import Array

__all__ = ["cuts_of", "has_cuts"]

_TERMS = 32  # what the finer levels integrate the squares of
_NODES = chebyshev.chebpts2(_TERMS)  # with both ends: a kink beside one is in sight
_LAST = np.linalg.inv(chebyshev.chebvander(_NODES, _TERMS - 1))[-3:]  # of the coefficients
_MISS = 1e-12  # of the largest values from there, or from 1, to 0
_TOWARD_ZERO = 2.0 ** -np.arange(0.0, 24.0, 0.5)
_REACH = 9.0  # standard deviations
_OCTAVES = 12  # below 1
_MOST = 64  # cuts: integrals take the square of their number
_NARROWEST = 2.0**-16  # interval, over its distance from 0: what bends in less is a kink


def cuts_of(activation: Activation, deviation: float) -> tuple[float, ...]:
    """Return the kinks, and where else integrals are cut up to a standard deviation.

    Nowhere else where cuts would be too many, or too near each other: levels then do not agree.
    """
    if activation.frequency is not None or not 0.0 < deviation < math.inf:
        return tuple(activation.kinks)
    return _cuts(activation, 2.0 ** math.ceil(math.log2(deviation)))


def has_cuts(activation: Activation, deviation: float) -> bool:
    """Whether there are kinks, or other cuts, away from 0."""
    return any(cuts_of(activation, deviation))


@functools.lru_cache(maxsize=1024)
def _cuts(activation: Activation, deviation: float) -> tuple[float, ...]:
    reach = _REACH * max(deviation, 2.0**-_OCTAVES)
    centers = 2.0 ** np.arange(-_OCTAVES, math.log2(reach), 0.5)
    found: list[float] = []
    for sign in (-1.0, 1.0):
        windows = np.sort(sign * np.stack([2.0 * centers, 4.0 * centers], axis=1) / 3.0, axis=1)
        rough = _rough(activation, windows)
        for start, stop in _joined(windows[rough]):
            pieces = _pieces(activation, start, stop)
            if len(found) + len(pieces) > _MOST:
                return tuple(activation.kinks)
            found += pieces
    return tuple(sorted({*activation.kinks, *found}))


def _joined(windows: Array) -> list[tuple[float, float]]:
    """Return intervals that overlap as one each."""
    result: list[tuple[float, float]] = []
    for low, high in sorted(windows.tolist()):
        if result and low <= result[-1][1]:
            result[-1] = result[-1][0], max(high, result[-1][1])
        else:
            result.append((low, high))
    return result


def _pieces(activation: Activation, start: float, stop: float) -> list[float]:
    """Return the ends of intervals on which f and f' are polynomials: too many where they are not.

    Cuts at 0 and kinks are there already.
    """
    ends = [start, *(z for z in activation.kinks if start < z < stop), stop]
    intervals = np.array(list(itertools.pairwise(ends)))
    cuts = {start, stop}
    while intervals.size:
        intervals = intervals[_rough(activation, intervals)]
        middles = intervals.mean(axis=1)
        widths = intervals[:, 1] - intervals[:, 0]
        cuts.update(middles.tolist())
        if len(cuts) > _MOST or np.any(widths < _NARROWEST * np.abs(middles)):
            return [0.0] * (_MOST + 1)
        halves = [intervals[:, 0], middles], [middles, intervals[:, 1]]
        intervals = np.concatenate([np.stack(half, axis=1) for half in halves])
    return sorted(cuts - set(activation.kinks))


def _rough(activation: Activation, intervals: Array) -> npt.NDArray[np.bool_]:
    """Return where f or f' is no polynomial on an interval, or on a part of it between kinks."""
    rough = np.zeros(len(intervals), dtype=bool)
    toward_zero = np.maximum(np.max(np.abs(intervals), axis=1), 1.0)[:, None] * _TOWARD_ZERO
    for function in (activation.f, activation.df):
        with np.errstate(all="ignore"):
            sizes = np.max(np.abs([function(toward_zero), function(-toward_zero)]), axis=(0, 2))
            for low, high in itertools.pairwise([-math.inf, *activation.kinks, math.inf]):
                part = np.clip(intervals, low, high)
                half = (part[:, 1] - part[:, 0]) / 2.0
                # a kink's own value is of either side
                points = part.mean(axis=1)[:, None] + half[:, None] * (1.0 - 2.0**-40) * _NODES
                values = np.broadcast_to(function(points), points.shape)
                missed = np.max(np.abs(values @ _LAST.T), axis=1)
                rough |= (half > 0.0) & (missed > _MISS * sizes)
    return rough
