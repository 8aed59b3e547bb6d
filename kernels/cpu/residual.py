"""R −= Pᵀ Q by plain loops: a product whose rounding depends on no BLAS.

A certificate that does not rely on BLAS takes its residual from here. Sums run in one fixed order
and may be fused; nothing is reassociated.
"""

from __future__ import annotations

from fastgram.kernels.cpu.jit import jit

__all__ = ["subtract_product"]

_ROWS = 8  # of R worked on at a time: with them a row of Q stays in the first-level cache


@jit({"contract"})
def subtract_product(R, P, Q):
    """Subtract Pᵀ Q from R in place; shapes (h, w), (m, h), (m, w)."""
    height, width = R.shape
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        for k in range(P.shape[0]):
            for i in range(first, last):
                factor = P[k, i]
                for j in range(width):
                    R[i, j] -= factor * Q[k, j]
