"""Separable pieces on the CPU: entries that depend on two norms, as sums of few terms.

The Horner chains are written out at each length that a term may have, and not as a loop over the
coefficients: the loop was measured 4 times slower, since it keeps the compiler from working on a
vector of entries at a time. A row of a tile is done in chunks that stay in the first-level cache.
"""

from __future__ import annotations

import numpy as np

from fastgram.kernels import FROM_ONE, IN_COSINE
from fastgram.kernels.compiled import jit
from fastgram.kernels.vectors import run_of

__all__ = ["evaluate_separable", "quarter_distance"]

_SPARSE = 16  # a vector of entries costs about as much as one entry so many times narrower
_CHUNK = 512  # a row of a tile: four such buffers fit the first-level cache

_compile = jit({"contract"})
# a sum only vectorises where its order is free
_compile_reduction = jit({"contract", "reassoc", "nnan", "ninf", "nsz"})


@_compile_reduction
def quarter_distance(x, y, sign):
    """Return a quarter of ‖x − sign·y‖²."""
    total = x.dtype.type(0.0)
    for k in range(x.size):
        difference = x[k] - sign * y[k]
        total += difference * difference
    return x.dtype.type(0.25) * total


@_compile
def _half_chords(rho, x, columns, first, sign, close, s, m):
    """Set s to √((1 − sign·ρ)/2), half the chord; from the rows where its square is small."""
    half = rho.dtype.type(0.5)
    near = 0
    for j in range(m):
        square = half - half * sign * rho[j]
        s[j] = square
        near += square < close
    if near:
        for j in range(m):
            if s[j] < close:
                y = run_of(columns, (first + j) * x.size, x.size)
                s[j] = quarter_distance(x, y, sign)
    for j in range(m):
        s[j] = np.sqrt(s[j])


