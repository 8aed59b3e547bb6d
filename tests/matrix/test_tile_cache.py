"""Kept tiles: which they are, that they change no result, what memory they take, how they go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from helpers.tolerances import EPS, FEW

import fastgram as fg
from fastgram import GramOperator
from fastgram.devices import cpu as _cpu
from fastgram.kernels.cpu.products import multiply_both
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.tile_cache import Cache, bytes_of_all
from fastgram.support.arrays import blocks
from fastgram.support.threads import thread_count

TILE = 8
N = 3 * TILE + 5
BYTES = bytes_of_all(N, TILE)


def rows(n=N, d=4):
    return fg.datasets.sphere(n, d, 0)


def vectors(n, b):
    return np.random.default_rng(1).standard_normal((n, b))


@pytest.fixture
def counted(watch):
    """A function from an operator to the list that each tile computed from now on is added to."""

    def start(op):
        calls = []
        watch(op, lambda: calls.append(1))
        return calls

    return start


# --- a tile and one vector -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 1), (6, 7), (64, 33), (384, 384)])
@pytest.mark.parametrize("function", ["compiled", "plain"])
def test_both_products_of_a_tile(shape, function):
    if function == "plain" and shape[0] > 100:
        shape = (65, 40)
    generator = np.random.default_rng(0)
    tile, x, y = (generator.standard_normal(size) for size in (shape, shape[1], shape[0]))
    row, part = generator.standard_normal(shape[0]), generator.standard_normal(shape[1])
    exact = np.longdouble
    expected_row = row + tile.astype(exact) @ x.astype(exact)
    expected_part = part + tile.T.astype(exact) @ y.astype(exact)
    row_bound = (shape[1] + FEW) * EPS * (np.abs(row) + np.abs(tile) @ np.abs(x))
    part_bound = (shape[0] + FEW) * EPS * (np.abs(part) + np.abs(tile.T) @ np.abs(y))
    (multiply_both if function == "compiled" else multiply_both.py_func)(tile, x, y, row, part)
    assert np.all(np.abs(row - expected_row) <= row_bound)
    assert np.all(np.abs(part - expected_part) <= part_bound)


def test_what_is_not_finite_stays_so():
    """Lanczos runs refuse it where they see it."""
    for bad in (np.nan, np.inf):
        tile, x, y = np.ones((12, 40)), np.ones(40), np.ones(12)
        row, part = np.zeros(12), np.zeros(40)
        tile[9, 13] = bad
        multiply_both(tile, x, y, row, part)
        assert np.flatnonzero(~np.isfinite(row)).tolist() == [9]
        assert np.flatnonzero(~np.isfinite(part)).tolist() == [13]


# --- which tiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, TILE, N, 20 * TILE + 3])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.77, 1.0, 3.0])
def test_kept_tiles_fill_the_budget_evenly(n, share):
    cuts = blocks(n, TILE)
    total = bytes_of_all(n, TILE)
    budget = int(share * total)
    cache = Cache(budget)
    cache.lay_out(cuts)
    one_tile = 8 * TILE * TILE
    passed = used = 0
    for row, i in enumerate(cuts):
        for column in range(row, len(cuts)):
            size = 8 * (i.stop - i.start) * (cuts[column].stop - cuts[column].start)
            passed += size
            if (row, column) in cache._slots:
                slot = cache._slots[row, column]
                assert 8 * (slot.stop - slot.start) == size
                assert 8 * slot.start == used  # one after the other
                used += size
            assert abs(used - min(share, 1.0) * passed) <= one_tile + FEW
    assert passed == total
    assert min(budget, total) - one_tile < used <= budget
    assert used == cache._storage.nbytes
    if share >= 1.0:
        assert len(cache._slots) == len(cuts) * (len(cuts) + 1) // 2


def test_the_same_tiles_are_kept_on_any_number_of_threads(tiles):
    kept = []
    for threads in (1, 2, 5, 1):
        tiles(TILE, threads)
        op = GramOperator(rows(70), "relu", memory=bytes_of_all(70, TILE) // 3)
        op @ vectors(70, 2)
        kept.append(sorted(matrix_of(op).cache.tiles))
        assert (
            sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values())
            == matrix_of(op).cache._storage.nbytes
        )
        assert all(
            tile.base is matrix_of(op).cache._storage for tile in matrix_of(op).cache.tiles.values()
        )
    assert kept[1:] == kept[:-1]


def test_tiles_computed_again_fall_linearly_with_the_budget(tiles, device, counted):
    tiles(TILE, 2)
    n = 30 * TILE
    total, all_tiles = bytes_of_all(n, TILE), 30 * 31 // 2
    for eighths in range(9):
        op = GramOperator(rows(n), "relu", device=device, memory=max(total * eighths // 8, 1))
        op @ vectors(n, 1)
        calls = counted(op)
        op @ vectors(n, 1)
        assert abs(len(calls) - all_tiles * (1 - eighths / 8)) < 1
    assert not calls


# --- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2, 16])
def test_budgets_and_threads_change_no_bit(columns, dtype, device, tiles):
    X, V = rows(70, 20), vectors(70, columns)
    total = bytes_of_all(70, TILE)
    products = []
    for memory in (1, total // 4, total // 2, total, None if device == "cpu" else 10**9):
        for threads in (1, 2, 5):
            tiles(TILE, threads)
            op = GramOperator(X, "tanh", device=device, dtype=dtype, memory=memory)
            products += [op @ V, op @ V]
            op.forget()
            products.append(op @ V)
    for product in products[1:]:
        assert np.array_equal(product, products[0])
    dense = fg.gram(X, network="tanh", device=device)
    error = 70 * FEW * (EPS if dtype == "float64" else float(np.finfo(dtype).eps))
    assert np.allclose(products[0], dense @ V, rtol=0, atol=error)


def test_one_operator_with_tiles_of_several_sizes(tiles, device):
    op, V = GramOperator(rows(70), "relu", device=device, memory=30_000), vectors(70, 2)
    expected = fg.gram(rows(70), network="relu", device=device) @ V
    for size in (TILE, 33, 70, TILE):
        tiles(size)
        for _ in range(2):
            assert np.allclose(op @ V, expected, rtol=0, atol=70 * FEW * EPS)
        assert sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values()) <= 30_000


def test_the_dense_matrix_reads_what_is_kept(dtype, device, tiles, counted):
    """And keeps nothing itself. float32 tiles are kept in float64, which would round otherwise."""
    tiles(TILE)
    dense = fg.gram(rows(), network="elu", device=device, dtype=dtype)
    for memory, computed in ((0, 10), (BYTES // 2, 5), (BYTES, 0)):
        op = GramOperator(rows(), "elu", device=device, dtype=dtype, memory=memory)
        assert np.array_equal(op.dense(), dense)
        assert not matrix_of(op).cache.tiles
        op @ vectors(N, 1)
        kept = len(matrix_of(op).cache.tiles)
        calls = counted(op)
        assert np.array_equal(op.dense(), dense)
        assert abs(len(calls) - (computed if dtype == "float64" else 10)) <= (memory != BYTES)
        assert len(matrix_of(op).cache.tiles) == kept


def test_tiles_are_dropped_while_products_run(tiles, device):
    tiles(TILE, 2)
    op, V = GramOperator(rows(60), "relu", device=device, memory=20_000), vectors(60, 2)
    expected = GramOperator(rows(60), "relu", device=device, memory=1) @ V
    results = []
    workers = [
        threading.Thread(target=lambda: results.extend(op @ V for _ in range(10))) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        op.forget()
        results.append(op.dense() @ V)
    for worker in workers:
        worker.join(60.0)
    assert len(results) >= 30
    assert all(np.allclose(result, expected, rtol=0, atol=60 * FEW * EPS) for result in results)
    assert sum(np.array_equal(result, expected) for result in results) >= 30


# --- the budget ----------------------------------------------------------------------------------


def test_bytes_of_all_tiles():
    """About half the matrix: the diagonal's tiles are whole."""
    op = GramOperator(rows(1000), "relu", memory=10**9)
    op @ vectors(1000, 1)
    assert op.tile_bytes == sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values())
    assert op.tile_bytes == 4 * (1000**2 + 384**2 + 384**2 + 232**2)
    assert op.memory == 10**9
    exactly = GramOperator(rows(1000), "relu", memory=op.tile_bytes)
    exactly @ vectors(1000, 1)
    assert len(matrix_of(exactly).cache.tiles) == 6
    less = GramOperator(rows(1000), "relu", memory=op.tile_bytes - 1)
    less @ vectors(1000, 1)
    assert len(matrix_of(less).cache.tiles) < 6


