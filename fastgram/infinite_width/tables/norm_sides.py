"""The sides of tables in two norms: polynomials on cells of s, outwards from ρ = 1 or from −1.

Of s on each cell, as in `fastgram.infinite_width.tables.cells`, and of the norms' places in their
ranges, by least squares and interpolation at Chebyshev nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.polynomial import chebyshev

from fastgram.infinite_width.pairs.norm_nodes import coordinate_of, norm_at
from fastgram.infinite_width.piecewise import basis_at, fit, points_of, transform_of
from fastgram.kernels.contract import CELLS
from fastgram.support.arrays import Array

__all__ = [
    "APART",
    "DROPPED",
    "Mirror",
    "NormRange",
    "Sampled",
    "Side",
    "mirror_of",
    "mirrored_sides",
    "sides_of",
]

_COUNTS = (10, 14, 20, 28)  # of nodes of a norm
_SAMPLED = np.array([0.2, 0.45, 0.7])  # half chords where it is seen how many are needed
_NODES, _DEGREE = 30, 23  # of s, on a cell
# Coefficients, times what they are multiplied by, that go: the first where no more is missed than
# is wanted, else the last.
DROPPED = (1e-14, 6e-15, 3e-15)
_CELLS = CELLS[np.dtype(np.float64)]
_TOP = float(np.sqrt(0.5))
_ROUGH = 1e-14  # what samples of a side may be off its polynomials
_TRUNCATION = 3.0 * _ROUGH  # of its polynomials in the norms
_NEAR_END = np.array([0.0, 0.04, 0.1])  # of a side: where they may be long, or none
_ALIKE = 4e-15  # what the sides may be off each other, and a rest off nothing
_SHORTER = 1.0 - 2.0**-50  # so that s at ρ = 0 is on its own side
_NARROWEST = 1e-3  # a point is no range
_BEND, _STEEP = 0.45, 2  # of narrower cells near the end; coefficients more that ask for it


class Sampled(Protocol):
    """Entries over their scales that tables are made of."""

    def at_chords(self, far: bool, s: Array, rows: Array, columns: Array) -> Array:
        """Return values at half chords s from an end, (k, m, n), for norms of rows and columns."""

    def starts(self, far: bool) -> Sequence[float]:
        """Return the half chords from that end that tables may begin at, the widest range first.

        Entries are smooth there, and if the first is 0 up to the end.
        """


@dataclass(frozen=True)
class NormRange:
    """A range of norms, by their coordinates, and how many Chebyshev nodes entries need there."""

    low: float
    high: float
    count: int = _COUNTS[0]

    @staticmethod
    def of(sampled: Sampled, norms: Array) -> NormRange:
        """Return the range of some norms."""
        low, high = (float(end) for end in coordinate_of(np.array([np.min(norms), np.max(norms)])))
        high = max(high, low + _NARROWEST)
        for count in _COUNTS:
            found = NormRange(low, high, count)
            nodes, transform = found.nodes, transform_of(count)
            values = [sampled.at_chords(far, _SAMPLED, nodes, nodes) for far in (False, True)]
            if np.max(np.abs(transform[-2:] @ np.concatenate(values))) <= _ROUGH / 2.0:
                break
        return found

    @property
    def nodes(self) -> Array:
        """The norms at its nodes."""
        return self.norms(points_of(-1.0, 1.0, self.count))

    def norms(self, places: Array) -> Array:
        """Return the norms at places from −1 to 1."""
        return norm_at((self.low + self.high) / 2.0 + places * (self.high - self.low) / 2.0)

    def places(self, coordinates: Array) -> Array:
        """Return the places of norms of these coordinates."""
        return np.asarray(np.minimum(np.maximum(self._places_at(coordinates), -1.0), 1.0))

    def part(self, low: float, high: float) -> NormRange:
        """Return a part of it, between two coordinates."""
        return replace(self, low=low, high=max(high, low + _NARROWEST))

    def restriction(self, part: NormRange) -> Array:
        """Return the matrix from its Chebyshev coefficients to those on a part of it."""
        coordinates = points_of(part.low, part.high, self.count)
        values = chebyshev.chebvander(self._places_at(coordinates), self.count - 1)
        return np.asarray(transform_of(self.count) @ values)

    def _places_at(self, coordinates: Array) -> Array:
        middle, half = (self.low + self.high) / 2.0, (self.high - self.low) / 2.0
        return np.asarray((coordinates - middle) / half)


class Mirror(NamedTuple):
    """What of entries of ρ < 0 follows from those of −ρ: see `NormTable` in the contract."""

    sign: float
    slope: float
    shift: float
    has_rest: bool


APART = Mirror(1.0, 0.0, 0.0, False)  # each side has cells of its own
_ODD, _EVEN = Mirror(-1.0, 0.0, -2.0, True), Mirror(1.0, 2.0, 0.0, True)


def mirror_of(sampled: Sampled, norms: Array) -> Mirror:
    """Return how entries of these norms at −ρ follow from those at ρ, `APART` if they do not."""
    if tuple(sampled.starts(False)) != tuple(sampled.starts(True)):
        return APART
    s = np.concatenate([np.zeros(1), 0.07 + 0.6 * _SAMPLED, _SAMPLED])
    near, far = (sampled.at_chords(side, s, norms, norms) for side in (False, True))
    even, odd = (near + far) / 2.0, (near - far) / 2.0
    line = odd[0] * (1.0 - 2.0 * s * s)[:, None, None]
    for mirror, rest, off in ((_ODD, even[0], even - even[0]), (_EVEN, odd[0], odd - line)):
        if np.max(np.abs(off)) <= _ALIKE:
            return mirror._replace(has_rest=bool(np.max(np.abs(rest)) > _ALIKE))
    return APART


@dataclass(frozen=True)
class Side:
    """Chebyshev series on the cells of a side, outwards from the end.

    Attributes
    ----------
    start, bend : float
        Half the chord that they begin at, and how much narrower the first of them are (`_edges`).
    bases : (nodes, nodes) array
        In both norms' places.
    series : (cells, degree + 1, nodes, nodes) array
        In t and both.
    rest : (nodes, nodes) array or None
        That of the terms, where the other side follows from this one.
    """

    start: float
    bend: float
    bases: Array
    series: Array
    rest: Array | None = None

    @property
    def edges(self) -> Array:
        """The cells' ends, in half chords."""
        return _edges(self.start, self.bend, len(self.series))

    @property
    def number(self) -> Array:
        """Coefficients, of 1, s and s², of the number of cells up to s."""
        length, bend, start = _TOP - self.start, self.bend, self.start
        x = np.array([-start, 1.0, 0.0]) / length
        square = np.array([start * start, -2.0 * start, 1.0]) / length**2
        return len(self.series) * _SHORTER * ((1.0 + bend) * x - bend * square)

    def on_columns(self, restriction: Array) -> Side:
        """Return it for a part of the columns' range."""
        turned = restriction.T
        rest = None if self.rest is None else self.rest @ turned
        return replace(self, bases=self.bases @ turned, series=self.series @ turned, rest=rest)

    @property
    def is_steep(self) -> bool:
        """Whether the first cell takes more coefficients than the last."""
        sizes = np.max(np.abs(self.series), axis=(2, 3)) * self.edges[1:, None]
        first, last = (np.count_nonzero(part > DROPPED[0]) for part in sizes[[0, -1]])
        return bool(first > last + _STEEP)


