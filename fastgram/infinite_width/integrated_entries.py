"""Entries between rows of several norms: of separated tables, and integrated one by one.

Scales are the roots of the diagonal, so that the diagonal is known without a table.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.entries import Entries
from fastgram.infinite_width.kernel_function import diagonal_entries, direct_entries
from fastgram.infinite_width.separable_table import Separated
from fastgram.kernels.contract import CLOSE
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["IntegratedEntries", "SeparatedEntries"]

Tile = Any  # of a device, or a host's array
Places = npt.NDArray[np.intp]

# What a quadrature takes, in operations of a matrix product by BLAS.
_QUADRATURE_FLOPS = 1e8


class _RootScaledEntries(Entries):
    """Entries whose scales are the roots of the diagonal; those without a table are integrated."""

    def _scales(self, norms: Array) -> Array:
        return np.sqrt(diagonal_entries(self.network, self.kind, norms))

    def diagonal(self) -> Array:
        """Return the squares of the scales."""
        return np.asarray(self.row_scales * self.row_scales)

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` by tables, and what has none by quadratures; the diagonal is known."""
        device.cosines(self.rows, i, self.columns, j, scratch)
        is_diagonal_tile = self.symmetric and i == j
        if is_diagonal_tile:  # the diagonal is known, and alone on its piece as a rule
            _diagonal_of(scratch)[:] = 0.0
        outside = self._fill(i, j, device, scratch, out)
        if outside is not None:
            if is_diagonal_tile:
                outside = device.xp.triu(outside, 1)
            a, b = device.xp.nonzero(outside)
            if a.size:
                cosines = device.get(scratch[a, b])
                values = self._integrate(i, j, cosines, device.get(a), device.get(b))
                out[a, b] = values = device.put(values)
                if is_diagonal_tile:
                    out[b, a] = values
        if is_diagonal_tile:
            _diagonal_of(out)[:] = device.put(self.row_scales[i] ** 2)

    def _fill(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> Tile | None:
        """Fill `out` from the cosines in `scratch`; return which of them are left to integrate."""
        raise NotImplementedError

    def _integrate(self, i: slice, j: slice, cosines: Array, a: Places, b: Places) -> Array:
        """Return the entries at rows a and columns b of a block, by quadrature."""
        rho = np.clip(cosines.astype(np.float64), -1.0, 1.0)
        theta = np.arccos(rho)
        for sign in (1.0, -1.0):  # close pairs from the rows, as in the kernels
            close = np.flatnonzero(0.5 - 0.5 * sign * rho < CLOSE[self.dtype])
            x = self.rows.unit[i][a[close]].astype(np.float64)
            y = self.columns.unit[j][b[close]].astype(np.float64)
            s = 0.5 * np.linalg.norm(x - sign * y, axis=1)
            angle = 2.0 * np.arcsin(np.minimum(s, 1.0))
            theta[close] = angle if sign > 0.0 else np.pi - angle
        q1, q2 = self.rows.norms[i][a] ** 2, self.columns.norms[j][b] ** 2
        values = direct_entries(self.network, self.kind, theta, q1, q2)
        # equal rows have the diagonal's entry, to the last bit
        equal = (theta == 0.0) & (q1 == q2)
        values[equal] = self.row_scales[i][a[equal]] ** 2
        return values


class IntegratedEntries(_RootScaledEntries):
    """Entries without a table: a quadrature, or several, for each.

    Parameters
    ----------
    norms : (k,) array
        The distinct norms of all rows and columns, ascending.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
        norms: Array,
    ) -> None:
        super().__init__(network, kind, rows, columns, dtype)
        ends = norms[norms > 0.0][[0, -1]]
        errors = errors_between_norms(network, kind, ends)
        self.error = errors.base + self._steepest(norms) * self.chord_error()
        self.error += errors.by_norm * self.weight_error()

    @property
    def entry_flops(self) -> float:
        """The cost of an entry in flops of a matrix product: two rows' product and a quadrature."""
        return float(self.rows.unit.shape[1] + _QUADRATURE_FLOPS)

    def _steepest(self, norms: Array) -> float:
        """Bound |dK/ds|, K entries over scales, by differences between a few angles."""
        s = np.concatenate([[0.0], np.geomspace(1e-4, np.sqrt(0.5), 24)])
        theta = 2.0 * np.arcsin(s)
        theta = np.concatenate([theta, np.pi - theta[-2::-1]])
        steps = np.concatenate([np.diff(s), np.diff(s)[::-1]])
        pairs = [(norms[-1], norms[-1]), (norms[norms > 0.0][0], norms[-1])]
        slopes = []
        for pair in pairs:
            q1, q2 = (np.full(theta.size, norm**2) for norm in pair)
            scale = np.sqrt(np.prod(diagonal_entries(self.network, self.kind, np.array(pair))))
            values = direct_entries(self.network, self.kind, theta, q1, q2)
            steepest = np.max(np.abs(np.diff(values)) / steps)
            slopes.append(steepest / scale if scale > 0.0 else 0.0)
        return 2.0 * float(max(slopes))

    def _fill(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> Tile:
        return device.xp.ones(scratch.shape, dtype=bool)


class SeparatedEntries(_RootScaledEntries):
    """Entries of separated tables; those whose cosine has none are integrated.

    Parameters
    ----------
    separated : Separated
        Holds for all norms of the rows and columns.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
        separated: Separated,
    ) -> None:
        super().__init__(network, kind, rows, columns, dtype)
        self.separated = separated
        self._row_norms = separated.chebyshev_rows(rows.norms)
        self._column_norms = separated.chebyshev_rows(columns.norms)
        self._local = threading.local()
        self.error = separated.error + separated.slope * self.chord_error()
        self.error += separated.by_norm * self.weight_error()

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

    def _kept_of(self, i: slice) -> dict[int, tuple[Tile, Tile]]:
        """Return this thread's place for what depends on rows i alone; it holds one set of rows."""
        local = self._local.__dict__
        if local.get("rows") != (i.start, i.stop):
            local["rows"], local["kept"] = (i.start, i.stop), {}
        kept: dict[int, tuple[Tile, Tile]] = local["kept"]
        return kept


def _diagonal_of(block: Tile) -> Tile:
    """Return the diagonal of a square block, to be written to."""
    return block.reshape(-1)[:: block.shape[1] + 1]
