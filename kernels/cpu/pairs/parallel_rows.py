"""What two functions of lines between kinks are to each other where their rows are parallel.

There both are functions of one normal variable: integrals between neighbouring kinks of either row,
from moments of the density, which `fastgram.kernels.cpu.pairs.kinks` is given with the rows.
"""

from __future__ import annotations

import numpy as np

from fastgram.kernels.cpu.jit import jit

__all__ = ["at_end"]

_DENSITY = 0.3989422804014327  # φ(0)
# Between a kink and its like in the other row, no further apart, squares of differences are summed
# at the nodes of Gauss: there lines differ and moments cancel, to roundings of 1 whatever is left,
# and a distance is the root of it.
_NARROW = 0.05
_GAUSS = tuple(
    (float(0.5 + 0.5 * node), float(0.5 * weight))
    for node, weight in zip(*np.polynomial.legendre.leggauss(4), strict=True)
)

_compile = jit({"contract"})


@_compile
def _moments(low, high):
    """Return the integrals of the density times 1, x and x² between two places (`_place`)."""
    if low[0] > 0.5 or high[0] < -0.5:  # all parts are as small as what is left
        zeroth = low[4] - high[4] if low[0] > 0.5 else high[4] - low[4]
        return zeroth, low[1] - high[1], zeroth + low[0] * low[1] - high[0] * high[1]
    return high[3] - low[3], low[2] - high[2], high[5] - low[5]


@_compile
def _place(rows, i, p):
    """Return a kink, φ, φ − φ(0), Φ − ½, 1 − Φ(|·|), ∫x²φ from 0 to it, and the cubic part."""
    return (
        rows.kinks[i, p], rows.density[i, p], rows.fall[i, p], rows.middle[i, p],
        rows.tail[i, p], rows.second[i, p], rows.cubic[i, p],
    )  # fmt: skip


@_compile
def _place_of_side(rows, side, j, q):
    return (
        rows.kinks[side, j, q], rows.density[side, j, q], rows.fall[side, j, q],
        rows.middle[side, j, q], rows.tail[side, j, q], rows.second[side, j, q],
        rows.cubic[side, j, q],
    )  # fmt: skip


@_compile
def _squares_between(low, width, a1, b1, a2, b2):
    """Return the integrals of the density times the squares of two lines' difference and sum."""
    less = more = 0.0
    for n in range(len(_GAUSS)):
        node, weight = _GAUSS[n]
        x = low + width * node
        mass = width * weight * _DENSITY * np.exp(-0.5 * x * x)
        one, two = a1 + b1 * x, a2 + b2 * x
        less += mass * (one - two) * (one - two)
        more += mass * (one + two) * (one + two)
    return less, more


@_compile
def at_end(i, j, side, left, right):
    """Return E f'f', E ff, ½E(f/size ∓ f/size)² where both are functions of one variable.

    And, first, E f'f' without what is linear in the kinks.
    """
    kinks = left.kinks.shape[1]
    p = q = 0
    low = (-1e300, 0.0, -_DENSITY, -0.5, 0.0, -0.5, -0.5)
    rest = slope = value = less = more = 0.0
    while True:
        next_p, next_q = p, q
        if p < kinks and (q == kinks or left.kinks[i, p] <= right.kinks[side, j, q]):
            high = _place(left, i, p)
            next_p = p + 1
        elif q < kinks:
            high = _place_of_side(right, side, j, q)
            next_q = q + 1
        else:
            high = (1e300, 0.0, -_DENSITY, 0.5, 0.0, 0.5, 0.5)
        m0, m1, m2 = _moments(low, high)
        a1, b1 = left.intercepts[i, p], left.slopes[i, p]
        a2, b2 = right.intercepts[side, j, q], right.slopes[side, j, q]
        slope += b1 * b2 * m0
        rest += b1 * b2 * (high[6] - low[6])
        b1 *= left.roots[i]
        b2 *= right.roots[j]
        value += a1 * a2 * m0 + (a1 * b2 + a2 * b1) * m1 + b1 * b2 * m2
        a1, b1 = a1 / left.sizes[i], b1 / left.sizes[i]
        a2, b2 = a2 / right.sizes[j], b2 / right.sizes[j]
        width = high[0] - low[0]
        if p == q or width > _NARROW:
            a, b = a1 - a2, b1 - b2
            less += max(a * a * m0 + 2.0 * a * b * m1 + b * b * m2, 0.0)
            a, b = a1 + a2, b1 + b2
            more += max(a * a * m0 + 2.0 * a * b * m1 + b * b * m2, 0.0)
        elif width > 0.0:
            difference, total = _squares_between(low[0], width, a1, b1, a2, b2)
            less += difference
            more += total
        if next_p == p and next_q == q:
            break
        p, q, low = next_p, next_q, high
    return rest, slope, value, 0.5 * less, 0.5 * more
