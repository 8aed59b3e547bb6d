"""GramProblem: a Gram operator as the problem that methods are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.eigenvalues.close_pairs import close_pairs
from fastgram.eigenvalues.one_pass_bound import one_pass_bound
from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.certificate import Visitor
from fastgram.linalg.systems.ridge import Ridge
from fastgram.matrix.computed_rectangle import ComputedRectangle
from fastgram.matrix.entries import blocks_of
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.network.facts import network_facts
from fastgram.network.network import Network
from fastgram.network.rank import rank_bound, rank_bound_on_sphere
from fastgram.support.arrays import Array, fingerprint
from fastgram.support.scaling import exponent_of, lower_end, scaled, upper_end

__all__ = ["GramProblem", "gram_facts"]

# Norms that are 1 to so much are 1 but for rounding.
_ONE = 32 * float(np.finfo(np.float64).eps)


class GramProblem(Problem):
    """The ideal Gram matrix of the rows that an operator was given: see `Problem`."""

    has_entries = True
    told_by_facts = True

    def __init__(self, op: GramOperator) -> None:
        self._op, self._matrix = op, matrix_of(op)
        matrix = self._matrix
        self.n = op.shape[0]
        self.exponent = exponent_of(float(np.max(op.diagonal())))
        given = scaled(np.asarray(matrix.ridge.given), -self.exponent)
        self.ridge = Ridge(float(given) if given.ndim == 0 else given)
        self.has_columns = op.network.width is None  # else features of all rows are made for them
        self.least = lower_end(matrix.ridge.least, -self.exponent)
        if matrix.ridge.constant is not None:
            rank, reason = rank_bound(matrix.given_rows, op.network, op.kind)
            self.least_count, self.least_reason = self.n - rank, reason
        self.entry_error = upper_end(matrix.norm_error, -self.exponent)
        self.memory = matrix.given_memory
        self.entry_flops = matrix.entries.entry_flops
        self.factor_columns = None if matrix.ridge else matrix.entries.factor_columns
        self.device = matrix.devices[0]
        self._recalled: tuple[float, int] | None = None  # row sum and summands, of a checkpoint

    def multiply(self, V: Any) -> Any:
        """Return the product with an (n, b) block, and find out the row sums with the first."""
        product = self._matrix.product_and_row_sums(V)
        return product * 2.0**-self.exponent if self.exponent else product

    def multiplies_by_itself(self, columns: int) -> bool:
        """Whether a product is launches on one GPU, which are not waited for."""
        return len(self._matrix.devices) == 1 and self._op.multiplication(columns) == "fused"

    def summands(self) -> int:
        """Return the n of γₙ: the terms that an entry of the products so far adds up."""
        if self._recalled is None:
            return self._matrix.summands
        before = self._recalled[1]
        return max(before, self._matrix.summands) if self._matrix.has_row_sums else before

    def facts(self) -> dict[str, Any]:
        """Return what the operator was made of, but for what computes it."""
        dtype = np.dtype(self._matrix.entries.dtype).name
        rows = fingerprint(self._matrix.given_rows)
        return gram_facts(rows, self._op.network, self._op.kind, dtype, self._matrix.ridge.facts())

    def learned(self) -> Array:
        """Return the entries' error, the largest row sum and the summands of products so far."""
        return np.array([self.entry_error, self.absolute_row_sum(), self.summands()])

    def recall(self, learned: Array) -> None:
        """Take over what products of an earlier process, perhaps on another device, are off by."""
        error, row_sum, summands = (float(number) for number in learned)
        self.entry_error = max(self.entry_error, error)
        before = self._recalled or (0.0, 0)
        self._recalled = max(before[0], row_sum), max(before[1], int(summands))

    def dense(self) -> Array:
        """Return the matrix as computed, (n, n) float64 on the host."""
        return scaled(np.asarray(self._matrix.dense_on_host(), dtype=np.float64), -self.exponent)

    def visit(self, visitor: Visitor) -> None:
        """Hand the matrix as computed to a visitor, tile by tile."""
        if not self.exponent:
            self._op.visit(visitor)
            return
        self._op.visit(
            lambda i, j, block: visitor(
                i, j, scaled(np.asarray(block, dtype=np.float64), -self.exponent)
            )
        )

    def columns(self, places: npt.NDArray[np.intp]) -> Array:
        """Return columns of the matrix without the ridge, (n, m) float64, by their indices."""
        op, rows = self._op, self._matrix.given_rows
        # many rows of tiles, for all threads
        entries = blocks_of(op.network, op.kind, rows, rows[places], np.dtype(np.float64))
        found = ComputedRectangle(entries, self._matrix.devices).dense_on_host()
        return scaled(np.asarray(found, dtype=np.float64), -self.exponent)

    def diagonal(self) -> Array:
        """Return the diagonal, (n,) float64."""
        return scaled(self._op.diagonal(), -self.exponent)

    def absolute_row_sum(self) -> float:
        """Return the largest sum of |entries| along a row, as products so far add them up."""
        before = self._recalled[0] if self._recalled is not None else 0.0
        if self._recalled is not None and not self._matrix.has_row_sums:
            return before
        return max(before, float(np.max(self._matrix.absolute_row_sums)) * 2.0**-self.exponent)

    def rows(self) -> Array:
        """Return the rows that were given, (n, d)."""
        return np.asarray(self._matrix.given_rows, dtype=np.float64)

    def forget(self) -> None:
        """Drop the tiles that are kept between products."""
        self._op.forget()

    def extra_start_vectors(self, count: int) -> Array | None:
        """Return close pairs, where they are what small eigenvalues are made of."""
        op = self._op
        if op.network.activation.smooth or count < 1 or op.multiplication(count) == "factored":
            return None
        return close_pairs(op, count)

    def one_pass(self) -> float | None:
        """Return a proven lower bound of λ_min from one pass over the entries, or None."""
        found = one_pass_bound(self._op)
        if found is None:
            return None
        lower, ridge = found.lower, self._matrix.ridge.least
        if ridge:  # else nothing is rounded, and 0 stays 0
            lower = math.nextafter(lower + ridge, -math.inf)
        return lower_end(lower, -self.exponent)

    def product_flops(self, columns: int) -> float | None:
        """Return what multiplying so many columns takes without entries; None where it needs them.

        In floating-point operations.
        """
        return self._matrix.product_flops(columns)

    def factor_square(self) -> Array:
        """Return JᵀJ of a network of finite width."""
        return scaled(self._matrix.entries.factor_square(), -self.exponent)

    def numerical_rank(self) -> tuple[int, str] | None:
        """Bound the rank as if rows whose norms are one to rounding had one norm."""
        op = self._op
        if op.network.activation.powers is None or op.network.homogeneity() is not None:
            return None
        if self._matrix.ridge or self._matrix.entries.of_one_table is None:
            return None
        return rank_bound_on_sphere(self._matrix.given_rows, op.network, op.kind)

    def exact_call(self) -> str:
        """Return the call that finds the same eigenvalues in ball arithmetic, or ""."""
        from fastgram.exact.built_in import has_formula
        from fastgram.exact.solve import check_exact

        op = self._op
        ridge = self._matrix.ridge.constant
        if ridge is None or not has_formula(op.network.activation):
            return ""
        for rows in ("raw", "unit"):
            if rows == "unit" and not self._has_unit_rows():
                return ""
            try:
                check_exact(self._matrix.given_rows, op.network, op.kind, rows)
            except (ValueError, TypeError):
                continue
            except ImportError as error:  # which says what to install
                takes_rows = op.network.width is not None or self._has_unit_rows()
                return f"fastgram.exact_extreme_eigenvalues: {error}" if takes_rows else ""
            arguments = "X, network" if op.kind == "gradient" else f'X, network, kind="{op.kind}"'
            scaled_rows = ', rows="raw"' if rows == "raw" else ""
            scaled_rows += f", ridge={ridge!r}" if ridge else ""
            note = "" if rows == "raw" else ", of the rows scaled to norm 1 without rounding"
            return f"fastgram.exact_extreme_eigenvalues({arguments}{scaled_rows}){note}"
        return ""

    def _has_unit_rows(self) -> bool:
        return bool(np.all(np.abs(np.linalg.norm(self._matrix.given_rows, axis=1) - 1.0) < _ONE))

    def note(self, columns: int) -> str:
        """Return how a block of so many columns is multiplied, in words, or ""."""
        return self._matrix.multiplication_note(columns)


def gram_facts(
    rows: str, network: Network, kind: str, dtype: str, ridge: float | str
) -> dict[str, Any]:
    """Return what tells a Gram matrix from others, for JSON; `rows` is their `fingerprint`."""
    facts = {"rows": rows, "network": network_facts(network), "kind": kind, "dtype": dtype}
    return {**facts, "ridge": ridge}
