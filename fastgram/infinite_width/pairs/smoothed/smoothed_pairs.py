"""Entries of any activation pair by pair, by what is smoothed of it, and how far they are off.

Each layer is an integral over one variable of polynomials that know no norm and no angle
(`smoothed_function`), so that an entry costs little more for rows of large norms, or of norms far
apart, than for others, and is as exact. What a layer misses is measured against quadratures in two
dimensions at a few norms and chords, and doubled; the bounds of `conditioning`, half of which are
of what layers are off by, grow by what it is more than they allow for a layer.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.pairs.pair_recursion import (
    deviations_with_next,
    entries_of_pairs,
    variances_with_next,
)
from fastgram.infinite_width.pairs.protocol import Mask, Places, steepest
from fastgram.infinite_width.pairs.smoothed.smoothed_function import smoothed_function
from fastgram.kernels.cpu.pairs.smoothed import SmoothedFunction, integrals_of_pairs
from fastgram.network.activations import Activation
from fastgram.network.duals import dual_entries, pair_distances
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["SmoothedPairs"]

_ALLOWED = 4.0 * float(np.finfo(np.float64).eps)  # what conditioning takes of a layer, at least
_DOUBLED = 2.0
_ANGLES = np.array([1e-3, 0.3, 1.3, 2.2])  # where layers are measured


class _SmoothedLayers:
    """The layers of a network: `PairLayers`.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.
    of_f, of_df : SmoothedFunction or None
        For the deviations of all layers' inputs; None where a kind needs none.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        row_norms: Array,
        column_norms: Array,
        of_f: SmoothedFunction | None,
        of_df: SmoothedFunction | None,
    ) -> None:
        self.network, self.kind = network, kind
        self.row_norms, self.column_norms = row_norms, column_norms
        self._of_f, self._of_df = of_f, of_df
        self._layers = deviations_with_next(network, row_norms, column_norms)

    def sizes(self, layer: int) -> tuple[Array, Array]:
        """Return the deviations of the next layer's inputs."""
        return self._layers[layer - 1][1]

    def through(
        self, layer: int, first: Places, second: Places, squares: Array, far: Mask
    ) -> Array:
        """Return what a layer makes of pairs; nothing is missing, as distances are of the angle."""
        last, kind = layer == self.network.depth, self.kind
        deviations, sizes = self._layers[layer - 1]
        sides = *deviations, *sizes
        out, found = np.zeros((first.size, 5)), np.empty((first.size, 3))
        if self._of_df is not None and (last or kind == "ntk"):
            integrals_of_pairs(first, second, squares, far, *sides, self._of_df, found)
            out[:, 0] = found[:, 0]
        if self._of_f is not None and not (last and kind == "gradient"):
            integrals_of_pairs(first, second, squares, far, *sides, self._of_f, found)
            out[:, 1], out[:, 3:] = found[:, 0], found[:, 1:]
        return out

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs."""
        return entries_of_pairs(self, first, second, squares, far)


class SmoothedPairs(_SmoothedLayers):
    """Entries between rows of any norms, of any activation: `PairEntries`.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.

    Raises
    ------
    TooRough
        If the activation bends too often for polynomials.
    """

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        norms = np.unique(np.concatenate([row_norms, column_norms]))
        activation, depth = network.activation, network.depth
        roots = np.sqrt(np.concatenate([q for q, _ in variances_with_next(network, norms)]))
        ends = float(np.min(roots[roots > 0.0])), float(np.max(roots))
        of_f = of_df = None
        missed = 0.0
        if depth > 1 or kind != "gradient":
            of_f = smoothed_function(activation, False, *ends, depth > 1)
            missed = _measured_miss(activation, False, of_f, ends)
        if kind != "nngp":
            of_df = smoothed_function(activation, True, *ends, False)
            missed = largest_error(missed, _measured_miss(activation, True, of_df, ends))
        super().__init__(network, kind, row_norms, column_norms, of_f, of_df)
        self.flops = 3e5 * depth
        stand_ins = _stand_ins(float(norms[norms > 0.0][0]), float(norms[-1]))
        stated = errors_between_norms(network, kind, stand_ins)
        self.error = stated.base * (1.0 + _DOUBLED * missed / _ALLOWED / 2.0)
        self.by_norm = stated.by_norm
        layers = _SmoothedLayers(network, kind, stand_ins, stand_ins, of_f, of_df)

        def values_at(left: Array, right: Array, squares: Array, far: Mask) -> Array:
            places = np.searchsorted(stand_ins, left), np.searchsorted(stand_ins, right)
            return layers.values(*places, squares, far)

        first, second = np.triu_indices(stand_ins.size)
        both = np.stack([stand_ins[first], stand_ins[second]], axis=1)
        self.slope = steepest(network, kind, both, values_at)


def _stand_ins(least: float, most: float) -> Array:
    """Return both ends of a range and the 1 at which activations bend, or what is next to it."""
    return np.unique([least, min(max(1.0, least), most), most])


def _measured_miss(
    activation: Activation, derivative: bool, of: SmoothedFunction, ends: tuple[float, float]
) -> float:
    """Return what a layer misses, of values over the roots of two E g², and of distances' roots."""
    deviations = _stand_ins(*ends)
    first, second = np.triu_indices(deviations.size)
    scales = np.sqrt(mean_squares(activation, derivative, deviations**2))
    with_distances = of.leaves.shape[1] == 2
    worst = 0.0
    for theta in _ANGLES.tolist():
        acute, far = min(theta, np.pi - theta), np.full(first.size, theta > np.pi / 2.0)
        squares = np.full(first.size, np.sin(acute / 2.0) ** 2)
        found = np.empty((first.size, 3))
        integrals_of_pairs(
            first, second, squares, far, deviations, deviations, scales, scales, of, found
        )
        q1, q2 = deviations[first] ** 2, deviations[second] ** 2
        exact = dual_entries(activation, derivative, np.full(first.size, theta), q1, q2)
        size = scales[first] * scales[second]
        worst = largest_error(worst, np.max(np.abs(found[:, 0] - exact) / size))
        if with_distances:
            for k, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
                q = float(q1[k]), float(q2[k])
                sizes = float(scales[pair[0]]), float(scales[pair[1]])
                half_squares = pair_distances(activation, theta, q, sizes)
                roots = np.sqrt(half_squares) - np.sqrt(np.maximum(found[k, 1:], 0.0))
                worst = largest_error(worst, np.max(np.abs(roots)))
    return worst
