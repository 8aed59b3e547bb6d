"""Tables of tiles whose rows, and whose columns, have norms in narrow ranges.

There an entry over its scales is a polynomial of few terms in both norms: of s on each of a few
cells, as in `fastgram.infinite_width.tables.cells`, and of the norms' places in their ranges, all
by least squares or interpolation at Chebyshev nodes. What is small goes, and what is left is
measured against what it was made of, where the polynomials do not see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.pairs.norm_nodes import coordinate_of, norm_at
from fastgram.infinite_width.piecewise import (
    POWERS,
    basis_at,
    fit,
    horner,
    points_of,
    transform_of,
)
from fastgram.kernels.contract import CELLS, NormTable
from fastgram.support.arrays import Array

__all__ = ["ALLOWED", "NormRange", "Sampled", "TwoNorms", "tables_between"]

ALLOWED = 6e-14  # what a table may miss of what it is made of
_COUNTS = (10, 14, 20, 28)  # of nodes of a norm
_SAMPLED = np.array([0.2, 0.45, 0.7])  # half chords where it is seen how many are needed
_NODES, _DEGREE = 36, 27  # of s, on a cell
# Coefficients, times what they are multiplied by, that go: the first where no more is missed than
# is wanted, else the last.
_DROPPED = (1e-14, 6e-15, 3e-15)
_WANTED = 3.5e-14
_SIDE = CELLS[np.dtype(np.float64)] // 2  # cells on a side
_TOP = float(np.sqrt(0.5))
_ROUGH = 1e-14  # what samples of a side may be off its polynomials
_SHORTER = 1.0 - 2.0**-50  # so that s at ρ = 0 is on its own side
_TRIES = 2
_BEND, _STEEP = 0.45, 2  # of narrower cells near the end; coefficients more that ask for it
# Off the nodes: places of norms, and of s on each cell.
_NORM_PROBES = np.array([-1.0, -0.71, 0.13, 0.89, 1.0])
_PROBES = np.array([-1.0, -0.93, -0.37, 0.31, 0.77, 1.0])


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
        high = max(high, low + 1e-3)  # a point is no range
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

    def places(self, norms: Array) -> Array:
        """Return the places of norms."""
        middle, half = (self.low + self.high) / 2.0, (self.high - self.low) / 2.0
        return np.asarray(np.clip((coordinate_of(norms) - middle) / half, -1.0, 1.0))


@dataclass(frozen=True)
class TwoNorms:
    """A table for all tiles of rows and columns of two ranges of norms; see `NormTable`.

    It holds from half chords `starts` on of ρ = 1 and of −1, for cosines from `bottom` to below
    `top`, and misses so much of what it is made of.
    """

    rows: NormRange
    columns: NormRange
    starts: tuple[float, float]
    cell_map: Array
    slopes: Array
    offsets: Array
    lengths: npt.NDArray[np.int64]
    powers: npt.NDArray[np.int64]
    coefficients: Array
    miss: float = 0.0

    @property
    def bottom(self) -> float:
        """The least cosine: beyond −1 where it holds up to the end."""
        return 2.0 * self.starts[1] ** 2 - 1.0 if self.starts[1] else -2.0

    @property
    def top(self) -> float:
        """What cosines are below: beyond 1 where it holds up to the end."""
        return 1.0 - 2.0 * self.starts[0] ** 2 if self.starts[0] else 2.0

    def of_tile(
        self, first_row: int, row_norms: Array, first_column: int, column_norms: Array
    ) -> NormTable:
        """Return it for a part of a tile that begins there, and has these norms."""
        return NormTable(
            self.cell_map,
            self.slopes,
            self.offsets,
            self.lengths,
            self.powers,
            self.coefficients,
            first_row,
            first_column,
            self.rows.places(row_norms),
            self.columns.places(column_norms),
        )

    def values(self, side: int, s: Array, x: Array, y: Array) -> Array:
        """Return values on a side at half chords, for places of norms: (k, m, n)."""
        shift, scale, bend = self.cell_map[side]
        number = shift + scale * s + bend * s * s
        cell = np.rint(np.clip(number, 0.0, self.offsets.size - 1.0)).astype(int)
        t = self.slopes[cell] * s + self.offsets[cell]
        total = np.zeros((s.size, x.size, y.size))
        # of all rows as many powers as of the longest
        longest, ends = int(self.powers.max()), np.cumsum(self.powers)
        padded = np.zeros((ends.size, longest, self.offsets.size))
        row = np.repeat(np.arange(ends.size), self.powers)
        padded[row, longest - ends[row] + np.arange(row.size)] = self.coefficients
        made = horner(padded.transpose(0, 2, 1).reshape(-1, longest), x)
        rows = iter(made.reshape(x.size, -1, self.offsets.size).transpose(1, 2, 0)[:, cell])
        for length in self.lengths:
            base, polynomial = next(rows), np.zeros((s.size, x.size))
            for _ in range(length - 1):
                polynomial = polynomial * t[:, None] + next(rows)
            total = total * y + (base - s[:, None] * polynomial)[:, :, None]
        return total


@dataclass(frozen=True)
class _Side:
    """Chebyshev series on the cells of a side, outwards from the end.

    Attributes
    ----------
    start, bend : float
        Half the chord that they begin at, and how much narrower the first of them are (`_edges`).
    bases : (nodes, nodes) array
        In both norms' places.
    series : (cells, degree + 1, nodes, nodes) array
        In t and both.
    """

    start: float
    bend: float
    bases: Array
    series: Array

    @property
    def edges(self) -> Array:
        """The cells' ends, in half chords."""
        return _edges(self.start, self.bend)

    @property
    def number(self) -> Array:
        """Coefficients, of 1, s and s², of the number of cells up to s."""
        length, bend, start = _TOP - self.start, self.bend, self.start
        x = np.array([-start, 1.0, 0.0]) / length
        square = np.array([start * start, -2.0 * start, 1.0]) / length**2
        return _SIDE * _SHORTER * ((1.0 + bend) * x - bend * square)

    @property
    def truncation(self) -> float:
        """The size of the last coefficients in either norm."""
        outer = self.edges[1 : 1 + len(self.series)]
        sizes = np.max(np.abs(self.series) * outer[:, None, None, None], axis=(0, 1))
        sizes = np.maximum(sizes, np.abs(self.bases))
        return float(max(np.max(sizes[-2:]), np.max(sizes[:, -2:])))

    @property
    def is_steep(self) -> bool:
        """Whether the first cell takes more coefficients than the last."""
        sizes = np.max(np.abs(self.series), axis=(2, 3)) * self.edges[1:, None]
        first, last = (np.count_nonzero(part > _DROPPED[0]) for part in sizes[[0, -1]])
        return bool(first > last + _STEEP)


