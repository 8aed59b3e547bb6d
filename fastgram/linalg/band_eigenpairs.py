"""Eigenpairs at the ends of the spectrum of T, the band matrix of a Lanczos run.

LAPACK's own for band matrices (`dsbevx`, `dsbtrd`) make a tridiagonal matrix of it first, even for
one eigenvalue, which takes longer than all else that a run asks of T. One pair comes of shifts
instead, each by a Cholesky factorisation of the band and a few Lanczos steps with its inverse, in a
twentieth of the time; several, of the matrix as a dense one. Neither is taken on trust: brackets
measure what a vector's residual is, and how far out T goes.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
from scipy.linalg import blas, lapack

from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread

__all__ = ["EndPairs", "band_of", "eigenpairs_at_end"]

_EPS = float(np.finfo(np.float64).eps)
_DENSE = 64  # an order up to which a dense matrix is as fast
_STEPS = 4  # with the inverse, for a factorisation: they cost about as much
_NEAR = 4.0 * _EPS  # how near the last shift is, relative to T: as near as it can be told
_MIXED = 1e-3  # of a random vector, where one has no part in the extreme eigenvector
_MOST = 200  # shifts: each second one halves what the eigenvalue is known to


class EndPairs:
    """Eigenpairs at the ends of a T that grows by blocks, each from that of a smaller T.

    Which one it begins from depends on the number of blocks alone: the same T has the same pairs
    to the bit, whatever was asked before.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bool], tuple[list[Array], tuple[Array, Array]]] = {}
        self._band: tuple[list[Array], Array] = [], np.empty((0, 0))  # the newest, for both ends

    def find(
        self, diagonals: list[Array], couplings: list[Array], count: int, largest: bool
    ) -> tuple[Array, Array]:
        """Return (count,) eigenvalues at one end, the extreme one first, and their eigenvectors.

        Parameters
        ----------
        diagonals, couplings : list of arrays
            The Aⱼ and Bⱼ₊₁, the last of which is no part of T.
        count : int
            At most the order of T.
        largest : bool
        """
        blocks = [*diagonals, *couplings[: len(diagonals) - 1]]
        key = len(diagonals), count, largest
        if key in self._known and _are_the_same(self._known[key][0], blocks):
            return self._known[key][1]
        with one_blas_thread():
            start = None
            if count == 1 and (fewer := _rung_below(len(diagonals))):
                start = self.find(diagonals[:fewer], couplings[:fewer], 1, largest)[1][:, 0]
            if not _are_the_same(self._band[0], blocks):
                self._band = blocks, band_of(diagonals, couplings)
            pairs = eigenpairs_at_end(self._band[1], count, largest, start)
        self._known[key] = blocks, pairs
        return pairs


def _are_the_same(before: list[Array], blocks: list[Array]) -> bool:
    pairs = zip(before, blocks, strict=False)
    return len(before) == len(blocks) and all(mine is theirs for mine, theirs in pairs)


