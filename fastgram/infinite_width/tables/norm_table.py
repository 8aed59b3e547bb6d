"""Tables of tiles whose rows, and whose columns, have norms in narrow ranges.

There an entry over its scales is a polynomial of few terms in both norms, from the sides that
`fastgram.infinite_width.tables.norm_sides` fits. Columns are parted where tables of fewer terms pay
for the rows' being made once more. What is small goes, and what is left is measured against what it
was made of, where the polynomials do not see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.piecewise import POWERS, horner
from fastgram.infinite_width.tables.norm_sides import (
    APART,
    DROPPED,
    Mirror,
    NormRange,
    Sampled,
    Side,
    mirrored_sides,
    sides_of,
)
from fastgram.kernels.contract import NormTable
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["ALLOWED", "Columns", "Part", "TwoNorms", "tables_between"]

ALLOWED = 6e-14  # what a table may miss of what it is made of
_WANTED = 3.5e-14
_TRIES = 2
# What a row of a tile takes, in rows of cells of so many entries: 1.7 ns on an EPYC of Zen 4. Of
# each coefficient of a table, and of each table.
_AT_ONCE, _OF_COEFFICIENT, _OF_TABLE = 32, 0.135, 25.0
_OF_MAKING = 25_000.0  # that a table more has to spare each product: a 60th of its making
_FINER = 0.5  # times what goes: coefficients of a row's place that go
_NOTHING = 3e-16  # coefficients, beyond which none is larger
# Off the nodes: places of norms, and of s on each cell.
_NORM_PROBES = np.array([-1.0, -0.71, 0.13, 0.89, 1.0])
_PROBES = np.array([-1.0, -0.93, -0.37, 0.31, 0.77, 1.0])


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
    mirror: Mirror
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
        self,
        first_row: int,
        row_places: Array,
        first_column: int,
        column_places: Array,
        is_triangle: bool,
    ) -> NormTable:
        """Return it for a part of a tile that begins there, with the places of its norms."""
        return NormTable(
            self.cell_map,
            np.array(self.mirror[:3]),
            self.mirror.has_rest,
            self.slopes,
            self.offsets,
            self.lengths,
            self.powers,
            self.coefficients,
            first_row,
            first_column,
            row_places,
            column_places,
            is_triangle,
        )

    def values(self, side: int, s: Array, x: Array, y: Array) -> Array:
        """Return values on a side at half chords, for places of norms: (k, m, n)."""
        shift, scale, bend = self.cell_map[side]
        number = shift + scale * s + bend * s * s
        cell = np.rint(np.clip(number, 0.0, self.offsets.size - 1.0)).astype(int)
        t = self.slopes[cell] * s + self.offsets[cell]
        sign, slope, shift, _ = self.mirror if side else APART
        beyond = shift - slope * (1.0 - 2.0 * s * s)
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
            gained = base - s[:, None] * polynomial
            if self.mirror.has_rest:
                gained += beyond[:, None] * next(rows)
            total = total * y + gained[:, :, None]
        return sign * total


class Columns(NamedTuple):
    """A group of columns: the range of their norms, and the coordinates of these, ascending."""

    range: NormRange
    coordinates: Array


class Part(NamedTuple):
    """Some columns of a group, their table, None where there is none, and their norms' places."""

    start: int
    stop: int
    table: TwoNorms | None
    places: Array


