"""A Gram entry of rows of one norm as a power series, by composition from layer to layer.

At depth 1 the series of E g(u)g(v) is Σ aₖ²ρᵏ, aₖ the Hermite coefficients of z ↦ g(√q z) (Mehler's
formula), and a further layer composes its own with that of the layer below, ρ = Σ/q as a series.
All coefficients are at least 0 (Schoenberg), and nothing is ever subtracted.

A series with a constant term s₀ needs more terms of the outer one than it has itself: as it adds up
to 1 at ρ = 1, the coefficients of its k-th power below an order N add up to no more than the
probability that fewer than N of k trials succeed, each with the probability 1 − s₀.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from fastgram.network.integrals.hermite import hermite_of
from fastgram.network.layers import LayerRecursion, NetworkFacts
from fastgram.network.theory.moments import variances
from fastgram.network.theory.series import Series, compose
from fastgram.support.arrays import Array

__all__ = ["expand", "expand_on_sphere"]

_MOST_TERMS = 2**16  # Hermite coefficients of a layer
_NOTHING = 1e-26  # what is left out, in units of κ(1)


def expand(
    network: NetworkFacts, kind: str, count: int, first: tuple[float, float], most_terms: int
) -> Array:
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
    most_terms : int
        Of a layer's own series, at least `count`: where it takes more, coefficients are too small.

    Returns
    -------
    (count,) array
        None is negative.

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer.
    """
    return _Expansion(network, kind, first, most_terms).coefficients(count)


def expand_on_sphere(network: NetworkFacts, kind: str, count: int) -> Array:
    """Return the series of an entry of two unit rows in their cosine, (count,).

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer, or a layer needs too many terms.
    """
    first = network.first_bias_variance, network.first_weight_variance
    expansion = _Expansion(network, kind, first, _MOST_TERMS)
    expansion.coefficients(1)  # shows the constant terms, before any long work
    for layer, constant in sorted(expansion.constants.items()):
        if _terms(count, constant) > _MOST_TERMS:
            raise ValueError(
                f"the kernel's first {count} power-series coefficients take more than"
                f" {_MOST_TERMS} Hermite coefficients in layer {layer}, where all rows are much"
                f" alike: ask for fewer, or lower the depth (now {network.depth})"
            )
    return expansion.coefficients(count)


class _Expansion(LayerRecursion):
    """Entries as series.

    Parameters
    ----------
    network : NetworkFacts
    kind : {"gradient", "nngp", "ntk"}
    first : two floats
        Σ⁰ is ``first[0] + first[1]·t``.
    most_terms : int
    """

    def __init__(
        self, network: NetworkFacts, kind: str, first: tuple[float, float], most_terms: int
    ) -> None:
        super().__init__(network, kind)
        self._first, self._most_terms = first, most_terms
        self._inputs = [float(q[0]) for q in variances(network, np.sqrt([sum(first)]))]
        self.constants: dict[int, float] = {}  # of ρ below each layer

    def coefficients(self, count: int) -> Array:
        """Return the first coefficients of the entry."""
        sigma = np.zeros(count)
        sigma[:2] = self._first[:count]
        total: Series = self.entry(Series(sigma))
        return total.coefficients

    def expectation(self, layer: int, derivative: bool, covariance: Series) -> Series:
        """Return Σ aₖ²ρᵏ."""
        q = self._inputs[layer - 1]
        rho = covariance.coefficients / q
        self.constants[layer] = float(rho[0])
        terms = min(_terms(rho.size, float(rho[0])), self._most_terms)
        squares = hermite_of(self.network.activation, derivative, q, terms) ** 2
        return Series(self.network.normalisation() * compose(squares, rho))


def _terms(count: int, constant: float) -> int:
    """Return how many terms of an outer series make `count` coefficients."""
    if constant <= 0.0:
        return count
    terms = count
    while bdtr(count - 1, terms, 1.0 - constant) > _NOTHING:
        terms += max(terms // 8, 16)
        if terms > 2 * _MOST_TERMS:
            break
    return terms
