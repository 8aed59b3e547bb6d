"""Unit rows as the kernels of a GPU take them: numbers, or digits, with what cosines are off by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgram.kernels.cuda.constants import (
    DIGIT_COLUMNS,
    EIGHT_BIT_LAST,
    EIGHT_BIT_SLICES,
    EIGHT_BIT_UNITS,
    PANEL_ROWS,
    SLAB,
    THREADS,
    TILE_COLUMNS,
)
from fastgram.kernels.cuda.launch import Array, Kernels

__all__ = ["chunk_count", "cosine_error", "packed_rows", "padded_rows", "sliced_rows"]

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
    """Return rows as `PackedRows` of packed_rows.cuh has them, filled up with zeros.

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


def chunk_count(columns: int) -> int:
    """Return how many times the columns that tensor cores take at once so many are."""
    return -(-columns // DIGIT_COLUMNS)


def sliced_rows(kernels: Kernels, unit: Array) -> Array:
    """Return unit rows as `DigitRows` of packed_rows.cuh has them.

    Parameters
    ----------
    kernels : Kernels
    unit : (2, N / 64, D / 8, 512) float64 array
        Of `packed_rows`, on the device, with no number above 1 but for roundings.

    Returns
    -------
    (2, N / 64, chunks, slices, 128, 2) uint64 array
        On the device.
    """
    _, blocks, slabs, _ = unit.shape
    chunks, words = chunk_count(slabs * SLAB), TILE_COLUMNS * DIGIT_COLUMNS // 16
    digits = kernels.xp.empty((2, blocks, chunks, EIGHT_BIT_SLICES, words, 2), dtype=np.uint64)
    sizes = [np.int64(blocks * TILE_COLUMNS), np.int64(slabs), np.int64(chunks)]
    grid = kernels.grid(-(-blocks * chunks * words // THREADS))
    kernels.launch("slice_rows", grid, THREADS, 0, [unit, *sizes, digits])
    return digits


def cosine_error(columns: int, slices: int = EIGHT_BIT_SLICES, last: int = EIGHT_BIT_LAST) -> float:
    """Bound the error of a cosine below 1 of two unit rows, by digits.

    A row is x = Σ Aᵢ with |Aᵢ| ≤ 2^(9 − 8i) in each column, to 2^(1 − 8·slices); what is left of
    it after slice i is at most 2.008·2^(−8i). Of x·y are left out each Aᵢ times what is left of y
    after slice last − i, for 2·slices − last of them. Of each chunk of columns the part below the
    units of the sum is rounded down, and the sum is rounded once.

    Parameters
    ----------
    columns : int
        Of the rows.
    slices, last : int
        Slices i and j are multiplied where i + j ≤ last.
    """
    rows = 2.0 ** (2 - 8 * slices) * math.sqrt(columns)
    left_out = (2 * slices - last) * 2.008 * 2.0 ** (9 - 8 * last) * columns
    below = (
        chunk_count(columns) * 2.0 ** (4 - 8 * EIGHT_BIT_UNITS) if last > EIGHT_BIT_UNITS else 0.0
    )
    # a unit row's norm and a row's own digits are off 1 and the row by nothing beside a thousandth
    return 1.001 * (rows + left_out) + below + 2.0**-54


def _padded(xp: Any, unit: Array, height: int) -> Array:
    n, d = unit.shape
    padded = xp.zeros((height, -(-d // SLAB) * SLAB), dtype=unit.dtype)
    padded[:n, :d] = unit
    return padded