def _edges(start: float, bend: float) -> Array:
    """Return the ends of cells from a half chord on: equal ones of x(1 + bend·(1 − x))."""
    u = np.linspace(0.0, 1.0, _SIDE + 1)
    x = u
    if bend:
        x = ((1.0 + bend) - np.sqrt((1.0 + bend) ** 2 - 4.0 * bend * u)) / (2.0 * bend)
    return np.asarray(start + x * (_TOP - start))


def tables_between(
    sampled: Sampled, rows: NormRange, columns: Sequence[NormRange]
) -> list[TwoNorms | None]:
    """Return the tables of a range of norms and each of others, None where there is none."""
    tables: list[TwoNorms | None] = [None] * len(columns)
    for skipped in range(_TRIES):  # half chords that did for the samples, and not between them
        waiting = [k for k, table in enumerate(tables) if table is None]
        if not waiting:
            break
        those = [columns[k] for k in waiting]
        near, far = (_sides_of(sampled, far, skipped, rows, those) for far in (False, True))
        for k, left, right in zip(waiting, near, far, strict=True):
            if left is not None and right is not None:
                tables[k] = _best_table(sampled, left, right, rows, columns[k])
    return tables


def _best_table(
    sampled: Sampled, near: _Side, far: _Side, rows: NormRange, columns: NormRange
) -> TwoNorms | None:
    """Return the shortest table that misses little, None where it misses too much."""
    probes = _probes(sampled, near, far, rows, columns)
    for dropped in _DROPPED:
        table = _table_of(near, far, rows, columns, dropped)
        missed = [
            float(np.max(np.abs(table.values(side, s, _NORM_PROBES, _NORM_PROBES) - exact)))
            for side, (s, exact) in enumerate(probes)
        ]
        table = replace(table, miss=max(missed))
        if table.miss <= _WANTED:
            break
    return table if table.miss <= ALLOWED else None


def _probes(
    sampled: Sampled, near: _Side, far: _Side, rows: NormRange, columns: NormRange
) -> list[tuple[Array, Array]]:
    """Return half chords and values of each side, between the nodes."""
    probes = []
    for number, side in enumerate((near, far)):
        low, high = side.edges[:-1, None], side.edges[1:, None]
        s = ((low + high) / 2.0 + _PROBES * (high - low) / 2.0).ravel()
        norms = rows.norms(_NORM_PROBES), columns.norms(_NORM_PROBES)
        probes.append((s, sampled.at_chords(bool(number), s, *norms)))
    return probes


def _sides_of(
    sampled: Sampled, far: bool, skipped: int, rows: NormRange, columns: Sequence[NormRange]
) -> list[_Side | None]:
    """Fit a side for each range of columns, from the least half chord that does."""
    found: list[_Side | None] = [None] * len(columns)
    starts = sampled.starts(far)[skipped:]
    for start in starts:
        waiting = [k for k, side in enumerate(found) if side is None]
        if waiting and start != starts[-1]:  # what is too rough is so near the end
            cells = _fit_sides(sampled, far, start, 0.0, rows, [columns[k] for k in waiting], 1)
            waiting = [k for k, cell in zip(waiting, cells, strict=True) if cell is not None]
        for bend in (0.0, _BEND):
            if not waiting:
                break
            sides = _fit_sides(sampled, far, start, bend, rows, [columns[k] for k in waiting])
            for k, side in zip(waiting, sides, strict=True):
                found[k] = side or found[k]
            waiting = [
                k for k in waiting if (side.is_steep if (side := found[k]) else start == starts[-1])
            ]
    return found


