"""Certificates: a Cholesky factorisation that runs through proves a lower bound.

*After Rump* (Verification of positive definiteness, BIT 46 (2006) 433–452). Let B be a symmetric
matrix of floating-point numbers of order n. If its Cholesky factorisation runs through, then
B + E is positive semidefinite with ‖E‖₂ ≤ γ/(1 − γ)·Σ|bᵢᵢ|, γ = (n + 2)u/(1 − (n + 2)u) and
u = 2⁻⁵³, underflow apart. With B = fl(A − sI),

    λ_min(A) ≥ s − c,   c = γ/(1 − γ)·Σ|aᵢᵢ − s| + 2u·max|aᵢᵢ − s| + n²·2⁻¹⁰²²,

where every pivot and c itself are finite numbers:

about n²·1.1e-16 times the mean diagonal entry. It takes for granted that each entry of the factor
is a sum of at most n products, added in any order and fused or not, and one division, or product
with a reciprocal: true of the triangular solves and products of OpenBLAS, BLIS and of reference
BLAS in IEEE double precision; not of one that multiplies matrices in Strassen's way or in lower
precision, nor of triangular solves by inverses of whole diagonal blocks, as MKL and GPUs may.

*By the residual*, where the BLAS in use is none of those: whatever L is, LLᵀ is positive
semidefinite, so λ_min(A) ≥ s − ‖A − sI − LLᵀ‖₂. The residual is computed by loops of our own, and
its Frobenius norm widened by their rounding, γ(n + 3)·(‖A‖_F + |s|√n + ‖L‖_F²). It costs twice the
factorisation's operations, at a compiled loop's speed instead of a BLAS's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fastgram.linalg.packed_cholesky import PANEL, LowerTriangle
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma
from fastgram.support.threads import conventional_blas

__all__ = ["Visit", "Visitor", "certify_below", "shifted_factor", "visit_array"]

# Told of blocks of a symmetric matrix that cover its lower triangle, each with its rows and
# columns, on any thread.
Visitor = Callable[[slice, slice, npt.NDArray[np.floating]], None]
Visit = Callable[[Visitor], None]

_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


def visit_array(A: Array) -> Visit:
    """Return the function that visits the lower triangle of an array."""

    def visit(visitor: Visitor) -> None:
        n = A.shape[0]
        for start in range(0, n, PANEL):
            rows = slice(start, min(start + PANEL, n))
            for before in range(0, rows.stop, PANEL):
                columns = slice(before, min(before + PANEL, n))
                visitor(rows, columns, A[rows, columns])

    return visit


def certify_below(visit: Visit, n: int, shift: float, sign: float = 1.0) -> float | None:
    """Return a proven lower bound of the eigenvalues of sign·A near `shift`, or None.

    Parameters
    ----------
    visit : callable
        Visits A, which is not changed.
    n : int
    shift : float
        The bound that is tried, before c is taken off.
    sign : {1.0, -1.0}

    Returns
    -------
    float or None
        shift − c where the factorisation of sign·A − shift·I runs through, None where it does not.
    """
    factor, slack = shifted_factor(visit, n, shift, sign)
    return None if factor is None else below(shift, slack)


def below(shift: float, slack: float) -> float:
    """Return shift − slack, rounded down."""
    return math.nextafter(shift - slack, -math.inf)


def shifted_factor(
    visit: Visit, n: int, shift: float, sign: float = 1.0
) -> tuple[LowerTriangle | None, float]:
    """Factorise sign·A − shift·I, and return L and the c by which its proof is short.

    Memory: one lower triangle, in whose place L is. Where the factorisation does not run through
    there is no L, and c is the one it would have had.
    """
    triangle = LowerTriangle(n)
    visit(triangle.write)
    if sign < 0.0:
        triangle.negate()
    shifted = triangle.diagonal() - shift
    triangle.set_diagonal(shifted)
    done = triangle.factorise()
    sizes = np.abs(shifted)
    if conventional_blas() or not done:
        relative = gamma(n + 2)
        slack = relative / (1.0 - relative) * float(np.sum(sizes))
    else:
        slack = _residual(visit, triangle, shift, sign)
    slack += _EPS * float(np.max(sizes)) + n * n * _TINY
    done = done and math.isfinite(slack)
    return triangle if done else None, slack * (1.0 + 4.0 * n * _EPS)


def _residual(visit: Visit, factor: LowerTriangle, shift: float, sign: float) -> float:
    """Bound ‖sign·A − shift·I − LLᵀ‖₂."""
    from fastgram.kernels.cpu.residual import subtract_product

    factor.clear_above()
    squares: list[float] = []  # of the residual; summed by fsum, so their order does not matter
    sizes: list[float] = []  # of A

    def visitor(rows: slice, columns: slice, block: npt.NDArray[np.floating]) -> None:
        if rows.stop <= columns.start:
            return
        R = np.array(sign * block.T, dtype=np.float64, order="C")  # the transpose of the block
        times = 1.0 if rows == columns else 2.0
        sizes.append(times * float(np.sum(R * R)))
        for place in range(max(rows.start, columns.start), min(rows.stop, columns.stop)):
            R[place - columns.start, place - rows.start] -= shift
        P, Q = (factor.rows_up_to(side, columns.stop).T for side in (columns, rows))
        subtract_product(R, P, Q)
        squares.append(times * float(np.sum(R * R)))

    visit(visitor)
    n = factor.n
    rounding = math.sqrt(math.fsum(sizes)) + abs(shift) * math.sqrt(n) + factor.sum_of_squares()
    return math.sqrt(math.fsum(squares)) + gamma(n + 3) * rounding
