"""Where the blocks of a stored matrix are: in a .npy or .h5 file, or a .zarr folder.

All hold the whole square, for others to read. It is cut into square blocks, which are the chunks of
.h5 and .zarr; a block and its transpose are written together, and of the two the one in the upper
triangle is the one that products read. A file is laid out once, uncompressed; from then on a block
is bytes at a place that is known: it is written and read without the libraries of the formats, by
several threads at a time, and a kill at any moment leaves the layout whole.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fastgram.storage.formats.grid import Grid, Place
from fastgram.storage.formats.hdf5_file import Hdf5File
from fastgram.storage.formats.npy_file import NpyFile
from fastgram.storage.formats.zarr_folder import ZarrFolder

__all__ = ["ENDINGS", "Layout", "layout_of"]


class Layout(Protocol):
    """One kind of file, for one matrix.

    Attributes
    ----------
    path : Path
    grid : Grid
    is_folder : bool
    """

    path: Path
    grid: Grid
    is_folder: bool

    @property
    def bytes(self) -> int:
        """What the whole takes on disk."""

    def lay_out(self) -> None:
        """Make what is there, a file or folder without blocks, ready for them."""

    def is_laid_out(self) -> bool:
        """Whether what is there is as `lay_out` leaves it, with blocks or without."""

    def place(self, i: int, j: int) -> Place:
        """Return where block (i, j) is."""


_LAYOUTS: dict[str, Callable[[Path, Grid], Layout]] = {
    ".npy": NpyFile,
    ".h5": Hdf5File,
    ".zarr": ZarrFolder,
}
ENDINGS = tuple(_LAYOUTS)


def layout_of(path: Path, grid: Grid, ending: str) -> Layout:
    """Return the layout that an ending stands for, of a file that need not be there."""
    return _LAYOUTS[ending](path, grid)
