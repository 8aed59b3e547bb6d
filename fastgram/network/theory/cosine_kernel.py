"""An entry of the Gram matrix of unit rows as a function of their cosine, by quadrature.

Each layer is a quadrature of its own for all cosines together, without a table: between layers
1 − ρ and 1 + ρ are carried, the smaller one to a rounding of itself, and never ρ.
"""

from __future__ import annotations

import numpy as np

from fastgram.network.duals import chords_at
from fastgram.network.integrals.line_quadrature import parallel_duals
from fastgram.network.layers import LayerRecursion, NetworkFacts
from fastgram.network.theory.moments import variances
from fastgram.support.arrays import Array, blocks
from fastgram.support.threads import one_blas_thread

__all__ = ["entries_at"]

_SOME = 256  # cosines at a time: quadratures keep what they have of so many


def entries_at(network: NetworkFacts, kind: str, t: Array) -> Array:
    """Return the entries of unit rows at these cosines.

    Parameters
    ----------
    network : NetworkFacts
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    t : (k,) array
        In [−1, 1].

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer, or a quadrature does not converge.
    """
    if network.is_zero(kind):
        return np.zeros(t.size)
    result = np.empty(t.size)
    with one_blas_thread():
        for part in blocks(t.size, _SOME):
            recursion = _AtCosines(network, kind, t[part])
            result[part] = recursion.entry(recursion.first_covariance)
    return result + 0.0  # no -0.0


class _AtCosines(LayerRecursion):
    """Entries at some cosines; their distances from ρ = 1 and −1 go along.

    Parameters
    ----------
    network : NetworkFacts
    kind : {"gradient", "nngp", "ntk"}
    t : (k,) array
    """

    def __init__(self, network: NetworkFacts, kind: str, t: Array) -> None:
        super().__init__(network, kind)
        weight, bias = network.first_weight_variance, network.first_bias_variance
        self.first_covariance = weight * t + bias
        self._inputs = variances(network, np.sqrt([weight + bias]))
        q = weight + bias
        self._turn(weight * (1.0 - t) / q, (weight * (1.0 + t) + 2.0 * bias) / q)
        self._missing = self._sum = np.empty(0)  # κ(1) ∓ κ of the last f

    def _turn(self, less: Array, more: Array) -> None:
        """Take the angles that have 1 − ρ and 1 + ρ: from the smaller of the two."""
        smaller = np.clip(np.minimum(less, more), 0.0, 1.0)
        self._acute = 2.0 * np.arctan2(np.sqrt(smaller), np.sqrt(2.0 - smaller))
        self._far = more < less

    def expectation(self, layer: int, derivative: bool, covariance: Array) -> Array:
        activation, q = self.network.activation, self._inputs[layer - 1]
        power = activation.homogeneity
        scale = self.network.normalisation()
        if power is not None:  # as at the variance 1, whatever q is
            scale = scale * float(q[0]) ** (max(power - 1, 0) if derivative else power)
            q = np.ones(1)
        near, far = chords_at(activation, derivative, self._acute, q)[..., 0]
        one, minus_one = parallel_duals(activation, derivative, q)[:, 0, 0]
        if not derivative:
            self._missing = scale * np.where(self._far, one - minus_one + far, near)
            self._sum = scale * np.where(self._far, one + minus_one - far, 2.0 * one - near)
        return np.asarray(scale * np.where(self._far, minus_one - far, one - near))

    def covariance(self, layer: int, value: Array) -> Array:
        after = float(self._inputs[layer][0])
        less = self.weight * self._missing / after
        self._turn(less, (self.weight * self._sum + 2.0 * self.bias) / after)
        return np.asarray(super().covariance(layer, value))
