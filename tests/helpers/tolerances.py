"""Tolerances of the tests, in one place: multiples of the rounding of a dtype."""

import numpy as np

EPS = float(np.finfo(np.float64).eps)
EPS32 = float(np.finfo(np.float32).eps)

# fg.dual promises 2e-14 relative to max(1, |value|); a table as much of its scale.
DUAL = 90 * EPS
TABLE = 90 * EPS
# What a table of one layer states of itself, all doubled that it measures.
STATED = TABLE
# K(1) − K(ρ) from a table, relative, for close pairs (before the entry is rounded).
DROP = 1e-12
# Entries between rows of many norms, relative to the largest: 1e-12.
FREE_NORMS = 4500 * EPS
# A few roundings: of a formula, a diagonal, two ways to sum a handful of numbers.
FEW = 8


def eps(dtype):
    return float(np.finfo(dtype).eps)


def reference(d):
    """Rounding of kernels.reference on well separated rows of length d, relative to |x||y|·scale.

    Its inner products are sums of d rounded products, its angle divides by the sine of the angle
    between the rows, which the tests keep above 0.1.
    """
    return (d + 40) * EPS
