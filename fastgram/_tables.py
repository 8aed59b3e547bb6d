"""From a function of the angle between two rows to the polynomials that the kernels evaluate.

The variable is s, half the chord to the nearer end of [−1, 1]. In s a Gram entry is smooth up to
the end, kinks or not, and the table is the end value minus s times a polynomial, so that its error
vanishes with s. Away from the ends the cosine itself serves, without a square root. Pieces are
halved until a polynomial of the largest degree that the kernels unroll reaches the tolerance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram._validation import as_dtype
from fastgram.kernels import CHAINS, FROM_MINUS_ONE, FROM_ONE, IN_COSINE, Table

__all__ = ["Profile", "build_tables"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Truncation allowed, relative to the table's scale, by the dtype of the tiles.
_TOLERANCE = {np.dtype(np.float64): 6e-15, np.dtype(np.float32): 4e-9}
# What the quadrature and the Horner chains add, in roundings of the scale.
_ROUNDINGS = 24
_NODES = chebyshev.chebpts1(3 * CHAINS[-1])
_BASIS = chebyshev.chebvander(_NODES, 2 * CHAINS[-1] - 1)
# Powers of t from Chebyshev polynomials: column k is T_k.
_POWERS = np.zeros((2 * CHAINS[-1], 2 * CHAINS[-1]))
for _k in range(2 * CHAINS[-1]):
    _POWERS[: _k + 1, _k] = chebyshev.cheb2poly(np.eye(_k + 1)[_k])
_JOIN = 0.4  # where the middle ends: degrees there and outside are then equal for relu
_NARROWEST = 2.0**-12


@dataclass(frozen=True)
class Profile:
    """Gram entries as functions of the angle θ between two rows: one, or one a pair of norms.

    Attributes
    ----------
    at_one, at_minus_one : array
        K(1) and K(−1), K a function of the cosine; of any shape, a function an element.
    chords : callable
        θ in [0, π/2] to the pair K(1) − K(cos θ), K(−1) − K(−cos θ), of that shape, relatively
        accurate as θ tends to 0.
    """

    at_one: Array
    at_minus_one: Array
    chords: Callable[[float], tuple[Array, Array]]


@dataclass(frozen=True)
class _Piece:
    """Samples of all functions on a piece, and the polynomials that fit them.

    The fit is by least squares in K itself: near an end the samples are (K(±1) − K)/s, whose
    rounding grows like 1/s, and an interpolant would spread that rounding over the whole piece.
    """

    mode: int
    low: float  # of the piece's own variable
    high: float
    bases: Array  # (functions,)
    samples: Array  # (nodes, functions), of the polynomials
    weights: Array  # (nodes,), what the kernels multiply them by

    def fit(self, degree: int) -> tuple[Array, Array]:
        """Return Chebyshev coefficients on [low, high] and each K's largest error at the nodes."""
        basis = _BASIS[:, : degree + 1]
        weights = self.weights[:, None]
        series = np.asarray(np.linalg.lstsq(weights * basis, weights * self.samples, rcond=None)[0])
        errors = np.abs(weights * (basis @ series - self.samples))
        return series.astype(np.float64), np.max(errors, axis=0)

    def edges(self) -> tuple[float, float]:
        """Return the piece's range of cosines, lower end first."""
        if self.mode == IN_COSINE:
            return self.low, self.high
        if self.mode == FROM_ONE:
            return 1.0 - 2.0 * self.high**2, 1.0 - 2.0 * self.low**2
        return -1.0 + 2.0 * self.low**2, -1.0 + 2.0 * self.high**2


def build_tables(profile: Profile, dtype: npt.DTypeLike = np.float64) -> list[Table]:
    """Build the tables of a profile for tiles of a dtype.

    Parameters
    ----------
    profile : Profile
    dtype : {float64, float32}
        float32 tables hold 4e-9 of the scale and their coefficients are rounded to float32.

    Returns
    -------
    list of Table
        One a function, in C order, on common pieces. The `error` of each is at most 2e-14 of its
        `scale` in float64.

    Raises
    ------
    ValueError
        If a function is too rough for any number of pieces: an undeclared kink.
    """
    kind = as_dtype(dtype)
    sampler = _Sampler(profile)
    scale = sampler.scale()
    tolerance = _TOLERANCE[kind] * scale
    top = float(np.sqrt((1.0 - _JOIN) / 2.0))
    pieces: list[_Piece] = []
    spans = [(IN_COSINE, -_JOIN, _JOIN), (FROM_ONE, 0.0, top), (FROM_MINUS_ONE, 0.0, top)]
    largest = 2 * CHAINS[-1] - 1
    while spans:
        mode, low, high = spans.pop()
        piece = sampler.piece(mode, low, high)
        if np.all(piece.fit(largest)[1] <= tolerance):
            pieces.append(piece)
            continue
        if high - low < _NARROWEST:
            message = (
                "this Gram entry is too rough a function of the cosine for a table: "
                "declare every kink of the activation"
            )
            raise ValueError(message)
        middle = (low + high) / 2.0
        spans += [(mode, low, middle), (mode, middle, high)]
    chain = next(c for c in CHAINS if all(np.all(p.fit(2 * c - 1)[1] <= tolerance) for p in pieces))
    pieces.sort(key=lambda piece: -piece.edges()[0])
    return _assemble(pieces, chain, profile, scale, kind)


