"""GramOperator between two sets of rows, and rows of a matrix: parts, for other schedulers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from helpers.oracles.closed_forms import pair_entry
from helpers.tolerances import EPS, FEW, TABLE, eps
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram import GramOperator

TILE = 384
N, M = TILE + 60, 2 * TILE + 5


def rows(n, d=5, seed=0):
    return fg.datasets.sphere(n, d, seed=seed)


def vectors(n, b=3):
    return np.random.default_rng(1).standard_normal((n, b))


def rounding(dense, V):
    """Of a product: its terms of |A||V|, each a rounding, and the roundings of the entries."""
    return (dense.shape[1] + FEW) * EPS * (np.abs(dense) @ np.abs(V))


@pytest.fixture(scope="module")
def X():
    return rows(N)


@pytest.fixture(scope="module")
def Z():
    return rows(M, seed=1)


@pytest.fixture(scope="module")
def op(X, Z):
    return GramOperator(X, "elu", Y=Z)


@pytest.fixture(scope="module")
def dense(X, Z):
    return fg.gram(X, Z, network="elu")


# --- products ------------------------------------------------------------------------------------


def test_what_it_says_of_itself(op):
    assert (op.shape, op.dtype) == ((N, M), np.float64)
    assert repr(op) == f"GramOperator({N} × {M}, gradient of elu, float64, cpu)"
    assert f"{N} × {M}" in op._repr_html_()


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_products_of_closed_forms(name, kind):
    X, Z = rows(7), rows(4, seed=1)
    kind = "nngp" if kind == "ntk" else kind
    exact = np.array([[float(pair_entry(name, kind, x, z)) for z in Z] for x in X])
    op = GramOperator(X, name, Y=Z, kind=kind)
    assert np.allclose(op @ np.eye(4), exact, rtol=0, atol=TABLE)
    assert np.allclose(op.rmatmat(np.eye(7)), exact.T, rtol=0, atol=TABLE)


def test_every_way_to_multiply(op, dense):
    V, W = vectors(M), vectors(N)
    right, left = dense @ V, dense.T @ W
    for product in (op @ V, op.matmat(V), op.dot(V), aslinearoperator(op) @ V, op.T.T @ V):
        assert np.all(np.abs(product - right) <= rounding(dense, V))
    for product in (op.T @ W, op.H @ W, op.rmatmat(W), op.adjoint().matmat(W), (W.T @ op).T):
        assert np.all(np.abs(product - left) <= rounding(dense.T, W))
    v, w = V[:, 0], W[:, 0]
    for product in (op @ v, op.matvec(v), (op @ v[:, None])[:, 0], (2.0 * op) @ v / 2.0):
        assert np.all(np.abs(product - right[:, 0]) <= rounding(dense, V)[:, 0])
    for product in (op.T @ w, op.rmatvec(w), w @ op, op.rmatvec(w[:, None])[:, 0]):
        assert np.all(np.abs(product - left[:, 0]) <= rounding(dense.T, W)[:, 0])
    both = op.rmatmat(W + 2j * W)
    assert np.allclose(both, left + 2j * left, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("network", ["elu", fg.Network("relu", width=40)], ids=str)
def test_dtypes_and_networks(network, device, dtype, X, Z):
    X = X * np.linspace(1.0, 2.0, N)[:, None]
    op = GramOperator(X, network, Y=Z, dtype=dtype, device=device)
    dense = fg.gram(X, Z, network=network, dtype=dtype).astype(np.float64)
    V, W = vectors(M), vectors(N)
    slack = 40 * eps(dtype) * np.abs(dense).max()
    assert np.allclose(op @ V, dense @ V, rtol=0, atol=slack * np.sqrt(M) * 9)
    assert np.allclose(op.rmatmat(W), dense.T @ W, rtol=0, atol=slack * np.sqrt(N) * 9)


def test_the_same_bits_on_any_number_of_threads(op):
    found = []
    for threads in (1, 2, 5):
        fg.set_num_threads(threads)
        found.append((op @ vectors(M), op.rmatmat(vectors(N))))
    fg.set_num_threads(None)
    for products in found[1:]:
        assert all(map(np.array_equal, found[0], products))


def test_rows_of_Y_are_its_own(X, Z):
    given = Z.copy()
    op = GramOperator(X, Y=given)
    before = op @ np.ones(M)
    given[...] = 0.0
    assert np.array_equal(op @ np.ones(M), before)


def test_pickle(op):
    copy = pickle.loads(pickle.dumps(op))
    assert copy.shape == op.shape
    assert np.array_equal(copy @ np.ones(M), op @ np.ones(M))


def test_what_is_refused(op, X, Z, refuses):
    with refuses(ValueError, "Y has rows of 3 features and X of 5"):
        GramOperator(X, Y=Z[:, :3])
    with refuses(TypeError, "Y must be rows", "was network='tanh' meant"):
        GramOperator(X, Y="tanh")
    with refuses(ValueError, "Y is not finite"):
        GramOperator(X, Y=np.full((2, 5), np.nan))
    with refuses(ValueError, "memory= keeps tiles of a symmetric matrix"):
        GramOperator(X, Y=Z, memory=10**6)
    with refuses(ValueError, f"the vector must have {M} entries"):
        op @ np.ones(N)
    with refuses(ValueError, f"the vector must have {N} entries"):
        op.rmatvec(np.ones(M))
    with refuses(ValueError, f"the block must have {N} rows"):
        op.rmatmat(np.ones((M, 2)))


@pytest.mark.parametrize("same_shape", [False, True])
def test_no_eigenvalues(same_shape, X, Z, refuses):
    """Nor what else is of a symmetric matrix; a square one between other rows is none either."""
    op = GramOperator(X, Y=rows(N, seed=2) if same_shape else Z)
    words = "a symmetric matrix is needed, not the", "between X and Y: leave Y out"
    for ask in (
        fg.extreme_eigenvalues,
        fg.spectral_density,
        lambda op: op.diagonal(),
        lambda op: op.trace(),
        lambda op: op.noise_floor,
        lambda op: op.memory,
        lambda op: op.tile_bytes,
        lambda op: op.forget(),
        lambda op: op.multiplication(1),
        lambda op: op.visit(print),
    ):
        with refuses(ValueError, *words):
            ask(op)


# --- rows ----------------------------------------------------------------------------------------

SLICES = [
    slice(None),
    slice(0, TILE),
    slice(5, 6),
    slice(TILE - 1, TILE + 1),
    slice(-7, None),
    slice(9, 9),
    slice(20, 10),
    slice(10**6),
]


@pytest.mark.parametrize("part", SLICES, ids=str)
def test_rows_have_the_bits_of_the_matrix(part, op, X, dtype, device):
    assert np.array_equal(op.rows(part), op.dense()[part])
    symmetric = GramOperator(X, "tanh", kind="ntk", dtype=dtype, device=device)
    found = symmetric.rows(part)
    assert np.array_equal(found, symmetric.dense()[part])
    assert found.dtype == np.dtype(dtype)
    assert found.base is None  # it keeps no more than it shows


@pytest.mark.slow
def test_rows_in_parts_are_symmetric(X):
    """Of rows of many norms too, whose entries are sums of terms, not the same across."""
    op = GramOperator(X * np.linspace(1.0, 2.0, N)[:, None], "tanh")
    whole = np.vstack([op.rows(slice(k, k + 100)) for k in range(0, N, 100)])
    assert np.array_equal(whole, whole.T)
    assert np.array_equal(whole, op.dense())


def test_rows_that_are_refused(op, refuses):
    with refuses(TypeError, "rows must be a slice, not 3"):
        op.rows(3)
    with refuses(ValueError, "rows must be a slice of step 1, not 2"):
        op.rows(slice(0, 8, 2))


# --- somebody else's scheduler -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(backend, X, Z):
    joblib = pytest.importorskip("joblib")
    op, starts = GramOperator(X, "elu"), range(0, N, 200)
    with joblib.parallel_config(backend, n_jobs=2):
        parts = joblib.Parallel()(
            joblib.delayed(op.rows)(slice(start, start + 200)) for start in starts
        )
        products = joblib.Parallel()(
            joblib.delayed(GramOperator(X[start : start + 200], "elu", Y=X).matvec)(np.ones(N))
            for start in starts
        )
    assert np.array_equal(np.vstack(parts), op.dense())
    assert np.allclose(np.concatenate(products), op @ np.ones(N), rtol=1e-12)


def test_dask(X):
    """As the docstring of `rows` has it."""
    da = pytest.importorskip("dask.array")
    op = GramOperator(X, "elu")
    numbers = da.arange(op.shape[0], chunks=200)
    K = numbers.map_blocks(
        lambda part: op.rows(slice(part[0], part[-1] + 1)),
        new_axis=1,
        chunks=(numbers.chunks[0], (op.shape[1],)),
        dtype="float64",
        meta=np.empty((0, 0)),
    )
    assert K.shape == (N, N)
    assert np.array_equal(K.compute(scheduler="threads"), op.dense())
    assert np.allclose((K @ np.ones(N)).compute(scheduler="threads"), op @ np.ones(N), rtol=1e-12)
