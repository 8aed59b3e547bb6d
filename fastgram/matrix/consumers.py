"""One traversal of a Gram matrix in tiles, and the three things that are done with a tile.

The upper triangle is visited once, a row of tiles a task, on a pool of threads: the matrix product
of two blocks of unit rows (BLAS on one thread), the table in place, then the *consumer*: `Store`
the tile and its transpose, or `Multiply` it and its transpose into a block of vectors, which with
absolute values and a vector of ones also adds up the rows of |A|.

All threads work for the CPU; of several GPUs each has one thread, and tiles and sums of its own.

Contributions to a block of the result are added in the order of the rows of tiles, whichever
thread gets there first: the same call gives the same bits on one thread or GPU and on many.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.matrix.entries import Blocks
from fastgram.matrix.tile_cache import Cache, slices
from fastgram.support.threads import one_blas_thread, share_of_threads, thread_count

__all__ = [
    "Cache",
    "Multiply",
    "Store",
    "Together",
    "Visit",
    "each_tile",
    "one_blas_thread",
    "thread_count",
]

Array = Any  # of float64, on a device
Tile = Any
Tick = Callable[[int], None]  # told of entries done


class _Turns:
    """Lets row of tiles I add to block J only after row I − 1 has: a fixed order of summation."""

    def __init__(self, rows: int) -> None:
        self._done = list(range(-1, rows - 1))  # the last column that each row has added to
        self._changed = threading.Condition()
        self._waiting = 0
        self.failed = False

    def wait(self, row: int, column: int) -> None:
        if row == 0 or self._done[row - 1] >= column:
            return
        with self._changed:
            self._waiting += 1
            try:
                while self._done[row - 1] < column:
                    if self.failed:
                        raise _OtherThreadFailed
                    self._changed.wait()
            finally:
                self._waiting -= 1

    def done(self, row: int, column: int) -> None:
        self._done[row] = column
        # who waits says so before it looks at _done, so one of the two sees the other
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def fail(self) -> None:
        with self._changed:
            self.failed = True
            self._changed.notify_all()


class _OtherThreadFailed(Exception):
    """Raised in a thread that waits for one that raised."""


class Consumer(Protocol):
    """What a traversal hands its tiles to; the device is the one that the tile is on."""

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

    def begin(self, device: Device, i: slice) -> None:
        """Nothing to do."""

    def take(self, device: Device, i: slice, j: slice, tile: Tile, row: None) -> None:
        """Store the tile; no two tiles share an entry."""
        self._put(device, i, j, tile)
        if not self.symmetric or i == j:
            return
        if device.on_host and self._plain is not None:
            from fastgram.kernels.cpu.transpose import transpose  # loaded when needed

            transpose(tile, self._plain, i.start, j.start)
        else:
            self._put(device, j, i, tile.T)

    def _put(self, device: Device, i: slice, j: slice, block: Tile) -> None:
        if self.home.owns(self.out):
            with self.home.context():
                self.out[i, j] = self.home.put(block)
        else:
            values = device.get(block)
            self.out[i, j] = values.copy() if self._copies and device.on_host else values

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
        self._columns = self.V.shape[1]
        self._blocks, self._multipliers = {}, {}
        for device in self.devices:
            with device.context():
                self._blocks[device] = device.columns_of(self.V)
            self._multipliers[device] = device.multiplier(self._columns)

    def begin(self, device: Device, i: slice) -> Array:
        """Return the sum that the row's own block will gain."""
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
        """Add the row's sum to its own block."""
        self._add(i, row)

    def _add(self, i: slice, part: Array) -> None:
        home = self.devices[0]
        if home.on_host:
            self.out[i] += part[:, : self._columns]
            return
        with home.context():
            self.out[i] += home.put(part)


@dataclass
class Visit:
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
class Together:
    """Several consumers, of one dtype, of one traversal."""

    consumers: list[Multiply]
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
        for consumer, own in zip(self.consumers, part, strict=True):
            consumer.add(j, own)

    def end(self, i: slice, row: list[Any]) -> None:
        """End each."""
        for consumer, state in zip(self.consumers, row, strict=True):
            consumer.end(i, state)


