"""Columns of a basis that the workers of a cluster hold, some rows of all of them each.

A block comes to them by rows and goes back so; of what they multiply it with, coefficients alone
cross the network. Sums are over as many rows at a time, and in the same order, as on the CPU: the
bits are those of columns that are here.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from fastgram.devices.cpu import SLICE_ROWS
from fastgram.support.arrays import Array, blocks
from fastgram.support.threads import in_order, one_blas_thread

__all__ = ["DealtColumns"]


class DealtColumns:
    """Chunks of orthonormal columns, dealt to workers by rows.

    Parameters
    ----------
    pool : Pool
    n : int
    """

    def __init__(self, pool: Any, n: int) -> None:
        self._rows = pool.own_rows(n, SLICE_ROWS)
        self._chunks: list[Any] = []
        self._widths: list[int] = []

    def begin_chunk(self) -> None:
        """Let what is appended from now on be a chunk of its own."""
        self._chunks.append(None)
        self._widths.append(0)

    def append(self, block: Array) -> None:
        """Add the columns of an (n, b) array to the last chunk."""
        columns = self._send(block.T, axis=1)  # as rows: a chunk that is here has them so
        self._chunks[-1] = self._rows.apply(_joined, None, self._chunks[-1], columns)
        self._rows.get(self._rows.apply(_width, None, self._chunks[-1]))  # who is gone is told now
        self._widths[-1] += block.shape[1]

    def orthogonalise(self, block: Array) -> None:
        """Subtract from an (n, b) array, in place, its part in the span of each chunk in turn."""
        rows = self._send(block)
        for chunk, width in zip(self._chunks, self._widths, strict=True):
            found = self._rows.get(self._rows.apply(_project, None, chunk, rows))
            parts = itertools.chain.from_iterable(found)
            coefficients = sum(parts, np.zeros((width, block.shape[1])))
            rows = self._rows.apply(_subtract, coefficients, chunk, rows)
        self._take(rows, block)

    def add_combined(self, coefficients: Array, total: Array) -> None:
        """Add to an (n, c) array, in place, the columns times as many rows of coefficients."""
        rows, start = self._send(total), 0
        for chunk, width in zip(self._chunks, self._widths, strict=True):
            some = coefficients[start : start + width]
            if some.shape[0]:
                rows = self._rows.apply(_add, some, chunk, rows)
            start += width
        self._take(rows, total)

    def _send(self, array: Array, axis: int = 0) -> Any:
        """Send each owner its part, laid out as the array is: BLAS's bits may depend on it."""
        parts = [array[rows] if axis == 0 else array[:, rows] for rows in self._rows.slices]
        return self._rows.send([part.copy(order="K") for part in parts])

    def _take(self, parts: Any, target: Array) -> None:
        for rows, part in zip(self._rows.slices, self._rows.get(parts), strict=True):
            target[rows] = part


# --- on a worker: chunks are (w, own rows) arrays, in C order -------------------------------------


def _aligned(array: Array) -> Array:
    """Return an array as products take it: from a network it may lie at any byte."""
    return np.require(array, np.float64, ["A"])


def _joined(shared: None, chunk: Array | None, more: Array) -> Array:
    parts = [more] if chunk is None else [chunk, more]
    return np.ascontiguousarray(np.concatenate(parts))


def _width(shared: None, chunk: Array) -> int:
    return int(chunk.shape[0])


def _project(shared: None, chunk: Array, rows: Array) -> list[Array]:
    """Return the products of the columns with each slice of rows."""
    rows = _aligned(rows)
    return list(in_order(lambda part: chunk[:, part] @ rows[part], _slices(rows)))


def _subtract(coefficients: Array, chunk: Array, rows: Array) -> Array:
    """Return the rows less the columns times coefficients."""
    rows = rows.copy(order="K")

    def work(part: slice) -> None:
        rows[part] -= chunk[:, part].T @ coefficients

    for _ in in_order(work, _slices(rows)):
        pass
    return rows


def _add(coefficients: Array, chunk: Array, rows: Array) -> Array:
    with one_blas_thread():
        return np.asarray(rows + chunk.T[:, : coefficients.shape[0]] @ coefficients)


def _slices(rows: Array) -> list[slice]:
    return blocks(rows.shape[0], SLICE_ROWS)
