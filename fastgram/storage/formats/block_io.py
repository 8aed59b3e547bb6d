"""Blocks between memory and disk: bytes at places that a layout knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fastgram.storage.formats.grid import Place
from fastgram.storage.formats.layout import Layout

__all__ = ["read_block", "read_diagonal", "write_block"]

Block = npt.NDArray[np.floating]


def write_block(layout: Layout, i: int, j: int, block: Block) -> None:
    """Write block (i, j), and its transpose where that is another; both are on disk then."""
    halves = [(layout.place(i, j), block)]
    if i != j:
        halves.append((layout.place(j, i), block.T))
    for place, part in halves:
        with os.fdopen(os.open(place.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", 0) as file:
            _write(file, place, part)
            os.fsync(file.fileno())
        if layout.is_folder:
            sync_folder(place.path.parent)


def read_block(layout: Layout, i: int, j: int, out: Block) -> None:
    """Fill a contiguous array, of the block's shape and dtype, with block (i, j).

    Raises
    ------
    ValueError
        If the file ends before it, or is missing.
    """
    place, width = layout.place(i, j), out.shape[1] * out.itemsize
    with _opened(place) as file:
        if place.stride == width:
            _read_at(file, place.offset, out)
        elif place.is_chunk:
            rows = np.empty((out.shape[0], place.stride // out.itemsize), out.dtype)
            _read_at(file, place.offset, rows)
            out[...] = rows[:, : out.shape[1]]
        else:
            for row, values in enumerate(out):
                _read_at(file, place.offset + row * place.stride, values)


def read_diagonal(layout: Layout) -> Block:
    """Return the diagonal, (n,) of the stored dtype, and read no more than that."""
    grid = layout.grid
    out = np.empty(grid.n, grid.dtype)
    for k, part in enumerate(grid.parts):
        place = layout.place(k, k)
        step = place.stride + grid.dtype.itemsize
        with _opened(place) as file:
            for row in range(part.stop - part.start):
                at = part.start + row
                _read_at(file, place.offset + row * step, out[at : at + 1])
    return out


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, where folders can be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(place: Place) -> IO[bytes]:
    try:
        return open(place.path, "rb", buffering=0)
    except FileNotFoundError:
        raise ValueError(f"{place.path} is missing") from None


def _write(file: IO[bytes], place: Place, block: Block) -> None:
    block = np.ascontiguousarray(block)
    columns = place.stride // block.itemsize
    if place.is_chunk and block.shape != (columns, columns):  # padded at the end
        whole = np.zeros((columns, columns), block.dtype)
        whole[: block.shape[0], : block.shape[1]] = block
        block = whole
    if block.shape[1] == columns:
        _write_at(file, place.offset, block)
        return
    for row, values in enumerate(block):
        _write_at(file, place.offset + row * place.stride, values)


def _write_at(file: Any, offset: int, values: Block) -> None:
    file.seek(offset)
    left = values.data.cast("B")
    while left:
        left = left[file.write(left) :]


def _read_at(file: Any, offset: int, values: Block) -> None:
    file.seek(offset)
    left = values.data.cast("B")
    while left:
        count = file.readinto(left)
        if not count:
            raise ValueError(f"{file.name} is cut short: it ends at byte {file.tell():,}")
        left = left[count:]
