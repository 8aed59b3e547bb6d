"""Orthonormal columns of a thin block by Cholesky factorisations, of which nobody has to wait.

Householder's transformations take a launch or more a column, and cuSOLVER's are waited for. Here a
block X takes two products, XᵀX and XR⁻¹, and one launch between them, and the same again: the first
leaves columns that are orthonormal to eps·κ(X)², and the second mends that. Yamamoto et al.,
*Roundoff error analysis of the CholeskyQR2 algorithm*, ETNA 44 (2015): columns are as orthonormal,
and their product with the triangle is as near to the block, as by Householder's where
8·κ(X)·√((nb + b(b + 1))·u) ≤ 1: up to a κ of 1e3 in a block of a hundred million numbers.
"""

from __future__ import annotations

import numpy as np

from fastgram.kernels.cuda.constants import THREADS
from fastgram.kernels.cuda.launch import Array, Kernels

__all__ = ["cholesky_qr"]


def cholesky_qr(kernels: Kernels, block: Array) -> tuple[Array, Array]:
    """Return orthonormal columns and the triangle that goes with them, both on the device.

    Parameters
    ----------
    kernels : Kernels
    block : (n, b) float64 array
        On the device, of columns that are not nearly dependent: otherwise columns are less
        orthonormal, and all is NaN where one is in the span of the others to √eps.

    Returns
    -------
    columns : (n, b) array
    triangle : (b, b) array
        Upper triangular, with columns @ triangle = block.
    """
    columns, factor = _step(kernels, block)
    columns, correction = _step(kernels, columns)
    return columns, correction @ factor


def _step(kernels: Kernels, block: Array) -> tuple[Array, Array]:
    xp, order = kernels.xp, block.shape[1]
    square = xp.ascontiguousarray(block.T @ block)
    factor, undoing = (xp.empty((order, order), dtype=np.float64) for _ in range(2))
    kernels.launch("factorise", 1, THREADS, 0, [square, np.int64(order), factor, undoing])
    return block @ undoing.T, factor