def _edges(start: float, bend: float, cells: int) -> Array:
    """Return the ends of cells from a half chord on: equal ones of x(1 + bend·(1 − x))."""
    u = np.linspace(0.0, 1.0, cells + 1)
    x = u
    if bend:
        x = ((1.0 + bend) - np.sqrt((1.0 + bend) ** 2 - 4.0 * bend * u)) / (2.0 * bend)
    return np.asarray(start + x * (_TOP - start))


def mirrored_sides(
    sampled: Sampled,
    mirror: Mirror,
    skipped: int,
    rows: NormRange,
    columns: Sequence[NormRange],
) -> list[Side | None]:
    """Fit a side of all cells for each range of columns, from which the other one follows."""
    sides = sides_of(sampled, False, skipped, rows, columns, _CELLS)
    if not mirror.has_rest:
        return sides
    found: list[Side | None] = []
    for side, of_columns in zip(sides, columns, strict=True):
        if side is not None:
            left, right = transform_of(rows.count), transform_of(of_columns.count).T
            far_end = sampled.at_chords(True, np.zeros(1), rows.nodes, of_columns.nodes)[0]
            rest = (side.bases - mirror.sign * (left @ far_end @ right)) / 2.0
            side = replace(side, rest=rest)
        found.append(side)
    return found


