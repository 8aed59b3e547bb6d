"""Inner products of two-valued rows, from packed bits: the count of the ones of their AND.

Rows of m values that are each `low` or `high` are kept as one bit a value, 64 to a word, the words
of all rows side by side: `bits[w, i]` is word w of row i. Then

    Σ_k x_k y_k = m·low² + low·(high − low)·(|x| + |y|) + (high − low)²·|x & y|

with |x| the number of ones, an integer: the sum is exact but for the roundings of this formula.

The columns lie side by side so that one instruction counts in 8 columns at once; 4 rows by 4 words
are taken together so that a word that is loaded is used 4 times and a sum is stored once in 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import intrinsic

from fastgram.kernels.cpu.jit import jit

__all__ = ["WORD", "pack", "products", "words"]

Words = npt.NDArray[np.uint64]

_compile = jit({"contract"})

WORD = 64
_UNROLLED = 4  # words and rows: what the kernel is written out for


def words(m: int) -> int:
    """Return the words that m bits take: 4 together."""
    return _UNROLLED * -(-m // (_UNROLLED * WORD))


def pack(ones: npt.NDArray[np.bool_]) -> Words:
    """Return the bits of an (n, m) array as (words, n), m padded with zeros to 4 whole words."""
    n, m = ones.shape
    octets = np.zeros((n, 8 * words(m)), np.uint8)
    octets[:, : -(-m // 8)] = np.packbits(ones, axis=1)
    return np.ascontiguousarray(octets.view(np.uint64).T)


@intrinsic
def _ones(context: Any, word: Any) -> Any:
    """Count the ones of a word: an LLVM intrinsic, so that loops over it become vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


@_compile
def _four(x, first, y, start, stop, sums):
    """Set sums (4, columns) to the counts that 4 rows of x share with some rows of y."""
    sums[:] = 0
    one, two, three, four = sums[0], sums[1], sums[2], sums[3]
    for w in range(0, x.shape[0], 4):
        x0, x1, x2, x3 = x[w], x[w + 1], x[w + 2], x[w + 3]
        i = first
        a0, a1, a2, a3 = x0[i], x1[i], x2[i], x3[i]
        i = first + 1
        b0, b1, b2, b3 = x0[i], x1[i], x2[i], x3[i]
        i = first + 2
        c0, c1, c2, c3 = x0[i], x1[i], x2[i], x3[i]
        i = first + 3
        d0, d1, d2, d3 = x0[i], x1[i], x2[i], x3[i]
        # slices from 0, or indices that might be negative make the loads gathers
        y0, y1 = y[w, start:stop], y[w + 1, start:stop]
        y2, y3 = y[w + 2, start:stop], y[w + 3, start:stop]
        for j in range(stop - start):
            p, q, r, s = y0[j], y1[j], y2[j], y3[j]
            one[j] += _ones(a0 & p) + _ones(a1 & q) + _ones(a2 & r) + _ones(a3 & s)
            two[j] += _ones(b0 & p) + _ones(b1 & q) + _ones(b2 & r) + _ones(b3 & s)
            three[j] += _ones(c0 & p) + _ones(c1 & q) + _ones(c2 & r) + _ones(c3 & s)
            four[j] += _ones(d0 & p) + _ones(d1 & q) + _ones(d2 & r) + _ones(d3 & s)


@_compile
def _one(x, i, y, start, stop, sums):
    sums[:] = 0
    for w in range(x.shape[0]):
        a, row = x[w, i], y[w, start:stop]
        for j in range(stop - start):
            sums[j] += _ones(a & row[j])


@_compile
def products(x, rows, y, columns, ones_x, ones_y, weights, out):
    """Fill `out` with the inner products of some rows of x and of y.

    Parameters
    ----------
    x, y : (words, n) and (words, m) uint64 arrays
        As `pack` returns them.
    rows, columns : (start, stop)
        Which rows of x and of y.
    ones_x, ones_y : float64 arrays
        The number of ones of every row.
    weights : (constant, of each row's ones, of the ones in common)
        What the three parts of the sum are multiplied with.
    out : (stop − start of rows, stop − start of columns) float array
    """
    constant, single, common = weights
    start, stop = columns
    height, width = rows[1] - rows[0], stop - start
    others = ones_y[start:stop]
    sums = np.empty((4, width), np.uint64)
    for i in range(0, height, 4):
        count = min(4, height - i)
        if count == 4:
            _four(x, rows[0] + i, y, start, stop, sums)
        else:
            for r in range(count):
                _one(x, rows[0] + i + r, y, start, stop, sums[r])
        for r in range(count):
            of_row = constant + single * ones_x[rows[0] + i + r]
            shared, into = sums[r], out[i + r]
            for j in range(width):
                into[j] = of_row + single * others[j] + common * np.float64(shared[j])
