"""One hidden layer as a map of angles: E[g(u)g(v)] against the angle between u and v.

Distances from the values at both ends are kept, and never the values alone: in s, half the chord
to the nearer end, the distance is s**order times a smooth function, so that it keeps its relative
digits as s tends to 0, layer after layer.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.piecewise import DEGREE, NODES, basis_at, fit, halve, points_of
from fastgram.network.activations import Activation
from fastgram.network.duals import chords_at
from fastgram.network.integrals.chords import order_of
from fastgram.network.integrals.line_quadrature import parallel_duals
from fastgram.network.integrals.roughness import reason_of
from fastgram.network.integrals.waves import is_closed
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread

__all__ = ["Distances", "Layer", "Pairs"]

Mask = npt.NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
_DEGREE = DEGREE
_TOLERANCE = 1e-15  # of the largest distance over s**(order − 1) on a piece
_LEAVE = 16.0  # by how much more narrow intervals may miss
_NOISE = 8.0  # roundings of f, in the mean square of its values
_DENORMAL = 2.0**-1000  # of distances so small no digits are asked
_NARROWEST = 2.0**-14
_GRADING = 3.0  # from an interval to the next, toward s = 0
_OF_WAVES = 2.0
_TOP = float(np.sqrt(0.5))  # s at a right angle


@dataclass(frozen=True)
class Pairs:
    """All unordered pairs of so many norms; arrays over them have the pairs as their last axis."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]

    @staticmethod
    def of(count: int) -> Pairs:
        """Return the pairs of `count` norms."""
        return Pairs(*np.triu_indices(count))

    def take(self, matrix: Array) -> Array:
        """Return the elements of symmetric matrices, (..., count, count), at the pairs."""
        return np.asarray(matrix[..., self.first, self.second])

    def product(self, values: Array) -> Array:
        """Return the products of the values of the two, (pairs,)."""
        return np.asarray(values[self.first] * values[self.second])


@dataclass(frozen=True)
class Distances:
    """E[g(u)g(v)] at some angles, as what is missing from its value at the nearer end.

    Attributes
    ----------
    at_one, at_minus_one : (pairs,) arrays
        Its values at the angles 0 and π.
    far : bool array, broadcasts to that of `values`
        Where the nearer end is π.
    values : (..., pairs) array
        Value at the nearer end minus value at the angle.
    """

    at_one: Array
    at_minus_one: Array
    far: Mask
    values: Array

    def below(self, base: Distances) -> tuple[Array, Array]:
        """Return the value at one angle, `base`, and how much below it the values here are."""
        gap = self.at_one - self.at_minus_one
        from_one = np.where(self.far, gap + self.values, self.values)
        from_minus_one = np.where(self.far, self.values, self.values - gap)
        missing = np.where(base.far, from_minus_one, from_one) - base.values
        end = np.where(base.far, self.at_minus_one, self.at_one)
        return end - base.values, missing


@dataclass(frozen=True)
class _Series:
    """s**order·G(s) on [0, √½], G as Chebyshev series on pieces; a series a pair."""

    order: int
    edges: Array
    coefficients: Array  # (pieces, degree + 1, pairs)
    missed: Array  # (pieces, pairs): what the fits left of the distance over s**(order − 1)

    def __call__(self, s: Array) -> Array:
        pieces = self._pieces_of(s)
        low, high = self.edges[pieces], self.edges[pieces + 1]
        t = np.clip((2.0 * s - low - high) / (high - low), -1.0, 1.0)
        if s.shape[-1] > 1:
            result = self._of_each(t, pieces)
        else:  # all pairs are in a piece together where they are at one s
            result = np.empty((*s.shape[:-1], self.coefficients.shape[2]))
            polynomials = _polynomials(t[..., 0])
            for k in np.unique(pieces).tolist():
                here = pieces[..., 0] == k
                result[here] = polynomials[:, here].T @ self.coefficients[k]
        return np.asarray(s**self.order * result)

    def _of_each(self, t: Array, pieces: npt.NDArray[np.intp]) -> Array:
        """Return the series of each pair at its own t, by Clenshaw's scheme."""
        pairs = np.arange(self.coefficients.shape[2])  # or one for all of them
        pieces = found if (found := np.unique(pieces)).size == 1 else pieces
        after = later = np.zeros(t.shape)
        for k in range(self.coefficients.shape[1] - 1, 0, -1):
            coefficient = self.coefficients[pieces, k, pairs]
            after, later = coefficient + 2.0 * t * after - later, after
        return np.asarray(self.coefficients[pieces, 0, pairs] + t * after - later)

    def _pieces_of(self, s: Array) -> npt.NDArray[np.intp]:
        places = np.searchsorted(self.edges, s, side="right") - 1
        return np.clip(places, 0, len(self.coefficients) - 1)

    def error(self, s: Array) -> Array:
        """Return what the fits left of the distances at s, (k, pairs)."""
        return np.asarray(self.missed[self._pieces_of(s)] * s[:, None] ** (self.order - 1))


