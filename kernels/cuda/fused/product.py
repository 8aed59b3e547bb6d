"""Products with a Gram matrix on a GPU that write no entry to its memory: triangle.cuh.

A panel is 128 rows, of which the kernel takes what lies in the upper triangle. Panels are dealt out
to GPUs, and the sum over panels is the product. All that the panels of one GPU contribute is one
launch, and its sums are exact: the same bits in whatever order blocks come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import MIDDLE_TERMS, NARROW_TERMS, MiddlePolynomial, Table
from fastgram.kernels.cuda.constants import (
    FUSED_BLOCKS_PER_SM,
    PANEL_ROWS,
    SCRATCH_NUMBERS,
    SLAB,
    STAGE_NUMBERS,
    THREADS,
    TILE_COLUMNS,
)
from fastgram.kernels.cuda.fused.unit_rows import sliced_rows
from fastgram.kernels.cuda.launch import Array, Kernels, packed_numbers

__all__ = [
    "MAX_VECTORS",
    "SUMMANDS",
    "VARIANTS",
    "Factors",
    "build",
    "fits",
    "multiply",
    "panel_count",
]

MAX_VECTORS = 32  # columns of V at a time: the sums of two blocks, and more, fit shared memory

# Kernels that no GPU has timed yet, and the columns of V that each is for: `python -m bench.gpu
# --variant` puts their names into `Kernels.variants`, and nothing else does.
VARIANTS = {"one_vector": range(1, 2), "eight_bit": range(1, MAX_VECTORS + 1)}

_SQUARE = PANEL_ROWS // TILE_COLUMNS  # tiles of a panel's own square
_LONGEST_RUN = 8  # tiles: with more the last items end one by one
_ITEMS_A_BLOCK = 8  # at least, where runs are longer than the shortest
_ITEM_BYTES = 32  # of shared memory: what a block works on, and will work on
_RESIDENT = {"multiply_eight_bit": 1}  # blocks a multiprocessor: a thread's digits are in registers
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
    """Return the bytes of a block's shared memory: `Room` of triangle.cuh."""
    numbers = 2 * STAGE_NUMBERS + SCRATCH_NUMBERS + PANEL_ROWS * columns + packed_numbers(table)
    return 8 * numbers + _ITEM_BYTES


@dataclass(frozen=True)
class Factors:
    """The matrix A[i, j] = weights[i]·K(ρ[i, j])·weights[j], on a device.

    Attributes
    ----------
    unit : (2, N / 64, D / 8, 512) float64 array
        Of `packed_rows`.
    weights : (n,) float64 array
    table : Table
        Of K, in float64.
    middle : MiddlePolynomial, optional
        Of K, too.
    digits : array, optional
        Of `sliced_rows`, where cosines are to come from 8-bit products.
    """

    unit: Array
    weights: Array
    table: Table
    middle: MiddlePolynomial | None = None
    digits: Array | None = None


def multiply(
    kernels: Kernels, matrix: Factors, V: Array, panels: range, absolute: bool = False
) -> Array:
    """Return what some panels contribute to A @ V, or |A| @ V.

    The product is the sum over all panels. The same call gives the same bits. Where V has a number
    that is not finite, its column of the product is NaN.

    Parameters
    ----------
    kernels : Kernels
    matrix : Factors
    V : (n, b) float64 array
        On the device.
    panels : range
        Of range(panel_count(n)), ascending.
    absolute : bool

    Returns
    -------
    (n, b) array
        On the device.
    """
    xp, columns = kernels.xp, V.shape[1]
    if absolute:
        matrix = replace(matrix, weights=xp.abs(matrix.weights))
    if "eight_bit" in kernels.variants:
        matrix = replace(matrix, digits=sliced_rows(kernels, matrix.unit))
    most = _max_columns(kernels, matrix.table)
    if columns <= most:
        return _multiply_group(kernels, matrix, V, panels, absolute)
    product = xp.empty(V.shape, dtype=np.float64)
    for first in range(0, columns, most):
        part = V[:, first : first + most]
        product[:, first : first + most] = _multiply_group(kernels, matrix, part, panels, absolute)
    return product


