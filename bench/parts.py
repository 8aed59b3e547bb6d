"""The parts of a pass, each measured alone on the tiles of the same matrix.

A pass is the GEMM of the tiles, the table in them, and their products with a block of vectors.
The GEMM is the one that a pass uses; beside it stands BLAS's, which is no part of a pass where the
processor has registers of 512 bits.
Each part runs over the same tiles, on as many threads and in the same process as the pass; the
table and the products each work on one tile that is in cache. What a pass takes beyond their sum
is lost between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import fastgram as fg
from bench.floors import Clock, each_pair, gemm_of_tiles, times_in_turn
from fastgram.devices.cpu import CPU
from fastgram.infinite_width.entries import TabledEntries
from fastgram.matrix.consumers import Consumer, Multiply
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.traversal import each_tile
from fastgram.support.arrays import blocks
from fastgram.support.literals import Kind

Array = npt.NDArray[np.float64]
Tile = npt.NDArray[np.floating]
Shape = tuple[int, int]
PARTS = ("gemm", "table", "products")


@dataclass(frozen=True)
class Case:
    """A matrix, the columns of the block that it is multiplied with, and a number of threads."""

    n: int
    d: int
    activation: str = "relu"
    kind: Kind = "gradient"
    depth: int = 1
    dtype: str = "float64"
    columns: int = 1
    threads: int = 1

    def name(self, what: str) -> str:
        """Return "pass" or "build" with all that it is of."""
        network = self.activation
        if (self.kind, self.depth) != ("gradient", 1):
            network += f" {self.kind} depth={self.depth}"
        block = "" if what == "build" else f" b={self.columns}"
        return f"{what} n={self.n} d={self.d} {self.dtype}{block} {network} threads={self.threads}"

    def operator(self) -> fg.GramOperator:
        """Return the matrix at random points of the sphere, with no tiles kept."""
        network = fg.Network(self.activation, depth=self.depth)
        X = fg.datasets.sphere(self.n, self.d, 0)
        return fg.GramOperator(X, network, kind=self.kind, dtype=self.dtype, memory=0)

    def vectors(self) -> Array:
        """Return a random block."""
        return np.random.default_rng(0).standard_normal((self.n, self.columns))


@dataclass(frozen=True)
class Parts:
    """Seconds of the whole and of each part, by round."""

    whole: list[float]
    parts: dict[str, list[float]]
    blas: list[float]  # the GEMM of the tiles by BLAS

    @property
    def to_sum(self) -> list[float]:
        """The whole over the sum of its parts, by round."""
        return [a / sum(b) for a, *b in zip(self.whole, *self.parts.values(), strict=True)]

    @property
    def to_gemm(self) -> list[float]:
        """The whole over the GEMM by BLAS, by round."""
        return [a / b for a, b in zip(self.whole, self.blas, strict=True)]


def multiplier(V: Array) -> Multiply:
    """Return the consumer of a pass, with a result of zeros."""
    return Multiply(V, np.zeros_like(V))


def traverse(op: fg.GramOperator, consumer: Consumer, threads: int) -> None:
    """Hand every tile, computed anew, to a consumer."""
    each_tile(matrix_of(op).entries, consumer, matrix_of(op).devices, threads=threads)


def run_pass(op: fg.GramOperator, V: Array, threads: int) -> Array:
    """Return op @ V, on a number of threads."""
    out = np.zeros_like(V)
    traverse(op, Multiply(V, out), threads)
    return out


def entries_of(op: fg.GramOperator) -> TabledEntries:
    """Return the entries of an operator.

    Raises
    ------
    ValueError
        If they are not of one table: the parts are then others.
    """
    found = matrix_of(op).entries.of_one_table
    if found is None:
        raise ValueError("only a matrix whose entries have one table has these parts")
    return found


@dataclass(frozen=True)
class Sample:
    """A tile of real cosines, not on the diagonal where there is another, and what it is of."""

    cosines: Tile
    x: Tile
    y: Tile
    row_weights: Tile
    column_weights: Tile

    def evaluate(self, op: fg.GramOperator, out: Tile) -> None:
        """Run the table on it."""
        table = entries_of(op).table
        weights = self.row_weights, self.column_weights
        CPU.evaluate(self.cosines, self.x, self.y, *weights, table, out)


def samples_of(op: fg.GramOperator) -> dict[Shape, Sample]:
    """Return a sample of each shape that the tiles of the upper triangle have."""
    entries, n = entries_of(op), op.shape[0]
    unit, scales = entries.rows.unit, entries.row_scales.astype(entries.dtype)
    heights = {i.stop - i.start for i in blocks(n, CPU.tile)}
    found = {}
    for shape in ((height, width) for height in heights for width in heights if height >= width):
        i = slice(0, shape[0])
        first = min(CPU.tile, n - shape[1])
        j = slice(first, first + shape[1])
        cosines = np.matmul(unit[i], unit[j].T)
        found[shape] = Sample(cosines, unit[i], unit[j], scales[i], scales[j])
    return found


def _shape(i: slice, j: slice) -> Shape:
    return i.stop - i.start, j.stop - j.start


def values_of(
    op: fg.GramOperator, samples: dict[Shape, Sample], dtype: np.dtype[np.floating]
) -> dict[Shape, Tile]:
    """Return the entries of each sample, in a dtype."""
    values: dict[Shape, Tile] = {shape: np.empty(shape, dtype) for shape in samples}
    for shape, sample in samples.items():
        sample.evaluate(op, values[shape])
    return values


def run_gemm(op: fg.GramOperator, threads: int) -> None:
    """Multiply the rows of every tile as a pass does, and do no more with it."""
    rows = entries_of(op).rows

    def start() -> Callable[[slice, slice], None]:
        scratch = np.empty(CPU.tile * CPU.tile, rows.unit.dtype)

        def multiply(i: slice, j: slice) -> None:
            height, width = _shape(i, j)
            rows.cosines(i, rows, j, scratch[: height * width].reshape(height, width))

        return multiply

    each_pair(op.shape[0], start, threads)


def run_tables(
    op: fg.GramOperator, samples: dict[Shape, Sample], dtype: np.dtype[np.floating], threads: int
) -> None:
    """Evaluate the table as often as there are tiles, into tiles of a dtype."""

    def start() -> Callable[[slice, slice], None]:
        scratch = np.empty(CPU.tile * CPU.tile, dtype)

        def evaluate(i: slice, j: slice) -> None:
            height, width = shape = _shape(i, j)
            samples[shape].evaluate(op, scratch[: height * width].reshape(height, width))

        return evaluate

    each_pair(op.shape[0], start, threads)


def run_consumer(consumer: Consumer, values: dict[Shape, Tile], n: int, threads: int) -> None:
    """Hand a consumer as many tiles as a traversal does, the same one again and again."""

    def start() -> Callable[[slice, slice], None]:
        row = consumer.begin(CPU, slice(0, min(CPU.tile, n)))

        def take(i: slice, j: slice) -> None:
            height, width = _shape(i, j)
            own = None if row is None else row[:height]
            consumer.take(CPU, i, j, values[height, width], own)

        return take

    each_pair(n, start, threads)


def chosen_rows(n: int) -> npt.NDArray[np.intp]:
    """Return the rows that are checked."""
    return np.unique(np.linspace(0, n - 1, 64).astype(np.intp))


def check(op: fg.GramOperator, V: Array, product: Array) -> None:
    """Refuse what is not the chosen rows of the matrix times V."""
    n, eps = op.shape[0], float(np.finfo(np.float64).eps)
    X, chosen = matrix_of(op).given_rows, chosen_rows(n)
    expected = fg.gram(X[chosen], X, op.network, kind=op.kind) @ V
    entries = entries_of(op)
    scales = entries.row_scales
    # both sides are as exact as their entries, and add n terms
    allowed = (2.0 * entries.error + n * eps) * np.outer(scales[chosen], scales @ np.abs(V))
    assert np.all(np.abs(product - expected) <= allowed), "the product is wrong"


def measure(
    op: fg.GramOperator,
    V: Array,
    threads: int,
    rounds: int = 5,
    clock: Clock = time.perf_counter,
) -> Parts:
    """Run a pass, the GEMM, the table and the products in turn, after a check of the pass."""
    entries = entries_of(op)
    check(op, V, run_pass(op, V, threads)[chosen_rows(op.shape[0])])
    samples, dtype = samples_of(op), multiplier(V).dtype
    values = values_of(op, samples, dtype)
    whole, blas, *parts = times_in_turn(
        (
            lambda: run_pass(op, V, threads),
            lambda: gemm_of_tiles(entries.rows.unit, threads),
            lambda: run_gemm(op, threads),
            lambda: run_tables(op, samples, dtype, threads),
            lambda: run_consumer(multiplier(V), values, op.shape[0], threads),
        ),
        rounds,
        clock,
    )
    return Parts(whole, dict(zip(PARTS, parts, strict=True)), blas)
