"""A ridge: what is added to the diagonal of a matrix, one number or one a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.support.arrays import Array, fingerprint
from fastgram.support.validation import as_number, as_real_array

__all__ = ["Ridge", "as_ridge"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Ridge:
    """A diagonal matrix without negative entries.

    Attributes
    ----------
    given : float or (n,) array
        Read-only.
    """

    given: float | Array

    def __bool__(self) -> bool:
        return bool(np.any(self.given))

    def __str__(self) -> str:
        """Return what follows the words for a matrix: " + 0.1·I", nothing where it is 0."""
        if not self:
            return ""
        return f" + {self.given:g}·I" if isinstance(self.given, float) else " + a diagonal"

    @property
    def constant(self) -> float | None:
        """The one number, None where rows have numbers of their own."""
        return self.given if isinstance(self.given, float) else None

    @property
    def least(self) -> float:
        """The smallest entry."""
        return float(np.min(self.given))

    def facts(self) -> float | str:
        """Return what tells it from others, for JSON: the number, or a hash of many."""
        return self.given if isinstance(self.given, float) else fingerprint(self.given[:, None])

    def times(self, V: Any, device: Any = CPU) -> Any:
        """Return the product with an (n, b) block of a device."""
        if isinstance(self.given, float):
            return self.given * V
        return device.device_copy(self.given)[:, None] * V

    def of(self, rows: slice) -> float | Array:
        """Return the entries of some rows."""
        return self.given if isinstance(self.given, float) else self.given[rows]

    def added_to_diagonal(self, block: Any, rows: slice, device: Any) -> Any:
        """Return a copy of a square block on the diagonal, of a device, with the ridge on it."""
        block = block.copy()
        entries = self.of(rows)
        if not isinstance(entries, float):
            entries = device.put(entries)
        block.reshape(-1)[:: block.shape[1] + 1] += entries
        return block

    def rounding(self, diagonal: Array) -> float:
        """Bound what adding it to a diagonal rounds; `diagonal` is the sum."""
        return _EPS * float(np.max(diagonal)) if self else 0.0


def as_ridge(value: Any, n: int) -> Ridge:
    """Return one number, or one for each of n rows, as a ridge.

    Raises
    ------
    ValueError, TypeError
        If it is negative, not finite, not real, or of another length.
    """
    if np.ndim(value) == 0:
        return Ridge(as_number("ridge", value, least=0.0))
    given = np.array(as_real_array(value, "ridge"), dtype=np.float64)
    if given.shape != (n,):
        raise ValueError(f"ridge must be a number or one for each of {n} rows, not {given.shape}")
    wrong = np.flatnonzero(~((given >= 0.0) & np.isfinite(given)))
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(f"ridge must be finite and at least 0, not {given[row]:g} in row {row}")
    given.flags.writeable = False
    return Ridge(given)
