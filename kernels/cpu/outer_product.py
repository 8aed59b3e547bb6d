"""The inmost loop of all matrix products: a few rows times a few vectors, sums in registers.

For each of `count` steps a row of the second factor is loaded, a number of each of a few rows of
the first one is put into all lanes, and their products are added to sums that stay in registers
until the end. Both factors may lie in any way; a transpose costs nothing.

OpenBLAS was measured at 37 Gflop/s and core in products of a tile with 16 vectors, and at 53 in
those of two blocks of rows (it does not know the processor's 512 bits), where this loop runs at 90
to 105. It is used where registers have 512 bits; elsewhere BLAS is as fast.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.cpu.llvm_vectors import INT64, Lanes, operands_of

__all__ = ["ROWS", "VECTORS", "outer_8_1", "outer_8_2", "outer_one_1", "outer_one_2"]

# Rows, and vectors of a row of the second factor: 16 sums, which registers of 512 bits hold with
# room for the factors, and as many as hide how long one sum takes.
ROWS, VECTORS = 8, 2


class _Operands(NamedTuple):
    """Of the loop, in its order."""

    a: Any
    a_start: Any
    a_row: Any
    a_step: Any
    b: Any
    b_start: Any
    b_step: Any
    out: Any
    out_start: Any
    out_row: Any
    count: Any
    add: Any


def _make(rows: int, vectors: int) -> Any:
    @intrinsic
    def outer(
        typing, a, a_start, a_row, a_step, b, b_start, b_step, out, out_start, out_row, count, add
    ):
        """Set out[r, :] to Σ_k a[r, k]·b[k, :], or add it, for a few rows and vectors.

        All arrays are C-contiguous and of one dtype. Element (r, k) of the first factor is at
        a_start + r·a_row + k·a_step, row k of the second one at b_start + k·b_step, and row r of
        the result at out_start + r·out_row, all counted in entries.
        """
        assert a.layout == b.layout == out.layout == "C"
        assert a.dtype == b.dtype == out.dtype
        integer = types.intp
        signature = types.void(
            a,
            integer,
            integer,
            integer,
            b,
            integer,
            integer,
            out,
            integer,
            integer,
            integer,
            types.boolean,
        )
        dtype = np.dtype(a.dtype.name)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = Lanes(builder, dtype, 64 // dtype.itemsize)
            operands = operands_of(_Operands, context, builder, signature, arguments)
            _generate(lanes, rows, vectors, operands)
            return context.get_dummy_value()

        return signature, generate

    return outer


def _generate(lanes: Lanes, rows: int, vectors: int, operands: _Operands) -> None:
    b, offsets = lanes.builder, [_number(v * lanes.count) for v in range(vectors)]
    before, loop = b.block, b.append_basic_block("steps")
    done = b.append_basic_block("done")
    heads = [
        _at(b, operands.a, operands.a_start, b.mul(_number(r), operands.a_row)) for r in range(rows)
    ]
    tops = [
        _at(b, operands.out, operands.out_start, b.mul(_number(r), operands.out_row))
        for r in range(rows)
    ]
    b.branch(loop)
    sums = _steps(lanes, operands, heads, offsets, before, loop, done)
    b.position_at_end(done)
    targets = [_at(b, top, offset) for top in tops for offset in offsets]
    _store_or_add(lanes, operands.add, sums, targets)


def _number(value: int) -> Any:
    return ir.Constant(INT64, value)


def _at(b: Any, pointer: Any, *offsets: Any) -> Any:
    for offset in offsets:
        pointer = b.gep(pointer, [offset])
    return pointer


def _steps(
    lanes: Lanes, operands: _Operands, heads: Any, offsets: Any, before: Any, loop: Any, done: Any
) -> list[Any]:
    """Generate the loop over steps; return the sums, the vectors of a row side by side."""
    b = lanes.builder
    b.position_at_end(loop)
    k = b.phi(INT64)
    sums = [[b.phi(lanes.vector) for _ in offsets] for _ in heads]
    head = _at(b, operands.b, operands.b_start, b.mul(k, operands.b_step))
    others = [lanes.load(_at(b, head, offset)) for offset in offsets]
    shift = b.mul(k, operands.a_step)
    following = []
    for top, row in zip(heads, sums, strict=True):
        value = lanes.splat(b.load(_at(b, top, shift)))
        following += [lanes.math("fma", value, o, s) for o, s in zip(others, row, strict=True)]
    after = b.add(k, _number(1))
    k.add_incoming(_number(0), before)
    k.add_incoming(after, loop)
    for value, later in zip(itertools.chain(*sums), following, strict=True):
        value.add_incoming(lanes.constant(0.0), before)
        value.add_incoming(later, loop)
    b.cbranch(b.icmp_signed("<", after, operands.count), loop, done)
    return following


def _store_or_add(lanes: Lanes, add: Any, sums: list[Any], targets: list[Any]) -> None:
    """Generate what writes sums to their targets, or adds them to what is there."""
    b = lanes.builder
    done, old, end = b.block, b.append_basic_block("old"), b.append_basic_block("end")
    b.cbranch(add, old, end)
    b.position_at_end(old)
    totals = [
        b.fadd(lanes.load(target), value) for target, value in zip(targets, sums, strict=True)
    ]
    b.branch(end)
    b.position_at_end(end)
    finals = []
    for plain, total in zip(sums, totals, strict=True):
        value = b.phi(lanes.vector)
        value.add_incoming(plain, done)
        value.add_incoming(total, old)
        finals.append(value)
    for final, target in zip(finals, targets, strict=True):
        lanes.store(final, target)


outer_8_2 = _make(ROWS, VECTORS)
outer_8_1 = _make(ROWS, 1)
outer_one_2 = _make(1, VECTORS)
outer_one_1 = _make(1, 1)
