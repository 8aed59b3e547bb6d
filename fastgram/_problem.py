"""The three things whose eigenvalues can be asked for, behind one face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram._certificate import Visit, visit_array
from fastgram._close_pairs import close_pairs
from fastgram._devices import CPU, Device
from fastgram._finite import FiniteEntries
from fastgram._others import products_of
from fastgram._rank import rank_bound
from fastgram._rounding import gamma
from fastgram._tail import tail_bound
from fastgram._validation import as_real_array
from fastgram.operator import GramOperator

__all__ = ["Problem", "as_problem"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Roundings granted to what follows the products: orthogonality, and the eigenvalues of T.
_SOLVER = 64


@dataclass
class Problem:
    """A symmetric matrix that is to be bracketed.

    Attributes
    ----------
    n : int
    multiply : callable
        (n, b) block to the product, both arrays of the device.
    dense : callable or None
        To the matrix as a float64 array, where it can be had.
    visit : callable or None
        Hands the matrix, as computed, to a visitor in blocks; where `dense` can be had.
    forget : callable
        Drops what is kept of the matrix between products, to make room.
    entry_error : float
        Bound on the spectral norm of (matrix as computed − matrix that is spoken of).
    absolute_row_sum : callable
        To the largest sum of |entries| along a row, or None where it cannot be known.
    depth : callable
        To the number of additions that an entry of the products so far goes through.
    semidefinite : bool
        Whether the matrix that is spoken of is known to have no negative eigenvalue.
    rank_bound : int
    rank_reason : str
    factor_columns : int or None
        Columns of a factor J with A = JJᵀ, where there is one.
    factor_square : callable
        To JᵀJ.
    memory : int or None
        Bytes that were allowed for keeping entries, where that was said.
    appended : callable
        From a number of columns to so many known directions of small Rayleigh quotients, or None.
    one_pass : callable
        To a proven lower bound of the smallest eigenvalue from one pass over the entries, or None.
    entry_flops : float
        What an entry costs to compute anew; 0 where all are stored.
    product_flops : callable or None
        From the columns of a block to what multiplying it takes without entries.
    note : callable
        From the columns of a block to how it is multiplied, in words; empty where there is nothing
        to say.
    device : Device
        Where the blocks of a Lanczos run live.
    """

    n: int
    multiply: Callable[[Array], Array]
    dense: Callable[[], Array] | None
    visit: Visit | None
    entry_error: float
    absolute_row_sum: Callable[[], float | None]
    depth: Callable[[], int]
    semidefinite: bool
    rank_bound: int
    rank_reason: str
    note: Callable[[int], str] = lambda columns: ""
    forget: Callable[[], None] = lambda: None
    appended: Callable[[int], Array | None] = lambda count: None
    one_pass: Callable[[], float | None] = lambda: None
    memory: int | None = None
    entry_flops: float = 0.0
    product_flops: Callable[[int], float | None] = lambda columns: None
    factor_columns: int | None = None
    factor_square: Callable[[], Array] | None = None
    device: Device = CPU

    def noise_floor(self, largest: float) -> float:
        """Return what products cannot see; `largest` is the largest |Ritz value| so far."""
        row_sum = self.absolute_row_sum()
        if row_sum is None:
            # somebody else's operator: take its products to be as accurate as a plain sum
            return (self.n + _SOLVER) * _EPS * largest
        return self.entry_error + gamma(self.depth() + _SOLVER) * row_sum


def as_problem(A: Any) -> Problem:
    """Return the face of a GramOperator, an array or a LinearOperator.

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite.
    """
    if isinstance(A, GramOperator):
        return _of_gram(A)
    if isinstance(A, LinearOperator):
        return _of_operator(A)
    return _of_array(A)


def _of_gram(op: GramOperator) -> Problem:
    n = op.shape[0]
    bound, reason = rank_bound(op.given_rows, op.network, op.kind)
    finite = op.entries if isinstance(op.entries, FiniteEntries) else None
    return Problem(
        n=n,
        multiply=op.product_and_row_sums,
        dense=lambda: np.asarray(op.dense_on_host(), dtype=np.float64),
        visit=lambda visitor: op.visit(visitor),
        appended=lambda count: _appended(op, count),
        forget=op.forget,
        one_pass=lambda: _one_pass(op),
        memory=op.given_memory,
        entry_flops=op.entries.entry_flops,
        product_flops=op.product_flops,
        entry_error=op.entries.norm_error,
        absolute_row_sum=lambda: float(np.max(op.absolute_row_sums)),
        depth=lambda: op.additions,
        semidefinite=True,
        rank_bound=bound,
        rank_reason=reason,
        note=op.multiplication_note,
        factor_columns=finite.factor_columns if finite else None,
        factor_square=finite.factor_square if finite else None,
        device=op.devices[0],
    )


def _appended(op: GramOperator, count: int) -> Array | None:
    """Close pairs, where they are what small eigenvalues are made of."""
    if op.network.activation.smooth or count < 1 or op.multiplication(count) != "tiles":
        return None
    return close_pairs(op, count)


def _one_pass(op: GramOperator) -> float | None:
    found = tail_bound(op)
    return None if found is None else found.lower


def _of_array(A: Any) -> Problem:
    array = as_real_array(A, "the matrix")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"the matrix must be square, not of shape {array.shape}")
    if array.size == 0:
        raise ValueError("the matrix is empty")
    matrix = np.asarray(array, dtype=np.float64)
    if not np.all(np.isfinite(matrix)):
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(f"the matrix is not finite: entry ({row}, {column})")
    asymmetry = np.abs(matrix - matrix.T)
    worst = float(np.max(asymmetry))
    if worst > 8 * float(np.finfo(array.dtype).eps) * float(np.max(np.abs(matrix))):
        row, column = np.unravel_index(int(np.argmax(asymmetry)), asymmetry.shape)
        raise ValueError(
            f"the matrix is not symmetric: entries ({row}, {column}) and ({column}, {row})"
            f" differ by {worst:.3g}"
        )
    if worst > 0.0:  # in the last bits: speak of the symmetric part
        matrix = (matrix + matrix.T) / 2.0
    n = matrix.shape[0]
    row_sum = float(np.max(np.sum(np.abs(matrix), axis=1)))
    zero = row_sum == 0.0
    return Problem(
        n=n,
        multiply=lambda V: matrix @ V,
        dense=lambda: matrix,
        visit=visit_array(matrix),
        entry_error=n * worst,
        absolute_row_sum=lambda: row_sum,
        depth=lambda: n,
        semidefinite=False,
        rank_bound=0 if zero else n,
        rank_reason="every entry is zero" if zero else "",
    )


def _of_operator(A: LinearOperator) -> Problem:
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"the operator must be square, not of shape {A.shape}")
    if A.shape[0] == 0:
        raise ValueError("the operator is empty")
    if np.dtype(A.dtype).kind == "c":
        raise TypeError("the operator is complex: it must be real")

    multiply = products_of(A)

    return Problem(
        n=A.shape[0],
        multiply=multiply,
        dense=None,
        visit=None,
        entry_error=0.0,
        absolute_row_sum=lambda: None,
        depth=lambda: int(A.shape[0]),
        semidefinite=False,
        rank_bound=A.shape[0],
        rank_reason="",
    )
