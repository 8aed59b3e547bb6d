"""Adapters: a GramOperator, array or LinearOperator as a symmetric eigenproblem."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.eigenvalues.foreign_operator import ForeignProblem
from fastgram.eigenvalues.gram_problem import GramProblem
from fastgram.eigenvalues.problem import Problem, ProblemSource
from fastgram.linalg.certificate import Visitor, visit_array
from fastgram.matrix.operator import GramOperator
from fastgram.support.arrays import Array, fingerprint
from fastgram.support.scaling import DENORMAL, exponent_of, scaled
from fastgram.support.validation import as_real_array

__all__ = ["ArrayProblem", "as_problem"]


def as_problem(A: Any) -> Problem:
    """Return a GramOperator, an array or a LinearOperator as the problem that methods are given.

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite.
    """
    if isinstance(A, GramOperator):
        return GramProblem(A)
    if isinstance(A, ProblemSource):
        return A.symmetric_problem()
    if isinstance(A, LinearOperator):
        return ForeignProblem(A)
    return ArrayProblem(A)


class ArrayProblem(Problem):
    """A symmetric array as it is stored, or its symmetric part: see `Problem`."""

    has_entries = has_columns = True
    told_by_facts = True

    def __init__(self, A: Any) -> None:
        array = _square(A)
        given = np.asarray(array, dtype=np.float64)
        if not np.all(np.isfinite(given)):
            row, column = np.argwhere(~np.isfinite(given))[0]
            raise ValueError(f"the matrix is not finite: entry ({row}, {column})")
        self.n = int(given.shape[0])
        self.exponent = exponent_of(float(np.max(np.abs(given))))
        matrix = scaled(given, -self.exponent)
        worst = _worst_asymmetry(matrix, float(np.finfo(array.dtype).eps), self.exponent)
        if worst > 0.0:  # in the last bits: speak of the symmetric part
            matrix = (matrix + matrix.T) / 2.0
        self._matrix = matrix
        self._row_sum = float(np.max(np.sum(np.abs(matrix), axis=1)))
        self.entry_error = self.n * (worst + DENORMAL)
        if self._row_sum == 0.0:
            self.least, self.least_count, self.least_reason = 0.0, self.n, "every entry is zero"

    def multiply(self, V: Array) -> Array:
        """Return the product with an (n, b) block."""
        return self._matrix @ V

    def facts(self) -> dict[str, Any]:
        """Return a hash of the entries, and the power of two that they were scaled by."""
        return {"entries": fingerprint(self._matrix), "scale": self.exponent}

    def summands(self) -> int:
        """Return the n of γₙ: the terms that an entry of a product adds up."""
        return self.n

    def dense(self) -> Array:
        """Return the matrix, (n, n) float64."""
        return self._matrix

    def visit(self, visitor: Visitor) -> None:
        """Hand the matrix to a visitor, panel by panel."""
        visit_array(self._matrix)(visitor)

    def columns(self, places: npt.NDArray[np.intp]) -> Array:
        """Return columns, (n, m) float64, by their indices."""
        return self._matrix[:, places]

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""
        return np.diagonal(self._matrix)

    def absolute_row_sum(self) -> float:
        """Return the largest sum of |entries| along a row."""
        return self._row_sum


def _square(A: Any) -> npt.NDArray[np.floating]:
    array = as_real_array(A, "the matrix")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"the matrix must be square, not of shape {array.shape}")
    if array.size == 0:
        raise ValueError("the matrix is empty")
    return array


def _worst_asymmetry(matrix: Array, eps: float, exponent: int) -> float:
    """Return the largest difference across the diagonal; `eps` is that of the type as given.

    Raises
    ------
    ValueError
        If it is more than rounding to that type leaves.
    """
    asymmetry = np.abs(matrix - matrix.T)
    worst = float(np.max(asymmetry))
    if worst > 8 * eps * float(np.max(np.abs(matrix))):
        row, column = np.unravel_index(int(np.argmax(asymmetry)), asymmetry.shape)
        difference = float(scaled(np.asarray(worst), exponent))
        raise ValueError(
            f"the matrix is not symmetric: entries ({row}, {column}) and ({column}, {row})"
            f" differ by {difference:.3g}"
        )
    return worst
