"""Separable pieces on the CPU: entries that depend on two norms, as sums of few terms.

A row of a tile is done in chunks that stay in the first-level cache, a few vectors of entries at a
time (`separable_terms`); where few entries of a chunk are on the piece, these are brought together
first.
"""

from __future__ import annotations

import numpy as np

from fastgram.kernels.contract import PieceVariable
from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import borrowed_slice
from fastgram.kernels.cpu.separable_terms import sums_of_terms, unroll_width

__all__ = ["evaluate_separable", "quarter_distance"]

_MOST = 0.75  # the share of a chunk above which all of it is evaluated
_CHUNK = 512  # a row of a tile, and a multiple of the unroll width

_FROM_ONE, _IN_COSINE = int(PieceVariable.FROM_ONE), int(PieceVariable.IN_COSINE)

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
def _half_chords(rho, x, columns, first, positions, sign, close, s, count, blocks):
    """Set s to √((1 − sign·ρ)/2), half the chord; from the rows where its square is small."""
    half = rho.dtype.type(0.5)
    near = 0
    for k in range(blocks):
        square = half - half * sign * rho[k]
        s[k] = square
        near += square < close
    if near:
        for k in range(count):
            if s[k] < close:
                y = borrowed_slice(columns, (first + positions[k]) * x.size, x.size)
                s[k] = quarter_distance(x, y, sign)
    for k in range(blocks):
        s[k] = np.sqrt(s[k])


@_compile
def _count(rho, top, bottom, m):
    """Return how many cosines are on the piece."""
    count = 0
    for j in range(m):
        count += (rho[j] < top) & (rho[j] >= bottom)
    return count


@_compile
def _take(rho, positions, chosen, m):
    """Take the cosines as they lie, and their positions."""
    for j in range(m):
        chosen[j] = rho[j]
    for j in range(m):
        positions[j] = j


@_compile
def _gather(rho, top, bottom, positions, chosen, m):
    """Bring the cosines on the piece together, and their positions."""
    count = np.uint64(0)
    for j in range(m):
        positions[count] = j  # written always, and left where the next one is on the piece too
        chosen[count] = rho[j]
        count += np.uint64((rho[j] < top) & (rho[j] >= bottom))


@_compile
def _fill_up(positions, chosen, count, blocks):
    """Put something beyond the last entry of a chunk, up to whole vectors."""
    for k in range(count, blocks):
        positions[k], chosen[k] = 0, chosen.dtype.type(0.0)


@_compile
def _put(value, row_scale, column_scale, out, m):
    for j in range(m):
        out[j] = value[j] * (row_scale * column_scale[j])


@_compile
def _choose(rho, top, bottom, part, out, m):
    for j in range(m):
        new, old = part[j], out[j]  # both loaded always, or the loop does not vectorise
        out[j] = new if (rho[j] < top and rho[j] >= bottom) else old


@_compile
def _scatter(value, row_scale, column_scale, positions, out, count):
    for k in range(count):
        out[positions[k]] = value[k] * (row_scale * column_scale[positions[k]])


@_compile
def _sum_terms(
    v, count, full, slope, offset, lengths, longer, coefficients, first_coefficient, bases,
    first_base, weights, width, first, positions, sums,
):  # fmt: skip
    """Set the sums of a chunk: of columns one after the other from `first` on, or at positions."""
    size = unroll_width(v, longer)
    for j in range(0, count, size):
        if full and j + size <= count:
            sums_of_terms(
                v, j, slope, offset, lengths, longer, coefficients, first_coefficient,
                bases, first_base, weights, width, first, None, sums,
            )  # fmt: skip
        else:
            sums_of_terms(
                v, j, slope, offset, lengths, longer, coefficients, first_coefficient,
                bases, first_base, weights, width, first, positions, sums,
            )  # fmt: skip


@_compile
def _longer(lengths):
    """Return which polynomial is the longer one, if the other is one coefficient; 2 if not."""
    for longer in range(2):
        alone = lengths[0, longer] > 1
        for r in range(lengths.shape[0]):
            alone &= lengths[r, 1 - longer] == 1
        if alone:
            return longer
    return 2


@_compile
def evaluate_separable(
    cosines, rows, columns, row_scale, column_scale, close,
    top, bottom, mode, slope, offset, lengths, coefficients, bases, weights, out,
):  # fmt: skip
    """Fill the entries on the piece: the arguments are a `SeparablePiece`'s, and `evaluate`'s."""
    kind = cosines.dtype.type
    size, below = unroll_width(cosines, 0), mode != _IN_COSINE  # the wider one
    sign = kind(1.0) if mode == _FROM_ONE else kind(-1.0)
    chosen = np.zeros(_CHUNK + 1, cosines.dtype)
    positions = np.zeros(_CHUNK + 1, np.int64)
    chord, sums = np.empty(_CHUNK, cosines.dtype), np.empty(_CHUNK, cosines.dtype)
    part = np.empty(_CHUNK, out.dtype)
    length, width, terms, rank = (
        rows.shape[1],
        cosines.shape[1],
        coefficients.shape[1],
        lengths.shape[0],
    )
    longer = _longer(lengths)
    flat, flat_bases, flat_weights = coefficients.ravel(), bases.ravel(), weights.ravel()
    for i in range(cosines.shape[0]):
        x = borrowed_slice(rows, i * length, length)
        for first in range(0, width, _CHUNK):
            m = min(_CHUNK, width - first)
            start = i * width + first
            rho, into = borrowed_slice(cosines, start, m), borrowed_slice(out, start, m)
            scale = borrowed_slice(column_scale, first, m)
            count = _count(rho, top, bottom, m)
            if count == 0:
                continue
            alone, full = count == m, count > _MOST * m
            if full:
                count = m
                _take(rho, positions, chosen, m)
            else:
                _gather(rho, top, bottom, positions, chosen, m)
            blocks = (count + size - 1) // size * size
            _fill_up(positions, chosen, count, blocks)
            v = chosen
            if below:
                _half_chords(
                    chosen, x, columns, first, positions, sign, close, chord, count, blocks
                )
                v = chord
            if below:
                _sum_terms(
                    v, count, full, slope, offset, lengths, None, flat, i * terms, flat_bases,
                    i * rank, flat_weights, width, first, positions, sums,
                )  # fmt: skip
            elif longer == 2:
                _sum_terms(
                    v, count, full, slope, offset, lengths, None, flat, i * terms, None, 0,
                    flat_weights, width, first, positions, sums,
                )  # fmt: skip
            else:
                _sum_terms(
                    v, count, full, slope, offset, lengths, longer, flat, i * terms, None, 0,
                    flat_weights, width, first, positions, sums,
                )  # fmt: skip
            if alone:
                _put(sums, row_scale[i], scale, into, m)
            elif full:
                _put(sums, row_scale[i], scale, part, m)
                _choose(rho, top, bottom, part, into, m)
            else:
                _scatter(sums, row_scale[i], scale, positions, into, count)
