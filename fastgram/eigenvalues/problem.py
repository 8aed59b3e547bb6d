"""Problem: the symmetric matrix that every method is given, whatever it was made of."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.linalg.certificate import Visitor
from fastgram.linalg.systems.ridge import Ridge
from fastgram.support.arrays import Array
from fastgram.support.rounding import noise_floor

__all__ = ["Problem", "ProblemSource"]


class Problem(Protocol):
    """A symmetric matrix whose eigenvalues are asked for, times a power of two: of size about 1.

    A method that only some matrices have an answer to says here what the others answer.

    Attributes
    ----------
    n : int
        The order of the matrix.
    exponent : int
        The matrix that was given is 2**exponent times the one that all else here speaks of. Of
        somebody else's operator it is known from the first product on.
    has_entries : bool
        Whether entries can be had: `dense`, `visit`, `diagonal` and `absolute_row_sum`.
    entry_error : float
        Bound on the spectral norm of (matrix as computed − matrix that is spoken of).
    least : float
        A number that no eigenvalue of the matrix that is spoken of is below, −∞ where none is
        known: 0 for a Gram matrix, or its ridge.
    least_count : int
        How many eigenvalues are known to be that number.
    least_reason : str
        The fact; empty where there is none.
    ridge : Ridge
        What is known to be added to the diagonal of a semidefinite matrix; nothing by default.
    has_columns : bool
        Whether single columns can be had, `columns`, for less than a product.
    memory : int or None
        Bytes that were allowed for keeping entries, where that was said.
    entry_flops : float
        Floating-point operations that computing an entry takes; 0 where all are stored.
    factor_columns : int or None
        Columns of a factor J with A = JJᵀ, where there is one.
    device : Device
        Where the blocks of a Lanczos run live.
    told_by_facts : bool
        Whether `facts` alone tell the matrix from every other one.
    """

    n: int
    exponent: int
    has_entries: bool
    entry_error: float
    least: float = -math.inf
    least_count: int = 0
    least_reason: str = ""
    ridge: Ridge = Ridge(0.0)
    has_columns: bool = False
    memory: int | None = None
    entry_flops: float = 0.0
    factor_columns: int | None = None
    device: Device = CPU
    told_by_facts: bool = False

    @property
    def rank_bound(self) -> int:
        """A bound on the rank, from exact facts."""
        return self.n - self.least_count if self.least == 0.0 else self.n

    def multiply(self, V: Any) -> Any:
        """Return the product with an (n, b) block, both arrays of the device."""

    def multiplies_by_itself(self, columns: int) -> bool:
        """Whether `multiply` of so many columns returns before the device has multiplied."""
        return False

    def noise_floor(self, largest: float, columns: int = 1) -> float:
        """Bound the spectral norm of (computed products − exact ones of the ideal matrix).

        Parameters
        ----------
        largest : float
            The largest |Ritz value| so far, all that is known of an operator of unknown entries.
        columns : int
            Unit vectors that were multiplied.
        """
        row_sum = self.absolute_row_sum()
        return noise_floor(self.entry_error, row_sum, self.summands(), min(columns, self.n))

    def summands(self) -> int:
        """Return the n of γₙ: the terms that an entry of the products so far adds up."""

    # --- for a checkpoint ---

    def facts(self) -> dict[str, Any]:
        """Return what tells the matrix from others, for JSON, each under a word for it."""
        return {}

    def learned(self) -> Array:
        """Return what brackets need of products so far, beside themselves: a few numbers."""
        return np.empty(0)

    def recall(self, learned: Array) -> None:
        """Take what products of an earlier process had found out as if it were of this one."""
        return None

    # --- where there are entries ---

    def dense(self) -> Array:
        """Return the matrix as computed, (n, n) float64 on the host.

        Raises
        ------
        TypeError
            As `visit`, `diagonal` and `absolute_row_sum` do, where `has_entries` is False.
        """

    def visit(self, visitor: Visitor) -> None:
        """Hand the matrix as computed to a visitor, in blocks that cover its lower triangle."""

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""

    def absolute_row_sum(self) -> float:
        """Return the largest sum of |entries| along a row, as products so far add them up."""

    def columns(self, places: npt.NDArray[np.intp]) -> Array:
        """Return columns of the matrix without the ridge, (n, m) float64, by their indices."""
        raise TypeError("the matrix has no columns that could be had for less than a product")

    # --- what is known of a Gram matrix alone ---

    def rows(self) -> Array | None:
        """Return the (n, d) rows whose entries depend on their inner products, or None."""
        return None

    def forget(self) -> None:
        """Drop what is kept of the matrix between products, and free its memory."""
        return None

    def extra_start_vectors(self, count: int) -> Array | None:
        """Return so many known directions of small Rayleigh quotients, (n, ≤ count), or None."""
        return None

    def one_pass(self) -> float | None:
        """Return a proven lower bound of λ_min from one pass over the entries, or None."""
        return None

    def product_flops(self, columns: int) -> float | None:
        """Return what multiplying so many columns takes without entries; None where it needs them.

        In floating-point operations.
        """
        return None

    def factor_square(self) -> Array:
        """Return JᵀJ, of order `factor_columns`."""
        raise TypeError("the matrix has no factor")

    def numerical_rank(self) -> tuple[int, str] | None:
        """Return a bound on the rank but for the rounding of the rows' norms, and why, or None."""
        return None

    def exact_call(self) -> str:
        """Return the call that finds the same eigenvalues in ball arithmetic, or ""."""
        return ""

    def note(self, columns: int) -> str:
        """Return how a block of so many columns is multiplied, in words, or ""."""
        return ""


class ProblemSource:
    """A LinearOperator that says itself which problem it is, in a room above this one."""

    def symmetric_problem(self) -> Problem:
        """Return the problem that methods are given."""
        raise NotImplementedError