def sides_of(
    sampled: Sampled,
    far: bool,
    skipped: int,
    rows: NormRange,
    columns: Sequence[NormRange],
    cells: int = _CELLS // 2,
) -> list[Side | None]:
    """Fit a side for each range of columns, from the least half chord that does."""
    found: list[Side | None] = [None] * len(columns)
    starts = sampled.starts(far)[skipped:]
    for start in starts:
        waiting = [k for k, side in enumerate(found) if side is None]
        if waiting and start != starts[-1]:  # what is too rough is so near the end
            s = start + _NEAR_END * (_TOP - start)
            smooth = _smooth_in_norms(sampled, far, s, rows, [columns[k] for k in waiting])
            waiting = [k for k, fine in zip(waiting, smooth, strict=True) if fine]
        # a start away from the end has roughness before it
        for bend in (_BEND,) if start else (0.0, _BEND):
            if not waiting:
                break
            edges = _edges(start, bend, cells)
            fits = _fit(sampled, far, edges, rows, [columns[k] for k in waiting])
            for k, fitted in zip(waiting, fits, strict=True):
                found[k] = Side(start, bend, *fitted) if fitted else found[k]
            waiting = [
                k for k in waiting if (side.is_steep if (side := found[k]) else start == starts[-1])
            ]
    return found


def _fit(
    sampled: Sampled, far: bool, edges: Array, rows: NormRange, columns: Sequence[NormRange]
) -> list[tuple[Array, Array] | None]:
    """Fit bases and series on cells with these ends; None for columns where they are too rough.

    First on the cell at the end, which is where they are.
    """
    result = _fit_cells(sampled, far, edges[:2], edges[0] == 0.0, rows, columns)
    fine = [k for k, fitted in enumerate(result) if fitted is not None]
    if fine:
        those = [columns[k] for k in fine]
        others = _fit_cells(sampled, far, edges[1:], edges[0] == 0.0, rows, those)
        for k, other in zip(fine, others, strict=True):
            first = result[k]
            result[k] = None
            if first is not None and other is not None:
                result[k] = first[0], np.concatenate([first[1], other[1]])
    return result


def _fit_cells(
    sampled: Sampled,
    far: bool,
    edges: Array,
    to_end: bool,
    rows: NormRange,
    columns: Sequence[NormRange],
) -> list[tuple[Array, Array] | None]:
    cells = edges.size - 1
    s = np.stack([points_of(*ends, _NODES) for ends in itertools.pairwise(edges)])
    norms = rows.nodes, np.concatenate([of_columns.nodes for of_columns in columns])
    values = sampled.at_chords(far, s.ravel(), *norms)
    # up to the end they are differences from there; where the end is not smooth in the norms there
    # is nothing to differ from
    ends = sampled.at_chords(far, np.zeros(1), *norms)[0] if to_end else 0.0 * values[0]
    samples = (ends - values).reshape(cells, _NODES, -1)
    basis = basis_at(_NODES, _DEGREE)
    fits = [fit(at * basis, of_cell) for at, of_cell in zip(s[:, :, None], samples, strict=True)]
    series, missed = np.stack(fits), s[:, :, None] * (basis @ np.stack(fits)) - samples
    last = edges[1:, None, None] * series[:, -2:]
    shape = rows.count, norms[1].size
    rough = np.max(np.abs(missed), axis=(0, 1)), np.max(np.abs(last), axis=(0, 1))
    rough_columns = np.max(np.maximum(*rough).reshape(shape), axis=0)
    left = transform_of(rows.count)
    by_row = left @ series.reshape(cells, _DEGREE + 1, *shape)
    result: list[tuple[Array, Array] | None] = []
    stop = 0
    for of_columns in columns:
        part = slice(stop, stop := stop + of_columns.count)
        right = transform_of(of_columns.count).T
        fitted = left @ ends[:, part] @ right, by_row[..., part] @ right
        fine = np.max(rough_columns[part]) <= _ROUGH
        fine = fine and _truncation(edges, *fitted) <= _TRUNCATION
        result.append(fitted if fine else None)
    return result


def _smooth_in_norms(
    sampled: Sampled, far: bool, s: Array, rows: NormRange, columns: Sequence[NormRange]
) -> list[bool]:
    """Whether entries at a few half chords are polynomials in the norms, for each columns."""
    nodes = np.concatenate([of_columns.nodes for of_columns in columns])
    by_row = transform_of(rows.count) @ sampled.at_chords(far, s, rows.nodes, nodes)
    parts = np.split(by_row, np.cumsum([of_columns.count for of_columns in columns])[:-1], axis=2)
    return [
        _last_in_norms(np.max(np.abs(part @ transform_of(part.shape[2]).T), axis=0)) <= _TRUNCATION
        for part in parts
    ]


def _truncation(edges: Array, bases: Array, series: Array) -> float:
    """Return the size of the last coefficients in either norm."""
    sizes = np.max(np.abs(series) * edges[1:, None, None, None], axis=(0, 1))
    return _last_in_norms(np.maximum(sizes, np.abs(bases)))


def _last_in_norms(sizes: Array) -> float:
    return float(max(np.max(sizes[-2:]), np.max(sizes[:, -2:])))
