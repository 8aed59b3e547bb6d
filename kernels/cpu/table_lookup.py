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

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.contract import CELLS, FROM_MINUS_ONE, FROM_NEARER
from fastgram.kernels.cpu.llvm_vectors import INT32, INT64, Lanes, features

__all__ = ["all_bits", "chords", "lanes_of", "look_up", "lowest", "members", "merge", "together"]

_VECTORS = 4  # at a time: fewer wait for each other, more were no faster
_TOGETHER = {dtype: _VECTORS * cells for dtype, cells in CELLS.items()}  # entries at a time

# A float with its last digits worth 1: adding it rounds to whole numbers, which its bits then show.
_WHOLE = {np.dtype(np.float64): 1.5 * 2.0**52, np.dtype(np.float32): 1.5 * 2.0**23}


class _Permutation:
    """A place in a table of as many cells as a register has lanes: AVX-512."""

    def __init__(self, lanes: Lanes, cell: Any) -> None:
        self.lanes, self.cell = lanes, cell

    def take(self, table: Any) -> Any:
        name = f"llvm.x86.avx512.permvar.{'df' if self.lanes.bits == 64 else 'sf'}.512"
        return self.lanes.call(name, self.lanes.load(table), self.cell)


class _TwoPermutations:
    """The same where a register holds half of the cells: AVX2, which permutes 32-bit lanes."""

    def __init__(self, lanes: Lanes, cell: Any) -> None:
        b, self.lanes = lanes.builder, lanes
        half = lanes.count
        self.upper = b.icmp_unsigned(">=", cell, lanes.constant(half, lanes.whole))
        within = b.and_(cell, lanes.constant(half - 1, lanes.whole))
        if lanes.bits == 64:  # two neighbours of 32 bits each
            twice = b.shl(within, lanes.constant(1, lanes.whole))
            high = b.or_(
                b.shl(twice, lanes.constant(32, lanes.whole)),
                lanes.constant(1 << 32, lanes.whole),
            )
            within = b.or_(twice, high)
        self.within = b.bitcast(within, ir.VectorType(INT32, 8))

    def take(self, table: Any) -> Any:
        b, lanes = self.lanes.builder, self.lanes
        eight = ir.VectorType(ir.FloatType(), 8)
        found = []
        for half in (0, 1):
            start = b.gep(table, [ir.Constant(INT64, half * lanes.count)])
            part = lanes.load(start, eight)
            part = lanes.call("llvm.x86.avx2.permps", part, self.within)
            found.append(b.bitcast(part, lanes.vector))
        return b.select(self.upper, found[1], found[0])


class _Loads:
    """The same on any machine: a load a lane."""

    def __init__(self, lanes: Lanes, cell: Any) -> None:
        b, self.lanes = lanes.builder, lanes
        self.cells = [
            b.extract_element(cell, ir.Constant(INT32, lane)) for lane in range(lanes.count)
        ]

    def take(self, table: Any) -> Any:
        b, result = self.lanes.builder, ir.Constant(self.lanes.vector, ir.Undefined)
        for lane, cell in enumerate(self.cells):
            value = b.load(b.gep(table, [cell]))
            result = b.insert_element(result, value, ir.Constant(INT32, lane))
        return result


