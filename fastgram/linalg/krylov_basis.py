"""The orthonormal basis of a Lanczos run, in the memory of the CPU or of another device.

Columns are kept in chunks that products with them are efficient on, Fortran order. On the CPU they
are NumPy arrays. On another device chunks stay there as long as they fit in a budget; the further
ones live in host memory and are brought over one at a time. A chunk that was brought over is the
same array as one that stayed: the results are the same bits, whichever chunk is where.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

from fastgram.devices.device import Device
from fastgram.support.arrays import Array
from fastgram.support.threads import thread_count

__all__ = ["Basis", "DeviceBasis", "HostBasis", "basis_on", "factored", "frobenius_norm"]

_CHUNK_COLUMNS = 128
_SLICE_ROWS = 8192


class Basis:
    """Orthonormal columns of length n: the base of the bases on all devices."""

    spilled = 0  # bytes kept in host memory because the device has no more

    def __init__(self, n: int) -> None:
        self._n = n
        self._chunks: list[Any] = []
        self._free = 0  # columns of the last chunk not in use
        self.columns = 0

    def append(self, block: Any) -> None:
        """Add the columns of a block, an (n, b) array of the device."""
        taken = 0
        while taken < block.shape[1]:
            if self._free == 0:
                width = min(_CHUNK_COLUMNS, max(self._n - self.columns, 1))
                self._chunks.append(self._new_chunk(width))
                self._free = width
            width = self._chunks[-1].shape[1]
            count = min(self._free, block.shape[1] - taken)
            start = width - self._free
            self._write(slice(start, start + count), block[:, taken : taken + count])
            self._free -= count
            taken += count
            self.columns += count

    def orthogonalise(self, block: Any) -> None:
        """Subtract from the block, in place, its part in the span of the basis."""
        raise NotImplementedError

    def combine(self, coefficients: Array) -> Array:
        """Return the basis times coefficients, which may be fewer rows than there are columns.

        The coefficients and what is returned are NumPy arrays, on any device.
        """
        raise NotImplementedError

    def _new_chunk(self, width: int) -> Any:
        raise NotImplementedError

    def _write(self, place: slice, columns: Any) -> None:
        """Write columns to their place in the last chunk."""
        self._chunks[-1][:, place] = columns

    def _filled(self) -> Iterator[Any]:
        """Yield the chunks, and of the last one the part in use."""
        yield from self._chunks[:-1]
        last = self._chunks[-1]
        yield last[:, : last.shape[1] - self._free]


class HostBasis(Basis):
    """A basis on the CPU.

    Products go by slices of rows, on one BLAS thread each and summed in a fixed order: BLAS's own
    threads are slow on panels this thin, and make the last bits depend on their number.
    """

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self._slices = [slice(start, start + _SLICE_ROWS) for start in range(0, n, _SLICE_ROWS)]
        self._pool = ThreadPoolExecutor(min(thread_count(), len(self._slices)))

    def _new_chunk(self, width: int) -> Array:
        return np.empty((self._n, width), order="F")

    def orthogonalise(self, block: Array) -> None:
        """Subtract from the block, in place, its part in the span of the basis."""

        def subtract(chunk: Array, coefficients: Array, rows: slice) -> None:
            block[rows] -= chunk[rows] @ coefficients

        for chunk in self._filled():
            parts = self._pool.map(lambda rows, q=chunk: q[rows].T @ block[rows], self._slices)
            coefficients = sum(parts, np.zeros((chunk.shape[1], block.shape[1])))
            list(self._pool.map(partial(subtract, chunk, coefficients), self._slices))

    def combine(self, coefficients: Array) -> Array:
        """Return the basis times coefficients, which may be fewer rows than there are columns."""
        total = np.zeros((self._n, coefficients.shape[1]))
        start = 0
        for chunk in self._filled():
            rows = coefficients[start : start + chunk.shape[1]]
            total += chunk[:, : rows.shape[0]] @ rows
            start += rows.shape[0]
        return total


class DeviceBasis(Basis):
    """A basis on another device, and in host memory where it outgrows its budget there.

    Parameters
    ----------
    device : Device
    n : int
    byte_budget : int
        Bytes that the chunks on the device may take.

    Attributes
    ----------
    spilled : int
        Bytes of the chunks in host memory.
    """

    def __init__(self, device: Device, n: int, byte_budget: int) -> None:
        super().__init__(n)
        self._device = device
        self._bytes_left = byte_budget
        self._resident = 0  # the first so many chunks are on the device

    def _new_chunk(self, width: int) -> Any:
        size = 8 * self._n * width
        if self._resident == len(self._chunks) and size <= self._bytes_left:
            self._resident += 1
            self._bytes_left -= size
            return self._device.xp.empty((width, self._n)).T
        self.spilled += size
        return np.empty((width, self._n)).T

    def _write(self, place: slice, columns: Any) -> None:
        stays = self._resident == len(self._chunks)
        self._chunks[-1].T[place] = columns.T if stays else self._device.get(columns.T)

    def _filled(self) -> Iterator[Any]:
        for number, chunk in enumerate(super()._filled()):
            # transposed, it is contiguous: what comes over is laid out as what stayed
            yield chunk if number < self._resident else self._device.put(chunk.T).T

    def orthogonalise(self, block: Any) -> None:
        """Subtract from the block, in place, its part in the span of the basis."""
        for chunk in self._filled():
            block -= chunk @ (chunk.T @ block)

    def combine(self, coefficients: Array) -> Array:
        """Return the basis times coefficients, a chunk's width at a time: memory is for chunks."""
        total = np.empty((self._n, coefficients.shape[1]))
        with self._device.context():
            for start in range(0, coefficients.shape[1], _CHUNK_COLUMNS):
                some = slice(start, start + _CHUNK_COLUMNS)
                total[:, some] = self._device.get(self._combined(coefficients[:, some]))
        return total

    def _combined(self, coefficients: Array) -> Any:
        total = self._device.xp.zeros((self._n, coefficients.shape[1]))
        start = 0
        for chunk in self._filled():
            rows = coefficients[start : start + chunk.shape[1]]
            total += chunk[:, : rows.shape[0]] @ self._device.put(rows)
            start += rows.shape[0]
            if start == coefficients.shape[0]:
                break  # what is left need not be brought over
        return total


def basis_on(device: Device, n: int, byte_budget: int) -> Basis:
    """Return an empty basis; the budget is of no account on the CPU."""
    return HostBasis(n) if device.on_host else DeviceBasis(device, n, byte_budget)


def factored(device: Device, block: Any) -> tuple[Any, Array]:
    """Return orthonormal columns, on the device, and the triangle that goes with them, here."""
    if device.on_host:
        columns, triangle = scipy.linalg.qr(block, mode="economic", check_finite=False)
        return columns, triangle
    columns, triangle = device.xp.linalg.qr(block, mode="reduced")
    return columns, device.get(triangle)


def frobenius_norm(device: Device, block: Any, scale: float) -> float:
    """Return the Frobenius norm of a block of the device that is not far larger than a scale."""
    if device.on_host:
        # scipy's norm of a vector neither over- nor underflows
        return float(scipy.linalg.norm(block.ravel()))
    # a device's squares may, unless they are scaled
    scale = max(scale, float(np.finfo(np.float64).tiny))
    return scale * float(device.xp.linalg.norm(block / scale))
