"""Parts of a matrix that are matrices to a traversal: a window, the transpose, whole rows.

Tiles keep their places. Where a window begins at a multiple of the device's tile, its entries have
the bits that they have in the whole matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgram.devices.device import Device
from fastgram.matrix.entries import Tiles

__all__ = ["RowsOfSymmetric", "Transposed", "Window"]

Tile = Any  # of a device


@dataclass(frozen=True)
class Window:
    """The entries of some rows and some columns."""

    entries: Tiles
    rows: slice
    columns: slice

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the entries."""
        return self.entries.dtype

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""
        return self.entries.in_place

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j of the window."""
        rows, columns = _moved(i, self.rows.start), _moved(j, self.columns.start)
        self.entries.block(rows, columns, device, scratch, out)


@dataclass(frozen=True)
class Transposed:
    """The transpose of a matrix."""

    entries: Tiles

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the entries."""
        return self.entries.dtype

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""
        return self.entries.in_place

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the transpose."""
        return self.entries.shape[1], self.entries.shape[0]

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of columns i and rows j."""
        _transposed_block(self.entries, i, j, device, scratch, out)


@dataclass(frozen=True)
class RowsOfSymmetric:
    """Whole rows of a symmetric matrix, with the bits that the upper triangle has.

    The rows begin at a multiple of the device's tile, and so do those after them.
    """

    entries: Tiles
    rows: slice

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the entries."""
        return self.entries.dtype

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""
        return self.entries.in_place

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and columns of the whole matrix."""
        return self.rows.stop - self.rows.start, self.entries.shape[1]

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i of these, and columns j."""
        rows = _moved(i, self.rows.start)
        if j.start < rows.start:
            _transposed_block(self.entries, rows, j, device, scratch, out)
            return
        self.entries.block(rows, j, device, scratch, out)
        if rows == j:
            device.mirror(out)


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _transposed_block(
    entries: Tiles, i: slice, j: slice, device: Device, scratch: Tile, out: Tile
) -> None:
    shape = j.stop - j.start, i.stop - i.start
    values = out.reshape(shape)
    entries.block(j, i, device, scratch.reshape(shape), values)
    out[...] = values.T.copy()
