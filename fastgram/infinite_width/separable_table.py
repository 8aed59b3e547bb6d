"""Entries between rows of many norms: functions of the angle and of two norms, separated.

On each piece of the angle an entry over its scales is a polynomial whose coefficients are smooth
functions of the two norms. They are interpolated at Chebyshev nodes of the norm; the matrices of
their values there have one row space of few dimensions, found by a singular value decomposition of
all of them together. The entry is then a sum of few terms, each a polynomial whose coefficients
are functions of the row's norm times a function of the column's, and of ever lower degree.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.devices.scratch import RowFactors
from fastgram.infinite_width.pairs.norm_nodes import WORST, coordinate_of, interpolable, norm_at
from fastgram.infinite_width.pairs.norm_profile import errors_of_profile, profile_between_norms
from fastgram.infinite_width.piecewise import (
    DEGREE,
    POWERS,
    Interval,
    Piece,
    Profile,
    cut,
    horner,
    transform_of,
)
from fastgram.kernels.contract import MIN_HORNER_LENGTH, PieceVariable, SeparablePiece
from fastgram.network.network import Network
from fastgram.support.arrays import Array, FloatArray, symmetric
from fastgram.support.rounding import largest_error

__all__ = ["Separated", "separate"]

# Truncation in the angle, in the norm, and of the ranks, relative to entries over their scales,
# which are at most 1.
_TOLERANCE = {np.dtype(np.float64): 6e-15, np.dtype(np.float32): 4e-9}
_JOINS = (0.6, 0.4)  # where the middle may end: the last always will do
# An eigenvector goes where all that goes from a coefficient is below this many tolerances: below
# it there is little but the rounding of the samples.
_SHARE = 2.0
_NOISE = 2.0**-4  # of what is stated of a profile, what a fit need not follow, and at most
_MOST_NOISE = 3e-14
_PROBES = np.array([0.02, 0.11, 0.35, 0.61, 0.83, 0.97])  # of the range of norms, off the nodes
_MARGIN = 4.0  # of a bound over what was measured at the probes


@dataclass(frozen=True)
class _Part:
    """A piece, and the factors of its coefficients as Chebyshev series of the norm's coordinate."""

    mode: PieceVariable
    low: float
    high: float
    edges: tuple[float, float]
    horner_lengths: npt.NDArray[np.int64]
    coefficients: Array  # (nodes, sum(horner_lengths))
    bases: Array  # (nodes, rank)
    weights: Array  # (nodes, rank)

    @functools.cached_property
    def powers(self) -> Array:
        """Coefficients of the terms by powers of t, (powers, nodes, rank)."""
        lengths = self.horner_lengths
        result = np.zeros((2 * int(lengths.max()), len(self.coefficients), len(lengths)))
        start = 0
        for r, odd in np.ndindex(lengths.shape):
            length = int(lengths[r, odd])
            part = self.coefficients[:, start : (start := start + length)]
            result[odd : 2 * length : 2, :, r] = part.T[::-1]
        return result


