"""Matrices whose eigenvalues are known."""

import numpy as np


def matrix_and_vectors(values, seed=0):
    """A symmetric matrix with these eigenvalues, and its eigenvectors: drawn at random."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2, basis


def matrix_with(values, seed=0):
    return matrix_and_vectors(values, seed)[0]


def ritz_values(run):
    """All eigenvalues of a Lanczos run's T, ascending, by NumPy of the whole matrix."""
    starts = np.cumsum([0, *(len(part) for part in run.diagonals)])
    T = np.zeros((starts[-1], starts[-1]))
    for j, diagonal in enumerate(run.diagonals):
        T[starts[j] : starts[j + 1], starts[j] : starts[j + 1]] = diagonal
        if j + 1 < len(run.diagonals):
            T[starts[j + 1] : starts[j + 2], starts[j] : starts[j + 1]] = run.couplings[j]
    return np.linalg.eigvalsh(T)
