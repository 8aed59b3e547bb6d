"""The factorisation by panels, against SciPy's of the whole square."""

import numpy as np
import pytest
import scipy.linalg
from helpers.tolerances import EPS

from fastgram.linalg import packed_cholesky
from fastgram.linalg.packed_cholesky import LowerTriangle, packed_bytes


def definite(n, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, n + 10))
    return X @ X.T / n + 0.1 * np.eye(n)


def triangle_of(A, panel, dtype=np.float64):
    n = A.shape[0]
    triangle = LowerTriangle(n, panel, dtype)
    for rows in triangle.rows:
        for columns in triangle.rows:  # blocks above the diagonal too: they are left out
            triangle.write(rows, columns, A[rows, columns])
    return triangle


def whole(triangle):
    out = np.zeros((triangle.n, triangle.n))
    for rows, panel in zip(triangle.rows, triangle.panels, strict=True):
        out[rows, : rows.stop] = panel
    return np.tril(out)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "panel"), [(1, 4), (7, 7), (8, 3), (50, 16), (64, 16), (130, 1)])
@pytest.mark.parametrize("threads", [1, 3])
def test_factor_and_solution_are_scipys(n, panel, threads):
    A = definite(n)
    triangle = triangle_of(A, panel)
    np.testing.assert_array_equal(whole(triangle), np.tril(A))
    np.testing.assert_array_equal(triangle.diagonal(), np.diag(A))
    assert triangle.factorise(threads)
    expected = scipy.linalg.cholesky(A, lower=True)
    assert np.max(np.abs(whole(triangle) - expected)) <= 64 * n * EPS * np.max(np.abs(expected))
    right = np.random.default_rng(1).standard_normal((n, 3))
    expected = np.linalg.solve(A, right)
    assert np.max(np.abs(triangle.solve(right) - expected)) <= 1e3 * n * EPS * np.max(
        np.abs(expected)
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_in_float32(threads):
    A, single = definite(130), float(np.finfo(np.float32).eps)
    triangle = triangle_of(A, 16, np.float32)
    assert triangle.factorise(threads)
    assert {panel.dtype for panel in triangle.panels} == {np.dtype(np.float32)}
    L = whole(triangle)
    assert EPS < np.linalg.norm(L @ L.T - A, 2) <= 8 * single * np.linalg.norm(A, 2)
    right = np.random.default_rng(1).standard_normal((130, 3))
    solution = triangle.solve(right)
    assert solution.dtype == np.float64
    assert np.linalg.norm(A @ solution - right) <= 64 * single * np.linalg.cond(A)
    assert not triangle_of(-A, 16, np.float32).factorise(threads)


def test_the_bits_do_not_depend_on_threads(monkeypatch):
    A = definite(200)
    factors, solutions = [], []
    for threads in (1, 2, 5):
        monkeypatch.setattr(packed_cholesky, "thread_count", lambda count=threads: count)
        monkeypatch.setattr(packed_cholesky, "_CHUNK_COLUMNS", 32)
        triangle = triangle_of(A, 24)
        triangle.factorise()
        factors.append(whole(triangle))
        solutions.append(triangle.solve(np.eye(200, 5)))
    for other in (1, 2):
        np.testing.assert_array_equal(factors[0], factors[other])
        np.testing.assert_array_equal(solutions[0], solutions[other])


@pytest.mark.parametrize("threads", [1, 4])
def test_an_indefinite_matrix_does_not_run_through(threads):
    A = definite(100)
    low = scipy.linalg.eigvalsh(A)[0]
    for shift, runs in ((0.999 * low, True), (1.001 * low, False), (1e3, False)):
        triangle = triangle_of(A, 16)
        triangle.set_diagonal(triangle.diagonal() - shift)
        assert triangle.factorise(threads) is runs


def test_an_error_in_a_thread_is_raised(monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("planted")

    triangle = triangle_of(definite(60), 16)
    monkeypatch.setattr(packed_cholesky.scipy.linalg, "get_blas_funcs", lambda *_, **__: (fail,))
    with pytest.raises(RuntimeError, match="planted"):
        triangle.factorise(3)


@pytest.mark.parametrize("n", [1, 16, 17, 40])
def test_memory_is_half_of_the_square(n):
    for dtype in (np.float64, np.float32):
        taken = sum(panel.nbytes for panel in LowerTriangle(n, 16, dtype).panels)
        assert packed_bytes(n, 16, dtype) == taken
    assert taken <= 8 * (n * (n + 16) // 2 + 256)


def test_rows_and_squares_of_the_factor():
    A = definite(50)
    triangle = triangle_of(A, 16)
    triangle.factorise()
    triangle.clear_above()
    L = whole(triangle)
    assert triangle.sum_of_squares() == pytest.approx(np.trace(A), rel=1e-12)
    np.testing.assert_array_equal(triangle.rows_up_to(slice(10, 40), 45), L[10:40, :45])
    np.testing.assert_array_equal(triangle.rows_up_to(slice(16, 32), 20), L[16:32, :20])