@_compile
def _polynomial_4(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    o0, o1, o2, o3 = c[4], c[5], c[6], c[7]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        o = ((o0 * x + o1) * x + o2) * x + o3
        out[j] = e + t * o


@_compile
def _polynomial_6(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    e4, e5 = c[4], c[5]
    o0, o1, o2, o3 = c[6], c[7], c[8], c[9]
    o4, o5 = c[10], c[11]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        e = (e * x + e4) * x + e5
        o = ((o0 * x + o1) * x + o2) * x + o3
        o = (o * x + o4) * x + o5
        out[j] = e + t * o


@_compile
def _polynomial_8(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    e4, e5, e6, e7 = c[4], c[5], c[6], c[7]
    o0, o1, o2, o3 = c[8], c[9], c[10], c[11]
    o4, o5, o6, o7 = c[12], c[13], c[14], c[15]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        e = (((e * x + e4) * x + e5) * x + e6) * x + e7
        o = ((o0 * x + o1) * x + o2) * x + o3
        o = (((o * x + o4) * x + o5) * x + o6) * x + o7
        out[j] = e + t * o


@_compile
def _polynomial_10(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    e4, e5, e6, e7 = c[4], c[5], c[6], c[7]
    e8, e9 = c[8], c[9]
    o0, o1, o2, o3 = c[10], c[11], c[12], c[13]
    o4, o5, o6, o7 = c[14], c[15], c[16], c[17]
    o8, o9 = c[18], c[19]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        e = (((e * x + e4) * x + e5) * x + e6) * x + e7
        e = (e * x + e8) * x + e9
        o = ((o0 * x + o1) * x + o2) * x + o3
        o = (((o * x + o4) * x + o5) * x + o6) * x + o7
        o = (o * x + o8) * x + o9
        out[j] = e + t * o


@_compile
def _polynomial_12(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    e4, e5, e6, e7 = c[4], c[5], c[6], c[7]
    e8, e9, e10, e11 = c[8], c[9], c[10], c[11]
    o0, o1, o2, o3 = c[12], c[13], c[14], c[15]
    o4, o5, o6, o7 = c[16], c[17], c[18], c[19]
    o8, o9, o10, o11 = c[20], c[21], c[22], c[23]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        e = (((e * x + e4) * x + e5) * x + e6) * x + e7
        e = (((e * x + e8) * x + e9) * x + e10) * x + e11
        o = ((o0 * x + o1) * x + o2) * x + o3
        o = (((o * x + o4) * x + o5) * x + o6) * x + o7
        o = (((o * x + o8) * x + o9) * x + o10) * x + o11
        out[j] = e + t * o


@_compile
def _polynomial_16(v, slope, offset, c, out, m):
    e0, e1, e2, e3 = c[0], c[1], c[2], c[3]
    e4, e5, e6, e7 = c[4], c[5], c[6], c[7]
    e8, e9, e10, e11 = c[8], c[9], c[10], c[11]
    e12, e13, e14, e15 = c[12], c[13], c[14], c[15]
    o0, o1, o2, o3 = c[16], c[17], c[18], c[19]
    o4, o5, o6, o7 = c[20], c[21], c[22], c[23]
    o8, o9, o10, o11 = c[24], c[25], c[26], c[27]
    o12, o13, o14, o15 = c[28], c[29], c[30], c[31]
    for j in range(m):
        t = slope * v[j] + offset
        x = t * t
        e = ((e0 * x + e1) * x + e2) * x + e3
        e = (((e * x + e4) * x + e5) * x + e6) * x + e7
        e = (((e * x + e8) * x + e9) * x + e10) * x + e11
        e = (((e * x + e12) * x + e13) * x + e14) * x + e15
        o = ((o0 * x + o1) * x + o2) * x + o3
        o = (((o * x + o4) * x + o5) * x + o6) * x + o7
        o = (((o * x + o8) * x + o9) * x + o10) * x + o11
        o = (((o * x + o12) * x + o13) * x + o14) * x + o15
        out[j] = e + t * o


@_compile
def _polynomial(v, slope, offset, c, out, m):
    chain = c.size // 2
    if chain == 4:
        _polynomial_4(v, slope, offset, c, out, m)
    elif chain == 6:
        _polynomial_6(v, slope, offset, c, out, m)
    elif chain == 8:
        _polynomial_8(v, slope, offset, c, out, m)
    elif chain == 10:
        _polynomial_10(v, slope, offset, c, out, m)
    elif chain == 12:
        _polynomial_12(v, slope, offset, c, out, m)
    else:
        _polynomial_16(v, slope, offset, c, out, m)


@_compile
def _put(value, base, row_scale, column_scale, out, m):
    for j in range(m):
        out[j] = (base + value[j]) * (row_scale * column_scale[j])


@_compile
def _choose(rho, top, bottom, part, out, m):
    for j in range(m):
        new, old = part[j], out[j]  # both loaded always, or the loop does not vectorise
        out[j] = new if (rho[j] < top and rho[j] >= bottom) else old


@_compile
def _add(value, base, weights, acc, m):
    for j in range(m):
        acc[j] += (base + value[j]) * weights[j]


@_compile
def _add_below(chord, value, base, weights, acc, m):
    for j in range(m):
        acc[j] += (base - chord[j] * value[j]) * weights[j]


@_compile
def _one_separable(v, below, slope, offset, chains, coefficients, bases, weights, column):
    """Return the value of a separable piece for a single entry."""
    t = slope * v + offset
    x = t * t
    total = v - v
    start = 0
    for r in range(chains.size):
        length = chains[r]
        even, odd = coefficients[start], coefficients[start + length]
        for k in range(1, length):
            even = even * x + coefficients[start + k]
            odd = odd * x + coefficients[start + length + k]
        start += 2 * length
        polynomial = even + t * odd
        term = bases[r] - v * polynomial if below else bases[r] + polynomial
        total += term * weights[r, column]
    return total


@_compile
def evaluate_separable(
    cosines, rows, columns, row_scale, column_scale, close,
    top, bottom, mode, slope, offset, chains, coefficients, bases, weights, out,
):  # fmt: skip
    """Fill the entries on the piece: the arguments are a `SeparablePiece`'s, and `evaluate`'s."""
    kind = cosines.dtype.type
    chord = np.empty(_CHUNK, cosines.dtype)
    value = np.empty(_CHUNK, cosines.dtype)
    acc = np.empty(_CHUNK, cosines.dtype)
    part = np.empty(_CHUNK, out.dtype)
    length, terms, width = rows.shape[1], coefficients.shape[1], cosines.shape[1]
    for i in range(cosines.shape[0]):
        x = run_of(rows, i * length, length)
        for first in range(0, width, _CHUNK):
            m = min(_CHUNK, width - first)
            start = i * width + first
            rho, into = run_of(cosines, start, m), run_of(out, start, m)
            here = 0
            for j in range(m):
                here += (rho[j] < top) & (rho[j] >= bottom)
            if here == 0:
                continue
            if mode != IN_COSINE:
                sign = kind(1.0) if mode == FROM_ONE else kind(-1.0)
                _half_chords(rho, x, columns, first, sign, close, chord, m)
            if _SPARSE * here < m:  # the few that are on the piece, one by one
                for j in range(m):
                    if rho[j] < top and rho[j] >= bottom:
                        v = rho[j] if mode == IN_COSINE else chord[j]
                        value[0] = _one_separable(
                            v, mode != IN_COSINE, slope, offset, chains, coefficients[i],
                            bases[i], weights, first + j,
                        )  # fmt: skip
                        out[i, first + j] = value[0] * (row_scale[i] * column_scale[first + j])
                continue
            acc[:m] = kind(0.0)
            place = i * terms
            for r in range(chains.size):
                c = run_of(coefficients, place, 2 * chains[r])
                place += 2 * chains[r]
                weight = run_of(weights, r * width + first, m)
                if mode == IN_COSINE:
                    _polynomial(rho, slope, offset, c, value, m)
                    _add(value, bases[i, r], weight, acc, m)
                else:
                    _polynomial(chord, slope, offset, c, value, m)
                    _add_below(chord, value, bases[i, r], weight, acc, m)
            _put(acc, kind(0.0), row_scale[i], run_of(column_scale, first, m), part, m)
            _choose(rho, top, bottom, part, into, m)
