"""Polynomials on pieces of [−1, 1] that fit functions of the angle between two rows.

The variable is s, half the chord to the nearer end of [−1, 1]. In s a Gram entry is smooth up to
the end, kinks or not, and what is fitted is the end value minus s times a polynomial, so that the
error vanishes with s. Away from the ends the cosine itself serves, without a square root. Pieces
are halved until a polynomial of the largest degree reaches the tolerance.

`fit`, `points_of` and `halve` are the fitter that layers, tables and separated tables share.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.polynomial import chebyshev

from fastgram.kernels.contract import PieceVariable
from fastgram.support.arrays import Array, FloatArray

__all__ = [
    "DEGREE",
    "NODES",
    "POWERS",
    "Interval",
    "Piece",
    "Profile",
    "basis_at",
    "check_width",
    "cut",
    "fit",
    "halve",
    "horner",
    "largest",
    "points_of",
    "transform_of",
]

Interval = tuple[PieceVariable, float, float]  # mode, and the range of its variable
T = TypeVar("T")
U = TypeVar("U")

DEGREE = 31
NODES = 48
# Powers of t from Chebyshev polynomials: column k is T_k.
POWERS = np.zeros((DEGREE + 1, DEGREE + 1))
for _k in range(DEGREE + 1):
    POWERS[: _k + 1, _k] = chebyshev.cheb2poly(np.eye(_k + 1)[_k])
_NARROWEST = 2.0**-12
_SHORTEST = 2.0**-400


# --- the fitter -----------------------------------------------------------------------------------


def points_of(low: float | Array, high: float | Array, nodes: int) -> Array:
    """Return the Chebyshev nodes of an interval, ascending: (nodes,); or of columns of ends."""
    return np.asarray((low + high) / 2.0 + _nodes(nodes) * (high - low) / 2.0)


def basis_at(nodes: int, degree: int) -> Array:
    """Return the Chebyshev polynomials at so many nodes, (nodes, degree + 1)."""
    return _basis(nodes)[:, : degree + 1]


def fit(weighted_basis: Array, weighted_values: Array) -> Array:
    """Return Chebyshev coefficients by least squares, (degree + 1, functions).

    Parameters
    ----------
    weighted_basis : (nodes, degree + 1) array
        Each node's weight times `basis_at`.
    weighted_values : (nodes, functions) array
        The same weight times the functions there.
    """
    columns, triangle = np.linalg.qr(weighted_basis)
    series = np.linalg.solve(triangle, columns.T @ weighted_values)
    # what that rounds is as large as the largest coefficients: a second solution takes it away
    rest = weighted_values - weighted_basis @ series
    series += np.linalg.solve(triangle, columns.T @ rest)
    return np.asarray(series, dtype=np.float64)


def halve(
    intervals: Sequence[T], piece_of: Callable[[T], U | None], parts_of: Callable[[T], Sequence[T]]
) -> list[U]:
    """Return a piece for each interval or, where that is None, for each of its parts.

    The last interval is the first to be worked on, and an interval's parts come before the rest.
    """
    waiting, pieces = list(intervals), []
    while waiting:
        interval = waiting.pop()
        piece = piece_of(interval)
        if piece is None:
            waiting += parts_of(interval)
        else:
            pieces.append(piece)
    return pieces


@functools.cache
def _nodes(count: int) -> Array:
    return np.asarray(chebyshev.chebpts1(count))


@functools.cache
def _basis(nodes: int) -> Array:
    """Return the Chebyshev polynomials up to DEGREE at so many nodes, (nodes, DEGREE + 1)."""
    return np.asarray(chebyshev.chebvander(_nodes(nodes), DEGREE))


def transform_of(count: int) -> Array:
    """Return the matrix from values at Chebyshev nodes to coefficients."""
    vandermonde = chebyshev.chebvander(chebyshev.chebpts1(count), count - 1)
    weights = np.where(np.arange(count) == 0, 1.0, 2.0) / count
    return np.asarray(vandermonde.T * weights[:, None])


def horner(coefficients: FloatArray, t: FloatArray) -> FloatArray:
    """Return polynomials (m, degree + 1), descending, at points (k,): (k, m)."""
    total = np.zeros((t.size, coefficients.shape[0]), t.dtype)
    for column in coefficients.T:
        total = total * t[:, None] + column
    return total


# --- entries as functions of the angle ------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """Gram entries as functions of the angle θ between two rows, (functions) of them.

    Attributes
    ----------
    at_one, at_minus_one : (functions,) arrays
        K(1) and K(−1), K a function of the cosine.
    chords : callable
        From (far, offsets) to K(end) − K at those angles from the end, (k, functions): the end
        is −1 if `far` and else 1, offsets lie in [0, π/2], and the differences are relatively
        accurate as they tend to 0.
    layers : int
        How many layers the functions have been through.
    error, by_norm : float
        Bounds of |computed − ideal| of the values, and of how much more a relative error of the
        norms adds to it, times that.
    """

    at_one: Array
    at_minus_one: Array
    chords: Callable[[bool, Array], Array]
    layers: int = 1
    error: float = 0.0
    by_norm: float = 0.0

    def end(self, far: bool) -> Array:
        """Return K(−1) if `far`, else K(1)."""
        return self.at_minus_one if far else self.at_one

    def at_cosines(self, rho: Array) -> Array:
        """Return (k, functions) values."""
        acute, places = np.unique(np.arccos(np.abs(rho)), return_inverse=True)
        result = np.empty((rho.size, self.at_one.size))
        for far in (False, True):
            here = (rho < 0.0) == far
            wanted, where = np.unique(places[here], return_inverse=True)
            if wanted.size:
                result[here] = (self.end(far) - self.chords(far, acute[wanted]))[where]
        return result


@dataclass(frozen=True)
class Piece:
    """Samples of all functions on a piece, and the polynomials that fit them.

    The fit is by least squares in K itself: near an end the samples are (K(±1) − K)/s, whose
    rounding grows like 1/s, and an interpolant would carry that rounding all over the piece.

    Attributes
    ----------
    mode : int
        What the polynomial is a function of: see `fastgram.kernels`.
    low, high : float
        Range of that variable.
    bases : (functions,) array
        What the polynomial's term is added to, or taken from.
    samples : (nodes, functions) array
        Of the polynomials.
    weights : (nodes,) array
        What the polynomials are multiplied by.
    """

    mode: PieceVariable
    low: float
    high: float
    bases: Array
    samples: Array
    weights: Array

    def fit(self, degree: int) -> tuple[Array, Array]:
        """Return Chebyshev coefficients on [low, high] and each K's largest error at the nodes."""
        basis, weights = basis_at(len(self.samples), degree), self.weights[:, None]
        series = fit(weights * basis, weights * self.samples)
        errors = np.abs(weights * (basis @ series - self.samples))
        return series, np.max(errors, axis=0)

    def edges(self) -> tuple[float, float]:
        """Return the piece's range of cosines, lower end first."""
        if self.mode == PieceVariable.IN_COSINE:
            return self.low, self.high
        if self.mode == PieceVariable.FROM_ONE:
            return 1.0 - 2.0 * self.high**2, 1.0 - 2.0 * self.low**2
        return -1.0 + 2.0 * self.low**2, -1.0 + 2.0 * self.high**2

    def slopes(self, series: Array) -> Array:
        """Bound |dK/ds| by its largest value on a grid, with a margin; (functions,)."""
        t = np.linspace(-1.0, 1.0, 129)
        v = (self.low + self.high) / 2.0 + t * (self.high - self.low) / 2.0
        value = chebyshev.chebval(t, series)
        rate = chebyshev.chebval(t, chebyshev.chebder(series)) * 2.0 / (self.high - self.low)
        if self.mode == PieceVariable.IN_COSINE:
            by_chord = 4.0 * np.sqrt((1.0 - np.abs(v)) / 2.0) * rate  # ρ = ±(1 − 2s²)
        else:
            by_chord = value + v * rate
        return np.asarray(1.25 * np.max(np.abs(by_chord), axis=-1))