@dataclass(frozen=True)
class Separated:
    """Entries over their scales, separated.

    Attributes
    ----------
    parts : list
    bottom, top : float
        Cosines that they hold for: bottom ≤ ρ < top.
    error, slope, by_norm : float
        Bound on |separated − ideal|, on the derivative in s, and on what a relative error of the
        norms adds, times that.
    miss : float
        The largest error that was found.
    """

    parts: list[_Part]
    low: float
    high: float
    count: int
    bottom: float
    top: float
    error: float
    slope: float
    by_norm: float = 0.0
    miss: float = 0.0

    @property
    def holds_everywhere(self) -> bool:
        """Whether they hold for all cosines."""
        return self.bottom <= -2.0 and self.top >= 2.0

    def chebyshev_rows(self, norms: Array) -> Array:
        """Return the Chebyshev polynomials in the norm, a row a norm: (n, nodes)."""
        middle, half = (self.low + self.high) / 2.0, (self.high - self.low) / 2.0
        t = np.clip((coordinate_of(norms) - middle) / half, -1.0, 1.0)
        return np.asarray(chebyshev.chebvander(t, self.count - 1))

    def values(self, cosines: Array, norms: Array, dtype: npt.DTypeLike = np.float64) -> Array:
        """Return the values for all pairs of norms at each cosine, (k, m, m), in plain NumPy.

        In the arithmetic of a dtype, from factors that are rounded to it, as tiles are.
        """
        at_norms = self.chebyshev_rows(norms)
        result = np.zeros((cosines.size, norms.size, norms.size), dtype)
        for part in self.parts:
            here = (cosines >= part.edges[0]) & (cosines < part.edges[1])
            rho = cosines[here]
            if part.mode == PieceVariable.IN_COSINE:
                v, sign = rho, 1.0
            else:
                side = 1.0 if part.mode == PieceVariable.FROM_ONE else -1.0
                v, sign = np.sqrt(np.maximum((1.0 - side * rho) / 2.0, 0.0)), -1.0
            t = ((2.0 * v - part.low - part.high) / (part.high - part.low)).astype(dtype)
            coefficients, bases, weights = (
                (at_norms @ factors).astype(dtype)
                for factors in (part.coefficients, part.bases, part.weights)
            )
            factor = (np.ones_like(v) if part.mode == PieceVariable.IN_COSINE else sign * v).astype(
                dtype
            )
            ends = np.cumsum(part.horner_lengths.ravel())
            polynomials = np.split(coefficients, ends[:-1], axis=1)
            for r, (even, odd) in enumerate(zip(polynomials[0::2], polynomials[1::2], strict=True)):
                series = horner(even, t * t) + t[:, None] * horner(odd, t * t)  # (k, m)
                term = bases[:, r] + factor[:, None] * series
                result[here] += term[:, :, None] * weights[:, r]
        return np.asarray(result, dtype=np.float64)

    def starts(self, far: bool) -> tuple[float]:
        """Return the least half chord from an end, in a tuple."""
        end = -self.bottom if far else self.top
        # within the range, whatever is rounded
        return (float(np.sqrt((1.0 - end) / 2.0)) * (1.0 + 2.0**-40) if end < 2.0 else 0.0,)

    def at_chords(self, far: bool, s: Array, rows: Array, columns: Array) -> Array:
        """Return the values for all pairs of norms at half chords s from an end: (k, m, n)."""
        cosines = (2.0 * s * s - 1.0) if far else 1.0 - 2.0 * s * s
        by_row, by_column = self.chebyshev_rows(rows), self.chebyshev_rows(columns)
        result = np.empty((s.size, rows.size, columns.size))
        for part in self.parts:
            here = (cosines >= part.edges[0]) & (cosines < part.edges[1])
            if not np.any(here):
                continue
            in_cosine = part.mode == PieceVariable.IN_COSINE
            v = cosines[here] if in_cosine else s[here]
            t = (2.0 * v - part.low - part.high) / (part.high - part.low)
            series = by_row @ part.powers  # (powers, m, rank)
            terms = np.vander(t, len(series), increasing=True) @ series.reshape(len(series), -1)
            terms = terms.reshape(t.size, rows.size, -1)
            terms = terms if in_cosine else by_row @ part.bases - v[:, None, None] * terms
            result[here] = terms @ (by_column @ part.weights).T
        return result

    def pieces_for(
        self,
        cosines: FloatArray,
        rows: Array,
        columns: Array,
        kept: RowFactors,
    ) -> list[SeparablePiece]:
        """Return the pieces that a tile of cosines needs, with its rows' and columns' factors.

        Parameters
        ----------
        cosines : (m, n) array
        rows, columns : (m, nodes) and (n, nodes) arrays
            Their `chebyshev_rows`.
        kept : RowFactors
            Factors of these rows made for other columns, to be used and added to.
        """
        low, high = float(cosines.min()), float(cosines.max())
        kind = cosines.dtype
        result = []
        for index, part in enumerate(self.parts):
            bottom, top = part.edges
            if low >= top or high < bottom:
                continue
            coefficients, bases = kept.of(index, rows, part.coefficients, part.bases, kind)
            result.append(
                SeparablePiece(
                    top=top,
                    bottom=bottom,
                    mode=part.mode,
                    slope=2.0 / (part.high - part.low),
                    offset=-(part.high + part.low) / (part.high - part.low),
                    horner_lengths=part.horner_lengths,
                    coefficients=coefficients,
                    bases=bases,
                    weights=np.asarray(part.weights.T @ columns.T, dtype=kind, order="C"),
                )
            )
        return result


