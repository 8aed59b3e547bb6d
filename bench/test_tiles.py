"""Dense builds and matrix-free passes, against the GEMM of the same tiles, NumPy and the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgram as fg
from bench.floors import gemm_of_tiles, in_turn, relu_by_numpy
from fastgram.kernels import reference

SIZES = [4096, 16384]
DIMENSIONS = [10, 100, 784]
DTYPES = ["float64", "float32"]
# relu entries are at most ½; both sides round cosines, which costs the closed form √eps near ±1
AGREEMENT = {"float64": 2e-8, "float32": 5e-4}


def rows(n: int, d: int) -> Any:
    return fg.datasets.sphere(n, d, 0)


def told(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_build(benchmark: Any, n: int, d: int, dtype: str) -> None:
    X = rows(n, d)
    cast = X.astype(dtype)
    sample = slice(0, 512)
    built = fg.gram(X, network="relu", dtype=dtype)
    closed = relu_by_numpy(X[sample])
    assert np.max(np.abs(built[sample, sample] - closed)) < AGREEMENT[dtype]
    del built

    def build() -> None:
        fg.gram(X, network="relu", dtype=dtype)

    benchmark.group = f"build n={n} d={d} {dtype}"
    benchmark.pedantic(build, rounds=3, warmup_rounds=1)
    rounds = 5 if n < 10_000 else 2
    benchmark.extra_info["/ GEMM of the tiles"] = told(
        in_turn(build, lambda: gemm_of_tiles(cast), rounds)
    )
    benchmark.extra_info["/ NumPy closed form"] = told(
        in_turn(build, lambda: relu_by_numpy(cast), rounds)
    )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 16])
def test_pass(benchmark: Any, n: int, d: int, dtype: str, columns: int) -> None:
    X = rows(n, d)
    cast = X.astype(dtype)
    op = fg.GramOperator(X, "relu", dtype=dtype, memory=0)
    V = np.random.default_rng(0).standard_normal((n, columns))
    sample = slice(0, 64)
    expected = fg.gram(X[sample], X, network="relu") @ V
    assert np.max(np.abs((op @ V)[sample] - expected)) < AGREEMENT[dtype] * n**0.5 * 10

    benchmark.group = f"pass n={n} d={d} {dtype} b={columns}"
    benchmark.pedantic(lambda: op @ V, rounds=5, warmup_rounds=1)
    benchmark.extra_info["/ GEMM of the tiles"] = told(
        in_turn(lambda: op @ V, lambda: gemm_of_tiles(cast), 7)
    )


def test_the_naive_loop(benchmark: Any) -> None:
    n, d = 256, 100
    X = rows(n, d)
    entry = reference.CLOSED_FORMS["relu", "gradient"]
    assert np.max(np.abs(reference.gram(X, X, entry) - fg.gram(X, network="relu"))) < 2e-8

    benchmark.group = f"naive loop n={n} d={d}"
    benchmark.pedantic(lambda: reference.gram(X, X, entry), rounds=3, warmup_rounds=1)
    large = rows(4096, d)
    ratio = in_turn(lambda: fg.gram(large, network="relu"), lambda: reference.gram(X, X, entry), 3)
    per_entry = tuple(value * (n / 4096) ** 2 for value in ratio)
    benchmark.extra_info["build n=4096 / loop, an entry"] = (
        f"{per_entry[0]:.2g} [{per_entry[1]:.2g}, {per_entry[2]:.2g}]"
    )
