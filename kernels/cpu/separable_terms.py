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

_VECTORS = 4  # at a time: their sums do not wait for each other


@intrinsic
def unroll_width(typing, array):
    """Return how many entries `sums_of_terms` takes at a time: known when a loop is compiled."""
    dtype = np.dtype(array.dtype.name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        return context.get_constant(types.intp, _VECTORS * lanes.count)

    return types.intp(array), generate


class _Operands(NamedTuple):
    """Of `sums_of_terms`, in its order."""

    v: Any
    j: Any
    below: Any
    slope: Any
    offset: Any
    lengths: Any
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
    typing, v, j, below, slope, offset, lengths, coefficients, first_coefficient, bases, first_base,
    weights, width, first, columns, sums,
):  # fmt: skip
    """Set the sums over the terms of `unroll_width` entries, from the j-th on.

    Parameters
    ----------
    v : array
        The cosines, or with `below` the chords.
    lengths : int64 array
        `horner_lengths` of all terms.
    coefficients, bases : arrays
        Flat; those of the row begin at `first_coefficient` and at `first_base`.
    weights : array
        Flat, `width` a term; those of the entries begin at `first`.
    columns : int64 array or None
        Where the entries are beyond `first`; None for one after the other.
    sums : array
        Of the dtype of v.
    """
    arrays = [v, lengths, coefficients, bases, weights, sums]
    if columns != types.none:
        arrays.append(columns)
    assert all(array.layout == "C" for array in arrays)
    integer = types.intp
    signature = types.void(
        v, integer, types.boolean, slope, offset, lengths, coefficients, integer, bases, integer,
        weights, integer, integer, columns, sums,
    )  # fmt: skip
    dtype = np.dtype(v.dtype.name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        count = length_of(context, builder, lengths, _Operands(*arguments).lengths)
        _generate(lanes, operands_of(_Operands, context, builder, signature, arguments), count)
        return context.get_dummy_value()

    return signature, generate


def _generate(lanes: Lanes, operands: _Operands, count: Any) -> None:
    b, one = lanes.builder, ir.Constant(INT64, 1)
    entries = _entries(lanes, operands)
    before = b.block
    term, horner, close, done = (
        b.append_basic_block(name) for name in ("term", "horner", "close", "done")
    )
    b.branch(term)

    b.position_at_end(term)
    r, even, at = (b.phi(INT64) for _ in range(3))
    sums = [b.phi(lanes.vector) for _ in entries]
    length = b.load(b.gep(operands.lengths, [r]))
    odd = b.add(even, length)
    polynomials = _horner(lanes, operands, entries, (even, odd, length), term, horner, close)

    b.position_at_end(close)
    base = _number(lanes, operands.bases, b.add(operands.first_base, r))
    totals = []
    for entry, values, before_it in zip(entries, polynomials, sums, strict=True):
        polynomial = lanes.math("fma", entry.t, values[1], values[0])
        value = lanes.math("fma", entry.factor, polynomial, base)
        weight = _weight(lanes, operands, at, entry.start)
        totals.append(lanes.math("fma", value, weight, before_it))
        before_it.add_incoming(lanes.constant(0.0), before)
        before_it.add_incoming(totals[-1], close)
    following = b.add(r, one)
    for phi, begin, then in (
        (r, ir.Constant(INT64, 0), following),
        (even, operands.first_coefficient, b.add(odd, length)),
        (at, operands.first, b.add(at, operands.width)),
    ):
        phi.add_incoming(begin, before)
        phi.add_incoming(then, close)
    b.cbranch(b.icmp_signed("<", following, count), term, done)

    b.position_at_end(done)
    for entry, total in zip(entries, totals, strict=True):
        lanes.store(total, b.gep(operands.sums, [entry.start]))


class _Vector(NamedTuple):
    """A vector of entries: where it starts, t and t², and what the polynomial is taken times."""

    start: Any
    t: Any
    square: Any
    factor: Any


def _entries(lanes: Lanes, operands: _Operands) -> list[_Vector]:
    b = lanes.builder
    slope, offset = lanes.splat(operands.slope), lanes.splat(operands.offset)
    found = []
    for k in range(_VECTORS):
        start = b.add(operands.j, ir.Constant(INT64, k * lanes.count))
        value = lanes.load(b.gep(operands.v, [start]))
        t = lanes.math("fma", value, slope, offset)
        factor = b.select(operands.below, b.fneg(value), lanes.constant(1.0))
        found.append(_Vector(start, t, b.fmul(t, t), factor))
    return found


def _horner(
    lanes: Lanes,
    operands: _Operands,
    entries: list[_Vector],
    where: tuple[Any, Any, Any],
    term: Any,
    horner: Any,
    close: Any,
) -> list[tuple[Any, Any]]:
    """Generate the loop over the coefficients of a term; return (even, odd) for each vector."""
    b, (even, odd, length) = lanes.builder, where
    leading = tuple(_number(lanes, operands.coefficients, start) for start in (even, odd))
    b.branch(horner)
    b.position_at_end(horner)
    power = b.phi(INT64)
    values = [(b.phi(lanes.vector), b.phi(lanes.vector)) for _ in entries]
    coefficients = tuple(
        _number(lanes, operands.coefficients, b.add(start, power)) for start in (even, odd)
    )
    after = b.add(power, ir.Constant(INT64, 1))
    power.add_incoming(ir.Constant(INT64, 1), term)
    power.add_incoming(after, horner)
    new: list[Any] = []
    for entry, both in zip(entries, values, strict=True):
        new.append([])
        for value, first, coefficient in zip(both, leading, coefficients, strict=True):
            new[-1].append(lanes.math("fma", value, entry.square, coefficient))
            value.add_incoming(first, term)
            value.add_incoming(new[-1][-1], horner)
    b.cbranch(b.icmp_signed("<", after, length), horner, close)
    return [tuple(both) for both in new]


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