def lanes_of(context: Any, builder: Any, dtype: np.dtype[np.floating]) -> tuple[Lanes, Any]:
    """Return the vectors, and the way to look up, for the machine that is compiled for."""
    found = features(context)
    if "avx512f" in found:
        return Lanes(builder, dtype, CELLS[dtype]), _Permutation
    if {"avx2", "fma"} <= found:
        return Lanes(builder, dtype, CELLS[dtype] // 2), _TwoPermutations
    return Lanes(builder, dtype, 16 // dtype.itemsize), _Loads


@intrinsic
def together(typing, array):
    """Return how many entries of an array `look_up` takes: known when a loop is compiled."""
    count = _TOGETHER[np.dtype(array.dtype.name)]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, count)

    return types.intp(array), generate


@intrinsic
def chords(typing, cosines, squares, j, close):
    """Set s² of `together` entries from the j-th on; return bits for those that are below `close`.

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
        data = [
            context.make_array(signature.args[k])(context, builder, arguments[k]).data
            for k in (0, 1)
        ]
        limit = lanes.spread(arguments[3])
        bits = ir.Constant(INT64, 0)
        for v in range(_TOGETHER[dtype] // lanes.count):
            place = builder.add(arguments[2], ir.Constant(INT64, v * lanes.count))
            rho = lanes.load(builder.gep(data[0], [place]))
            half = lanes.constant(0.5)
            square = lanes.math("fma", lanes.math("fabs", rho), lanes.constant(-0.5), half)
            lanes.store(square, builder.gep(data[1], [place]))
            below = builder.fcmp_ordered("<", square, limit)
            mask = builder.zext(builder.bitcast(below, ir.IntType(lanes.count)), INT64)
            bits = builder.or_(bits, builder.shl(mask, ir.Constant(INT64, v * lanes.count)))
        return bits

    return signature, generate


@intrinsic
def members(typing, cosines, squares, j, mode, low, high):
    """Return bits for those of `together` entries from the j-th on that are on a piece.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
    j : int
    mode : int
        FROM_NEARER, FROM_ONE or FROM_MINUS_ONE.
    low, high : float
        The range of s².

    Returns
    -------
    uint64
    """
    signature = types.uint64(cosines, squares, types.intp, mode, low, high)
    dtype = np.dtype(cosines.dtype.name)
    assert cosines.layout == squares.layout == "C"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, (lanes, _) = builder, lanes_of(context, builder, dtype)
        data = [
            context.make_array(signature.args[k])(context, b, arguments[k]).data for k in (0, 1)
        ]
        _, _, j, mode, low, high = arguments
        low, high = lanes.spread(low), lanes.spread(high)
        both, far = (
            lanes.spread(b.icmp_signed("==", mode, ir.Constant(mode.type, value)))
            for value in (FROM_NEARER, FROM_MINUS_ONE)
        )
        bits = ir.Constant(INT64, 0)
        for v in range(_TOGETHER[dtype] // lanes.count):
            place = b.add(j, ir.Constant(INT64, v * lanes.count))
            rho, square = (lanes.load(b.gep(pointer, [place])) for pointer in data)
            below = b.fcmp_ordered("<", rho, lanes.constant(0.0))
            side = b.or_(both, b.icmp_unsigned("==", below, far))
            within = b.and_(b.fcmp_ordered(">=", square, low), b.fcmp_ordered("<", square, high))
            mask = b.bitcast(b.and_(side, within), ir.IntType(lanes.count))
            shift = ir.Constant(INT64, v * lanes.count)
            bits = b.or_(bits, b.shl(b.zext(mask, INT64), shift))
        return bits

    return signature, generate


@intrinsic
def merge(typing, cosines, bits, part, out, j):
    """Set those of `together` entries of `out` from the j-th on whose bit is set to `part`'s.

    `cosines` is an array of the dtype of the table, `part` and `out` of that of the result.
    """
    signature = types.void(cosines, types.uint64, part, out, types.intp)
    dtype, kind = np.dtype(cosines.dtype.name), np.dtype(out.dtype.name)
    assert part.layout == out.layout == "C"
    assert part.dtype == out.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, (lanes, _) = builder, lanes_of(context, builder, dtype)
        others = Lanes(b, kind, lanes.count)
        data = [
            context.make_array(signature.args[k])(context, b, arguments[k]).data for k in (2, 3)
        ]
        for v in range(_TOGETHER[dtype] // lanes.count):
            shift = ir.Constant(INT64, v * lanes.count)
            mask = b.trunc(b.lshr(arguments[1], shift), ir.IntType(lanes.count))
            mask = b.bitcast(mask, ir.VectorType(ir.IntType(1), lanes.count))
            new, old = (b.gep(pointer, [b.add(arguments[4], shift)]) for pointer in data)
            others.store(b.select(mask, others.load(new), others.load(old)), old)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def all_bits(typing, array):
    """Return a uint64 with a bit for each entry that is looked up together."""
    bits = (1 << _TOGETHER[np.dtype(array.dtype.name)]) - 1

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(INT64, bits)

    return types.uint64(array), generate


@intrinsic
def lowest(typing, bits):
    """Return the place of the lowest bit that is set, of a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.uint64), generate


