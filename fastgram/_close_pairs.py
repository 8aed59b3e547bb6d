"""Pairs of rows whose rows of the Gram matrix are nearly equal or opposite.

A pair with entries Aᵢᵢ, Aⱼⱼ and a normalised cᵢⱼ = Aᵢⱼ/√(AᵢᵢAⱼⱼ) near ±1 has a 2×2 minor whose
least eigenvalue is about (1 − |cᵢⱼ|)·Aᵢᵢ: an upper end of λ_min, and under a kinked activation, on
data with near-duplicates, most of what λ_min is made of. Their vectors, (eᵢ ∓ eⱼ)/√2, appended to
the start block of a Lanczos run, halve its passes there (`bench/passes.py`).
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from fastgram.operator import GramOperator

__all__ = ["close_pairs"]

Array = npt.NDArray[np.float64]

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

    def visitor(rows: slice, columns: slice, block: npt.NDArray[np.floating]) -> None:
        cosines = block / scales[rows, None] / scales[columns]
        sizes = np.abs(cosines)
        if rows == columns:
            sizes = np.tril(sizes, -1)
        close = np.flatnonzero(sizes.ravel() > 1.0 - _CLOSE)
        if close.size > most:
            order = np.argsort(-sizes.ravel()[close], kind="stable")
            close = close[order[:most]]
        a, b = np.unravel_index(close, sizes.shape)
        new = [
            (-float(sizes[i, j]), rows.start + int(i), columns.start + int(j), float(cosines[i, j]))
            for i, j in zip(a, b, strict=True)
        ]
        with lock:
            found.extend(new)

    op.visit(visitor, keep=True)
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
