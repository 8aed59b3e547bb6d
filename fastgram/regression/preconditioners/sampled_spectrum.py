"""A spectrum as far as a few of the rows show it: how fast its large eigenvalues fall."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram.support.arrays import Array

__all__ = ["SampledSpectrum", "largest_of_block", "sampled_spectrum"]

Places = npt.NDArray[np.intp]

_SAMPLE = 256  # rows
_AT_A_TIME = 64  # columns that are computed for them: a few vectors' memory


@dataclass(frozen=True)
class SampledSpectrum:
    """What the matrix between some of the rows shows of a matrix of order n.

    Attributes
    ----------
    values : (m,) array
        The largest eigenvalues, the largest first.
    left : (m,) array
        What the eigenvectors of as many leave of the diagonal, in the mean: 0 of them, 1, …
    least : float
        What nearly all eigenvalues are above.
    """

    values: Array
    left: Array
    least: float


def sampled_spectrum(
    columns_of: Callable[[Places], Array], diagonal: Array, drawn: Places
) -> SampledSpectrum:
    """Return the spectrum of the matrix between rows, as that of all.

    Parameters
    ----------
    columns_of : callable
        From indices to those columns of the matrix, (n, m).
    diagonal : (n,) array
    drawn : (k,) array of indices
        Of rows in an order that is drawn.

    Notes
    -----
    An eigenvalue λ of n rows is about mλ/n of m of them, but for what is the same in all of them,
    the far end of the spectrum, which does not grow with the number of rows.
    """
    n, drawn = diagonal.size, drawn[:_SAMPLE]
    starts = range(0, drawn.size, _AT_A_TIME)
    square = np.hstack([columns_of(drawn[k : k + _AT_A_TIME])[drawn] for k in starts])
    found = scipy.linalg.eigvalsh((square + square.T) / 2.0)[::-1]
    same = max(float(found[3 * drawn.size // 4]), 0.0)
    # the last ones of a sample say little of as many of all
    values = np.maximum(found[: drawn.size // 2] - same, 0.0) * (n / drawn.size) + same
    taken = np.r_[0.0, np.cumsum(values - same)[:-1]] / n
    left = np.maximum(float(np.mean(diagonal)) - taken, same)
    return SampledSpectrum(values, left, max(float(found[-1]), 0.0))


def largest_of_block(block: Array, n: int) -> float:
    """Return about the largest eigenvalue, in size, of a matrix of order n by a block of it.

    It shows as a singular value beyond the rest, which rows and columns have in common.
    """
    values = scipy.linalg.svdvals(block)
    return float((values[0] - np.median(values)) * n / math.sqrt(block.size))
