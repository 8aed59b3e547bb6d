"""Nodes of the norm: how many hold entries between them, and for which cosines they do.

Entries of a piece of the angle are interpolated in the norms of the row and of the column at
Chebyshev nodes of a coordinate of the norm.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev

from fastgram.infinite_width.pairs.norm_profile import profile_between_norms, widest_range
from fastgram.infinite_width.piecewise import Profile, transform_of
from fastgram.network.network import Network
from fastgram.support.arrays import Array, symmetric

__all__ = ["WORST", "coordinate_of", "interpolable", "norm_at"]

_COUNTS = (8, 16, 24, 32, 48, 64)  # of nodes of the norm
_COSINES = np.array([1.0, 0.99, 0.9, 0.5, 0.0, -0.5, -0.9, -0.99, -1.0])
WORST = 1e-13  # of the truncation in the norm, with the most nodes


def coordinate_of(norm: Array) -> Array:
    """Return the coordinate that entries are polynomials of.

    Smooth activations are analytic in the norm off the imaginary axis, beyond it like its logarithm
    and below it like the norm itself.
    """
    return np.asarray(np.arcsinh(2.0 * norm))


def norm_at(coordinate: Array) -> Array:
    """Return the norm that has this coordinate."""
    return np.asarray(np.sinh(coordinate) / 2.0)


def _nodes(low: float, high: float, count: int) -> Array:
    return norm_at((low + high) / 2.0 + chebyshev.chebpts1(count) * (high - low) / 2.0)


def interpolable(
    network: Network, kind: str, low: float, high: float, tolerance: float
) -> tuple[Profile, int, tuple[float, float]]:
    """Return entries at nodes of the norm, their number, and the cosines where these are enough."""
    end = widest_range(network)
    for count in _COUNTS:
        profile = profile_between_norms(network, kind, _nodes(low, high, count))
        allowed = tolerance / 2.0 if count < _COUNTS[-1] else max(tolerance / 2.0, WORST)
        reach = _reach(_truncations(profile.at_cosines(_COSINES), count), allowed)
        reach = max(reach[0], -end), min(reach[1], end)
        if reach == (-end, end):
            break
    return profile, count, reach


def _truncations(values: Array, count: int) -> Array:
    """Return what interpolation in the norm truncates, at each cosine: its last coefficients."""
    coefficients = transform_of(count) @ symmetric(values, count)
    return np.asarray(np.max(np.abs(coefficients[..., -2:, :]), axis=(-2, -1)))


def _reach(truncations: Array, allowed: float) -> tuple[float, float]:
    """Return the range of cosines around 0 where interpolation holds; 0 for an end without one.

    A kinked activation in a deeper layer is not smooth in the norms near ρ = 1: there the angle
    that reaches it is proportional to the distance of the rows, and |x − y| has a cone at x = y.
    """
    good = truncations <= allowed
    if np.all(good):
        return -2.0, 2.0
    ends = []
    for side in (_COSINES <= 0.0, _COSINES >= 0.0):
        cosines, fine = _COSINES[side], good[side]
        order = np.argsort(np.abs(cosines))
        held = cosines[order][np.logical_and.accumulate(fine[order])]
        end = float(held[-1]) if held.size else 0.0
        ends.append(2.0 * end if abs(end) == 1.0 else end)
    return ends[0], ends[1]
