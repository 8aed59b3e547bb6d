"""The least distance between two rows, signs aside, found among all pairs."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from fastgram.datasets.rows import float64_rows
from fastgram.support.threads import one_blas_thread, thread_count

__all__ = ["NearestPair", "separation"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def separation(X: npt.ArrayLike) -> float:
    """Return the least of ‖x − y‖ and ‖x + y‖ over all pairs of rows.

    Meant for unit rows, where it is the δ that bounds on the smallest eigenvalue are stated in.
    The rows are taken as they are, not rescaled: scale them first where their norms differ.

    Parameters
    ----------
    X : array_like
        (n, d) real rows, n at least 2 and d at least 1.

    Returns
    -------
    float
        In the units of `X`. Exactly 0.0 if, and only if, two rows are equal or opposite; else
        accurate to a few units in the last place, however close the pair.

    Raises
    ------
    TypeError
        If `X` does not hold real numbers.
    ValueError
        If `X` is not two-dimensional, has fewer than two rows or no columns, or is not finite.

    Notes
    -----
    ‖x ∓ y‖² = ‖x‖² + ‖y‖² ∓ 2⟨x, y⟩ costs one matrix product a block of pairs, but is blind below
    about √(d·eps) of the norms. It only rules pairs out: every pair whose value, less a bound of
    its rounding, does not exceed the best distance so far is measured again from the difference
    of the two rows. Time O(n²d) on all cores, memory beside `X` O(n + d). Crowds of rows closer
    than that blindness are measured pair by pair, some hundred times slower.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.separation([[1.0, 0.0], [0.0, 1.0], [-1.0, 1e-9]])
    1e-09
    """
    rows = float64_rows(X)
    if len(rows) < 2:
        raise ValueError("separation needs at least 2 rows, X has 1")
    return NearestPair(rows).distance()


class NearestPair:
    """A search of all pairs of rows, in blocks of pairs, for the least distance."""

    def __init__(self, rows: Array, block: int = 512) -> None:
        self.rows, self.block = rows, block
        # Powers of two are exact: products of the scaled rows cannot overflow, and what underflows
        # is within the absolute part of the slack.
        self._exponent = int(np.frexp(max(rows.max(), -rows.min()))[1])
        self._squares = self._lowered_squares()
        self._later = np.tri(self.block, dtype=np.bool_)
        self._best = math.inf
        self._lock = threading.Lock()

    def distance(self) -> float:
        """Return the least distance, computed on all threads."""
        with one_blas_thread(), ThreadPoolExecutor(thread_count()) as pool:
            for _ in pool.map(self._sweep, range(0, len(self.rows), self.block)):
                pass  # an exception in a thread is raised here
        return self._best

    def _lowered_squares(self) -> Array:
        """Return lower bounds of the squared norms of the scaled rows, rounding of a pair paid.

        A product of d terms, in any order, is wrong by at most d·u·‖x‖‖y‖, u = eps/2; so are the
        norms, and four more roundings follow. Twice that and more, taken off the norms, makes a
        lower bound, and one that the rounding of a distance cannot cross: the order in which
        pairs are looked at leaves no trace in the answer.
        """
        n, d = self.rows.shape
        squares = np.empty(n)
        for i in range(0, n, self.block):
            part = self._block(i)
            squares[i : i + self.block] = np.einsum("ij,ij->i", part, part)
        squares *= 1 - (3 * d + 16) * np.finfo(np.float64).eps
        squares -= (8 * d + 64) * np.finfo(np.float64).tiny
        return squares

    def _block(self, i: int, doubled: int = 0) -> Array:
        """Return a block of rows, scaled to at most 1, or twice that."""
        scaled: Array = np.ldexp(self.rows[i : i + self.block], doubled - self._exponent)
        return scaled

    def _bound(self) -> float:
        """Return the square of the least distance so far, of scaled rows."""
        return math.ldexp(self._best, -self._exponent) ** 2

    def _sweep(self, i: int) -> None:
        """Compare a block of rows with itself and all that follow."""
        left = self._block(i, doubled=1)
        squares = self._squares[i : i + self.block]
        for j in range(i, len(self.rows), self.block):
            if self._best == 0:
                return
            lower = left @ self._block(j).T
            np.abs(lower, out=lower)
            np.subtract(self._squares[j : j + self.block], lower, out=lower)
            if i == j:
                lower[self._later[: len(lower), : len(lower)]] = math.inf
            least = lower.min(axis=1) + squares
            a = least.argmin()
            if least[a] > self._bound() or least[a] == math.inf:
                continue
            self._measure(np.array([i + a]), np.array([j + lower[a].argmin()]))
            lower += squares[:, None]
            close = lower <= self._bound()
            close &= lower < math.inf  # the bound is inf where distances overflow
            first, second = np.nonzero(close)
            self._measure(i + first, j + second)

    def _measure(self, first: Indices, second: Indices) -> None:
        """Take the distances of pairs into account, from the differences themselves."""
        found = _least_distance(self.rows, first, second)
        with self._lock:
            self._best = min(self._best, found)


def _least_distance(rows: Array, first: Indices, second: Indices) -> float:
    """Return the least ‖x − y‖ or ‖x + y‖ of the pairs, from the differences themselves."""
    best = math.inf
    step = max(1, 2**16 // rows.shape[1])
    for k in range(0, len(first), step):
        x, y = rows[first[k : k + step]], rows[second[k : k + step]]
        with np.errstate(over="ignore"):  # a distance beyond float64 is inf
            best = min(best, float(_norms(x - y).min()), float(_norms(x + y).min()))
    return best


def _norms(Z: Array) -> Array:
    """Return the norms of the rows, free of overflow and underflow of their squares."""
    exponent = np.frexp(np.abs(Z).max(axis=1))[1]
    scaled: Array = np.linalg.norm(np.ldexp(Z, -exponent[:, None]), axis=1)
    return np.ldexp(scaled, exponent)
