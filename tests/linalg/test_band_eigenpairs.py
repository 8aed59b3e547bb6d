"""Eigenpairs of band matrices, against NumPy's of the dense matrix and by their residuals."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
from helpers.matrices import ritz_values

from fastgram.linalg.band_eigenpairs import EndPairs, band_of, eigenpairs_at_end

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
        found, vectors = eigenpairs_at_end(banded(A, width), count, largest)
        expected = values[::-1][:count] if largest else values[:count]
        np.testing.assert_allclose(found, expected, rtol=0, atol=100 * EPS * size)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=50 * len(A) * EPS)
        residuals = np.linalg.norm(A @ vectors - vectors * found, axis=0)
        assert np.all(residuals <= 200 * EPS * size)


def test_of_nearly_a_multiple_of_the_identity():
    """Of some such LAPACK's drivers for a few eigenvalues return none."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 14))
        basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
        A = (basis * 3.0) @ basis.T
        for count, largest in itertools.product((1, 2), (False, True)):
            values, vectors = eigenpairs_at_end(banded((A + A.T) / 2.0, n - 1), count, largest)
            np.testing.assert_allclose(values, np.full(count, 3.0), rtol=100 * EPS)
            assert vectors.shape == (n, count)


def clustered(n=200, width=6):
    """A band matrix whose least eigenvalues lie close together: a flat edge, as T has."""
    A = random_band(n, width, 3)
    return np.kron(np.eye(2), A[:100, :100]) + 1e-9 * random_band(n, width, 4)


LARGE = {
    "random": (random_band(150, 5), 5),
    "zero": (np.zeros((70, 70)), 2),
    "equal": (np.eye(80), 1),
    "diagonal": (np.diag(np.linspace(1.0, 2.0, 90)), 1),
    "nearly twice": (clustered(), 6),
    "exactly twice": (np.kron(np.eye(2), random_band(50, 3, 1)), 3),
    "two that nearly agree": (np.diag([1.0, 1.0 + 1e-13, *np.linspace(2.0, 5.0, 68)]), 1),
    "graded": (np.diag(np.geomspace(1e-300, 1.0, 100)), 2),
    "far from 1": (1e200 * random_band(90, 4, 2), 4),
    "tiny": (1e-300 * random_band(90, 4, 2), 4),
}


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("name", LARGE)
def test_one_pair_by_shifts(name, largest):
    A, width = LARGE[name]
    n = len(A)
    values = np.linalg.eigvalsh(A)
    size = max(abs(values[0]), abs(values[-1]))
    wrong = np.zeros(n)  # a start with no part in the eigenvector, and one that is another's
    wrong[0] = 1.0
    for start in (None, wrong[: n // 2], np.linalg.eigh(A)[1][:, n // 2]):
        found, vectors = eigenpairs_at_end(banded(A, width), 1, largest, start)
        assert abs(found[0] - values[-1 if largest else 0]) <= 100 * EPS * size
        assert abs(np.linalg.norm(vectors) - 1.0) <= n * EPS
        residual = np.linalg.norm(
            (A / (size or 1.0)) @ vectors[:, 0] - vectors[:, 0] * (found / (size or 1.0))
        )
        assert residual <= 200 * EPS


def lanczos_blocks(passes, sizes, seed=0):
    """Blocks of a T whose couplings are triangular where they keep their rank."""
    generator = np.random.default_rng(seed)
    diagonals, couplings = [], []
    for size, rows in itertools.pairwise(sizes):
        square = generator.standard_normal((size, size))
        diagonals.append(square + square.T)
        coupling = generator.standard_normal((rows, size))
        couplings.append(np.triu(coupling) if rows == size else coupling)
    return diagonals[:passes], couplings[:passes]


@pytest.mark.parametrize("sizes", [[7] * 41, [9] * 10 + [7] * 12 + [5] * 19, [1] * 41])
def test_the_band_is_that_of_the_blocks(sizes):
    blocks = lanczos_blocks(40, sizes)
    run = SimpleNamespace(diagonals=blocks[0], couplings=blocks[1])
    whole = scipy.linalg.eigvals_banded(band_of(*blocks), lower=True)
    np.testing.assert_allclose(whole, ritz_values(run), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [[7] * 41, [9] * 10 + [7] * 12 + [5] * 19])
def test_pairs_of_a_growing_matrix_owe_nothing_to_what_was_asked_before(sizes):
    often, once = EndPairs(), EndPairs()
    for passes in range(1, 41):
        often.find(*lanczos_blocks(passes, sizes), 1, passes % 2 == 0)
    blocks = lanczos_blocks(40, sizes)
    expected = ritz_values(SimpleNamespace(diagonals=blocks[0], couplings=blocks[1]))
    for largest in (False, True):
        found, alone = (pairs.find(*blocks, 1, largest) for pairs in (often, once))
        np.testing.assert_array_equal(found[0], alone[0])
        np.testing.assert_array_equal(found[1], alone[1])
        assert abs(found[0][0] - expected[-1 if largest else 0]) <= 1e-12


def test_other_blocks_have_other_pairs():
    diagonals, couplings = lanczos_blocks(20, [7] * 21)
    pairs = EndPairs()
    before = pairs.find(diagonals, couplings, 1, True)[0]
    diagonals[3] = diagonals[3] + 100.0 * np.eye(7)
    assert pairs.find(diagonals, couplings, 1, True)[0] > before + 50.0
