"""From a function of the angle between two rows to the cells that the kernels evaluate.

And to one polynomial of the cosine around 0, for GPUs. Rows in many dimensions are nearly
orthogonal, so that nearly all entries are there, where it needs no square root and no cell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.infinite_width.piecewise import (
    POWERS,
    Interval,
    Piece,
    Profile,
    basis_at,
    check_width,
    fit,
    halve,
    largest,
    points_of,
    sample_chords,
)
from fastgram.kernels.contract import (
    CELLS,
    MIDDLE_TERMS,
    NARROW_TERMS,
    MiddlePolynomial,
    PieceVariable,
    Table,
)
from fastgram.support.arrays import Array, FloatArray
from fastgram.support.validation import as_dtype

__all__ = ["Profile", "build_middle", "build_table"]


_EPS = float(np.finfo(np.float64).eps)
# Truncation allowed, relative to the table's scale, by the dtype of the tiles.
_TOLERANCE = {np.dtype(np.float64): 5e-15, np.dtype(np.float32): 4e-9}
# The highest degree of a cell, and the samples it is fitted to: with a higher one a piece costs
# more than two pieces of a lower one, with a lower one smooth activations need several pieces.
_DEGREE = {np.dtype(np.float64): 19, np.dtype(np.float32): 9}
_NODES = {np.dtype(np.float64): 28, np.dtype(np.float32): 14}
# Of what was measured at some points: a fit's error at its nodes, the rounding of a cell at these.
_DOUBLED = 2.0
# Off each other by the golden ratio: numbers of few bits would be multiplied without rounding.
_PLACES = np.append(np.mod(np.arange(1.0, 1024.0) * ((5.0**0.5 - 1.0) / 2.0), 1.0), [0.0, 1.0])
_FARTHEST = float(np.sqrt(0.5))  # s at ρ = 0
_SIDES = (PieceVariable.FROM_MINUS_ONE, PieceVariable.FROM_ONE)
_MIDDLE = 0.75  # where the middle ends, and s there
_END = float(np.sqrt(0.125))
# Of a middle polynomial: its radius, the first at which so many coefficients of either parity are
# enough (with more it would cost what the table costs), and where it is fitted and looked at.
_RADII = {NARROW_TERMS: (0.5, 0.4375, 0.375), MIDDLE_TERMS: (0.6875, 0.625, 0.5625)}
_MIDDLE_NODES = 48
_MIDDLE_CHECKED = 128


def build_table(
    profile: Profile, dtype: npt.DTypeLike = np.float64, scale: float | None = None
) -> Table:
    """Build the table of a profile of one function, for tiles of a dtype.

    Parameters
    ----------
    profile : Profile
    dtype : {float64, float32}
        float32 tables hold 4e-9 of the scale and their coefficients are rounded to float32.
    scale : float, optional
        What the samples carry the rounding of; None takes the largest value of the profile, which
        may be the small difference of larger ones.

    Returns
    -------
    Table
        Its `error` is at most 5e-14 of its `scale` in float64 at depth 1, twice what was measured;
        what more a layer makes of it depends on the activation: see
        `fastgram.infinite_width.conditioning`.

    Notes
    -----
    The error is that of the profile's own values, twice what the fit leaves at more nodes than it
    has coefficients, and twice what the Horner scheme rounds at many points. (A bound of the latter
    by its coefficients, each tᵏ's with 2k + 1 roundings, is derived and up to a hundred times too
    large: powers of t cancel where a Chebyshev series does not.)

    Raises
    ------
    ValueError
        If the function is too rough for any number of pieces: an undeclared kink.
    """
    kind = as_dtype(dtype)
    if scale is None:
        scale = float(largest(profile)[0])
    # the samples themselves carry the rounding of all layers
    tolerance = _TOLERANCE[kind] * (1.0 + profile.layers / 8.0) * scale
    pieces = _cut(profile, tolerance, kind)
    # found: every piece fits at the last
    degrees = range(1, _DEGREE[kind] + 1)
    degree = next(d for d in degrees if all(piece.fits(d, tolerance) for piece in pieces))
    # one or two more, so that near the ends rounding alone is left
    for _ in range(2):
        if not all(piece.fits(degree, tolerance / 8.0) for piece in pieces):
            degree += 1
    return _assemble(pieces, degree, profile, scale, kind)


@dataclass(frozen=True)
class _PieceOfCells:
    """A piece of a table: the variable that its cells are counted in, its range, and the cells."""

    mode: PieceVariable
    low: float
    high: float
    cells: list[Piece]

    def fits(self, degree: int, tolerance: float) -> bool:
        return all(cell.fit(degree)[1][0] <= tolerance for cell in self.cells)


def _cut(profile: Profile, tolerance: float, kind: np.dtype[np.floating]) -> list[_PieceOfCells]:
    """One piece for all cosines where that is enough; else a middle one, and the ends halved."""

    def piece_of(interval: Interval) -> _PieceOfCells | None:
        return _sample_cells(profile, interval, tolerance, kind)

    def parts_of(interval: Interval) -> list[Interval]:
        mode, low, high = interval
        if (mode, high) == (PieceVariable.FROM_NEARER, 1.0):
            # most entries are in the middle, and kinks are felt near the ends
            ends = [(m, 0.0, _END) for m in _SIDES]
            return [*ends, (PieceVariable.FROM_NEARER, -_MIDDLE, _MIDDLE)]
        if mode == PieceVariable.FROM_NEARER:
            return [
                (m, _END, _FARTHEST) for m in (PieceVariable.FROM_MINUS_ONE, PieceVariable.FROM_ONE)
            ]
        check_width(profile, low, high, relative_to=high)
        middle = (low + high) / 2.0
        return [(mode, middle, high), (mode, low, middle)]

    pieces = halve([(PieceVariable.FROM_NEARER, -1.0, 1.0)], piece_of, parts_of)
    return sorted(pieces, key=lambda piece: (piece.mode, piece.low))


def _sample_cells(
    profile: Profile, interval: Interval, tolerance: float, kind: np.dtype[np.floating]
) -> _PieceOfCells | None:
    """Return the piece of an interval, or None where its cells are too wide."""
    mode, low, high = interval
    edges = np.linspace(low, high, CELLS[kind] + 1)
    if mode != PieceVariable.FROM_NEARER:
        cells = [(mode == PieceVariable.FROM_MINUS_ONE, a, b) for a, b in itertools.pairwise(edges)]
    else:
        s = np.sqrt((1.0 - np.abs(edges)) / 2.0)
        cells = [
            (high <= 0.0, min(a, b), max(a, b))
            for high, (a, b) in zip(edges[1:], itertools.pairwise(s), strict=True)
        ]
    # the outermost are the roughest as a rule: where they do not fit the others need no samples
    outer = sample_chords(profile, [cells[0], cells[-1]], _NODES[kind])
    if not _PieceOfCells(mode, low, high, outer).fits(_DEGREE[kind], tolerance):
        return None
    inner = sample_chords(profile, cells[1:-1], _NODES[kind])
    piece = _PieceOfCells(mode, low, high, [outer[0], *inner, outer[1]])
    return piece if piece.fits(_DEGREE[kind], tolerance) else None


def _squares(piece: _PieceOfCells) -> tuple[float, float]:
    """Return the range of s² that a piece holds for."""
    if piece.mode == PieceVariable.FROM_NEARER:
        return (0.0 if piece.high == 1.0 else _END**2), 1.0
    # nothing is beyond the outermost: rounding may put an s² just above ½
    return piece.low**2, 1.0 if piece.high == _FARTHEST else piece.high**2


def _assemble(
    pieces: list[_PieceOfCells],
    degree: int,
    profile: Profile,
    scale: float,
    kind: np.dtype[np.floating],
) -> Table:
    cells = np.zeros((len(pieces), 2 + degree + 1, CELLS[kind]))
    slopes, residuals, roundings = [], [], []
    # t is −1 and 1 at the ends of the widest cell, and keeps to that slope in the others
    scales = np.array([2.0 / max(cell.high - cell.low for cell in s.cells) for s in pieces])
    for p, piece in enumerate(pieces):
        for c, cell in enumerate(piece.cells):
            series, error = cell.fit(degree)
            power = (POWERS[: degree + 1, : degree + 1] @ series)[:, 0]
            ratio = 2.0 / (cell.high - cell.low) / scales[p]
            cells[p, :2, c] = -(cell.high + cell.low) / 2.0 * scales[p], cell.bases[0]
            cells[p, 2:, c] = (power * ratio ** np.arange(degree + 1))[::-1]
            slopes.append(float(cell.slopes(series)[0]))
            residuals.append(float(error[0]))
            roundings.append(_rounding(cells[p, :, c].astype(kind), scales[p], cell, series[:, 0]))
    bound = _DOUBLED * (max(residuals) + max(roundings)) + profile.error
    bound += _beside_the_polynomial(scale, kind)
    steps = np.array([CELLS[kind] / (piece.high - piece.low) for piece in pieces])
    lows = np.array([piece.low for piece in pieces])
    ranges = np.array([_squares(piece) for piece in pieces])
    return Table(
        modes=np.array([piece.mode for piece in pieces], dtype=np.int64),
        lows=ranges[:, 0].astype(kind),
        highs=ranges[:, 1].astype(kind),
        cell_map=np.stack([steps, -lows * steps - 0.5, scales], axis=1).astype(kind),
        cells=cells.astype(kind),
        at_one=float(profile.at_one[0]),
        at_minus_one=float(profile.at_minus_one[0]),
        scale=scale,
        error=bound,
        slope=max(slopes),
        by_norm=profile.by_norm,
    )


def _beside_the_polynomial(scale: float, dtype: npt.DTypeLike) -> float:
    """Bound what is rounded beside the polynomial of an entry, in the dtype of the tiles.

    Two weights, rounded to the dtype, their products, and the result.
    """
    return 6.0 * float(np.finfo(np.dtype(dtype)).eps) / 2.0 * scale


def _rounding(cell: FloatArray, scale: float, piece: Piece, series: Array) -> float:
    """Measure what the Horner scheme of a cell rounds, the tiles' dtype as its arithmetic.

    Against Clenshaw's summation of the same polynomial in float64, which multiplies its roundings
    by no powers of 2; both are of the same s.

    Parameters
    ----------
    cell : (2 + coefficients,) array
        Offset, base, and coefficients descending, as in a table.
    scale : float
        Of t.
    piece : Piece
        What the cell was fitted to.
    series : (degree + 1,) array
    """
    s = (piece.low + _PLACES * (piece.high - piece.low)).astype(cell.dtype)
    t = cell.dtype.type(scale) * s + cell[0]
    total = np.zeros_like(s)
    for coefficient in cell[2:]:
        total = total * t + coefficient
    place = (2.0 * s - piece.low - piece.high) / (piece.high - piece.low)
    exact = float(piece.bases[0]) - s * chebyshev.chebval(place, series)
    return float(np.max(np.abs((cell[1] - s * total).astype(np.float64) - exact)))


def build_middle(profile: Profile, table: Table, wide: bool = False) -> MiddlePolynomial | None:
    """Return the polynomial of the widest middle that 12 + 12 coefficients hold, if of any.

    Parameters
    ----------
    profile : Profile
        That the table was built from.
    table : Table
        In float64.
    wide : bool
        Whether there may be 16 + 16, for middles of a larger radius.

    Notes
    -----
    The error is bounded as the table's is: that of the profile's own values, twice the largest
    difference of the polynomial, as tiles evaluate it, from values at nodes and at other points,
    and what is rounded beside the polynomial.
    """
    allowed = table.error - profile.error - _beside_the_polynomial(table.scale, np.float64)
    for most in (MIDDLE_TERMS, NARROW_TERMS) if wide else (NARROW_TERMS,):
        for radius in _RADII[most]:
            samples = _MiddleSamples(profile, radius)
            even, odd = samples.shortest(allowed / _DOUBLED, most)
            if samples.difference(even, odd) <= allowed / _DOUBLED:
                return MiddlePolynomial(radius, *samples.polynomials(even, odd))
    return None


def _middle_at(even: Array, odd: Array, rho: Array) -> Array:
    """Return E(ρ²) + ρ·O(ρ²), coefficients ascending, by Horner's scheme."""
    square = rho * rho
    total, other = np.zeros_like(rho), np.zeros_like(rho)
    for coefficient in even[::-1]:
        total = total * square + coefficient
    for coefficient in odd[::-1]:
        other = other * square + coefficient
    return np.asarray(rho * other + total)


