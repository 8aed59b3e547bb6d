"""Eigenpairs of band matrices, against NumPy's of the dense matrix and by their residuals."""

import numpy as np
import pytest

from fastgram.linalg.band_eigenpairs import eigenpairs_at_end

EPS = np.finfo(float).eps


def banded(A, width):
    band = np.zeros((width + 1, len(A)))
    for k in range(width + 1):
        band[k, : len(A) - k] = np.diagonal(A, -k)
    return band


def random_band(n, width, seed=0):
    A = np.random.default_rng(seed).standard_normal((n, n))
    return np.tril(np.triu(A + A.T, -width), width)


MATRICES = {
    "random": (random_band(120, 5), 5),
    "one": (np.array([[3.0]]), 0),
    "zero": (np.zeros((6, 6)), 2),
    "diagonal": (np.diag([1.0, 2.0, 4.0]), 0),
    "equal": (np.eye(7), 1),
    "two that nearly agree": (np.diag([1.0, 1.0 + 1e-13, 2.0, 5.0, 5.0]), 1),
    "of two blocks": (np.kron(np.eye(2), random_band(30, 3, 1)), 3),
    "far from 1": (1e80 * random_band(40, 4, 2), 4),
}


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("name", MATRICES)
def test_one_pair_and_several(name, largest):
    A, width = MATRICES[name]
    values = np.linalg.eigvalsh(A)
    size = max(abs(values[0]), abs(values[-1]))
    for count in {1, min(3, len(A)), len(A)}:
        found, vectors = eigenpairs_at_end(banded(A, width), values, count, largest)
        expected = values[::-1][:count] if largest else values[:count]
        np.testing.assert_allclose(found, expected, rtol=0, atol=100 * EPS * size)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=50 * len(A) * EPS)
        residuals = np.linalg.norm(A @ vectors - vectors * found, axis=0)
        assert np.all(residuals <= 200 * EPS * size)


def test_a_shift_that_meets_an_eigenvalue_is_moved():
    A = np.diag([1.0, 2.0, 4.0])
    values = np.array([1.0 + 16 * EPS, 2.0, 4.0])  # the shift beside it is 1
    _, vectors = eigenpairs_at_end(banded(A, 0), values, 1, False)
    np.testing.assert_allclose(np.abs(vectors[:, 0]), [1.0, 0.0, 0.0], atol=1e-12)
