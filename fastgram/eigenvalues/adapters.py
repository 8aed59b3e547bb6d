"""The three things whose eigenvalues can be asked for, behind one face."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.devices.device import CPU, Device
from fastgram.eigenvalues.close_pairs import close_pairs
from fastgram.eigenvalues.foreign_operator import products_of
from fastgram.eigenvalues.one_pass_bound import tail_bound
from fastgram.finite_width.entries import FiniteEntries
from fastgram.infinite_width.entries import Entries
from fastgram.linalg.certificate import Visit, Visitor, visit_array
from fastgram.matrix.operator import GramOperator
from fastgram.network.rank import rank_bound, rank_bound_on_sphere
from fastgram.support.rounding import noise_floor
from fastgram.support.scaling import DENORMAL, exponent_of, lower_end, scaled, upper_end
from fastgram.support.validation import as_real_array

__all__ = ["Problem", "as_problem"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Norms that are 1 to so much are 1 but for rounding.
_ONE = 32 * _EPS
# Additions of somebody else's product beyond the n of a plain sum.
_FOREIGN = 64


@dataclass
class Problem:
    """A symmetric matrix that is to be bracketed, times a power of two that makes it about 1.

    Attributes
    ----------
    n : int
    exponent : int
        The matrix that was given is 2**exponent times the one that all else here speaks of. Of
        somebody else's operator it is known from the first product on.
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
    numerical_rank : callable
        To what the rank is at most but for the rounding of the rows' norms, and why, or None.
    exact_call : callable
        To the call that finds the same eigenvalues in ball arithmetic; empty where there is none.
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
    exponent: int = 0
    numerical_rank: Callable[[], tuple[int, str] | None] = lambda: None
    exact_call: Callable[[], str] = lambda: ""

    def noise_floor(self, largest: float, columns: int = 1) -> float:
        """Bound the spectral norm of (computed products − exact ones of the ideal matrix).

        Each product with a unit vector is off by γ‖|A|‖ in norm, and ‖|A|‖₂ is at most the
        largest row sum; so many together by √columns times that, their Frobenius norm.

        Parameters
        ----------
        largest : float
            The largest |Ritz value| so far, all that is known of an operator of unknown entries.
        columns : int
            Unit vectors that were multiplied.
        """
        together = math.sqrt(min(columns, self.n))
        row_sum = self.absolute_row_sum()
        if row_sum is None:
            # somebody else's operator: take its products to be as accurate as a plain sum
            return together * (self.n + _FOREIGN) * _EPS * largest
        return noise_floor(self.entry_error, row_sum, self.depth(), min(columns, self.n))


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
    exponent = exponent_of(float(np.max(op.diagonal())))
    factor = 2.0**-exponent

    def multiply(V: Any) -> Any:
        product = op.product_and_row_sums(V)
        return product * factor if exponent else product

    def visit(visitor: Visitor) -> None:
        if not exponent:
            op.visit(visitor)
            return
        op.visit(
            lambda i, j, block: visitor(
                i, j, scaled(np.asarray(block, dtype=np.float64), -exponent)
            )
        )

    return Problem(
        n=n,
        exponent=exponent,
        multiply=multiply,
        dense=lambda: scaled(np.asarray(op.dense_on_host(), dtype=np.float64), -exponent),
        visit=visit,
        appended=lambda count: _appended(op, count),
        forget=op.forget,
        one_pass=lambda: _one_pass(op, exponent),
        memory=op.given_memory,
        entry_flops=op.entries.entry_flops,
        product_flops=op.product_flops,
        entry_error=upper_end(op.entries.norm_error, -exponent),
        absolute_row_sum=lambda: float(np.max(op.absolute_row_sums)) * factor,
        depth=lambda: op.additions,
        semidefinite=True,
        rank_bound=bound,
        rank_reason=reason,
        numerical_rank=lambda: _numerical_rank(op),
        exact_call=lambda: _exact_call(op),
        note=op.multiplication_note,
        factor_columns=finite.factor_columns if finite else None,
        factor_square=(lambda: scaled(finite.factor_square(), -exponent)) if finite else None,
        device=op.devices[0],
    )


