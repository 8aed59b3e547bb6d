"""Eigenpairs at an end of the spectrum of a symmetric band matrix, such as T of a Lanczos run.

LAPACK's own for band matrices (`dsbevx`) makes a square matrix of rotations even for one vector,
which takes longer than all else that a run asks of T. One vector comes of inverse iteration with
the band's factors instead, in a hundredth of the time; several, of the matrix as a dense one, in a
third. Neither is taken on trust: brackets measure what a vector's residual is.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fastgram.support.arrays import Array

__all__ = ["eigenpairs_at_end"]

_EPS = float(np.finfo(np.float64).eps)
_STEPS = 2  # of inverse iteration, from a random vector


def eigenpairs_at_end(band: Array, values: Array, count: int, largest: bool) -> tuple[Array, Array]:
    """Return eigenvalues at one end, the extreme one first, and their orthonormal eigenvectors.

    Parameters
    ----------
    band : (w + 1, n) array
        In LAPACK's lower band storage.
    values : (n,) array
        All eigenvalues, ascending.
    count : int
        How many pairs, 1 to n.
    largest : bool
        At which end.

    Returns
    -------
    values : (count,) array
    vectors : (n, count) array
    """
    order = band.shape[1]
    if count == 1:
        value = float(values[-1 if largest else 0])
        size = max(abs(float(values[0])), abs(float(values[-1]))) or 1.0
        outward = (4.0 if largest else -4.0) * _EPS * size
        return np.array([value]), _vector_beside(band, value, outward)[:, None]
    chosen = (order - count, order - 1) if largest else (0, count - 1)
    found, vectors = scipy.linalg.eigh(
        _dense(band), subset_by_index=chosen, overwrite_a=True, check_finite=False
    )
    return (found[::-1], vectors[:, ::-1]) if largest else (found, vectors)


def _vector_beside(band: Array, value: float, outward: float) -> Array:
    """Return a unit vector of an extreme eigenvalue, by shifts that are so far outside, or more."""
    width, order = band.shape[0] - 1, band.shape[1]
    both = np.zeros((2 * width + 1, order))
    both[width:] = band
    for k in range(1, width + 1):
        both[width - k, k:] = band[k, : order - k]
    both[width] -= value + outward
    vector = np.random.default_rng(0).standard_normal(order)
    steps = 0
    while steps < _STEPS:
        try:
            vector = scipy.linalg.solve_banded((width, width), both, vector, check_finite=False)
        except np.linalg.LinAlgError:  # a shift met an eigenvalue to the last bit
            both[width] -= outward
            continue
        vector /= np.max(np.abs(vector))  # a norm of its squares might overflow
        vector /= np.linalg.norm(vector)
        steps += 1
    return np.asarray(vector)


def _dense(band: Array) -> Array:
    """Return the lower triangle of a band matrix as a square array."""
    order = band.shape[1]
    square = np.zeros((order, order), order="F")
    for k in range(band.shape[0]):
        square[np.arange(k, order), np.arange(order - k)] = band[k, : order - k]
    return square
