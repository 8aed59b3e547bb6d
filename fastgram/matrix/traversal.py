"""One traversal of a Gram matrix in tiles, which hands each of them to a consumer.

The upper triangle is visited once, a row of tiles a task, on a pool of threads: the matrix product
of two blocks of unit rows (BLAS on one thread), the table in place, then the *consumer*
(`fastgram.matrix.consumers`). All threads work for the CPU; of several GPUs each has one thread,
and tiles and sums of its own.

Contributions to a block of the result are added in the order of the rows of tiles, whichever
thread gets there first: the same call gives the same bits on one thread or GPU and on many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.matrix.consumers import Consumer, Store
from fastgram.matrix.entries import Blocks, Tiles
from fastgram.matrix.tile_cache import Cache
from fastgram.support.arrays import blocks
from fastgram.support.threads import share_of_threads

__all__ = ["each_tile", "store"]

Tile = Any  # of a device
Tick = Callable[[int], None]  # told of entries done


class OrderedReduction:
    """Lets row of tiles I add to block J only after row I − 1 has: a fixed order of summation."""

    def __init__(self, rows: int) -> None:
        self._done = list(range(-1, rows - 1))  # the last column that each row has added to
        self._changed = threading.Condition()
        self._waiting = 0
        self.failed = False

    def wait(self, row: int, column: int) -> None:
        """Wait until the row before has added to this column."""
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
        """Let the next row add to this column."""
        self._done[row] = column
        # who waits says so before it looks at _done, so one of the two sees the other
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def fail(self) -> None:
        """Wake all that wait: the traversal has failed."""
        with self._changed:
            self.failed = True
            self._changed.notify_all()


class _OtherThreadFailed(Exception):
    """Raised in a thread that waits for one that raised."""


def each_tile(
    entries: Tiles,
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
    entries : Tiles
    consumer : Consumer
        Gets tiles of its own dtype.
    devices : tuple
        The CPU, or GPUs, of which each takes rows of tiles.
    symmetric : bool
        Whether rows and columns are the same, so that the upper triangle is all.
    cache : Cache, optional
        Float64 tiles of earlier traversals of this matrix, and space for this one's; for a consumer
        of float64 tiles of a symmetric matrix.
    tick : callable, optional
        Told the number of entries of each tile, as it is done (on a GPU: asked for).
    tile, threads : int, optional
        Size of a tile, None for the device's, and number of the CPU's threads, None for a share of
        all; the result depends on neither beyond rounding.
    """
    size = devices[0].tile if tile is None else tile
    traversal = _Traversal(entries, consumer, size, symmetric, cache, tick)
    with share_of_threads() as share, devices[0].context():
        workers = [device for device in devices for _ in range(device.workers(threads or share))][
            : len(traversal.rows)
        ]
        devices[0].finish()  # what the vectors are made of may come by another stream
        if len(workers) == 1:
            traversal.work(workers[0])
            return
        errors = traversal.on_threads(workers)
    devices[0].finish()  # the last parts of other devices were added by their threads
    for error in errors:
        if not isinstance(error, _OtherThreadFailed):
            raise error


def store(
    entries: Blocks,
    consumer: Store,
    devices: tuple[Device, ...],
    *,
    cache: Cache | None = None,
    tick: Tick | None = None,
) -> None:
    """Write the whole matrix: at once where a GPU can, in its own memory, and else by tiles.

    The parameters are those of `each_tile`.
    """
    if consumer.takes_all:
        from fastgram.devices.fused_product import FusedProduct  # what GPUs need is for them

        product = entries.plan(1, 0, devices[:1])
        if isinstance(product, FusedProduct):
            product.build(consumer.out)
            if tick is not None:
                tick(entries.shape[0] ** 2)
            return
    each_tile(entries, consumer, devices, symmetric=consumer.symmetric, cache=cache, tick=tick)


class _Traversal:
    """A traversal that is under way: rows of tiles, dealt out to whoever asks next."""

    def __init__(
        self,
        entries: Tiles,
        consumer: Consumer,
        size: int,
        symmetric: bool,
        cache: Cache | None,
        tick: Tick | None,
    ) -> None:
        self.rows = blocks(entries.shape[0], size)
        self._columns = self.rows if symmetric else blocks(entries.shape[1], size)
        self._entries, self._consumer = entries, consumer
        self._size, self._symmetric = size, symmetric
        self._cache, self._tick = cache, tick
        self._order = OrderedReduction(len(self.rows))
        self._queue = iter(range(len(self.rows)))
        self._in_place = entries.in_place and consumer.dtype == entries.dtype
        if cache is not None:
            cache.lay_out(self.rows)

    def on_threads(self, workers: list[Device]) -> list[BaseException]:
        """Work on a thread for each worker; return what they raised."""
        with ThreadPoolExecutor(len(workers), thread_name_prefix="fastgram") as pool:
            futures = [pool.submit(self._guarded, worker) for worker in workers]
            try:
                return [error for future in futures if (error := future.exception()) is not None]
            except BaseException:  # an interrupt here must not wait for the whole traversal
                self._order.fail()
                raise

    def _guarded(self, device: Device) -> None:
        try:
            self.work(device)
        except BaseException:
            self._order.fail()
            raise

    def work(self, device: Device) -> None:
        """Take rows of tiles until there are no more."""
        count = self._size * self._size
        with device.context(), device.scratch(count, self._entries.dtype) as scratch:
            if self._in_place:
                self._take_rows(device, scratch, scratch)
                return
            with device.scratch(count, self._consumer.dtype) as target:
                self._take_rows(device, scratch, target)

    def _take_rows(self, device: Device, scratch: Tile, target: Tile) -> None:
        for row in self._queue:  # one iterator for all threads: a range's is safe to share
            state = self._consumer.begin(device, self.rows[row])
            for column in range(row if self._symmetric else 0, len(self._columns)):
                if self._order.failed:
                    return
                self._hand_on(device, row, column, scratch, target, state)

    def _hand_on(
        self, device: Device, row: int, column: int, scratch: Tile, target: Tile, state: Any
    ) -> None:
        """Have the consumer take a tile, and add what it makes of it when its turn has come."""
        i, j = self.rows[row], self._columns[column]
        values = self._tile(device, row, column, scratch, target)
        part = self._consumer.take(device, i, j, values, state)
        if self._symmetric:
            self._order.wait(row, column)
            self._consumer.add(j, part)
            if column == len(self._columns) - 1:
                self._consumer.end(i, state)
            self._order.done(row, column)
        elif column == len(self._columns) - 1:  # whose row of tiles is nobody else's
            self._consumer.end(i, state)
        if self._tick is not None:
            entries = (i.stop - i.start) * (j.stop - j.start)
            self._tick(entries * (2 if self._symmetric and row != column else 1))

    def _tile(self, device: Device, row: int, column: int, scratch: Tile, target: Tile) -> Tile:
        """Return a tile that is kept, or compute it."""
        i, j, cache = self.rows[row], self._columns[column], self._cache
        if cache is not None:
            kept = cache.kept(device, (row, column))
            if kept is not None:
                return kept
        shape = i.stop - i.start, j.stop - j.start
        count = shape[0] * shape[1]
        values, cosines = target[:count].reshape(shape), scratch[:count].reshape(shape)
        self._entries.block(i, j, device, cosines, values)
        if self._symmetric and row == column:  # sums of terms may differ in the last bit
            device.mirror(values)
        if cache is not None:
            cache.keep((row, column), values)
        return values