def _appended(op: GramOperator, count: int) -> Array | None:
    """Close pairs, where they are what small eigenvalues are made of."""
    if op.network.activation.smooth or count < 1 or op.multiplication(count) != "tiles":
        return None
    return close_pairs(op, count)


def _numerical_rank(op: GramOperator) -> tuple[int, str] | None:
    """Bound the rank as if rows whose norms are one to rounding had one norm."""
    if op.network.activation.powers is None or not isinstance(op.entries, Entries):
        return None
    if op.entries.table is None or op.network.homogeneity() is not None:
        return None
    return rank_bound_on_sphere(op.given_rows, op.network, op.kind)


def _exact_call(op: GramOperator) -> str:
    from fastgram.exact.solve import check_exact

    for rows in ("raw", "unit"):
        if rows == "unit" and not _has_unit_rows(op):
            return ""
        try:
            check_exact(op.given_rows, op.network, op.kind, rows)
        except (ValueError, TypeError):
            continue
        except ImportError:
            pass
        arguments = "X, network" if op.kind == "gradient" else f'X, network, kind="{op.kind}"'
        scaled_rows = ', rows="raw"' if rows == "raw" else ""
        note = "" if rows == "raw" else ", of the rows scaled to norm 1 without rounding"
        return f"fastgram.exact_extreme_eigenvalues({arguments}{scaled_rows}){note}"
    return ""


def _has_unit_rows(op: GramOperator) -> bool:
    return bool(np.all(np.abs(np.linalg.norm(op.given_rows, axis=1) - 1.0) < _ONE))


def _one_pass(op: GramOperator, exponent: int) -> float | None:
    found = tail_bound(op)
    return None if found is None else lower_end(found.lower, -exponent)


def _of_array(A: Any) -> Problem:
    array = as_real_array(A, "the matrix")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"the matrix must be square, not of shape {array.shape}")
    if array.size == 0:
        raise ValueError("the matrix is empty")
    given = np.asarray(array, dtype=np.float64)
    if not np.all(np.isfinite(given)):
        row, column = np.argwhere(~np.isfinite(given))[0]
        raise ValueError(f"the matrix is not finite: entry ({row}, {column})")
    n = given.shape[0]
    exponent = exponent_of(float(np.max(np.abs(given))))
    matrix = scaled(given, -exponent)
    asymmetry = np.abs(matrix - matrix.T)
    worst = float(np.max(asymmetry))
    if worst > 8 * float(np.finfo(array.dtype).eps) * float(np.max(np.abs(matrix))):
        row, column = np.unravel_index(int(np.argmax(asymmetry)), asymmetry.shape)
        difference = float(scaled(np.asarray(worst), exponent))
        raise ValueError(
            f"the matrix is not symmetric: entries ({row}, {column}) and ({column}, {row})"
            f" differ by {difference:.3g}"
        )
    if worst > 0.0:  # in the last bits: speak of the symmetric part
        matrix = (matrix + matrix.T) / 2.0
    row_sum = float(np.max(np.sum(np.abs(matrix), axis=1)))
    zero = row_sum == 0.0
    return Problem(
        n=n,
        exponent=exponent,
        multiply=lambda V: matrix @ V,
        dense=lambda: matrix,
        visit=visit_array(matrix),
        entry_error=n * (worst + DENORMAL),
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

    product_of = products_of(A)
    known = False

    def scaled_product(V: Array) -> Array:
        # half of the power is taken by V, so that A's own products are mid-range
        half = problem.exponent // 2
        product = product_of(scaled(V, -half))
        if not np.all(np.isfinite(product)):
            raise ValueError("the operator returned values that are not finite")
        return scaled(product, half - problem.exponent)

    def multiply(V: Array) -> Array:
        nonlocal known
        product = scaled_product(V)
        if not known:
            # one column, so that a checkpoint, which is recognised by one, says the same
            size = float(np.max(np.abs(product[:, 0]), initial=0.0))
            problem.exponent, known = exponent_of(size), size > 0.0
            if problem.exponent:  # what is near the ends of the range has lost digits
                return scaled_product(V)
        return product

    problem = Problem(
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
    return problem
