"""A Gram entry between rows of one norm as a power series of their cosine.

At depth 1 the series of E[g(u)g(v)] is Σ cₖ²ρᵏ, cₖ the coefficients of z ↦ g(√q z) in the
normalised Hermite polynomials (Mehler's formula), and a layer composes it with the series of the
layer below, so that no coefficient is negative. They are computed to about 1e-14 of their sum
and promise nothing: what uses them must hold for any coefficients that are not negative.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.kernel_function import row_scale
from fastgram.infinite_width.recursion import variances
from fastgram.network.activations import Activation
from fastgram.network.layers import LayerRecursion
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["power_series"]

Complex = npt.NDArray[np.complex128]

# The normal density at 13 is 1e-37: what lies beyond is nothing beside the rest.
_REACH = 13.0
# A panel of so many nodes integrates a polynomial of order k = 1000, which swings at √k, and what
# tanh is near 0 at a variance of 100, whose poles are then 1/√q away: hence the grading.
_PANEL = 0.25
_GRADING = _PANEL * 0.25 ** np.arange(1.0, 7.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def power_series(network: Network, kind: str, norm: float, order: int) -> Array:
    """Return the coefficients of an entry over two row scales as a series of the rows' cosine.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    norm : float
        Of the augmented rows, above 0.
    order : int
        The highest power.

    Returns
    -------
    (order + 1,) array
        None is negative; their errors are about 1e-14 of K(1), less at low orders.
    """
    norms = np.array([norm])
    inputs = [float(q[0]) for q in variances(network, norms)]
    # Values of all series on a circle inside the unit disc: powers beyond its `points` fold onto
    # lower ones, but shrunk by radius**points = eps.
    points = 8 * (order + 1)
    radius = float(np.finfo(np.float64).eps) ** (1.0 / points)
    rho = radius * np.exp(2j * np.pi * np.arange(points) / points)
    total = _Series(network, kind, inputs, order).entry(inputs[0] * rho)
    folded = np.fft.fft(total).real / points / radius ** np.arange(points)
    scale = float(row_scale(network, kind, norms)[0])
    return np.asarray(np.maximum(folded[: order + 1], 0.0) / scale**2)


class _Series(LayerRecursion):
    """Series up to an order, as their values at complex points of the unit disc.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    variances : (depth) floats
        Of the layers' inputs.
    order : int
    """

    def __init__(self, network: Network, kind: str, variances: list[float], order: int) -> None:
        super().__init__(network, kind)
        self._variances, self._order = variances, order

    def expectation(self, layer: int, derivative: bool, covariance: Complex) -> Complex:
        """Return Σ cₖ²ρᵏ."""
        network, q = self.network, self._variances[layer - 1]
        squares = hermite_coefficients(network.activation, derivative, q, self._order) ** 2
        values = np.polynomial.polynomial.polyval(covariance / q, squares)
        return np.asarray(network.normalisation() * values)

    def through(self, tangent: Complex, slope: Complex) -> Complex:
        return np.asarray(self.weight * tangent * slope)  # in this order: its last bits are kept


def hermite_coefficients(
    activation: Activation, derivative: bool, variance: float, order: int
) -> Array:
    """Return E[f(√q z) hₖ(z)] (or of f'), z normal, for k up to an order."""
    deviation = np.sqrt(variance)
    even = np.arange(-_REACH, _REACH + _PANEL, _PANEL)
    kinks = np.asarray(activation.kinks) / deviation
    cuts = np.unique(np.clip(np.concatenate([even, _GRADING, -_GRADING, kinks]), -_REACH, _REACH))
    half = np.diff(cuts)[:, None] / 2.0
    z = (cuts[:-1, None] + half * (1.0 + _NODES)).ravel()
    density = (half * _WEIGHTS).ravel() * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    function = activation.df if derivative else activation.f
    weighted = density * function(deviation * z)
    result = np.empty(order + 1)
    current, before = np.ones_like(z), np.zeros_like(z)
    for k in range(order + 1):
        result[k] = weighted @ current
        following = (z * current - np.sqrt(k) * before) / np.sqrt(k + 1.0)
        current, before = following, current
    return result
