"""One traversal of a Gram matrix in tiles, and the three things that are done with a tile.

The upper triangle is visited once, a row of tiles a task, on a pool of threads: the matrix product
of two blocks of unit rows (BLAS on one thread), the table in place, then the *consumer*: `Store`
the tile and its transpose, or `Multiply` it and its transpose into a block of vectors, which with
absolute values and a vector of ones also adds up the rows of |A|.

Contributions to a block of the result are added in the order of the rows of tiles, whichever
thread gets there first: the same call gives the same bits on one thread and on many.
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
import numpy.typing as npt

from fastgram._blocks import Blocks
from fastgram._cache import TILE, Cache, slices
from fastgram._machine import free_memory, one_blas_thread, thread_count

__all__ = [
    "TILE",
    "Cache",
    "Multiply",
    "Store",
    "Together",
    "Visit",
    "each_tile",
    "free_memory",
    "one_blas_thread",
    "thread_count",
]

Array = npt.NDArray[np.float64]
Tile = npt.NDArray[np.floating]
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
    """What a traversal hands its tiles to."""

    dtype: np.dtype[np.floating]

    def begin(self, i: slice) -> Any:
        """Start a row of tiles; what is returned comes with each of its tiles."""

    def take(self, i: slice, j: slice, tile: Tile, row: Any) -> Any:
        """Work on a tile, on any thread and in any order; what is returned goes to `add`."""

    def add(self, j: slice, part: Any) -> None:
        """Add what `take` returned, in the fixed order."""

    def end(self, i: slice, row: Any) -> None:
        """Finish a row of tiles, in the fixed order."""


@dataclass
class Store:
    """Writes tiles, and where the matrix is symmetric their transposes, into an array."""

    out: Any
    symmetric: bool
    dtype: np.dtype[np.floating]

    def __post_init__(self) -> None:
        out = self.out
        plain = isinstance(out, np.ndarray) and out.dtype == self.dtype and out.flags.c_contiguous
        self._plain = np.asarray(out) if plain and out.flags.writeable else None

    def begin(self, i: slice) -> None:
        """Nothing to do."""

    def take(self, i: slice, j: slice, tile: Tile, row: None) -> None:
        """Store the tile; no two tiles share an entry."""
        self.out[i, j] = tile
        if not self.symmetric or i == j:
            return
        if self._plain is None:
            self.out[j, i] = tile.T
        else:
            from fastgram.kernels.transpose import transpose  # loaded when needed

            transpose(tile, self._plain, i.start, j.start)

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: None) -> None:
        """Nothing to do."""


@dataclass
class Multiply:
    """out += A @ V, or |A| @ V with `absolute`, for a symmetric A; float64 throughout."""

    V: Array
    out: Array
    absolute: bool = False
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def __post_init__(self) -> None:
        # compiled code is loaded when needed
        from fastgram.kernels import products, vectors

        n, columns = self.V.shape
        self._columns = columns
        self._take: Callable[[Array, Array, Array, Array, Array], None] = _by_blas
        if columns == 1:
            self._take = _one_vector
        elif vectors.wide():
            self._take = products.multiply_block
            columns = products.padded(columns)
        if columns != self._columns or not self.V.flags.c_contiguous:
            block = np.zeros((n, columns))
            block[:, : self._columns] = self.V
            self.V = block

    def begin(self, i: slice) -> Array:
        """Return the sum that the row's own block will gain."""
        return np.zeros((i.stop - i.start, self.V.shape[1]))

    def take(self, i: slice, j: slice, tile: Tile, row: Array) -> Array | None:
        """Multiply the tile into the row's sum, and its transpose."""
        values = tile.astype(np.float64, copy=False)
        if self.absolute:
            values = np.abs(values)
        if i == j:
            row += values @ self.V[j]
            return None
        part = np.zeros((values.shape[1], row.shape[1]))
        self._take(values, self.V[j], self.V[i], row, part)
        return part

    def add(self, j: slice, part: Array | None) -> None:
        """Add the transpose's product to block j."""
        if part is not None:
            self.out[j] += part[:, : self._columns]

    def end(self, i: slice, row: Array) -> None:
        """Add the row's sum to its own block."""
        self.out[i] += row[:, : self._columns]


