"""Entries that the workers of a cluster hold, and products with them.

The bands, and with them the bits of a product, are fixed when the entries are made: so many for
each worker that there is then, whoever computes them later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import numpy as np

from fastgram.devices.band import Band
from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.infinite_width.entries import InOrder, TabledEntries
from fastgram.matrix.divided import tasks
from fastgram.matrix.divided.bands import bands_of_rectangle, bands_of_triangle, merge_levels
from fastgram.matrix.entries import Blocks
from fastgram.matrix.products import plan
from fastgram.support.arrays import Array

__all__ = ["DividedProduct", "OnWorkers", "on_devices"]

# So few rows and columns are computed sooner than asked for.
_FEW = 32

AnyBlocks = TypeVar("AnyBlocks", bound=Blocks)
Tile = Any  # of a device


def on_devices(entries: AnyBlocks, devices: tuple[Device, ...]) -> AnyBlocks:
    """Return entries as the devices compute them: those of a cluster are its workers'."""
    pool = devices[0].pool
    return entries if pool is None else cast(AnyBlocks, OnWorkers(entries, pool))


class OnWorkers:
    """Entries that workers hold, with what is known of them, which stays here: see `Blocks`.

    Parameters
    ----------
    entries : Blocks
        Sent to every worker when the first task needs them, tables and features included.
    pool : Pool
    """

    in_place = True  # `block` needs no scratch

    def __init__(self, entries: Any, pool: Any) -> None:
        self._entries, self._pool = entries, pool
        self.held = pool.hold(entries)
        self.task_count = pool.task_count()

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j, as a worker computes them.

        Of a few rows and columns they are computed here.
        """
        if max(i.stop - i.start, j.stop - j.start) <= _FEW:
            self._entries.block(i, j, device, np.empty(out.shape, self.dtype), out)
            return
        out[...] = self._pool.compute(tasks.compute_block, self.held, (i, j))

    def plan(self, columns: int, memory: int | None, devices: tuple[Device, ...]) -> DividedProduct:
        """Return the product that the workers share."""
        local = plan(self._entries, columns, 0, (CPU,))
        summands = local.summands + merge_levels(self.task_count)
        return DividedProduct(self, local.name, local.flops, summands)

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> InOrder | None:
        """Return the same of sorted rows, as workers without a GPU multiply with them."""
        ordered: InOrder | None = self._entries.in_order_of_norms((CPU,))
        return ordered

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Return False: every product computes all tiles."""
        return False

    def multiply_rectangle(self, V: Array, transposed: bool) -> Array:
        """Return A @ V, or Aᵀ @ V, for an (n, b) float64 block and any matrix."""
        height = self.shape[1] if transposed else self.shape[0]
        own = [
            tasks.RectangleTask(band.rows, transposed)
            for band in bands_of_rectangle(height, self.task_count)
        ]
        return np.concatenate(self._pool.gather(tasks.multiply_rows, self.held, V, own))

    def multiply_bands(self, V: Array, absolute: bool, row_sums: bool) -> tasks.Sum:
        """Return A @ V, or |A| @ V, for a symmetric A, with a column of row sums or without."""
        own = [tasks.BandTask(band, absolute, row_sums) for band in self._bands]
        found: tasks.Sum = self._pool.total(tasks.multiply_band, self.held, V, own, tasks.add_sums)
        return found

    @property
    def _bands(self) -> list[Band]:
        return bands_of_triangle(self.shape[0], self.task_count)

    # --- what is known here -----------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """That of the entries."""
        return self._entries.dtype  # type: ignore[no-any-return]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self._entries.shape  # type: ignore[no-any-return]

    @property
    def entry_flops(self) -> float:
        """Cost of computing an entry."""
        return self._entries.entry_flops  # type: ignore[no-any-return]

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""
        return self._entries.norm_error  # type: ignore[no-any-return]

    @property
    def of_one_table(self) -> TabledEntries | None:
        """The entries themselves, where they are of one table."""
        return self._entries.of_one_table  # type: ignore[no-any-return]

    @property
    def factor_columns(self) -> int | None:
        """Columns of a factor J with the matrix = JJᵀ, where there is one."""
        return self._entries.factor_columns  # type: ignore[no-any-return]

    def factor_square(self) -> Array:
        """Return JᵀJ."""
        return self._entries.factor_square()  # type: ignore[no-any-return]

    def flops_by_factors(self, n: int, columns: int, memory: int | None) -> float | None:
        """Return what a product by factors takes: see `NetworkBlocks`."""
        flops: float | None = self._entries.flops_by_factors(n, columns, memory)
        return flops

    def tile_feature_bytes(self, n: int) -> int:
        """Return the bytes that tiles need of n rows, besides the rows."""
        return int(self._entries.tile_feature_bytes(n))

    def note(self, way: str) -> str:
        """Return a way to multiply in words."""
        return self._entries.note(way)  # type: ignore[no-any-return]

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, exact to rounding."""
        return self._entries.diagonal()  # type: ignore[no-any-return]


@dataclass
class DividedProduct:
    """A product whose bands are multiplied by the workers, and added up there.

    `summands` is that of a product here, until workers have said what theirs come to.
    """

    entries: OnWorkers
    name: Literal["tiles", "factored", "fused"]
    flops: float | None
    summands: int

    def multiply(self, V: Array, absolute: bool = False) -> Array:
        """Return A @ V, or |A| @ V."""
        found = self.entries.multiply_bands(V, absolute, False)
        self.summands = max(self.summands, found.summands)
        return np.require(found.rows, requirements="W")  # it is the caller's

    def with_row_sums(self, V: Array) -> tuple[Array, Array]:
        """Return A @ V and |A| @ 1, (n, 1), by one pass."""
        found = self.entries.multiply_bands(V, False, True)
        self.summands = max(self.summands, found.summands)
        return np.ascontiguousarray(found.rows[:, :-1]), found.rows[:, -1:]

    def band(self, V: Array, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Array]:
        """Refuse: the bands are the workers'."""
        raise NotImplementedError
