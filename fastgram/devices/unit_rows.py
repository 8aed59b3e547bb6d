"""Rows of norm 1 and their norms, as devices take them: augmented ones are rows like any."""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgram.support.arrays import Array
from fastgram.support.threads import in_order
from fastgram.support.validation import refuse_overflow

__all__ = ["UnitRows"]

Tile = Any  # of a device, or a host's array

_EPS = float(np.finfo(np.float64).eps)
_PACKING = threading.Lock()
_ROWS = 1024  # scaled at a time


@dataclass(frozen=True)
class UnitRows:
    """Unit rows (zero rows stay zero) in the dtype of the tiles, and their norms in float64."""

    unit: Tile
    norms: Array
    given_columns: int  # of the augmented rows

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "packed"}

    @property
    def norm_error(self) -> float:
        """Bound on the relative error of a norm: of augmenting, scaling, sum, root and product."""
        return (5.5 + math.ceil(math.log2(self.given_columns))) * _EPS / 2.0

    @property
    def unit_error(self) -> float:
        """Bound on the distance of a computed unit row from the ideal one, in float64."""
        return (6.0 + math.ceil(math.log2(self.given_columns))) * _EPS / 2.0

    @staticmethod
    def of(rows: Array, dtype: np.dtype[np.floating], name: str = "X") -> UnitRows:
        """Scale rows to norm 1, in place; errors speak of them as `name`."""
        # by parts that stay in a cache, on all threads
        parts = [slice(start, start + _ROWS) for start in range(0, rows.shape[0], _ROWS)]
        norms = np.concatenate(list(in_order(lambda part: _scale_to_one(rows[part]), parts)))
        with np.errstate(over="ignore"):
            refuse_overflow(norms * norms, name)
        return UnitRows(np.ascontiguousarray(rows, dtype=dtype), norms, rows.shape[1])

    @functools.cached_property
    def packed(self) -> Tile | None:
        """The unit rows as `fastgram.kernels.cpu.products` multiplies them; None for BLAS."""
        from fastgram.kernels.cpu.products import pack  # compiled code is loaded when needed

        with _PACKING:  # one copy is enough, whichever thread asks first
            return pack(self.unit) if "packed" not in self.__dict__ else self.packed

    def cosines(self, i: slice, columns: UnitRows, j: slice, out: Tile) -> None:
        """Fill `out` with the inner products of unit rows i and the unit rows j of others."""
        from fastgram.kernels.cpu.products import multiply_rows, panel

        left, right, side = self.packed, columns.packed, panel(self.unit.dtype)
        # tiles start at multiples of a panel, but for those of a test
        if left is None or right is None or i.start % side or j.start % side:
            np.matmul(self.unit[i], columns.unit[j].T, out=out)
        else:
            multiply_rows(left, i.start, right, j.start, out)


def _scale_to_one(rows: Array) -> Array:
    """Scale rows to norm 1, in place, and return their norms; inf where one overflows."""
    largest = np.max(np.abs(rows), axis=1)
    divisor = np.where(largest > 0.0, largest, 1.0)
    rows /= divisor[:, None]  # so that no square over- or underflows
    lengths = np.sqrt(_sums_of_squares(rows))
    rows /= np.where(lengths > 0.0, lengths, 1.0)[:, None]
    with np.errstate(over="ignore"):
        return np.asarray(largest * lengths)


def _sums_of_squares(rows: Array) -> Array:
    """Return the sum of the squares of each row, of 2·⌈log₂ of their length⌉ additions at most."""
    squares = rows * rows
    while squares.shape[1] > 1:
        half = squares.shape[1] // 2
        rest = squares[:, 2 * half :]
        squares = squares[:, :half] + squares[:, half : 2 * half]
        if rest.shape[1]:
            squares[:, 0] += rest[:, 0]
    return np.asarray(squares[:, 0])
