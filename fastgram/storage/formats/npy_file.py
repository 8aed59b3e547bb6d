"""NpyFile: a matrix in NumPy's format, a header and the rows one after the other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from fastgram.storage.formats.grid import Grid, Place

__all__ = ["NpyFile"]


class NpyFile:
    """A .npy: see `fastgram.storage.formats.layout`."""

    is_folder = False

    def __init__(self, path: Path, grid: Grid) -> None:
        self.path, self.grid = path, grid
        stream = io.BytesIO()
        facts = {"descr": grid.dtype.str, "fortran_order": False, "shape": (grid.n, grid.n)}
        np.lib.format.write_array_header_1_0(stream, facts)
        self._header = stream.getvalue()
        self._stride = grid.n * grid.dtype.itemsize

    @property
    def bytes(self) -> int:
        """What the whole takes on disk."""
        return len(self._header) + self.grid.n * self._stride

    def lay_out(self) -> None:
        """Write the header, and give the file its length."""
        with open(self.path, "r+b") as file:
            file.truncate(0)
            file.write(self._header)
            file.truncate(self.bytes)

    def is_laid_out(self) -> bool:
        """Whether the header and the length are right."""
        with open(self.path, "rb") as file:
            start = file.read(len(self._header))
        return start == self._header and self.path.stat().st_size == self.bytes

    def place(self, i: int, j: int) -> Place:
        """Return where block (i, j) is."""
        side = self.grid.side
        offset = i * side * self._stride + j * side * self.grid.dtype.itemsize
        return Place(self.path, len(self._header) + offset, self._stride, False)
