"""The fused product in one launch: triangle.cuh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgram.kernels.cuda.constants import (
    FUSED_BLOCKS_PER_SM,
    PANEL_ROWS,
    THREADS,
    TILE_COLUMNS,
)

__all__ = ["ITEM_BYTES", "launch", "summands"]

ITEM_BYTES = 24  # of shared memory: what a block works on
_SQUARE = PANEL_ROWS // TILE_COLUMNS  # tiles of a panel's own square
_LONGEST_RUN = 8  # tiles: with more the last items end one by one
_ITEMS_A_BLOCK = 8  # at least, where runs are longer than the shortest


def launch(
    kernels: Any,
    name: str,
    shared: int,
    arguments: Sequence[Any],
    panels: range,
    out: Any,
) -> None:
    """Launch a kernel of items over some panels.

    Parameters
    ----------
    kernels : Kernels
    name : str
        Of the kernel.
    shared : int
        Bytes of shared memory, but for the item.
    arguments : list
        Those before the panels.
    panels : range
        Ascending.
    out : (N, width) array
        Zeros, on the device: what is added to.
    """
    tiles = out.shape[0] // TILE_COLUMNS
    blocks = FUSED_BLOCKS_PER_SM * kernels.multiprocessors
    run = _run_of(tiles // _SQUARE, kernels.multiprocessors)
    turns = kernels.xp.zeros(1 + tiles, dtype=np.uint64)
    order = [panels.start, panels.step, len(panels), run, run // _SQUARE]
    given = [*arguments, *(np.int64(number) for number in order), out, turns]
    kernels.launch(name, blocks, THREADS, shared + ITEM_BYTES, given)


def summands(panels: int, multiprocessors: int) -> int:
    """Return how many additions an entry of a product of so many panels goes through, at most."""
    run = _run_of(panels, multiprocessors)
    in_panel = run * TILE_COLUMNS + -(-panels * _SQUARE // run)
    in_columns = PANEL_ROWS // 4 + 3 + panels
    return in_panel + in_columns + 4  # and the weights of rows and columns


def _run_of(panels: int, multiprocessors: int) -> int:
    """Return how many tiles an item is: whole squares, few enough that blocks end together.

    Of how many panels there are in all: what is asked for of them is as many additions at most.
    """
    tiles = panels * (panels + 1) // 2 * _SQUARE
    run = tiles // (_ITEMS_A_BLOCK * FUSED_BLOCKS_PER_SM * multiprocessors)
    return min(max(run // _SQUARE * _SQUARE, _SQUARE), _LONGEST_RUN)
