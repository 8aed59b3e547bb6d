"""Polynomials that each lane of a vector looks up for itself, for the CPU tile kernel.

A table cuts its range into a few cells, each with coefficients of its own. One instruction takes
for every lane of a vector the coefficient of that lane's cell: a permutation of the register that
holds the coefficients of all cells. An entry then costs a product, a sum and a permutation a
coefficient, whatever cells its neighbours are on, and cells are narrow, so that there are few
coefficients. Compilers do not find this instruction in a loop over `c[k, cell[j]]` (they gather
from memory, measured 3 times slower), so that the code is given to LLVM as vectors: on AVX-512
one permutation, on AVX2 two and a choice between them, elsewhere a load a lane.

Several vectors go through the coefficients together: one alone would wait for its own last sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.contract import CELLS, PieceVariable
from fastgram.kernels.cpu.llvm_vectors import (
    INT64,
    Lanes,
    lanes_of,
    length_of,
    operands_of,
)

__all__ = [
    "ROUND_TO_INT",
    "UNROLL_WIDTH",
    "all_bits",
    "chords",
    "look_up",
    "lowest",
    "members",
    "merge",
    "unroll_width",
]

_VECTORS = 4  # at a time: fewer wait for each other, more were no faster
UNROLL_WIDTH = {dtype: _VECTORS * cells for dtype, cells in CELLS.items()}  # entries at a time

# A float with its last digits worth 1: adding it rounds to whole numbers, which its bits then show.
ROUND_TO_INT = {np.dtype(np.float64): 1.5 * 2.0**52, np.dtype(np.float32): 1.5 * 2.0**23}


@intrinsic
def unroll_width(typing, array):
    """Return how many entries `look_up` takes at a time: known when a loop is compiled."""
    count = UNROLL_WIDTH[np.dtype(array.dtype.name)]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, count)

    return types.intp(array), generate


class _Chords(NamedTuple):
    """The operands of `chords`, in its order."""

    cosines: Any
    squares: Any
    j: Any
    close: Any


@intrinsic
def chords(typing, cosines, squares, j, close):
    """Set s² of `unroll_width` entries from the j-th on; return bits for those below `close`.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
    j : int
    close : float

    Returns
    -------
    uint64
    """
    signature = types.uint64(cosines, squares, types.intp, close)
    dtype = np.dtype(cosines.dtype.name)
    assert cosines.layout == squares.layout == "C"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        operands = operands_of(_Chords, context, builder, signature, arguments)
        limit = lanes.splat(operands.close)
        bits = ir.Constant(INT64, 0)
        for v in range(UNROLL_WIDTH[dtype] // lanes.count):
            start = builder.add(operands.j, ir.Constant(INT64, v * lanes.count))
            rho = lanes.load(builder.gep(operands.cosines, [start]))
            half = lanes.constant(0.5)
            square = lanes.math("fma", lanes.math("fabs", rho), lanes.constant(-0.5), half)
            lanes.store(square, builder.gep(operands.squares, [start]))
            below = builder.fcmp_ordered("<", square, limit)
            mask = builder.zext(builder.bitcast(below, ir.IntType(lanes.count)), INT64)
            bits = builder.or_(bits, builder.shl(mask, ir.Constant(INT64, v * lanes.count)))
        return bits

    return signature, generate


class _Members(NamedTuple):
    """The operands of `members`, in its order."""

    cosines: Any
    squares: Any
    j: Any
    variable: Any
    low: Any
    high: Any


@intrinsic
def members(typing, cosines, squares, j, variable, low, high):
    """Return bits for those of `unroll_width` entries from the j-th on that are on a piece.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
    j : int
    variable : int
        A `PieceVariable` of a table.
    low, high : float
        The range of s².

    Returns
    -------
    uint64
    """
    signature = types.uint64(cosines, squares, types.intp, variable, low, high)
    dtype = np.dtype(cosines.dtype.name)
    assert cosines.layout == squares.layout == "C"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, (lanes, _) = builder, lanes_of(context, builder, dtype)
        operands = operands_of(_Members, context, b, signature, arguments)
        low, high = lanes.splat(operands.low), lanes.splat(operands.high)
        kind = operands.variable
        both, far = (
            lanes.splat(b.icmp_signed("==", kind, ir.Constant(kind.type, int(value))))
            for value in (PieceVariable.FROM_NEARER, PieceVariable.FROM_MINUS_ONE)
        )
        bits = ir.Constant(INT64, 0)
        for v in range(UNROLL_WIDTH[dtype] // lanes.count):
            start = b.add(operands.j, ir.Constant(INT64, v * lanes.count))
            rho = lanes.load(b.gep(operands.cosines, [start]))
            square = lanes.load(b.gep(operands.squares, [start]))
            below = b.fcmp_ordered("<", rho, lanes.constant(0.0))
            side = b.or_(both, b.icmp_unsigned("==", below, far))
            within = b.and_(b.fcmp_ordered(">=", square, low), b.fcmp_ordered("<", square, high))
            mask = b.bitcast(b.and_(side, within), ir.IntType(lanes.count))
            shift = ir.Constant(INT64, v * lanes.count)
            bits = b.or_(bits, b.shl(b.zext(mask, INT64), shift))
        return bits

    return signature, generate


class _Merge(NamedTuple):
    """The operands of `merge`, in its order."""

    cosines: Any
    bits: Any
    part: Any
    out: Any
    j: Any


@intrinsic
def merge(typing, cosines, bits, part, out, j):
    """Set those of `unroll_width` entries of `out` from the j-th on whose bit is set to `part`'s.

    `cosines` is an array of the dtype of the table, `part` and `out` of that of the result.
    """
    signature = types.void(cosines, types.uint64, part, out, types.intp)
    dtype, kind = np.dtype(cosines.dtype.name), np.dtype(out.dtype.name)
    assert part.layout == out.layout == "C"
    assert part.dtype == out.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, (lanes, _) = builder, lanes_of(context, builder, dtype)
        others = Lanes(b, kind, lanes.count)
        operands = operands_of(_Merge, context, b, signature, arguments)
        for v in range(UNROLL_WIDTH[dtype] // lanes.count):
            shift = ir.Constant(INT64, v * lanes.count)
            mask = b.trunc(b.lshr(operands.bits, shift), ir.IntType(lanes.count))
            mask = b.bitcast(mask, ir.VectorType(ir.IntType(1), lanes.count))
            start = b.add(operands.j, shift)
            new, old = b.gep(operands.part, [start]), b.gep(operands.out, [start])
            others.store(b.select(mask, others.load(new), others.load(old)), old)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def all_bits(typing, array):
    """Return a uint64 with a bit for each entry that `look_up` takes at a time."""
    bits = (1 << UNROLL_WIDTH[np.dtype(array.dtype.name)]) - 1

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(INT64, bits)

    return types.uint64(array), generate


@intrinsic
def lowest(typing, bits):
    """Return the place of the lowest bit that is set, of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.uint64), generate


