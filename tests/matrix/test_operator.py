"""GramOperator: products against the dense matrix, whatever is kept, and what scipy makes of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.linalg
from helpers.oracles.closed_forms import pair_entry
from helpers.tolerances import EPS, FEW, eps
from mpmath import mp
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh, lobpcg
from threadpoolctl import threadpool_info, threadpool_limits

import fastgram as fg
from fastgram import GramOperator
from fastgram.matrix.operator import matrix_of

TILE = 8
N = 3 * TILE + 5


def rows(n=N, d=4, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def vectors(n=N, b=3):
    return np.random.default_rng(1).standard_normal((n, b))


def rounding(dense, V):
    """Of a product: n terms of |A||V|, each a rounding, and the roundings of the entries."""
    return (len(dense) + FEW) * EPS * (np.abs(dense) @ np.abs(V))


@pytest.fixture
def operator(tiles, device):
    tiles(TILE)
    return GramOperator(rows(), "relu", device=device)


def test_what_it_says_of_itself(operator):
    assert isinstance(operator, LinearOperator)
    assert operator.shape == (N, N)
    assert operator.dtype == np.float64
    assert operator.kind == "gradient"
    assert operator.network == fg.Network("relu")


@pytest.mark.parametrize("n", [1, 2, TILE - 1, TILE, TILE + 1, N])
@pytest.mark.parametrize("memory", [None, 0])
def test_products(n, memory, kind, dtype, device, tiles):
    """Entries of the tiles' dtype, products in float64."""
    tiles(TILE)
    X = rows(n)
    op = GramOperator(X, "elu", kind=kind, device=device, dtype=dtype, memory=memory)
    dense = fg.gram(X, network="elu", kind=kind, device=device, dtype=dtype)
    assert np.array_equal(op.dense(), dense)
    assert op.dense().dtype == np.dtype(dtype)
    V = vectors(n)
    product = op @ V
    assert product.dtype == np.float64
    if dtype == "float32":  # its products read entries that no float32 rounded at the end
        assert np.allclose(product, dense.astype(float) @ V, rtol=0, atol=4 * n * eps(dtype))
    else:
        assert np.all(np.abs(product - dense @ V) <= rounding(dense, V))


def test_every_way_to_multiply(operator):
    dense, V = operator.dense(), vectors()
    v = V[:, 0]
    exact, bound = dense @ V, rounding(dense, V)
    column, column_bound = exact[:, :1], bound[:, :1]
    for product in (
        operator @ v,
        operator * v,
        operator.matvec(v),
        operator.dot(v),
        operator.rmatvec(v),
        operator.T @ v,
        operator.H @ v,
        v @ operator,
    ):
        assert product.shape == (N,)
        assert np.all(np.abs(product - column[:, 0]) <= column_bound[:, 0])
    for product in (operator @ V[:, :1], operator.matvec(V[:, :1]), operator.rmatvec(V[:, :1])):
        assert product.shape == (N, 1)
        assert np.all(np.abs(product - column) <= column_bound)
    for product in (
        operator @ V,
        operator.matmat(V),
        operator.dot(V),
        operator.rmatmat(V),
        operator.matmat(np.asfortranarray(V)),
        operator @ np.repeat(V, 2, axis=1)[:, ::2],
    ):
        assert product.shape == (N, 3)
        assert np.all(np.abs(product - exact) <= bound)
    assert (operator @ np.zeros((N, 0))).shape == (N, 0)


def test_vectors_of_other_dtypes(operator):
    counts = np.arange(N)
    exact = operator @ counts.astype(float)
    assert np.array_equal(operator @ counts, exact)
    assert np.array_equal(operator @ counts.astype(np.float32), exact)
    assert np.array_equal(operator @ counts.tolist(), exact)


def test_complex_vectors_are_multiplied_or_refused(operator):
    """Never half of them, with a warning."""
    V = vectors() + 1j * vectors()[::-1]
    product, message = operator.dense() @ V, "complex"
    try:
        product = operator @ V
    except (TypeError, ValueError) as error:
        message = str(error)
    assert "complex" in message
    assert np.allclose(product, operator.dense() @ V, rtol=1e-12)