def _fit_sides(
    sampled: Sampled,
    far: bool,
    start: float,
    bend: float,
    rows: NormRange,
    columns: Sequence[NormRange],
    cells: int = _SIDE,
) -> list[_Side | None]:
    """Fit the first cells of sides from a half chord on; None for those that are too rough."""
    edges = _edges(start, bend)[: cells + 1]
    s = np.stack([points_of(*ends, _NODES) for ends in itertools.pairwise(edges)])
    norms = rows.nodes, np.concatenate([of_columns.nodes for of_columns in columns])
    values = sampled.at_chords(far, s.ravel(), *norms)
    # up to the end they are differences from there; where the end is not smooth in the norms there
    # is nothing to differ from
    ends = sampled.at_chords(far, np.zeros(1), *norms)[0] if start == 0.0 else 0.0 * values[0]
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
    result: list[_Side | None] = []
    stop = 0
    for of_columns in columns:
        part = slice(stop, stop := stop + of_columns.count)
        right = transform_of(of_columns.count).T
        fine = np.max(rough_columns[part]) <= _ROUGH
        side = _Side(start, bend, left @ ends[:, part] @ right, by_row[..., part] @ right)
        result.append(side if fine and side.truncation <= 3.0 * _ROUGH else None)
    return result


def _table_of(
    near: _Side, far: _Side, rows: NormRange, columns: NormRange, dropped: float
) -> TwoNorms:
    """Make the table of two sides' series, without what is small: cells from ρ = −1 to 1."""
    series = np.concatenate([far.series, near.series[::-1]])
    outer = np.concatenate([far.edges[1:], near.edges[:0:-1]])
    bases = np.stack([far.bases] * _SIDE + [near.bases] * _SIDE)
    kept = _kept(np.max(np.abs(series) * outer[:, None, None, None], axis=0), dropped)
    kept_bases = _kept(np.max(np.abs(bases), axis=0)[None], dropped)
    by_row, by_column = (POWERS[:size, :size] for size in (rows.count, columns.count))
    in_s = POWERS[: _DEGREE + 1, : _DEGREE + 1]
    powers = by_row @ np.where(kept, series, 0.0) @ by_column.T
    powers = (in_s @ powers.reshape(*powers.shape[:2], -1)).reshape(powers.shape)
    base_powers = by_row @ np.where(kept_bases[0], bases, 0.0) @ by_column.T
    # of the lower powers as many as of the higher ones
    counts = _counts(powers)
    base_counts = _counts(base_powers[:, None])[0]
    terms = int(np.max(np.flatnonzero((counts[0] > 0) | (base_counts > 0)))) + 1
    lengths, row_counts, coefficients = [], [], []
    for q in reversed(range(terms)):
        degree = max(int(np.count_nonzero(counts[:, q])), 1)
        lengths.append(degree + 1)
        row_counts.append(max(int(base_counts[q]), 1))
        coefficients.append(base_powers[:, : row_counts[-1], q].T[::-1])
        for k in reversed(range(degree)):
            row_counts.append(max(int(counts[k, q]), 1))
            coefficients.append(powers[:, k, : row_counts[-1], q].T[::-1])
    lows = np.concatenate([far.edges[:-1], near.edges[-2::-1]])
    shift = np.array([1.0, 0.0, 0.0])
    return TwoNorms(
        rows,
        columns,
        (near.start, far.start),
        cell_map=np.stack([(2.0 * _SIDE - 0.5) * shift - near.number, far.number - 0.5 * shift]),
        slopes=2.0 / (outer - lows),
        offsets=-(outer + lows) / (outer - lows),
        lengths=np.array(lengths, dtype=np.int64),
        powers=np.array(row_counts, dtype=np.int64),
        coefficients=np.ascontiguousarray(np.concatenate(coefficients)),
    )


def _kept(sizes: Array, dropped: float) -> npt.NDArray[np.bool_]:
    """Return which coefficients stay: what is large, and all that are lower in every variable."""
    large = sizes > dropped
    for axis in range(sizes.ndim):
        large = np.flip(np.logical_or.accumulate(np.flip(large, axis), axis), axis)
    return np.asarray(large)


def _counts(powers: Array) -> npt.NDArray[np.int64]:
    """Return how many powers of the row's norm are not 0: of (cells, k, p, q), (k, q)."""
    there = np.any(powers != 0.0, axis=0)
    return np.asarray(np.max(there * np.arange(1, powers.shape[2] + 1)[:, None], axis=1))
