"""Block Lanczos with full reorthogonalisation: A Qⱼ = Qⱼ₋₁Bⱼᵀ + QⱼAⱼ + Qⱼ₊₁Bⱼ₊₁.

It starts from random columns and, if wished, directions appended to them. A run that is short of
memory goes on from its residual block with Ritz vectors appended, and forgets the rest of the
basis: a new stage.

The run keeps what the brackets of `fastgram._bounds` are made of: the blocks Aⱼ and Bⱼ₊₁ as they
came, the directions dropped where a residual block lost rank, and the measured size of what the
recurrence misses in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram._start import random_columns, with_appended
from fastgram._tiles import one_blas_thread, thread_count

__all__ = ["BlockLanczos"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_CHUNK_COLUMNS = 128
_SLICE_ROWS = 8192


class _Basis:
    """Orthonormal columns, kept in chunks that products with them are efficient on.

    Products go by slices of rows, on one BLAS thread each and summed in a fixed order: BLAS's own
    threads are slow on panels this thin, and make the last bits depend on their number.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._slices = [slice(start, start + _SLICE_ROWS) for start in range(0, n, _SLICE_ROWS)]
        self._pool = ThreadPoolExecutor(min(thread_count(), len(self._slices)))
        self._chunks: list[Array] = []
        self._free = 0  # columns of the last chunk not in use
        self.columns = 0

    def append(self, block: Array) -> None:
        taken = 0
        while taken < block.shape[1]:
            if self._free == 0:
                width = min(_CHUNK_COLUMNS, max(self._n - self.columns, 1))
                self._chunks.append(np.empty((self._n, width), order="F"))
                self._free = width
            width = self._chunks[-1].shape[1]
            count = min(self._free, block.shape[1] - taken)
            start = width - self._free
            self._chunks[-1][:, start : start + count] = block[:, taken : taken + count]
            self._free -= count
            taken += count
            self.columns += count

    def _filled(self) -> list[Array]:
        if not self._free:
            return self._chunks
        last = self._chunks[-1]
        return [*self._chunks[:-1], last[:, : last.shape[1] - self._free]]

    def orthogonalise(self, block: Array) -> None:
        """Subtract from the block, in place, its part in the span of the basis."""

        def subtract(chunk: Array, coefficients: Array, rows: slice) -> None:
            block[rows] -= chunk[rows] @ coefficients

        for chunk in self._filled():
            parts = self._pool.map(lambda rows, q=chunk: q[rows].T @ block[rows], self._slices)
            coefficients = sum(parts, np.zeros((chunk.shape[1], block.shape[1])))
            list(self._pool.map(partial(subtract, chunk, coefficients), self._slices))

    def combine(self, coefficients: Array) -> Array:
        """Return the basis times coefficients, which may be fewer rows than there are columns."""
        total = np.zeros((self._n, coefficients.shape[1]))
        start = 0
        for chunk in self._filled():
            rows = coefficients[start : start + chunk.shape[1]]
            total += chunk[:, : rows.shape[0]] @ rows
            start += rows.shape[0]
        return total


