"""Bands: consecutive rows of the upper triangle, or of a rectangle, of as many entries each."""

from __future__ import annotations

import math

import numpy as np

from fastgram.devices.band import Band
from fastgram.devices.cpu import CPU

__all__ = ["bands_of_rectangle", "bands_of_triangle", "merge_levels", "pass_bytes", "pass_steps"]

# Rows beyond which sums are as long in proportion: a plan may be for any number.
_MANY = 10**8


def bands_of_triangle(n: int, count: int) -> list[Band]:
    """Divide the upper triangle of a matrix of order n into at most `count` bands.

    They begin at rows of the CPU's tiles, so that entries have the bits that they have there.
    """
    starts = np.arange(0, n, CPU.tile)
    heights = np.minimum(starts + CPU.tile, n) - starts
    # a row of tiles: its square, computed whole, and what is right of it
    return _bands(n, np.cumsum(heights * (n - starts)), count)


def bands_of_rectangle(n: int, count: int) -> list[Band]:
    """Divide n rows into at most `count` bands, which begin at rows of the CPU's tiles."""
    ends = np.minimum(np.arange(0, n, CPU.tile) + CPU.tile, n)
    return _bands(n, ends, count)


def _bands(n: int, done: np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> list[Band]:
    """Return bands of the rows of tiles of which `done` is the cost up to the end of each."""
    aims = done[-1] * np.arange(1, count + 1) / count
    ends = np.unique(np.searchsorted(done, aims * (1.0 - 1e-12)) + 1)
    rows = [min(int(end) * CPU.tile, n) for end in ends]
    starts = [0, *rows[:-1]]
    return [
        Band(number, len(rows), slice(start, stop))
        for number, (start, stop) in enumerate(zip(starts, rows, strict=True))
    ]


def pass_bytes(n: int, columns: int, workers: int, tasks: int) -> tuple[int, int]:
    """Return the bytes that a pass sends out in all, and those of the sums that come back.

    Parameters
    ----------
    n, columns : int
        Of the block of vectors, of float64 numbers.
    workers, tasks : int
        A task's sum has the rows from its band on. Merging takes it once over the network, at most.

    Returns
    -------
    out, back : int
        The block goes to every worker; the total comes to the client at the end.
    """
    row = 8 * columns
    some = min(n, _MANY)
    sums = sum(some - band.rows.start for band in bands_of_triangle(some, tasks)) * n // some
    return workers * n * row, (sums + n) * row if workers > 1 else n * row


def pass_steps(workers: int, tasks: int) -> tuple[int, int]:
    """Return how many blocks of vectors cross a link one after the other, out and back, at least.

    The block goes from the client to the scheduler, on to a worker, and from there in a tree; sums
    are merged by two, level by level, the last of them all of n rows; the total goes to the client
    by the scheduler.
    """
    return 2 + math.ceil(math.log2(workers)), merge_levels(tasks) + 2


def merge_levels(count: int) -> int:
    """Return how many additions merging puts on top of a sum."""
    return math.ceil(math.log2(count))
