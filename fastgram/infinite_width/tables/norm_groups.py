"""Groups of rows in the order of their norms, and the tables of any two of them.

Rows of a group lie one after the other, so that a tile is of two groups, and of few terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.norm_nodes import coordinate_of
from fastgram.infinite_width.pairs.norm_profile import profile_between_norms
from fastgram.infinite_width.tables.norm_table import (
    NormRange,
    Sampled,
    TwoNorms,
    tables_between,
)
from fastgram.network.lines import Lines, lines_of
from fastgram.network.network import Network
from fastgram.support.arrays import Array, symmetric

__all__ = ["NormGroups", "samples_of_lines"]

_MOST = 12  # groups: more make terms few no longer, and as many tables as pairs of them
_FEW, _NODES = 32, 20  # rows that are not divided further; nodes that a group may need
_MEASURED = 6  # groups whose tables are held against integrals
_PLACE = 0.3  # of a norm in its group, off the nodes
_ENDS = (0.99, 0.97, 0.94, 0.9, 0.8, 0.65, 0.4)  # where tables of lines may end
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


@dataclass(frozen=True)
class NormGroups:
    """Tables of all pairs of groups, and what they miss.

    Attributes
    ----------
    bounds : (groups + 1,) array
        The first row of each, and n.
    norms : (n,) array
        Ascending.
    tables : dict
        From two groups, the first no later than the second, to their table; those that have none
        are missing.
    miss : float
        The largest error that was found against integrals.
    """

    bounds: npt.NDArray[np.intp]
    norms: Array
    tables: dict[tuple[int, int], TwoNorms]
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
        tables = {}
        for first, rows in enumerate(ranges):
            for second, table in enumerate(tables_between(sampled, rows, ranges[first:]), first):
                if table is not None:
                    tables[first, second] = table
        bounds = np.array([*starts, norms.size], dtype=np.intp)
        return NormGroups(bounds, norms, tables, _measured_miss(network, kind, ranges, tables))

    def parts(self, i: slice, j: slice) -> list[tuple[slice, slice, TwoNorms | None]]:
        """Return the parts of a tile of rows i and columns j: rows and columns, and their table."""
        return [
            (rows, columns, self._between(first, second))
            for first, rows in self._groups(i)
            for second, columns in self._groups(j)
        ]

    def _groups(self, rows: slice) -> list[tuple[int, slice]]:
        """Return the groups that rows are of, and which of the rows."""
        first, last = np.searchsorted(self.bounds, [rows.start, rows.stop - 1], "right") - 1
        return [
            (
                group,
                slice(
                    max(rows.start, int(self.bounds[group])),
                    min(rows.stop, int(self.bounds[group + 1])),
                ),
            )
            for group in range(int(first), int(last) + 1)
        ]

    def _between(self, first: int, second: int) -> TwoNorms | None:
        """Return the table of two groups; below the diagonal there is none but the transpose's."""
        if first <= second:
            return self.tables.get((first, second))
        return None


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
    tables: dict[tuple[int, int], TwoNorms],
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
                table = tables.get((int(one), int(other)))
                if table is None:
                    continue
                here = table.starts[far] <= _CHORDS
                found = table.values(int(far), _CHORDS[here], place, place)[:, 0, 0]
                missed = np.abs(found - exact[here, first, second])
                worst = max(worst, float(np.max(missed, initial=0.0)))
    return worst