class _Cells(NamedTuple):
    """The cells of a table, from ρ = −1 to 1, or from 1 to 0 where the other side follows.

    Chebyshev series in t and both norms' places, (cells, degree + 1, nodes, nodes), and bases in
    the norms'; the cells' ends; how they are found; what a rest is, or None.
    """

    series: Array
    bases: Array
    rest: Array | None
    lows: Array
    highs: Array
    cell_map: Array
    starts: tuple[float, float]
    mirror: Mirror

    @staticmethod
    def of(near: Side, far: Side | None, mirror: Mirror) -> _Cells:
        """Join two sides; the far one may follow from the near one."""
        edges, shift = near.edges, np.array([1.0, 0.0, 0.0])
        series, bases = near.series, [near.bases] * len(near.series)
        lows, highs = edges[:-1], edges[1:]
        first = near.number - 0.5 * shift
        cell_map, starts = np.stack([first, first]), (near.start, near.start)
        if far is not None:
            others = far.edges
            series = np.concatenate([far.series, series[::-1]])
            bases = [far.bases] * len(far.series) + bases
            lows = np.concatenate([others[:-1], lows[::-1]])
            highs = np.concatenate([others[1:], highs[::-1]])
            last = (len(series) - 0.5) * shift - near.number
            cell_map, starts = np.stack([last, far.number - 0.5 * shift]), (near.start, far.start)
        sizes = np.max(np.abs(series) * highs[:, None, None, None], axis=(0, 2, 3))
        degree = int(np.max(np.flatnonzero(sizes > _NOTHING), initial=0))
        few = np.ascontiguousarray(series[:, : degree + 1])
        return _Cells(few, np.stack(bases), near.rest, lows, highs, cell_map, starts, mirror)

    def on_columns(self, restriction: Array) -> _Cells:
        """Return them for a part of the columns' range."""
        turned = restriction.T
        rest = None if self.rest is None else self.rest @ turned
        return self._replace(series=self.series @ turned, bases=self.bases @ turned, rest=rest)

    @property
    def rows(self) -> Array:
        """All that a term of a table has, a row of cells each: (cells, rows, nodes, nodes)."""
        rows = [self.bases[:, None], self.series]
        if self.rest is not None:
            rows.append(np.broadcast_to(self.rest, (len(self.series), 1, *self.rest.shape)))
        return np.concatenate(rows, axis=1)

    def kept(self, dropped: float) -> npt.NDArray[np.bool_]:
        """Return which coefficients of the rows stay where such small ones go."""
        sizes = np.max(np.abs(self.series) * self.highs[:, None, None, None], axis=0)
        others = [np.max(np.abs(self.bases), axis=0)]
        others += [] if self.rest is None else [np.abs(self.rest)]
        first, *last = (_large(size[None], dropped) for size in others)
        return np.concatenate([first, _large(sizes, dropped), *last])


class _Shape(NamedTuple):
    """Of each power of the column's place: how many rows the polynomial of s has, and which powers.

    Of the row's place, as many of the lower powers as of the higher ones: (rows, terms).
    """

    degrees: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @staticmethod
    def of(kept: npt.NDArray[np.bool_], rests: int) -> _Shape:
        """Return that of what is kept, a row of cells each, of which the last are rests."""
        terms = int(np.max(np.flatnonzero(np.any(kept, axis=(0, 1))), initial=0)) + 1
        counts = np.count_nonzero(kept[:, :, :terms], axis=1)
        degrees = np.count_nonzero(counts[1 : len(counts) - rests], axis=0)
        return _Shape(np.maximum(degrees, 1), np.maximum(counts, 1))

    def rows_of(self, term: int, rests: int) -> list[int]:
        """Return the rows of a term as a table has them: base, coefficients descending, rest."""
        last = [len(self.counts) - 1] if rests else []
        return [0, *range(int(self.degrees[term]), 0, -1), *last]


def tables_between(
    sampled: Sampled, mirror: Mirror, rows: NormRange, height: int, columns: Sequence[Columns]
) -> list[list[Part]]:
    """Return the tables of `height` rows of a range of norms and parts of each group of columns."""
    found = [[Part(0, group.coordinates.size, None, group.coordinates)] for group in columns]
    ways = [mirror, APART] if mirror != APART else [APART]
    # half chords that did for the samples, and not between them
    for way, skipped in itertools.product(ways, range(_TRIES)):
        waiting = [k for k, parts in enumerate(found) if any(part.table is None for part in parts)]
        if not waiting:
            break
        ranges = [columns[k].range for k in waiting]
        near: Sequence[Side | None]
        far: Sequence[Side | None]
        if way == APART:
            near, far = (sides_of(sampled, end, skipped, rows, ranges) for end in (False, True))
        else:
            near = mirrored_sides(sampled, mirror, skipped, rows, ranges)
            far = [None] * len(ranges)
        for k, left, right in zip(waiting, near, far, strict=True):
            if left is not None and (right is not None or way != APART):
                cells = _Cells.of(left, right, way)
                found[k] = _parts(sampled, cells, rows, height, columns[k])
    return found


def _parts(
    sampled: Sampled, cells: _Cells, rows: NormRange, height: int, columns: Columns
) -> list[Part]:
    """Return the tables of parts of a group of columns, parted where that pays."""
    coordinates, count = columns.coordinates, columns.coordinates.size

    def candidate(first: int, last: int) -> tuple[float, NormRange, _Cells]:
        low = columns.range.low if first == 0 else float(coordinates[first])
        high = columns.range.high if last == count else float(coordinates[last])
        part = columns.range.part(low, high)
        few = cells.on_columns(columns.range.restriction(part))
        return _cost(few, last - first), part, few

    waiting, parts = [(0, count, candidate(0, count))], []
    while waiting:
        first, last, whole = waiting.pop()
        middle = float(np.searchsorted(coordinates[first:last], (whole[1].low + whole[1].high) / 2))
        cut = first + _AT_ONCE * round(middle / _AT_ONCE)
        if first < cut < last:
            halves = candidate(first, cut), candidate(cut, last)
            gained = whole[0] - halves[0][0] - halves[1][0]
            if gained * height > _OF_MAKING:
                waiting += [(cut, last, halves[1]), (first, cut, halves[0])]
                continue
        table = _best_table(sampled, whole[2], rows, whole[1])
        parts.append(Part(first, last, table, whole[1].places(coordinates[first:last])))
    return parts


