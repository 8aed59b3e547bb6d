"""Matrices whose eigenvalues are known."""

import numpy as np


def matrix_and_vectors(values, seed=0):
    """A symmetric matrix with these eigenvalues, and its eigenvectors: drawn at random."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2, basis


def matrix_with(values, seed=0):
    return matrix_and_vectors(values, seed)[0]
