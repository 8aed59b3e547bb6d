"""One number of each row by which rows of one direction are found."""

from __future__ import annotations

import math

from fastgram.kernels.cpu.jit import jit

__all__ = ["sizes_along"]

_compile = jit({"contract", "reassoc"})


@_compile
def sizes_along(rows, weights, sizes, used):
    """Fill in |uᵀw| of the unit rows u, −1 for zero rows, and mark the columns that are not zero.

    Parameters
    ----------
    rows : (n, d) array
        Finite, float64 or float32.
    weights : (d,) float64 array
    sizes : (n,) float64 array
        What comes out: off by at most d + 8 roundings of ‖w‖.
    used : (d,) array of bool
        Set where a number is not 0, and left where all are.
    """
    for i in range(rows.shape[0]):
        largest = 0.0
        for k in range(rows.shape[1]):
            largest = max(largest, abs(float(rows[i, k])))
            used[k] |= rows[i, k] != 0.0
        if largest == 0.0:
            sizes[i] = -1.0
            continue
        square, along = 0.0, 0.0
        for k in range(rows.shape[1]):  # no square over- or underflows
            ratio = rows[i, k] / largest
            square += ratio * ratio
            along += ratio * weights[k]
        sizes[i] = abs(along) / math.sqrt(square)
