"""Vectors of numbers as LLVM instructions, for loops that compilers do not find by themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from fastgram.kernels.contract import CELLS

__all__ = [
    "INT32",
    "INT64",
    "Lanes",
    "borrowed_slice",
    "features",
    "has_avx512",
    "instructions",
    "lanes_of",
    "length_of",
    "operands_of",
]

INT32, INT64 = ir.IntType(32), ir.IntType(64)
Named = TypeVar("Named")


def features(context: Any) -> frozenset[str]:
    """Return the names of what the processor can do for which Numba compiles."""
    _, _, found = context.codegen().magic_tuple()
    return frozenset(name[1:] for name in found.split(",") if name.startswith("+"))


@functools.cache
def has_avx512() -> bool:
    """Whether the processor has registers of 512 bits, and Numba compiles for them."""
    return "avx512f" in features(cpu_target.target_context)


def instructions() -> str:
    """Return in words which vectors tiles are computed with, and what multiplies them."""
    if has_avx512():
        return "AVX-512, products of tiles in loops of our own"
    found = features(cpu_target.target_context)
    return f"{'AVX2' if {'avx2', 'fma'} <= found else 'any'}, products of tiles by BLAS"


def operands_of(
    names: Callable[..., Named], context: Any, builder: Any, signature: Any, arguments: Any
) -> Named:
    """Return the operands of an intrinsic by name: of an array, the pointer to its numbers.

    `names` is a named tuple of as many members as the intrinsic has arguments; an argument that is
    Python's None is None.
    """

    def operand(kind: Any, value: Any) -> Any:
        if isinstance(kind, types.Array):
            return context.make_array(kind)(context, builder, value).data
        return None if kind == types.none else value

    return names(*(operand(*pair) for pair in zip(signature.args, arguments, strict=True)))


def length_of(context: Any, builder: Any, kind: Any, array: Any, axis: int = 0) -> Any:
    """Return the length of an axis of an array."""
    return builder.extract_value(context.make_array(kind)(context, builder, array).shape, axis)


@dataclass
class Lanes:
    """Vectors of one float type, as LLVM instructions."""

    builder: Any
    dtype: np.dtype[np.floating]
    count: int  # of lanes

    def __post_init__(self) -> None:
        self.bits = 8 * self.dtype.itemsize
        self.scalar = ir.DoubleType() if self.bits == 64 else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, self.count)
        self.integers = ir.VectorType(ir.IntType(self.bits), self.count)

    def constant(self, value: float, kind: Any = None) -> Any:
        """Return a number in every lane."""
        return ir.Constant(kind or self.vector, [value] * self.count)

    def splat(self, value: Any) -> Any:
        """Return a scalar in every lane."""
        nothing = ir.Constant(ir.VectorType(value.type, self.count), ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.Constant(INT32, 0))
        zeros = ir.Constant(ir.VectorType(INT32, self.count), [0] * self.count)
        return self.builder.shuffle_vector(first, nothing, zeros)

    def load(self, pointer: Any, vector: Any = None) -> Any:
        """Return the vector that lies at a pointer."""
        typed = self.builder.bitcast(pointer, (vector or self.vector).as_pointer())
        return self.builder.load(typed, align=self.bits // 8)

    def store(self, value: Any, pointer: Any) -> None:
        """Store a vector of either float type."""
        typed = self.builder.bitcast(pointer, value.type.as_pointer())
        double = value.type.element == ir.DoubleType()
        self.builder.store(value, typed, align=8 if double else 4)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call an LLVM intrinsic that returns what its first argument is."""
        functions = self.builder.module.globals
        if name not in functions:
            kind = ir.FunctionType(arguments[0].type, [a.type for a in arguments])
            ir.Function(self.builder.module, kind, name)
        return self.builder.call(functions[name], arguments)

    def math(self, name: str, *arguments: Any) -> Any:
        """Call an LLVM function of vectors: "fma", "sqrt"."""
        return self.call(f"llvm.{name}.v{self.count}f{self.bits}", *arguments)

    def clip(self, value: Any, top: float) -> Any:
        """Return the value within [0, top]; 0 for a nan."""
        b, zero, most = self.builder, self.constant(0.0), self.constant(top)
        value = b.select(b.fcmp_ordered(">", value, zero), value, zero)
        return b.select(b.fcmp_ordered("<", value, most), value, most)


class _Permutation:
    """The cells of lanes, in a table of as many cells as a register has lanes: AVX-512."""

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
        self.upper = b.icmp_unsigned(">=", cell, lanes.constant(half, lanes.integers))
        within = b.and_(cell, lanes.constant(half - 1, lanes.integers))
        if lanes.bits == 64:  # two neighbours of 32 bits each
            twice = b.shl(within, lanes.constant(1, lanes.integers))
            high = b.or_(
                b.shl(twice, lanes.constant(32, lanes.integers)),
                lanes.constant(1 << 32, lanes.integers),
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
def borrowed_slice(typing, array, start, count):
    """Return some entries of a C-contiguous array, as a slice would, for the moment only.

    A slice counts as a reference to its array, an atomic operation when it is made and one when it
    goes: a fifth of the time of a row of a tile. This one does not keep its array alive.
    """
    assert array.layout == "C"
    part = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.make_array(array)(context, builder, arguments[0])
        result = context.make_array(part)(context, builder)
        populate_array(
            result,
            data=builder.gep(whole.data, [arguments[1]]),
            shape=[arguments[2]],
            strides=[whole.itemsize],
            itemsize=whole.itemsize,
            meminfo=None,
        )
        return result._getvalue()

    return part(array, types.intp, types.intp), generate
