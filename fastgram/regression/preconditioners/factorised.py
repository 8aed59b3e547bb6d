"""Factorised: the Cholesky factor of the whole matrix as a preconditioner, in float32 or float64.

A is scaled to a diagonal of ones, S A S, and to that enough is added for what a factorisation
rounds: 8·u·√n with the unit roundoff u, where kernels' matrices of a few thousand rows were seen to
be off by 1 to 10·u·√n in norm (the proven bound is n·u·n, and a preconditioner need not be proven).
What is left to conjugate gradients has a condition number of about 1 + shift/λ_min(S A S).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram.linalg.certificate import Visit
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.support.arrays import Array, FloatArray

__all__ = ["Factorised", "factorised", "relative_shift"]

Precision = type[np.float32] | type[np.float64]

_ROUNDINGS = 8.0


def relative_shift(n: int, dtype: npt.DTypeLike) -> float:
    """Return what is added to a diagonal of ones before it is factorised in a precision."""
    return _ROUNDINGS * math.sqrt(n) * float(np.finfo(np.dtype(dtype)).eps) / 2.0


@dataclass(frozen=True)
class Factorised:
    """The inverse of A by its factor.

    Attributes
    ----------
    factor : LowerTriangle
        L with LLᵀ = S A S + shift·I.
    scales : (n, 1) array
        The diagonal of S.
    """

    factor: LowerTriangle
    scales: Array

    def __call__(self, block: Array) -> Array:
        """Return the product with an (n, b) block."""
        sizes = np.max(np.abs(block), axis=0, initial=0.0)  # which float32 need not hold
        sizes[sizes == 0.0] = 1.0
        solved = self.factor.solve(block / sizes * self.scales)
        return np.asarray(solved * self.scales * sizes)


def factorised(visit: Visit, diagonal: Array, dtype: Precision) -> Factorised | None:
    """Return the inverse of a matrix by its factor, None where no factorisation runs through.

    Parameters
    ----------
    visit : callable
        Visits the matrix.
    diagonal : (n,) array
        Its diagonal, above 0.
    dtype : float32 or float64
        Of the factor.
    """
    scales = 1.0 / np.sqrt(diagonal)
    triangle = LowerTriangle(diagonal.size, dtype=dtype)

    def write(rows: slice, columns: slice, block: FloatArray) -> None:
        triangle.write(rows, columns, block * scales[rows, None] * scales[columns])

    visit(write)
    triangle.set_diagonal(np.full(diagonal.size, 1.0 + relative_shift(diagonal.size, dtype)))
    return Factorised(triangle, scales[:, None]) if triangle.factorise() else None
