"""Groups of rows in the order of their norms, and the tables of any two of them.

Rows of a group lie one after the other, so that a tile is of two groups, and of few terms.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.norm_nodes import coordinate_of
from fastgram.infinite_width.pairs.norm_profile import profile_between_norms
from fastgram.infinite_width.tables.norm_sides import NormRange, Sampled, mirror_of
from fastgram.infinite_width.tables.norm_table import Columns, Part, TwoNorms, tables_between
from fastgram.network.lines import Lines, lines_of
from fastgram.network.network import Network
from fastgram.support.arrays import Array, symmetric
from fastgram.support.progress import advance
from fastgram.support.rounding import largest_error

__all__ = ["NormGroups", "samples_of_lines"]

_MOST = 12  # groups: more make terms few no longer, and as many tables as pairs of them
_FEW, _NODES = 32, 20  # rows that are not divided further; nodes that a group may need
_MEASURED = 6  # groups whose tables are held against integrals
_PLACE = 0.3  # of a norm in its group, off the nodes
_ENDS = (0.99, 0.97, 0.94, 0.9, 0.8, 0.65, 0.4)  # where tables of lines may end
_QUANTILES = np.linspace(0.0, 1.0, 6)  # of norms at which it is seen whether sides are alike
_TINY = float(np.finfo(np.float64).tiny)
_CHORDS = np.array([0.011, 0.06, 0.13, 0.22, 0.3, 0.4, 0.5, 0.6, 0.69])


class _LineSamples:
    """Entries over scales of an activation that is lines, by their integrals: `Sampled`."""

    def __init__(self, network: Network, kind: str, lines: Lines) -> None:
        self._network, self._kind, self._lines = network, kind, lines

    def at_chords(self, far: bool, s: Array, rows: Array, columns: Array) -> Array:
        """Return values at half chords s from an end, (k, m, n), for norms of rows and columns."""
        from fastgram.infinite_width.pairs.line_layers import LineLayers  # compiled: when needed

        layers = LineLayers(self._network, self._kind, self._lines, rows, columns)
        shape = s.size, rows.size, columns.size
        angle, first, second = np.indices(shape).reshape(3, -1)
        values = layers.values(first, second, s[angle] ** 2, np.full(angle.size, far))
        left, right = (
            np.sqrt(diagonal_entries(self._network, self._kind, side)) for side in (rows, columns)
        )
        divisor = np.maximum(np.multiply.outer(left, right), _TINY)
        return np.asarray(values.reshape(shape) / divisor)

    def starts(self, far: bool) -> tuple[float, ...]:
        """Return half chords from an end: near it entries depend on which norm is the larger."""
        return 0.0, *(float(np.sqrt((1.0 - end) / 2.0)) for end in _ENDS)


def samples_of_lines(network: Network, kind: str) -> Sampled | None:
    """Return the entries of lines, or steps, with a kink away from 0; None of others."""
    lines = lines_of(network.activation) if any(network.activation.kinks) else None
    return None if lines is None else _LineSamples(network, kind, lines)


class TilePart(NamedTuple):
    """Rows and columns of a part of a tile, their table, if any, and their places in its ranges."""

    rows: slice
    columns: slice
    row_places: Array
    table: TwoNorms | None
    column_places: Array


@dataclass(frozen=True)
class NormGroups:
    """Tables of all pairs of groups, and what they miss.

    Attributes
    ----------
    bounds : list
        The first row of each, and n.
    places : (n,) array
        Of rows' norms in the ranges of their groups.
    tables : dict
        From two groups, the first no later than the second, to tables of parts of the second.
    miss : float
        The largest error that was found against integrals.
    """

    bounds: list[int]
    places: Array
    tables: dict[tuple[int, int], list[Part]]
    miss: float

    @staticmethod
    def of(network: Network, kind: str, sampled: Sampled, norms: Array, tile: int) -> NormGroups:
        """Make the tables for norms in ascending order, whose tiles are of so many rows."""
        tiles = -(-norms.size // tile)
        size = tile * -(-tiles // _MOST)
        starts, ranges = [], []
        for start in range(0, norms.size, size):
            for first, last in _parts(sampled, norms, start, min(start + size, norms.size)):
                starts.append(first)
                ranges.append(NormRange.of(sampled, norms[first:last]))
        bounds, coordinates = [*starts, norms.size], coordinate_of(norms)
        groups = [
            Columns(of_group, coordinates[first:last])
            for of_group, first, last in zip(ranges, starts, bounds[1:], strict=True)
        ]
        mirror = mirror_of(sampled, np.quantile(norms, _QUANTILES))
        tables = {}
        for first, rows in enumerate(groups):
            height = rows.coordinates.size
            made = tables_between(sampled, mirror, rows.range, height, groups[first:])
            for second, parts in enumerate(made, first):
                tables[first, second] = parts
            advance(len(tables), len(groups) * (len(groups) + 1) // 2)
        places = np.concatenate([group.range.places(group.coordinates) for group in groups])
        return NormGroups(bounds, places, tables, _measured_miss(network, kind, ranges, tables))

    def parts(self, i: slice, j: slice) -> list[TilePart]:
        """Return the parts of a tile of rows i and columns j.

        Of a tile of the diagonal those on it and right of it.
        """
        return [
            TilePart(rows, columns, self.places[rows], table, places)
            for first, rows in self._groups(i)
            for second, those in self._groups(j)
            if i != j or first <= second
            for columns, table, places in self._between(first, second, those)
        ]

    def _groups(self, rows: slice) -> list[tuple[int, slice]]:
        """Return the groups that rows are of, and which of the rows."""
        first, last = (bisect.bisect_right(self.bounds, row) for row in (rows.start, rows.stop - 1))
        return [
            (
                group,
                slice(max(rows.start, self.bounds[group]), min(rows.stop, self.bounds[group + 1])),
            )
            for group in range(first - 1, last)
        ]

    def _between(
        self, first: int, second: int, columns: slice
    ) -> list[tuple[slice, TwoNorms | None, Array]]:
        """Return which of the columns have which table of two groups, and these columns' places.

        Below the diagonal there is none but the transpose's.
        """
        if first > second:
            return [(columns, None, self.places[columns])]
        start, found = self.bounds[second], []
        for part in self.tables[first, second]:
            begin = start + part.start
            these = slice(max(columns.start, begin), min(columns.stop, start + part.stop))
            if these.start < these.stop:
                of_part = slice(these.start - begin, these.stop - begin)
                found.append((these, part.table, part.places[of_part]))
        return found


def _parts(sampled: Sampled, norms: Array, start: int, stop: int) -> list[tuple[int, int]]:
    """Return parts of some rows whose norms are near enough to each other, or are few."""
    waiting, found = [(start, stop)], []
    while waiting:
        first, last = waiting.pop()
        low, high = coordinate_of(norms[[first, last - 1]])
        middle = first + int(np.searchsorted(coordinate_of(norms[first:last]), (low + high) / 2.0))
        few = last - first < _FEW or not first < middle < last
        if few or NormRange.of(sampled, norms[first:last]).count <= _NODES:
            found.append((first, last))
        else:
            waiting += [(middle, last), (first, middle)]
    return found


def _measured_miss(
    network: Network,
    kind: str,
    ranges: Sequence[NormRange],
    tables: dict[tuple[int, int], list[Part]],
) -> float:
    """Return the largest error of some tables at norms and half chords off the nodes."""
    some = np.unique(np.linspace(0, len(ranges) - 1, min(_MEASURED, len(ranges))).astype(int))
    place = np.array([_PLACE])
    norms = np.concatenate([ranges[group].norms(place) for group in some])
    profile = profile_between_norms(network, kind, norms)
    worst = 0.0
    for far in (False, True):
        values = profile.end(far) - profile.chords(far, 2.0 * np.arcsin(_CHORDS))
        exact = symmetric(values, norms.size)
        for first, one in enumerate(some):
            for second, other in enumerate(some[first:], first):
                column = coordinate_of(norms[second : second + 1])
                table = _of_column(tables[int(one), int(other)], float(column[0]))
                if table is None:
                    continue
                here = table.starts[far] <= _CHORDS
                column = table.columns.places(column)
                found = table.values(int(far), _CHORDS[here], place, column)[:, 0, 0]
                missed = np.abs(found - exact[here, first, second])
                worst = largest_error(worst, np.max(missed, initial=0.0))
    return worst


def _of_column(parts: list[Part], coordinate: float) -> TwoNorms | None:
    """Return the table of the part whose range has the norm of this coordinate."""
    for _, _, table, _ in parts:
        if table is not None and table.columns.low <= coordinate <= table.columns.high:
            return table
    return None
