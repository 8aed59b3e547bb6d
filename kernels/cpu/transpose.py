"""Transposes: of a tile into a matrix, and of the upper triangle of a tile into its lower one.

NumPy writes a transpose column by column and took 2.5 times as long as to write the tile itself;
in squares of one vector a side, turned within registers, both take the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import INT32, INT64, Lanes, operands_of

__all__ = ["mirror", "transpose"]

_BLOCK = 16  # rows and columns: two such blocks fit the first-level cache


def _side(array: Any) -> int:
    return int(64 // np.dtype(array.dtype.name).itemsize)


@intrinsic
def _square_side(typing, array):
    side = _side(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, side)

    return types.intp(array), generate


class _Operands(NamedTuple):
    """Of `_turn`, in its order."""

    tile: Any
    start: Any
    row: Any
    out: Any
    out_start: Any
    out_row: Any


@intrinsic
def _turn(typing, tile, start, row, out, out_start, out_row):
    """Write the transpose of a square of a contiguous array; starts and rows in entries."""
    signature = types.void(tile, types.intp, types.intp, out, types.intp, types.intp)
    assert tile.layout == out.layout == "C"
    assert tile.dtype == out.dtype
    dtype, side = np.dtype(tile.dtype.name), _side(tile)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, dtype, side)
        operands = operands_of(_Operands, context, builder, signature, arguments)

        def at(pointer: Any, start: Any, step: Any, r: int) -> Any:
            return builder.gep(
                pointer, [builder.add(start, builder.mul(step, ir.Constant(INT64, r)))]
            )

        rows = [lanes.load(at(operands.tile, operands.start, operands.row, r)) for r in range(side)]
        step = 1
        while step < side:  # swap the off-diagonal squares of 1, 2, 4, … a side
            low = [k + side - step if k & step else k for k in range(side)]
            high = [k + side if k & step else k + step for k in range(side)]
            for r in (r for r in range(side) if not r & step):
                pair = rows[r], rows[r + step]
                for k, order in ((r, low), (r + step, high)):
                    chosen = ir.Constant(ir.VectorType(INT32, side), order)
                    rows[k] = builder.shuffle_vector(*pair, chosen)
            step *= 2
        for r in range(side):
            lanes.store(rows[r], at(operands.out, operands.out_start, operands.out_row, r))
        return context.get_dummy_value()

    return signature, generate


@jit(set())
def transpose(tile, out, i, j):
    """Set out[j:j + width, i:i + height] to the transpose of a tile (height, width)."""
    height, width = tile.shape
    order, side = out.shape[1], _square_side(tile)
    right, bottom = width - width % side, height - height % side
    for c in range(0, right, side):
        for r in range(0, bottom, side):
            _turn(tile, r * width + c, width, out, (j + c) * order + i + r, order)
    for r in range(height):
        for c in range(right if r < bottom else 0, width):
            out[j + c, i + r] = tile[r, c]


@jit(set())
def mirror(tile):
    """Set tile[j, i] to tile[i, j] for all i < j."""
    n = tile.shape[0]
    for left in range(0, n, _BLOCK):
        for top in range(left, n, _BLOCK):
            for j in range(top, min(top + _BLOCK, n)):
                for i in range(left, min(left + _BLOCK, j)):
                    tile[j, i] = tile[i, j]