def test_none_takes_half_of_what_is_free_at_the_first_product(monkeypatch, tiles):
    tiles(TILE)
    free = [BYTES]
    monkeypatch.setattr(_cpu, "free_memory", lambda: free[0])
    op = GramOperator(rows(), "relu")
    op @ vectors(N, 1)
    free[0] = 10 * BYTES  # afterwards it no longer matters
    assert op.memory == BYTES // 2
    assert 0 < sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values()) <= BYTES // 2
    op.forget()
    assert not matrix_of(op).cache.tiles
    op @ vectors(N, 1)
    assert op.memory == 5 * BYTES
    assert sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values()) == BYTES
    told = GramOperator(rows(), "relu")
    assert told.memory == 5 * BYTES
    free[0] = 0  # what was told holds
    told @ vectors(N, 1)
    assert sum(tile.nbytes for tile in matrix_of(told).cache.tiles.values()) == BYTES


def test_forgotten_tiles_give_their_memory_back(device):
    op, V = GramOperator(rows(3000), "relu", device=device, memory=10**9), vectors(3000, 1)
    op @ V
    op.forget()
    home = matrix_of(op).devices[0]

    def taken():  # of the host's memory, which an emulated GPU has too, and of a GPU's own
        own = 0 if op.device == "cpu" else -home.free_memory()
        return np.array([tracemalloc.get_traced_memory()[0], own])

    tracemalloc.start()
    try:
        before = taken()
        op @ V
        held = taken() - before
        op.forget()
        left = taken() - before
    finally:
        tracemalloc.stop()
    assert np.max(held) >= op.tile_bytes
    assert np.max(left) < op.tile_bytes / 100
    assert op.memory == 10**9


HIGH_WATER = """
import json
import numpy as np, fastgram as fg

def status(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

V = np.random.default_rng(0).standard_normal((6000, 16))
fg.GramOperator(fg.datasets.sphere(1000, 10, 1), "relu") @ V[:1000]  # loads all code
X = fg.datasets.sphere(6000, 10, 0)
taken, every = [], fg.GramOperator(X, "relu").tile_bytes
for memory in (0, 50_000_000, every):  # ascending: the high-water mark never falls
    op = fg.GramOperator(X, "relu", memory=memory)
    before = status("VmRSS")
    op @ V
    op @ V
    taken.append((memory, status("VmHWM") - before))
    del op
print(json.dumps(taken))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_the_high_water_mark_stays_within_the_budget():
    done = subprocess.run(
        [sys.executable, "-c", HIGH_WATER], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    vectors_of_a_pass, a_thread = 4 * 6000 * 16 * 8, 3_000_000
    beside = vectors_of_a_pass + a_thread * thread_count() + 8_000_000  # and the allocator
    taken = json.loads(done.stdout)
    for memory, peak in taken:
        assert peak <= memory + beside
    assert taken[-1][1] >= 0.95 * taken[-1][0]  # it measures what it should
