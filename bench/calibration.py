"""A loop that tables are measured against: the same polynomials, a load a coefficient.

The table's work over the same tiles, in plain Numba: half the chord of an entry, its cell, and the
polynomial of that cell. It shares no code with the tile kernel, and both run on one processor one
after the other, so that their ratio leaves out how fast that is: what is left is what vectors gain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.core.registry import cpu_target

import fastgram as fg
from bench.floors import each_pair
from bench.parts import Sample, Shape, entries_of
from fastgram.devices.cpu import CPU
from fastgram.kernels.cpu.llvm_vectors import features

__all__ = ["instructions", "run_loop"]


def instructions() -> str:
    """Return the vectors that the tile kernel is compiled for: "avx512", "avx2" or "any"."""
    found = features(cpu_target.target_context)
    if "avx512f" in found:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= found else "any"


def _by_loads(cosines: Any, cells: Any, out: Any) -> None:
    last = cells.shape[1] - 1
    half, middle = cosines.dtype.type(0.5), cosines.dtype.type(0.5 * cells.shape[1])
    for i in range(cosines.shape[0]):
        for j in range(cosines.shape[1]):
            rho = cosines[i, j]
            s = np.sqrt(half - half * abs(rho))
            cell = min(max(int(middle + middle * rho), 0), last)
            t = s + cells[0, cell]
            value = cells[2, cell]
            for k in range(3, cells.shape[0]):
                value = value * t + cells[k, cell]
            out[i, j] = cells[1, cell] - s * value


_evaluate: Any = numba.njit(fastmath={"contract"}, error_model="numpy", nogil=True)(_by_loads)


def run_loop(
    op: fg.GramOperator,
    samples: dict[Shape, Sample],
    dtype: npt.DTypeLike,
    threads: int,
) -> None:
    """Do by loads what `bench.parts.run_tables` does by the tile kernel, on its first piece."""
    table = entries_of(op).table
    assert table is not None
    cells = np.ascontiguousarray(table.cells[0], dtype=entries_of(op).dtype)

    def start() -> Callable[[slice, slice], None]:
        scratch = np.empty(CPU.tile * CPU.tile, dtype)

        def evaluate(i: slice, j: slice) -> None:
            shape = i.stop - i.start, j.stop - j.start
            out = scratch[: shape[0] * shape[1]].reshape(shape)
            _evaluate(samples[shape].cosines, cells, out)

        return evaluate

    each_pair(op.shape[0], start, threads)