def _multiply_group(
    kernels: Kernels, matrix: Factors, V: Array, panels: range, absolute: bool
) -> Array:
    """Return the product with at most MAX_VECTORS columns."""
    xp, (n, columns), V = kernels.xp, V.shape, kernels.xp.ascontiguousarray(V)
    height, groups = panel_count(n) * PANEL_ROWS, -(-columns // SLAB)
    largest = xp.max(xp.abs(V * matrix.weights[:, None]), axis=0)
    # no sum of entries times numbers is larger than that times so much: |K| is largest at ρ = ±1
    bases = np.max(np.abs(matrix.table.cells[:, 1, :]))
    scaled = [matrix.weights, largest, np.float64(n * max(bases, np.finfo(np.float64).tiny))]
    sizes = [np.int64(height), np.int64(groups)]
    fragments = xp.empty((groups, height, SLAB), dtype=np.float64)
    grid = kernels.grid(fragments.size // THREADS)
    prepared = [V, np.int64(n), np.int64(columns), *scaled, *sizes, fragments]
    kernels.launch("make_fragments", grid, THREADS, 0, prepared)
    sums = xp.zeros((2, *fragments.shape), dtype=np.uint64)
    given = [fragments, sizes[1], sums]
    name, places = "multiply_triangle", max(groups, _PLACES)
    if "one_vector" in kernels.variants and columns in VARIANTS["one_vector"]:
        name, places = "multiply_vector", 1
    elif matrix.digits is not None:
        name = "multiply_eight_bit"
        given = [matrix.digits, np.int64(matrix.digits.shape[2]), *given]
    _launch(kernels, name, _shape_of(matrix.middle), places, matrix, panels, absolute, given)
    product = xp.empty((n, columns), dtype=np.float64)
    grid = kernels.grid(-(-product.size // THREADS))
    done = [sums, *sizes, *scaled, np.int64(n), np.int64(columns), product]
    kernels.launch("read_sums", grid, THREADS, 0, done)
    return product


def build(kernels: Kernels, matrix: Factors, out: Array) -> None:
    """Write the matrix.

    Parameters
    ----------
    kernels : Kernels
    matrix : Factors
    out : (n, n) C-contiguous float64 array
        On the device.
    """
    shape, n = _shape_of(matrix.middle), out.shape[0]
    if shape is not None:
        shape = max(shape), max(shape)
    given = [matrix.weights, np.int64(n), out]
    _launch(kernels, "build_triangle", shape, 0, matrix, range(panel_count(n)), False, given)


def _launch(
    kernels: Kernels,
    name: str,
    shape: tuple[int, int] | None,
    places: int,
    matrix: Factors,
    panels: range,
    absolute: bool,
    given: list[Any],
) -> None:
    """Launch a kernel of triangle.cuh, with sums for so many times 8 columns of V."""
    _, blocks, slabs, _ = matrix.unit.shape
    grid = kernels.multiprocessors * _RESIDENT.get(name, FUSED_BLOCKS_PER_SM)
    numbers, pieces, rows = kernels.packed(matrix.table)
    arguments: list[Any] = [matrix.unit, np.int64(blocks * TILE_COLUMNS), np.int64(slabs)]
    arguments += [numbers, np.int64(pieces), np.int64(rows)]
    if shape is not None and matrix.middle is not None:
        name += f"_{shape[0]}_{shape[1]}"
        arguments.append(_record_of(matrix.middle))
    run = _run_of(blocks // _SQUARE, grid)
    order = [absolute, panels.start, panels.step, len(panels), run, run // _SQUARE]
    arguments += [*map(np.int64, order), kernels.xp.zeros(1, dtype=np.uint64), *given]
    kernels.launch(name, grid, THREADS, _shared_bytes(matrix.table, places * SLAB), arguments)


def _shape_of(middle: MiddlePolynomial | None) -> tuple[int, int] | None:
    """Return how many coefficients the kernel takes of either parity.

    Without a polynomial, None: it is the kernel that looks all entries up.
    """
    if middle is None:
        return None
    longest = max(middle.even.size, middle.odd.size)
    terms = NARROW_TERMS if longest <= NARROW_TERMS else MIDDLE_TERMS
    if middle.odd.size == 1:
        return terms, 1
    return (1 if middle.even.size == 1 else terms), terms


def _record_of(middle: MiddlePolynomial) -> npt.NDArray[Any]:
    """Return `Middle` of middle.cuh, which goes by value."""
    record = np.zeros(1, _MIDDLE)
    record["radius"] = middle.radius
    record["even"][0, : middle.even.size] = middle.even
    record["odd"][0, : middle.odd.size] = middle.odd
    return record


def _run_of(panels: int, grid: int) -> int:
    """Return how many tiles an item is: whole squares, few enough that blocks end together."""
    tiles = panels * (panels + 1) // 2 * _SQUARE
    run = tiles // (_ITEMS_A_BLOCK * grid)
    return min(max(run // _SQUARE * _SQUARE, _SQUARE), _LONGEST_RUN)
