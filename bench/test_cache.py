"""Passes over kept tiles, against BLAS on the same bytes; and what a part of the budget brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg.blas
from threadpoolctl import threadpool_limits

import fastgram as fg
from bench.floors import in_turn, products_of_tiles, tiles_in_memory
from fastgram.matrix.operator import matrix_of
from fastgram.support.threads import thread_count

SIZES = [8192, 16384]
D = 100
ROUNDS = 11
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
# relu entries are at most ½ and the vectors about 1: the rounding of n terms of either side
AGREEMENT = 1e-13


def told(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


def kept(n: int, share: float) -> Any:
    """Return an operator that has kept that share of its tiles."""
    X = fg.datasets.sphere(n, D, 0)
    budget = int(share * fg.GramOperator(X, "relu").tile_bytes)
    op = fg.GramOperator(X, "relu", memory=budget)
    op @ np.ones(n)
    return op


def check(op: Any, V: Any) -> None:
    """Compare a product with one of a few rows of the stored matrix."""
    n = op.shape[0]
    sample = slice(n // 2, n // 2 + 64)
    expected = (
        fg.gram(matrix_of(op).given_rows[sample], matrix_of(op).given_rows, network="relu") @ V
    )
    assert np.max(np.abs((op @ V)[sample] - expected)) < AGREEMENT * n


# Both make their matrix when they are first called, so that one is held at a time.


def by_tiles(n: int, V: Any, both: bool) -> Callable[[], Callable[[], Any]]:
    """Return a function for the product of tiles in memory by BLAS, and nothing else."""

    def prepare() -> Callable[[], Any]:
        tiles = tiles_in_memory(n)
        return lambda: products_of_tiles(tiles, V, both)

    return prepare


def by_blas(n: int, V: Any) -> Callable[[], Callable[[], Any]]:
    """Return a function for BLAS's symmetric product, on its own threads: it reads a triangle."""

    def prepare() -> Callable[[], Any]:
        A = np.ones((n, n), order="F")
        W = np.asfortranarray(V)

        def multiply() -> Any:
            with threadpool_limits(thread_count(), user_api="blas"):
                if W.shape[1] == 1:
                    return scipy.linalg.blas.dsymv(1.0, A, W[:, 0])
                return scipy.linalg.blas.dsymm(1.0, A, W)

        return multiply

    return prepare


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("columns", [1, 16])
def test_everything_kept(benchmark: Any, n: int, columns: int) -> None:
    op = kept(n, 1.0)
    V = np.random.default_rng(0).standard_normal((n, columns))
    check(op, V)

    def ours() -> Any:
        return op @ V

    benchmark.group = f"everything kept n={n} b={columns}"
    benchmark.pedantic(ours, rounds=ROUNDS, warmup_rounds=1)
    name = "dsymv" if columns == 1 else "dsymm"
    for what, other in (
        ("two BLAS products a tile", by_tiles(n, V, both=True)),
        ("one with a vector (a read)", by_tiles(n, V[:, :1], both=False)),
        (f"BLAS {name} of the whole", by_blas(n, V)),
    ):
        benchmark.extra_info[f"/ {what}"] = told(in_turn(ours, other(), ROUNDS))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("columns", [1, 16])
def test_a_part_kept(benchmark: Any, share: float, columns: int) -> None:
    n = SIZES[0]
    nothing, part, everything = kept(n, 0.0), kept(n, share), kept(n, 1.0)
    V = np.random.default_rng(0).standard_normal((n, columns))
    check(part, V)
    assert np.array_equal(part @ V, nothing @ V)

    benchmark.group = f"a part kept n={n} b={columns}"
    benchmark.pedantic(lambda: part @ V, rounds=7, warmup_rounds=1)
    of_part = in_turn(lambda: part @ V, lambda: nothing @ V, 7)
    of_all, _, _ = in_turn(lambda: everything @ V, lambda: nothing @ V, 7)
    line = 1.0 - share + share * of_all
    benchmark.extra_info["/ nothing kept"] = f"{told(of_part)}, a straight line: {line:.2f}"
