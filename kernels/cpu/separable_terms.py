"""Sums of polynomials of the row's own, times numbers of the column, for a few vectors of entries.

All terms of a sum are added in registers. The loops run over as many terms and coefficients as
there are, which keeps compilers from working on a vector of entries: the code is given to LLVM as
vectors, as in `fastgram.kernels.cpu.table_lookup`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.cpu.llvm_vectors import INT32, INT64
from fastgram.kernels.cpu.table_lookup import lanes_of

__all__ = ["at_once", "sums_of_terms"]

_VECTORS = 4  # at a time: their sums do not wait for each other


@intrinsic
def at_once(typing, array):
    """Return how many entries `sums_of_terms` takes: known when a loop is compiled."""
    dtype = np.dtype(array.dtype.name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        return context.get_constant(types.intp, _VECTORS * lanes.count)

    return types.intp(array), generate


@intrinsic
def sums_of_terms(
    typing, v, j, below, slope, offset, chains, coefficients, place, bases, base, weights, width,
    first, places, sums,
):  # fmt: skip
    """Set `at_once` sums over the terms, from the j-th on.

    Parameters
    ----------
    v : array
        The cosines, or with `below` the chords.
    chains : int64 array
        Of all terms.
    coefficients, bases : arrays
        Flat; those of the row begin at `place` and at `base`.
    weights : array
        Flat, `width` a term; those of the entries begin at `first`.
    places : int64 array or None
        Where the entries are beyond `first`; None for one after the other.
    sums : array
        Of the dtype of v.
    """
    arrays = {0: v, 5: chains, 6: coefficients, 8: bases, 10: weights, 14: sums}
    if places != types.none:
        arrays[13] = places
    assert all(array.layout == "C" for array in arrays.values())
    integer = types.intp
    signature = types.void(
        v, integer, types.boolean, slope, offset, chains, coefficients, integer, bases, integer,
        weights, integer, integer, places, sums,
    )  # fmt: skip
    dtype = np.dtype(v.dtype.name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, _ = lanes_of(context, builder, dtype)
        data = {
            k: context.make_array(signature.args[k])(context, builder, arguments[k]).data
            for k in arrays
        }
        terms = context.make_array(signature.args[5])(context, builder, arguments[5])
        count = builder.extract_value(terms.shape, 0)
        _generate(lanes, data, count, arguments)
        return context.get_dummy_value()

    return signature, generate


def _generate(lanes, data, count, arguments):
    b, zero, one = lanes.builder, ir.Constant(INT64, 0), ir.Constant(INT64, 1)
    _, j, below, slope, offset, _, _, place, _, base, _, width, first, _, _ = arguments
    slope, offset = lanes.spread(slope), lanes.spread(offset)
    starts = [b.add(j, ir.Constant(INT64, k * lanes.count)) for k in range(_VECTORS)]
    t, squares, factors = [], [], []
    for start in starts:
        value = lanes.load(b.gep(data[0], [start]))
        t.append(lanes.math("fma", value, slope, offset))
        squares.append(b.fmul(t[-1], t[-1]))
        factors.append(b.select(below, b.fneg(value), lanes.constant(1.0)))

    def number(k: int, index: Any) -> Any:  # of an array, in every lane
        return lanes.spread(b.load(b.gep(data[k], [index])))

    def weight(at: Any, start: Any) -> Any:
        if 13 not in data:
            return lanes.load(b.gep(data[10], [b.add(at, start)]))
        result = lanes.constant(0.0)
        for lane in range(lanes.count):
            index = b.load(b.gep(data[13], [b.add(start, ir.Constant(INT64, lane))]))
            one_weight = b.load(b.gep(data[10], [b.add(at, index)]))
            result = b.insert_element(result, one_weight, ir.Constant(INT32, lane))
        return result

    before = b.block
    term, horner, close, done = (
        b.append_basic_block(name) for name in ("term", "horner", "close", "done")
    )
    b.branch(term)

    b.position_at_end(term)
    r, even, at = (b.phi(INT64) for _ in range(3))
    sums = [b.phi(lanes.vector) for _ in starts]
    chain = b.load(b.gep(data[5], [r]))
    odd = b.add(even, chain)
    leading = number(6, even), number(6, odd)
    b.branch(horner)

    b.position_at_end(horner)
    power = b.phi(INT64)
    evens, odds = ([b.phi(lanes.vector) for _ in starts] for _ in range(2))
    coefficients = number(6, b.add(even, power)), number(6, b.add(odd, power))
    after = b.add(power, one)
    power.add_incoming(one, term)
    power.add_incoming(after, horner)
    new: list[list[Any]] = []
    for values, first_one, coefficient in zip((evens, odds), leading, coefficients, strict=True):
        new.append([])
        for value, square in zip(values, squares, strict=True):
            new[-1].append(lanes.math("fma", value, square, coefficient))
            value.add_incoming(first_one, term)
            value.add_incoming(new[-1][-1], horner)
    b.cbranch(b.icmp_signed("<", after, chain), horner, close)

    b.position_at_end(close)
    own = number(8, b.add(base, r))
    totals = []
    for k, start in enumerate(starts):
        polynomial = lanes.math("fma", t[k], new[1][k], new[0][k])
        value = lanes.math("fma", factors[k], polynomial, own)
        totals.append(lanes.math("fma", value, weight(at, start), sums[k]))
        sums[k].add_incoming(lanes.constant(0.0), before)
        sums[k].add_incoming(totals[k], close)
    following = b.add(r, one)
    for phi, begin, then in (
        (r, zero, following),
        (even, place, b.add(odd, chain)),
        (at, first, b.add(at, width)),
    ):
        phi.add_incoming(begin, before)
        phi.add_incoming(then, close)
    b.cbranch(b.icmp_signed("<", following, count), term, done)

    b.position_at_end(done)
    for start, total in zip(starts, totals, strict=True):
        lanes.store(total, b.gep(data[14], [start]))
