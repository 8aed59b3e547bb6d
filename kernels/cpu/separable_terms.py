"""Sums of polynomials of the row's own, times numbers of the column, for a few vectors of entries.

All terms of a sum are added in registers. The loops run over as many terms and coefficients as
there are, which keeps compilers from working on a vector of entries: the code is given to LLVM as
vectors, as in `fastgram.kernels.cpu.table_lookup`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.cpu.llvm_vectors import (
    INT32,
    INT64,
    Lanes,
    lanes_of,
    length_of,
    operands_of,
)

__all__ = ["sums_of_terms", "unroll_width"]

# At a time, so that sums do not wait for each other: each vector has two sums, or one where one
# of the polynomials is a single coefficient.
_VECTORS, _VECTORS_OF_ONE = 4, 8


@intrinsic
def unroll_width(typing, array, longer):
    """Return how many entries `sums_of_terms` takes at a time: known when a loop is compiled."""
    dtype, vectors = np.dtype(array.dtype.name), _vectors(longer)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        return context.get_constant(types.intp, vectors * lanes.count)

    return types.intp(array, longer), generate


def _vectors(longer: Any) -> int:
    return _VECTORS if longer == types.none else _VECTORS_OF_ONE


class _Operands(NamedTuple):
    """Of `sums_of_terms`, in its order."""

    v: Any
    j: Any
    slope: Any
    offset: Any
    lengths: Any
    longer: Any
    coefficients: Any
    first_coefficient: Any
    bases: Any
    first_base: Any
    weights: Any
    width: Any
    first: Any
    columns: Any
    sums: Any


@intrinsic
def sums_of_terms(
    typing, v, j, slope, offset, lengths, longer, coefficients, first_coefficient, bases,
    first_base, weights, width, first, columns, sums,
):  # fmt: skip
    """Set the sums over the terms of `unroll_width` entries, from the j-th on.

    Parameters
    ----------
    v : array
        The cosines, or with `bases` the chords.
    lengths : (rank, 2) int64 array
        `horner_lengths` of all terms.
    longer : int or None
        Where one of the two polynomials of every term is a single coefficient: 0 if that is the odd
        one, 1 if it is the even one. None where both have as many.
    coefficients : array
        Flat; those of the row begin at `first_coefficient`.
    bases : array or None
        Likewise, from `first_base` on; None for a piece IN_COSINE.
    weights : array
        Flat, `width` a term; those of the entries begin at `first`.
    columns : int64 array or None
        Where the entries are beyond `first`; None for one after the other.
    sums : array
        Of the dtype of v.
    """
    arrays = [v, lengths, coefficients, bases, weights, columns, sums]
    assert all(array == types.none or array.layout == "C" for array in arrays)
    integer = types.intp
    signature = types.void(
        v, integer, slope, offset, lengths, longer, coefficients, integer, bases,
        integer, weights, integer, integer, columns, sums,
    )  # fmt: skip
    dtype, vectors = np.dtype(v.dtype.name), _vectors(longer)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        count = length_of(context, builder, lengths, _Operands(*arguments).lengths)
        operands = operands_of(_Operands, context, builder, signature, arguments)
        _generate(lanes, operands, count, vectors)
        return context.get_dummy_value()

    return signature, generate


def _generate(lanes: Lanes, operands: _Operands, count: Any, vectors: int) -> None:
    b, one = lanes.builder, ir.Constant(INT64, 1)
    entries = _entries(lanes, operands, vectors)
    before = b.block
    term, horner, close, done = (
        b.append_basic_block(name) for name in ("term", "horner", "close", "done")
    )
    b.branch(term)

    b.position_at_end(term)
    r, even, at = (b.phi(INT64) for _ in range(3))
    parts = 1 if operands.longer is None else 2
    sums = [[b.phi(lanes.vector) for _ in range(parts)] for _ in entries]
    where, single = _coefficients(lanes, operands, r, even)
    polynomials = _horner(lanes, operands, entries, where, term, horner, close)

    b.position_at_end(close)
    base = None
    if operands.bases is not None:
        base = _number(lanes, operands.bases, b.add(operands.first_base, r))
    totals: list[list[Any]] = []
    for entry, values, before_it in zip(entries, polynomials, sums, strict=True):
        value = values[0] if len(values) == 1 else lanes.math("fma", entry.t, values[1], values[0])
        if base is not None:
            value = lanes.math("fma", b.fneg(entry.v), value, base)
        weight = _weight(lanes, operands, at, entry.start)
        totals.append([])
        # single coefficients are summed by themselves
        for phi, part in zip(before_it, (value, single), strict=False):
            totals[-1].append(lanes.math("fma", part, weight, phi))
            phi.add_incoming(lanes.constant(0.0), before)
            phi.add_incoming(totals[-1][-1], close)
    following = b.add(r, one)
    for index, begin, then in (
        (r, ir.Constant(INT64, 0), following),
        (even, operands.first_coefficient, where.end),
        (at, operands.first, b.add(at, operands.width)),
    ):
        index.add_incoming(begin, before)
        index.add_incoming(then, close)
    b.cbranch(b.icmp_signed("<", following, count), term, done)

    b.position_at_end(done)
    for entry, total in zip(entries, totals, strict=True):
        result = total[0]
        if single is not None:  # even(t²) + single·t, or odd(t²)·t + single
            rest = b.fmul(total[1], entry.of_single)
            result = lanes.math("fma", result, entry.of_longer, rest)
        lanes.store(result, b.gep(operands.sums, [entry.start]))


class _Vector(NamedTuple):
    """A vector of entries: where it starts, its v, t and t².

    Where one of its polynomials is a single coefficient, `of_longer` and `of_single` are what the
    other one and this are taken times: 1 and t.
    """

    start: Any
    v: Any
    t: Any
    square: Any
    of_longer: Any
    of_single: Any


def _entries(lanes: Lanes, operands: _Operands, vectors: int) -> list[_Vector]:
    b = lanes.builder
    slope, offset = lanes.splat(operands.slope), lanes.splat(operands.offset)
    found = []
    for k in range(vectors):
        start = b.add(operands.j, ir.Constant(INT64, k * lanes.count))
        value = lanes.load(b.gep(operands.v, [start]))
        t, one = lanes.math("fma", value, slope, offset), lanes.constant(1.0)
        of_longer = of_single = None
        if operands.longer is not None:
            odd = b.icmp_signed("!=", operands.longer, ir.Constant(INT64, 0))
            of_longer, of_single = b.select(odd, t, one), b.select(odd, one, t)
        found.append(_Vector(start, value, t, b.fmul(t, t), of_longer, of_single))
    return found


class _Where(NamedTuple):
    """Where the coefficients of the polynomials of a term start, their number, and the end."""

    starts: tuple[Any, ...]
    length: Any
    end: Any


def _coefficients(lanes: Lanes, operands: _Operands, r: Any, even: Any) -> tuple[_Where, Any]:
    """Return where the polynomials of term r are, and the single coefficient beside one alone."""
    b, one = lanes.builder, ir.Constant(INT64, 1)
    twice = b.shl(r, one)
    if operands.longer is None:
        length = b.load(b.gep(operands.lengths, [twice]))
        odd = b.add(even, length)
        return _Where((even, odd), length, b.add(odd, length)), None
    length = b.load(b.gep(operands.lengths, [b.add(twice, operands.longer)]))
    start = b.add(even, operands.longer)  # behind a single even coefficient
    is_odd = b.icmp_signed("!=", operands.longer, ir.Constant(INT64, 0))
    single = _number(lanes, operands.coefficients, b.select(is_odd, even, b.add(even, length)))
    return _Where((start,), length, b.add(b.add(even, length), one)), single


def _horner(
    lanes: Lanes,
    operands: _Operands,
    entries: list[_Vector],
    where: _Where,
    term: Any,
    horner: Any,
    close: Any,
) -> list[tuple[Any, ...]]:
    """Generate the loop over the coefficients of a term; return its sums for each vector."""
    b = lanes.builder
    leading = tuple(_number(lanes, operands.coefficients, start) for start in where.starts)
    b.branch(horner)
    b.position_at_end(horner)
    power = b.phi(INT64)
    values = [tuple(b.phi(lanes.vector) for _ in where.starts) for _ in entries]
    coefficients = tuple(
        _number(lanes, operands.coefficients, b.add(start, power)) for start in where.starts
    )
    after = b.add(power, ir.Constant(INT64, 1))
    power.add_incoming(ir.Constant(INT64, 1), term)
    power.add_incoming(after, horner)
    new: list[Any] = []
    for entry, of_it in zip(entries, values, strict=True):
        new.append([])
        for value, first, coefficient in zip(of_it, leading, coefficients, strict=True):
            new[-1].append(lanes.math("fma", value, entry.square, coefficient))
            value.add_incoming(first, term)
            value.add_incoming(new[-1][-1], horner)
    b.cbranch(b.icmp_signed("<", after, where.length), horner, close)
    return [tuple(of_it) for of_it in new]


def _number(lanes: Lanes, array: Any, index: Any) -> Any:
    """Return a number of an array in every lane."""
    return lanes.splat(lanes.builder.load(lanes.builder.gep(array, [index])))


def _weight(lanes: Lanes, operands: _Operands, at: Any, start: Any) -> Any:
    """Return the weights of a vector of entries, gathered where these are here and there."""
    b = lanes.builder
    if operands.columns is None:
        return lanes.load(b.gep(operands.weights, [b.add(at, start)]))
    result = lanes.constant(0.0)
    for lane in range(lanes.count):
        index = b.load(b.gep(operands.columns, [b.add(start, ir.Constant(INT64, lane))]))
        weight = b.load(b.gep(operands.weights, [b.add(at, index)]))
        result = b.insert_element(result, weight, ir.Constant(INT32, lane))
    return result
