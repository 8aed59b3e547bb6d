"""Powers of two that bring a matrix to a size of about 1, and results back, rounded outward.

Squares of numbers below 2⁻⁵¹¹ underflow and those above 2⁵¹¹ overflow, and LAPACK does not converge
on matrices of size 1e-300. A matrix far from 1 is therefore multiplied by a power of two at the
door, which rounds nothing but what becomes denormal, and all that is found is multiplied back.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["DENORMAL", "exponent_of", "lower_end", "scaled", "upper_end"]

Array = npt.NDArray[np.float64]

# The spacing of denormal numbers: what a rounding to one may take, relative to nothing.
DENORMAL = 2.0**-1074
# Sizes from 2**-64 to 2**64 are left alone: nothing on the way is near the ends of the range.
_NEAR = 64
# As far as this powers of two can be multiplied with, either way.
_FAR = 1000


def exponent_of(size: float) -> int:
    """Return the k for which 2**-k times a matrix whose largest |entry| is `size` is near 1.

    It is 0 where the size is not far from 1, zero or not finite.
    """
    if size == 0.0 or not math.isfinite(size):
        return 0
    exponent = max(math.frexp(size)[1], -_FAR)
    return exponent if abs(exponent) > _NEAR else 0


def scaled(array: Array, exponent: int) -> Array:
    """Return 2**exponent times an array: itself for 0, exact unless it over- or underflows."""
    if exponent == 0:
        return array
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(array, exponent))


def lower_end(value: float, exponent: int) -> float:
    """Return 2**exponent·value, rounded down where it is no float64 number."""
    try:
        result = math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value) if value < 0.0 else float(np.finfo(np.float64).max)
    if math.isinf(value) or math.ldexp(result, -exponent) == value:
        return result
    return math.nextafter(result, -math.inf)


def upper_end(value: float, exponent: int) -> float:
    """Return 2**exponent·value, rounded up where it is no float64 number."""
    return -lower_end(-value, exponent)
