"""Products of tiles: of two blocks of rows, and of a tile and its transpose with vectors.

With one vector a tile costs what it takes to be read, and BLAS would read it twice. The others are
loops around `outer_product`, for processors with registers of 512 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import has_avx512
from fastgram.kernels.cpu.outer_product import (
    ROWS,
    VECTORS,
    outer_8_1,
    outer_8_2,
    outer_one_1,
    outer_one_2,
)

__all__ = ["multiply_block", "multiply_both", "multiply_rows", "pack", "padded", "panel"]

_compile = jit(set())
# Steps after which sums go to memory: what they are made of then stays in the first-level cache.
_STEPS = 256
_LANES = 8  # of float64, in 512 bits


# sums in any order, so that they become vectors; what is not finite stays so
@jit({"contract", "reassoc", "nsz"})
def multiply_both(tile, x, y, row, part):
    """Row += tile @ x and part += tileᵀ @ y: four rows of the tile at a time."""
    height, width = tile.shape
    for i in range(0, height - 3, 4):
        sum0 = sum1 = sum2 = sum3 = 0.0
        y0, y1, y2, y3 = y[i], y[i + 1], y[i + 2], y[i + 3]
        for j in range(width):
            a0, a1, a2, a3 = tile[i, j], tile[i + 1, j], tile[i + 2, j], tile[i + 3, j]
            sum0 += a0 * x[j]
            sum1 += a1 * x[j]
            sum2 += a2 * x[j]
            sum3 += a3 * x[j]
            part[j] += (y0 * a0 + y1 * a1) + (y2 * a2 + y3 * a3)
        row[i] += sum0
        row[i + 1] += sum1
        row[i + 2] += sum2
        row[i + 3] += sum3
    for i in range(height - height % 4, height):
        total = 0.0
        for j in range(width):
            total += tile[i, j] * x[j]
            part[j] += y[i] * tile[i, j]
        row[i] += total


@_compile
def _thin(tile, row, step, rows, steps, x, out):
    """Out += A @ x, A the tile or its transpose: A[r, k] = tile.flat[r·row + k·step]."""
    width = x.shape[1]
    full = rows - rows % ROWS
    for left in range(0, width, VECTORS * _LANES):
        pair = left + VECTORS * _LANES <= width
        for r in range(0, full, ROWS):
            a, at = r * row, r * width + left
            if pair:
                outer_8_2(tile, a, row, step, x, left, width, out, at, width, steps, True)
            else:
                outer_8_1(tile, a, row, step, x, left, width, out, at, width, steps, True)
        for r in range(full, rows):
            a, at = r * row, r * width + left
            if pair:
                outer_one_2(tile, a, row, step, x, left, width, out, at, width, steps, True)
            else:
                outer_one_1(tile, a, row, step, x, left, width, out, at, width, steps, True)


@_compile
def multiply_block(tile, x, y, row, part):
    """Row += tile @ x and part += tileᵀ @ y, for float64 blocks of a multiple of 8 columns."""
    height, width = tile.shape
    _thin(tile, width, 1, height, width, x, row)
    _thin(tile, 1, width, width, height, y, part)


def padded(columns: int) -> int:
    """Return the columns that a block needs for `multiply_block`."""
    return -(-columns // _LANES) * _LANES


def panel(dtype: np.dtype[np.floating]) -> int:
    """Return how many rows lie side by side in what `pack` returns."""
    return VECTORS * 64 // dtype.itemsize


def pack(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating] | None:
    """Return rows (n, d) as `multiply_rows` takes them, or None where BLAS is as fast.

    Returns
    -------
    (panels, d, panel) array
        The rows of a panel side by side; zeros beyond the last row.
    """
    if not has_avx512():
        return None
    n, d = rows.shape
    per_panel = panel(rows.dtype)
    panels = np.zeros((-(-n // per_panel), d, per_panel), rows.dtype)
    full = n // per_panel
    panels[:full] = rows[: full * per_panel].reshape(full, per_panel, d).transpose(0, 2, 1)
    if full < len(panels):
        panels[full, :, : n - full * per_panel] = rows[full * per_panel :].T
    return panels


@_compile
def _multiply_panels(a, i, b, j, out, last):
    height, width = out.shape
    d, per_panel = a.shape[1], a.shape[2]
    size = d * per_panel
    for first in range(0, d, _STEPS):
        steps = min(_STEPS, d - first)
        for left in range(0, width, per_panel):
            b_start = (j + left) // per_panel * size + first * per_panel
            full = left + per_panel <= width
            for r in range(0, height, ROWS):
                at = i + r
                a_start = at // per_panel * size + first * per_panel + at % per_panel
                if full and r + ROWS <= height:
                    outer_8_2(
                        a, a_start, 1, per_panel, b, b_start, per_panel,
                        out, r * width + left, width, steps, first > 0,
                    )  # fmt: skip
                    continue
                outer_8_2(
                    a,
                    a_start,
                    1,
                    per_panel,
                    b,
                    b_start,
                    per_panel,
                    last,
                    0,
                    per_panel,
                    steps,
                    False,
                )
                for k in range(r, min(r + ROWS, height)):
                    for c in range(left, min(left + per_panel, width)):
                        value = last[k - r, c - left]
                        out[k, c] = out[k, c] + value if first > 0 else value


def multiply_rows(a: Any, i: int, b: Any, j: int, out: npt.NDArray[np.floating]) -> None:
    """Fill `out` with the inner products of some rows of a and of b, packed.

    Parameters
    ----------
    a, b : arrays
        As `pack` returns them, of one dtype.
    i, j : int
        The first row of each; a multiple of 8, and of the panel.
    out : (rows of a, rows of b) C-contiguous array
    """
    _multiply_panels(a, i, b, j, out, np.empty((ROWS, a.shape[2]), a.dtype))
