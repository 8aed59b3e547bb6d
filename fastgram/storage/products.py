"""Products with a matrix on disk: each block of the upper triangle is read once a pass.

The traversal is that of computed tiles, and a tile is a block: threads read while others multiply,
so that several blocks are on their way from the disk, and sums come about in one order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.matrix.consumers import Consumer, Fanout, Multiply, Store, VisitTiles
from fastgram.matrix.traversal import each_tile
from fastgram.storage.formats.block_io import read_block, read_diagonal
from fastgram.storage.formats.layout import Layout
from fastgram.support.arrays import Array, blocks
from fastgram.support.scaling import scaled
from fastgram.support.threads import thread_count

__all__ = ["StoredMatrix"]

Block = npt.NDArray[np.floating]

# Threads beyond those that multiply, so that some can wait for the disk; and all of them, for each
# has a block in memory.
_READERS, _MOST_THREADS = 2, 8
# Rows of a block that are multiplied at a time: in a second-level cache, for they are read twice.
_STRIP = 64


class StoredMatrix:
    """A symmetric matrix on disk, of which the upper triangle is read.

    Parameters
    ----------
    layout : Layout
        Of a finished file.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self.grid = layout, layout.grid

    # --- what a traversal takes ---

    in_place = True

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the file."""
        return self.grid.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.n, self.grid.n

    def block(self, i: slice, j: slice, device: Device, scratch: Block, out: Block) -> None:
        """Fill `out` with a block of the file."""
        side = self.grid.side
        target = out if out.dtype == self.dtype else scratch
        read_block(self._layout, i.start // side, j.start // side, target)
        if target is not out:
            out[...] = target

    # --- what is done with it ---

    def multiply(self, V: Array, exponent: int = 0) -> Array:
        """Return 2**-exponent·A @ V, (n, b) float64."""
        out = np.zeros(V.shape)
        self._each(self._multiplication(V, out, exponent))
        return out

    def with_row_sums(self, V: Array, exponent: int) -> tuple[Array, Array]:
        """Return the same, and the sums of |entries| along each row, (n,)."""
        out, sums = np.zeros(V.shape), np.zeros((self.grid.n, 1))
        ones = np.ones_like(sums)
        both = [
            self._multiplication(V, out, exponent),
            self._multiplication(ones, sums, exponent, absolute=True),
        ]
        self._each(Fanout([*both], self.dtype))
        return out, sums[:, 0]

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""
        return self.grid.side + len(self.grid.parts) + 8

    def dense(self) -> Array:
        """Return the matrix, (n, n) float64."""
        out = np.empty(self.shape)
        self._each(Store(out, symmetric=True, dtype=out.dtype))
        return out

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""
        return read_diagonal(self._layout).astype(np.float64)

    def visit(self, visitor: Callable[[slice, slice, Array], None]) -> None:
        """Hand the lower triangle, in blocks that last as long as the call, to a function."""
        self._each(VisitTiles(lambda device, i, j, block: visitor(i, j, block)))

    def _multiplication(
        self, V: Array, out: Array, exponent: int, absolute: bool = False
    ) -> _MultiplyStrips:
        V = np.ascontiguousarray(V, dtype=np.float64)
        return _MultiplyStrips(V, out, absolute, dtype=self.dtype, exponent=exponent)

    def _each(self, consumer: Consumer) -> None:
        threads = min(thread_count() + _READERS, _MOST_THREADS)
        each_tile(self, consumer, tile=self.grid.side, threads=threads)


@dataclass
class _MultiplyStrips(Multiply):
    """Multiplies tiles that are larger than a cache, strip by strip, by a power of two as well."""

    exponent: int = 0

    def take(self, device: Device, i: slice, j: slice, tile: Block, row: Array) -> Array | None:
        """Multiply the tile into the row's sum, and its transpose."""
        V = self._blocks[device]
        part = None if i == j else np.zeros((tile.shape[1], V.shape[1]))
        for strip in blocks(tile.shape[0], _STRIP):
            values = scaled(tile[strip].astype(np.float64, copy=False), -self.exponent)
            if self.absolute:
                values = abs(values)
            if part is None:
                row[strip] += values @ V[j]
            else:
                self._multipliers[device](values, V[j], V[i][strip], row[strip], part)
        return part
