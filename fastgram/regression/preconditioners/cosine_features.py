"""Features of rows whose inner products are near the entries of a Gram matrix.

Between rows of one norm an entry is a function of their cosine, and the large eigenvalues are those
of its first powers: x ↦ products of up to three principal coordinates of x, in exact number, where
columns of the matrix show them through the noise of all the rest. Where not all products of a
degree are taken, what is left of them has a part of lower degree (a product with a square in it):
so each degree's factor is fitted to some entries with the very products that are taken. Factors are
nonnegative, so that what the features make is semidefinite. Of rows of several norms it is an
approximation, as good as any here: a preconditioner need not be exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

from fastgram.regression.preconditioners.sampled_spectrum import largest_of_block
from fastgram.support.arrays import Array, blocks

__all__ = ["CosineFeatures", "FittedFeatures", "fitted_features"]

Places = npt.NDArray[np.intp]

_SAMPLE = 64  # columns that coefficients are fitted to
_SAMPLE_ROWS = 1024  # of each
_ROWS = 4096  # that are turned at a time
_DEGREE = 3
_DIRECTIONS = (1, 1024, 64, 24)  # principal coordinates that products of 0, 1, 2, 3 are made of


@dataclass(frozen=True)
class CosineFeatures:
    """Monomials in principal coordinates of unit rows, the heaviest first.

    Attributes
    ----------
    scales : (n,) array
        Square roots of the diagonal of the matrix.
    coordinates : (n, d) array
        Of the unit rows, along principal axes.
    monomials : list of tuple of int
        The coordinates that each is the product of.
    sizes : (m,) array
        What each is multiplied by: all of a degree have the power of the cosine for inner product.
    """

    scales: Array
    coordinates: Array
    monomials: list[tuple[int, ...]]
    sizes: Array

    def of_rows(self, some: slice, rows: slice | Places = slice(None)) -> Array:
        """Return some of the features of unit rows, (n, count), in Fortran order."""
        coordinates, monomials = self.coordinates[rows], self.monomials[some]
        found = np.empty((len(coordinates), len(monomials)), order="F")
        found[:] = self.sizes[some]
        for k, monomial in enumerate(monomials):
            for direction in monomial:
                found[:, k] *= coordinates[:, direction]
        return found

    @property
    def degrees(self) -> npt.NDArray[np.intp]:
        """How many coordinates each is the product of."""
        return np.array([len(monomial) for monomial in self.monomials], dtype=np.intp)


@dataclass(frozen=True)
class FittedFeatures:
    """The first of some features, fitted to a matrix, and what they leave of it.

    Attributes
    ----------
    features : CosineFeatures
    count : int
        Of features.
    roots : (4,) array
        What those of each degree are multiplied by.
    left, largest, least : float
        Of what is left: the mean of its diagonal, its largest and its least eigenvalue, as far as
        some of the rows show them, in the units of the matrix.
    """

    features: CosineFeatures
    count: int
    roots: Array
    left: float
    largest: float
    least: float

    def factor(self) -> Array:
        """Return F, of which FFᵀ is near the matrix, (n, count) in Fortran order."""
        found = self.features.of_rows(slice(self.count))
        found *= self.roots[self.features.degrees[: self.count]]
        found *= self.features.scales[:, None]
        return found


def fitted_features(
    columns_of: Callable[[Places], Array],
    rows: Array,
    diagonal: Array,
    most: int,
    drawn: Places,
) -> Iterator[FittedFeatures]:
    """Yield more and more features, none where a row or an entry of the diagonal is 0.

    Parameters
    ----------
    columns_of : callable
        From indices to those columns of the matrix, (n, m).
    rows : (n, d) array
    diagonal : (n,) array
        Of the matrix.
    most : int
        Features, at most.
    drawn : (n,) array of indices
        Of rows in an order that is drawn: the first are looked at.
    """
    norms = np.linalg.norm(rows, axis=1)
    if not (np.all(norms > 0.0) and np.all(diagonal > 0.0) and np.all(np.isfinite(norms))):
        return
    coordinates, scales, n = rows / norms[:, None], np.sqrt(diagonal), len(rows)
    drawn, places = drawn[:_SAMPLE_ROWS], drawn[:_SAMPLE]  # the first of them as columns too
    entries = columns_of(places) / (scales[:, None] * scales[places])
    # two rows that are nearly one have an eigenvalue that a few rows drawn do not show
    others = np.abs(entries)
    others[places, np.arange(places.size)] = 0.0
    nearest = np.argmax(others, axis=0)
    cosines = coordinates[drawn] @ coordinates[places].T
    coefficients = _fitted(
        [cosines**k for k in range(_DEGREE + 1)], entries[drawn], drawn[:, None] != places
    )
    shares, axes = scipy.linalg.eigh(coordinates.T @ coordinates / n)
    shares, axes = np.maximum(shares[::-1], 0.0), axes[:, ::-1]
    for some in blocks(n, _ROWS):  # in place: there may be no memory for one copy more
        coordinates[some] = coordinates[some] @ axes
    features = CosineFeatures(scales, coordinates, *_heaviest(coefficients, shares, most))
    yield from _fits(features, entries, float(np.mean(diagonal)), drawn, nearest)


def _fits(
    features: CosineFeatures, entries: Array, mean: float, drawn: Places, nearest: Places
) -> Iterator[FittedFeatures]:
    """Yield fits of the first features to the columns of the first rows drawn."""
    columns, degrees = entries.shape[1], features.degrees
    seen = np.concatenate([drawn, nearest])
    used = drawn[:, None] != drawn[:columns]
    powers = np.zeros((_DEGREE + 1, seen.size, columns))
    before = 0
    for count in _counts(degrees):
        known = features.of_rows(slice(before, count), seen)
        for degree in range(_DEGREE + 1):
            some = known[:, degrees[before:count] == degree]
            powers[degree] += some @ some[:columns].T
        before = count
        goal = entries[drawn]
        coefficients = _fitted(list(powers[:, : drawn.size]), goal, used)
        rest = entries[seen] - np.tensordot(coefficients, powers, 1)
        square = rest[:columns]
        left = max(float(np.mean(np.diagonal(square))), 0.0)
        pairs = rest[drawn.size + np.arange(columns), np.arange(columns)]
        least = min(
            float(scipy.linalg.eigvalsh((square + square.T) / 2.0)[0]),
            left - float(np.max(np.abs(pairs))),
        )
        largest = largest_of_block(rest[: drawn.size], len(entries))
        ends = mean * left, mean * largest, mean * max(least, 0.0)
        yield FittedFeatures(features, count, np.sqrt(coefficients), *ends)


def _counts(degrees: npt.NDArray[np.intp]) -> list[int]:
    """Return the numbers of features that are tried: powers of 2, and where a degree begins."""
    total = degrees.size
    begins = [int(k) for k in np.flatnonzero(np.diff(degrees)) + 1][:8]
    doubled = [2**k for k in range(4, 20) if 2**k < total]
    return sorted({*begins, *doubled, total} - {0})


def _fitted(powers: list[Array], entries: Array, used: npt.NDArray[np.bool_]) -> Array:
    """Return nonnegative coefficients that bring a sum of powers nearest to the entries."""
    columns = np.stack([power[used] for power in powers], axis=1)
    return np.asarray(scipy.optimize.nnls(columns.T @ columns, columns.T @ entries[used])[0])


def _heaviest(coefficients: Array, shares: Array, most: int) -> tuple[list[tuple[int, ...]], Array]:
    """Return monomials and what each is multiplied by, of the greatest mean squares first."""
    monomials: list[tuple[int, ...]] = []
    sizes, weights = [], []
    for degree, coefficient in enumerate(coefficients):
        directions = range(min(shares.size, _DIRECTIONS[degree]))
        for monomial in itertools.combinations_with_replacement(directions, degree):
            orders = math.factorial(degree)
            for direction in set(monomial):
                orders //= math.factorial(monomial.count(direction))
            monomials.append(monomial)
            sizes.append(math.sqrt(orders))
            weights.append(coefficient * orders * math.prod(shares[k] for k in monomial))
    order = np.argsort(-np.array(weights), kind="stable")
    order = order[np.array(weights)[order] > 0.0][:most]
    return [monomials[k] for k in order], np.array(sizes)[order]