@intrinsic
def look_up(typing, cosines, squares, j, by_chord, p, count, cells, row_scale, column_scale, out):
    """Fill `together` entries of `out`, from the j-th on, with a piece of a table.

    Parameters
    ----------
    cosines, squares : contiguous arrays of one dtype
        The cosines, and s².
    j : int
    by_chord : bool
        Whether cells are counted in s, and not in the cosine.
    p : int
        Which piece.
    count : tuple of 3 floats
        Its row of `counts` in `fastgram.kernels.contract.Table`.
    cells : (pieces, 2 + coefficients, cells) C-contiguous array
        As there.
    row_scale : float
    column_scale, out : contiguous arrays
        `out` of either dtype, and possibly `cosines` itself.
    """
    places, flag = types.intp, types.boolean
    signature = types.void(
        cosines, squares, places, flag, places, count, cells, row_scale, column_scale, out
    )
    dtype = np.dtype(cosines.dtype.name)
    arrays = {0: cosines, 1: squares, 6: cells, 8: column_scale, 9: out}
    assert all(array.layout == "C" for array in arrays.values())

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, place = lanes_of(context, builder, dtype)
        data = {
            k: context.make_array(signature.args[k])(context, builder, arguments[k]) for k in arrays
        }
        coefficients = context.make_array(signature.args[6])(context, builder, arguments[6])
        rows = builder.extract_value(coefficients.shape, 1)
        _generate(
            lanes, place, {k: array.data for k, array in data.items()}, rows, arguments,
            np.dtype(out.dtype.name),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature, generate


def _generate(lanes, place, data, rows, arguments, out_dtype):
    b = lanes.builder
    _, _, j, by_chord, p, count, _, row_scale, _, _ = arguments
    step, shift, slope = (lanes.spread(b.extract_value(count, k)) for k in range(3))
    row_scale = lanes.spread(row_scale)
    vectors = _TOGETHER[lanes.dtype] // lanes.count
    start_of = b.mul(p, rows)
    top = float(CELLS[lanes.dtype] - 1)

    def entries(k: int, v: int) -> Any:  # the v-th vector of an array
        return b.gep(data[k], [b.add(j, ir.Constant(INT64, v * lanes.count))])

    def row(number: Any) -> Any:  # of the cells
        return b.gep(
            data[6], [b.mul(b.add(start_of, number), ir.Constant(INT64, CELLS[lanes.dtype]))]
        )

    offsets, bases, leading = (row(ir.Constant(INT64, r)) for r in range(3))
    chords, places, arguments_t, sums = [], [], [], []
    for v in range(vectors):
        s = lanes.math("sqrt", lanes.load(entries(1, v)))
        counted = b.select(by_chord, s, lanes.load(entries(0, v)))
        number = lanes.clip(lanes.math("fma", counted, step, shift), top)
        number = b.bitcast(b.fadd(number, lanes.constant(_WHOLE[lanes.dtype])), lanes.whole)
        # the clip has seen to it already, but for the bits of the constant
        where = place(lanes, b.and_(number, lanes.constant(int(top), lanes.whole)))
        chords.append(s)
        places.append(where)
        arguments_t.append(lanes.math("fma", s, slope, where.take(offsets)))
        sums.append(where.take(leading))

    start, loop, done = b.block, b.append_basic_block("horner"), b.append_basic_block("done")
    one, first = ir.Constant(INT64, 1), ir.Constant(INT64, 3)
    b.cbranch(b.icmp_signed("<", first, rows), loop, done)
    b.position_at_end(loop)
    number = b.phi(INT64)
    current = [b.phi(lanes.vector) for _ in range(vectors)]
    coefficient = row(number)
    following = [
        lanes.math("fma", value, t, where.take(coefficient))
        for value, t, where in zip(current, arguments_t, places, strict=True)
    ]
    after = b.add(number, one)
    number.add_incoming(first, start)
    number.add_incoming(after, b.block)
    for value, before, new in zip(current, sums, following, strict=True):
        value.add_incoming(before, start)
        value.add_incoming(new, b.block)
    b.cbranch(b.icmp_signed("<", after, rows), loop, done)

    b.position_at_end(done)
    results = [b.phi(lanes.vector) for _ in range(vectors)]
    for value, before, new in zip(results, sums, following, strict=True):
        value.add_incoming(before, start)
        value.add_incoming(new, loop)
    for v in range(vectors):
        entry = lanes.math("fma", b.fneg(chords[v]), results[v], places[v].take(bases))
        entry = b.fmul(entry, b.fmul(row_scale, lanes.load(entries(8, v))))
        if out_dtype.itemsize > lanes.dtype.itemsize:
            entry = b.fpext(entry, ir.VectorType(ir.DoubleType(), lanes.count))
        elif out_dtype.itemsize < lanes.dtype.itemsize:
            entry = b.fptrunc(entry, ir.VectorType(ir.FloatType(), lanes.count))
        lanes.store(entry, entries(9, v))
