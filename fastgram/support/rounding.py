"""Bounds of what floating-point sums round."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["gamma", "largest_error", "noise_floor", "rayleigh_bounds"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


def gamma(count: int, eps: float = _EPS) -> float:
    """Return γ = count·u/(1 − count·u), the relative error of a sum of `count` products.

    u is half of `eps`. Infinite where count·u is ½ or more: nothing is then left of the sum.
    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, lemma 3.1.
    """
    rounding = count * eps / 2.0
    return rounding / (1.0 - rounding) if rounding < 0.5 else math.inf


def largest_error(*errors: float) -> float:
    """Return the largest of some errors, infinity where one is NaN: `max` drops those not first.

    What was measured to be no number was not measured, and nothing bounds it.
    """
    return math.inf if any(map(math.isnan, errors)) else float(max(errors))


def noise_floor(entry_error: float, row_sum: float, summands: int, vectors: int = 1) -> float:
    """Bound the spectral norm of (computed products − exact ones of the ideal matrix A).

    A product with a unit vector is off by γₙ‖|A|‖₂ in norm, n the summands (Higham, *Accuracy and
    Stability of Numerical Algorithms*, 2002, section 3.5), and ‖|A|‖₂ is at most the largest row
    sum of |A|; several at a time by √vectors times that, their Frobenius norm.

    Parameters
    ----------
    entry_error : float
        Bound on the spectral norm of (matrix as computed − A).
    row_sum : float
        The largest sum of |entries| along a row.
    summands : int
        Additions that an entry of a product goes through.
    vectors : int
        Unit vectors that were multiplied.
    """
    return entry_error + math.sqrt(vectors) * gamma(summands) * row_sum


def rayleigh_bounds(A: Array, vector: Array) -> tuple[float, float]:
    """Return an interval that holds the exact Rayleigh quotient of A at a vector."""
    n = vector.size
    length = float(vector @ vector)
    value = float(vector @ (A @ vector)) / length
    size = float(np.abs(vector) @ (np.abs(A) @ np.abs(vector))) / length
    error = 2.0 * gamma(2 * n + 8) * size
    return value - error, value + error
