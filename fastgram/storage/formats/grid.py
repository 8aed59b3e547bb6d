"""A square matrix cut into blocks, and where a block is on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.support.arrays import blocks

__all__ = ["Grid", "Place", "side_of"]

# Rows of a block, in the CPU's tiles, so that entries have the bits that `gram` gives them: large
# enough for a disk to be read at its speed, small enough for some to be in memory.
_TILES = (2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Grid:
    """Blocks of a symmetric matrix.

    Attributes
    ----------
    n : int
        Order of the matrix.
    side : int
        Rows and columns of a block; the last ones may have fewer.
    dtype : {float64, float32}
    """

    n: int
    side: int
    dtype: np.dtype[np.floating]

    @property
    def parts(self) -> list[slice]:
        """The rows, and columns, of the blocks."""
        return blocks(self.n, self.side)

    @property
    def upper(self) -> list[tuple[int, int]]:
        """The blocks of the upper triangle, in the order in which they are stored."""
        count = len(self.parts)
        return [(i, j) for i in range(count) for j in range(i, count)]

    @property
    def block_bytes(self) -> int:
        """Bytes of a block of full size."""
        return self.side**2 * self.dtype.itemsize


class Place(NamedTuple):
    """Where the bytes of a block are.

    Attributes
    ----------
    path : Path
    offset : int
        Of its first entry, in bytes.
    stride : int
        From one row to the next, in bytes.
    is_chunk : bool
        Whether it is stored as a square, padded to full size.
    """

    path: Path
    offset: int
    stride: int
    is_chunk: bool


def side_of(n: int, ending: str) -> int:
    """Return the rows of a block of a matrix of order n in a file of this ending.

    Where there are several, the largest that there may be; in chunks, which are padded at the end
    of the matrix, those with the least padding.
    """
    sides = [count * CPU.tile for count in _TILES]
    if n <= sides[-1]:
        return n
    if ending == ".npy":
        return sides[-1]
    return min(reversed(sides), key=lambda side: -(-n // side) * side)
