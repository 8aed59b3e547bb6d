"""Products with a matrix on disk: each block of the upper triangle is read once a pass.

A block is read strip by strip, and a strip multiplied, with its transpose, while it is in a cache.
There are more threads than may multiply at a time, so that some can wait for the disk; what they
make of blocks is added up in one order, and has the same bits on any number of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.storage.formats.block_io import read_diagonal, reading
from fastgram.storage.formats.grid import Grid
from fastgram.storage.formats.layout import Layout
from fastgram.support.arrays import Array, blocks
from fastgram.support.scaling import scaled
from fastgram.support.threads import in_order, thread_count

__all__ = ["StoredMatrix"]

Visitor = Callable[[slice, slice, Array], None]

# Threads beyond those that multiply.
_READERS = 2
# Rows of a strip: with all columns of a block they fill a second-level cache.
_STRIP = 64


@dataclass(frozen=True)
class StoredMatrix:
    """A symmetric matrix in a finished file, of which the upper triangle is read.

    Attributes
    ----------
    layout : Layout
    """

    layout: Layout

    @property
    def grid(self) -> Grid:
        """The blocks."""
        return self.layout.grid

    def multiply(self, V: Array, exponent: int = 0) -> Array:
        """Return 2**-exponent·A @ V, (n, b) float64."""
        return self._pass(V, exponent, False)[0]

    def with_row_sums(self, V: Array, exponent: int) -> tuple[Array, Array]:
        """Return the same, and the sums of 2**-exponent·|entries| along each row, (n,)."""
        return self._pass(V, exponent, True)

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""
        return self.grid.side + len(self.grid.parts) + 8

    def dense(self) -> Array:
        """Return the matrix, (n, n) float64."""
        out = np.empty((self.grid.n, self.grid.n))

        def write(rows: slice, columns: slice, block: Array) -> None:
            out[rows, columns] = block
            out[columns, rows] = block.T

        self.visit(write)
        return out

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""
        return read_diagonal(self.layout).astype(np.float64)

    def visit(self, visitor: Visitor) -> None:
        """Hand the lower triangle, in blocks, to a function of rows, columns and block."""
        parts = self.grid.parts

        def hand_on(block: tuple[int, int]) -> None:
            i, j = block
            values = np.empty((_length(parts[i]), _length(parts[j])), self.grid.dtype)
            with reading(self.layout, i, j) as read:
                read(0, values)
            if i == j:
                CPU.mirror(values)
            visitor(parts[j], parts[i], values.astype(np.float64, copy=False).T)

        for _ in in_order(hand_on, self.grid.upper):
            pass

    def _pass(self, V: Array, exponent: int, with_sums: bool) -> tuple[Array, Array]:
        columns = V.shape[1]
        V = CPU.columns_of(np.ascontiguousarray(V, dtype=np.float64))
        out, sums = np.zeros(V.shape), np.zeros(self.grid.n)
        parts = self.grid.parts
        processors = thread_count()
        busy = threading.BoundedSemaphore(processors)

        def multiplied(block: tuple[int, int]) -> _Part:
            i, j = block
            part = _Part(V[parts[i]], V[parts[j]], i == j)
            rows = np.empty((_STRIP, _length(parts[j])), self.grid.dtype)
            with reading(self.layout, i, j) as read:
                for strip in blocks(_length(parts[i]), _STRIP):
                    stored = rows[: _length(strip)]
                    read(strip.start, stored)
                    with busy:
                        values = scaled(stored.astype(np.float64, copy=False), -exponent)
                        part.take(strip, values)
                        if with_sums:
                            part.take_sums(strip, abs(values))
            return part

        upper = self.grid.upper
        made = in_order(multiplied, upper, processors + _READERS)
        for (i, j), part in zip(upper, made, strict=True):
            out[parts[i]] += part.of_rows
            sums[parts[i]] += part.row_sums
            if i != j:
                out[parts[j]] += part.of_columns
                sums[parts[j]] += part.column_sums
        return out[:, :columns], sums  # without the padding


class _Part:
    """What a block adds to a product: to the rows of it, and by its transpose to the columns.

    Of one on the diagonal the upper triangle is both.
    """

    def __init__(self, left: Array, right: Array, is_diagonal: bool) -> None:
        self._left, self._right, self._is_diagonal = left, right, is_diagonal
        self.of_rows, self.of_columns = np.zeros(left.shape), np.zeros(right.shape)
        self.row_sums, self.column_sums = np.zeros(len(left)), np.zeros(len(right))
        self._multiplier = CPU.multiplier(left.shape[1])

    def take(self, strip: slice, values: Array) -> None:
        """Multiply some rows of the block."""
        rows = self.of_rows[strip]
        if not self._is_diagonal:
            self._multiplier(values, self._right, self._left[strip], rows, self.of_columns)
            return
        square, after = _upper(strip, values)
        rows += square @ self._right[strip]
        rows += after @ self._right[strip.stop :]
        self.of_rows[strip.stop :] += after.T @ self._right[strip]

    def take_sums(self, strip: slice, sizes: Array) -> None:
        """Add up the absolute values of some rows of the block."""
        if not self._is_diagonal:
            self.row_sums[strip] = sizes.sum(axis=1)
            self.column_sums += sizes.sum(axis=0)
            return
        square, after = _upper(strip, sizes)
        self.row_sums[strip] += square.sum(axis=1) + after.sum(axis=1)
        self.row_sums[strip.stop :] += after.sum(axis=0)


def _upper(strip: slice, values: Array) -> tuple[Array, Array]:
    """Return the square on the diagonal of some rows, mirrored, and what is right of it."""
    square = np.triu(values[:, strip])
    return square + np.triu(square, 1).T, values[:, strip.stop :]


def _length(part: slice) -> int:
    return int(part.stop - part.start)
