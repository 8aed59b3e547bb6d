"""StoredProblem: the matrix of a file as the problem that methods are given.

Brackets speak of the file's upper triangle as it is stored, and of its mirror below it: no entry is
ideal, and none is rounded in being read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.certificate import Visitor
from fastgram.storage.products import StoredMatrix
from fastgram.support.arrays import Array
from fastgram.support.scaling import DENORMAL, exponent_of, scaled

__all__ = ["StoredProblem"]


class StoredProblem(Problem):
    """A symmetric matrix on disk, as it is stored: see `Problem`."""

    has_entries = True

    def __init__(self, matrix: StoredMatrix, facts: dict[str, Any]) -> None:
        self._matrix, self._facts, self.n = matrix, facts, matrix.grid.n
        diagonal = _finite(matrix.diagonal())
        self.exponent = exponent_of(float(np.max(np.abs(diagonal))))
        self._diagonal = scaled(diagonal, -self.exponent)
        self.entry_error = self.n * DENORMAL
        self._row_sum: float | None = None
        if not np.any(diagonal) and self.absolute_row_sum() == 0.0:
            self.least, self.least_count, self.least_reason = 0.0, self.n, "every entry is zero"

    def multiply(self, V: Any) -> Any:
        """Return the product with an (n, b) block, and find out the row sums with the first."""
        if self._row_sum is not None:
            return self._matrix.multiply(V, self.exponent)
        product, sums = self._matrix.with_row_sums(V, self.exponent)
        self._row_sum = float(np.max(_finite(sums)))
        return product

    def summands(self) -> int:
        """Return the n of γₙ: the terms that an entry of a product adds up."""
        return self._matrix.summands

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says; that the file is still so is seen by a product."""
        return self._facts

    def learned(self) -> Array:
        """Return the largest row sum."""
        return np.array([self.absolute_row_sum()])

    def recall(self, learned: Array) -> None:
        """Take the largest row sum over."""
        self._row_sum = float(learned[0])

    def dense(self) -> Array:
        """Return the matrix, (n, n) float64."""
        return scaled(_finite(self._matrix.dense()), -self.exponent)

    def visit(self, visitor: Visitor) -> None:
        """Hand the matrix to a visitor, block by block."""
        exponent = self.exponent
        self._matrix.visit(lambda i, j, block: visitor(i, j, scaled(block, -exponent)))

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""
        return self._diagonal

    def absolute_row_sum(self) -> float:
        """Return the largest sum of |entries| along a row."""
        if self._row_sum is None:
            self.multiply(np.zeros((self.n, 1)))
        assert self._row_sum is not None
        return self._row_sum


def _finite(values: Array) -> Array:
    if not np.all(np.isfinite(values)):
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(f"the matrix is not finite: in row {row}")
    return values
