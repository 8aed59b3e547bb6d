"""Blocks between memory and disk: bytes at places that a layout knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fastgram.storage.formats.grid import Place
from fastgram.storage.formats.layout import Layout
from fastgram.support.files.durable import sync_folder

__all__ = ["read_diagonal", "reading", "write_block"]

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


@contextmanager
def reading(layout: Layout, i: int, j: int) -> Iterator[Callable[[int, Block], None]]:
    """Open block (i, j), for a function that fills an array with whole rows from a first one on.

    The array is contiguous, of the stored dtype and the width of the block.

    Raises
    ------
    ValueError
        If the file ends before them, or is missing.
    """
    place, part = layout.place(i, j), layout.grid.parts[i]
    asked = 0

    def ask(stop: int, width: int) -> None:
        """Have the system fetch rows up to one, and nothing that lies between them."""
        nonlocal asked
        for row in range(asked, min(stop, part.stop - part.start)):
            start = place.offset + row * place.stride
            os.posix_fadvise(file.fileno(), start, width, os.POSIX_FADV_WILLNEED)
            asked = row + 1

    def read(first: int, out: Block) -> None:
        start, width = place.offset + first * place.stride, out.shape[1] * out.itemsize
        if place.stride == width:
            _read_at(file, start, out)
        elif place.is_chunk:
            rows = np.empty((out.shape[0], place.stride // out.itemsize), out.dtype)
            _read_at(file, start, rows)
            out[...] = rows[:, : out.shape[1]]
        else:
            if advises:
                ask(first + 2 * len(out), width)  # the next ones, while these are worked on
            for row, values in enumerate(out):
                _read_at(file, start + row * place.stride, values)

    with _opened(place) as file:
        advises = hasattr(os, "posix_fadvise") and not place.is_chunk and len(layout.grid.parts) > 1
        if advises:  # or it would read on, over what is not needed
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        yield read


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
