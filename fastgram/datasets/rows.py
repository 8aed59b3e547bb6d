"""Rows as the data sets take and give them: float64, and of unit norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.support.validation import as_rows

__all__ = ["float64_rows", "scale_to_unit_norm"]

Array = npt.NDArray[np.float64]


def scale_to_unit_norm(Z: Array) -> Array:
    """Divide the rows by their norms, in place."""
    top = np.abs(Z).max(axis=1)
    bad = np.flatnonzero(~((top > 0) & (top < math.inf)))
    if len(bad):
        state = "is zero" if top[bad[0]] == 0 else "overflows"
        raise ValueError(f"row {bad[0]} {state}: it cannot be scaled to unit norm")
    np.ldexp(Z, -np.frexp(top)[1][:, None], out=Z)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    return Z


def float64_rows(X: Any) -> Array:
    """Return the argument X as a C-contiguous float64 (n, d) array, or refuse it."""
    return np.ascontiguousarray(as_rows(X), dtype=np.float64)