def _cost(cells: _Cells, width: int) -> float:
    """Return what a row of so many columns takes, in rows of cells of `_AT_ONCE` entries."""
    shape = _Shape.of(cells.kept(DROPPED[0]), cells.mirror.has_rest)
    coefficients, blocks = float(np.sum(shape.counts)), -(-width // _AT_ONCE)
    per_block = float(np.sum(shape.degrees + 1))
    return _OF_TABLE + _OF_COEFFICIENT * coefficients + blocks * per_block


def _best_table(
    sampled: Sampled, cells: _Cells, rows: NormRange, columns: NormRange
) -> TwoNorms | None:
    """Return the shortest table that misses little, None where it misses too much."""
    probes = [_probes(sampled, cells, side, rows, columns) for side in (0, 1)]
    for dropped in DROPPED:
        table = _table_of(cells, rows, columns, dropped)
        missed = [
            float(np.max(np.abs(table.values(side, s, _NORM_PROBES, _NORM_PROBES) - exact)))
            for side, (s, exact) in enumerate(probes)
        ]
        table = replace(table, miss=largest_error(*missed))
        if table.miss <= _WANTED:
            break
    return table if table.miss <= ALLOWED else None


def _probes(
    sampled: Sampled, cells: _Cells, side: int, rows: NormRange, columns: NormRange
) -> tuple[Array, Array]:
    """Return half chords and values of a side, between the nodes."""
    half = len(cells.lows) // 2
    those = (slice(half, None), slice(half))[side] if cells.mirror == APART else slice(None)
    low, high = cells.lows[those, None], cells.highs[those, None]
    s = ((low + high) / 2.0 + _PROBES * (high - low) / 2.0).ravel()
    norms = rows.norms(_NORM_PROBES), columns.norms(_NORM_PROBES)
    return s, sampled.at_chords(bool(side), s, *norms)


def _table_of(cells: _Cells, rows: NormRange, columns: NormRange, dropped: float) -> TwoNorms:
    """Make a table of what is not small."""
    kept, rests = cells.kept(dropped), int(cells.mirror.has_rest)
    shape = _Shape.of(kept, rests)
    p, q = int(shape.counts.max()), shape.degrees.size
    series = np.where(kept, cells.rows, 0.0)[:, :, :p, :q]
    powers = POWERS[:p, :p] @ (series @ POWERS[:q, :q].T)
    stop = powers.shape[1] - rests
    of_s = powers[:, 1:stop].reshape(len(powers), stop - 1, p * q)
    powers[:, 1:stop] = (POWERS[: stop - 1, : stop - 1] @ of_s).reshape(-1, stop - 1, p, q)
    counts, coefficients = [], []
    for term in reversed(range(q)):
        for row in shape.rows_of(term, rests):
            counts.append(int(shape.counts[row, term]))
            coefficients.append(powers[:, row, : counts[-1], term].T[::-1])
    return TwoNorms(
        rows,
        columns,
        cells.starts,
        cells.cell_map,
        cells.mirror,
        slopes=2.0 / (cells.highs - cells.lows),
        offsets=-(cells.highs + cells.lows) / (cells.highs - cells.lows),
        lengths=np.ascontiguousarray(shape.degrees[::-1] + 1),
        powers=np.array(counts, dtype=np.int64),
        coefficients=np.ascontiguousarray(np.concatenate(coefficients)),
    )


def _large(sizes: Array, dropped: float) -> npt.NDArray[np.bool_]:
    """Return which coefficients stay: what is large, and all that are lower in every variable.

    Of (k, p, q); those of the row's place, which cost little, where they are smaller too.
    """
    rows = _lower(np.max(sizes, axis=1) > dropped)
    return rows[:, None] & _lower(sizes > _FINER * dropped)


def _lower(large: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Add all that are lower in every variable."""
    for axis in range(large.ndim):
        large = np.flip(np.logical_or.accumulate(np.flip(large, axis), axis), axis)
    return np.asarray(large)
