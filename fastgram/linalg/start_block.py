"""The start block of a Lanczos run: random columns, and extra vectors after them.

The random columns Q₀ come first, as they would come without the others: the event that the
brackets of `fastgram.linalg.lanczos_bound` rest on speaks of them alone. The others may
depend on anything, on the data, on Q₀ and on what a run from Q₀ found: given Q₀, all that follows
is determined.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fastgram.support.arrays import Array
from fastgram.support.threads import in_order

__all__ = ["augment", "random_columns"]

# Mixed into the seed of the start block, so that it owes nothing to data drawn from that seed.
_TAG = int.from_bytes(b"fastgram start block", "big")
# Rows for each column from which on random columns have a condition below 1.5.
_TALL = 32
# Rows that a thread works on at a time.
_ROWS = 8192
# Extra vectors that depend on the others to this are left out: none has to be there.
_DEPENDENT = 1e-6


def random_columns(n: int, block: int, seed: int) -> tuple[Array, Array]:
    """Return Q₀, (n, b), and R, (b, b), with Q₀R standard normal."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, _TAG]))
    normal = generator.standard_normal((n, block))
    if n < _TALL * block:
        start, factor = scipy.linalg.qr(normal, mode="economic", check_finite=False)
        return start, factor
    # columns that are nearly orthogonal as they come: nothing is lost with their squares
    slices = [slice(first, first + _ROWS) for first in range(0, n, _ROWS)]
    squares = in_order(lambda rows: normal[rows].T @ normal[rows], slices)
    square = sum(squares, np.zeros((block, block)))
    factor = np.asarray(scipy.linalg.cholesky(square, check_finite=False))
    inverse = scipy.linalg.solve_triangular(factor, np.eye(block), check_finite=False)
    for rows, part in zip(
        slices, in_order(lambda rows: normal[rows] @ inverse, slices), strict=True
    ):
        normal[rows] = part
    return normal, factor


def augment(columns: Array, vectors: Array) -> Array:
    """Return orthonormal columns: the given ones as they are, and what vectors add to their span.

    Parameters
    ----------
    columns : (n, b) array
        Orthonormal.
    vectors : (n, p) array
        Any; columns that are zero or depend on the others are left out.
    """
    lengths = np.linalg.norm(vectors, axis=0)
    added = vectors[:, lengths > 0.0] / lengths[lengths > 0.0]
    for _ in range(2):
        added = added - columns @ (columns.T @ added)
        block, triangle, _ = scipy.linalg.qr(
            added, mode="economic", pivoting=True, check_finite=False
        )
        sizes = np.abs(np.diag(triangle))
        max_columns = columns.shape[0] - columns.shape[1]
        added = block[:, : min(int(np.count_nonzero(sizes > _DEPENDENT)), max_columns)]
    return np.hstack([columns, added])
