"""Entries of a `NormTable`: polynomials of s, of the row's norm and of the column's.

For each row of a tile the table is made one of the angle and of the column's norm alone, for a few
rows at a time; its coefficients are then looked up as in `fastgram.kernels.cpu.table_lookup`, a
term after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.contract import CELLS
from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import (
    INT64,
    Lanes,
    borrowed_slice,
    lanes_of,
    length_of,
    operands_of,
)
from fastgram.kernels.cpu.norms.row_tables import ROWS, row_tables
from fastgram.kernels.cpu.separable import quarter_distance
from fastgram.kernels.cpu.table_lookup import (
    ROUND_TO_INT,
    UNROLL_WIDTH,
    chords,
    lowest,
    unroll_width,
)

__all__ = ["evaluate_two_norms"]

_compile = jit({"contract"})


class _Sums(NamedTuple):
    """The operands of `sum_terms`, in its order."""

    cosines: Any
    squares: Any
    j: Any
    near: Any
    far: Any
    mirror: Any
    has_rest: Any
    lengths: Any
    slopes: Any
    offsets: Any
    tables: Any
    first_row: Any
    places: Any
    row_scale: Any
    column_scale: Any
    out: Any


@intrinsic
def sum_terms(
    typing, cosines, squares, j, near, far, mirror, has_rest, lengths, slopes, offsets, tables,
    first_row, places, row_scale, column_scale, out,
):  # fmt: skip
    """Fill `unroll_width` entries of `out`, from the j-th on, by the table of their row.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
        The cosines, and s².
    j : int
    near, far : tuples of 3 floats
        The `cell_map` of the two sides.
    mirror : tuple of 3 floats
    has_rest : bool
    lengths : (terms,) int64 array
        Rows of each term, but for its rest.
    slopes, offsets : (cells,) arrays
    tables : flat array
        Those of the row begin at its row of cells `first_row`.
    places : array
        Of the columns' norms in their range, −1 to 1.
    row_scale : float
    column_scale, out : contiguous arrays
    """
    signature = types.void(
        cosines, squares, types.intp, near, far, mirror, types.boolean, lengths, slopes, offsets,
        tables, types.intp, places, row_scale, column_scale, out,
    )  # fmt: skip
    dtype = np.dtype(cosines.dtype.name)
    assert out.dtype == cosines.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, lookup = lanes_of(context, builder, dtype)
        count = length_of(context, builder, lengths, _Sums(*arguments).lengths)
        operands = operands_of(_Sums, context, builder, signature, arguments)
        _generate_sums(lanes, lookup, operands, count)
        return context.get_dummy_value()

    return signature, generate


class _Vector(NamedTuple):
    """A vector of entries: where it starts, s, its cells, t, the column's place, and its side."""

    start: Any
    s: Any
    cell: Any
    t: Any
    place: Any
    sign: Any
    beyond: Any  # what rests are multiplied with


def _generate_sums(lanes: Lanes, lookup: Any, operands: _Sums, count: Any) -> None:
    b, one, per_row = lanes.builder, ir.Constant(INT64, 1), ir.Constant(INT64, CELLS[lanes.dtype])
    entries = _find_cells(lanes, lookup, operands)

    def row(number: Any) -> Any:
        return b.gep(operands.tables, [b.mul(number, per_row)])

    before = b.block
    term, horner, close, rest, finish, done = (
        b.append_basic_block(name) for name in ("term", "horner", "close", "rest", "finish", "done")
    )
    b.branch(term)
    b.position_at_end(term)
    q, at = b.phi(INT64), b.phi(INT64)
    totals = [b.phi(lanes.vector) for _ in entries]
    length = b.load(b.gep(operands.lengths, [q]))
    end = b.add(at, length)
    first = b.add(at, one)
    second = b.add(first, one)
    leading = [entry.cell.take(row(first)) for entry in entries]
    b.cbranch(b.icmp_signed("<", second, end), horner, close)

    b.position_at_end(horner)
    n = b.phi(INT64)
    values = [b.phi(lanes.vector) for _ in entries]
    coefficient, following = row(n), b.add(n, one)
    new = [
        lanes.math("fma", value, entry.t, entry.cell.take(coefficient))
        for value, entry in zip(values, entries, strict=True)
    ]
    n.add_incoming(second, term)
    n.add_incoming(following, b.block)
    for value, begin, then in zip(values, leading, new, strict=True):
        value.add_incoming(begin, term)
        value.add_incoming(then, b.block)
    after_horner = b.block
    b.cbranch(b.icmp_signed("<", following, end), horner, close)

    b.position_at_end(close)
    polynomials = []
    for begin, then in zip(leading, new, strict=True):
        phi = b.phi(lanes.vector)
        phi.add_incoming(begin, term)
        phi.add_incoming(then, after_horner)
        polynomials.append(phi)
    bases = row(at)
    plain = []
    for entry, polynomial, total in zip(entries, polynomials, totals, strict=True):
        base = lanes.math("fma", total, entry.place, entry.cell.take(bases))
        plain.append(lanes.math("fma", b.fneg(entry.s), polynomial, base))
    after_close = b.block
    b.cbranch(operands.has_rest, rest, finish)

    b.position_at_end(rest)
    alike = lanes.load(row(end))  # the same number in each cell
    with_rest = [
        lanes.math("fma", entry.beyond, alike, value)
        for entry, value in zip(entries, plain, strict=True)
    ]
    after_rest = b.add(end, one)
    b.branch(finish)

    b.position_at_end(finish)
    next_at = b.phi(INT64)
    gained = [b.phi(lanes.vector) for _ in entries]
    for phi, without, then in zip(
        (next_at, *gained), (end, *plain), (after_rest, *with_rest), strict=True
    ):
        phi.add_incoming(without, after_close)
        phi.add_incoming(then, rest)
    after = b.add(q, one)
    for phi, begin, then in (
        (q, ir.Constant(INT64, 0), after),
        (at, operands.first_row, next_at),
        *((total, lanes.constant(0.0), value) for total, value in zip(totals, gained, strict=True)),
    ):
        phi.add_incoming(begin, before)
        phi.add_incoming(then, finish)
    b.cbranch(b.icmp_signed("<", after, count), term, done)

    b.position_at_end(done)
    row_scale = lanes.splat(operands.row_scale)
    for entry, value in zip(entries, gained, strict=True):
        scale = b.fmul(row_scale, lanes.load(b.gep(operands.column_scale, [entry.start])))
        signed = b.fmul(entry.sign, value)
        lanes.store(b.fmul(signed, scale), b.gep(operands.out, [entry.start]))


