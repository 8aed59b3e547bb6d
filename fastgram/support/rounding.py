"""What floating-point sums can be off by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["gamma", "rayleigh_bounds"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


def gamma(count: int) -> float:
    """Return γ = count·u/(1 − count·u), the relative error of a sum of `count` products."""
    rounding = count * _EPS / 2.0
    return rounding / (1.0 - rounding)


def rayleigh_bounds(A: Array, vector: Array) -> tuple[float, float]:
    """Return an interval that holds the exact Rayleigh quotient of A at a vector."""
    n = vector.size
    length = float(vector @ vector)
    value = float(vector @ (A @ vector)) / length
    size = float(np.abs(vector) @ (np.abs(A) @ np.abs(vector))) / length
    error = 2.0 * gamma(2 * n + 8) * size
    return value - error, value + error