@contextmanager
def _room(device: Device, count: int, dtype: np.dtype[np.floating]) -> Iterator[Tile]:
    """Lend an array of so many numbers, which stays for the next traversal.

    Pages that are new to the process would cost more than a small matrix.
    """
    key = device, count, dtype
    try:
        room = _ROOMS.setdefault(key, []).pop()
    except IndexError:
        room = device.xp.empty(count, dtype)
    try:
        yield room
    finally:
        device.finish()  # the next one may come by another stream
        _ROOMS[key].append(room)


# as many as threads at a time
_ROOMS: dict[tuple[Device, int, np.dtype[np.floating]], list[Tile]] = {}


def each_tile(
    entries: Blocks,
    consumer: Consumer,
    devices: tuple[Device, ...] = (CPU,),
    *,
    symmetric: bool = True,
    cache: Cache | None = None,
    tick: Tick | None = None,
    tile: int | None = None,
    threads: int | None = None,
) -> None:
    """Hand every tile of the upper triangle (or of a rectangle) to the consumer, once.

    Parameters
    ----------
    entries : Blocks
    consumer : Consumer
        Gets tiles of its own dtype.
    devices : tuple
        The CPU, or GPUs, of which each takes rows of tiles.
    symmetric : bool
        Whether rows and columns are the same, so that the upper triangle is all.
    cache : Cache, optional
        Float64 tiles of earlier traversals of this matrix, and room for this one's; for a consumer
        of float64 tiles of a symmetric matrix.
    tick : callable, optional
        Told the number of entries of each tile, as it is done (on a GPU: asked for).
    tile, threads : int, optional
        Size of a tile, None for the device's, and number of the CPU's threads, None for a share of
        all; the result depends on neither beyond rounding.
    """
    if tile is None:
        tile = devices[0].tile
    rows = slices(entries.shape[0], tile)
    columns = rows if symmetric else slices(entries.shape[1], tile)
    if cache is not None:
        cache.lay_out(rows)
    turns = _Turns(len(rows))
    queue = itertools.count()
    same_dtype = consumer.dtype == entries.dtype

    def work(device: Device) -> None:
        with device.context(), _room(device, tile * tile, entries.dtype) as scratch:
            if same_dtype and entries.in_place:
                visit(device, scratch, scratch)
                return
            with _room(device, tile * tile, consumer.dtype) as target:
                visit(device, scratch, target)

    def visit(device: Device, scratch: Tile, target: Tile) -> None:
        for row in iter(lambda: next(queue), None):
            if row >= len(rows):
                return
            i = rows[row]
            state = consumer.begin(device, i)
            first = row if symmetric else 0
            for column in range(first, len(columns)):
                if turns.failed:
                    return
                j = columns[column]
                height, width = i.stop - i.start, j.stop - j.start
                kept = cache.kept(device, (row, column)) if cache is not None else None
                if kept is None:
                    values = target[: height * width].reshape(height, width)
                    cosines = scratch[: height * width].reshape(height, width)
                    entries.block(i, j, device, cosines, values)
                    if symmetric and row == column:  # sums of terms may differ in the last bit
                        device.mirror(values)
                    if cache is not None:
                        cache.keep((row, column), values)
                else:
                    values = kept
                part = consumer.take(device, i, j, values, state)
                if symmetric:
                    turns.wait(row, column)
                    consumer.add(j, part)
                    if column == len(columns) - 1:
                        consumer.end(i, state)
                    turns.done(row, column)
                if tick is not None:
                    tick(height * width * (2 if symmetric and row != column else 1))

    def guarded(device: Device) -> None:
        try:
            work(device)
        except BaseException:
            turns.fail()
            raise

    with share_of_threads() as share, devices[0].context():
        workers = devices * (threads or share) if devices[0].on_host else devices
        workers = workers[: len(rows)]
        devices[0].finish()  # what the vectors are made of may come by another stream
        if len(workers) == 1:
            work(workers[0])
            return
        with ThreadPoolExecutor(len(workers), thread_name_prefix="fastgram") as pool:
            futures = [pool.submit(guarded, worker) for worker in workers]
            try:
                errors = [error for future in futures if (error := future.exception()) is not None]
            except BaseException:  # an interrupt here must not wait for the whole traversal
                turns.fail()
                raise
    devices[0].finish()  # the last parts of other devices were added by their threads
    for error in errors:
        if not isinstance(error, _OtherThreadFailed):
            raise error