class BlockLanczos:
    """A block Lanczos run on a symmetric matrix of order n.

    Parameters
    ----------
    matmat : callable
        (n, b) block to A times it; any b.
    n, block : int
        Order of the matrix, and random columns of the start block.
    seed : int
    appended : (n, p) array, optional
        Directions that the start block holds after its random columns: any at all.

    Attributes
    ----------
    block : int
        The random columns, which are the first of the start block.
    start_factor : (b, b) array
        Upper triangular: the standard normal block that was drawn is Q₀ times it.
    diagonals : list of (bⱼ, bⱼ) arrays
        The Aⱼ.
    couplings : list of (bⱼ₊₁, bⱼ) arrays
        The Bⱼ₊₁, of full row rank; the last one leads to the residual block.
    dropped : list of (bⱼ, ·) arrays
        What rⱼ(x − Aⱼ) − rⱼ₋₁Bⱼᵀ is multiplied by to give components of norm at most ‖r‖: the
        null directions of the residual block, divided by the size below which they were dropped.
    defect : float
        Frobenius norm of AQ − QT − (residual block), as measured, in all stages: rounding.
    earlier : list of (diagonals, couplings)
        Those of the stages that restarts have ended; all else speaks of the stage that is going
        on, but for `passes`. The first columns of a stage's start block are the residual block
        of the stage before.
    passes, multiplied : int
        Products with A in all stages, and the columns of all of them.
    """

    def __init__(
        self,
        matmat: Callable[[Array], Array],
        n: int,
        block: int,
        seed: int,
        appended: Array | None = None,
    ) -> None:
        self.n = n
        self.block = min(block, n)
        self._matmat = matmat
        self.passes = 0
        self.multiplied = 0
        self.earlier: list[tuple[list[Array], list[Array]]] = []
        self.defect = 0.0
        self._norm = 0.0
        with one_blas_thread():
            start, self.start_factor = random_columns(n, self.block, seed)
            if appended is not None:
                start = with_appended(start, appended)
        self._begin(start)

    def _begin(self, start: Array) -> None:
        self._basis = _Basis(self.n)
        self._previous: Array | None = None
        self._current = np.ascontiguousarray(start)
        self._basis.append(self._current)
        self.diagonals: list[Array] = []
        self.couplings: list[Array] = []
        self.dropped: list[Array] = []

    def restart(self, lowest: int, highest: int) -> None:
        """Let go of the basis but for its newest block and so many Ritz vectors of each end."""
        kept = [
            self.ritz_pairs(count, largest, vectors=True)[2]
            for count, largest in ((lowest, False), (highest, True))
        ]
        with one_blas_thread():
            vectors = np.hstack([part for part in kept if part is not None])
            start = with_appended(self._current, vectors)
        self._go_on(start)

    def _go_on(self, start: Array) -> None:
        self.earlier.append((self.diagonals, self.couplings))
        self._begin(start)

    @property
    def columns(self) -> int:
        """Columns of the basis."""
        return self._basis.columns

    @property
    def width(self) -> int:
        """Columns that the next pass multiplies, and the most that it adds to the basis."""
        return int(self._current.shape[1])

    @property
    def exhausted(self) -> bool:
        """Whether the span of the basis is invariant, and the run over."""
        return bool(self.couplings) and self.couplings[-1].shape[0] == 0

    def advance(self) -> None:
        """Multiply once more by A.

        Raises
        ------
        ValueError
            If A turns out not to be symmetric, or not finite.
        """
        product = self._matmat(self._current)
        with one_blas_thread():
            self._absorb(product)

    def _absorb(self, product: Array) -> None:
        current = self._current
        projection = current.T @ product
        if not np.all(np.isfinite(projection)):
            raise ValueError("the operator returned values that are not finite")
        diagonal = (projection + projection.T) / 2.0
        self._norm = max(self._norm, float(np.linalg.norm(projection, 2)))
        if np.max(np.abs(projection - projection.T)) > 1e-6 * self._norm:
            raise ValueError(
                "the operator is not symmetric: its products do not satisfy uᵀAv = vᵀAu"
            )
        residual = product - current @ diagonal
        if self._previous is not None:
            residual -= self._previous @ self.couplings[-1].T
        remainder = residual.copy()
        self._basis.orthogonalise(residual)
        block, coupling, dropped = self._split(residual)
        if block.shape[1]:
            # the block is small differences of large numbers: once more, now that it is unit sized
            self._basis.orthogonalise(block)
            block, correction = scipy.linalg.qr(block, mode="economic", check_finite=False)
            coupling = correction @ coupling
            remainder -= block @ coupling
        # scipy's norm of a vector neither over- nor underflows
        self.defect = math.hypot(self.defect, float(scipy.linalg.norm(remainder.ravel())))
        self._norm = max(self._norm, float(np.linalg.norm(coupling, 2)) if coupling.size else 0.0)
        self._take(diagonal, coupling, dropped, block)

    def _take(self, diagonal: Array, coupling: Array, dropped: Array, block: Array) -> None:
        self.passes += 1
        self.multiplied += self._current.shape[1]
        self.diagonals.append(diagonal)
        self.couplings.append(coupling)
        self.dropped.append(dropped)
        self._previous, self._current = self._current, np.ascontiguousarray(block)
        self._basis.append(self._current)

    def record(self) -> dict[str, Array]:
        """Return all that the newest pass added, or what a restart began from."""
        if not self.diagonals:
            return {"start": self._current, "rounding": np.array([self.defect, self._norm])}
        return {
            "diagonal": self.diagonals[-1],
            "coupling": self.couplings[-1],
            "dropped": self.dropped[-1],
            "block": self._current,
            "rounding": np.array([self.defect, self._norm]),
        }

    def restore(self, record: dict[str, Array]) -> None:
        """Add a pass, or restart, as `record` returned it."""
        if "start" in record:
            self._go_on(record["start"])
            return
        self.defect, self._norm = (float(value) for value in record["rounding"])
        self._take(record["diagonal"], record["coupling"], record["dropped"], record["block"])

    def recognises(self, diagonal: Array) -> bool:
        """Whether a stored A₀ is this matrix's, judged by one product with one vector."""
        start = self._current
        entry = float(start[:, 0] @ self._matmat(np.ascontiguousarray(start[:, :1]))[:, 0])
        scale = float(np.max(np.abs(diagonal)))
        return abs(entry - float(diagonal[0, 0])) <= 1e-10 * scale

    def _split(self, residual: Array) -> tuple[Array, Array, Array]:
        """Factor the residual block into orthonormal columns and their coupling, dropping nulls."""
        room = self.n - self._basis.columns
        block, triangle = scipy.linalg.qr(residual, mode="economic", check_finite=False)
        left, sizes, right = np.linalg.svd(triangle)
        small = 8.0 * np.sqrt(self.n) * _EPS * self._norm
        keep = min(int(np.count_nonzero(sizes > small)), room)
        if keep == residual.shape[1]:
            return block, triangle, np.empty((keep, 0))
        # sizes above `small` are dropped only where the basis fills the space: rounding again
        bound = max(small, float(sizes[keep]), np.finfo(np.float64).tiny)
        kept = block @ left[:, :keep]
        return kept, sizes[:keep, None] * right[:keep], right[keep:].T / bound

    def band(self) -> Array:
        """Return T in LAPACK's lower banded storage."""
        sizes = [diagonal.shape[0] for diagonal in self.diagonals]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        full = all(size == sizes[0] for size in sizes)
        # a coupling of full rank is triangular, one that lost columns is not
        width = sizes[0] if full else 2 * sizes[0] - 1
        band = np.zeros((min(width, int(starts[-1]) - 1) + 1, int(starts[-1])))
        for j, diagonal in enumerate(self.diagonals):
            blocks = [diagonal]
            if j + 1 < len(sizes):
                blocks.append(self.couplings[j])
            stacked = np.concatenate(blocks)
            for column in range(sizes[j]):
                below = stacked[column:, column]
                length = min(below.size, band.shape[0])
                band[:length, starts[j] + column] = below[:length]
        return band

    def ritz_values(self) -> Array:
        """Return all Ritz values, ascending."""
        return np.asarray(scipy.linalg.eigvals_banded(self.band(), lower=True, check_finite=False))

    def ritz_pairs(
        self, count: int, largest: bool, vectors: bool
    ) -> tuple[Array, Array, Array | None]:
        """Return values, residual norms and vectors of the `count` Ritz pairs at one end."""
        band = self.band()
        order = band.shape[1]
        count = min(count, order)
        chosen = (order - count, order - 1) if largest else (0, count - 1)
        with one_blas_thread():
            values, small = scipy.linalg.eig_banded(
                band, lower=True, select="i", select_range=chosen, check_finite=False
            )
        if largest:
            values, small = values[::-1], small[:, ::-1]
        last = small[-self.diagonals[-1].shape[0] :]
        residuals = np.linalg.norm(self.couplings[-1] @ last, axis=0)
        return values, residuals, self._basis.combine(small) if vectors else None
