"""Entries of activations with no kink but at 0 pair by pair, and how far they are off.

What the layers' polynomials miss is measured against quadratures at norms and chords between their
nodes, and doubled; the bounds of `conditioning`, half of which are of what layers are off by, grow
by what it is more than they allow for a layer.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.layer_maps import Layer, Pairs
from fastgram.infinite_width.pairs.norm_layers import LayerFunctions, NormLayers
from fastgram.infinite_width.pairs.protocol import Mask, steepest
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["NormPairs"]

_ALLOWED = 4.0 * float(np.finfo(np.float64).eps)  # what conditioning takes of a layer, at least
_DOUBLED = 2.0
_STAND_INS = 4  # norms
_CHORDS = np.array([1e-7, 1e-3, 0.04, 0.21, 0.43, 0.69])


class NormPairs(NormLayers):
    """Entries between rows of any norms, of an activation with no kink but at 0: `PairEntries`.

    Parameters are those of `NormLayers`.
    """

    flops = 2e4

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        super().__init__(network, kind, row_norms, column_norms)
        norms = np.concatenate([row_norms, column_norms])
        ends = float(norms.min()), float(norms.max())
        stand_ins = np.geomspace(*ends, _STAND_INS)
        stand_ins[[0, -1]] = ends  # of the very range that layers are kept of
        layers = NormLayers(network, kind, stand_ins, stand_ins)
        stated = errors_between_norms(network, kind, stand_ins)
        parts = [of for of in (*layers.of_f, *layers.of_df) if of is not None]
        misses = [_measured_miss(network, of, of in layers.of_df) for of in parts]
        missed = _DOUBLED * largest_error(*misses)
        self.error, self.by_norm = stated.base * (1.0 + missed / _ALLOWED / 2.0), stated.by_norm

        def values_at(left: Array, right: Array, squares: Array, far: Mask) -> Array:
            places = np.searchsorted(stand_ins, left), np.searchsorted(stand_ins, right)
            return layers.values(*places, squares, far)

        first, second = np.triu_indices(_STAND_INS)
        both = np.stack([stand_ins[first], stand_ins[second]], axis=1)
        self.slope = steepest(network, kind, both, values_at)


def _measured_miss(network: Network, of: LayerFunctions, derivative: bool) -> float:
    """Return what a layer misses: of values, and of distances over s; over the roots of E g²."""
    deviations = of.deviations[0]
    layer, pairs = Layer(network.activation, derivative, deviations**2), Pairs.of(deviations.size)
    scale = pairs.product(of.scales[0])
    worst = 0.0
    for far in (False, True):
        exact = layer.at_offsets(far, 2.0 * np.arcsin(_CHORDS))
        end = exact.at_minus_one if far else exact.at_one
        for s, values in zip(_CHORDS, exact.values, strict=True):
            size = pairs.first.size
            found = of.at_pairs(pairs.first, pairs.second, np.full(size, s), np.full(size, far))
            # of what is never carried over, f' that is, only values matter
            distances = np.abs(found[:, 1] - values) / (1.0 if derivative else s)
            both = np.maximum(np.abs(found[:, 0] - end), distances) / scale
            worst = largest_error(worst, np.max(both))
    return worst
