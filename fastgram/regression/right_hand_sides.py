"""Right-hand sides and labels, checked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.support.arrays import Array
from fastgram.support.validation import as_real_array

__all__ = ["as_right_hand_sides"]


def as_right_hand_sides(y: npt.ArrayLike, n: int) -> Array:
    """Return a vector or a block of columns as a float64 array of its own.

    Raises
    ------
    ValueError, TypeError
        If it is not real, finite and of shape (n,) or (n, k).
    """
    right = np.array(as_real_array(y, "y"), dtype=np.float64)
    if right.ndim not in (1, 2) or right.shape[0] != n or right.size == 0:
        raise ValueError(f"y must be of shape ({n},) or ({n}, k), not {right.shape}")
    if not np.all(np.isfinite(right)):
        row = int(np.argwhere(~np.isfinite(right.reshape(n, -1)))[0][0])
        raise ValueError(f"y is not finite: row {row}")
    return right
