"""Rivals of fastgram: the floor that no tile engine can beat, and peers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.cpu import CPU
from fastgram.support.arrays import blocks
from fastgram.support.threads import one_blas_thread, thread_count

Array = npt.NDArray[np.floating]
Tiles = dict[tuple[int, int], Array]  # by the first row and the first column of each
Clock = Callable[[], float]


def each_pair(
    n: int, start: Callable[[], Callable[[slice, slice], None]], threads: int | None = None
) -> None:
    """Call a function of rows and columns for every tile of the upper triangle of order n.

    A row of tiles is a task, as in a pass; `start` makes each thread a function of its own.
    """
    parts = blocks(n, CPU.tile)
    queue = itertools.count()

    def work() -> None:
        with one_blas_thread():
            visit = start()
            while (row := next(queue)) < len(parts):
                for j in parts[row:]:
                    visit(parts[row], j)

    count = min(threads or thread_count(), len(parts))
    if count == 1:
        work()
        return
    with one_blas_thread(), ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(work) for _ in range(count)]:
            future.result()


def gemm_of_tiles(X: Array, threads: int | None = None) -> None:
    """Multiply the tiles of the upper triangle of XXᵀ, on all threads, and do no more with them."""

    def start() -> Callable[[slice, slice], None]:
        scratch = np.empty(CPU.tile * CPU.tile, X.dtype)

        def multiply(i: slice, j: slice) -> None:
            x, y = X[i], X[j]
            out = scratch[: x.shape[0] * y.shape[0]].reshape(x.shape[0], y.shape[0])
            np.matmul(x, y.T, out=out)

        return multiply

    each_pair(X.shape[0], start, threads)


def tiles_in_memory(n: int) -> Tiles:
    """Return the upper triangle of a matrix in tiles of random numbers, one array after another."""
    starts = range(0, n, CPU.tile)
    rng = np.random.default_rng(0)
    return {
        (i, j): rng.standard_normal((min(CPU.tile, n - i), min(CPU.tile, n - j)))
        for i in starts
        for j in starts
        if j >= i
    }


def products_of_tiles(tiles: Tiles, V: Array, both: bool = True) -> Array:
    """Multiply stored tiles, and with `both` their transposes, into V by BLAS on all threads.

    Each thread adds to a sum of its own. Without `both` a tile is read once, and nothing that is
    of use is done with it.
    """
    count = thread_count()
    rows = sorted({i for i, _ in tiles})
    queue = iter(rows)

    def work(_: int) -> Array:
        out = np.zeros_like(V)
        while (i := next(queue, None)) is not None:
            for j in rows:
                if j >= i:
                    tile = tiles[i, j]
                    out[i : i + CPU.tile] += tile @ V[j : j + CPU.tile]
                    if both and j > i:
                        out[j : j + CPU.tile] += tile.T @ V[i : i + CPU.tile]
        return out

    with one_blas_thread(), ThreadPoolExecutor(count) as pool:
        return np.asarray(sum(pool.map(work, range(count))))


def relu_by_numpy(X: Array) -> Array:
    """Return the ReLU gradient Gram matrix of unit rows by its closed form, vectorised."""
    cosine = np.clip(X @ X.T, -1.0, 1.0)
    return np.asarray(cosine * (np.pi - np.arccos(cosine)) / (2.0 * np.pi))


def times_in_turn(
    runs: Sequence[Callable[[], Any]], rounds: int, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Run several things in turn, after once each unmeasured: the seconds of each, by round."""
    for run in runs:
        run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, own in zip(runs, times, strict=True):
            start = clock()
            kept = run()
            own.append(clock() - start)
            del kept  # giving memory back is not in the time
    return times


def in_turn(
    ours: Callable[[], Any], other: Callable[[], Any], rounds: int = 5
) -> tuple[float, float, float]:
    """Run two things in turn and return the median, least and largest ratio of their times."""
    ratios = [a / b for a, b in zip(*times_in_turn((ours, other), rounds), strict=True)]
    return median(ratios), min(ratios), max(ratios)
