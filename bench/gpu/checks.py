"""Checks against the CPU before anything is timed: whole matrices, and products by some rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgram as fg
from bench.gpu.runs import Runs
from bench.parts import chosen_rows, entries_of
from fastgram.infinite_width.entries import Entries
from fastgram.matrix.operator import matrix_of
from fastgram.support.literals import Kind

Array = npt.NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)


@functools.lru_cache(1)
def sphere(n: int, d: int) -> Array:
    """Return rows that are drawn once for several cases."""
    return fg.datasets.sphere(n, d, 0)


class Problem:
    """Rows of the sphere, their matrix on the GPU, and a few of its rows as the CPU has them."""

    def __init__(self, runs: Runs, n: int, d: int, activation: str) -> None:
        self.n, self.d, self.activation = n, d, activation
        self._runs = runs
        seconds = runs.time_once(self._prepare)
        runs.foresight.learn("rows", n, float(n) * d, seconds)

    def _prepare(self) -> None:
        self.X = sphere(self.n, self.d)
        self.chosen = chosen_rows(self.n)
        self.expected = fg.gram(self.X[self.chosen], self.X, self.activation)
        self.op = self.operator()

    def operator(self, dtype: str = "float64", memory: int = 0) -> fg.GramOperator:
        """Return the matrix; with memory=1 products go by tiles, and not by the fused kernel."""
        return fg.GramOperator(self.X, self.activation, device="gpu", dtype=dtype, memory=memory)

    def name(self, columns: int) -> str:
        """Return the name of a pass over so many columns."""
        return f"pass n={self.n} d={self.d} b={columns} {self.activation}"

    def pass_of(
        self, columns: int, op: fg.GramOperator | None = None, variant: str = ""
    ) -> Callable[[], Any]:
        """Return a product with a block on the device, once its chosen rows have been checked."""
        matrix, device = op or self.op, self._runs.device
        V = np.random.default_rng(0).standard_normal((self.n, columns))
        block = device.put(V)

        def multiply() -> Any:
            with self._runs.kernels_of(variant):
                return matrix.matmat(block)

        product = device.get(multiply())[self.chosen]
        scales, error = self._scales_and_error(matrix)
        # both sides are as exact as their entries, and add n terms
        allowed = np.outer(scales[self.chosen], (error + self.n * EPS) * (scales @ np.abs(V)))
        refuse(np.abs(product - self.expected @ V) / allowed, "product")
        return multiply

    def check_rows(self, rows: Array) -> None:
        """Refuse what are not the chosen rows of the matrix."""
        scales, error = self._scales_and_error(self.op)
        allowed = error * np.outer(scales[self.chosen], scales)
        refuse(np.abs(rows - self.expected) / allowed, "matrix")

    def _scales_and_error(self, op: fg.GramOperator) -> tuple[Array, float]:
        entries = entries_of(op)
        return entries.row_scales, 2.0 * entries.error  # ours and the CPU's


def refuse(shares: Array, what: str) -> None:
    """Refuse differences that are larger than may be, or no numbers."""
    assert np.all(shares <= 1.0), f"the {what} is wrong: {np.max(shares):.2g} times what may be"


def check_entries(runs: Runs, n: int, d: int, width: int) -> None:
    """Compare whole Gram matrices with the CPU's, in units of the error that either states."""
    finite = functools.partial(fg.Network, width=width)
    rows = fg.datasets.sphere(n, d, 0)
    norms = np.random.default_rng(0).uniform(0.8, 1.25, n)[:, None]
    deep = fg.Network("relu", depth=3)
    cases: tuple[tuple[str, Array, str | fg.Network, str], ...] = (
        (f"relu d={d}", rows, "relu", "gradient"),
        ("relu d=3", fg.datasets.sphere(n, 3, 0), "relu", "gradient"),
        ("tanh", rows, "tanh", "gradient"),
        ("hard_tanh", rows, "hard_tanh", "gradient"),
        ("relu ntk depth=3", rows, deep, "ntk"),
        ("tanh, many norms", norms * rows, "tanh", "gradient"),
        (f"relu width={width}", rows, finite("relu"), "gradient"),
        (f"tanh width={width}", rows, finite("tanh"), "gradient"),
    )
    for name, X, network, kind in cases:
        for dtype in ("float64", "float32"):
            runs.attempt(f"entries {name}", 0.0, check_matrix, X, network, kind, dtype)


def check_matrix(
    runs: Runs, case: str, X: Array, network: str | fg.Network, kind: Kind, dtype: str
) -> None:
    """Compare one matrix; each side is within one unit of the truth."""
    op = fg.GramOperator(X, network, kind=kind, device="gpu", dtype=dtype, memory=0)
    units = np.abs(matrix_of(op).dense_on_host() - fg.gram(X, network=network, kind=kind))
    entries = matrix_of(op).entries
    if isinstance(entries, Entries):
        units /= entries.error * np.outer(entries.row_scales, entries.row_scales)
    else:
        units /= entries.norm_error  # in the spectral norm: no entry is further off
    runs.add(case, f"of the stated error, {dtype}", [float(np.max(units))], "ratio")
    refuse(units / 2.0, "matrix")
