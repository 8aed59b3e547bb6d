"""Products with a Gram matrix on a GPU that write no entry to its memory: fused_triangle.cuh.

A panel is 128 rows, of which the kernel takes what lies in the upper triangle. Panels are dealt out
to GPUs, and the sum over panels is the product. All that the panels of one GPU contribute is one
launch, and its sums are exact: the same bits in whatever order blocks come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import MiddlePolynomial, Table
from fastgram.kernels.cuda.constants import (
    FUSED_BLOCKS_PER_SM,
    MIDDLE_TERMS,
    PANEL_ROWS,
    SCRATCH_NUMBERS,
    SLAB,
    STAGE_NUMBERS,
    THREADS,
    TILE_COLUMNS,
)
from fastgram.kernels.cuda.launch import Array, Kernels, packed_numbers

__all__ = ["MAX_VECTORS", "SUMMANDS", "fits", "multiply", "panel_count"]

MAX_VECTORS = 32  # columns of V at a time: the sums of two blocks, and more, fit shared memory

_SQUARE = PANEL_ROWS // TILE_COLUMNS  # tiles of a panel's own square
_LONGEST_RUN = 8  # tiles: with more the last items end one by one
_ITEMS_A_BLOCK = 8  # at least, where runs are longer than the shortest
_ITEM_BYTES = 32  # of shared memory: what a block works on, and will work on
_PLACES = 2  # sums of rows are there for two times 8 columns of V at least

# How many additions an entry of the product goes through, at most: those of a run of tiles in the
# panel, more than the 32 rows of a warp and three other warps for a column; what is added up
# between blocks is exact. And the weights of rows and columns, the sum's two words, its rounding.
SUMMANDS = _LONGEST_RUN * TILE_COLUMNS + 5

_MIDDLE = np.dtype(
    [("radius", "f8"), ("even", "f8", (MIDDLE_TERMS,)), ("odd", "f8", (MIDDLE_TERMS,))]
)


def panel_count(n: int) -> int:
    """Return how many panels n rows are."""
    return -(-n // PANEL_ROWS)


def fits(kernels: Kernels, table: Table) -> bool:
    """Whether a device has such products, by a table that is in float64 and leaves them memory."""
    if not kernels.tensor_cores or table.cells.dtype != np.float64:
        return False
    return _max_columns(kernels, table) > 0


def _max_columns(kernels: Kernels, table: Table) -> int:
    """Return how many columns of V shared memory has sums for, beside all else."""
    free = (kernels.shared_bytes - _shared_bytes(table, 0)) // (8 * PANEL_ROWS) // SLAB * SLAB
    return min(MAX_VECTORS, free) if free >= _PLACES * SLAB else 0


def _shared_bytes(table: Table, columns: int) -> int:
    """Return the bytes of a block's shared memory: `Room` of fused_triangle.cuh."""
    numbers = 2 * STAGE_NUMBERS + SCRATCH_NUMBERS + PANEL_ROWS * columns + packed_numbers(table)
    return 8 * numbers + _ITEM_BYTES


def multiply(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    panels: range,
    absolute: bool = False,
    middle: MiddlePolynomial | None = None,
) -> Array:
    """Return what some panels contribute to A @ V, or |A| @ V, A[i, j] = w[i]·K(ρ[i, j])·w[j].

    The product is the sum over all panels. The same call gives the same bits. Where V has a number
    that is not finite, its column of the product is NaN.

    Parameters
    ----------
    kernels : Kernels
    unit : (2, N / 64, D / 8, 512) float64 array
        Of `packed_rows`, on the device.
    weights : (n,) float64 array
        On the device.
    table : Table
        In float64.
    V : (n, b) float64 array
        On the device.
    panels : range
        Of range(panel_count(n)), ascending.
    absolute : bool
    middle : MiddlePolynomial, optional
        Of the table's function.

    Returns
    -------
    (n, b) array
        On the device.
    """
    xp, columns = kernels.xp, V.shape[1]
    if absolute:
        weights = xp.abs(weights)
    most = _max_columns(kernels, table)
    if columns <= most:
        return _multiply_group(kernels, unit, weights, table, V, panels, absolute, middle)
    product = xp.empty(V.shape, dtype=np.float64)
    for first in range(0, columns, most):
        part = V[:, first : first + most]
        product[:, first : first + most] = _multiply_group(
            kernels, unit, weights, table, part, panels, absolute, middle
        )
    return product


