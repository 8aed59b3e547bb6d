"""Products with somebody else's operator, whose functions may do as they like with arrays.

They may work in place, and return one array again and again: they are given copies, and what they
return is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.support.validation import as_real_array

__all__ = ["products_of"]

Array = npt.NDArray[np.float64]


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
    mine = "_CustomLinearOperator__matmat_impl"  # of LinearOperator(shape, matvec, matmat=None)
    return vars(A).get(mine, mine) is None
