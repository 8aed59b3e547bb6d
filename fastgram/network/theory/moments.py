"""Rows with themselves: the variances of each layer's input, and diagonal entries."""

from __future__ import annotations

import numpy as np

from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.layers import LayerRecursion, NetworkFacts
from fastgram.support.arrays import Array

__all__ = ["diagonal_entries", "second_moments", "variances"]

_TINY = float(np.finfo(np.float64).tiny)


class _Variances(LayerRecursion):
    """Rows with themselves: Σ is the variance of a layer's input, of each row."""

    def __init__(self, network: NetworkFacts, kind: str, norms: Array) -> None:
        super().__init__(network, kind)
        self.norms = norms
        self._below = np.square(norms)

    def expectation(self, layer: int, derivative: bool, covariance: Array) -> Array:
        self._below = covariance
        return second_moments(self.network, derivative, covariance)

    def covariance(self, layer: int, value: Array) -> Array:
        with np.errstate(over="ignore"):
            current: Array = super().covariance(layer, value)
        _check_variance(self.network, layer, self._below, current, self.norms)
        return current


def variances(network: NetworkFacts, norms: Array) -> list[Array]:
    """Return the variances of the hidden layers' inputs, (depth) arrays.

    Raises
    ------
    ValueError
        If one vanishes or overflows, with the layer.
    """
    return list(_Variances(network, "nngp", norms).covariances(np.square(norms)))


def diagonal_entries(network: NetworkFacts, kind: str, norms: Array) -> Array:
    """Return the entries of rows of these norms with themselves, one-dimensional integrals.

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer.
    """
    return np.asarray(_Variances(network, kind, norms).entry(np.square(norms)))


def second_moments(network: NetworkFacts, derivative: bool, variance: Array) -> Array:
    """Return E φ(√q z)² (or of φ'), φ normalised if so wished, for each variance q."""
    activation, power = network.activation, network.activation.homogeneity
    if power is None:
        return network.normalisation() * mean_squares(activation, derivative, variance)
    with np.errstate(over="ignore", under="ignore"):
        growth = variance ** (max(power - 1, 0) if derivative else power)
    value = growth * mean_squares(activation, derivative, np.ones(1))
    if power == 0 and not derivative:
        value[variance == 0.0] = float(activation.f(np.zeros(1))[0]) ** 2
    return np.asarray(network.normalisation() * value)


def _check_variance(
    network: NetworkFacts, layer: int, below: Array, current: Array, norms: Array
) -> None:
    bad = np.flatnonzero(~((current >= _TINY) & (current < np.inf)) & (norms > 0.0))
    if not bad.size:
        return
    what = "overflows" if current[bad[0]] > 1.0 or np.isnan(current[bad[0]]) else "vanishes"
    remedy = "lower" if what == "overflows" else "raise"
    raise ValueError(
        f"{network.activation.name} at depth {network.depth}: the variance of a row of norm"
        f" {norms[bad[0]]:g} {what} in float64 after layer {layer}, from {below[bad[0]]:.3g} before"
        f" it: {remedy} weight_variance (now {network.weight_variance:g})"
        + ("" if network.normalize else " or use normalize=True")
    )
