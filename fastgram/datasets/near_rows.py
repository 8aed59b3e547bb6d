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

_ORDERS = 8  # of all rows, at most the bits of a byte
_NEXT = 4  # rows in an order that a row is compared with
_PROJECTIONS = 32  # of a row, in float32: squared distances of two are off by a quarter
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
    n = rows.shape[0]
    orders = _Orders(rows)
    found = in_order(lambda k: orders.nearest(k, _KEPT * count), range(_ORDERS))
    ascending = np.concatenate(list(found))
    numbers = np.unique(ascending[:, 0] * n + ascending[:, 1])  # of rows of pairs it is far slower
    pairs = np.stack(np.divmod(numbers, n), axis=1)
    distances = [*in_order(lambda part: _distances(rows, pairs[part]), _parts(len(pairs)))]
    nearest = np.argsort(np.concatenate([np.empty(0), *distances]), kind="stable")[:count]
    return np.asarray(pairs[nearest])


class _Orders:
    """The rows in several orders, and sketches of them."""

    def __init__(self, rows: npt.NDArray[np.floating]) -> None:
        n, d = rows.shape
        generator = np.random.default_rng(0)
        self._planes = max(1, math.ceil(math.log2(n)) - 1)
        self._row_bits = max(1, math.ceil(math.log2(n)))
        normals = generator.standard_normal((d, _ORDERS * self._planes))
        lines = generator.standard_normal((d, _PROJECTIONS))
        self._directions = np.hstack([normals, lines]).astype(np.float32)
        self._tops = np.linalg.norm(lines[:, :_ORDERS], axis=0)
        self._keys = np.empty((_ORDERS, n), np.uint64)
        self._turned = np.empty(n, np.uint8)
        self._sketch = np.empty((n, _PROJECTIONS), np.float32)
        for _ in in_order(lambda part: self._project(rows, part), _parts(n)):
            pass

    def _project(self, rows: npt.NDArray[np.floating], part: slice) -> None:
        from fastgram.kernels.cpu.rows.near import (  # compiled: loaded when needed
            fill_keys,
            scale_to_float32,
        )

        unit = np.empty(rows[part].shape, np.float32)
        scale_to_float32(np.ascontiguousarray(rows[part]), unit)
        projections = unit @ self._directions
        self._sketch[part] = projections[:, -_PROJECTIONS:]
        order = self._planes, self._tops, part.start, self._row_bits
        fill_keys(projections, *order, self._keys, self._turned)

    def nearest(self, order: int, count: int) -> npt.NDArray[np.intp]:
        """Return those of the pairs next to each other in an order whose sketches are nearest."""
        from fastgram.kernels.cpu.rows.near import nearest_in_order

        keys = np.sort(self._keys[order])
        pairs = np.empty((count, 2), np.intp)
        squares = np.empty(count, np.float32)
        given = self._sketch, keys, self._row_bits, self._turned, order, _NEXT
        return pairs[: nearest_in_order(*given, squares, pairs)]


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _PART) for start in range(0, count, _PART)]


def _unit(rows: npt.NDArray[np.floating]) -> Array:
    largest = np.max(np.abs(rows), axis=1, keepdims=True).astype(np.float64)
    unit = rows / np.where(largest > 0.0, largest, 1.0)
    lengths = np.linalg.norm(unit, axis=1, keepdims=True)
    return np.asarray(unit / np.where(lengths > 0.0, lengths, 1.0))


def _distances(rows: npt.NDArray[np.floating], pairs: npt.NDArray[np.intp]) -> Array:
    """Return the distances of unit rows from the other of the pair or its negative."""
    x, y = _unit(rows[pairs[:, 0]]), _unit(rows[pairs[:, 1]])
    differences, sums = np.linalg.norm(x - y, axis=1), np.linalg.norm(x + y, axis=1)
    return np.asarray(np.minimum(differences, sums))
