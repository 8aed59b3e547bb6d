"""Features of rows whose inner products are near the entries of a Gram matrix.

Between rows of one norm an entry is a function of their cosine, and the large eigenvalues are those
of its first powers: x ↦ products of up to three principal coordinates of x, in exact number, where
columns of the matrix show them through the noise of all the rest. The powers' coefficients are
fitted to some columns, at the cosines that the rows have, and nonnegative, so that what the
features make is semidefinite. Of rows of several norms it is an approximation, as good as any here:
a preconditioner need not be exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

from fastgram.support.arrays import Array

__all__ = ["CosineFeatures", "fitted_features"]

Places = npt.NDArray[np.intp]

_SAMPLE = 64  # columns that coefficients are fitted to
_SAMPLE_ROWS = 1024  # of each
_JUDGED = 512  # features, after which the rest is looked at
_DEGREE = 3
_DIRECTIONS = (1, 1024, 64, 24)  # principal coordinates that products of 0, 1, 2, 3 are made of


@dataclass(frozen=True)
class CosineFeatures:
    """Monomials in principal coordinates of unit rows, the heaviest first.

    Attributes
    ----------
    next_weight : (m + 1,) array
        The largest mean square of a feature after so many, over the mean of the diagonal.
    left : (m + 1,) array
        What so many features leave of the diagonal, in the mean, in the units of the matrix.
    flatness : float
        From 0 to 1: the least eigenvalue of what the first 512 leave, as far as some columns of it
        show, over its mean.
    low : float
        An eigenvalue of the matrix between some rows that a quarter of them are below, in its
        units.
    scales : (n,) array
        Square roots of the diagonal.
    coordinates : (n, d) array
        Of the unit rows, along principal axes.
    monomials : list of tuple of int
        The coordinates that each is the product of.
    sizes : (m,) array
        What each is multiplied by.
    """

    next_weight: Array
    left: Array
    flatness: float
    low: float
    scales: Array
    coordinates: Array
    monomials: list[tuple[int, ...]]
    sizes: Array

    def factor(self, count: int, rows: slice | Places = slice(None)) -> Array:
        """Return the first so many features of rows, (n, count), in Fortran order."""
        coordinates, scales = self.coordinates[rows], self.scales[rows]
        found = np.empty((len(scales), count), order="F")
        for k, monomial in enumerate(self.monomials[:count]):
            np.multiply(scales, self.sizes[k], out=found[:, k])
            for direction in monomial:
                found[:, k] *= coordinates[:, direction]
        return found


def fitted_features(
    columns_of: Callable[[Places], Array], rows: Array, diagonal: Array, most: int, seed: int
) -> CosineFeatures | None:
    """Return the features of a Gram matrix, None where a row or an entry of the diagonal is 0.

    Parameters
    ----------
    columns_of : callable
        From indices to those columns of the matrix, (n, m).
    rows : (n, d) array
    diagonal : (n,) array
        Of the matrix.
    most : int
        Features, at most.
    seed : int
        Of the columns that are drawn.
    """
    norms = np.linalg.norm(rows, axis=1)
    if not (np.all(norms > 0.0) and np.all(diagonal > 0.0) and np.all(np.isfinite(norms))):
        return None
    unit, scales, n = rows / norms[:, None], np.sqrt(diagonal), len(rows)
    rng = np.random.default_rng(np.random.SeedSequence([seed, _SAMPLE]))
    drawn = rng.permutation(n)[:_SAMPLE_ROWS]  # the first of them as columns too
    places = drawn[:_SAMPLE]
    entries = columns_of(places) / (scales[:, None] * scales[places])
    cosines = unit[drawn] @ unit[places].T
    coefficients = _fitted(cosines, entries[drawn], drawn[:, None] != places)
    shares, axes = scipy.linalg.eigh(unit.T @ unit / n)
    shares, axes = np.maximum(shares[::-1], 0.0), axes[:, ::-1]
    monomials, sizes, weights = _heaviest(coefficients, shares)
    monomials, sizes = monomials[:most], sizes[:most]
    left = np.mean(diagonal) * np.maximum(1.0 - np.r_[0.0, np.cumsum(weights[: len(sizes)])], 0.0)
    following = np.maximum(np.r_[weights, 0.0][: left.size], _beyond(coefficients, shares))
    shown = entries[places] * (scales[places, None] * scales[places])
    low = float(scipy.linalg.eigvalsh((shown + shown.T) / 2.0)[places.size // 4])
    found = CosineFeatures(following, left, 0.0, low, scales, unit @ axes, monomials, sizes)
    some = found.factor(min(len(sizes), _JUDGED)) / scales[:, None]
    return replace(found, flatness=_flatness(entries - some @ some[places].T, places))


def _flatness(rest: Array, places: Places) -> float:
    """Return how even the eigenvalues of a matrix are of which some columns are known."""
    square = rest[places]
    mean = max(float(np.mean(np.diagonal(square))), 1e-300)
    least = float(scipy.linalg.eigvalsh((square + square.T) / 2.0)[0])
    # two rows that are nearly one leave an eigenvalue that a few rows drawn do not show
    nearest = np.abs(rest)
    nearest[places, np.arange(places.size)] = 0.0
    least = min(least, mean - float(np.max(nearest)))
    return float(np.clip(least / mean, 0.0, 1.0))


def _fitted(cosines: Array, entries: Array, used: npt.NDArray[np.bool_]) -> Array:
    """Return nonnegative coefficients of the powers 0 … 3 that come nearest to the entries."""
    t, goal = cosines[used], entries[used]
    powers, triangle = scipy.linalg.qr(
        np.stack([t**k for k in range(_DEGREE + 1)], axis=1), mode="economic"
    )
    return np.asarray(scipy.optimize.nnls(triangle, powers.T @ goal)[0])


def _heaviest(coefficients: Array, shares: Array) -> tuple[list[tuple[int, ...]], Array, Array]:
    """Return monomials, what each is multiplied by, and their weights, the heaviest first."""
    monomials: list[tuple[int, ...]] = []
    sizes, weights = [], []
    for degree, coefficient in enumerate(coefficients):
        directions = range(min(shares.size, _DIRECTIONS[degree]))
        for monomial in itertools.combinations_with_replacement(directions, degree):
            orders = math.factorial(degree)
            for direction in set(monomial):
                orders //= math.factorial(monomial.count(direction))
            monomials.append(monomial)
            sizes.append(math.sqrt(coefficient * orders))
            weights.append(coefficient * orders * math.prod(shares[k] for k in monomial))
    order = np.argsort(-np.array(weights), kind="stable")
    order = order[np.array(weights)[order] > 0.0]
    chosen = [monomials[k] for k in order]
    return chosen, np.array(sizes)[order], np.array(weights)[order]


def _beyond(coefficients: Array, shares: Array) -> float:
    """Return the largest weight of a monomial in a coordinate that is left out of its degree."""
    found = [
        coefficient * degree * shares[0] ** (degree - 1) * shares[most]
        for degree, (coefficient, most) in enumerate(zip(coefficients, _DIRECTIONS, strict=True))
        if degree and most < shares.size
    ]
    return float(max(found, default=0.0))
