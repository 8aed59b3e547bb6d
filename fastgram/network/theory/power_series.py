"""A Gram entry of rows of one norm as a power series, by composition from layer to layer.

At depth 1 the series of E g(u)g(v) is Σ aₖ²ρᵏ, aₖ the Hermite coefficients of z ↦ g(√q z) (Mehler's
formula), and a further layer composes its own with that of the layer below, ρ = Σ/q as a series.
All coefficients are at least 0 (Schoenberg), and nothing is ever subtracted.

A series with a constant term s₀ needs more terms of the outer one than it has itself: as it adds up
to 1 at ρ = 1, the coefficients of its k-th power below an order N add up to no more than the
probability that fewer than N of k trials succeed, each with the probability 1 − s₀.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from fastgram.network.integrals.hermite import hermite_of
from fastgram.network.layers import LayerRecursion, NetworkFacts
from fastgram.network.theory.moments import variances
from fastgram.network.theory.series import Series, compose
from fastgram.support.arrays import Array

__all__ = ["Expansion", "expand", "expand_on_sphere"]

_MOST_TERMS = 2**16  # Hermite coefficients of a layer
_NOTHING = 1e-26  # of the terms that are left out, in units of κ(1)
_LOST = 1e-16  # what terms beyond the most may add before it is told


@dataclass(frozen=True)
class Expansion:
    """Coefficients of an entry, from the order 0, and the first layer that lacks terms of its own.

    Attributes
    ----------
    coefficients : (count,) array
        None is negative; they are never too large but for rounding.
    short_layer : int or None
    """

    coefficients: Array
    short_layer: int | None


def expand(network: NetworkFacts, kind: str, count: int, first: tuple[float, float]) -> Expansion:
    """Return the series of an entry in t, where Σ⁰ is ``first[0] + first[1]·t``.

    Parameters
    ----------
    network : NetworkFacts
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    count : int
        How many coefficients, at least 1.
    first : two floats
        At least 0, not both 0; the variance of the first layer's input is their sum.

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer.
    """
    inputs = variances(network, np.sqrt([sum(first)]))
    sigma = np.zeros(count)
    sigma[:2] = first[:count]
    recursion = _Expansion(network, kind, [float(q[0]) for q in inputs])
    total: Series = recursion.entry(Series(sigma))
    return Expansion(total.coefficients, recursion.short_layer)


def expand_on_sphere(network: NetworkFacts, kind: str, count: int) -> Array:
    """Return the series of an entry of two unit rows in their cosine, (count,).

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer, or a layer lacks terms.
    """
    first = network.first_bias_variance, network.first_weight_variance
    found = expand(network, kind, count, first)
    if found.short_layer is not None:
        raise ValueError(
            f"the kernel's first {count} power-series coefficients take more than {_MOST_TERMS}"
            f" Hermite coefficients in layer {found.short_layer}, where all rows are much alike:"
            f" ask for fewer, or lower the depth (now {network.depth})"
        )
    return found.coefficients


class _Expansion(LayerRecursion):
    """Entries as series.

    Parameters
    ----------
    network : NetworkFacts
    kind : {"gradient", "nngp", "ntk"}
    inputs : (depth) floats
        The variances of the layers' inputs.
    """

    def __init__(self, network: NetworkFacts, kind: str, inputs: list[float]) -> None:
        super().__init__(network, kind)
        self._inputs = inputs
        self.short_layer: int | None = None

    def expectation(self, layer: int, derivative: bool, covariance: Series) -> Series:
        """Return Σ aₖ²ρᵏ."""
        q = self._inputs[layer - 1]
        rho = covariance.coefficients / q
        terms, lost = _terms(rho.size, float(rho[0]))
        squares = hermite_of(self.network.activation, derivative, q, terms) ** 2
        if lost > _LOST and self.short_layer is None:
            self.short_layer = layer
        return Series(self.network.normalisation() * compose(squares, rho))


def _terms(count: int, constant: float) -> tuple[int, float]:
    """Return how many terms of an outer series make `count` coefficients, and what they lack."""
    success = 1.0 - constant
    if constant <= 0.0:
        return count, 0.0
    terms = count
    while terms < _MOST_TERMS:
        if bdtr(count - 1, terms, success) <= _NOTHING:
            return terms, 0.0
        terms += max(terms // 8, 16)
    return _MOST_TERMS, float(bdtr(count - 1, _MOST_TERMS, success))
