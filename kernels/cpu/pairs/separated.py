"""Layers whose functions of the angle are smooth in the norms: pair by pair, from separated pieces.

A piece is a polynomial in half the chord s whose coefficients are sums of few products of functions
of either norm: a row has the one kind, a column the other.
"""

from __future__ import annotations

import numpy as np

from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import borrowed_slice

__all__ = ["half_square_distances", "separated_values"]

_compile = jit({"contract"})
_compile_reduction = jit({"contract", "reassoc", "nnan", "ninf", "nsz"})


@_compile_reduction
def _weighted(series, weights, out):
    """Set `out` to the sum of the rows of `series`, (terms, coefficients), times their weights."""
    count = out.size
    for k in range(count):
        out[k] = 0.0
    for r in range(weights.size):
        weight = weights[r]
        for k in range(count):
            out[k] += weight * series[r * count + k]


@_compile
def separated_values(first, second, where, s, low, high, series, weights, out):
    """Set `out`, where it is told to, to the Chebyshev series in s between rows and columns.

    Parameters
    ----------
    first, second : (pairs,) int64 arrays
    where : (pairs,) bool array
    s : (pairs,) array
    low, high : float
        The range of s.
    series : (rows, terms, coefficients) array
    weights : (columns, terms) array
    out : (pairs,) array
    """
    terms, count = series.shape[1], series.shape[2]
    coefficients = np.empty(count)
    for n in range(first.size):
        if not where[n]:
            continue
        _weighted(
            borrowed_slice(series, first[n] * terms * count, terms * count),
            borrowed_slice(weights, second[n] * terms, terms),
            coefficients,
        )
        t = (2.0 * s[n] - low - high) / (high - low)
        after = later = 0.0
        for k in range(count - 1, 0, -1):
            after, later = coefficients[k] + 2.0 * t * after - later, after
        out[n] = coefficients[0] + t * after - later


@_compile_reduction
def _half_square(x, y, sign):
    total = 0.0
    for k in range(x.size):
        difference = x[k] - sign * y[k]
        total += difference * difference
    return 0.5 * total


@_compile
def half_square_distances(first, second, far, rows, columns, out):
    """Set out[n] to ½‖x − y‖² and ½‖x + y‖² of pairs of rows; `columns` are two sets, far or not.

    Parameters
    ----------
    first, second : (pairs,) int64 arrays
    far : (pairs,) bool array
    rows : (n, d) array
    columns : (2, m, d) array
    out : (pairs, 2) array
    """
    length = rows.shape[1]
    for n in range(first.size):
        x = borrowed_slice(rows, first[n] * length, length)
        place = (int(far[n]) * columns.shape[1] + second[n]) * length
        y = borrowed_slice(columns, place, length)
        out[n, 0] = _half_square(x, y, 1.0)
        out[n, 1] = _half_square(x, y, -1.0)
