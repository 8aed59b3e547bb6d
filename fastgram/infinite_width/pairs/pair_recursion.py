"""Pairs of rows on their way through the layers: 1 − ρ and 1 + ρ go along, as in `recursion`."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fastgram.infinite_width.pairs.protocol import Mask, Places
from fastgram.network.layers import LayerRecursion
from fastgram.network.network import Network
from fastgram.network.theory.moments import variances
from fastgram.support.arrays import Array

__all__ = ["PairLayers", "deviations_with_next", "entries_of_pairs", "variances_with_next"]

_SOME = 2**14  # pairs at a time: their arrays stay in a cache


class PairLayers(Protocol):
    """The layers of a network, for pairs of rows and columns.

    Attributes
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.
    """

    network: Network
    kind: str
    row_norms: Array
    column_norms: Array

    def sizes(self, layer: int) -> tuple[Array, Array]:
        """Return the deviations of the next layer's inputs, of rows and of columns."""

    def through(
        self, layer: int, first: Places, second: Places, squares: Array, far: Mask
    ) -> Array:
        """Return what a layer, 1 to L, makes of pairs: (pairs, 5).

        E f'(u)f'(v); E f(u)f(v) at the nearer end; what is missing there from E f(u)f(v); and at
        the end ½E(f(u)/size − f(v)/size)² and ½E(f(u)/size + f(v)/size)². The arguments are those
        of `PairEntries.values`. What the kind has no need of may be anything.
        """


def entries_of_pairs(
    layers: PairLayers, first: Places, second: Places, squares: Array, far: Mask
) -> Array:
    """Return the entries of pairs: see `PairEntries.values` of `protocol`."""
    result = np.empty(first.size)
    for start in range(0, first.size, _SOME):
        part = slice(start, start + _SOME)
        pairs = _Pairs(layers, first[part], second[part], squares[part], far[part])
        result[part] = pairs.entry(pairs.first_covariance())
    return result


def variances_with_next(network: Network, norms: Array) -> list[tuple[Array, Array]]:
    """Return each layer's variances and those of the next one's, (n,); after the last, ones."""
    distinct, places = np.unique(norms, return_inverse=True)
    inputs = [values[places] for values in variances(network, distinct)]
    return list(zip(inputs, [*inputs[1:], np.ones(norms.size)], strict=True))


def deviations_with_next(
    network: Network, row_norms: Array, column_norms: Array
) -> list[tuple[tuple[Array, Array], tuple[Array, Array]]]:
    """Return each layer's deviations, of rows and of columns, and those of the next one's.

    These are 1 after the last layer, and where they are 0: of such a row nothing is asked for.
    """
    sides = (variances_with_next(network, norms) for norms in (row_norms, column_norms))
    return [
        (
            (np.sqrt(left), np.sqrt(right)),
            (_sizes_of(left_after), _sizes_of(right_after)),
        )
        for (left, left_after), (right, right_after) in zip(*sides, strict=True)
    ]


def _sizes_of(variances: Array) -> Array:
    return np.where(variances > 0.0, np.sqrt(variances), 1.0)


class _Pairs(LayerRecursion):
    """Some pairs."""

    def __init__(
        self, layers: PairLayers, first: Places, second: Places, squares: Array, far: Mask
    ) -> None:
        super().__init__(layers.network, layers.kind)
        self._layers, self._first, self._second = layers, first, second
        self._squares, self._far = squares, far
        self._scale = layers.network.normalisation()
        self._at = (0, np.empty(0))  # a layer, and what came of it

    def first_covariance(self) -> Array:
        """Return Σ⁰ of the pairs."""
        cosines = 1.0 - 2.0 * self._squares
        cosines = np.where(self._far, -cosines, cosines)
        norms = self._layers.row_norms[self._first] * self._layers.column_norms[self._second]
        return np.asarray(norms * cosines)

    def expectation(self, layer: int, derivative: bool, covariance: Array) -> Array:
        found = self._found(layer)
        return self._scale * (found[:, 0] if derivative else found[:, 1] - found[:, 2])

    def covariance(self, layer: int, value: Array) -> Array:
        self._turn(layer)
        return np.asarray(super().covariance(layer, value))

    def _found(self, layer: int) -> Array:
        if self._at[0] != layer:
            pairs = self._first, self._second, self._squares, self._far
            self._at = layer, self._layers.through(layer, *pairs)
        return self._at[1]

    def _turn(self, layer: int) -> None:
        """Take the angles through a layer."""
        _, _, missing, less, more = self._found(layer).T
        row_sizes, column_sizes = self._layers.sizes(layer)
        one, two = row_sizes[self._first], column_sizes[self._second]
        gain = self.weight * self._scale
        less = gain * less + 0.5 * self.bias * (1.0 / one - 1.0 / two) ** 2
        more = gain * more + 0.5 * self.bias * (1.0 / one + 1.0 / two) ** 2
        moved = gain * missing / (one * two)
        # the smaller of the two takes the distance, the other is what is left of 2
        smaller = np.clip(np.where(less <= more, less + moved, more - moved), 0.0, 2.0)
        minus = np.where(less <= more, smaller, 2.0 - smaller)
        plus = np.where(less <= more, 2.0 - smaller, smaller)
        self._far = plus < minus
        self._squares = np.minimum(minus, plus) / 2.0
