"""From a function of the angle between two rows to the polynomials that the kernels evaluate.

The variable is s, half the chord to the nearer end of [−1, 1]. In s a Gram entry is smooth up to
the end, kinks or not, and the table is the end value minus s times a polynomial, so that its error
vanishes with s. Away from the ends the cosine itself serves, without a square root. Pieces are
halved until a polynomial of the largest degree that the kernels unroll reaches the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.kernels import CHAINS, FROM_MINUS_ONE, FROM_ONE, IN_COSINE, Table

__all__ = ["Profile", "build_table"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Truncation allowed, relative to the table's scale, by the dtype of the tiles.
_TOLERANCE = {np.dtype(np.float64): 6e-15, np.dtype(np.float32): 4e-9}
# What the quadrature and the Horner chains add, in roundings of the scale.
_ROUNDINGS = 24
_NODES = chebyshev.chebpts1(3 * CHAINS[-1])
_BASIS = chebyshev.chebvander(_NODES, 2 * CHAINS[-1] - 1)
_NARROWEST = 2.0**-12


@dataclass(frozen=True)
class Profile:
    """A Gram entry as a function of the angle θ between two rows of one norm.

    Attributes
    ----------
    at_one, at_minus_one : float
        K(1) and K(−1), K a function of the cosine.
    chords : callable
        θ in [0, π/2] to the pair K(1) − K(cos θ), K(−1) − K(−cos θ), relatively accurate as θ
        tends to 0.
    """

    at_one: float
    at_minus_one: float
    chords: Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class _Piece:
    """Samples of K on a piece, and the polynomials that fit them.

    The fit is by least squares in K itself: near an end the samples are (K(±1) − K)/s, whose
    rounding grows like 1/s, and an interpolant would spread that rounding over the whole piece.
    """

    mode: int
    low: float  # of the piece's own variable
    high: float
    base: float
    samples: Array  # of the polynomial, at _NODES
    weights: Array  # what the kernels multiply it by, there

    def fit(self, degree: int) -> tuple[Array, float]:
        """Return Chebyshev coefficients on [low, high] and the largest error of K at the nodes."""
        basis = _BASIS[:, : degree + 1]
        series = np.linalg.lstsq(self.weights[:, None] * basis, self.weights * self.samples)[0]
        return series, float(np.max(np.abs(self.weights * (basis @ series - self.samples))))

    def edges(self) -> tuple[float, float]:
        """Return the piece's range of cosines, lower end first."""
        if self.mode == IN_COSINE:
            return self.low, self.high
        if self.mode == FROM_ONE:
            return 1.0 - 2.0 * self.high**2, 1.0 - 2.0 * self.low**2
        return -1.0 + 2.0 * self.low**2, -1.0 + 2.0 * self.high**2


def build_table(profile: Profile, dtype: npt.DTypeLike = np.float64) -> Table:
    """Build the table of a profile for tiles of a dtype.

    Parameters
    ----------
    profile : Profile
    dtype : {float64, float32}
        float32 tables hold 4e-9 of the scale and their coefficients are rounded to float32.

    Returns
    -------
    Table
        Its `error` is at most 2e-14 of its `scale` in float64.

    Raises
    ------
    ValueError
        If the function is too rough for any number of pieces: an undeclared kink.
    """
    kind = np.dtype(dtype)
    # where the middle ends: equal degrees there and outside for relu, whose singularities are ±1
    join = 0.4
    sampler = _Sampler(profile)
    scale = sampler.scale()
    tolerance = _TOLERANCE[kind] * scale
    top = float(np.sqrt((1.0 - join) / 2.0))
    pieces: list[_Piece] = []
    spans = [(IN_COSINE, -join, join), (FROM_ONE, 0.0, top), (FROM_MINUS_ONE, 0.0, top)]
    largest = 2 * CHAINS[-1] - 1
    while spans:
        mode, low, high = spans.pop()
        piece = sampler.piece(mode, low, high)
        if piece.fit(largest)[1] <= tolerance:
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
    chain = next(c for c in CHAINS if all(p.fit(2 * c - 1)[1] <= tolerance for p in pieces))
    return _assemble(pieces, chain, profile, scale, kind)


