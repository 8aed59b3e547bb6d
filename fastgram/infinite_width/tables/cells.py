"""The cells of a table's piece, all of them at a time: samples, fits, slopes and roundings.

A table of a large norm has a hundred cells: each is a few thousand operations, and much more by
itself in Python. What is fitted is (K(±1) − K)/s, by least squares in K itself: see
`fastgram.infinite_width.piecewise.Piece`, which is the same for pieces of many functions.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastgram.infinite_width.piecewise import POWERS, Profile, basis_at, points_of
from fastgram.support.arrays import Array, FloatArray

__all__ = ["PLACES", "Cell", "Cells", "rounding_of", "sample"]

Cell = tuple[bool, float, float]  # whether it is on the side of −1, and its range of s

# Where slopes are looked at, and roundings: these are off each other by the golden ratio, for
# numbers of few bits would be multiplied without rounding.
_GRID = np.linspace(-1.0, 1.0, 129)
PLACES = np.append(np.mod(np.arange(1.0, 1024.0) * ((5.0**0.5 - 1.0) / 2.0), 1.0), [0.0, 1.0])


@dataclass(frozen=True)
class Cells:
    """Cells of one function, each from one s to another, and samples of (K(±1) − K)/s there.

    Attributes
    ----------
    lows, highs : (cells,) arrays
        Ranges of s.
    bases : (cells,) array
        K(±1).
    s, samples : (cells, nodes) arrays
    """

    lows: Array
    highs: Array
    bases: Array
    s: Array
    samples: Array

    def around(self, inner: Cells) -> Cells:
        """Return the first of these, others, and the rest of these, with what is known of them."""

        def joined(ours: tuple[Array, ...], others: tuple[Array, ...]) -> list[Array]:
            pairs = zip(ours, others, strict=True)
            return [np.concatenate([outer[:1], part, outer[1:]]) for outer, part in pairs]

        result = Cells(*joined(self._arrays(), inner._arrays()))
        vars(result)["_factors"] = tuple(joined(self._factors, inner._factors))
        return result

    def share(self, index: int, count: int) -> Cells:
        """Return one of so many equal shares, in order, with what is known of its cells."""
        size = self.lows.size // count
        part = slice(index * size, (index + 1) * size)
        result = Cells(*(array[part] for array in self._arrays()))
        vars(result)["_factors"] = tuple(array[part] for array in self._factors)
        return result

    def _arrays(self) -> tuple[Array, ...]:
        return self.lows, self.highs, self.bases, self.s, self.samples

    @functools.cached_property
    def _factors(self) -> tuple[Array, Array, Array]:
        """Orthonormal columns, the triangles that make the basis of them, and K's parts.

        Polynomials of lower degrees are fitted by the first of the same columns.
        """
        nodes, ratios = self.s.shape[1], (self.lows / self.highs).tolist()
        found = [_factors_of(ratio, nodes) for ratio in ratios]
        columns, triangles = (np.array(parts) for parts in zip(*found, strict=True))
        triangles *= self.highs[:, None, None]
        values = (self.s * self.samples)[:, :, None]
        return columns, triangles, np.matmul(columns.transpose(0, 2, 1), values)

    def misses_of(self, degree: int) -> Array:
        """K's largest errors at the nodes by cell, of one degree."""
        columns, _, parts = self._factors
        found = np.matmul(columns[:, :, : degree + 1], parts[:, : degree + 1])[:, :, 0]
        return np.asarray(np.max(np.abs(self.s * self.samples - found), axis=1))

    @functools.cached_property
    def misses(self) -> Array:
        """K's largest errors at the nodes, by cell and degree."""
        columns, _, parts = self._factors
        rest = (self.s * self.samples)[:, :, None] - np.cumsum(
            columns * parts.transpose(0, 2, 1), axis=2
        )
        return np.asarray(np.max(np.abs(rest), axis=1))

    def fit(self, degree: int) -> tuple[Array, Array]:
        """Return Chebyshev coefficients, (cells, degree + 1), and errors at the nodes, (cells,)."""
        columns, triangles, parts = self._factors
        few = slice(degree + 1)
        basis = basis_at(self.s.shape[1], degree).T

        def solve(parts: FloatArray) -> Array:
            return np.asarray(np.linalg.solve(triangles[:, few, few], parts)[:, :, 0], np.float64)

        series = solve(parts[:, few])
        # as in `fastgram.infinite_width.piecewise.fit`
        rest = self.s * (self.samples - series @ basis)
        series += solve(np.matmul(columns[:, :, few].transpose(0, 2, 1), rest[:, :, None]))
        missed = np.abs(self.s * (series @ basis - self.samples))
        return series, np.asarray(np.max(missed, axis=1))

    def powers(self, series: Array) -> Array:
        """Return coefficients of t**k, t from −1 to 1 on each cell, from Chebyshev ones."""
        size = series.shape[1]
        return np.asarray(series @ POWERS[:size, :size].T)

    def slope(self, series: Array) -> float:
        """Bound |dK/ds| by its largest value on a grid, with a margin."""
        value, rate = (series @ basis[: series.shape[1]] for basis in _on_grid())
        half = (self.highs - self.lows)[:, None] / 2.0
        s = (self.highs + self.lows)[:, None] / 2.0 + half * _GRID
        return 1.25 * float(np.max(np.abs(value + s * rate / half)))


