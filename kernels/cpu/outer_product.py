"""The inmost loop of all matrix products: a few rows times a few vectors, sums in registers.

For each of `count` steps a row of the second factor is loaded, a number of each of a few rows of
the first one is put into all lanes, and their products are added to sums that stay in registers
until the end. Both factors may lie in any way; a transpose costs nothing.

OpenBLAS was measured at 37 Gflop/s and core in products of a tile with 16 vectors, and at 53 in
those of two blocks of rows (it does not know the processor's 512 bits), where this loop runs at 90
to 105. It is used where registers have 512 bits; elsewhere BLAS is as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.cpu.llvm_vectors import INT64, Lanes

__all__ = ["ROWS", "VECTORS", "outer_8_1", "outer_8_2", "outer_one_1", "outer_one_2"]

# Rows, and vectors of a row of the second factor: 16 sums, which registers of 512 bits hold with
# room for the factors, and as many as hide how long one sum takes.
ROWS, VECTORS = 8, 2


def _make(rows: int, vectors: int) -> Any:
    @intrinsic
    def outer(typing, a, a_start, a_row, a_step, b, b_start, b_step, out, start, row, count, add):
        """Set out[r, :] to Σ_k a[r, k]·b[k, :], or add it, for a few rows and vectors.

        All arrays are C-contiguous and of one dtype. Element (r, k) of the first factor is at
        a_start + r·a_row + k·a_step, row k of the second one at b_start + k·b_step, and row r of
        the result at start + r·row, all counted in entries.
        """
        assert a.layout == b.layout == out.layout == "C"
        assert a.dtype == b.dtype == out.dtype
        place = types.intp
        signature = types.void(
            a, place, place, place, b, place, place, out, place, place, place, types.boolean
        )
        dtype = np.dtype(a.dtype.name)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = Lanes(builder, dtype, 64 // dtype.itemsize)
            pointers = [
                context.make_array(signature.args[k])(context, builder, arguments[k]).data
                for k in (0, 4, 7)
            ]
            _generate(lanes, rows, vectors, pointers, arguments)
            return context.get_dummy_value()

        return signature, generate

    return outer


def _generate(lanes: Lanes, rows: int, vectors: int, pointers: Any, arguments: Any) -> None:
    b = lanes.builder
    first, second, result = pointers
    _, a_start, a_row, a_step, _, b_start, b_step, _, start, row, count, add = arguments

    def at(pointer: Any, *places: Any) -> Any:
        for place in places:
            pointer = b.gep(pointer, [place])
        return pointer

    def number(value: int) -> Any:
        return ir.Constant(INT64, value)

    heads = [at(first, a_start, b.mul(number(r), a_row)) for r in range(rows)]
    tops = [at(result, start, b.mul(number(r), row)) for r in range(rows)]
    offsets = [number(v * lanes.count) for v in range(vectors)]
    before, loop = b.block, b.append_basic_block("steps")
    done, old, end = (b.append_basic_block(name) for name in ("done", "old", "end"))
    b.branch(loop)

    b.position_at_end(loop)
    k = b.phi(INT64)
    sums = [[b.phi(lanes.vector) for _ in range(vectors)] for _ in range(rows)]
    head = at(second, b_start, b.mul(k, b_step))
    others = [lanes.load(at(head, offset)) for offset in offsets]
    shift = b.mul(k, a_step)
    following = []
    for r in range(rows):
        value = lanes.spread(b.load(at(heads[r], shift)))
        following.append(
            [lanes.math("fma", value, o, s) for o, s in zip(others, sums[r], strict=True)]
        )
    after = b.add(k, number(1))
    k.add_incoming(number(0), before)
    k.add_incoming(after, loop)
    for mine, new in zip(sums, following, strict=True):
        for value, later in zip(mine, new, strict=True):
            value.add_incoming(lanes.constant(0.0), before)
            value.add_incoming(later, loop)
    b.cbranch(b.icmp_signed("<", after, count), loop, done)

    b.position_at_end(done)
    b.cbranch(add, old, end)
    b.position_at_end(old)
    totals = [
        [b.fadd(lanes.load(at(top, o)), value) for o, value in zip(offsets, new, strict=True)]
        for top, new in zip(tops, following, strict=True)
    ]
    b.branch(end)
    b.position_at_end(end)
    finals = []
    for new, total in zip(following, totals, strict=True):
        for plain, added in zip(new, total, strict=True):
            value = b.phi(lanes.vector)
            value.add_incoming(plain, done)
            value.add_incoming(added, old)
            finals.append(value)
    for r in range(rows):
        for v in range(vectors):
            lanes.store(finals[r * vectors + v], at(tops[r], offsets[v]))


outer_8_2 = _make(ROWS, VECTORS)
outer_8_1 = _make(ROWS, 1)
outer_one_2 = _make(1, VECTORS)
outer_one_1 = _make(1, 1)