def test_vectors_are_left_as_they_are(operator):
    V = vectors()
    before = V.copy()
    operator @ V
    assert np.array_equal(V, before)
    V.flags.writeable = False
    operator @ V


def test_it_combines_like_any_operator(operator):
    dense, v = operator.dense(), vectors()[:, 0]
    shifted = 2.0 * operator + aslinearoperator(np.eye(N))
    assert np.allclose(shifted @ v, 2.0 * dense @ v + v, rtol=1e-13)


@pytest.mark.parametrize("wrong", [np.ones(N + 1), np.ones((N - 1, 2)), np.ones((N, 2, 2))])
def test_vectors_of_another_length(operator, wrong):
    with pytest.raises(ValueError, match=r"mismatch|expected 1-d"):
        operator @ wrong


def test_what_is_kept_changes_no_bit(dtype, kind, device, tiles):
    """Nothing kept, some tiles, all of them; the first product, which fills, and those after."""
    tiles(TILE)
    X, V = rows(), vectors(b=5)
    one_tile = TILE * TILE * 8
    products = []
    for memory in (0, 1, one_tile, 3 * one_tile + 100, 10**9, None):
        if device == "gpu" and not memory:
            continue  # without tiles: other roundings
        op = GramOperator(X, "tanh", kind=kind, device=device, dtype=dtype, memory=memory)
        products += [op @ V, op @ V, op @ V]
        kept = sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values())
        assert kept <= (10**12 if memory is None else memory)
        if memory in (None, 10**9):
            assert len(matrix_of(op).cache.tiles) == 4 * 5 // 2
        elif memory == 3 * one_tile + 100:
            assert kept > memory - one_tile
        else:  # one tile fits, but the even share of the last one is less
            assert len(matrix_of(op).cache.tiles) <= 1
        if memory in (0, 1):
            assert not matrix_of(op).cache.tiles
    for product in products[1:]:
        assert np.array_equal(product, products[0])


def test_kept_tiles_are_read_and_not_computed_again(tiles, device, watch):
    tiles(TILE)
    op = GramOperator(rows(), "relu", device=device, memory=10**9)
    calls = []
    watch(op, lambda: calls.append(1))
    v = vectors()[:, 0]
    first = op @ v
    assert len(calls) == 10
    assert np.array_equal(op @ v, first)
    assert len(calls) == 10


def test_threads_and_tiles(dtype, device, tiles):
    """The same bits on any number of threads, the same numbers from tiles of any size."""
    X, V = rows(70, 20), vectors(70)
    products = []
    for threads in (1, 2, 3, 7):
        for memory in (1, 20_000):
            tiles(TILE, threads)
            op = GramOperator(X, "relu", device=device, dtype=dtype, memory=memory)
            products.append(op @ V)
    for product in products[1:]:
        assert np.array_equal(product, products[0])
    for size in (1, 33, 70, 384):
        tiles(size)
        product = GramOperator(X, "relu", device=device, dtype=dtype) @ V
        assert np.allclose(product, products[0], rtol=0, atol=70 * FEW * eps(dtype))


def test_the_same_product_again_gives_the_same_bits(operator):
    V = vectors()
    assert np.array_equal(operator @ V, operator @ V)


def test_diagonal_and_trace(activation, kind, device):
    X = np.array([[1, 4, 8], [4, 8, 1], [8, -1, 4], [-4, 1, 8]]) / 8  # of one norm exactly
    op = GramOperator(X, activation, kind=kind, device=device)
    dense = op.dense()
    assert op.diagonal().dtype == np.float64
    assert np.allclose(op.diagonal(), np.diag(dense), rtol=FEW * EPS, atol=0)
    assert op.trace() == pytest.approx(np.trace(dense), rel=FEW * EPS)


