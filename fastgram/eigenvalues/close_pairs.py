"""Pairs of rows whose rows of the Gram matrix are nearly equal or opposite.

A pair with entries Aᵢᵢ, Aⱼⱼ and a normalised cᵢⱼ = Aᵢⱼ/√(AᵢᵢAⱼⱼ) near ±1 has a 2×2 minor whose
least eigenvalue is about (1 − |cᵢⱼ|)·Aᵢᵢ: an upper end of λ_min, and under a kinked activation, on
data with near-duplicates, most of what λ_min is made of. Their vectors, (eᵢ ∓ eⱼ)/√2, added to
the start block of a Lanczos run, halve its passes there (`bench/passes.py`).

Rows of such a pair have nearly one direction, or nearly opposite ones. Pairs of those are looked
for, and not all pairs: a run that did without the closest would take a few passes more and be as
right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram.datasets.near_rows import near_rows
from fastgram.devices.cpu import CPU
from fastgram.infinite_width.entries import TabledEntries
from fastgram.matrix.computed_matrix import ComputedMatrix
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread

__all__ = ["close_pairs"]

# How close |cᵢⱼ| has to be to 1: closer than pairs are that stand out by nothing.
_CLOSE = 0.1
_MOST = 8  # pairs for each that is asked for: a row is in many where data are dense


def close_pairs(op: GramOperator, count: int) -> Array | None:
    """Return unit vectors of the `count` closest pairs, no row in two of them.

    Parameters
    ----------
    op : GramOperator
        Of its entries those of a few pairs are computed.
    count : int

    Returns
    -------
    (n, ≤ count) array or None
        None where no pair is close.
    """
    matrix, network = matrix_of(op), op.network
    rows = matrix.given_rows
    if network.first_bias_variance:
        rows = network.augmented(rows)
    near = near_rows(rows, _MOST * count)
    scales = np.sqrt(op.diagonal())
    scales[scales == 0.0] = np.inf
    cosines = _entries(matrix, near) / scales[near[:, 0]] / scales[near[:, 1]]
    taken: set[int] = set()
    pairs: list[tuple[int, int, float]] = []
    for place in np.argsort(-np.abs(cosines), kind="stable"):
        i, j = (int(row) for row in near[place])
        if abs(cosines[place]) <= 1.0 - _CLOSE or len(pairs) == count:
            break
        if i not in taken and j not in taken:
            taken |= {i, j}
            pairs.append((i, j, float(cosines[place])))
    if not pairs:
        return None
    vectors = np.zeros((op.shape[0], len(pairs)))
    for column, (i, j, cosine) in enumerate(pairs):
        vectors[i, column], vectors[j, column] = np.sqrt(0.5), -np.copysign(np.sqrt(0.5), cosine)
    return vectors


def _entries(matrix: ComputedMatrix, pairs: npt.NDArray[np.intp]) -> Array:
    """Return the entries of some rows and columns, (count,)."""
    if (tabled := matrix.entries.of_one_table) is not None:
        return _on_the_host(tabled, pairs)
    device, entries = matrix.devices[0], matrix.entries
    with device.context():
        out = device.xp.empty((len(pairs), 1))
        scratch = device.xp.empty((1, 1), entries.dtype)
        for k, (i, j) in enumerate(pairs.tolist()):
            entries.block(slice(i, i + 1), slice(j, j + 1), device, scratch, out[k : k + 1])
        return device.get(out)[:, 0]


def _on_the_host(entries: TabledEntries, pairs: npt.NDArray[np.intp]) -> Array:
    """Return entries of a table: no device needs a launch for each, or other rows than it has."""
    sides = [np.ascontiguousarray(entries.rows.unit[rows]) for rows in pairs.T]
    weights = [entries.weights[rows] for rows in pairs.T]
    out = np.empty((len(pairs), len(pairs)))  # of all of either side, which are few
    with one_blas_thread():
        cosines = sides[0] @ sides[1].T
    CPU.evaluate(cosines, *sides, *weights, entries.table, out)
    return np.diagonal(out).copy()