def _assemble(
    pieces: list[_Piece], chain: int, profile: Profile, scale: Array, kind: np.dtype[np.floating]
) -> list[Table]:
    edges = np.array([2.0, *(piece.edges()[0] for piece in pieces)])
    edges[-1] = -2.0  # rounding may put a cosine just outside [−1, 1]
    lows = np.array([piece.low for piece in pieces])
    highs = np.array([piece.high for piece in pieces])
    coefficients = np.zeros((scale.size, len(pieces), 2, chain))
    slope = np.zeros(scale.size)
    residual = np.zeros(scale.size)
    for p, piece in enumerate(pieces):
        series, error = piece.fit(2 * chain - 1)
        power = _POWERS[: 2 * chain, : 2 * chain] @ series
        coefficients[:, p, 0] = power[0::2][::-1].T
        coefficients[:, p, 1] = power[1::2][::-1].T
        slope = np.maximum(slope, _slope(piece, series))
        residual = np.maximum(residual, error)
    error = residual + _ROUNDINGS * _EPS * scale
    if kind == np.float32:
        error = error + 8 * float(np.finfo(np.float32).eps) * scale
    return [
        Table(
            edges=edges.astype(kind),
            modes=np.array([piece.mode for piece in pieces], dtype=np.int64),
            slopes=(2.0 / (highs - lows)).astype(kind),
            offsets=(-(highs + lows) / (highs - lows)).astype(kind),
            bases=np.array([piece.bases[k] for piece in pieces]).astype(kind),
            coefficients=coefficients[k].astype(kind),
            at_one=float(profile.at_one.flat[k]),
            at_minus_one=float(profile.at_minus_one.flat[k]),
            scale=float(scale[k]),
            error=float(error[k]),
            slope=float(slope[k]),
        )
        for k in range(scale.size)
    ]


def _slope(piece: _Piece, series: Array) -> Array:
    """Bound |dK/ds| on a piece by its largest value on a grid, with a margin."""
    t = np.linspace(-1.0, 1.0, 129)
    v = (piece.low + piece.high) / 2.0 + t * (piece.high - piece.low) / 2.0
    value = chebyshev.chebval(t, series)
    derivative = chebyshev.chebval(t, chebyshev.chebder(series)) * 2.0 / (piece.high - piece.low)
    if piece.mode == IN_COSINE:
        by_chord = 4.0 * np.sqrt((1.0 - np.abs(v)) / 2.0) * derivative  # ρ = ±(1 − 2s²)
    else:
        by_chord = value + v * derivative
    return np.asarray(1.25 * np.max(np.abs(by_chord), axis=-1))


class _Sampler:
    """Values of a profile at given points; one evaluation serves ρ and −ρ."""

    def __init__(self, profile: Profile) -> None:
        self._chords = functools.cache(profile.chords)
        self._ends = (np.ravel(profile.at_one), np.ravel(profile.at_minus_one))

    def scale(self) -> Array:
        """Return the largest |K| of each function on a grid that includes both ends."""
        grid = np.cos(np.linspace(0.0, np.pi, 17))
        return np.asarray(np.max(np.abs([self._at_cosine(float(rho)) for rho in grid]), axis=0))

    def piece(self, mode: int, low: float, high: float) -> _Piece:
        v = (low + high) / 2.0 + _NODES * (high - low) / 2.0
        if mode == IN_COSINE:
            values = np.array([self._at_cosine(float(rho)) for rho in v])
            bases = np.zeros(values.shape[1])
            return _Piece(mode, low, high, bases, values, np.ones_like(v))
        side = 0 if mode == FROM_ONE else 1
        theta = 2.0 * np.arcsin(v)
        chords = np.array([np.ravel(self._chords(float(angle))[side]) for angle in theta])
        return _Piece(mode, low, high, self._ends[side], chords / v[:, None], v)

    def _at_cosine(self, rho: float) -> Array:
        side = 0 if rho >= 0.0 else 1
        chord = self._chords(float(np.arccos(abs(rho))))[side]
        return np.asarray(self._ends[side] - np.ravel(chord))
