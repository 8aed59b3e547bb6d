"""Products with rows of many norms: rows in the order of their norms, and tables of any two groups.

Against the pairs' own integrals, quadratures and tiles in the given order.
"""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from helpers.tolerances import FREE_NORMS
from threadpoolctl import threadpool_limits

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.infinite_width import integrated_entries
from fastgram.infinite_width.kernel_function import direct_entries
from fastgram.infinite_width.tables import norm_groups
from fastgram.matrix.operator import matrix_of
from fastgram.support.threads import one_blas_thread

N, TILE = 1000, 160  # three groups, which tiles do not know of
# name, kind, range of norms
SMOOTH = [("tanh", "gradient", (0.3, 3.0)), ("elu", "ntk", (0.5, 2.0))]
LINES = [("relu6", "gradient", (1.0, 6.0)), ("hard_tanh", "nngp", (0.5, 3.0))]


def rows(norms, d=3, n=N, seed=0):
    """Rows of norms in a range, not sorted, with a close pair, an opposite and an equal one."""
    X = fg.datasets.sphere(n, d, seed=seed)
    X[1], X[3], X[5] = X[0] + 1e-7 * X[2], -X[2], X[4]
    sizes = np.geomspace(*norms, n)[np.random.default_rng(seed).permutation(n)]
    sizes[1], sizes[5] = sizes[0], sizes[4]
    return X * sizes[:, None]


def in_order_of(op):
    return matrix_of(op).entries.in_order_of_norms((CPU,))


def exact(op, few, others):
    """Entries by the pairs' own integrals, or by quadratures."""
    entries = matrix_of(op).entries
    unit, norms = entries.rows.unit, entries.rows.norms
    near = np.linalg.norm(unit[few, None] - unit[None, others], axis=2)
    far = np.linalg.norm(unit[few, None] + unit[None, others], axis=2)
    if entries.pairs is None:
        first, second = np.broadcast_arrays(norms[few, None] ** 2, norms[others] ** 2)
        return direct_entries(op.network, op.kind, 2.0 * np.arctan2(near, far), first, second)
    i, j = (places.ravel() for places in np.broadcast_arrays(few[:, None], others))
    squares = (np.minimum(near, far) ** 2 / 4.0).ravel()
    values = entries.pairs.values(i, j, np.minimum(squares, 0.5), (far < near).ravel())
    return values.reshape(near.shape)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "norms"), SMOOTH + LINES)
def test_products_are_those_of_the_entries(name, kind, norms, tiles):
    tiles(TILE, 2)
    op = fg.GramOperator(rows(norms), name, kind=kind, memory=0)
    assert len(in_order_of(op).entries.groups.tables) > 3
    few, others = np.arange(0, 6, 2), np.append(np.arange(6), np.arange(6, N, 111))
    found = (op @ np.eye(N)[:, few])[others].T
    wanted = exact(op, few, others)
    scales = np.sqrt(op.diagonal())
    error = np.max(np.abs(found - wanted) / np.outer(scales[few], scales[others]))
    assert error <= min(FREE_NORMS, in_order_of(op).entries.error)
    assert matrix_of(op).norm_error >= in_order_of(op).entries.norm_error


@pytest.mark.slow
def test_groups_are_what_products_are_made_of(tiles, monkeypatch):
    """An error planted in their tables is seen in products, and in the error that is stated."""
    tiles(TILE, 1)
    X, v = rows((0.3, 3.0)), np.ones((N, 1))
    fine = fg.GramOperator(X, "tanh", memory=0)
    before, stated = fine @ v, matrix_of(fine).norm_error
    make = norm_groups.tables_between

    def planted(*arguments):
        groups = make(*arguments)
        for part in itertools.chain(*groups):
            part.table.coefficients[...] *= 1.0 + 1e-9
        return groups

    monkeypatch.setattr(norm_groups, "tables_between", planted)
    spoiled = fg.GramOperator(X, "tanh", memory=0)
    after = spoiled @ v
    scales = np.sqrt(fine.diagonal())
    assert np.max(np.abs(after - before) / scales[:, None]) > 1e-11
    assert matrix_of(spoiled).norm_error > 100.0 * stated


@pytest.mark.slow
def test_the_order_of_rows_is_not_seen(tiles):
    """Products of any memory and threads, rows, row sums and brackets, whatever the order."""
    X = rows((0.3, 3.0))
    v = np.random.default_rng(1).standard_normal((N, 3))
    results = []
    for memory, threads in ((0, 1), (0, 2), (None, 2), (10**6, 1)):
        tiles(TILE, threads)
        op = fg.GramOperator(X, "tanh", memory=memory)
        results += [op @ v, op @ v]
    assert all(np.array_equal(results[0], result) for result in results)
    G = op.dense()  # of tiles in the given order, whatever is kept
    assert np.max(np.abs(results[0] - G @ v)) <= 1e-12 * np.max(np.abs(G) @ np.abs(v))
    assert np.max(np.abs(op.rows(slice(5, 9)) - G[5:9])) <= FREE_NORMS * np.max(G)
    matrix = matrix_of(op)
    assert matrix.absolute_row_sums == pytest.approx(np.sum(np.abs(G), axis=1), rel=1e-12)
    turned = np.random.default_rng(2).permutation(N)
    other = fg.GramOperator(X[turned], "tanh", memory=0) @ v[turned]
    assert np.max(np.abs(other - results[0][turned])) <= 1e-12 * np.max(np.abs(G) @ np.abs(v))
    copy = pickle.loads(pickle.dumps(matrix.entries))
    assert "_in_order" not in copy.__dict__


@pytest.mark.slow
def test_few_rows_and_float32_keep_their_order():
    X = rows((0.9, 1.9))
    assert in_order_of(fg.GramOperator(X, "elu", memory=0)) is not None
    assert in_order_of(fg.GramOperator(X[:700], "elu", memory=0)) is None
    assert in_order_of(fg.GramOperator(X, "relu", memory=0)) is None
    assert in_order_of(fg.GramOperator(X, "elu", memory=0, dtype="float32")) is None


def test_tables_are_made_on_one_blas_thread(monkeypatch):
    """Whoever asks for them first: a product, or the noise floor."""
    monkeypatch.setattr(integrated_entries, "_FEW_TILES", 0)
    make, threads = norm_groups.NormGroups.of, []

    def watched(*arguments):
        threads.append(max(library.num_threads for library in one_blas_thread.libraries()))
        return make(*arguments)

    monkeypatch.setattr(norm_groups.NormGroups, "of", watched)
    with threadpool_limits(3, user_api="blas"):
        op = fg.GramOperator(rows((0.8, 1.2), n=100), "softplus")
        assert op.noise_floor > 0.0
    assert threads == [1]
