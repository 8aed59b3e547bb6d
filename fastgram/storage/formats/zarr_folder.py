"""ZarrFolder: a matrix in Zarr's format 3, a file for each block; it needs no library."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fastgram.storage.formats.grid import Grid, Place

__all__ = ["ZarrFolder"]


class ZarrFolder:
    """A .zarr: see `fastgram.storage.formats.layout`."""

    is_folder = True

    def __init__(self, path: Path, grid: Grid) -> None:
        self.path, self.grid = path, grid
        self._facts = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [grid.n, grid.n],
            "data_type": grid.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [grid.side] * 2}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0.0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
        }

    @property
    def bytes(self) -> int:
        """What the whole takes on disk, but for some kilobytes."""
        return len(self.grid.parts) ** 2 * self.grid.block_bytes

    def lay_out(self) -> None:
        """Write what the array is, and make the folders of its rows of chunks."""
        for i in range(len(self.grid.parts)):
            (self.path / "c" / str(i)).mkdir(parents=True, exist_ok=True)
        with open(self.path / "zarr.json", "w", encoding="utf-8") as file:
            json.dump(self._facts, file, indent=2)
            file.flush()
            os.fsync(file.fileno())

    def is_laid_out(self) -> bool:
        """Whether what the array is stands there."""
        try:
            facts = json.loads((self.path / "zarr.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return bool(facts == self._facts)

    def place(self, i: int, j: int) -> Place:
        """Return where block (i, j) is."""
        stride = self.grid.side * self.grid.dtype.itemsize
        return Place(self.path / "c" / str(i) / str(j), 0, stride, True)