def _assemble(
    pieces: list[_Piece], chain: int, profile: Profile, scale: float, kind: np.dtype[np.floating]
) -> Table:
    degree = 2 * chain - 1
    pieces = sorted(pieces, key=lambda piece: -piece.edges()[0])
    edges = np.array([2.0, *(piece.edges()[0] for piece in pieces)])
    edges[-1] = -2.0  # rounding may put a cosine just outside [−1, 1]
    coefficients = np.zeros((len(pieces), 2, chain))
    slope = residual = 0.0
    for p, piece in enumerate(pieces):
        series, piece_residual = piece.fit(degree)
        power = np.zeros(degree + 1)
        truncated = chebyshev.cheb2poly(series)  # drops zeros at the end
        power[: truncated.size] = truncated
        coefficients[p, 0] = power[0::2][::-1]
        coefficients[p, 1] = power[1::2][::-1]
        slope = max(slope, _slope(piece, series))
        residual = max(residual, piece_residual)
    error = residual + _ROUNDINGS * _EPS * scale
    if kind == np.float32:
        error += 8 * float(np.finfo(np.float32).eps) * scale
    lows = np.array([piece.low for piece in pieces])
    highs = np.array([piece.high for piece in pieces])
    return Table(
        edges=edges.astype(kind),
        modes=np.array([piece.mode for piece in pieces], dtype=np.int64),
        slopes=(2.0 / (highs - lows)).astype(kind),
        offsets=(-(highs + lows) / (highs - lows)).astype(kind),
        bases=np.array([piece.base for piece in pieces]).astype(kind),
        coefficients=coefficients.astype(kind),
        at_one=profile.at_one,
        at_minus_one=profile.at_minus_one,
        scale=scale,
        error=error,
        slope=slope,
    )


def _slope(piece: _Piece, series: Array) -> float:
    """Bound |dK/ds| on a piece by its largest value on a grid, with a margin."""
    t = np.linspace(-1.0, 1.0, 129)
    v = (piece.low + piece.high) / 2.0 + t * (piece.high - piece.low) / 2.0
    value = chebyshev.chebval(t, series)
    derivative = (
        chebyshev.chebval(t, chebyshev.chebder(series)) * 2.0 / (piece.high - piece.low)
    )
    if piece.mode == IN_COSINE:
        chord = np.sqrt((1.0 - np.abs(v)) / 2.0)
        by_chord = 4.0 * chord * derivative  # ρ = ±(1 − 2s²)
    else:
        by_chord = value + v * derivative
    return 1.25 * float(np.max(np.abs(by_chord)))


class _Sampler:
    """Values of a profile at Chebyshev points; one evaluation serves ρ and −ρ."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._known: dict[float, tuple[float, float]] = {}

    def _chords(self, theta: float) -> tuple[float, float]:
        if theta not in self._known:
            self._known[theta] = self._profile.chords(theta)
        return self._known[theta]

    def scale(self) -> float:
        """Return the largest |K| on a grid that includes both ends."""
        values = [self._profile.at_one, self._profile.at_minus_one]
        for theta in np.linspace(np.pi / 2.0, 0.0, 8, endpoint=False):
            one, minus_one = self._chords(float(theta))
            values += [self._profile.at_one - one, self._profile.at_minus_one - minus_one]
        return float(np.max(np.abs(values)))

    def piece(self, mode: int, low: float, high: float) -> _Piece:
        v = (low + high) / 2.0 + _NODES * (high - low) / 2.0
        if mode == IN_COSINE:
            values = np.array([self._at_cosine(float(rho)) for rho in v])
            return _Piece(mode, low, high, 0.0, values, np.ones_like(v))
        side = 0 if mode == FROM_ONE else 1
        theta = 2.0 * np.arcsin(v)
        values = np.array([self._chords(float(angle))[side] for angle in theta]) / v
        base = (self._profile.at_one, self._profile.at_minus_one)[side]
        return _Piece(mode, low, high, base, values, v)

    def _at_cosine(self, rho: float) -> float:
        one, minus_one = self._chords(float(np.arccos(abs(rho))))
        if rho >= 0.0:
            return self._profile.at_one - one
        return self._profile.at_minus_one - minus_one