@functools.lru_cache(maxsize=256)
def _factors_of(ratio: float, nodes: int) -> tuple[Array, Array]:
    """Return the factors of s times polynomials on [ratio, 1]: pieces that are graded are alike."""
    basis = basis_at(nodes, nodes * 6 // 7 - 1)
    columns, triangle = np.linalg.qr(points_of(ratio, 1.0, nodes)[:, None] * basis)
    return columns, triangle


def sample(profile: Profile, cells: Sequence[Cell], nodes: int) -> Cells:
    """Sample cells, each on the side of −1 or not and from one s to another."""
    sides = np.array([far for far, _, _ in cells])
    lows, highs = (np.array([cell[k] for cell in cells]) for k in (1, 2))
    s = points_of(lows[:, None], highs[:, None], nodes)
    drops, bases = np.empty(s.shape), np.empty(sides.size)
    for far in (False, True):
        here = sides == far
        if np.any(here):
            drops[here] = profile.chords(far, 2.0 * np.arcsin(s[here].ravel())).reshape(-1, nodes)
            bases[here] = profile.end(far)[0]
    return Cells(lows, highs, bases, s, drops / s)


def rounding_of(cells: FloatArray, scale: float, of: Cells, series: Array) -> Array:
    """Measure what the Horner scheme of cells rounds, the tiles' dtype as its arithmetic.

    Against the same polynomial as a Chebyshev series in float64, which multiplies its roundings by
    no powers of 2: at places that all cells have, and from there to the rounded s by its slope.

    Parameters
    ----------
    cells : (2 + coefficients, cells) array
        Offsets, bases, and coefficients descending, as in a table.
    scale : float
        Of t.
    of : Cells
        That they were fitted to.
    series : (cells, coefficients) array

    Returns
    -------
    (cells,) array
        The largest at many points.
    """
    kind, columns = cells.dtype, cells[:, :, None]
    low, high = of.lows[:, None], of.highs[:, None]
    s = (low + PLACES * (high - low)).astype(kind)
    t = kind.type(scale) * s + columns[0]
    total = np.zeros_like(s)
    for coefficient in columns[2:]:
        total *= t
        total += coefficient
    found = columns[1] - s * total
    value, rate = (series @ basis[: series.shape[1]] for basis in _at_places())
    rounded = (2.0 * s - low - high) / (high - low) - (2.0 * PLACES - 1.0)
    exact = of.bases[:, None] - s * (value + rounded * rate)
    return np.asarray(np.max(np.abs(found.astype(np.float64) - exact), axis=1))


@functools.cache
def _at_places() -> tuple[Array, Array]:
    return _polynomials_at(2.0 * PLACES - 1.0)


@functools.cache
def _on_grid() -> tuple[Array, Array]:
    return _polynomials_at(_GRID)


def _polynomials_at(t: Array) -> tuple[Array, Array]:
    """Return the Chebyshev polynomials and their derivatives, (degrees, places)."""
    theta, k = np.arccos(t), np.arange(len(POWERS))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = k * np.sin(k * theta) / np.sin(theta)
    ends = np.abs(t) == 1.0
    rates[:, ends] = k**2 * t[ends] ** (k + 1)
    return np.cos(k * theta), rates