def _rung_below(blocks: int) -> int:
    """Return the largest number below one of 1, 2, 3 … 8, 10, 12, 15, 18, 22, …, or 0.

    Those are the passes at which a run looks that has nothing to extrapolate from
    (`fastgram.eigenvalues.methods.next_look`): each begins from the one before.
    """
    below, rung = 0, 1
    while rung < blocks:
        below, rung = rung, rung + max(1, rung // 4)
    return below


def band_of(diagonals: list[Array], couplings: list[Array]) -> Array:
    """Return T in LAPACK's lower band storage, (w + 1, n).

    Parameters
    ----------
    diagonals, couplings : list of arrays
        The Aⱼ and Bⱼ₊₁, the last of which is no part of T.
    """
    sizes = np.array([diagonal.shape[0] for diagonal in diagonals])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    most, order = int(np.max(sizes)), int(starts[-1])
    # a coupling of full rank is triangular, one that lost columns is not
    width = min(most if np.all(sizes == most) else 2 * most - 1, order - 1)
    stacked = np.zeros((len(diagonals), most + width + 1 + most, most))
    for stack, diagonal, coupling in zip(stacked, diagonals, couplings, strict=False):
        size = diagonal.shape[0]
        stack[:size, :size] = diagonal
        stack[size : size + coupling.shape[0], :size] = coupling
    size = diagonals[-1].shape[0]
    stacked[-1] = 0.0
    stacked[-1, :size, :size] = diagonals[-1]
    band = np.empty((width + 1, order))
    for column in range(most):
        those = np.nonzero(sizes > column)[0]
        band[:, starts[those] + column] = stacked[those, column : column + width + 1, column].T
    return band


def eigenpairs_at_end(
    band: Array, count: int, largest: bool, start: Array | None = None
) -> tuple[Array, Array]:
    """Return eigenvalues at one end, the extreme one first, and their orthonormal eigenvectors.

    Parameters
    ----------
    band : (w + 1, n) array
        In LAPACK's lower band storage.
    count : int
        How many pairs, 1 to n.
    largest : bool
        At which end.
    start : (≤ n,) array, optional
        Something like the first part of the eigenvector, where one pair is asked for.

    Returns
    -------
    values : (count,) array
    vectors : (n, count) array
    """
    order = band.shape[1]
    if count == 1 and order > _DENSE:
        value, vector = _least_pair(-band if largest else band, start)
        return np.array([-value if largest else value]), vector[:, None]
    chosen = (order - count, order - 1) if largest else (0, count - 1)
    found, vectors = scipy.linalg.eigh(
        _dense(band), subset_by_index=chosen, overwrite_a=True, check_finite=False
    )
    if found.size < count:  # as LAPACK's drivers for a few do on what is nearly a multiple of I
        found, vectors = (
            part[..., chosen[0] : chosen[1] + 1]
            for part in scipy.linalg.eigh(_dense(band), driver="ev", check_finite=False)
        )
    return (found[::-1], vectors[:, ::-1]) if largest else (found, vectors)


def _least_pair(band: Array, start: Array | None) -> tuple[float, Array]:
    """Return the least eigenvalue and its unit eigenvector, from shifts that close in on it."""
    exponent = int(np.frexp(np.max(np.abs(band)))[1])
    band = np.asfortranarray(np.ldexp(band, -exponent))
    random = _unit(np.random.default_rng(0).standard_normal((band.shape[1],)))
    vector = random.copy()
    if start is not None:
        vector[: start.size], vector[start.size :] = start, 0.0
    value, residual = _quotient(band, vector)
    below, above = -np.inf, value  # the eigenvalue lies between
    shift, apart = value - max(residual, _NEAR), np.inf
    for _ in range(_MOST):
        found = _towards(band, shift, vector)
        if found is None:  # the eigenvalue is further out, and the vector may have no part in it
            vector = _unit(vector + _MIXED * random)
            above, shift = min(above, shift), value - 4.0 * (value - shift)
        else:
            below = shift
            vector, shift = found
            value, _ = _quotient(band, vector)
            above = min(above, value)
            if above - below <= 2.0 * _NEAR:
                break
            shift = min(shift, above - _NEAR)
        if above - below <= 2.0 * _NEAR:  # nothing is to be told between them
            shift = below - _NEAR
        elif not below < shift < above or above - below > 0.5 * apart:
            shift = 0.5 * (below + above) if np.isfinite(below) else shift
        apart = above - below
    return float(np.ldexp(value, exponent)), vector


def _towards(band: Array, shift: float, vector: Array) -> tuple[Array, float] | None:
    """Return a vector nearer to the least eigenvalue's, by Lanczos steps with the inverse.

    And a shift that is likely to be below the eigenvalue, and nearer to it. None where this one is
    not below.
    """
    shifted = band.copy(order="F")
    shifted[0] -= shift
    factor, failed = lapack.dpbtrf(shifted, lower=1, overwrite_ab=1)
    if failed:
        return None
    basis = np.empty((_STEPS, vector.size))
    small = np.zeros((_STEPS, _STEPS))
    steps, left = 0, 0.0
    while steps < _STEPS:
        basis[steps] = vector
        steps += 1
        image, _ = lapack.dpbtrs(factor, vector, lower=1)
        vector = image
        for _ in range(2):
            parts = basis[:steps] @ vector
            small[:steps, steps - 1] += parts
            vector = vector - parts @ basis[:steps]
        left = _norm(vector)
        if left <= 16.0 * _EPS * _norm(image):  # nothing but rounding
            break
        vector = vector / left
    values, vectors = np.linalg.eigh(small[:steps, :steps], UPLO="U")
    last = vectors[:, -1]
    nearer = _unit(last @ basis[:steps])
    return nearer, shift + 1.0 / (float(values[-1]) + left * abs(float(last[-1])))


def _quotient(band: Array, vector: Array) -> tuple[float, float]:
    """Return the Rayleigh quotient of a unit vector, and the norm of its residual."""
    image = blas.dsbmv(band.shape[0] - 1, 1.0, band, vector, lower=1)
    value = float(vector @ image)
    return value, _norm(image - value * vector)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / _norm(vector))


def _norm(vector: Array) -> float:
    return math.sqrt(float(vector @ vector))  # of a band of size 1: no square overflows


def _dense(band: Array) -> Array:
    """Return the lower triangle of a band matrix as a square array."""
    order = band.shape[1]
    square = np.zeros((order, order), order="F")
    for k in range(band.shape[0]):
        square[np.arange(k, order), np.arange(order - k)] = band[k, : order - k]
    return square
