"""PlannedMatrix: a Gram matrix of which nothing is computed but a sample of its entries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastgram.datasets.points import sphere
from fastgram.devices.device import Device
from fastgram.finite_width.entries import FiniteEntries
from fastgram.matrix.entries import NetworkBlocks, Tiles, blocks_of
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.matrix.views import Window
from fastgram.network.network import Network
from fastgram.support.memory import require_memory

__all__ = ["PlannedMatrix"]

# Operations of a sample's entries, and its rows at most: a few tenths of a second.
_WORK, _MOST_ROWS = 6e9, 4608
# Rows that entries are asked about before a sample is made.
_FEW_ROWS = 64


@dataclass(frozen=True)
class PlannedMatrix:
    """A matrix as costs see it: `fastgram.eigenvalues.methods.hybrid.Costed`.

    Attributes
    ----------
    n, d : int
        Rows and features.
    network : Network
    kind : str
    entries : NetworkBlocks
        Of the rows, or of a few like them.
    devices : tuple of Device
    memory : int or None
        Bytes for entries, where they were said.
    rows : (n, d) array or None
        The rows, where there are any.
    """

    n: int
    d: int
    network: Network
    kind: str
    entries: NetworkBlocks
    devices: tuple[Device, ...]
    memory: int | None
    rows: np.ndarray[tuple[int, int], np.dtype[np.floating]] | None = None
    has_entries: bool = True

    @staticmethod
    def of_size(
        n: int,
        d: int,
        network: Network,
        kind: str,
        devices: tuple[Device, ...],
        dtype: np.dtype[np.floating],
        memory: int | None,
    ) -> PlannedMatrix:
        """Return a matrix of rows that are not there: points of the unit sphere stand for them."""
        entries = blocks_of(network, kind, _rows_like(min(n, _FEW_ROWS), d), None, dtype)
        return PlannedMatrix(n, d, network, kind, entries, devices, memory)

    @staticmethod
    def of_operator(op: GramOperator) -> PlannedMatrix:
        """Return an operator's matrix."""
        matrix = matrix_of(op)
        rows, memory = matrix.given_rows, matrix.given_memory
        shape = rows.shape[0], rows.shape[1]
        return PlannedMatrix(
            *shape, op.network, op.kind, matrix.entries, matrix.devices, memory, rows
        )

    @property
    def device(self) -> Device:
        """Where vectors live."""
        return self.devices[0]

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the entries."""
        return self.entries.dtype

    @property
    def entry_flops(self) -> float:
        """Floating-point operations of an entry."""
        return self.entries.entry_flops

    def product_flops(self, columns: int) -> float | None:
        """Return what a product of so many columns takes by factors, None where by entries."""
        return self.entries.flops_by_factors(self.n, columns, self.memory)

    @property
    def entry_class(self) -> str | None:
        """What the cost of an entry depends on beside d and the dtype, in words.

        None where it is the rows themselves.
        """
        if isinstance(self.entries, FiniteEntries):
            network = self.network
            shape = f"{network.activation.name}, depth {network.depth}, width {network.width}"
            return f"{self.kind} of {shape}, {network.readout} readout"
        one = self.entries.of_one_table
        if one is None:
            return None if self.rows is not None else "zeros"
        pieces, rows, _ = one.table.cells.shape
        return f"table of {pieces} pieces of {rows - 2} coefficients"

    def sample(self) -> Tiles:
        """Return entries to be timed: of some rows, or of rows like them."""
        operations = max(self.entry_flops, 1.0)
        count = min(self.n, _MOST_ROWS, max(int(math.sqrt(2.0 * _WORK / operations)), 1))
        tile = self.device.tile
        if count > tile:
            count -= count % tile
        if self.entry_class is None:  # of these norms
            return Window(self.entries, slice(0, count), slice(0, count))
        if self.rows is None:
            require_memory("rows to measure with", 32 * count * self.d)
            rows = _rows_like(count, self.d)
        else:
            rows = self.rows[np.linspace(0, self.n - 1, count).astype(np.intp)]
        return blocks_of(self.network, self.kind, rows, None, self.dtype)


def _rows_like(count: int, d: int) -> np.ndarray[tuple[int, int], np.dtype[np.floating]]:
    return np.asarray(sphere(count, d, 0))
