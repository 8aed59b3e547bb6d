"""Where an activation bends: beyond that it is a polynomial to rounding, and no panels are graded.

At a large variance nearly all of a normal density lies where an activation is a line, a constant or
another polynomial of few terms: what is left of tanh beyond 19 or of softplus beyond 37 is nothing.
Panels graded toward 0 are needed as far out as that, and not up to the standard deviation.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.polynomial import chebyshev

from fastgram.network.activations import Activation
from fastgram.network.integrals.quadrature import sharpness
from fastgram.support.arrays import Array

__all__ = ["bend_of", "common_bend"]

_EPS = float(np.finfo(np.float64).eps)
_FARTHEST = 9.0  # standard deviations
_NOT_FAR = 3.0  # standard deviations up to this need no graded panels
_TERMS = 8  # of a polynomial: its square times a normal density is no work for a panel's nodes
_ROUNDINGS = 8.0 * _EPS
_STEP = 3.0**0.5  # from one radius that is tried to the next
# Where what is between two of these is looked at: at more points than a level has nodes there.
_LOOKED_AT = np.arange(24.0) / 24.0
_NEAR_0 = np.geomspace(1e-12, 1.0, 48)  # and up to the least, for what is nearly a jump
_NODES = chebyshev.chebpts1(_TERMS)
_SERIES = np.linalg.inv(chebyshev.chebvander(_NODES, _TERMS - 1))


def common_bend(activation: Activation, deviations: Array) -> float:
    """Return the same for f(s·) and f'(s·), for all of these standard deviations s together.

    It is the same for all that panels are alike for.
    """
    if float(np.min(deviations)) <= _NOT_FAR:
        return math.inf
    rounded = {sharpness(s) for s in deviations.tolist()}
    return max(bend_of(activation, s) / (s / math.sqrt(2.0)) for s in rounded)


@functools.lru_cache(maxsize=1024)
def bend_of(activation: Activation, deviation: float) -> float:
    """Return a radius beyond which f and f' are polynomials of few terms between kinks.

    Parameters
    ----------
    activation : Activation
    deviation : float
        The standard deviation at which they are integrated: what they are beyond nine of these is
        not looked at, and what they are off polynomials is compared with their values up to one.

    Returns
    -------
    float
        0 where they are polynomials everywhere; infinity where they are not beyond any radius.
    """
    farthest = _FARTHEST * deviation
    count = max(math.ceil(math.log(farthest, _STEP)), 0)
    radii = [*(farthest * _STEP ** -np.arange(count + 1.0)).tolist(), 0.0]
    points = [high + (low - high) * _LOOKED_AT for high, low in itertools.pairwise(radii)]
    points[-1] = radii[-2] * _NEAR_0
    within = np.geomspace(min(deviation, 1.0) / 64.0, deviation, 64)
    sizes = np.max(np.abs(_values(activation, within)), axis=(1, 2), keepdims=True)
    kinks = np.unique(np.abs([*activation.kinks, farthest]))

    def are_polynomials(beyond: int) -> bool:
        low = radii[beyond]
        looked_at = np.concatenate(points[:beyond])
        cuts = np.append(low, kinks[(kinks > low) & (kinks <= farthest)])
        return all(
            _is_polynomial(activation, *piece, looked_at, sizes)
            for piece in itertools.pairwise(cuts.tolist())
        )

    # all that is beyond a radius where they are is beyond larger ones: from 0 on, and by halves
    if are_polynomials(len(radii) - 1):
        return 0.0
    known, bends = 0, len(radii) - 1
    while bends - known > 1:
        middle = (known + bends) // 2
        if are_polynomials(middle):
            known = middle
        else:
            bends = middle
    return radii[known] if known else math.inf


def _is_polynomial(
    activation: Activation, low: float, high: float, points: Array, sizes: Array
) -> bool:
    """Whether f and f' are polynomials of few terms from low to high, to roundings of sizes."""
    inside = points[(points > low) & (points < high)]
    nodes = (low + high) / 2.0 + (high - low) / 2.0 * _NODES
    values = _values(activation, np.concatenate([nodes, inside]))
    at_nodes, found = values[..., :_TERMS], values[..., _TERMS:]
    places = chebyshev.chebvander((2.0 * inside - low - high) / (high - low), _TERMS - 1)
    with np.errstate(invalid="ignore"):
        missed = np.abs(at_nodes @ (places @ _SERIES).T - found)
    size = np.maximum(sizes, np.max(np.abs(values), axis=2, keepdims=True))
    return bool(np.all(missed <= _ROUNDINGS * size))  # nor where they are not finite


def _values(activation: Activation, points: Array) -> Array:
    """Return f and f' at points and at their negatives: (2, 2, points)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(
            [
                [np.broadcast_to(function(sign * points), points.shape) for sign in (1.0, -1.0)]
                for function in (activation.f, activation.df)
            ]
        )
