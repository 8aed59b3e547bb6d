"""Power series with coefficients that are not negative: sums, products and composition, cut off.

Nothing is subtracted and no product is taken by a transform, so that each coefficient is right to
so many roundings of itself, however small it is beside the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastgram.support.arrays import Array

__all__ = ["Series", "compose"]


@dataclass(frozen=True, eq=False)
class Series:
    """A power series up to some order.

    Attributes
    ----------
    coefficients : (count,) array
    """

    coefficients: Array

    def __add__(self, other: Series | float) -> Series:
        if isinstance(other, Series):
            return Series(self.coefficients + other.coefficients)
        moved = self.coefficients.copy()
        moved[0] += other
        return Series(moved)

    def __mul__(self, other: Series | float) -> Series:
        if isinstance(other, Series):
            return Series(_product(self.coefficients, other.coefficients))
        return Series(self.coefficients * other)

    __rmul__ = __mul__


def _product(first: Array, second: Array) -> Array:
    return np.convolve(first, second)[: first.size]


def compose(outer: Array, inner: Array) -> Array:
    """Return Σ outerₖ·innerᵏ, up to the order of the inner series.

    Powers up to the root of the number of terms, and Horner's rule in the next power above them:
    2√K products for K terms (Paterson and Stockmeyer, 1973).

    Parameters
    ----------
    outer : (K,) array
    inner : (count,) array
    """
    count = inner.size
    identity = np.zeros(count)
    identity[1:2] = 1.0
    if np.array_equal(inner, identity):
        found = np.zeros(count)
        found[: outer.size] = outer[:count]
        return np.asarray(found)
    side = math.isqrt(max(outer.size - 1, 0)) + 1
    powers = np.zeros((side, count))
    powers[0, 0] = 1.0
    for k in range(1, side):
        powers[k] = _product(powers[k - 1], inner)
    step = _product(powers[-1], inner)
    blocks = np.zeros((side, side))
    blocks.ravel()[: outer.size] = outer
    parts = blocks @ powers
    found = parts[-1]
    for part in parts[-2::-1]:
        found = _product(found, step) + part
    return np.asarray(found)