def separate(
    network: Network, kind: str, least: float, most: float, dtype: np.dtype[np.floating]
) -> Separated | None:
    """Separate the entries between rows of norms from `least` to `most`.

    Returns
    -------
    Separated or None
        None where they cannot be, to 1e-12.
    """
    # ends are rounded outwards, so that other rows of such norms find these in the cache
    low = 0.0 if least < 2.0**-7 else 2.0 ** (np.floor(4.0 * np.log2(least)) / 4.0)
    high = 2.0 ** (np.ceil(4.0 * np.log2(most)) / 4.0)
    return _separate(network, kind, float(low), float(high), np.dtype(dtype).name)


@functools.lru_cache(maxsize=32)
def _separate(
    network: Network, kind: str, least: float, most: float, dtype: str
) -> Separated | None:
    low, high = (float(coordinate_of(np.array(norm))) for norm in (least, most))
    stand_ins = norm_at(np.linspace(max(low, high / 64.0), high, 3))
    base, by_norm = errors_of_profile(network, kind, stand_ins)
    tolerance = max(_TOLERANCE[np.dtype(dtype)], min(_NOISE * base, _MOST_NOISE))
    profile, count, reach = interpolable(network, kind, low, high, tolerance)
    if 0.0 in reach:
        return None
    # where to cut is found on the pairs of three norms, which are as rough as any
    probe = profile_between_norms(network, kind, stand_ins)
    try:
        first = _first_intervals(probe, tolerance, reach)
        rough = cut(probe, first, np.full(probe.at_one.size, tolerance))
        intervals = [(piece.mode, piece.low, piece.high) for piece in rough]
        pieces = cut(profile, intervals, np.full(profile.at_one.size, 2.0 * tolerance))
    except ValueError:
        return None
    parts = [_part(piece, count, tolerance) for piece in pieces]
    # rounding may put a cosine just outside [−1, 1]
    parts[0] = replace(parts[0], edges=(parts[0].edges[0], reach[1]))
    parts[-1] = replace(parts[-1], edges=(reach[0], parts[-1].edges[1]))
    separated = Separated(parts, low, high, count, *reach, 0.0, 0.0)
    miss = _measured_miss(separated, network, kind, dtype)
    if miss is None:
        return None
    # values are entries over two scales, which are roots of diagonal entries, and times two others
    error = _MARGIN * (miss + tolerance) + 3.0 * base
    error += 4.0 * float(np.finfo(dtype).eps)  # weights and their products
    slope = largest_error(*(np.max(piece.slopes(piece.fit(DEGREE)[0])) for piece in pieces))
    return replace(separated, error=error, slope=1.5 * slope, by_norm=by_norm, miss=miss)


def _first_intervals(
    probe: Profile, tolerance: float, reach: tuple[float, float]
) -> list[Interval]:
    """Return the intervals to start from that are within a range of cosines.

    Terms are many near ρ = ±1, and few entries are there as a rule: the middle is as wide as one
    polynomial holds, and the ends are cut in two.
    """
    allowed = np.full(probe.at_one.size, tolerance)
    widest = next(
        (
            join
            for join in _JOINS
            if join <= min(reach[1], -reach[0])
            and len(cut(probe, [(PieceVariable.IN_COSINE, -join, join)], allowed)) == 1
        ),
        _JOINS[-1],
    )
    start: list[Interval] = [(PieceVariable.IN_COSINE, -widest, widest)]
    top = float(np.sqrt((1.0 - widest) / 2.0))
    for mode, end in (
        (PieceVariable.FROM_ONE, reach[1]),
        (PieceVariable.FROM_MINUS_ONE, -reach[0]),
    ):
        if end == 2.0:
            start += [(mode, 0.0, top / 2.0), (mode, top / 2.0, top)]
        elif end > widest:
            ends = (widest, end) if mode == PieceVariable.FROM_ONE else (-end, -widest)
            start.append((PieceVariable.IN_COSINE, *ends))
    return start


