"""Rows that may be equal, opposite or multiples of others, by one number of each.

Facts of rank are exact and compare numbers bit by bit, which takes long for all rows. Whatever rows
are alike have unit vectors that agree to rounding, or those of their negatives do, and so have the
sizes of their inner products with one random vector: of most data no two are so near.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.support.arrays import Array
from fastgram.support.threads import in_order

__all__ = ["alike_rows"]

_EPS = float(np.finfo(np.float64).eps)
_ROWS = 4096  # worked on at a time


def alike_rows(X: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], int]:
    """Return which rows may be like others, and how many columns are not all zero.

    Parameters
    ----------
    X : (n, d) array

    Returns
    -------
    alike : (m,) array
        Numbers of rows, ascending: all that are zero, and all that are equal to another one, its
        negative or a multiple of either, bit for bit or to rounding. Others may be among them.
    columns : int
    """
    n, d = X.shape
    weights = np.random.default_rng(0).standard_normal((d,))
    # unit rows of one direction differ by a few roundings, and so do two sums of products
    size, length = float(np.sum(np.abs(weights))), float(np.linalg.norm(weights))
    slack = _EPS * (64.0 * size + (d + 64.0) * length)
    parts = [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]
    found = list(in_order(lambda part: _sizes_and_columns(X[part], weights), parts))
    sizes = np.concatenate([size for size, _ in found])
    columns = int(np.count_nonzero(np.any([used for _, used in found], axis=0)))
    order = np.argsort(sizes)
    near = np.diff(sizes[order]) <= slack
    alike = np.append(near, False) | np.append(False, near)
    alike[: np.searchsorted(sizes[order], 0.0, "right")] = True  # zero rows
    return np.sort(order[alike]), columns


def _sizes_and_columns(
    X: npt.NDArray[np.floating], weights: Array
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return |uᵀw| of the unit rows u, negative for zero rows, and which columns are not zero."""
    sizes = np.abs(X, dtype=np.float64)
    largest, used = np.max(sizes, axis=1), np.any(sizes > 0.0, axis=0)
    unit = X / np.where(largest > 0.0, largest, 1.0)[:, None]
    squares = np.einsum("ij,ij->i", unit, unit)
    found = np.abs(unit @ weights) / np.sqrt(np.where(largest > 0.0, squares, 1.0))
    return np.where(largest > 0.0, found, -1.0), used
