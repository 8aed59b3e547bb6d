"""Block conjugate gradients for A X = Y, A symmetric and positive definite, preconditioned.

All columns share one Krylov space: a step multiplies a block of directions, orthonormal and
A-conjugate to the block before, and takes the residual of every column to its least in the A-norm.
Directions that have become dependent are dropped. O'Leary, *The block conjugate gradient algorithm
and related methods*, Linear Algebra Appl. 29 (1980); directions are kept orthonormal as in
Dubrulle, *Retooling the method of block conjugate gradients*, ETNA 12 (2001).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

from fastgram.support.arrays import Array

__all__ = ["BlockCg"]

# Of directions of size 1: below it there is little but rounding.
_DEPENDENT = 1e-13


class BlockCg:
    """A run, from any start; what it says of residuals is its recursion's.

    Parameters
    ----------
    matmat : callable
        (n, b) block to A times it, any b.
    precondition : callable
        (n, b) block to a symmetric positive definite matrix near A⁻¹ times it.
    X, residual : (n, k) arrays
        The start, and Y − A X. Both are the run's own, and change.
    directions : (n, b) array, optional
        Those of a run that was at this X and goes on.
    """

    def __init__(
        self,
        matmat: Callable[[Array], Array],
        precondition: Callable[[Array], Array],
        X: Array,
        residual: Array,
        directions: Array | None = None,
    ) -> None:
        self._matmat, self._precondition = matmat, precondition
        self.X, self.residual = X, residual
        if directions is None:
            directions = _independent(precondition(residual))
        self.directions = directions

    @property
    def residual_norms(self) -> Array:
        """Of each column, (k,)."""
        return np.asarray(np.linalg.norm(self.residual, axis=0))

    @property
    def exhausted(self) -> bool:
        """Whether there is no direction left."""
        return bool(self.directions.shape[1] == 0)

    def advance(self) -> bool:
        """Multiply once by A; return False, and change nothing, where A is not positive there."""
        P = self.directions
        product = self._matmat(P)
        square = P.T @ product
        try:
            factor = scipy.linalg.cho_factor((square + square.T) / 2.0)
        except np.linalg.LinAlgError:
            return False
        step = scipy.linalg.cho_solve(factor, P.T @ self.residual)
        self.X += P @ step
        self.residual -= product @ step
        image = self._precondition(self.residual)
        back = scipy.linalg.cho_solve(factor, product.T @ image)
        self.directions = _independent(image - P @ back)
        return True


def _independent(block: Array) -> Array:
    """Return an orthonormal basis of the span of the columns, as far as these are independent."""
    sizes = np.linalg.norm(block, axis=0)
    block = block[:, sizes > 0.0] / sizes[sizes > 0.0]
    if not block.shape[1]:
        return block
    columns, triangle, _ = scipy.linalg.qr(block, mode="economic", pivoting=True)
    kept = np.abs(np.diagonal(triangle)) > _DEPENDENT
    return np.ascontiguousarray(columns[:, kept])