def _find_cells(lanes: Lanes, lookup: Any, operands: _Sums) -> list[_Vector]:
    """Generate what finds each entry's cell on its side, and its argument there."""
    b, top = lanes.builder, CELLS[lanes.dtype] - 1
    near, far = (
        [lanes.splat(b.extract_value(side, k)) for k in range(3)]
        for side in (operands.near, operands.far)
    )
    sign, slope, shift_beyond = (lanes.splat(b.extract_value(operands.mirror, k)) for k in range(3))
    found = []
    for k in range(UNROLL_WIDTH[lanes.dtype] // lanes.count):
        start = b.add(operands.j, ir.Constant(INT64, k * lanes.count))
        square = lanes.load(b.gep(operands.squares, [start]))
        s = lanes.math("sqrt", square)
        rho = lanes.load(b.gep(operands.cosines, [start]))
        below = b.fcmp_ordered("<", rho, lanes.constant(0.0))
        shift, scale, bend = (b.select(below, *pair) for pair in zip(far, near, strict=True))
        number = lanes.math("fma", square, bend, lanes.math("fma", s, scale, shift))
        number = lanes.clip(number, float(top))
        rounded = b.fadd(number, lanes.constant(ROUND_TO_INT[lanes.dtype]))
        within = b.and_(b.bitcast(rounded, lanes.integers), lanes.constant(top, lanes.integers))
        cell = lookup(lanes, within)
        t = lanes.math("fma", s, cell.take(operands.slopes), cell.take(operands.offsets))
        place = lanes.load(b.gep(operands.places, [start]))
        side = b.select(below, sign, lanes.constant(1.0))
        line = lanes.math("fma", rho, slope, shift_beyond)
        beyond = b.select(below, line, lanes.constant(0.0))
        found.append(_Vector(start, s, cell, t, place, side, beyond))
    return found


@_compile
def _squares(rho, x, columns, first, count, close, squares, block, blocks):
    """Set s², half the chord to the nearer end; from the rows where it is small."""
    one, length, size = rho.dtype.type(1.0), x.size, unroll_width(rho)
    while block < blocks:
        j = block * size
        close_ones = chords(rho, squares, j, close)
        while close_ones != np.uint64(0):
            k = j + lowest(close_ones)
            close_ones &= close_ones - np.uint64(1)
            if k < count:
                y = borrowed_slice(columns, (first + k) * length, length)
                squares[k] = quarter_distance(x, y, one if rho[k] >= 0.0 else -one)
        block += 1


@_compile
def evaluate_two_norms(
    cosines, rows, columns, row_scale, column_scale, close,
    cell_map, mirror, has_rest, slopes, offsets, lengths, powers, coefficients, first_row,
    first_column, row_places, column_places, is_triangle, out,
):  # fmt: skip
    """Fill a part of a tile: the arguments are a `NormTable`'s, and `evaluate`'s."""
    size, length, width = unroll_width(cosines), rows.shape[1], cosines.shape[1]
    height, m = row_places.size, column_places.size
    if is_triangle:
        height = min(height, first_column + m - first_row)
    blocks = (m + size - 1) // size
    padded = blocks * size
    squares = np.empty(padded, cosines.dtype)
    scales, places = np.zeros(padded, cosines.dtype), np.zeros(padded, cosines.dtype)
    scales[:m], places[:m] = column_scale[first_column : first_column + m], column_places
    # whole vectors go on beyond the last entry
    rho, values = np.zeros(padded, cosines.dtype), np.empty(padded, out.dtype)
    count = powers.size
    at = np.zeros(row_places.size + ROWS, cosines.dtype)
    at[: row_places.size] = row_places
    tables = np.empty(ROWS * count * offsets.size, cosines.dtype)
    near = cell_map[0, 0], cell_map[0, 1], cell_map[0, 2]
    far = cell_map[1, 0], cell_map[1, 1], cell_map[1, 2]
    turned = mirror[0], mirror[1], mirror[2]
    for k in range(height):
        if k % ROWS == 0:
            row_tables(powers, coefficients, at, k, tables)
        i = first_row + k
        start = i * width + first_column
        x = borrowed_slice(rows, i * length, length)
        line, into = borrowed_slice(cosines, start, m), borrowed_slice(out, start, m)
        begin = max(i - first_column, 0) // size if is_triangle else 0
        if padded != m:
            rho[:m] = line
        source = line if padded == m else borrowed_slice(rho, 0, padded)
        target = into if padded == m else borrowed_slice(values, 0, padded)
        _squares(source, x, columns, first_column, m, close, squares, begin, blocks)
        for block in range(begin, blocks):
            sum_terms(
                source, squares, block * size, near, far, turned, has_rest, lengths, slopes,
                offsets, tables, (k % ROWS) * count, places, row_scale[i], scales, target,
            )  # fmt: skip
        if padded != m:
            begun = begin * size
            into[begun:] = target[begun:m]
