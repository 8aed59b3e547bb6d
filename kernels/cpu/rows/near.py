"""Rows as unit vectors in float32, the orders that near ones are neighbours in, and who is near.

`fastgram.datasets.near_rows` says what it is for.
"""

from __future__ import annotations

import math

import numpy as np

from fastgram.kernels.cpu.jit import jit

__all__ = ["fill_keys", "nearest_in_order", "scale_to_float32"]

_compile = jit({"contract", "reassoc"})
_AT_ONCE = 256  # rows of an order that are brought together: 32 KB


@_compile
def scale_to_float32(rows, out):
    """Fill `out`, float32, with the rows scaled to norm 1; zero rows stay zero."""
    for i in range(rows.shape[0]):
        largest = 0.0
        for k in range(rows.shape[1]):
            largest = max(largest, abs(float(rows[i, k])))
        if largest == 0.0:
            out[i] = 0.0
            continue
        total = 0.0
        for k in range(rows.shape[1]):  # no square over- or underflows
            ratio = rows[i, k] / largest
            total += ratio * ratio
            out[i, k] = ratio
        scale = np.float32(1.0 / math.sqrt(total))
        for k in range(rows.shape[1]):
            out[i, k] *= scale


@_compile
def fill_keys(projections, planes, tops, first, row_bits, keys, turned):
    """Fill in by what numbers rows are ordered, and which are taken as their negatives there.

    A number has a bit for each plane, then where the row is along a line, then the row. Of a row
    and its negative that is taken which is on the positive side of the order's last plane.

    Parameters
    ----------
    projections : (m, orders · planes + at least orders) float32 array
        Of rows from `first` on: those on the planes' normals, order by order, and on lines, of
        which the first are those of the orders.
    planes : int
    tops : (orders,) array
        Bounds of |projections| on each line.
    first, row_bits : int
        Number of the first row, and the bits that numbers of rows have.
    keys : (orders, n) uint64 array
    turned : (n,) uint8 array
        A bit for each order.
    """
    orders = tops.size
    line_bits = 64 - planes - row_bits
    steps = 2.0 ** (line_bits - 1) - 1.0
    for i in range(projections.shape[0]):
        flags = np.uint8(0)
        for order in range(orders):
            turns = not projections[i, (order + 1) * planes - 1] > 0.0
            key = np.uint64(0)
            for plane in range(order * planes, (order + 1) * planes):
                key = key << np.uint64(1) | np.uint64((projections[i, plane] > 0.0) != turns)
            along = projections[i, orders * planes + order] / tops[order]
            along = min(max(-along if turns else along, -1.0), 1.0)
            key = key << np.uint64(line_bits) | np.uint64((along + 1.0) * steps)
            keys[order, first + i] = key << np.uint64(row_bits) | np.uint64(first + i)
            flags |= np.uint8(turns) << np.uint8(order)
        turned[first + i] = flags


@_compile
def nearest_in_order(sketch, keys, row_bits, turned, order, following, squares, pairs):
    """Fill in those pairs of rows near each other in an order whose sketches are nearest.

    Parameters
    ----------
    sketch : (n, s) float32 array
    keys : (n,) uint64 array
        Ascending.
    row_bits, order : int
    turned : (n,) uint8 array
        As `fill_keys` leaves it.
    following : int
        Rows that each is compared with.
    squares : (count,) float32 array
        What comes out: squared distances of the pairs.
    pairs : (count, 2) array
        What comes out, too.

    Returns
    -------
    int
        How many pairs there are.
    """
    n, length, found = keys.size, sketch.shape[1], 0
    mask = (np.uint64(1) << np.uint64(row_bits)) - np.uint64(1)
    gathered = np.empty((_AT_ONCE + following, length), np.float32)
    numbers = np.empty(_AT_ONCE + following, np.int64)
    for start in range(0, n, _AT_ONCE):
        there = min(n - start, _AT_ONCE + following)
        for i in range(there):
            row = np.int64(keys[start + i] & mask)
            numbers[i] = row
            sign = np.float32(-1.0 if turned[row] >> order & 1 else 1.0)
            for k in range(length):
                gathered[i, k] = sign * sketch[row, k]
        for i in range(min(there, _AT_ONCE)):
            for j in range(i + 1, min(i + 1 + following, there)):
                square = np.float32(0.0)
                for k in range(length):
                    apart = gathered[i, k] - gathered[j, k]
                    square += apart * apart
                if found < squares.size:
                    found += 1
                    _rise(squares, pairs, found - 1, square, numbers[i], numbers[j])
                elif square < squares[0]:
                    _sink(squares, pairs, found, square, numbers[i], numbers[j])
    return found


@_compile
def _rise(squares, pairs, place, square, one, other):
    """Put a pair at the end of a heap, the farthest of which is its first."""
    while place > 0 and squares[(place - 1) // 2] < square:
        squares[place], pairs[place] = squares[(place - 1) // 2], pairs[(place - 1) // 2]
        place = (place - 1) // 2
    squares[place], pairs[place, 0], pairs[place, 1] = square, min(one, other), max(one, other)


@_compile
def _sink(squares, pairs, count, square, one, other):
    """Put a pair in the place of the farthest of a heap."""
    place = 0
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and squares[child + 1] > squares[child]:
            child += 1
        if squares[child] <= square:
            break
        squares[place], pairs[place] = squares[child], pairs[child]
        place = child
    squares[place], pairs[place, 0], pairs[place, 1] = square, min(one, other), max(one, other)