def largest(profile: Profile) -> Array:
    """Return the largest |K| of each function on a grid that includes both ends."""
    grid = np.cos(np.linspace(0.0, np.pi, 17))
    return np.asarray(np.max(np.abs(profile.at_cosines(grid)), axis=0))


def cut(profile: Profile, intervals: list[Interval], tolerance: Array) -> list[Piece]:
    """Halve intervals until each function's error is within its tolerance; from ρ = 1 downwards.

    Raises
    ------
    ValueError
        If a function is too rough for any number of pieces: an undeclared kink.
    """

    def piece_of(interval: Interval) -> Piece | None:
        piece = _sample(profile, *interval)
        return piece if np.all(piece.fit(DEGREE)[1] <= tolerance) else None

    def halves(interval: Interval) -> list[Interval]:
        mode, low, high = interval
        # a deep network may have a scale of its own in each octave of s
        check_width(
            profile, low, high, relative_to=1.0 if mode == PieceVariable.IN_COSINE else high
        )
        middle = (low + high) / 2.0
        return [(mode, low, middle), (mode, middle, high)]

    return sorted(halve(intervals, piece_of, halves), key=lambda piece: -piece.edges()[0])


def check_width(profile: Profile, low: float, high: float, relative_to: float) -> None:
    """Refuse to halve a piece for ever."""
    if high - low < _NARROWEST * relative_to or relative_to < _SHORTEST:
        remedy = (
            "declare every kink of the activation"
            if profile.layers == 1
            else "lower the depth or weight_variance (it magnifies roundings of the rows)"
        )
        raise ValueError(
            f"this Gram entry is too rough a function of the cosine for a table: {remedy}"
        )


def _sample(profile: Profile, mode: PieceVariable, low: float, high: float) -> Piece:
    v = points_of(low, high, NODES)
    if mode == PieceVariable.IN_COSINE:
        values = profile.at_cosines(v)
        return Piece(mode, low, high, np.zeros(values.shape[1]), values, np.ones_like(v))
    far = mode == PieceVariable.FROM_MINUS_ONE
    chords = profile.chords(far, 2.0 * np.arcsin(v))
    return Piece(mode, low, high, profile.end(far), chords / v[:, None], v)
