"""Pairs of rows whose rows of the Gram matrix are nearly equal or opposite.

A pair with entries Aᵢᵢ, Aⱼⱼ and a normalised cᵢⱼ = Aᵢⱼ/√(AᵢᵢAⱼⱼ) near ±1 has a 2×2 minor whose
least eigenvalue is about (1 − |cᵢⱼ|)·Aᵢᵢ: an upper end of λ_min, and under a kinked activation, on
data with near-duplicates, most of what λ_min is made of. Their vectors, (eᵢ ∓ eⱼ)/√2, added to
the start block of a Lanczos run, halve its passes there (`bench/passes.py`).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from fastgram.devices.device import Device
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.support.arrays import Array

__all__ = ["close_pairs"]

# How close |cᵢⱼ| has to be to 1: closer than pairs are that stand out by nothing.
_CLOSE = 0.1


def close_pairs(op: GramOperator, count: int) -> Array | None:
    """Return unit vectors of the `count` closest pairs, no row in two of them.

    Parameters
    ----------
    op : GramOperator
        Visited once, tile by tile; tiles are kept as in a product.
    count : int

    Returns
    -------
    (n, ≤ count) array or None
        None where no pair is close.
    """
    scales = np.sqrt(op.diagonal())
    scales[scales == 0.0] = np.inf
    # a row is in many close pairs where data are dense: more are kept than are asked for
    most = 8 * count
    found: list[tuple[float, int, int, float]] = []
    lock = threading.Lock()

    def visitor(device: Device, rows: slice, columns: slice, block: Any) -> None:
        xp, lengths = device.xp, device.device_copy(scales)
        cosines = block / lengths[rows, None] / lengths[columns]
        sizes = abs(cosines)
        if rows == columns:
            sizes = xp.tril(sizes, -1)
        close = xp.flatnonzero(sizes.ravel() > 1.0 - _CLOSE)
        if close.size > most:
            order = xp.argsort(-sizes.ravel()[close], kind="stable")
            close = close[order[:most]]
        values = device.get(cosines.ravel()[close])
        a, b = np.unravel_index(device.get(close), sizes.shape)
        new = [
            (-abs(float(value)), rows.start + int(i), columns.start + int(j), float(value))
            for i, j, value in zip(a, b, values, strict=True)
        ]
        with lock:
            found.extend(new)

    matrix_of(op).visit_tiles(visitor, keep=True)
    taken: set[int] = set()
    pairs: list[tuple[int, int, float]] = []
    for _, i, j, cosine in sorted(found):
        if len(pairs) < count and i not in taken and j not in taken:
            taken |= {i, j}
            pairs.append((i, j, cosine))
    if not pairs:
        return None
    vectors = np.zeros((op.shape[0], len(pairs)))
    for column, (i, j, cosine) in enumerate(pairs):
        vectors[i, column], vectors[j, column] = np.sqrt(0.5), -np.copysign(np.sqrt(0.5), cosine)
    return vectors