class _LookUp(NamedTuple):
    """The operands of `look_up`, in its order."""

    cosines: Any
    squares: Any
    j: Any
    by_chord: Any
    p: Any
    cell_map: Any
    cells: Any
    row_scale: Any
    column_scale: Any
    out: Any


@intrinsic
def look_up(
    typing, cosines, squares, j, by_chord, p, cell_map, cells, row_scale, column_scale, out
):  # fmt: skip
    """Fill `unroll_width` entries of `out`, from the j-th on, with a piece of a table.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
        The cosines, and s².
    j : int
    by_chord : bool
        Whether cells are counted in s, and not in the cosine.
    p : int
        Which piece.
    cell_map : tuple of 3 floats
        Its row of `cell_map` in `fastgram.kernels.contract.Table`: scale, shift and slope.
    cells : (pieces, 2 + coefficients, cells) C-contiguous array
        As there.
    row_scale : float
    column_scale, out : contiguous arrays
        `out` of either dtype, and possibly `cosines` itself.
    """
    integer, flag = types.intp, types.boolean
    signature = types.void(
        cosines, squares, integer, flag, integer, cell_map, cells, row_scale, column_scale, out
    )
    dtype = np.dtype(cosines.dtype.name)
    assert all(array.layout == "C" for array in (cosines, squares, cells, column_scale, out))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, lookup = lanes_of(context, builder, dtype)
        rows = length_of(context, builder, cells, _LookUp(*arguments).cells, 1)
        operands = operands_of(_LookUp, context, builder, signature, arguments)
        _generate(lanes, lookup, operands, rows, np.dtype(out.dtype.name))
        return context.get_dummy_value()

    return signature, generate


