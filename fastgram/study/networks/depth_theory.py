"""What depth does to a Gram matrix: fixed points, rates and limits, derived in `depth.PART`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from fastgram.network.network import Network
from fastgram.network.theory.criticality import critical_variances

__all__ = [
    "CriticalLimit",
    "critical_limit",
    "critical_network",
    "deep_limit",
    "erf_rate",
    "slope_at_one",
]

_TERMS = 400  # of a smooth correlation map: they fall at least like exp(−c√n)
_ROUNDING, _NEAR = 1e-14, 1e-6
_ERF_POLE = 1.5  # where the dual of erf at variance 1 is singular: arcsin(2ρ/3)


def slope_at_one(activation: str) -> float:
    """Return χ = E φ'(z)²/E φ(z)², the slope at 1 of the map of correlations of a layer."""
    return float(Network(activation, normalize=True).kernel(1.0))


def deep_limit(activation: str) -> float:
    """Return what λ_min tends to with depth: kind "gradient", normalised, χ > 1, distinct rows.

    All correlations tend to the fixed point ρ* < 1 of the map, so that the matrix tends to one with
    χ on the diagonal and ρ*·χ(ρ*) beside it.
    """
    layer = Network(activation, normalize=True)

    def above(rho: float) -> float:
        return float(layer.kernel(rho, kind="nngp")) - rho

    # κ is convex: positive at 0 unless E φ = 0, negative just below 1, and 0 once between
    fixed = 0.0 if above(0.0) <= _ROUNDING else float(brentq(above, 0.0, 1.0 - _NEAR))
    return slope_at_one(activation) - float(layer.kernel(fixed))


def erf_rate(depth: int) -> float:
    """Return r with λ_min ~ e^(−rn) on n equally spaced points of the circle, n odd: erf, odd.

    The last layer is singular where the correlation below it is 3/2; the layers below, each
    ρ → arcsin(2ρ/3)/arcsin(2/3), have it at the cosine that is found by going backwards.
    """
    cosine = _ERF_POLE
    for _ in range(depth - 1):
        cosine = _ERF_POLE * math.sin(math.asin(1.0 / _ERF_POLE) * cosine)
    return math.acosh(cosine)


def critical_network(activation: str, depth: int) -> Network:
    """Return the network at the edge of chaos with the fixed point 1; of relu weights have 2.

    Unit rows have the variance of the fixed point from the first layer on.
    """
    weight, bias = critical_variances(activation)
    if bias == 0.0:  # homogeneous: any variance is a fixed point
        return Network(activation, depth=depth, weight_variance=weight)
    return Network(
        activation,
        depth=depth,
        weight_variance=weight,
        bias_variance=bias,
        input_weight_variance=1.0,
        input_bias_variance=0.0,
    )


class CriticalLimit(NamedTuple):
    """The limit of the critical tangent kernel: entries over the diagonal, off it.

    Attributes
    ----------
    ratio : float
        r∞, what Θ(x, y)/Θ(x, x) tends to.
    logarithm : float
        c: at depth L the ratio is r∞·(1 + (c·ln L + C)/L), C of the rows' angles, and less.
    """

    ratio: float
    logarithm: float

    def condition(self, n: int) -> float:
        """Return what λ_max/λ_min of n rows tends to."""
        return 1.0 + n * self.ratio / (1.0 - self.ratio)

    def extrapolated(self, n: int, depth: int, at_depth: float, at_twice: float) -> float:
        """Return the condition at infinite depth from those at L and 2L: C/L drops out."""
        coefficient = n * self.ratio * self.logarithm / (1.0 - self.ratio) ** 2
        return 2.0 * at_twice - at_depth - coefficient * math.log(2.0) / depth


def critical_limit(activation: str) -> CriticalLimit:
    """Return the limit: 1/4 and 3/2 under relu, 1/3 and 1 − 2κ'''/(3κ''²) under smooth ones."""
    if activation == "relu":
        return CriticalLimit(0.25, 1.5)
    layer = critical_network(activation, 1)
    weight = critical_variances(activation).weight_variance
    series = weight * layer.power_series(_TERMS, kind="nngp")
    k = np.arange(float(_TERMS))
    second = float(k * (k - 1.0) @ series)
    third = float(k * (k - 1.0) * (k - 2.0) @ series)
    return CriticalLimit(1.0 / 3.0, 1.0 - 2.0 * third / (3.0 * second**2))
