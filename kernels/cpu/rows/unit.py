"""Rows scaled to norm 1."""

from __future__ import annotations

import math

import numpy as np

from fastgram.kernels.cpu.jit import jit

__all__ = ["scale_to_one"]

_compile = jit(set())  # to the bit: `fastgram.devices.unit_rows` says how far norms are off


@_compile
def scale_to_one(rows, unit, norms):
    """Fill `unit` with the rows scaled to norm 1, and `norms`; zero rows stay zero.

    Parameters
    ----------
    rows : (n, d) float64 array
        Finite.
    unit : (n, d) array
        Float64 or float32.
    norms : (n,) float64 array
        What comes out: inf where a norm overflows.
    """
    ratios = np.empty(rows.shape[1])
    squares = np.empty(rows.shape[1])
    for i in range(rows.shape[0]):
        largest = _largest(rows[i])
        divisor = largest if largest > 0.0 else 1.0
        for k in range(rows.shape[1]):  # so that no square over- or underflows
            ratios[k] = rows[i, k] / divisor
            squares[k] = ratios[k] * ratios[k]
        length = math.sqrt(_sum(squares))
        norms[i] = largest * length
        divisor = length if length > 0.0 else 1.0
        for k in range(rows.shape[1]):
            unit[i, k] = ratios[k] / divisor


@jit({"nnan", "nsz"})  # which vectors of it take, and which change nothing
def _largest(row):
    largest = 0.0
    for k in range(row.size):
        largest = max(largest, abs(row[k]))
    return largest


@_compile
def _sum(numbers):
    """Return the sum, of 2·⌈log₂ of their number⌉ additions at most, and spoil the numbers."""
    count = numbers.size
    while count > 1:
        half = count // 2
        for k in range(half):
            numbers[k] += numbers[half + k]
        if 2 * half < count:
            numbers[0] += numbers[2 * half]
        count = half
    return numbers[0]
