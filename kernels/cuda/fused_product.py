"""Products with a Gram matrix on a GPU that write no entry to its memory: fused_strip.cuh.

A panel is 128 rows. Its part of the upper triangle is one launch (all of them are, in a variant);
panels are dealt out to GPUs, and the sum over panels is the product. Rows and weights come padded
with zeros to whole panels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import MiddlePolynomial, Table
from fastgram.kernels.cuda.constants import (
    FUSED_BLOCKS_PER_SM,
    LANES,
    PANEL_ROWS,
    SLAB,
    SLICES,
    STAGE_NUMBERS,
    THREADS,
    TILE_COLUMNS,
)
from fastgram.kernels.cuda.launch import Array, Kernels, packed_numbers
from fastgram.kernels.cuda.variants import PRESENT, Variant, middle, triangle

__all__ = [
    "MAX_VECTORS",
    "fits",
    "multiply",
    "padded_rows",
    "padded_weights",
    "panel_count",
    "summands",
]

MAX_VECTORS = 32  # columns of V at a time: the sums of two blocks, and more, fit shared memory


def panel_count(n: int) -> int:
    """Return how many panels n rows are."""
    return -(-n // PANEL_ROWS)


def padded_rows(unit: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return rows filled up with zeros to whole panels, and their columns to whole slabs.

    Parameters
    ----------
    unit : (n, d) array

    Returns
    -------
    (N, D) C-contiguous array
        N a multiple of 128, D of 8.
    """
    n, d = unit.shape
    padded = np.zeros((panel_count(n) * PANEL_ROWS, -(-d // SLAB) * SLAB), unit.dtype)
    padded[:n, :d] = unit
    return padded


def padded_weights(weights: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the weights of rows in float64, filled up with zeros to whole panels."""
    padded = np.zeros(panel_count(weights.size) * PANEL_ROWS)
    padded[: weights.size] = weights
    return padded


def fits(kernels: Kernels, table: Table) -> bool:
    """Whether a device has such products, by a table that is in float64 and leaves them memory."""
    if not kernels.tensor_cores or table.cells.dtype != np.float64:
        return False
    return _max_columns(kernels, table) > 0


def _max_columns(kernels: Kernels, table: Table) -> int:
    """Return how many columns of V shared memory has sums for, beside pipeline and table."""
    free = kernels.shared_bytes // 8 - _pipeline(kernels) - packed_numbers(table)
    if kernels.variant.one_launch:
        free -= triangle.ITEM_BYTES // 8
    return min(MAX_VECTORS, free // PANEL_ROWS // SLAB * SLAB)


def _pipeline(kernels: Kernels) -> int:
    """Return how many numbers the pipeline of slabs is in shared memory."""
    return kernels.variant.stages * STAGE_NUMBERS


def multiply(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    panels: range,
    absolute: bool = False,
    polynomial: MiddlePolynomial | None = None,
) -> Array:
    """Return what some panels contribute to A @ V, or |A| @ V, A[i, j] = w[i]·K(ρ[i, j])·w[j].

    The product is the sum over all panels. The same call gives the same bits.

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
    panels : range
        Of range(panel_count(n)), ascending.
    absolute : bool
    polynomial : MiddlePolynomial, optional
        Of the table's function, for kernels of a variant that takes one.

    Returns
    -------
    (n, b) array
        On the device.
    """
    xp = kernels.xp
    n, columns = V.shape
    if absolute:
        weights = xp.abs(weights)
    product = xp.empty((n, columns), dtype=np.float64)
    most = _max_columns(kernels, table)
    for first in range(0, columns, most):
        part = V[:, first : first + most]
        width = part.shape[1]
        product[:, first : first + width] = _multiply_group(
            kernels, unit, weights, table, part, panels, absolute, polynomial
        )[:n, :width]
    return product


def summands(n: int, multiprocessors: int, variant: Variant = PRESENT) -> int:
    """Return how many additions an entry of the product goes through, at most.

    Parameters
    ----------
    n : int
        Rows.
    multiprocessors : int
        Of the GPU.
    variant : Variant
        Of its kernels.
    """
    if variant.one_launch:
        return triangle.summands(panel_count(n), multiprocessors)
    panels, blocks = panel_count(n), FUSED_BLOCKS_PER_SM * multiprocessors
    run = -(-panels * (PANEL_ROWS // TILE_COLUMNS) // blocks)  # tiles that a block takes of a panel
    in_panel = run * TILE_COLUMNS + -(-blocks // SLICES) + SLICES
    in_columns = PANEL_ROWS // 4 + 3 + panels
    return in_panel + in_columns + 4  # and the weights of rows and columns


def _multiply_group(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    panels: range,
    absolute: bool,
    polynomial: MiddlePolynomial | None,
) -> Array:
    """Return the padded product with at most MAX_VECTORS columns."""
    xp, height = kernels.xp, unit.shape[0]
    groups = -(-V.shape[1] // SLAB)
    width = groups * SLAB
    right = xp.zeros((height, width), dtype=np.float64)
    right[: V.shape[0], : V.shape[1]] = V * weights[: V.shape[0], None]
    right = _fragments(xp, right)
    out = xp.zeros((height, width), dtype=np.float64)
    numbers, pieces, rows = kernels.packed(table)
    shared = 8 * (_pipeline(kernels) + PANEL_ROWS * width + numbers.size)
    parity, of_middle = middle.as_arguments(polynomial if kernels.variant.middle else None)
    sizes = [np.int64(height), np.int64(unit.shape[1])]
    given: list[Any] = [unit, *sizes, weights, numbers, np.int64(pieces), np.int64(rows)]
    given += [*of_middle, right, np.int64(groups), np.int64(absolute)]
    if kernels.variant.one_launch:
        triangle.launch(kernels, f"multiply_triangle{parity}", shared, given, panels, out)
        return out
    most = FUSED_BLOCKS_PER_SM * kernels.multiprocessors
    parts = xp.empty((min(most, height // TILE_COLUMNS), PANEL_ROWS, width), dtype=np.float64)
    for panel in panels:
        blocks = min(most, (height - panel * PANEL_ROWS) // TILE_COLUMNS)
        number = np.int64(panel)
        arguments = [*given, number, out, parts]
        kernels.launch(f"multiply_panel{parity}", blocks, THREADS, shared, arguments)
        sums = [parts, np.int64(blocks), weights, number, np.int64(width), out]
        grid = PANEL_ROWS * width // LANES
        kernels.launch("add_parts", grid, LANES * SLICES, 8 * LANES * SLICES, sums)
    return out


def _fragments(xp: Any, right: Array) -> Array:
    """Return a padded block in the order in which the lanes of a warp read it.

    Of 8 rows and 8 columns lane 4g + t has rows 2t and 2t + 1 of column g, side by side.
    """
    height, width = right.shape
    blocks = right.reshape(height // SLAB, SLAB // 2, 2, width // SLAB, SLAB)
    return xp.ascontiguousarray(xp.transpose(blocks, (3, 0, 4, 1, 2)))
