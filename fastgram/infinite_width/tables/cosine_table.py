"""From a function of the angle between two rows to the cells that the kernels evaluate.

And to one polynomial of the cosine around 0, for GPUs. Rows in many dimensions are nearly
orthogonal, so that nearly all entries are there, where it needs no square root and no cell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.piecewise import (
    POWERS,
    Interval,
    Profile,
    basis_at,
    check_width,
    fit,
    largest,
    points_of,
)
from fastgram.infinite_width.tables.cells import PLACES, Cell, Cells, rounding_of, sample
from fastgram.kernels.contract import (
    CELLS,
    MIDDLE_TERMS,
    NARROW_TERMS,
    MiddlePolynomial,
    PieceVariable,
    Table,
)
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error
from fastgram.support.validation import as_dtype

__all__ = ["Profile", "build_middle", "build_table"]

Mask = npt.NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
# Truncation allowed, relative to the table's scale, by the dtype of the tiles.
_TOLERANCE = {np.dtype(np.float64): 5e-15, np.dtype(np.float32): 4e-9}
# The highest degree of a cell, and the samples it is fitted to: with a higher one a piece costs
# more than two pieces of a lower one, with a lower one smooth activations need several pieces.
_DEGREE = {np.dtype(np.float64): 19, np.dtype(np.float32): 9}
_NODES = {np.dtype(np.float64): 28, np.dtype(np.float32): 14}
# Of what was measured at some points: a fit's error at its nodes, the rounding of a cell at these.
_DOUBLED = 2.0
# What is stated of fits and roundings at least: within less there is no middle as a rule.
_LEAST_STATED = 12.0 * _EPS
_FARTHEST = float(np.sqrt(0.5))  # s at ρ = 0
_SIDES = (PieceVariable.FROM_MINUS_ONE, PieceVariable.FROM_ONE)
_MIDDLE = 0.75  # where the middle ends, and s there
_END = float(np.sqrt(0.125))
_GRADING = 8.0  # from a piece to the next, toward s = 0: its cells are narrow at its low end
_AHEAD = 4  # gradings that are looked at together: a look takes longer than its samples
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
        Its `error` is at most 2e-14 of its `scale` in float64 at depth 1, twice what was measured;
        what more a layer makes of it depends on the activation: see
        `fastgram.infinite_width.conditioning`.

    Notes
    -----
    The error is that of the profile's own values, twice what the fit leaves at more nodes than it
    has coefficients, and twice what the Horner scheme rounds at many points (both at least 12
    roundings, so that a middle polynomial may be as far off). (A bound of the latter
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
    # every piece fits at the last
    highest = _DEGREE[kind]
    fitting = (d for d in range(1, highest) if all(piece.fits(d, tolerance) for piece in pieces))
    degree = next(fitting, highest)
    # one or two more, so that near the ends rounding alone is left
    for _ in range(2):
        if not all(piece.fits(degree, tolerance / 8.0) for piece in pieces):
            degree += 1
    return _assemble(pieces, degree, profile, scale, kind)


@dataclass(frozen=True)
class _Piece:
    """A piece of a table: the variable that its cells are counted in, its range, and the cells."""

    mode: PieceVariable
    low: float
    high: float
    cells: Cells

    def fits(self, degree: int, tolerance: float) -> bool:
        return bool(np.all(self.cells.misses[:, degree] <= tolerance))


def _cut(profile: Profile, tolerance: float, kind: np.dtype[np.floating]) -> list[_Piece]:
    """One piece for all cosines where that is enough; else a middle one, and the ends graded."""
    waiting: list[Interval] = [(PieceVariable.FROM_NEARER, -1.0, 1.0)]
    pieces = []
    while waiting:
        found = _sample_pieces(profile, waiting, tolerance, kind)
        pieces += [piece for piece in found if piece is not None]
        refused = [at for at, piece in zip(waiting, found, strict=True) if piece is None]
        ends = [at for at in refused if at[0] != PieceVariable.FROM_NEARER and at[1] == 0.0]
        waiting = _graded(profile, ends, tolerance, kind)
        waiting += [part for at in refused if at not in ends for part in _parts_of(profile, at)]
    return sorted(pieces, key=lambda piece: (piece.mode, piece.low))


def _parts_of(profile: Profile, interval: Interval) -> list[Interval]:
    mode, low, high = interval
    if (mode, high) == (PieceVariable.FROM_NEARER, 1.0):
        # most entries are in the middle, and kinks are felt near the ends
        ends = [(m, 0.0, _END) for m in _SIDES]
        return [*ends, (PieceVariable.FROM_NEARER, -_MIDDLE, _MIDDLE)]
    if mode == PieceVariable.FROM_NEARER:
        return [(m, _END, _FARTHEST) for m in _SIDES]
    check_width(profile, low, high, relative_to=high)
    middle = float(np.sqrt(low * high))
    return [(mode, middle, high), (mode, low, middle)]


def _graded(
    profile: Profile, intervals: list[Interval], tolerance: float, kind: np.dtype[np.floating]
) -> list[Interval]:
    """Return the parts of intervals from s = 0 on, graded until the innermost may be a piece."""
    if not intervals:
        return []
    steps = _GRADING ** -np.arange(_AHEAD + 1.0)
    inner = [(mode, 0.0, high * step) for mode, _, high in intervals for step in steps[1:].tolist()]
    looked_at = _outermost(profile, inner, kind)
    hopeful = _fit(looked_at, len(inner), tolerance, kind).reshape(-1, _AHEAD)
    result = []
    for (mode, low, high), of_interval in zip(intervals, hopeful, strict=True):
        check_width(profile, low, high, relative_to=high)
        depth = int(np.argmax(of_interval)) + 1 if np.any(of_interval) else _AHEAD
        edges = (high * steps[: depth + 1]).tolist()
        result += [(mode, low, high) for high, low in itertools.pairwise([*edges, 0.0])]
    return result


def _outermost(profile: Profile, intervals: list[Interval], kind: np.dtype[np.floating]) -> Cells:
    """Return the two outermost cells of each interval, the roughest as a rule."""
    cells = [_cells_of(interval, CELLS[kind]) for interval in intervals]
    return sample(profile, [cell for of in cells for cell in (of[0], of[-1])], _NODES[kind])


def _fit(cells: Cells, count: int, tolerance: float, kind: np.dtype[np.floating]) -> Mask:
    """Whether all cells of so many equal shares are narrow enough."""
    fits = cells.misses_of(_DEGREE[kind]) <= tolerance
    return np.asarray(np.all(fits.reshape(count, -1), axis=1))


def _sample_pieces(
    profile: Profile, intervals: list[Interval], tolerance: float, kind: np.dtype[np.floating]
) -> list[_Piece | None]:
    """Return the pieces of intervals, or None where cells are too wide."""
    count = len(intervals)
    result: list[_Piece | None] = [None] * count
    outer = _outermost(profile, intervals, kind)
    # where these do not fit the others need no samples
    hopeful = np.flatnonzero(_fit(outer, count, tolerance, kind)).tolist()
    if not hopeful:
        return result
    inner = [cell for k in hopeful for cell in _cells_of(intervals[k], CELLS[kind])[1:-1]]
    others = sample(profile, inner, _NODES[kind])
    for place in np.flatnonzero(_fit(others, len(hopeful), tolerance, kind)).tolist():
        k = hopeful[place]
        cells = outer.share(k, count).around(others.share(place, len(hopeful)))
        result[k] = _Piece(*intervals[k], cells)
    return result


def _cells_of(interval: Interval, count: int) -> list[Cell]:
    """Return the cells of a piece, in the order of its variable."""
    mode, low, high = interval
    edges = np.linspace(low, high, count + 1)
    if mode != PieceVariable.FROM_NEARER:
        return [(mode == PieceVariable.FROM_MINUS_ONE, a, b) for a, b in itertools.pairwise(edges)]
    s = np.sqrt((1.0 - np.abs(edges)) / 2.0)
    return [
        (high <= 0.0, min(a, b), max(a, b))
        for high, (a, b) in zip(edges[1:], itertools.pairwise(s), strict=True)
    ]


def _squares(piece: _Piece) -> tuple[float, float]:
    """Return the range of s² that a piece holds for."""
    if piece.mode == PieceVariable.FROM_NEARER:
        return (0.0 if piece.high == 1.0 else _END**2), 1.0
    # nothing is beyond the outermost: rounding may put an s² just above ½
    return piece.low**2, 1.0 if piece.high == _FARTHEST else piece.high**2


def _assemble(
    pieces: list[_Piece],
    degree: int,
    profile: Profile,
    scale: float,
    kind: np.dtype[np.floating],
) -> Table:
    cells = np.zeros((len(pieces), 2 + degree + 1, CELLS[kind]))
    # t is −1 and 1 at the ends of the widest cell, and keeps to that slope in the others
    scales = np.array([2.0 / np.max(p.cells.highs - p.cells.lows) for p in pieces])
    slopes, residuals, roundings = [], [], []
    for piece, steepness, columns in zip(pieces, scales.tolist(), cells, strict=True):
        of = piece.cells
        series, errors = of.fit(degree)
        ratios = 2.0 / (of.highs - of.lows) / steepness
        columns[:2] = -(of.highs + of.lows) / 2.0 * steepness, of.bases
        columns[2:] = (of.powers(series) * ratios[:, None] ** np.arange(degree + 1)).T[::-1]
        slopes.append(of.slope(series))
        residuals.append(float(np.max(errors)))
        roundings.append(float(np.max(rounding_of(columns.astype(kind), steepness, of, series))))
    missed = largest_error(
        _DOUBLED * (largest_error(*residuals) + largest_error(*roundings)), _LEAST_STATED * scale
    )
    bound = missed + profile.error + _beside_the_polynomial(scale, kind)
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
        slope=largest_error(*slopes),
        by_norm=profile.by_norm,
    )


def _beside_the_polynomial(scale: float, dtype: npt.DTypeLike) -> float:
    """Bound what is rounded beside the polynomial of an entry, in the dtype of the tiles.

    Two weights, rounded to the dtype, their products, and the result.
    """
    return 6.0 * float(np.finfo(np.dtype(dtype)).eps) / 2.0 * scale


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
        self.places = np.append(nodes, radius * (2.0 * PLACES[:_MIDDLE_CHECKED] - 1.0))
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
