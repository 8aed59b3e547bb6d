"""Names for arrays in signatures, ranges cut into blocks, matrices from their triangles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "FloatArray", "blocks", "symmetric"]

Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating]  # float32 or float64


def blocks(count: int, size: int) -> list[slice]:
    """Return the slices of at most `size` that make up range(count)."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def symmetric(values: Array, count: int) -> Array:
    """Return symmetric (..., count, count) matrices from their upper triangles."""
    first, second = np.triu_indices(count)
    result = np.empty((*values.shape[:-1], count, count))
    result[..., first, second] = values
    result[..., second, first] = values
    return result
