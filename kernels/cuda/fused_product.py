"""Products with a Gram matrix on a GPU that write no entry to its memory: fused_strip.cuh.

A strip is 128 rows. Its part of the upper triangle is one launch; strips are dealt out to GPUs, and
the sum over strips is the product. Rows and weights come padded with zeros to whole strips.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import Table
from fastgram.kernels.cuda.launch import Array, Kernels, packed_numbers

__all__ = [
    "COLUMNS",
    "STRIP",
    "count",
    "fits",
    "multiply",
    "padded_rows",
    "padded_weights",
    "summands",
]

STRIP = 128  # rows of a tile: `ROWS` of fused_tile.cuh
COLUMNS = 32  # of V at a time: the sums of two blocks, and more, fit shared memory
_TILE = 64  # columns of a tile: `COLUMNS` there
_SLAB = 8  # columns of the rows, and of V, that tensor cores take together
_BLOCK = 256  # threads
_PER_MULTIPROCESSOR = 2  # blocks at a time: one looks up the table while the other multiplies
_RING = 3 * (STRIP + _TILE) * _SLAB  # numbers in shared memory: `STAGES * STAGE` there
_LANES, _SLICES = 32, 8  # of `add_parts`: numbers that a block sums, each by so many threads


def count(n: int) -> int:
    """Return how many strips n rows are."""
    return -(-n // STRIP)


def padded_rows(unit: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return rows filled up with zeros to whole strips, and their columns to whole slabs.

    Parameters
    ----------
    unit : (n, d) array

    Returns
    -------
    (N, D) C-contiguous array
        N a multiple of 128, D of 8.
    """
    n, d = unit.shape
    padded = np.zeros((count(n) * STRIP, -(-d // _SLAB) * _SLAB), unit.dtype)
    padded[:n, :d] = unit
    return padded


def padded_weights(weights: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the weights of rows in float64, filled up with zeros to whole strips."""
    padded = np.zeros(count(weights.size) * STRIP)
    padded[: weights.size] = weights
    return padded


def fits(kernels: Kernels, table: Table) -> bool:
    """Whether a table is in float64 and leaves shared memory for a few columns of V."""
    return table.cells.dtype == np.float64 and _columns_at_once(kernels, table) > 0


def _columns_at_once(kernels: Kernels, table: Table) -> int:
    """Return how many columns of V shared memory has sums for, beside the ring and the table."""
    room = kernels.shared_bytes // 8 - _RING - packed_numbers(table)
    return min(COLUMNS, room // STRIP // _SLAB * _SLAB)


def multiply(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    strips: Iterable[int],
    absolute: bool = False,
) -> Array:
    """Return what some strips contribute to A @ V, or |A| @ V, A[i, j] = w[i]·K(ρ[i, j])·w[j].

    The product is the sum over all strips. The same call gives the same bits.

    Parameters
    ----------
    kernels : Kernels
    unit : (N, D) float64 array
        Of `padded_rows`, on the device.
    weights : (N,) float64 array
        Of `padded_weights`, on the device.
    table : Table
        In float64.
    V : (n, b) float64 array
        On the device.
    strips : iterable of int
        Of range(count(n)).
    absolute : bool

    Returns
    -------
    (n, b) array
        On the device.
    """
    xp, places = kernels.xp, list(strips)
    n, columns = V.shape
    if absolute:
        weights = xp.abs(weights)
    product = xp.empty((n, columns), dtype=np.float64)
    together = _columns_at_once(kernels, table)
    for first in range(0, columns, together):
        part = V[:, first : first + together]
        width = part.shape[1]
        product[:, first : first + width] = _multiply_group(
            kernels, unit, weights, table, part, places, absolute
        )[:n, :width]
    return product


def summands(n: int, multiprocessors: int) -> int:
    """Return how many additions an entry of the product goes through, at most.

    Parameters
    ----------
    n : int
        Rows.
    multiprocessors : int
        Of the GPU.
    """
    strips, blocks = count(n), _PER_MULTIPROCESSOR * multiprocessors
    run = -(-strips * (STRIP // _TILE) // blocks)  # tiles that a block takes of a strip
    in_strip = run * _TILE + -(-blocks // _SLICES) + _SLICES
    in_columns = STRIP // 4 + 3 + strips
    return in_strip + in_columns + 4  # and the weights of rows and columns


def _multiply_group(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    strips: list[int],
    absolute: bool,
) -> Array:
    """Return the padded product with at most COLUMNS columns."""
    xp, height = kernels.xp, unit.shape[0]
    groups = -(-V.shape[1] // _SLAB)
    width = groups * _SLAB
    right = xp.zeros((height, width), dtype=np.float64)
    right[: V.shape[0], : V.shape[1]] = V * weights[: V.shape[0], None]
    right = _fragments(xp, right)
    out = xp.zeros((height, width), dtype=np.float64)
    numbers, pieces, rows = kernels.packed(table)
    shared = 8 * (_RING + STRIP * width + numbers.size)
    most = _PER_MULTIPROCESSOR * kernels.multiprocessors
    parts = xp.empty((min(most, height // _TILE), STRIP, width), dtype=np.float64)
    sizes = [np.int64(height), np.int64(unit.shape[1])]
    given: list[Any] = [unit, *sizes, weights, numbers, np.int64(pieces), np.int64(rows)]
    given += [right, np.int64(groups), np.int64(absolute)]
    for strip in strips:
        blocks, place = min(most, (height - strip * STRIP) // _TILE), np.int64(strip)
        kernels.launch("multiply_strip", blocks, _BLOCK, shared, [*given, place, out, parts])
        sums = [parts, np.int64(blocks), weights, place, np.int64(width), out]
        grid = STRIP * width // _LANES
        kernels.launch("add_parts", grid, _LANES * _SLICES, 8 * _LANES * _SLICES, sums)
    return out


def _fragments(xp: Any, right: Array) -> Array:
    """Return a padded block in the order in which the lanes of a warp read it.

    Of 8 rows and 8 columns lane 4g + t has rows 2t and 2t + 1 of column g, side by side.
    """
    height, width = right.shape
    blocks = right.reshape(height // _SLAB, _SLAB // 2, 2, width // _SLAB, _SLAB)
    return xp.ascontiguousarray(xp.transpose(blocks, (3, 0, 4, 1, 2)))
