"""Rows of norm 1 and their norms, as devices take them: augmented ones are rows like any."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    def of(
        rows: npt.NDArray[np.floating],
        dtype: np.dtype[np.floating],
        name: str = "X",
        augment: Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]] = np.asarray,
    ) -> UnitRows:
        """Scale rows to norm 1; errors speak of them as `name`.

        Parameters
        ----------
        rows : (n, d) array
        dtype : dtype
            Of the unit rows.
        name : str
        augment : callable
            Makes float64 rows of some of these: those that are scaled.
        """
        from fastgram.kernels.cpu.rows.unit import scale_to_one  # compiled: loaded when needed

        n, columns = rows.shape[0], augment(rows[:1]).shape[1]
        unit, norms = np.empty((n, columns), dtype), np.empty(n)

        def scale(part: slice) -> None:
            augmented = np.ascontiguousarray(augment(rows[part]), dtype=np.float64)
            scale_to_one(augmented, unit[part], norms[part])

        # by parts that stay in a cache, on all threads
        for _ in in_order(scale, [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]):
            pass
        with np.errstate(over="ignore"):
            refuse_overflow(norms * norms, name)
        return UnitRows(unit, norms, columns)

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
