"""Unit rows as the kernels of a GPU take them."""

from __future__ import annotations

from typing import Any

from fastgram.kernels.cuda.constants import PANEL_ROWS, SLAB, TILE_COLUMNS

__all__ = ["packed_rows", "padded_rows"]

Array = Any  # of the array namespace

_BLOCK = 512 * PANEL_ROWS  # rows that are packed at a time


def padded_rows(xp: Any, unit: Array) -> Array:
    """Return rows filled up with zeros to whole slabs of columns.

    Parameters
    ----------
    xp : module
        The array namespace.
    unit : (n, d) array

    Returns
    -------
    (n, D) C-contiguous array
        D a multiple of 8.
    """
    return _padded(xp, unit, len(unit))


def packed_rows(xp: Any, unit: Array) -> Array:
    """Return rows as `PackedRows` of tile.cuh has them, filled up with zeros.

    Parameters
    ----------
    xp : module
        The array namespace.
    unit : (n, d) float64 array

    Returns
    -------
    (2, N / 64, D / 8, 512) array
        Left and right factors, N a multiple of 128, D of 8.
    """
    n, d = unit.shape
    slabs = -(-d // SLAB)
    height = -(-n // PANEL_ROWS) * PANEL_ROWS
    packed = xp.empty((2, height // TILE_COLUMNS, slabs, TILE_COLUMNS * SLAB), dtype=unit.dtype)
    for start in range(0, height, _BLOCK):
        stop = min(start + _BLOCK, height)
        rows = _padded(xp, unit[start:stop], stop - start)
        blocks = (stop - start) // TILE_COLUMNS
        # (64 rows, 16 of them, 8 of them, row g, slab, half, column t), two numbers a lane
        parts = rows.reshape(blocks, TILE_COLUMNS // 16, 2, 8, slabs, 2, SLAB // 2)
        for side, axes in enumerate(((0, 4, 1, 5, 3, 6, 2), (0, 4, 1, 2, 3, 6, 5))):
            lanes = xp.ascontiguousarray(xp.transpose(parts, axes))
            place = slice(start // TILE_COLUMNS, stop // TILE_COLUMNS)
            packed[side, place] = lanes.reshape(blocks, slabs, -1)
    return packed


def _padded(xp: Any, unit: Array, height: int) -> Array:
    n, d = unit.shape
    padded = xp.zeros((height, -(-d // SLAB) * SLAB), dtype=unit.dtype)
    padded[:n, :d] = unit
    return padded
