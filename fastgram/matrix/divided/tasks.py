"""What a worker does for a matrix: functions of the entries, what tasks share, and each one's own.

A worker that sees GPUs computes on them, and else on its threads; the CPU's bits are the CPU's.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from fastgram.devices.band import Band
from fastgram.devices.device import Device
from fastgram.devices.registry import as_devices
from fastgram.matrix.consumers import MultiplyRectangle, Store
from fastgram.matrix.entries import Blocks, Tiles
from fastgram.matrix.products import plan
from fastgram.matrix.traversal import each_tile
from fastgram.matrix.views import Transposed, Window
from fastgram.support.arrays import Array, FloatArray
from fastgram.support.threads import thread_count

__all__ = [
    "BandTask",
    "RectangleTask",
    "Sum",
    "add_sums",
    "compute_block",
    "multiply_band",
    "multiply_rows",
]


class BandTask(NamedTuple):
    """A band of a product with A, or with |A|, and with a column of row sums or not."""

    band: Band
    absolute: bool
    row_sums: bool


class Sum(NamedTuple):
    """Rows of a product from `start` on, and how many additions one of its entries has seen."""

    start: int
    rows: Array
    summands: int


class RectangleTask(NamedTuple):
    """Rows of the product with a matrix that is not symmetric, or with its transpose."""

    rows: slice
    transposed: bool


@functools.cache
def _devices() -> tuple[Device, ...]:
    return as_devices("auto")


def _aligned(V: Array) -> Array:
    """Return vectors as products take them: from a network they may lie at any byte."""
    return np.require(V, np.float64, ["C", "A"])


def multiply_band(entries: Blocks, V: Array, task: BandTask) -> Sum:
    """Return what a band contributes to the product with a symmetric matrix."""
    devices = _devices()
    home = devices[0]
    product = plan(entries, V.shape[1], 0, devices)
    with home.context():
        block = home.put(_aligned(V))
        start, rows = product.band(block, task.band, task.absolute, task.row_sums)
        return Sum(start, home.get(rows), product.summands)


def add_sums(first: Sum, second: Sum) -> Sum:
    """Return the sum of two; neither is changed."""
    if second.start < first.start:
        first, second = second, first
    total = first.rows.copy()
    total[second.start - first.start :] += second.rows
    return Sum(first.start, total, max(first.summands, second.summands) + 1)


def multiply_rows(entries: Tiles, V: Array, task: RectangleTask) -> Array:
    """Return rows of the product with a matrix, or with its transpose."""
    devices = _devices()
    home = devices[0]
    whole = Transposed(entries) if task.transposed else entries
    part = Window(whole, task.rows, slice(0, whole.shape[1]))
    with home.context():
        block = home.put(_aligned(V))
        out = home.xp.zeros((part.shape[0], V.shape[1]))
        consumer = MultiplyRectangle(block, out, devices)
        each_tile(part, consumer, devices, symmetric=False, threads=thread_count())
        return home.get(out)


def compute_block(entries: Tiles, shared: None, ranges: tuple[slice, slice]) -> FloatArray:
    """Return the entries of some rows and columns, which begin at tiles of the CPU."""
    devices = _devices()
    i, j = ranges
    out = np.empty((i.stop - i.start, j.stop - j.start), entries.dtype)
    consumer = Store(out, symmetric=i == j, dtype=entries.dtype, home=devices[0])
    window, threads = Window(entries, i, j), thread_count()
    each_tile(window, consumer, devices, symmetric=i == j, threads=threads)
    return out