def test_diagonal_in_float32(device):
    """Its own rounding is float32's: that of the weights and of the entries."""
    op = GramOperator(rows(), "tanh", device=device, dtype="float32")
    assert np.allclose(op.diagonal(), np.diag(op.dense()), rtol=FEW * eps("float32"), atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [True, False])
def test_diagonal_of_rows_of_many_norms(kind, device, zero):
    X = rows(6, 3) * np.array([0.0 if zero else 0.8, 0.5, 1.0, 1.2, 0.9, 1.0])[:, None]
    for name in ("relu", "softplus"):
        op = GramOperator(X, name, kind=kind, device=device)
        dense = op.dense()
        assert np.allclose(op.diagonal(), np.diag(dense), rtol=0, atol=1e-12 * np.max(dense))
    op = GramOperator(X[2:4], "hard_tanh", kind=kind, device=device)  # integrated one by one
    assert np.allclose(op.diagonal(), np.diag(op.dense()), rtol=0, atol=FEW * EPS)


def test_absolute_row_sums(device, tiles):
    tiles(TILE)
    for name in ("linear", "sin"):  # entries of both signs
        op = GramOperator(rows(), name, device=device)
        dense = op.dense()
        assert np.any(dense < 0)
        assert np.allclose(
            matrix_of(op).absolute_row_sums, np.sum(np.abs(dense), axis=1), rtol=N * EPS
        )


def test_a_product_and_the_row_sums_in_one_pass(tiles, watch):
    tiles(TILE)
    op, V = GramOperator(rows(), "sin", memory=0), vectors()
    calls = []
    watch(op, lambda: calls.append(1))
    product = matrix_of(op).product_and_row_sums(V)
    assert len(calls) == 10
    sums = matrix_of(op).absolute_row_sums
    assert len(calls) == 10
    assert np.array_equal(product, op @ V)
    assert np.array_equal(matrix_of(op).product_and_row_sums(V), product)
    assert np.array_equal(sums, matrix_of(GramOperator(rows(), "sin")).absolute_row_sums)


def test_a_gram_matrix_of_zeros(device):
    op = GramOperator(rows(), "step", device=device)
    assert np.array_equal(op @ vectors(), np.zeros((N, 3)))
    assert np.array_equal(op.diagonal(), np.zeros(N))
    assert matrix_of(op).entries.error == 0.0


@pytest.mark.slow
def test_rows_of_many_norms(device, tiles):
    """A sum of many tables, and a homogeneous activation, in products as in the dense matrix."""
    tiles(TILE)
    X = rows() * np.linspace(0.9, 1.1, N)[:, None]
    V = vectors()
    for name in ("softplus", "relu"):
        op = GramOperator(X, name, device=device, memory=0)
        dense = op.dense()
        assert np.all(np.abs(op @ V - dense @ V) <= rounding(dense, V))


# --- how wrong it says it may be -----------------------------------------------------------------


def exact_matrix(X, name, kind):
    """The ideal matrix of the rows as they are, in mpmath."""
    matrix = mp.matrix(len(X), len(X))
    for i in range(len(X)):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = pair_entry(name, kind, X[i], X[j])
    return matrix


@pytest.mark.parametrize("name", ["relu", "erf", "gelu"])
def test_norm_error_bounds_the_error_of_the_matrix(name, kind, dtype, device):
    """In the spectral norm, close pairs and opposite rows included."""
    X = rows(9, 3)
    X = np.concatenate([X, -X[:2], X[2:4] + 1e-7])
    if name == "relu":
        X = X * np.geomspace(0.1, 10, len(X))[:, None]
    else:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    op = GramOperator(X, name, kind=kind, device=device, dtype=dtype)
    difference = exact_matrix(X, name, kind) - mp.matrix(op.dense().tolist())
    error = np.array(difference.tolist(), dtype=float)
    bound = matrix_of(op).entries.norm_error
    assert np.linalg.norm(error, 2) <= bound
    assert bound <= 1000 * 13 * eps(dtype) * np.max(np.abs(op.dense()))


