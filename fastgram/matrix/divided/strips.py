"""One band of a product by tiles: its diagonal square, and strips of columns right of it.

Strips are dealt to threads, for a band may have fewer rows of tiles than a worker has threads. A
strip adds to columns of its own; what it adds to the rows of the band is added in the order of the
strips: the same bits on any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgram.devices.device import Device
from fastgram.matrix.consumers import Fanout, Multiply
from fastgram.matrix.entries import Tiles
from fastgram.matrix.traversal import each_tile
from fastgram.matrix.views import Window
from fastgram.support.arrays import blocks
from fastgram.support.threads import in_order, thread_count

__all__ = ["multiply_band"]

Array = Any  # of float64, on a device

# Columns of a strip, in tiles of the device.
_TILES = 4


def multiply_band(
    entries: Tiles,
    V: Array,
    rows: slice,
    devices: tuple[Device, ...],
    absolute: bool = False,
    row_sums: bool = False,
) -> Array:
    """Return what the upper triangle's rows, and their transpose, contribute to A @ V.

    Parameters
    ----------
    entries : Tiles
        Symmetric, of order n.
    V : (n, b) float64 array
        On the first device.
    rows : slice
        The band.
    devices : tuple
    absolute : bool
        Multiply with |A| instead.
    row_sums : bool
        Return a column more: what they contribute to |A| @ 1.

    Returns
    -------
    (n − rows.start, b or b + 1) float64 array
        Of the rows of the product from the band on, on the first device; the others are zero.
    """
    home, n = devices[0], entries.shape[0]
    with home.context():
        out = home.xp.zeros((n - rows.start, V.shape[1] + row_sums))
        parts = _parts(out, V, absolute, row_sums, home)
        _square(entries, parts, rows, devices)
        _strips(entries, parts, rows, devices)
        return out


@dataclass(frozen=True)
class _Part:
    """Columns of the result, and what of: `absolute` or not, times V."""

    out: Array
    V: Array
    absolute: bool


def _parts(out: Array, V: Array, absolute: bool, row_sums: bool, home: Device) -> list[_Part]:
    columns = V.shape[1]
    found = [_Part(out[:, :columns], V, absolute)]
    if row_sums:
        found.append(_Part(out[:, columns:], home.xp.ones((V.shape[0], 1)), True))
    return found


def _square(entries: Tiles, parts: list[_Part], rows: slice, devices: tuple[Device, ...]) -> None:
    """Add the product with the diagonal square of the band."""
    count = rows.stop - rows.start
    consumers = [Multiply(part.V[rows], part.out[:count], part.absolute, devices) for part in parts]
    each_tile(Window(entries, rows, rows), Fanout(consumers), devices, threads=thread_count())


def _strips(entries: Tiles, parts: list[_Part], rows: slice, devices: tuple[Device, ...]) -> None:
    """Add the products with what is right of the square, and with its transpose."""
    home, threads, end = devices[0], thread_count(), rows.stop
    working = [device for device in devices for _ in range(device.workers(threads))]
    strips = [
        (number, slice(end + strip.start, end + strip.stop))
        for number, strip in enumerate(blocks(entries.shape[0] - end, _TILES * home.tile))
    ]

    def work(item: tuple[int, slice]) -> tuple[slice, list[_MultiplyStrip]]:
        number, strip = item
        device = devices[number % len(devices)]
        with device.context():
            consumers = [
                _MultiplyStrip(part.V, rows, strip, part.absolute, device) for part in parts
            ]
            window = Window(entries, rows, strip)
            each_tile(window, Fanout(consumers), (device,), symmetric=False, threads=1)
            device.finish()
        return strip, consumers

    for strip, consumers in in_order(work, strips, len(working)):
        below = slice(strip.start - rows.start, strip.stop - rows.start)
        for part, consumer in zip(parts, consumers, strict=True):
            home.add(part.out[: end - rows.start], consumer.of_rows)
            home.add(part.out[below], consumer.of_columns)


@dataclass
class _MultiplyStrip:
    """A @ V and Aᵀ @ V of a window A of rows and columns, on one thread of one device.

    V has the rows of the whole matrix.
    """

    V: Array
    rows: slice
    columns: slice
    absolute: bool
    device: Device
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def __post_init__(self) -> None:
        device = self.device
        V = device.put(self.V)
        self._left, self._right = (device.columns_of(V[part]) for part in (self.rows, self.columns))
        self._multiply = device.multiplier(V.shape[1])
        self.of_rows = device.xp.zeros_like(self._left)
        self.of_columns = device.xp.zeros_like(self._right)

    def begin(self, device: Device, i: slice) -> None:
        """Nothing to do."""

    def take(self, device: Device, i: slice, j: slice, tile: Any, row: None) -> None:
        """Multiply the tile, and its transpose."""
        values = tile.astype(np.float64, copy=False)
        if self.absolute:
            values = abs(values)
        self._multiply(values, self._right[j], self._left[i], self.of_rows[i], self.of_columns[j])

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: None) -> None:
        """Nothing to do."""
