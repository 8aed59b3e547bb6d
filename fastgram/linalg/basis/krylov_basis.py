"""The orthonormal basis of a Lanczos run, in the memory of a device and beyond it.

Columns are kept in chunks that products with them are efficient on, Fortran order. They are arrays
of the device as long as they fit in a budget; the further ones live in host memory and are brought
over one at a time. A chunk that was brought over is the same array as one that stayed: the results
are the same bits, whichever chunk is where. On a cluster the further ones are dealt to the workers,
and have the same bits as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgram.devices.device import Device
from fastgram.linalg.basis.dealt_columns import DealtColumns
from fastgram.support.arrays import Array

__all__ = ["Basis", "bytes_elsewhere"]

_CHUNK_COLUMNS = 128


class Basis:
    """Orthonormal columns of length n.

    Parameters
    ----------
    device : Device
    n : int
    max_bytes : int or None
        Bytes that the chunks on the device may take; None where all stay.

    Attributes
    ----------
    columns : int
    spilled : int
        Bytes of the chunks that are elsewhere, because the device has no more memory.
    """

    def __init__(self, device: Device, n: int, max_bytes: int | None) -> None:
        self._device = device
        self._n = n
        self._bytes_left = max_bytes
        self._chunks: list[Any] = []
        self._resident = 0  # the first so many chunks are on the device
        self._dealt: DealtColumns | None = None  # those after them, on a cluster
        self._width = self._free = 0  # columns of the last chunk, and those not in use
        self.columns = 0
        self.spilled = 0

    def append(self, block: Any) -> None:
        """Add the columns of a block, an (n, b) array of the device."""
        taken = 0
        while taken < block.shape[1]:
            if self._free == 0:
                self._begin_chunk(min(_CHUNK_COLUMNS, max(self._n - self.columns, 1)))
            count = min(self._free, block.shape[1] - taken)
            start = self._width - self._free
            self._write(slice(start, start + count), block[:, taken : taken + count])
            self._free -= count
            taken += count
            self.columns += count

    def orthogonalise(self, block: Any) -> None:
        """Subtract from the block, in place, its part in the span of the basis."""
        self._device.orthogonalise(block, self._filled())
        if self._dealt is not None:
            self._dealt.orthogonalise(block)

    def combine(self, coefficients: Array) -> Array:
        """Return the basis times coefficients, which may be fewer rows than there are columns.

        The coefficients and what is returned are NumPy arrays, on any device.
        """
        if self._bytes_left is None:
            return self._device.get(self._combined(coefficients))
        total = np.empty((self._n, coefficients.shape[1]))
        with self._device.context():
            # a chunk's width at a time: memory is for the basis
            for start in range(0, coefficients.shape[1], _CHUNK_COLUMNS):
                some = slice(start, start + _CHUNK_COLUMNS)
                total[:, some] = self._device.get(self._combined(coefficients[:, some]))
        return total

    def _begin_chunk(self, width: int) -> None:
        self._width = self._free = width
        size = 8 * self._n * width
        fits = self._bytes_left is None or size <= self._bytes_left
        if self._resident == len(self._chunks) and self._dealt is None and fits:
            self._resident += 1
            if self._bytes_left is not None:
                self._bytes_left -= size
            self._chunks.append(self._device.xp.empty((width, self._n)).T)
            return
        self.spilled += size
        if self._device.pool is None:
            self._chunks.append(np.empty((width, self._n)).T)
            return
        self._dealt = self._dealt or DealtColumns(self._device.pool, self._n)
        self._dealt.begin_chunk()

    def _write(self, columns: slice, values: Any) -> None:
        """Write columns of the last chunk."""
        if self._dealt is not None:
            self._dealt.append(values)
            return
        stays = self._resident == len(self._chunks)
        self._chunks[-1].T[columns] = values.T if stays else self._device.get(values.T)

    def _filled(self) -> Iterator[Any]:
        """Yield the chunks on the device, and of the last one the part in use."""
        for number, chunk in enumerate(self._chunks):
            used = chunk
            if number == len(self._chunks) - 1 and self._dealt is None:
                used = chunk[:, : chunk.shape[1] - self._free]
            # transposed, it is contiguous: what comes over is laid out as what stayed
            yield used if number < self._resident else self._device.put(used.T).T

    def _combined(self, coefficients: Array) -> Any:
        total = self._device.xp.zeros((self._n, coefficients.shape[1]))
        start = 0
        for chunk in self._filled():
            rows = coefficients[start : start + chunk.shape[1]]
            total += chunk[:, : rows.shape[0]] @ self._device.put(rows)
            start += rows.shape[0]
            if start == coefficients.shape[0]:
                break  # what is left need not be brought over
        if self._dealt is not None:
            self._dealt.add_combined(coefficients[start:], total)
        return total


def bytes_elsewhere(device: Device) -> int:
    """Return the bytes of a basis that workers of a cluster have memory for."""
    return 0 if device.pool is None else int(device.pool.basis_bytes())
