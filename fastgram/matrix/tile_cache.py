"""Tiles that are kept between traversals, and which they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.support.validation import as_integer

__all__ = ["Cache", "as_budget", "bytes_of_all"]

Array = Any  # of float64, on a device
Tile = Any


@dataclass
class Cache:
    """Float64 tiles kept between traversals: as many as a budget of bytes holds, in one array.

    Which tiles are kept depends on the order of the matrix, the size of the tiles and the budget
    alone. They are spread evenly over the triangle: the time of a pass is linear in the budget, and
    each thread has its share of them. The array holds them in the order of the traversal, and its
    pages cost nothing before they are written to.

    Attributes
    ----------
    budget : int or None
        In bytes; None is half of the memory that is free when it is first asked for.
    device : Device
        In whose memory they are kept.
    tiles : dict
        From (row, column) to the tiles that are kept by now.
    """

    budget: int | None
    device: Device = CPU
    tiles: dict[tuple[int, int], Array] = field(default_factory=dict)
    _limit: int | None = None
    _rows: list[slice] | None = None
    _storage: Array = None
    _slots: dict[tuple[int, int], slice] = field(default_factory=dict)  # of tiles still to come
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def limit(self) -> int:
        """The budget in bytes, as a number."""
        with self._lock:
            if self._limit is None:
                self._limit = self.budget
            if self._limit is None:
                self._limit = self.device.free_memory() // 2
            return self._limit

    def lay_out(self, rows: list[slice]) -> None:
        """Choose the tiles to keep, unless that has been done for these rows."""
        with self._lock:
            if self._rows == rows:
                return
            self._drop()
            self._rows = rows
            self._slots = _spread_evenly(rows, self.limit // 8)
            size = max((slot.stop for slot in self._slots.values()), default=0)
            with self.device.context():
                self._storage = self.device.xp.empty(size)

    def keep(self, key: tuple[int, int], tile: Tile) -> None:
        """Keep a copy of the tile if it is one of those to keep."""
        if key not in self._slots:
            return
        with self._lock:
            slot, storage, tiles = self._slots.pop(key, None), self._storage, self.tiles
        if slot is not None:
            kept = storage[slot].reshape(tile.shape)
            self.device.assign(kept, tile)
            tiles[key] = kept

    def kept(self, device: Device, key: tuple[int, int]) -> Tile | None:
        """Return a tile that is kept, on the device that asks, or None."""
        tile = self.tiles.get(key)
        return None if tile is None else device.put(tile)

    def read_only(self) -> Cache:
        """Return a cache of the same tiles that keeps no others."""
        with self._lock:
            return Cache(0, self.device, self.tiles, _rows=self._rows)

    def forget(self) -> None:
        """Drop all tiles; a traversal that is under way goes on without."""
        with self._lock:
            self._drop()
            self._limit = None

    def _drop(self) -> None:
        self.tiles, self._slots, self._rows, self._storage = {}, {}, None, None


def as_budget(memory: Any, devices: tuple[Device, ...]) -> int | None:
    """Return bytes of tiles to keep, as they were asked for.

    Raises
    ------
    ValueError, TypeError
        For no integer of at least 0, and for any tiles on a device that keeps none.
    """
    if memory is None:
        return None
    budget = as_integer("memory", memory, 0)
    if budget and not devices[0].keeps_tiles:
        raise ValueError("memory=: a cluster keeps no tiles between products, leave it out")
    return budget


def bytes_of_all(n: int, tile: int = CPU.tile) -> int:
    """Return the bytes of all tiles of a matrix of order n: the triangle, diagonal tiles whole."""
    whole, rest = divmod(n, tile)
    return 4 * (n * n + whole * tile * tile + rest * rest)


def _spread_evenly(rows: list[slice], budget: int) -> dict[tuple[int, int], slice]:
    """Return the slots of tiles that in all have at most `budget` entries, in an array.

    After each tile in the order of the traversal, those taken have that share of the budget which
    the tiles passed have of all entries, to within one tile.
    """
    slots: dict[tuple[int, int], slice] = {}
    if budget <= 0:
        return slots
    heights: list[int] = [i.stop - i.start for i in rows]
    total = bytes_of_all(rows[-1].stop, heights[0]) // 8
    budget = min(budget, total)
    passed = used = 0
    for row, height in enumerate(heights):
        for column in range(row, len(heights)):
            size = height * heights[column]
            passed += size
            if used + size <= budget * passed // total:
                slots[row, column] = slice(used, used + size)
                used += size
    return slots
