"""Names for arrays in signatures, ranges cut into blocks, matrices from triangles, fingerprints."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "FloatArray", "blocks", "fingerprint", "symmetric"]

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


def fingerprint(rows: FloatArray) -> str:
    """Return a hash of an array's bytes, shape and dtype."""
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype.name}".encode())
    step = max(1, 2**24 // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, rows.shape[0], step):
        digest.update(np.ascontiguousarray(rows[start : start + step]).data)
    return f"sha256:{digest.hexdigest()}"