class _Vector(NamedTuple):
    """A vector of entries: s, its cells, the argument t, and the leading coefficients."""

    s: Any
    cell: Any
    t: Any
    leading: Any


def _generate(
    lanes: Lanes, lookup: Any, operands: _LookUp, rows: Any, out_dtype: np.dtype[np.floating]
) -> None:
    b = lanes.builder
    start_of = b.mul(operands.p, rows)

    def row(number: Any) -> Any:  # of the piece's cells
        per_row = ir.Constant(INT64, CELLS[lanes.dtype])
        return b.gep(operands.cells, [b.mul(b.add(start_of, number), per_row)])

    offsets, bases, leading = (row(ir.Constant(INT64, r)) for r in range(3))
    starts = [
        b.add(operands.j, ir.Constant(INT64, v * lanes.count))
        for v in range(UNROLL_WIDTH[lanes.dtype] // lanes.count)
    ]
    entries = _find_cells(lanes, lookup, operands, starts, offsets, leading)
    values = _horner(lanes, entries, rows, row)
    row_scale = lanes.splat(operands.row_scale)
    for start, entry, value in zip(starts, entries, values, strict=True):
        result = lanes.math("fma", b.fneg(entry.s), value, entry.cell.take(bases))
        scale = b.fmul(row_scale, lanes.load(b.gep(operands.column_scale, [start])))
        result = b.fmul(result, scale)
        if out_dtype.itemsize > lanes.dtype.itemsize:
            result = b.fpext(result, ir.VectorType(ir.DoubleType(), lanes.count))
        elif out_dtype.itemsize < lanes.dtype.itemsize:
            result = b.fptrunc(result, ir.VectorType(ir.FloatType(), lanes.count))
        lanes.store(result, b.gep(operands.out, [start]))


def _find_cells(
    lanes: Lanes, lookup: Any, operands: _LookUp, starts: list[Any], offsets: Any, leading: Any
) -> list[_Vector]:
    """Generate what finds each entry's cell, its argument there and its first coefficient."""
    b, top = lanes.builder, CELLS[lanes.dtype] - 1
    scale, shift, slope = (lanes.splat(b.extract_value(operands.cell_map, k)) for k in range(3))
    found = []
    for start in starts:
        s = lanes.math("sqrt", lanes.load(b.gep(operands.squares, [start])))
        v = b.select(operands.by_chord, s, lanes.load(b.gep(operands.cosines, [start])))
        number = lanes.clip(lanes.math("fma", v, scale, shift), float(top))
        rounded = b.fadd(number, lanes.constant(ROUND_TO_INT[lanes.dtype]))
        # the clip has seen to it already, but for the bits of the constant
        within = b.and_(b.bitcast(rounded, lanes.integers), lanes.constant(top, lanes.integers))
        cell = lookup(lanes, within)
        t = lanes.math("fma", s, slope, cell.take(offsets))
        found.append(_Vector(s, cell, t, cell.take(leading)))
    return found


def _horner(lanes: Lanes, entries: list[_Vector], rows: Any, row: Callable[..., Any]) -> list[Any]:
    """Generate the loop over the rows of coefficients from the second one on."""
    b = lanes.builder
    start, loop, done = b.block, b.append_basic_block("horner"), b.append_basic_block("done")
    one, first = ir.Constant(INT64, 1), ir.Constant(INT64, 3)
    b.cbranch(b.icmp_signed("<", first, rows), loop, done)
    b.position_at_end(loop)
    number = b.phi(INT64)
    current = [b.phi(lanes.vector) for _ in entries]
    coefficient = row(number)
    following = [
        lanes.math("fma", value, entry.t, entry.cell.take(coefficient))
        for value, entry in zip(current, entries, strict=True)
    ]
    after = b.add(number, one)
    number.add_incoming(first, start)
    number.add_incoming(after, b.block)
    for value, entry, new in zip(current, entries, following, strict=True):
        value.add_incoming(entry.leading, start)
        value.add_incoming(new, b.block)
    b.cbranch(b.icmp_signed("<", after, rows), loop, done)

    b.position_at_end(done)
    results = [b.phi(lanes.vector) for _ in entries]
    for value, entry, new in zip(results, entries, following, strict=True):
        value.add_incoming(entry.leading, start)
        value.add_incoming(new, loop)
    return results