def _measured_miss(separated: Separated, network: Network, kind: str, dtype: str) -> float | None:
    """Return the largest error at norms off the nodes, tiles' arithmetic included.

    None where it is too large without that.
    """
    low, high, reach = separated.low, separated.high, (separated.bottom, separated.top)
    norms = norm_at(low + _PROBES * (high - low))
    profile = profile_between_norms(network, kind, norms)
    cosines = np.cos(np.linspace(0.0, np.pi, 49))
    cosines = cosines[(cosines >= reach[0]) & (cosines < reach[1])]
    exact = symmetric(profile.at_cosines(cosines), norms.size)
    miss = float(np.max(np.abs(separated.values(cosines, norms) - exact)))
    if not miss <= 10.0 * max(WORST, _TOLERANCE[np.dtype(dtype)]):
        return None
    if dtype != "float64":  # tiles' own arithmetic rounds more than that
        found = separated.values(cosines, norms, dtype)
        miss = largest_error(miss, np.max(np.abs(found - exact)))
    return miss


def _part(piece: Piece, count: int, tolerance: float) -> _Part:
    """Find the few functions of the column's norm, and the row's polynomials for each."""
    transform = transform_of(count)
    matrices = symmetric(piece.fit(DEGREE)[0], count)  # (degree + 1, count, count)
    base = symmetric(piece.bases, count)
    allowed = _SHARE * tolerance / float(np.max(piece.weights))
    stack = np.concatenate([*matrices, base])
    functions = np.linalg.svd(stack, full_matrices=False)[2]
    rows = matrices @ functions.T  # (degree + 1, count, rank)
    sizes = np.max(np.abs(rows), axis=1) * np.max(np.abs(functions), axis=1)
    # what a polynomial is truncated by, or goes with a term, is below the tolerance; noise that
    # goes adds up as noise does
    remainders = _remainders(sizes)
    base_rows = base @ functions.T
    base_sizes = np.max(np.abs(base_rows), axis=0) * np.max(np.abs(functions), axis=1)
    rest = _remainders(remainders[0] + base_sizes)
    rank = max(int(np.count_nonzero(rest > allowed)), 1)
    in_cosine = piece.mode == PieceVariable.IN_COSINE
    lengths = _horner_lengths(sizes[:, :rank], allowed / np.sqrt(rank), in_cosine)
    coefficients = []
    for r in range(rank):
        series = np.zeros((DEGREE + 1, count))
        for odd, length in enumerate(lengths[r]):
            series[odd : 2 * length : 2] = rows[odd : 2 * length : 2, :, r]
        power = POWERS @ series
        coefficients += [
            transform @ power[odd : 2 * length : 2][::-1].T for odd, length in enumerate(lengths[r])
        ]
    return _Part(
        mode=piece.mode,
        low=piece.low,
        high=piece.high,
        edges=piece.edges(),
        horner_lengths=lengths,
        coefficients=np.concatenate(coefficients, axis=1),
        bases=transform @ base_rows[:, :rank],
        weights=transform @ functions[:rank].T,
    )


def _horner_lengths(sizes: Array, allowed: float, in_cosine: bool) -> npt.NDArray[np.int64]:
    """Return how many even and odd coefficients terms need, (rank, 2), as kernels take them.

    Parameters
    ----------
    sizes : (degree + 1, rank) array
        Of Chebyshev coefficients.
    allowed : float
        What a truncated polynomial may lack.
    in_cosine : bool
        Whether an even function, or an odd one, but for a line, is taken by itself.
    """
    lengths = np.ones((sizes.shape[1], 2), dtype=np.int64)
    for odd in (0, 1):  # each half is left half of it
        needed = np.count_nonzero(_remainders(sizes[odd::2]) > allowed / np.sqrt(2.0), axis=0)
        lengths[:, odd] = np.maximum(needed, 1)
    shorter = int(np.argmin(np.max(lengths, axis=0)))
    if in_cosine and np.all(lengths[:, shorter] == 1):
        lengths[:, 1 - shorter] = np.maximum(lengths[:, 1 - shorter], MIN_HORNER_LENGTH)
        return lengths
    degrees = np.count_nonzero(_remainders(sizes) > allowed, axis=0) - 1
    lengths[:] = np.maximum(degrees // 2 + 1, MIN_HORNER_LENGTH)[:, None]
    return lengths


def _remainders(sizes: Array) -> Array:
    """Return the root of the sum of the squares from each index on, along the first axis."""
    return np.asarray(np.sqrt(np.cumsum((sizes**2)[::-1], axis=0)[::-1]))
