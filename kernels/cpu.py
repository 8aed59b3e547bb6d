"""The CPU tile kernel: Numba, one thread a call, the lock released.

A row of a tile is done in chunks that stay in the first-level cache: s² of a few vectors of
entries, those of close pairs from the rows, and then the polynomials (`kernels.lookup`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.kernels import CLOSE, FROM_NEARER, FROM_ONE, SeparablePiece, Table
from fastgram.kernels.compiled import jit
from fastgram.kernels.lookup import chords, look_up, lowest, together
from fastgram.kernels.separable import evaluate_separable, quarter_distance
from fastgram.kernels.vectors import run_of

__all__ = ["evaluate"]

_CHUNK = 512  # entries, a multiple of what is looked up together: five buffers fit the cache

_compile = jit({"contract"})


@_compile
def _squares(rho, x, columns, first, close, squares, j):
    """Set s², half the chord to the nearer end, of a few entries from the j-th of a chunk on."""
    one, length = rho.dtype.type(1.0), x.size
    close_ones = chords(rho, squares, j, close)
    while close_ones != np.uint64(0):
        k = j + lowest(close_ones)
        close_ones &= close_ones - np.uint64(1)
        y = run_of(columns, (first + k) * length, length)
        squares[k] = quarter_distance(x, y, one if rho[k] >= 0.0 else -one)


@_compile
def _count(rho, squares, far, low, high, m):
    here = 0
    for j in range(m):
        here += ((rho[j] < 0.0) == far) & (squares[j] >= low) & (squares[j] < high)
    return here


@_compile
def _choose(rho, squares, far, low, high, part, out, m):
    for j in range(m):
        new, old = part[j], out[j]  # both loaded always, or the loop does not vectorise
        here = ((rho[j] < 0.0) == far) & (squares[j] >= low) & (squares[j] < high)
        out[j] = new if here else old


@_compile
def _evaluate(
    cosines, rows, columns, row_scale, column_scale, close,
    modes, lows, highs, counts, cells, out,
):  # fmt: skip
    squares = np.empty(_CHUNK, cosines.dtype)
    copy = np.zeros(_CHUNK, cosines.dtype)
    weights = np.zeros(_CHUNK, cosines.dtype)
    part = np.empty(_CHUNK, out.dtype)
    size, length = together(cosines), rows.shape[1]
    alone, count = cells[0], (counts[0, 0], counts[0, 1], counts[0, 2])
    for i in range(cosines.shape[0]):
        x = run_of(rows, i * length, length)
        for first in range(0, cosines.shape[1], _CHUNK):
            m = min(_CHUNK, cosines.shape[1] - first)
            start = i * cosines.shape[1] + first
            rho, into = run_of(cosines, start, m), run_of(out, start, m)
            scale = run_of(column_scale, first, m)
            blocks = (m + size - 1) // size
            if modes[0] == FROM_NEARER and m == blocks * size:
                for block in range(blocks):
                    _squares(rho, x, columns, first, close, squares, block * size)
                for block in range(blocks):
                    look_up(
                        rho, squares, block * size, False, count, alone, row_scale[i], scale, into
                    )
                continue
            # `out` may be `cosines`, and what is done together goes on beyond the last entry
            copy[:m], copy[m:] = rho, 0.0
            weights[:m] = scale
            for block in range(blocks):
                _squares(copy, x, columns, first, close, squares, block * size)
            for p in range(modes.size):
                whole = modes[p] == FROM_NEARER
                far, low, high = modes[p] != FROM_ONE, lows[p], highs[p]
                if not whole and _count(copy, squares, far, low, high, m) == 0:
                    continue
                own = counts[p, 0], counts[p, 1], counts[p, 2]
                for block in range(blocks):
                    look_up(
                        copy, squares, block * size, not whole, own, cells[p], row_scale[i],
                        weights, part,
                    )  # fmt: skip
                if whole:
                    into[:] = part[:m]
                else:
                    _choose(copy, squares, far, low, high, part, into, m)


def evaluate(
    cosines: npt.NDArray[np.floating],
    rows: npt.NDArray[np.floating],
    columns: npt.NDArray[np.floating],
    row_scale: npt.NDArray[np.floating],
    column_scale: npt.NDArray[np.floating],
    table: Table | SeparablePiece,
    out: npt.NDArray[np.floating],
) -> None:
    """Turn a tile of cosines into Gram entries: the contract of `fastgram.kernels`."""
    close = cosines.dtype.type(CLOSE[cosines.dtype])
    if isinstance(table, SeparablePiece):
        kind = cosines.dtype.type
        evaluate_separable(
            cosines, rows, columns, row_scale, column_scale, close,
            kind(table.top), kind(table.bottom), table.mode, kind(table.slope), kind(table.offset),
            table.chains, table.coefficients, table.bases, table.weights, out,
        )  # fmt: skip
        return
    _evaluate(
        cosines, rows, columns, row_scale, column_scale, close,
        table.modes, table.lows, table.highs, table.counts, table.cells, out,
    )  # fmt: skip