def _by_blas(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    row += tile @ x
    part += tile.T @ y


def _one_vector(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    from fastgram.kernels.products import multiply_both

    # a tile costs what it takes to be read, and BLAS would read it twice
    multiply_both(tile, x[:, 0], y[:, 0], row[:, 0], part[:, 0])


@dataclass
class Visit:
    """Hands the transposes of tiles, the lower triangle, to a function of rows, columns, block."""

    visitor: Callable[[slice, slice, Tile], None]
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def begin(self, i: slice) -> None:
        """Nothing to do."""

    def take(self, i: slice, j: slice, tile: Tile, row: None) -> None:
        """Hand it on."""
        self.visitor(j, i, tile.T)

    def add(self, j: slice, part: None) -> None:
        """Nothing to do."""

    def end(self, i: slice, row: None) -> None:
        """Nothing to do."""


@dataclass
class Together:
    """Several consumers, of one dtype, of one traversal."""

    consumers: list[Multiply]
    dtype: np.dtype[np.floating] = field(default_factory=lambda: np.dtype(np.float64))

    def begin(self, i: slice) -> list[Any]:
        """Begin each."""
        return [consumer.begin(i) for consumer in self.consumers]

    def take(self, i: slice, j: slice, tile: Tile, row: list[Any]) -> list[Any]:
        """Hand the tile to each."""
        return [c.take(i, j, tile, state) for c, state in zip(self.consumers, row, strict=True)]

    def add(self, j: slice, part: list[Any]) -> None:
        """Add the parts of each."""
        for consumer, own in zip(self.consumers, part, strict=True):
            consumer.add(j, own)

    def end(self, i: slice, row: list[Any]) -> None:
        """End each."""
        for consumer, state in zip(self.consumers, row, strict=True):
            consumer.end(i, state)


@contextmanager
def _room(count: int, dtype: np.dtype[np.floating]) -> Iterator[Tile]:
    """Lend an array of so many numbers, which stays for the next traversal.

    Pages that are new to the process would cost more than a small matrix.
    """
    key = count, dtype
    try:
        room = _ROOMS.setdefault(key, []).pop()
    except IndexError:
        room = np.empty(count, dtype)
    try:
        yield room
    finally:
        _ROOMS[key].append(room)


_ROOMS: dict[tuple[int, np.dtype[np.floating]], list[Tile]] = {}  # as many as threads at a time


def each_tile(
    entries: Blocks,
    consumer: Consumer,
    evaluate: Callable[..., None],
    *,
    symmetric: bool = True,
    cache: Cache | None = None,
    tick: Tick | None = None,
    tile: int = TILE,
    threads: int | None = None,
) -> None:
    """Hand every tile of the upper triangle (or of a rectangle) to the consumer, once.

    Parameters
    ----------
    entries : Blocks
    consumer : Consumer
        Gets tiles of its own dtype.
    evaluate : callable
        The device's tile kernel.
    symmetric : bool
        Whether rows and columns are the same, so that the upper triangle is all.
    cache : Cache, optional
        Float64 tiles of earlier traversals of this matrix, and room for this one's; for a consumer
        of float64 tiles of a symmetric matrix.
    tick : callable, optional
        Told the number of entries of each tile, as it is done.
    tile, threads : int
        Size of a tile and number of threads; the result depends on neither beyond rounding.
    """
    from fastgram.kernels.transpose import mirror  # compiled code is loaded when needed

    rows = slices(entries.shape[0], tile)
    columns = rows if symmetric else slices(entries.shape[1], tile)
    if cache is not None:
        cache.lay_out(rows)
    turns = _Turns(len(rows))
    queue = itertools.count()
    same_dtype = consumer.dtype == entries.dtype

    def work() -> None:
        with _room(tile * tile, entries.dtype) as scratch:
            if same_dtype and entries.in_place:
                visit(scratch, scratch)
                return
            with _room(tile * tile, consumer.dtype) as target:
                visit(scratch, target)

    def visit(scratch: Tile, target: Tile) -> None:
        for row in iter(lambda: next(queue), None):
            if row >= len(rows):
                return
            i = rows[row]
            state = consumer.begin(i)
            first = row if symmetric else 0
            for column in range(first, len(columns)):
                if turns.failed:
                    return
                j = columns[column]
                height, width = i.stop - i.start, j.stop - j.start
                kept = cache.tiles.get((row, column)) if cache is not None else None
                if kept is None:
                    values = target[: height * width].reshape(height, width)
                    cosines = scratch[: height * width].reshape(height, width)
                    entries.block(i, j, evaluate, cosines, values)
                    if symmetric and row == column:  # sums of terms may differ in the last bit
                        mirror(values)
                    if cache is not None:
                        cache.keep((row, column), values)
                else:
                    values = kept
                part = consumer.take(i, j, values, state)
                if symmetric:
                    turns.wait(row, column)
                    consumer.add(j, part)
                    if column == len(columns) - 1:
                        consumer.end(i, state)
                    turns.done(row, column)
                if tick is not None:
                    tick(height * width * (2 if symmetric and row != column else 1))

    def guarded() -> None:
        try:
            with one_blas_thread():
                work()
        except BaseException:
            turns.fail()
            raise

    count = min(threads or thread_count(), len(rows))
    with one_blas_thread():
        if count == 1:
            work()
            return
        with ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
            futures = [pool.submit(guarded) for _ in range(count)]
            try:
                errors = [error for future in futures if (error := future.exception()) is not None]
            except BaseException:  # an interrupt here must not wait for the whole traversal
                turns.fail()
                raise
    for error in errors:
        if not isinstance(error, _OtherThreadFailed):
            raise error
