"""Entries between rows of several norms: of separated tables, and computed pair by pair.

Scales are the roots of the diagonal, so that the diagonal is known without a table.
"""

from __future__ import annotations

import copy
import threading
from typing import Any, NamedTuple

import numpy as np

from fastgram.devices.device import Device
from fastgram.devices.scratch import RowFactors
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entries import Entries, InOrder
from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.direct_pairs import DirectPairs
from fastgram.infinite_width.pairs.protocol import PairEntries, Places, Reordered
from fastgram.infinite_width.separable_table import Separated
from fastgram.infinite_width.tables.norm_groups import NormGroups, samples_of_lines
from fastgram.infinite_width.tables.norm_sides import Sampled
from fastgram.kernels.contract import CLOSE
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error
from fastgram.support.threads import one_blas_thread

__all__ = ["IntegratedEntries", "SeparatedEntries"]

Tile = Any  # of a device, or a host's array

_FEW_TILES = 2  # of as many rows as are not worth to be sorted
_MARGIN = 4.0  # of a bound over what was measured


class _Left(NamedTuple):
    """Pairs of a tile that have no table: their rows and columns there, and cosines."""

    rows: Any
    columns: Any
    cosines: Any


class _RootScaledEntries(Entries):
    """Entries whose scales are the roots of the diagonal; those without a table go pair by pair.

    Pairs are the host's work, whatever the device: it gets their cosines, and gives the entries.
    """

    pairs: PairEntries | None
    groups: NormGroups | None = None  # of rows in the order of their norms

    def _scales(self, norms: Array) -> Array:
        return np.sqrt(diagonal_entries(self.network, self.kind, norms))

    def diagonal(self) -> Array:
        """Return the squares of the scales."""
        return np.asarray(self.row_scales * self.row_scales)

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` by tables, and what has none pair by pair; the diagonal is known.

        Of rows in the order of their norms a tile of the diagonal has what is right of it.
        """
        device.cosines(self.rows, i, self.columns, j, scratch)
        is_diagonal_tile = self.symmetric and i == j
        if is_diagonal_tile:  # the diagonal is known, and alone on its piece as a rule
            _diagonal_of(scratch)[:] = 0.0
        fill = self._fill_whole if self.groups is None else self._fill_by_groups
        left = fill(i, j, device, scratch, out)
        if left is not None and left.rows.size:
            a, b = left.rows, left.columns
            values = self._integrate(i, j, *(device.get(part) for part in (left.cosines, a, b)))
            out[a, b] = values = device.put(values)
            if is_diagonal_tile:
                out[b, a] = values
        if is_diagonal_tile:
            _diagonal_of(out)[:] = device.put(self.row_scales[i] ** 2)

    def _fill(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> Tile | None:
        """Fill `out` from the cosines in `scratch`; return which of them are left."""
        raise NotImplementedError

    def _fill_whole(
        self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile
    ) -> _Left | None:
        outside = self._fill(i, j, device, scratch, out)
        return None if outside is None else self._left(i, j, device, outside, scratch)

    def _fill_by_groups(
        self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile
    ) -> _Left | None:
        """Do the same by the tables of groups of norms; `out` may be `scratch`."""
        assert self.groups is not None
        outside = left = None
        parts, without_table = self.groups.parts(i, j), []
        for part in parts:
            table = part.table
            if table is not None and not any(table.starts):
                continue
            here = _within(part.rows, i), _within(part.columns, j)
            cosines = np.ascontiguousarray(scratch[here])
            if table is None:
                values = np.empty(cosines.shape, out.dtype)
                beyond = self._fill(part.rows, part.columns, device, cosines, values)
                without_table.append((here, values))
            else:
                beyond = (cosines >= table.top) | (cosines < table.bottom)
            if beyond is not None:
                outside = np.zeros(scratch.shape, dtype=bool) if outside is None else outside
                outside[here] = beyond
        if outside is not None:
            left = self._left(i, j, device, outside, scratch)
        for here, values in without_table:
            out[here] = values
        for rows, columns, row_places, table, column_places in parts:
            if table is not None:
                first = rows.start - i.start, columns.start - j.start
                piece = table.of_tile(first[0], row_places, first[1], column_places, i == j)
                self._evaluate(i, j, device, scratch, piece, out)
        return left

    def _left(self, i: slice, j: slice, device: Device, outside: Tile, scratch: Tile) -> _Left:
        """Return the pairs outside; of a tile of the diagonal those right of it."""
        if self.symmetric and i == j:
            outside = device.xp.triu(outside, 1)
        a, b = device.xp.nonzero(outside)
        return _Left(a, b, scratch[a, b])

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> InOrder | None:
        """Return the same of sorted rows, whose tiles have short tables; None where too few."""
        sampled, tile = self._sampled(), devices[0].tile
        few = self.shape[0] <= _FEW_TILES * tile
        takes = self.symmetric and self.dtype == np.float64 and devices[0].takes_norm_tables
        if few or not takes or sampled is None:
            return None
        kept: dict[int, InOrder] = self.__dict__.setdefault("_in_order", {})
        if tile not in kept:
            order = np.argsort(self.rows.norms, kind="stable")
            with one_blas_thread():  # the bits of tables must not depend on how many it has
                kept[tile] = InOrder(order, self._sorted(order, sampled, tile))
        return kept[tile]

    def _sampled(self) -> Sampled | None:
        """Return what tables of groups of norms are made of, None where there can be none."""
        raise NotImplementedError

    def _sorted(self, order: Places, sampled: Sampled, tile: int) -> _RootScaledEntries:
        """Return the entries of rows in another order, with tables of groups of norms."""
        entries, rows = copy.copy(self), self.rows
        entries.rows = entries.columns = UnitRows(
            np.ascontiguousarray(rows.unit[order]), rows.norms[order], rows.given_columns
        )
        entries.row_scales = entries.column_scales = self.row_scales[order]
        entries.weights = entries._column_weights = self.weights[order]
        entries.pairs = None if self.pairs is None else Reordered(self.pairs, order)
        groups = NormGroups.of(self.network, self.kind, sampled, entries.rows.norms, tile)
        entries.groups, entries.error = groups, self._error_with(groups.miss)
        entries.in_place = True
        return entries

    def _error_with(self, miss: float) -> float:
        """Return the error where tables of groups miss so much."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_in_order"}

    def _integrate(self, i: slice, j: slice, cosines: Array, a: Places, b: Places) -> Array:
        """Return the entries at rows a and columns b of a block, pair by pair."""
        from fastgram.kernels.cpu.pairs.kinks import half_chord_squares  # compiled: when needed

        assert self.pairs is not None
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        close = CLOSE[self.dtype]
        squares = half_chord_squares(cosines, self.rows.unit[i], self.columns.unit[j], a, b, close)
        far = cosines < 0.0
        values = self.pairs.values(a + i.start, b + j.start, np.minimum(squares, 0.5), far)
        # equal rows have the diagonal's entry, to the last bit
        equal = (squares == 0.0) & ~far & (self.rows.norms[i][a] == self.columns.norms[j][b])
        values[equal] = self.row_scales[i][a[equal]] ** 2
        return values


class IntegratedEntries(_RootScaledEntries):
    """Entries without a table, all of them pair by pair.

    Parameters
    ----------
    pairs : PairEntries
        Of these rows and columns.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
        pairs: PairEntries,
    ) -> None:
        super().__init__(network, kind, rows, columns, dtype)
        self.pairs = pairs
        self.error = pairs.error + pairs.slope * self.chord_error()
        self.error += pairs.by_norm * self.weight_error()
        self.error += 4.0 * float(np.finfo(dtype).eps)  # scales, and entries of the dtype

    @property
    def entry_flops(self) -> float:
        """The cost of an entry in flops of a matrix product: of two rows, and of its integrals."""
        return float(self.rows.unit.shape[1] + self.pairs.flops) if self.pairs else 0.0

    def _fill(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> Tile:
        return device.xp.ones(scratch.shape, dtype=bool)

    def _sampled(self) -> Sampled | None:
        return samples_of_lines(self.network, self.kind)

    def _error_with(self, miss: float) -> float:
        return self.error + _MARGIN * miss


class SeparatedEntries(_RootScaledEntries):
    """Entries of separated tables; those whose cosine has none are computed pair by pair.

    Parameters
    ----------
    separated : Separated
        Holds for all norms of the rows and columns.
    pairs : PairEntries or None
        Of these rows and columns; None where the tables hold for all cosines.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
        separated: Separated,
        pairs: PairEntries | None,
    ) -> None:
        super().__init__(network, kind, rows, columns, dtype)
        self.separated, self.pairs = separated, pairs
        self._row_norms = separated.chebyshev_rows(rows.norms)
        self._column_norms = separated.chebyshev_rows(columns.norms)
        self._local = threading.local()
        # what is integrated one by one is more exact than tables, and as steep
        one_by_one = pairs is None or isinstance(pairs, DirectPairs)
        ways = [separated] if one_by_one else [separated, pairs]
        error, slope, by_norm = (
            largest_error(*(getattr(way, part) for way in ways))
            for part in ("error", "slope", "by_norm")
        )
        self.error = error + slope * self.chord_error() + by_norm * self.weight_error()

    @property
    def entry_flops(self) -> float:
        """The cost of an entry on the average, in flops of a matrix product."""
        flops = super().entry_flops
        if self.pairs is not None and not self.separated.holds_everywhere:
            flops += self.fraction_outside() * self.pairs.flops
        return flops

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _local=threading.local())

    def fraction_outside(self) -> float:
        """Return the fraction of pairs whose cosine has no table, from a sample of the rows."""
        sample = [
            side.unit[:: max(side.norms.size // 128, 1)] for side in (self.rows, self.columns)
        ]
        cosines = sample[0] @ sample[1].T
        outside = self._outside(cosines)
        if self.symmetric:
            np.fill_diagonal(outside, False)
        return float(np.mean(outside))

    def _outside(self, cosines: Tile) -> Tile:
        return (cosines >= self.separated.top) | (cosines < self.separated.bottom)

    def _fill(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> Tile | None:
        norms = self._row_norms[i], self._column_norms[j]
        pieces = self.separated.pieces_for(scratch, *norms, self._kept_of(i))
        outside = None if self.separated.holds_everywhere else self._outside(scratch)
        for piece in pieces:
            self._evaluate(i, j, device, scratch, piece, out)
        return outside

    def _sampled(self) -> Sampled:
        return samples_of_lines(self.network, self.kind) or self.separated

    def _sorted(self, order: Places, sampled: Sampled, tile: int) -> _RootScaledEntries:
        entries = super()._sorted(order, sampled, tile)
        assert isinstance(entries, SeparatedEntries)
        entries._row_norms = entries._column_norms = self._row_norms[order]
        entries._local = threading.local()
        return entries

    def _error_with(self, miss: float) -> float:
        return self.error + _MARGIN * max(miss - self.separated.miss, 0.0)

    def _kept_of(self, i: slice) -> RowFactors:
        """Return this thread's place for what depends on rows i alone; it holds one set of rows."""
        local = self._local.__dict__
        kept: RowFactors = local.setdefault("kept", RowFactors())
        if local.get("rows") != (i.start, i.stop):
            local["rows"] = i.start, i.stop
            kept.forget()
        return kept


def _diagonal_of(block: Tile) -> Tile:
    """Return the diagonal of a square block, to be written to."""
    return block.reshape(-1)[:: block.shape[1] + 1]


def _within(rows: slice, tile: slice) -> slice:
    """Return the place of some rows in those of a tile."""
    return slice(rows.start - tile.start, rows.stop - tile.start)
