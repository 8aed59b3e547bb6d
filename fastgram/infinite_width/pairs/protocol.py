"""The Protocol of what computes entries pair by pair, where no table holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["Mask", "PairEntries", "Places", "Reordered", "TooRough", "steepest"]

Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


class TooRough(ValueError):
    """Raised where no polynomials of so low a degree as they may have follow a layer."""


class PairEntries(Protocol):
    """Entries between rows and columns of any norms, a list of pairs at a time.

    Attributes
    ----------
    flops : float
        What an entry takes, in operations of a matrix product by BLAS.
    error, by_norm : float
        Bounds of |computed − ideal|, over the roots of two diagonal entries, and of what a relative
        error of the norms adds to it, times that.
    """

    flops: float
    error: float
    by_norm: float

    @property
    def slope(self) -> float:
        """Bound on the derivative in half the chord of the rows, over the same."""

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs, (pairs,).

        Parameters
        ----------
        first, second : (pairs,) arrays
            Which row and which column.
        squares : (pairs,) array
            Half the chord of the two unit rows to the nearer end, squared.
        far : (pairs,) bool array
            Whether that end is ρ = −1.
        """


class Reordered:
    """The entries of pairs of rows that are in another order: `PairEntries`.

    Parameters
    ----------
    pairs : PairEntries
        Whose rows are the columns.
    order : (n,) array
        The places of the rows there.
    """

    def __init__(self, pairs: PairEntries, order: Places) -> None:
        self._pairs, self._order = pairs, order
        self.flops, self.error, self.by_norm = pairs.flops, pairs.error, pairs.by_norm

    @property
    def slope(self) -> float:
        """That of the pairs."""
        return self._pairs.slope

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs."""
        return self._pairs.values(self._order[first], self._order[second], squares, far)


def steepest(
    network: Network,
    kind: str,
    norms: Array,
    values_at: Callable[[Array, Array, Array, Mask], Array],
) -> float:
    """Bound the derivative of entries over scales in half the chord, by differences.

    Parameters
    ----------
    norms : (k, 2) array
        Pairs of norms that all stand for.
    values_at : callable
        From norms of rows and columns, squared half chords and sides, equal shapes, to entries.
    """
    s = np.concatenate([[0.0], np.geomspace(1e-4, np.sqrt(0.5), 24)])
    squares = np.concatenate([s, s[-2::-1]]) ** 2
    far = np.arange(squares.size) >= s.size
    steps = np.concatenate([np.diff(s), np.diff(s)[::-1]])
    result = 0.0
    for pair in norms:
        scale = float(np.sqrt(np.prod(diagonal_entries(network, kind, pair))))
        if scale == 0.0:
            continue
        left, right = (np.full(squares.size, norm) for norm in pair)
        values = values_at(left, right, squares, far)
        result = largest_error(result, np.max(np.abs(np.diff(values)) / steps) / scale)
    return 2.0 * result
