"""Entries of pairs of rows one by one, by quadratures in two dimensions: milliseconds each."""

from __future__ import annotations

import functools

import numpy as np

from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.kernel_function import direct_entries
from fastgram.infinite_width.pairs.protocol import Mask, Places, steepest
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["DirectPairs"]


class DirectPairs:
    """Entries between rows of any norms, of any activation.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.
    """

    flops = 1e8  # of a quadrature

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        self._network, self._kind = network, kind
        self._norms = row_norms, column_norms
        norms = np.unique(np.concatenate(self._norms))
        ends = norms[norms > 0.0][[0, -1]]
        errors = errors_between_norms(network, kind, ends)
        self.error, self.by_norm = errors.base, errors.by_norm
        self._ends = ends

    @functools.cached_property
    def slope(self) -> float:
        """Bound on the derivative in half the chord: a hundred entries."""
        least, most = self._ends
        return _slope(self._network, self._kind, float(least), float(most))

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs: see `PairEntries`."""
        rows, columns = self._norms
        pairs = rows[first], columns[second], squares, far
        return _values(self._network, self._kind, *pairs)


def _values(
    network: Network, kind: str, left: Array, right: Array, squares: Array, far: Mask
) -> Array:
    acute = 2.0 * np.arcsin(np.sqrt(squares))
    theta = np.where(far, np.pi - acute, acute)
    return direct_entries(network, kind, theta, left**2, right**2)


@functools.lru_cache(maxsize=256)
def _slope(network: Network, kind: str, least: float, most: float) -> float:
    pairs = np.unique([[most, most], [least, most]], axis=0)
    return steepest(network, kind, pairs, functools.partial(_values, network, kind))
