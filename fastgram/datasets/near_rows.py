"""Pairs of rows of nearly one direction, or of nearly opposite ones, without looking at all pairs.

Rows on one side of as many random planes are near each other more likely than others (Charikar,
*Similarity estimation techniques from rounding algorithms*, STOC 2002). In several orders, each by
the sides of its own planes and then along a line, rows are compared with the next few, by a sketch
of random projections at first. A pair at an angle θ is on one side of a plane with the chance
1 − θ/π: pairs that stand out by being close are nearly always found, others often.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fastgram.support.arrays import Array
from fastgram.support.threads import in_order

__all__ = ["near_rows"]

Sketch = npt.NDArray[np.float32]

_ORDERS = 8  # of all rows
_NEXT = 4  # rows in an order that a row is compared with
_PROJECTIONS = 32  # of a row, in float32: squared distances of two are off by a quarter
_ROWS = 8192  # of an order that are compared at a time
_PART = 2048  # rows, or pairs of them, that a thread works on at a time
_KEPT = 8  # times as many pairs as are asked for are measured


def near_rows(rows: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.intp]:
    """Return pairs of rows whose directions are nearly equal or opposite, the nearest ones first.

    Parameters
    ----------
    rows : (n, d) array
        Of any norms.
    count : int
        How many pairs at most.

    Returns
    -------
    (≤ count, 2) array
        Numbers of two rows, ascending; a row may be in several. The nearest that were found,
        nearly always the nearest that there are; the same on any number of threads.
    """
    n, d = rows.shape
    generator = np.random.default_rng(0)
    planes = max(1, math.ceil(math.log2(n)) - 1)
    normals = generator.standard_normal((d, _ORDERS * planes))
    projections = generator.standard_normal((d, _PROJECTIONS))
    made = in_order(lambda part: _sides_and_sketch(rows[part], normals, projections), _parts(n))
    sides, sketch = (np.concatenate(part) for part in zip(*made, strict=True))
    mask = np.uint64(2**planes - 1)
    found = in_order(
        lambda k: _nearest_in_order(sides[:, k], mask, sketch, k, _KEPT * count), range(_ORDERS)
    )
    ascending = np.concatenate(list(found))
    numbers = np.unique(ascending[:, 0] * n + ascending[:, 1])  # of rows of pairs it is far slower
    pairs = np.stack(np.divmod(numbers, n), axis=1)
    distances = [*in_order(lambda part: _distances(rows, pairs[part]), _parts(len(pairs)))]
    nearest = np.argsort(np.concatenate([np.empty(0), *distances]), kind="stable")[:count]
    return np.asarray(pairs[nearest])


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _PART) for start in range(0, count, _PART)]


def _sides_and_sketch(
    rows: npt.NDArray[np.floating], normals: Array, projections: Array
) -> tuple[npt.NDArray[np.uint64], Sketch]:
    """Return the sides of planes that rows are on, as the bits of a number an order; a sketch."""
    unit = _unit(rows)
    positive = (unit @ normals > 0.0).reshape(len(unit), _ORDERS, -1)
    places = np.left_shift(np.uint64(1), np.arange(positive.shape[2], dtype=np.uint64))
    sides = positive.astype(np.uint64) @ places[::-1]
    return sides, (unit @ projections).astype(np.float32)


def _unit(rows: npt.NDArray[np.floating]) -> Array:
    largest = np.max(np.abs(rows), axis=1, keepdims=True).astype(np.float64)
    unit = rows / np.where(largest > 0.0, largest, 1.0)
    lengths = np.linalg.norm(unit, axis=1, keepdims=True)
    return np.asarray(unit / np.where(lengths > 0.0, lengths, 1.0))


def _nearest_in_order(
    sides: npt.NDArray[np.uint64], mask: np.uint64, sketch: Sketch, number: int, count: int
) -> npt.NDArray[np.intp]:
    """Return those of the pairs next to each other in an order whose sketches are nearest."""
    # of a row and its negative that is taken which is on the one side of the last plane
    turned = sides % np.uint64(2) == 1
    signs = np.where(turned, np.float32(-1.0), np.float32(1.0))
    line = sketch[:, number] * signs
    top = float(np.max(np.abs(line))) or 1.0
    along = ((line.astype(np.float64) / top + 1.0) * (2.0**31 - 1.0)).astype(np.uint64)
    keys = (np.where(turned, mask ^ sides, sides) << np.uint64(32)) | along
    order = np.argsort(keys, kind="stable")
    distances = _distances_to_next(sketch, signs, order)
    flat = distances.ravel()
    chosen = np.argpartition(flat, min(count, flat.size) - 1)[:count]
    steps, first = np.unravel_index(chosen[np.isfinite(flat[chosen])], distances.shape)
    return np.sort(np.stack([order[first], order[first + steps + 1]], axis=1), axis=1)


def _distances_to_next(sketch: Sketch, signs: Sketch, order: npt.NDArray[np.intp]) -> Sketch:
    """Return squared distances of sketches from those of the next rows in an order, (_NEXT, n)."""
    n = len(order)
    distances = np.full((_NEXT, n), np.inf, np.float32)
    for start in range(0, n, _ROWS):
        part = order[start : start + _ROWS + _NEXT]
        ordered = sketch[part] * signs[part, None]
        for k in range(1, min(_NEXT, len(part) - 1) + 1):
            apart = (ordered[k:] - ordered[:-k])[:_ROWS]
            distances[k - 1, start : start + len(apart)] = np.einsum("ij,ij->i", apart, apart)
    return distances


def _distances(rows: npt.NDArray[np.floating], pairs: npt.NDArray[np.intp]) -> Array:
    """Return the distances of unit rows from the other of the pair or its negative."""
    x, y = _unit(rows[pairs[:, 0]]), _unit(rows[pairs[:, 1]])
    differences, sums = np.linalg.norm(x - y, axis=1), np.linalg.norm(x + y, axis=1)
    return np.asarray(np.minimum(differences, sums))