# --- scipy's eigensolvers ------------------------------------------------------------------------


@pytest.fixture
def problem(device, tiles):
    tiles(64)
    X = rows(300, 6, seed=3)
    op = GramOperator(X, "relu", device=device)
    return op, scipy.linalg.eigvalsh(op.dense())


@pytest.mark.slow
def test_eigsh(problem):
    op, exact = problem
    largest, at = eigsh(op, k=3, which="LA", v0=np.ones(300))
    assert np.allclose(np.sort(largest), exact[-3:], rtol=1e-10)
    assert np.allclose(op @ at, at * largest, rtol=0, atol=1e-10 * exact[-1])
    smallest = eigsh(op, k=2, which="SA", v0=np.ones(300), return_eigenvectors=False, maxiter=9999)
    assert np.allclose(np.sort(smallest), exact[:2], rtol=0, atol=1e-10 * exact[-1])


def test_lobpcg(problem):
    op, exact = problem
    start = np.random.default_rng(0).standard_normal((300, 4))
    largest, _ = lobpcg(op, start, largest=True, tol=1e-8, maxiter=200)
    assert np.allclose(np.sort(largest), exact[-4:], rtol=1e-9)


# --- errors and threads --------------------------------------------------------------------------


def test_an_error_in_a_worker_is_raised_and_hangs_nothing(tiles, watch):
    """Threads that wait for their turn to add are woken by one that fails."""
    for failing in (1, 5, 9, 27):
        tiles(TILE, 3)
        op = GramOperator(rows(60), "relu", memory=0)
        calls, devices = [], matrix_of(op).devices

        def broken(calls=calls, failing=failing):
            calls.append(1)
            if len(calls) == failing:
                raise ZeroDivisionError("a broken kernel")

        watch(op, broken)
        outcome = []

        def work(op=op, outcome=outcome):
            try:
                outcome.append(op @ np.ones(60))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(60.0)
        assert outcome, "deadlock"
        assert isinstance(outcome[0], ZeroDivisionError)
        matrix_of(op).devices = devices
        assert np.allclose(op @ np.ones(60), np.sum(op.dense(), axis=1), rtol=1e-12)


def test_blas_threads_are_restored(tiles):
    tiles(TILE, 2)
    op = GramOperator(rows(), "relu", memory=0)
    with threadpool_limits(3, user_api="blas"):
        before = threadpool_info()
        op @ vectors()
        op.dense()
        matrix_of(op).absolute_row_sums
        assert [library["num_threads"] for library in threadpool_info()] == [
            library["num_threads"] for library in before
        ]


def test_products_of_one_operator_on_many_threads(tiles, device):
    """They share what is kept, and the first ones fill it."""
    tiles(TILE, 2)
    op = GramOperator(rows(60), "relu", device=device, memory=30_000)
    V = vectors(60)
    expected = GramOperator(rows(60), "relu", device=device, memory=1) @ V
    results = []
    workers = [threading.Thread(target=lambda: results.append(op @ V)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60.0)
    assert len(results) == 6
    assert all(np.array_equal(result, expected) for result in results)
    assert sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values()) <= 30_000


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "error", "words"),
    [
        (-1, ValueError, ["memory must be at least 0", "-1"]),
        (0.5, TypeError, ["memory must be an integer", "0.5"]),
        ("8GB", TypeError, ["memory must be an integer", "'8GB'"]),
        (True, TypeError, ["memory must be an integer"]),
    ],
)
def test_bad_memory(memory, error, words, refuses):
    with refuses(error, *words):
        GramOperator(rows(), "relu", memory=memory)


def test_rows_changed_afterwards_do_not_matter(device):
    """Not even those of a float64 array that was taken without a copy."""
    X = rows()
    op = GramOperator(X, "relu", device=device, memory=0)
    before = op @ np.ones(N)
    X[:] = 1.0
    assert np.array_equal(op @ np.ones(N), before)
