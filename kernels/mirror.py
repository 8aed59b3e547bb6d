"""The lower triangle of a tile on the diagonal, from the upper one."""

from __future__ import annotations

from fastgram.kernels.compiled import jit

__all__ = ["mirror"]

_BLOCK = 16  # rows and columns: two such blocks fit the first-level cache


@jit(set())
def mirror(tile):
    """Set tile[j, i] to tile[i, j] for all i < j."""
    n = tile.shape[0]
    for left in range(0, n, _BLOCK):
        for top in range(left, n, _BLOCK):
            for j in range(top, min(top + _BLOCK, n)):
                for i in range(left, min(left + _BLOCK, j)):
                    tile[j, i] = tile[i, j]
