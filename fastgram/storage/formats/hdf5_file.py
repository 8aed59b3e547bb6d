"""Hdf5File: a matrix in HDF5, laid out by h5py."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fastgram.storage.formats.grid import Grid, Place

__all__ = ["Hdf5File"]

DATASET = "gram"


class Hdf5File:
    """A .h5 with one dataset, "gram": see `fastgram.storage.formats.layout`."""

    is_folder = False

    def __init__(self, path: Path, grid: Grid) -> None:
        self._h5py = _h5py()
        self.path, self.grid = path, grid

    @property
    def bytes(self) -> int:
        """What the whole takes on disk, but for some kilobytes."""
        return len(self.grid.parts) ** 2 * self.grid.block_bytes

    def lay_out(self) -> None:
        """Have HDF5 give every chunk its place."""
        h5, grid = self._h5py, self.grid
        # the file is locked by now, by us: HDF5's own lock would be refused
        with h5.File(self.path, "w", locking=False) as file:
            how = h5.h5p.create(h5.h5p.DATASET_CREATE)
            how.set_chunk((grid.side, grid.side))
            how.set_alloc_time(h5.h5d.ALLOC_TIME_EARLY)
            how.set_fill_time(h5.h5d.FILL_TIME_NEVER)
            how.set_obj_track_times(False)  # or the bits would tell when
            space = h5.h5s.create_simple((grid.n, grid.n))
            h5.h5d.create(file.id, DATASET.encode(), h5.h5t.py_create(grid.dtype), space, how)

    def is_laid_out(self) -> bool:
        """Whether the dataset is there, and the file long enough for all chunks."""
        try:
            last = max(self._offsets.values())
        except (OSError, KeyError):
            return False
        return self.path.stat().st_size >= last + self.grid.block_bytes

    @functools.cached_property
    def _offsets(self) -> dict[tuple[int, int], int]:
        """Where each block begins; KeyError where they are not those of this layout."""
        grid, found = self.grid, {}
        with self._h5py.File(self.path, "r", locking=False) as file:
            data = file[DATASET]
            filters = data.id.get_create_plist().get_nfilters()
            facts = data.shape, data.chunks, data.dtype, filters
            if facts != ((grid.n,) * 2, (grid.side,) * 2, grid.dtype, 0):
                raise KeyError
            for i, rows in enumerate(grid.parts):
                for j, columns in enumerate(grid.parts):
                    where = data.id.get_chunk_info_by_coord((rows.start, columns.start))
                    if where.byte_offset is None:
                        raise KeyError
                    found[i, j] = int(where.byte_offset)
        return found

    def place(self, i: int, j: int) -> Place:
        """Return where block (i, j) is."""
        stride = self.grid.side * self.grid.dtype.itemsize
        return Place(self.path, self._offsets[i, j], stride, True)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise ImportError(".h5 needs h5py: pip install 'fastgram[h5]'") from None
    return h5py
