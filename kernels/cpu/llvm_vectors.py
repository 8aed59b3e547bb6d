"""Vectors of numbers as LLVM instructions, for loops that compilers do not find by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = [
    "INT32",
    "INT64",
    "Lanes",
    "borrowed_slice",
    "features",
    "has_avx512",
    "instructions",
    "length_of",
    "operands_of",
]

INT32, INT64 = ir.IntType(32), ir.IntType(64)
Named = TypeVar("Named")


def features(context: Any) -> frozenset[str]:
    """Return the names of what the processor can do for which Numba compiles."""
    _, _, found = context.codegen().magic_tuple()
    return frozenset(name[1:] for name in found.split(",") if name.startswith("+"))


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
        place = self.builder.bitcast(pointer, (vector or self.vector).as_pointer())
        return self.builder.load(place, align=self.bits // 8)

    def store(self, value: Any, pointer: Any) -> None:
        """Store a vector of either float type."""
        place = self.builder.bitcast(pointer, value.type.as_pointer())
        double = value.type.element == ir.DoubleType()
        self.builder.store(value, place, align=8 if double else 4)

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