class _MiddleSamples:
    """Values of a profile around ρ = 0, and polynomials through them."""

    def __init__(self, profile: Profile, radius: float) -> None:
        self.radius = radius
        nodes = points_of(-radius, radius, _MIDDLE_NODES)
        self.places = np.append(nodes, radius * (2.0 * _PLACES[:_MIDDLE_CHECKED] - 1.0))
        self.values = profile.at_cosines(self.places)[:, 0]

    def shortest(self, allowed: float, most: int) -> tuple[int, int]:
        """Return how many coefficients of either parity come within what is allowed, or so many.

        Each goes to the parity that gains more by it: with more than are needed the samples'
        rounding is fitted.
        """
        even = odd = 1
        while self.difference(even, odd) > allowed and max(even, odd) < most:
            one, other = self.difference(even + 1, odd), self.difference(even, odd + 1)
            even, odd = (even + 1, odd) if one <= other else (even, odd + 1)
        return even, odd

    def difference(self, even: int, odd: int) -> float:
        """Return how far the polynomial of so many coefficients is off the values, at most."""
        return float(
            np.max(np.abs(_middle_at(*self.polynomials(even, odd), self.places) - self.values))
        )

    def polynomials(self, even: int, odd: int) -> tuple[Array, Array]:
        """Return the coefficients of E and O, ascending, by least squares at the nodes."""
        degrees = np.append(2 * np.arange(even), 2 * np.arange(odd) + 1)
        basis = basis_at(_MIDDLE_NODES, 2 * MIDDLE_TERMS - 1)[:, degrees]
        series = np.zeros(2 * MIDDLE_TERMS)
        series[degrees] = fit(basis, self.values[:_MIDDLE_NODES, None])[:, 0]
        powers = (
            POWERS[: series.size, : series.size] @ series / self.radius ** np.arange(series.size)
        )
        return powers[0 : 2 * even : 2], powers[1 : 2 * odd : 2]