def _polynomials(t: Array) -> Array:
    """Return the Chebyshev polynomials at t, (degree + 1, …)."""
    result = np.empty((_DEGREE + 1, *t.shape))
    result[0], result[1] = 1.0, t
    known = 1
    while known < _DEGREE:  # T_(m+k) = 2T_m T_k − T_(m−k)
        more = min(known, _DEGREE - known)
        following = result[known + 1 : known + more + 1]
        np.multiply(2.0 * result[known], result[1 : more + 1], out=following)
        following -= result[known - more : known][::-1]
        known += more
    return result


class Layer:
    """E[g(u)g(v)], g the activation or its derivative, for all pairs of some variances.

    Parameters
    ----------
    activation : Activation
    derivative : bool
        Whether g is f'.
    variances : (m,) array
        Above 0.
    """

    def __init__(self, activation: Activation, derivative: bool, variances: Array) -> None:
        self._pairs = Pairs.of(variances.size)
        power = activation.homogeneity
        if power is None:
            self._scale = np.ones(1)
        else:  # one function of the angle serves all variances
            power = max(power - 1, 0) if derivative else power
            self._scale = self._pairs.product(np.sqrt(variances)) ** power
            variances, self._pairs = np.ones(1), Pairs.of(1)
        self._source = (activation, derivative, variances)
        one, minus_one = parallel_duals(activation, derivative, variances)
        self.at_one = self._scale * self._pairs.take(one)
        self.at_minus_one = self._scale * self._pairs.take(minus_one)

    def at_offsets(self, far: bool, offsets: Array) -> Distances:
        """Return distances at angles so far from one end, the same for all pairs.

        Parameters
        ----------
        far : bool
            Whether that end is π.
        offsets : (k,) array
            In [0, π/2].
        """
        series = self._fit[int(far)]
        values = self._scale * series(np.minimum(np.sin(offsets[:, None] / 2.0), _TOP))
        return Distances(self.at_one, self.at_minus_one, np.asarray(far), values)

    def at_end(self, far: bool) -> Distances:
        """Return the distance at an end from itself, π if `far`, the same for all pairs."""
        return Distances(self.at_one, self.at_minus_one, np.asarray(far), np.zeros((1, 1)))

    def fit_error(self, s: Array) -> Array:
        """Return the error by fits of distances at half chords s, relative to κ(1): (k,)."""
        missed = np.maximum(*(side.error(s) for side in self._fit))
        largest = max(float(np.max(self.at_one)), float(np.finfo(np.float64).tiny))
        return np.asarray(np.max(self._scale * missed, axis=1) / largest)

    @functools.cached_property
    def _fit(self) -> tuple[_Series, _Series]:
        activation, derivative, variances = self._source
        sides: tuple[_Series, _Series] = _series(activation, derivative, tuple(variances.tolist()))
        return sides

    def at_angles(self, theta: Array) -> Distances:
        """Return distances at angles (..., pairs), a set of its own for each pair."""
        near, far = self._fit
        obtuse = theta > np.pi / 2.0
        s = np.minimum(np.sin(np.where(obtuse, np.pi - theta, theta) / 2.0), _TOP)
        values = np.zeros(theta.shape) if np.all(obtuse) else near(s)
        if np.any(obtuse):
            values = np.where(obtuse, far(s), values)
        return Distances(self.at_one, self.at_minus_one, obtuse, self._scale * values)


