"""A tile times one vector, and its transpose times another, reading the tile once."""

from __future__ import annotations

from fastgram.kernels.cpu import jit

__all__ = ["multiply_both"]


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
