"""What a worker does for a matrix, in this process: bands, strips, blocks and scans."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
from helpers.cuda_host import needs_compiler
from helpers.emulated_gpu import EmulatedGpu
from helpers.tolerances import EPS

import fastgram as fg
from fastgram.devices.cpu import CPU, Cpu
from fastgram.eigenvalues.close_pairs import close_pairs
from fastgram.eigenvalues.gram_problem import GramProblem
from fastgram.eigenvalues.methods.hybrid import factorisation_option
from fastgram.matrix.divided import tasks
from fastgram.matrix.divided.bands import (
    bands_of_rectangle,
    bands_of_triangle,
    merge_levels,
    pass_bytes,
    pass_steps,
)
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.support.threads import thread_count, threads_here

X = fg.datasets.sphere(1300, 5, seed=0)
V = np.random.default_rng(1).standard_normal((1300, 3))
WAYS = {
    "tiles": "elu",
    "factored": fg.Network("tanh", width=40, depth=2),
}


def entries_of(network, rows=X):
    """Entries as a worker has them: from a pickle."""
    return pickle.loads(pickle.dumps(matrix_of(GramOperator(rows, network)).entries))


def total(entries, V, count, absolute=False, row_sums=False):
    """All bands added up."""
    found = [
        tasks.multiply_band(entries, V, tasks.BandTask(band, absolute, row_sums))
        for band in bands_of_triangle(len(V), count)
    ]
    whole = found[0]
    for other in found[1:]:
        whole = tasks.add_sums(other, whole)
    return whole


def assert_close(found, A, V):
    bound = np.max(np.sum(np.abs(A), axis=1)) * np.max(np.abs(V))
    np.testing.assert_allclose(found, A @ V, rtol=0.0, atol=32.0 * EPS * bound)


@pytest.mark.parametrize("n", [1, 384, 385, 5000, 100_000])
@pytest.mark.parametrize("count", [1, 3, 8, 200])
def test_bands_are_the_triangle_in_equal_parts(n, count):
    for bands, height in (
        (bands_of_triangle(n, count), lambda row: n - row),
        (bands_of_rectangle(n, count), lambda row: 1),
    ):
        rows = [row for band in bands for row in range(band.rows.start, band.rows.stop)]
        assert rows == list(range(n))
        assert [band.number for band in bands] == list(range(len(bands)))
        assert {band.bands for band in bands} == {len(bands)} <= set(range(1, count + 1))
        assert all(band.rows.start % CPU.tile == 0 for band in bands)
        costs = [sum(map(height, range(band.rows.start, band.rows.stop))) for band in bands]
        mean = sum(map(height, range(n))) / count
        assert max(costs) <= mean + CPU.tile * height(0)  # to a row of tiles


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_bands_add_up_to_the_product(way, count):
    entries = entries_of(WAYS[way])
    A = fg.gram(X, network=WAYS[way])
    found = total(entries, V, count)
    assert_close(found.rows, A, V)
    assert found.start == 0
    with_sums = total(entries, V, count, row_sums=True)
    assert with_sums.rows.shape == (1300, 4)
    assert_close(with_sums.rows[:, :3], A, V)
    ones = np.ones((1300, 1))
    sums = total(entries, ones, count, absolute=True).rows
    assert np.max(np.abs(with_sums.rows[:, 3:] - sums)) <= 64 * EPS * np.max(sums)
    if way == "tiles":
        assert_close(sums, np.abs(A), ones)


def test_a_band_has_the_same_bits_on_any_number_of_threads():
    entries = entries_of("elu")
    found = []
    for threads in (1, 3):
        with threads_here(threads):
            assert thread_count() == threads
            found.append(total(entries, V, 3).rows)
    assert np.array_equal(*found)


def test_additions_are_counted():
    entries = entries_of("elu")
    (band,) = bands_of_triangle(1300, 1)
    one = tasks.multiply_band(entries, V, tasks.BandTask(band, False, False))
    assert one.summands >= 384 + 4  # of a tile, and over tiles
    assert tasks.add_sums(one, one).summands == one.summands + 1
    assert [merge_levels(count) for count in (1, 2, 7, 8)] == [0, 1, 3, 3]


def test_what_is_merged_is_not_changed():
    first, second = tasks.Sum(0, np.ones((4, 2)), 3), tasks.Sum(2, np.ones((2, 2)), 5)
    found = tasks.add_sums(second, first)
    assert np.array_equal(found.rows[:, 0], [1, 1, 2, 2])
    assert (found.start, found.summands) == (0, 6)
    assert np.all(first.rows == 1.0)


def test_blocks_have_the_bits_of_the_matrix():
    A, entries = fg.gram(X, network="elu"), entries_of("elu")
    for i, j in ((slice(0, 768), slice(0, 768)), (slice(384, 768), slice(768, 1300))):
        assert np.array_equal(tasks.compute_block(entries, None, (i, j)), A[i, j])


@pytest.mark.parametrize("transposed", [False, True])
def test_rows_of_a_rectangle(transposed):
    entries = pickle.loads(
        pickle.dumps(GramOperator(X[:500], "elu", Y=X)._computed.entries)  # of two sets of rows
    )
    A = fg.gram(X[:500], X, network="elu")
    A, W = (A.T, V[:500]) if transposed else (A, V)
    rows = slice(384, 500)
    found = tasks.multiply_rows(entries, W, tasks.RectangleTask(rows, transposed))
    assert_close(found, A[rows], W)


class Inline:
    """A pool that does here what workers would do, on copies that come from pickles."""

    workers = 2

    def task_count(self):
        return 4 * self.workers

    def hold(self, content):
        return pickle.dumps(content)

    def compute(self, function, held, own):
        return function(pickle.loads(held), None, own)

    def gather(self, function, held, shared, own):
        return [function(pickle.loads(held), shared, one) for one in own]

    def total(self, function, held, shared, own, merge):
        return functools.reduce(merge, self.gather(function, held, shared, own))


class OnePass(Cpu):
    """A cluster as the rest of the house sees it."""

    name, tile, keeps_tiles, pool = "cluster", 768, False, Inline()


@pytest.fixture
def divided():
    """A function that makes an operator of workers."""

    def make(rows, network, **options):
        return GramOperator(rows, network, device=OnePass(), **options)

    return make


@pytest.mark.parametrize("way", WAYS)
def test_an_operator_of_workers(divided, way):
    op, one = divided(X, WAYS[way]), GramOperator(X, WAYS[way], memory=0)
    assert op.multiplication(3) == one.multiplication(3) == way
    # before the workers have said theirs: those of a band, and three where eight bands are merged
    assert matrix_of(op).summands == matrix_of(one).summands + 3
    A = one.dense()
    assert np.array_equal(op.dense(), A)
    assert np.array_equal(op.rows(slice(5, 900)), A[5:900])
    assert_close(op @ V, A, V)
    assert_close(matrix_of(op).product_and_row_sums(V), A, V)
    for found, meant in (
        (matrix_of(op).absolute_row_sums, matrix_of(one).absolute_row_sums),
        (op.diagonal(), one.diagonal()),
    ):
        assert np.max(np.abs(found - meant)) <= 64 * EPS * np.max(meant)
    assert op.noise_floor >= 0.5 * one.noise_floor
    assert matrix_of(op).summands >= matrix_of(one).summands  # and where bands are merged


def test_a_rectangle_of_workers(divided):
    op, one = divided(X[:500], "elu", Y=X), GramOperator(X[:500], "elu", Y=X)
    A = one.dense()
    assert np.array_equal(op.dense(), A)
    assert np.array_equal(op @ V, one @ V)
    assert_close(op.T @ V[:500], A.T, V[:500])


def test_close_pairs_of_workers(divided):
    rows = np.concatenate([X, X[:4] + 1e-3])
    found, meant = (
        close_pairs(op, 4) for op in (divided(rows, "relu"), GramOperator(rows, "relu"))
    )
    assert np.array_equal(found, meant)


def test_workers_keep_no_tiles(divided, refuses):
    with refuses(ValueError, "memory=", "a cluster keeps no tiles"):
        divided(X, "relu", memory=10**6)
    op = divided(X, "relu", memory=0)
    assert op.memory == 0
    # so that passes are taken to compute every entry, and a factorisation to be possible
    option, other = (
        factorisation_option(GramProblem(op), 16)
        for op in (divided(X, "relu"), GramOperator(X, "relu"))
    )
    assert option.is_open
    assert option.costs.product > other.costs.product


def test_what_a_pass_sends():
    n, columns = 384 * 4, 16
    # the block to both, a sum of all rows and one of less, and the total
    second = bands_of_triangle(n, 2)[1].rows.start
    block = 8 * n * columns
    assert pass_bytes(n, columns, 2, 2) == (2 * block, 3 * block - 8 * second * columns)
    assert pass_bytes(n, columns, 1, 4) == (block, block)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("count", "dtype"), [(1, "float32"), (2, "float64")])
def test_a_worker_with_gpus_computes_on_them(count, dtype, monkeypatch):
    gpus = tuple(EmulatedGpu(number, tile=48) for number in range(count))
    monkeypatch.setattr(tasks, "_devices", lambda: gpus)
    rows, W = X[:300], V[:300]
    entries = pickle.loads(pickle.dumps(matrix_of(GramOperator(rows, "relu", dtype=dtype)).entries))
    A = fg.gram(rows, network="relu", dtype=dtype).astype(np.float64)
    eps = float(np.finfo(dtype).eps)
    found = total(entries, W, 2, row_sums=True).rows
    meant = np.hstack([A @ W, np.sum(np.abs(A), axis=1, keepdims=True)])
    assert np.max(np.abs(found - meant)) <= 64 * eps * np.max(np.abs(meant))


def test_blocks_that_cross_one_after_the_other():
    """To the scheduler, a worker and on in a tree; sums of two at a time, then back."""
    assert pass_steps(1, 4) == (2, 4)
    assert pass_steps(64, 256) == (8, 10)
    assert pass_steps(5, 20) == (5, 7)
