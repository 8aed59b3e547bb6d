"""Bands, which a product is divided into where several processes work on it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BASIS_PART", "TASKS_A_WORKER", "Band"]

# Bands, or other tasks, for each worker of a cluster: a few, so that slow ones are helped; more
# would send more sums around.
TASKS_A_WORKER = 4
# Of a worker's memory a basis takes one in so many bytes: rows, blocks and sums need the others.
BASIS_PART = 3


class Band(NamedTuple):
    """A band: its number, how many bands there are, and its rows of the upper triangle.

    Rows begin at multiples of the CPU's tile. A product without entries goes by its number.
    """

    number: int
    bands: int
    rows: slice
