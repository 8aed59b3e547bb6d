"""Consumers of the tiles of a traversal: store, multiply, visit, and several at a time.

`Store` writes a tile and its transpose into an array; `Multiply` multiplies them into a block of
vectors, which with absolute values and a vector of ones also adds up the rows of |A|;
`MultiplyRectangle` multiplies the tiles of a matrix that is not symmetric; `VisitTiles` hands them
to a function; `Fanout` is several consumers of one traversal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device

__all__ = ["Consumer", "Fanout", "Multiply", "MultiplyRectangle", "Store", "VisitTiles"]

Array = Any  # of float64, on a device
Tile = Any


class Consumer(Protocol):
    """A traversal hands its tiles to it; the device is the one that the tile is on."""

    dtype: np.dtype[np.floating]

    def begin(self, device: Device, i: slice) -> Any:
        """Start a row of tiles; what is returned comes with each of its tiles."""

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: Any) -> Any:
        """Work on a tile, on any thread and in any order; what is returned goes to `add`."""

    def add(self, j: slice, part: Any) -> None:
        """Add what `take` returned, in the fixed order."""

    def end(self, i: slice, row: Any) -> None:
        """Finish a row of tiles, in the fixed order."""


@dataclass
class Store:
    """Writes tiles, and where the matrix is symmetric their transposes, into an array.

    It is an array of the device `home`, or anything on the host that takes blocks of NumPy's.
    """

    out: Any
    symmetric: bool
    dtype: np.dtype[np.floating]
    home: Device = CPU

    def __post_init__(self) -> None:
        out = self.out
        # anything else may keep the block that it is given, or work on it
        self._copies = type(out) not in (np.ndarray, np.memmap)
        plain = not self._copies and out.dtype == self.dtype and out.flags.c_contiguous
        self._plain = np.asarray(out) if plain else None

    @property
    def takes_all(self) -> bool:
        """Whether a symmetric matrix can be written at once, by a GPU in its own memory."""
        out = self.out
        if not self.symmetric or self.home.name != "gpu" or not self.home.owns(out):
            return False
        return bool(out.dtype == self.dtype == np.float64 and out.flags.c_contiguous)

    def begin(self, device: Device, i: slice) -> None:
        """Nothing to do."""

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: None) -> None:
        """Store the tile; no two tiles share an entry."""
        self._put(device, i, j, tile)
        if not self.symmetric or i == j:
            return
        if self._plain is not None:
            device.store_transpose(tile, self._plain, i, j)
        else:
            self._put(device, j, i, tile.T)

    def _put(self, device: Device, i: slice, j: slice, block: Tile) -> None:
        if self.home.owns(self.out):
            with self.home.context():
                self.out[i, j] = self.home.put(block)
        else:
            self.out[i, j] = device.copy_to_host(block) if self._copies else device.get(block)

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: None) -> None:
        """Nothing to do."""


@dataclass
class Multiply:
    """out += A @ V, or |A| @ V with `absolute`, for a symmetric A; float64 throughout.

    V and `out` are on the first of the devices.
    """

    V: Array
    out: Array
    absolute: bool = False
    devices: tuple[Device, ...] = (CPU,)
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def __post_init__(self) -> None:
        self._blocks, self._multipliers = {}, {}
        for device in self.devices:
            with device.context():
                self._blocks[device] = device.columns_of(self.V)
            self._multipliers[device] = device.multiplier(self.V.shape[1])

    def begin(self, device: Device, i: slice) -> Array:
        """Return the sum that block i will gain by the row of tiles."""
        return device.xp.zeros((i.stop - i.start, self._blocks[device].shape[1]))

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: Array) -> Array | None:
        """Multiply the tile into the row's sum, and its transpose."""
        V = self._blocks[device]
        values = tile.astype(np.float64, copy=False)
        if self.absolute:
            values = abs(values)
        if i == j:
            row += values @ V[j]
            return None
        part = device.xp.zeros((values.shape[1], V.shape[1]))
        self._multipliers[device](values, V[j], V[i], row, part)
        return part

    def add(self, j: slice, part: Array | None) -> None:
        """Add the transpose's product to block j."""
        if part is not None:
            self._add(j, part)

    def end(self, i: slice, row: Array) -> None:
        """Add the row's sum to block i."""
        self._add(i, row)

    def _add(self, i: slice, part: Array) -> None:
        self.devices[0].add(self.out[i], part)


@dataclass
class MultiplyRectangle:
    """out += A @ V for a matrix whose tiles are all visited; float64 throughout.

    V and `out` are on the first of the devices.
    """

    V: Array
    out: Array
    devices: tuple[Device, ...] = (CPU,)
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def __post_init__(self) -> None:
        self._blocks = {}
        for device in self.devices:
            with device.context():
                self._blocks[device] = device.put(self.V)

    def begin(self, device: Device, i: slice) -> Array:
        """Return the product's block i, still zero."""
        return device.xp.zeros((i.stop - i.start, self.V.shape[1]))

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: Array) -> None:
        """Multiply the tile into the row's sum."""
        row += tile.astype(np.float64, copy=False) @ self._blocks[device][j]

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: Array) -> None:
        """Add the row's sum to block i."""
        self.devices[0].add(self.out[i], row)


@dataclass
class VisitTiles:
    """Hands the transposes of tiles, the lower triangle, to a function.

    It gets the device that the block is on, rows, columns and the block.
    """

    visitor: Callable[[Device, slice, slice, Tile], None]
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def begin(self, device: Device, i: slice) -> None:
        """Nothing to do."""

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: None) -> None:
        """Hand it on."""
        self.visitor(device, j, i, tile.T)

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: None) -> None:
        """Nothing to do."""


@dataclass
class Fanout:
    """Several consumers, of one dtype, of one traversal."""

    consumers: Sequence[Consumer]
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def begin(self, device: Device, i: slice) -> list[Any]:
        """Begin each."""
        return [consumer.begin(device, i) for consumer in self.consumers]

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: list[Any]) -> list[Any]:
        """Hand the tile to each."""
        return [
            consumer.take(device, i, j, tile, state)
            for consumer, state in zip(self.consumers, row, strict=True)
        ]

    def add(self, j: slice, part: list[Any]) -> None:
        """Add the parts of each."""
        for consumer, of_it in zip(self.consumers, part, strict=True):
            consumer.add(j, of_it)

    def end(self, i: slice, row: list[Any]) -> None:
        """End each."""
        for consumer, state in zip(self.consumers, row, strict=True):
            consumer.end(i, state)
