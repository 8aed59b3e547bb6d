"""The ways to multiply with a Gram matrix: by tiles, by factors, or fused with the entries.

The entries choose (`Blocks.plan`); every way is a `Product`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from fastgram.devices.band import Band
from fastgram.devices.device import Device
from fastgram.matrix.consumers import Fanout, Multiply
from fastgram.matrix.divided.strips import multiply_band
from fastgram.matrix.entries import Blocks
from fastgram.matrix.tile_cache import Cache
from fastgram.matrix.traversal import each_tile

__all__ = ["Product", "SortedProduct", "TileProduct", "plan"]

Array = Any  # of float64, on the first of the devices


class Product(Protocol):
    """A way to multiply with a symmetric matrix A."""

    @property
    def name(self) -> Literal["tiles", "factored", "fused"]:
        """Which way it is."""

    @property
    def flops(self) -> float | None:
        """Operations of a product of the planned columns; None where entries are computed."""

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""

    def multiply(self, V: Array, absolute: bool = False) -> Array:
        """Return A @ V, or |A| @ V with `absolute`, for an (n, b) float64 block."""

    def with_row_sums(self, V: Array) -> tuple[Array, Array]:
        """Return A @ V and |A| @ 1, (n, 1)."""

    def band(self, V: Array, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Array]:
        """Return what a band contributes to A @ V, or |A| @ V, from some row on, and that row.

        With `row_sums` there is a column more, what it contributes to |A| @ 1. The sum over all
        bands is the product.
        """


def plan(
    entries: Blocks,
    columns: int,
    memory: int | None,
    devices: tuple[Device, ...],
    cache: Cache | None = None,
) -> Product:
    """Return what multiplies a block of so many columns.

    Parameters
    ----------
    entries : Blocks
        Symmetric.
    columns : int
    memory : int or None
        Bytes of tiles that were asked to be kept.
    devices : tuple
    cache : Cache, optional
        Of tiles, for a product by tiles.
    """
    without_tiles: Product | None = entries.plan(columns, memory, devices)
    if without_tiles is not None:
        return without_tiles
    ordered = entries.in_order_of_norms(devices)
    if ordered is None:
        return TileProduct(entries, devices, cache)
    return SortedProduct(TileProduct(ordered.entries, devices, cache), ordered.order)


@dataclass(frozen=True)
class TileProduct:
    """Products tile by tile: an entry is computed, or read, once for all columns."""

    entries: Blocks
    devices: tuple[Device, ...]
    cache: Cache | None = None
    name: Literal["tiles"] = "tiles"
    flops: None = None

    def multiply(self, V: Array, absolute: bool = False) -> Array:
        """Return A @ V, or |A| @ V."""
        out = self.devices[0].xp.zeros_like(V)
        consumer = Multiply(V, out, absolute, self.devices)
        each_tile(self.entries, consumer, self.devices, cache=self.cache)
        return out

    def with_row_sums(self, V: Array) -> tuple[Array, Array]:
        """Return A @ V and |A| @ 1, (n, 1), by one traversal."""
        xp, n = self.devices[0].xp, self.entries.shape[0]
        out, sums = xp.zeros_like(V), xp.zeros((n, 1))
        both = Fanout(
            [
                Multiply(V, out, False, self.devices),
                Multiply(xp.ones((n, 1)), sums, True, self.devices),
            ]
        )
        each_tile(self.entries, both, self.devices, cache=self.cache)
        return out, sums

    def band(self, V: Array, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Array]:
        """Return what the rows of a band, and their transpose, contribute."""
        part = multiply_band(self.entries, V, band.rows, self.devices, absolute, row_sums)
        return band.rows.start, part

    @property
    def summands(self) -> int:
        """How many additions an entry goes through: in a tile, over the tiles, and weights."""
        n, tile = self.entries.shape[0], self.devices[0].tile
        return tile + -(-n // tile) + 8


@dataclass(frozen=True)
class SortedProduct:
    """Products by tiles of rows that are in another order: vectors go there, and come back."""

    product: TileProduct
    order: npt.NDArray[np.intp]
    name: Literal["tiles"] = "tiles"
    flops: None = None

    def multiply(self, V: Array, absolute: bool = False) -> Array:
        """Return A @ V, or |A| @ V."""
        return self._back(self.product.multiply(V[self.order], absolute))

    def with_row_sums(self, V: Array) -> tuple[Array, Array]:
        """Return A @ V and |A| @ 1, (n, 1), by one traversal."""
        out, sums = self.product.with_row_sums(V[self.order])
        return self._back(out), self._back(sums)

    def band(self, V: Array, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Array]:
        """Return what the rows of a band, and their transpose, contribute: to any of the rows."""
        start, part = self.product.band(V[self.order], band, absolute, row_sums)
        out = self.product.devices[0].xp.zeros((V.shape[0], part.shape[1]))
        out[self.order[start:]] = part
        return 0, out

    @property
    def summands(self) -> int:
        """How many additions an entry goes through."""
        return self.product.summands

    def _back(self, block: Array) -> Array:
        out = self.product.devices[0].xp.empty_like(block)
        out[self.order] = block
        return out
