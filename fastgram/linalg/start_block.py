"""The start block of a Lanczos run: random columns, and directions appended to them.

The random columns Q₀ come first, as they would come without the others: the event that the
brackets of `fastgram.linalg.lanczos_bound` rest on speaks of them alone. What is appended may
depend on anything, on the data, on Q₀ and on what a run from Q₀ found: given Q₀, all that follows
is determined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg

__all__ = ["random_columns", "with_appended"]

Array = npt.NDArray[np.float64]

# Mixed into the seed of the start block, so that it owes nothing to data drawn from that seed.
_TAG = int.from_bytes(b"fastgram start block", "big")
# Appended directions that depend on the others to this are left out: none has to be there.
_DEPENDENT = 1e-6


def random_columns(n: int, block: int, seed: int) -> tuple[Array, Array]:
    """Return Q₀, (n, b), and R, (b, b), with Q₀R standard normal."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, _TAG]))
    normal = generator.standard_normal((n, block))
    start, factor = scipy.linalg.qr(normal, mode="economic", check_finite=False)
    return start, factor


def with_appended(columns: Array, vectors: Array) -> Array:
    """Return orthonormal columns: the given ones as they are, and after them what V adds to them.

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
        room = columns.shape[0] - columns.shape[1]
        added = block[:, : min(int(np.count_nonzero(sizes > _DEPENDENT)), room)]
    return np.hstack([columns, added])
