"""Memory of traversals that is used again: lent, up to a limit, or for what rows have of tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RowFactors", "Scratch"]

Array = npt.NDArray[Any]


class Scratch:
    """Arrays without values that are lent, and kept for the next who asks for their size.

    Pages that are new to the process would cost more than a small matrix.

    Parameters
    ----------
    max_bytes : int
        What is kept while nobody has it; beyond that the oldest go.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._idle: list[Array] = []  # the oldest first
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, count: int, dtype: np.dtype[np.floating]) -> Iterator[Array]:
        """Lend a one-dimensional array of so many numbers."""
        array = self._take(count, dtype)
        try:
            yield array
        finally:
            self._give_back(array)

    def _take(self, count: int, dtype: np.dtype[np.floating]) -> Array:
        with self._lock:
            for k in reversed(range(len(self._idle))):
                if (self._idle[k].size, self._idle[k].dtype) == (count, dtype):
                    return self._idle.pop(k)
        return np.empty(count, dtype)

    def _give_back(self, array: Array) -> None:
        with self._lock:
            self._idle.append(array)
            while self.idle_bytes > self._max_bytes:
                self._idle.pop(0)

    @property
    def idle_bytes(self) -> int:
        """Bytes that are kept for the next one."""
        return sum(array.nbytes for array in self._idle)

    def release(self) -> None:
        """Give what is kept back to the system."""
        with self._lock:
            self._idle.clear()


class RowFactors:
    """Factors of some rows, piece by piece, in memory that is used again for the next rows.

    They are megabytes: as long to get anew from the system as to fill.
    """

    def __init__(self) -> None:
        self._memory: dict[int, list[Array]] = {}
        self._made: dict[int, tuple[Array, Array]] = {}

    def forget(self) -> None:
        """Begin with other rows."""
        self._made = {}

    def of(
        self, piece: int, rows: Array, coefficients: Array, bases: Array, kind: np.dtype[Any]
    ) -> tuple[Array, Array]:
        """Return rows @ coefficients and rows @ bases in a dtype, made once for these rows."""
        if piece not in self._made:
            found = self._memory.setdefault(piece, [])
            for k, factor in enumerate((coefficients, bases)):
                shape = rows.shape[0], factor.shape[1]
                if k == len(found) or found[k].shape[0] < shape[0] or found[k].dtype != kind:
                    found[k : k + 1] = [np.empty(shape, kind)]
                np.matmul(rows, factor, out=found[k][: shape[0]], casting="same_kind")
            self._made[piece] = found[0][: rows.shape[0]], found[1][: rows.shape[0]]
        return self._made[piece]
