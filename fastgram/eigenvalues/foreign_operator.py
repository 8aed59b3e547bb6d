"""ForeignProblem: somebody else's operator, whose functions may do as they like with arrays.

They may work in place, and return one array again and again: they are given copies, and what they
return is copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.certificate import Visitor
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma
from fastgram.support.scaling import exponent_of, scaled, upper_end
from fastgram.support.validation import as_real_array

__all__ = ["ForeignProblem", "products_of"]

_EPS = float(np.finfo(np.float64).eps)
# Additions of somebody else's product beyond the n of a plain sum.
_FOREIGN = 64


class ForeignProblem(Problem):
    """A symmetric LinearOperator of which products alone are known: see `Problem`."""

    has_entries = False

    def __init__(self, A: LinearOperator) -> None:
        if A.shape[0] != A.shape[1]:
            raise ValueError(f"the operator must be square, not of shape {A.shape}")
        if A.shape[0] == 0:
            raise ValueError("the operator is empty")
        if np.dtype(A.dtype).kind == "c":
            raise TypeError("the operator is complex: it must be real")
        self.n = int(A.shape[0])
        self.exponent = 0
        self._size_is_known = False
        self._product_of = products_of(A)
        self._gram_parts = tuple(_gram_parts(A, 1.0))
        self.entry_error = self._of_parts(_entry_error)

    def _of_parts(self, error_of: Callable[[GramOperator], float]) -> float:
        total = sum(weight * error_of(op) for op, weight in self._gram_parts)
        return upper_end(total, -self.exponent)

    def multiply(self, V: Array) -> Array:
        """Return the product with an (n, b) block; the first one chooses `exponent`."""
        product = self._scaled_product(V)
        if not self._size_is_known:
            # one column, so that a checkpoint, which is recognised by one, says the same
            size = float(np.max(np.abs(product[:, 0]), initial=0.0))
            if size > 0.0:
                self._choose(exponent_of(size))
            if self.exponent:  # what is near the ends of the range has lost digits
                return self._scaled_product(V)
        return product

    def _choose(self, exponent: int) -> None:
        self.exponent, self._size_is_known = exponent, True
        if exponent and self._gram_parts:
            self.entry_error = self._of_parts(_entry_error)

    def learned(self) -> Array:
        """Return the exponent, once the first product has chosen it."""
        return np.array([self.exponent] if self._size_is_known else [])

    def recall(self, learned: Array) -> None:
        """Speak of the matrix times the same power of two as an earlier process."""
        if learned.size and not self._size_is_known:
            self._choose(int(learned[0]))

    def _scaled_product(self, V: Array) -> Array:
        # half of the power is taken by V, so that A's own products are mid-range
        half = self.exponent // 2
        product = self._product_of(scaled(V, -half))
        if not np.all(np.isfinite(product)):
            raise ValueError("the operator returned values that are not finite")
        return scaled(product, half - self.exponent)

    def noise_floor(self, largest: float, columns: int = 1) -> float:
        """Bound the spectral norm of (computed products − exact ones of the operator).

        Its products are taken to be as accurate as a plain sum of n terms, and ‖A‖ to be the
        largest |Ritz value|. Gram operators that it is a sum of say themselves what theirs are
        off by: in a difference that may be far more than the result's size tells.
        """
        plain = self.summands() * _EPS * largest
        rounding = plain + self._of_parts(_rounding)
        return self.entry_error + math.sqrt(min(columns, self.n)) * rounding

    def summands(self) -> int:
        """Return the n of γₙ, as it is supposed to be."""
        return self.n + _FOREIGN

    def dense(self) -> Array:
        """Raise TypeError: entries are not known."""
        _no_entries()

    def visit(self, visitor: Visitor) -> None:
        """Raise TypeError: entries are not known."""
        _no_entries()

    def diagonal(self) -> Array:
        """Raise TypeError: entries are not known."""
        _no_entries()

    def absolute_row_sum(self) -> float:
        """Raise TypeError: entries are not known."""
        _no_entries()


def _entry_error(op: GramOperator) -> float:
    return matrix_of(op).norm_error


def _rounding(op: GramOperator) -> float:
    """Bound the rounding of a product with a unit vector, and with the factor before it."""
    matrix = matrix_of(op)
    return gamma(matrix.summands + 1) * float(np.max(matrix.absolute_row_sums))


def _gram_parts(A: Any, weight: float) -> Iterator[tuple[GramOperator, float]]:
    """Yield the symmetric Gram operators that scipy's A adds up, and |their factors|."""
    if isinstance(A, GramOperator):
        if A.shape[0] == A.shape[1] and A.T is A:
            yield A, weight
        return
    name = type(A).__name__
    parts: tuple[Any, ...] = getattr(A, "args", ())
    if name == "_ScaledLinearOperator":
        weight *= abs(float(parts[1]))
    elif name not in ("_SumLinearOperator", "_AdjointLinearOperator", "_TransposedLinearOperator"):
        return  # of a product the norms would have to be known
    for part in parts:
        if isinstance(part, LinearOperator):
            yield from _gram_parts(part, weight)


def _no_entries() -> NoReturn:
    raise TypeError("the entries of a LinearOperator are not known: pass an array or GramOperator")


def products_of(A: LinearOperator) -> Callable[[Array], Array]:
    """Return the function that multiplies (n, b) blocks of the host by a square operator.

    It raises a ValueError or a TypeError for products that are of another shape, complex, masked or
    no numbers, and for an operator made of others one of which writes to its vectors.
    """
    by_columns = _has_no_matmat(A)

    def multiply(V: Array) -> Array:
        if not by_columns:
            return _block(A, V)
        out = np.empty(V.shape)
        for k, column in enumerate(V.T):
            out[:, k] = _checked(A.matvec(column.copy()), column.shape)
        return out

    return multiply


def _block(A: LinearOperator, V: Array) -> Array:
    given = V.copy()
    product = np.array(_checked(A.matmat(given), V.shape), dtype=np.float64)
    # parts of a sum are given one array in turn: what one wrote the next would read
    if getattr(A, "args", ()) and not np.array_equal(given, V):
        raise ValueError("a part of the operator writes to the vectors that it is given: copy them")
    return product


def _checked(product: Any, shape: tuple[int, ...]) -> npt.NDArray[np.floating]:
    array = as_real_array(product, "the operator's product")
    if array.shape != shape:
        raise ValueError(f"the operator's product must be of shape {shape}, not {array.shape}")
    return array


def _has_no_matmat(A: LinearOperator) -> bool:
    """Whether blocks would go by columns anyway.

    scipy's own way to do so holds all products before it copies them.
    """
    if type(A)._matmat is LinearOperator._matmat:
        return True
    given = "_CustomLinearOperator__matmat_impl"  # of LinearOperator(shape, matvec, matmat=None)
    return vars(A).get(given, given) is None
