"""Finite width: products by factors at a size that no tiles reach, and tiles counted from bits."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastgram as fg
from bench.floors import in_turn
from bench.test_tiles import told
from fastgram.devices.cpu import CPU
from fastgram.kernels.cpu import bit_products
from fastgram.support.arrays import blocks
from fastgram.support.threads import one_blas_thread, thread_count

Array = npt.NDArray[np.float64]

N, M, D = 100_000, 10_000, 50

# In a process of its own: the high-water mark of memory is one of the whole process.
_ALONE = """
import json, resource, sys, time
import numpy as np
import fastgram as fg
from fastgram.matrix.operator import matrix_of
activation, n, m, d = sys.argv[1], *map(int, sys.argv[2:])
X = fg.datasets.sphere(n, d, 0)
op = fg.GramOperator(X, fg.Network(activation, width=m), memory=0)
rng = np.random.default_rng(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = {}
for columns in (1, 16):
    V = rng.standard_normal((n, columns))
    start = time.perf_counter()
    product = matrix_of(op).entries.factors.multiply(V)
    seconds[columns] = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sample = slice(0, 20)  # rows of the matrix itself, to check the product
weights = matrix_of(op).entries.features.weights
derivative = op.network.activation.df
expected = np.zeros((20, 16))
for first in range(0, n, 5000):
    other = slice(first, first + 5000)
    z = [derivative(X[r] @ weights.layers[0].T) for r in (sample, other)]
    expected += ((z[0] @ z[1].T / m) * (X[sample] @ X[other].T)) @ V[other]
miss = float(np.max(np.abs(product[sample] - expected)) / np.max(np.abs(expected)))
chosen = None
if op.multiplication(16) == "tiles":  # counted from bits, they are cheaper still
    op @ V  # computes the bits, which the products that follow find
    start = time.perf_counter()
    product = op @ V
    chosen = time.perf_counter() - start
print(json.dumps(dict(seconds=seconds, chosen=chosen, before=before, peak=peak, miss=miss)))
"""


def gemm_of_factors(n: int, m: int, d: int, columns: int) -> None:
    """Make the two products of 2·n·m·d·columns flops on all threads, on blocks that fit a cache."""
    k, rows = 160, 256
    backward = np.ones((rows, k))
    spread = np.ones((rows, d * columns))
    count = itertools.count()
    tasks = (m // k) * len(blocks(n, rows))

    def work() -> None:
        inner = np.zeros((k, d * columns))
        out = np.zeros((rows, d * columns))
        while next(count) < tasks:
            np.matmul(backward.T, spread, out=inner)
            np.matmul(backward, inner, out=out)

    with one_blas_thread(), ThreadPoolExecutor(thread_count()) as pool:
        for future in [pool.submit(work) for _ in range(thread_count())]:
            future.result()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_product_by_factors(benchmark: Any, activation: str) -> None:
    answers: list[Any] = []

    def alone() -> None:
        arguments = [activation, *map(str, (N, M, D))]
        run = subprocess.run(
            [sys.executable, "-c", _ALONE, *arguments], check=True, capture_output=True, text=True
        )
        answers.append(json.loads(run.stdout))

    benchmark.group = f"finite width n={N} m={M} d={D} {activation}"
    benchmark.pedantic(alone, rounds=1)
    answer = answers[0]
    assert answer["miss"] < 1e-11
    benchmark.extra_info["peak memory"] = (
        f"{answer['peak'] / 1e6:.2f} GB, {answer['before'] / 1e6:.2f} GB before the first product"
        f" (all features: {8 * N * M / 1e9:.0f} GB, the matrix: {8 * N * N / 1e9:.0f} GB)"
    )
    for columns in (1, 16):
        start = time.perf_counter()
        gemm_of_factors(N, M, D, columns)
        floor = time.perf_counter() - start
        seconds = answer["seconds"][str(columns)]
        benchmark.extra_info[f"b={columns}, seconds a column"] = (
            f"{seconds / columns:.2f}, / the GEMM flops alone {seconds / floor:.2f}"
        )
    if answer["chosen"] is not None:
        benchmark.extra_info["b=16 by tiles as chosen, seconds a column"] = (
            f"{answer['chosen'] / 16:.2f}, / by factors"
            f" {answer['chosen'] / answer['seconds']['16']:.2f}"
        )


@pytest.mark.parametrize("m", [100, 1000, 10_000])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_counting_bits(benchmark: Any, m: int, dtype: str) -> None:
    """One tile on one thread: the products of two-valued rows, counted and multiplied."""
    ones = np.random.default_rng(0).random((2 * CPU.tile, m)) < 0.5
    packed, counts = bit_products.pack(ones), np.count_nonzero(ones, axis=1).astype(float)
    values = ones.astype(dtype)
    x, y = values[: CPU.tile], values[CPU.tile :]
    counted, multiplied = (
        np.empty((CPU.tile, CPU.tile), dtype),
        np.empty((CPU.tile, CPU.tile), dtype),
    )

    def count() -> None:
        bit_products.products(
            packed,
            (0, CPU.tile),
            packed,
            (CPU.tile, 2 * CPU.tile),
            counts,
            counts,
            (0.0, 0.0, 1.0),
            counted,
        )

    def multiply() -> None:
        np.matmul(x, y.T, out=multiplied)

    with one_blas_thread():
        count()
        multiply()
        assert np.array_equal(counted, multiplied)  # integers below 2²⁴: exact in either
        benchmark.group = f"B Bᵀ of a tile m={m} {dtype}"
        benchmark.pedantic(count, rounds=20, warmup_rounds=2)
        benchmark.extra_info["/ GEMM of the same values"] = told(in_turn(count, multiply, 11))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_build(benchmark: Any, activation: str) -> None:
    """A dense build from tiles, against the two matrix products of NumPy."""
    n, m, d = 4096, 1000, 50
    X = fg.datasets.sphere(n, d, 0)
    net = fg.Network(activation, width=m)
    W = np.random.default_rng(0).standard_normal((m, d))

    def ours() -> Any:
        return fg.gram(X, network=net)

    def plain() -> Any:
        features = net.activation.df(X @ W.T)
        return (features @ features.T / m) * (X @ X.T)

    assert np.max(np.abs(ours() - plain())) < 1e-12
    benchmark.group = f"build of finite width n={n} m={m} d={d} {activation}"
    benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
    benchmark.extra_info["/ NumPy"] = told(in_turn(ours, plain, 5))
