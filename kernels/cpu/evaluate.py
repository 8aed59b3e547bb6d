"""The CPU tile kernel: Numba, one thread a call, the lock released.

A row of a tile is done in chunks that stay in the first-level cache: s² of a few vectors of
entries, those of close pairs from the rows, and then the polynomials (`table_lookup`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import CLOSE, NormTable, PieceVariable, SeparablePiece, Table
from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import borrowed_slice
from fastgram.kernels.cpu.norms.two_norms import evaluate_two_norms
from fastgram.kernels.cpu.separable import evaluate_separable, quarter_distance
from fastgram.kernels.cpu.table_lookup import (
    all_bits,
    chords,
    look_up,
    lowest,
    members,
    merge,
    unroll_width,
)

__all__ = ["evaluate"]

_CHUNK = 512  # entries, a multiple of the unroll width: five buffers fit the cache

_FROM_NEARER = int(PieceVariable.FROM_NEARER)

_compile = jit({"contract"})


@_compile
def _squares(rho, x, columns, first, close, squares, blocks):
    """Set s² of a chunk, half the chord to the nearer end; from the rows where it is small."""
    one, length, size = rho.dtype.type(1.0), x.size, unroll_width(rho)
    for block in range(blocks):
        j = block * size
        close_ones = chords(rho, squares, j, close)
        while close_ones != np.uint64(0):
            k = j + lowest(close_ones)
            close_ones &= close_ones - np.uint64(1)
            y = borrowed_slice(columns, (first + k) * length, length)
            squares[k] = quarter_distance(x, y, one if rho[k] >= 0.0 else -one)


@_compile
def _pieces(
    rho, squares, blocks, modes, lows, highs, cell_map, cells, row_scale, weights, part, out
):  # fmt: skip
    """Fill a chunk piece by piece; of each piece only the vectors that have an entry on it."""
    size, everything = unroll_width(rho), all_bits(rho)
    for p in range(modes.size):
        mode, low, high = modes[p], lows[p], highs[p]
        by_chord = mode != _FROM_NEARER
        to_cell = cell_map[p, 0], cell_map[p, 1], cell_map[p, 2]
        for block in range(blocks):
            j = block * size
            inside = members(rho, squares, j, mode, low, high)
            if inside == everything:
                look_up(rho, squares, j, by_chord, p, to_cell, cells, row_scale, weights, out)
            elif inside != np.uint64(0):
                look_up(rho, squares, j, by_chord, p, to_cell, cells, row_scale, weights, part)
                merge(rho, inside, part, out, j)


@_compile
def _evaluate(
    cosines, rows, columns, row_scale, column_scale, close,
    modes, lows, highs, cell_map, cells, out,
):  # fmt: skip
    squares = np.empty(_CHUNK, cosines.dtype)
    copy = np.zeros(_CHUNK, cosines.dtype)
    weights = np.zeros(_CHUNK, cosines.dtype)
    part, merged = np.empty(_CHUNK, out.dtype), np.empty(_CHUNK, out.dtype)
    size, length = unroll_width(cosines), rows.shape[1]
    to_cell = cell_map[0, 0], cell_map[0, 1], cell_map[0, 2]
    for i in range(cosines.shape[0]):
        x = borrowed_slice(rows, i * length, length)
        for first in range(0, cosines.shape[1], _CHUNK):
            m = min(_CHUNK, cosines.shape[1] - first)
            start = i * cosines.shape[1] + first
            rho, into = borrowed_slice(cosines, start, m), borrowed_slice(out, start, m)
            scale = borrowed_slice(column_scale, first, m)
            blocks = (m + size - 1) // size
            if modes.size == 1 and m == blocks * size:
                _squares(rho, x, columns, first, close, squares, blocks)
                for block in range(blocks):
                    look_up(
                        rho, squares, block * size, False, 0, to_cell, cells, row_scale[i],
                        scale, into,
                    )  # fmt: skip
                continue
            # `out` may be `cosines`, and the last vectors go on beyond the last entry
            copy[:m], copy[m:] = rho, 0.0
            weights[:m] = scale
            _squares(copy, x, columns, first, close, squares, blocks)
            _pieces(
                copy, squares, blocks, modes, lows, highs, cell_map, cells, row_scale[i], weights,
                part, merged,
            )  # fmt: skip
            into[:] = merged[:m]


def evaluate(
    cosines: npt.NDArray[np.floating],
    rows: npt.NDArray[np.floating],
    columns: npt.NDArray[np.floating],
    row_scale: npt.NDArray[np.floating],
    column_scale: npt.NDArray[np.floating],
    table: Table | SeparablePiece | NormTable,
    out: npt.NDArray[np.floating],
) -> None:
    """Turn a tile of cosines into Gram entries: the contract of `fastgram.kernels.contract`."""
    close = cosines.dtype.type(CLOSE[cosines.dtype])
    if isinstance(table, SeparablePiece):
        kind = cosines.dtype.type
        evaluate_separable(
            cosines, rows, columns, row_scale, column_scale, close,
            kind(table.top), kind(table.bottom), int(table.mode), kind(table.slope),
            kind(table.offset),
            table.horner_lengths, table.coefficients, table.bases, table.weights, out,
        )  # fmt: skip
        return
    if isinstance(table, NormTable):
        evaluate_two_norms(
            cosines, rows, columns, row_scale, column_scale, close, table.cell_map, table.mirror,
            table.has_rest, table.slopes, table.offsets, table.lengths, table.powers,
            table.coefficients, table.first_row, table.first_column, table.row_places,
            table.column_places, table.is_triangle, out,
        )  # fmt: skip
        return
    _evaluate(
        cosines, rows, columns, row_scale, column_scale, close,
        table.modes, table.lows, table.highs, table.cell_map, table.cells, out,
    )  # fmt: skip
