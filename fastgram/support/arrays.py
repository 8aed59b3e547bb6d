"""Names for arrays in signatures, and ranges cut into blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "FloatArray", "blocks"]

Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating]  # float32 or float64


def blocks(count: int, size: int) -> list[slice]:
    """Return the slices of at most `size` that make up range(count)."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
