"""LowRank: a preconditioner of few columns, FFᵀ and a ridge, and how its columns are had.

Where entries can be had, columns of the matrix are chosen by randomly pivoted Cholesky, in blocks:
a column is drawn as often as its share of the diagonal that is not yet explained (Chen, Epperly,
Tropp and Webber, arXiv 2207.06503; as a preconditioner: Díaz, Epperly, Frangella, Tropp and Webber,
arXiv 2304.12465). Where there are products alone, by the randomised Nyström approximation
(Frangella, Tropp and Udell, SIAM J. Matrix Anal. Appl. 44, 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram.linalg.systems.ridge import Ridge
from fastgram.support.arrays import Array, FloatArray
from fastgram.support.threads import one_blas_thread

__all__ = ["LowRank", "from_columns", "from_factor", "from_products"]

Places = npt.NDArray[np.intp]

_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 64  # columns that are drawn at a time
_SINGLE = 1e5  # ‖FᵀF‖ up to which float32 leaves two digits of what FFᵀ and I differ by
_SMALL = 1e10  # products, up to which threads wait for each other longer than they work


@dataclass(frozen=True)
class LowRank:
    """The inverse of D^½(I + FFᵀ)D^½ as an operator, by the identity of Woodbury.

    Attributes
    ----------
    roots : float or (n, 1) array
        D^½, of the ridge and what columns leave.
    factor : (n, r) array
        F, in float32 where that tells D from FFᵀ: half the bytes to read.
    inner : (r, r) array
        The upper triangle of the Cholesky factor of I + FᵀF.
    """

    roots: float | Array
    factor: FloatArray
    inner: Array

    @property
    def rank(self) -> int:
        """How many columns F has."""
        return int(self.factor.shape[1])

    def __call__(self, block: Array) -> Array:
        """Return the product with an (n, b) block."""
        dtype = self.factor.dtype
        sizes = np.max(np.abs(block), axis=0, initial=0.0)  # which float32 need not hold
        sizes[sizes == 0.0] = 1.0
        block = block / self.roots / sizes
        seen = (self.factor.T @ block.astype(dtype, copy=False)).astype(np.float64)
        inner = scipy.linalg.cho_solve((self.inner, False), seen, check_finite=False)
        block -= self.factor @ inner.astype(dtype, copy=False)
        return np.asarray(block / self.roots * sizes)


def from_columns(
    columns_of: Callable[[Places], Array],
    diagonal: Array,
    ridge: Ridge,
    most: int,
    enough: Callable[[int, float], bool],
    seed: int,
) -> LowRank:
    """Return the preconditioner of pivoted columns.

    Parameters
    ----------
    columns_of : callable
        From indices to those columns of the matrix without the ridge, (n, m).
    diagonal : (n,) array
        Of the same.
    ridge : Ridge
        Its entries; half the mean of what columns leave of the diagonal is added to them, which
        the eigenvalues that they do not reach are about.
    most : int
        Columns, at most.
    enough : callable
        From the columns taken and the mean of what they leave of the diagonal: whether to stop.
    seed : int
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    n, left = diagonal.size, np.maximum(diagonal, 0.0)
    least = 4.0 * n * _EPS * float(np.max(left))
    factor, rank = np.empty((n, most), order="F"), 0  # a column is read where it lies
    while rank < most and not enough(rank, float(np.mean(left))):
        count = min(_BLOCK, most - rank, int(np.count_nonzero(left > least)))
        if count == 0:
            break
        chances = np.where(left > least, left, 0.0)
        chosen = np.sort(rng.choice(n, count, replace=False, p=chances / np.sum(chances)))
        block = columns_of(chosen) - factor[:, :rank] @ factor[chosen, :rank].T
        values, vectors = scipy.linalg.eigh(block[chosen])
        good = values > max(float(values[-1]) * 1e-12, least)
        if not np.any(good):
            break
        added = block @ (vectors[:, good] / np.sqrt(values[good]))
        factor[:, rank : rank + added.shape[1]] = added
        rank += added.shape[1]
        left = np.maximum(left - np.einsum("ij,ij->i", added, added), 0.0)
        left[chosen] = 0.0
    # columns are in part what others leave, so that less than that is missing
    return from_factor(factor[:, :rank], ridge, 0.5 * float(np.mean(left)))


def from_products(
    matmat: Callable[[Array], Array], n: int, ridge: Ridge, rank: int, seed: int
) -> LowRank:
    """Return the preconditioner of one product of the matrix, without the ridge, with a block."""
    test = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, rank)))[0]
    image = matmat(test)
    shift = float(np.sqrt(n)) * _EPS * float(np.linalg.norm(image))
    image = image + shift * test
    square = test.T @ image
    values, vectors = scipy.linalg.eigh((square + square.T) / 2.0)
    good = values > max(shift, 0.0)
    factor = image @ (vectors[:, good] / np.sqrt(values[good]))
    sizes = np.linalg.norm(factor, axis=0)
    return from_factor(factor, ridge, float(np.min(sizes)) ** 2 if sizes.size else 0.0)


def from_factor(factor: Array, ridge: Ridge, stand_in: float) -> LowRank:
    """Return (D + FFᵀ)⁻¹ of F (n, r), D the ridge and what stands in for what F leaves."""
    given = stand_in + ridge.given
    if not np.all(given):
        given = given + _EPS * float(np.max(np.sum(factor * factor, axis=1), initial=1e-300))
    one = np.ndim(given) == 0
    roots: float | Array = math.sqrt(given) if one else np.sqrt(given)[:, None]
    factor = factor / roots
    small = factor.size * factor.shape[1] < _SMALL
    with one_blas_thread() if small else nullcontext():
        inner, largest = _inner(factor)
    return LowRank(roots, factor.astype(np.float32) if largest < _SINGLE else factor, inner)


def _inner(factor: Array) -> tuple[Array, float]:
    """Return the upper triangle of I + FᵀF, and a bound on the norm of FᵀF."""
    square = factor.T @ factor
    # what is subtracted may round to all of the block: this keeps the rest positive
    shift = 4.0 * max(factor.shape) * _EPS * float(np.trace(square))
    largest = float(np.linalg.norm(square))
    square[np.diag_indices_from(square)] += 1.0 + shift
    return scipy.linalg.cholesky(square, check_finite=False), largest