@functools.lru_cache(maxsize=256)
def _series(
    activation: Activation, derivative: bool, variances: tuple[float, ...]
) -> tuple[_Series, _Series]:
    """Fit the distances from both ends, on common pieces."""
    fitter = _Fitter(activation, derivative, np.asarray(variances))
    pieces = halve(fitter.intervals(), fitter.piece_of, fitter.halves)
    pieces.sort(key=lambda piece: piece.high)
    edges = np.array([0.0, *(piece.high for piece in pieces)])
    near, far = (
        _Series(
            fitter.order,
            edges,
            np.array([piece.series[:, side] for piece in pieces]),
            np.array([piece.missed[side] for piece in pieces]),
        )
        for side in (0, 1)
    )
    return near, far


@dataclass(frozen=True)
class _FittedPiece:
    """Series up to one s of all pairs, at both ends, and what the fits miss at the nodes."""

    high: float
    series: Array  # (degree + 1, 2, pairs)
    missed: Array  # (2, pairs)


class _Fitter:
    """Fits of the distances from both ends over s**(order − 1), one function a pair and end."""

    def __init__(self, activation: Activation, derivative: bool, variances: Array) -> None:
        self.order = order_of(activation, derivative)
        self._activation, self._derivative, self._variances = activation, derivative, variances
        self._pairs = Pairs.of(variances.size)
        parallel = parallel_duals(activation, derivative, variances)[0]
        self._roots = np.sqrt(np.diagonal(parallel))
        self._alike = np.flatnonzero(self._pairs.first == self._pairs.second)
        self._bend = 1.0 / max(float(np.sqrt(np.max(variances))), 1.0)

    def intervals(self) -> list[tuple[float, float]]:
        """Return the intervals to start from, graded as far as a large variance asks for.

        Where f bends at |z| < 1, entries bend at chords of 1/√q.
        """
        # of sines they fall like a normal density, further than a kink's or a tail's bend
        grading = _OF_WAVES if is_closed(self._activation, np.sqrt(self._variances)) else _GRADING
        depth = max(int(np.ceil(np.log(_TOP / self._bend) / np.log(grading))), 0)
        edges = [0.0, *(_TOP * grading ** np.arange(-depth, 1.0)).tolist()]
        return list(itertools.pairwise(edges))

    def piece_of(self, interval: tuple[float, float]) -> _FittedPiece | None:
        """Return the fit on an interval of s, or None where that misses too much."""
        s = points_of(*interval, NODES)
        angles = 2.0 * np.arcsin(s)
        with one_blas_thread():
            chords = chords_at(self._activation, self._derivative, angles, self._variances)
        samples = np.moveaxis(chords, 0, 1) / s[:, None, None] ** (self.order - 1)
        flat = samples.reshape(s.size, -1)
        # of s·G and not of G, whose samples carry the rounding of the distances over s
        weighted = s[:, None] * basis_at(NODES, _DEGREE)
        series = fit(weighted, flat)
        # pairs are held to what each of the two norms has with itself, and to f's rounding, in a
        # distance that is small beside its values
        own = np.sqrt(np.abs(samples[:, 0, self._alike]))
        size = self._pairs.product(np.max(own, axis=0))
        rounding = np.max(own / s[:, None] ** ((self.order - 1) / 2.0), axis=0)
        first, second = self._pairs.first, self._pairs.second
        noise = self._roots[first] * rounding[second] + self._roots[second] * rounding[first]
        floor = _EPS * (float(np.max(size)) + _NOISE / 2.0 * noise) + _DENORMAL
        miss = np.max(np.abs(weighted @ series - flat), axis=0).reshape(2, -1)
        # what narrow intervals miss is rounding, that of the largest of many pairs: it is stated
        low, high = interval
        leave = min(high / (high - low), _LEAVE)
        if not np.all(miss <= leave * (_TOLERANCE * size + floor)):
            return None
        return _FittedPiece(interval[1], series.reshape(_DEGREE + 1, 2, -1), miss)

    def halves(self, interval: tuple[float, float]) -> list[tuple[float, float]]:
        """Return both halves of an interval, the left one last; refuse one that is too narrow."""
        low, high = interval
        if high - low < _NARROWEST * self._bend:
            most = float(np.max(self._variances))
            raise ValueError(
                f"activation {self._activation.name!r}: too rough a function of the angle at"
                f" variances from {self._variances[0]:g} to {self._variances[-1]:g}:"
                f" {reason_of(self._activation, float(np.sqrt(most)))}"
            )
        middle = (low + high) / 2.0
        return [(middle, high), (low, middle)]