def _multiply_group(
    kernels: Kernels,
    unit: Array,
    weights: Array,
    table: Table,
    V: Array,
    panels: range,
    absolute: bool,
    middle: MiddlePolynomial | None,
) -> Array:
    """Return the product with at most MAX_VECTORS columns."""
    xp, (n, columns), V = kernels.xp, V.shape, kernels.xp.ascontiguousarray(V)
    _, blocks, slabs, _ = unit.shape
    height, groups = blocks * TILE_COLUMNS, -(-columns // SLAB)
    largest = xp.max(xp.abs(V * weights[:, None]), axis=0)
    # no sum of entries times numbers is larger than that times so much: |K| is largest at ρ = ±1
    factor = np.float64(n * max(np.max(np.abs(table.cells[:, 1, :])), np.finfo(np.float64).tiny))
    scaled = [weights, largest, factor]
    sizes = [np.int64(height), np.int64(groups)]
    fragments = xp.empty((groups, height, SLAB), dtype=np.float64)
    grid = kernels.grid(fragments.size // THREADS)
    prepared = [V, np.int64(n), np.int64(columns), *scaled, *sizes, fragments]
    kernels.launch("make_fragments", grid, THREADS, 0, prepared)
    numbers, pieces, rows = kernels.packed(table)
    given = [unit, sizes[0], np.int64(slabs), numbers, np.int64(pieces), np.int64(rows)]
    parity, polynomial = _as_arguments(middle)
    sums = xp.zeros((2, *fragments.shape), dtype=np.uint64)
    run = _run_of(panel_count(n), kernels.multiprocessors)
    order = [panels.start, panels.step, len(panels), run, run // _SQUARE]
    given += [*polynomial, fragments, sizes[1], np.int64(absolute), *map(np.int64, order), sums]
    shared = _shared_bytes(table, max(groups, _PLACES) * SLAB)
    grid = FUSED_BLOCKS_PER_SM * kernels.multiprocessors
    given.append(xp.zeros(1, dtype=np.uint64))
    kernels.launch(f"multiply_triangle{parity}", grid, THREADS, shared, given)
    product = xp.empty((n, columns), dtype=np.float64)
    grid = kernels.grid(-(-product.size // THREADS))
    done = [sums, *sizes, *scaled, np.int64(n), np.int64(columns), product]
    kernels.launch("read_sums", grid, THREADS, 0, done)
    return product


def _as_arguments(middle: MiddlePolynomial | None) -> tuple[str, list[npt.NDArray[Any]]]:
    """Return what the name of the kernel ends in, and `Middle` of middle.cuh, by value.

    Without a polynomial it is the kernel that looks all entries up.
    """
    if middle is None:
        return "", []
    record = np.zeros(1, _MIDDLE)
    record["radius"] = middle.radius
    record["even"][0, : middle.even.size] = middle.even
    record["odd"][0, : middle.odd.size] = middle.odd
    if middle.odd.size == 1:
        return "_even", [record]
    return "_odd" if middle.even.size == 1 else "_both", [record]


def _run_of(panels: int, multiprocessors: int) -> int:
    """Return how many tiles an item is: whole squares, few enough that blocks end together."""
    tiles = panels * (panels + 1) // 2 * _SQUARE
    run = tiles // (_ITEMS_A_BLOCK * FUSED_BLOCKS_PER_SM * multiprocessors)
    return min(max(run // _SQUARE * _SQUARE, _SQUARE), _LONGEST_RUN)
