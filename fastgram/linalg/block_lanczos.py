"""Block Lanczos with full reorthogonalisation: A Qⱼ = Qⱼ₋₁Bⱼᵀ + QⱼAⱼ + Qⱼ₊₁Bⱼ₊₁.

It starts from random columns and, if wished, extra vectors after them. A run that is short of
memory goes on from its residual block with Ritz vectors beside it, and forgets the rest of the
basis: a new stage.

The run keeps what the brackets of `fastgram.linalg.lanczos_bound` are made of: the blocks Aⱼ and
Bⱼ₊₁ as they came, and the measured size of what the recurrence misses in floating point, the
directions dropped where a residual block lost rank included.

Blocks of vectors and the basis live on the device that multiplies; the small matrices that the
brackets are made of are NumPy arrays on any device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.linalg.band_eigenpairs import EndPairs
from fastgram.linalg.basis.krylov_basis import Basis
from fastgram.linalg.start_block import augment, random_columns
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma
from fastgram.support.threads import one_blas_thread

__all__ = ["BlockLanczos"]

_EPS = float(np.finfo(np.float64).eps)
# Random columns of one seed differ by less from one LAPACK to another.
_SAME = 1e-10
# One orthogonalisation leaves some eps of what it was given. Where no direction of the residual
# block is smaller than this part of that, it is some 1e-14 of each, and 1e-6 is asked for
# (`fastgram.linalg.lanczos_bound`): a second one would cost as much and change nothing.
_UNSPOILED = 1.0 / 128.0


class _Asked(NamedTuple):
    """A pass that a device has been asked for: arrays, which need not be there yet."""

    residual: Any  # orthogonal to the basis
    remainder: Any  # before that
    block: Any  # orthonormal columns of the residual, where it is of full rank
    small: tuple[Any, Any, Any, Any]  # projection, triangle, norms of the remainder: all, and left


class BlockLanczos:
    """A block Lanczos run on a symmetric matrix of order n.

    Parameters
    ----------
    matmat : callable
        (n, b) block to A times it; any b. Both are arrays of the device.
    n, block : int
        Order of the matrix, and random columns of the start block.
    seed : int
    extra_start_vectors : (n, p) array, optional
        Directions that the start block holds after its random columns: any at all; a NumPy array.
    device : Device
        Where the vectors live. The start block is drawn on the CPU and is the same on all.
    basis_bytes : int, optional
        What the basis may take on a device other than the CPU before the rest of it goes to host
        memory; half of what is free there, if not given.
    noise : callable, optional
        From `norm` and columns to what so many products are off by, where that is more than
        rounding to the size of the matrix: of a difference of large ones.

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
    defect : float
        Bound on the Frobenius norm of AQ − QT − (residual block), with AQ as it was computed, in
        all stages: measured, and what measuring it rounds. Dropped directions are part of it.
    norm : float
        The largest spectral norm of a block of T.
    earlier : list of (diagonals, couplings)
        Those of the stages that restarts have ended; all else speaks of the stage that is going
        on, but for `passes`. The first columns of a stage's start block are the residual block
        of the stage before.
    passes, multiplied : int
        Products with A in all stages, and the columns of all of them.
    """

    def __init__(
        self,
        matmat: Callable[[Any], Any],
        n: int,
        block: int,
        seed: int,
        extra_start_vectors: Array | None = None,
        device: Device = CPU,
        basis_bytes: int | None = None,
        noise: Callable[[float, int], float] = lambda norm, columns: 0.0,
    ) -> None:
        self.n = n
        self.block = min(block, n)
        self._matmat, self._noise = matmat, noise
        self._device = device
        self._basis_bytes = device.basis_bytes(basis_bytes)
        self.passes = 0
        self.multiplied = 0
        self.earlier: list[tuple[list[Array], list[Array]]] = []
        self.defect = 0.0
        self.norm = 0.0
        with self._working():
            start, self.start_factor = random_columns(n, self.block, seed)
            if extra_start_vectors is not None:
                start = augment(start, extra_start_vectors)
            self._begin(device.put(start))

    @contextmanager
    def _working(self) -> Iterator[None]:
        with one_blas_thread(), self._device.context():
            yield

    def _begin(self, start: Any) -> None:
        self._basis = Basis(self._device, self.n, self._basis_bytes)
        self._previous: Any = None
        self._coupling: Any = None  # the newest, on the device
        self._asked: _Asked | None = None
        self._current = self._device.xp.ascontiguousarray(start)
        self._basis.append(self._current)
        self.diagonals: list[Array] = []
        self.couplings: list[Array] = []
        self._pairs_at_ends = EndPairs()

    def restart(self, lowest: int, highest: int) -> None:
        """Let go of the basis but for its newest block and so many Ritz vectors of each end."""
        kept = [
            self.ritz_pairs(count, largest, vectors=True)[2]
            for count, largest in ((lowest, False), (highest, True))
        ]
        with self._working():
            vectors = np.hstack([part for part in kept if part is not None])
            start = augment(self._device.get(self._current), vectors)
            self._go_on(start)

    def _go_on(self, start: Array) -> None:
        self.earlier.append((self.diagonals, self.couplings))
        self._begin(self._device.put(start))

    @property
    def columns(self) -> int:
        """Columns of the basis."""
        return self._basis.columns

    @property
    def spilled(self) -> int:
        """Bytes of the basis in host memory because the device has no memory for them."""
        return self._basis.spilled

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
        asked, self._asked = self._asked or self._ask(), None
        with self._working():
            self._take(*self._absorb(asked))

    def begin(self) -> None:
        """Have the device at the next pass, which `advance` waits for; it is not counted before."""
        self._asked = self._asked or self._ask()

    def _ask(self) -> _Asked:
        """Ask the device for all of a pass at once, as if no direction in it were small."""
        product = self._matmat(self._current)
        device, current = self._device, self._current
        # what is not finite is refused once it is here
        with self._working(), np.errstate(over="ignore", invalid="ignore"):
            scale = self.norm or float(device.get(device.xp.max(device.xp.abs(product))))
            projection = current.T @ product
            residual = product - current @ ((projection + projection.T) / 2.0)
            if self._previous is not None:
                residual -= self._previous @ self._coupling.T
            remainder = residual.copy()
            self._basis.orthogonalise(residual)
            block, triangle = device.orthonormal(residual)
            left = block @ triangle
            left -= remainder
            norms = device.norm(remainder, scale), device.norm(left, scale)
        return _Asked(residual, remainder, block, (projection, triangle, *norms))

    def _absorb(self, asked: _Asked) -> tuple[Array, Array, Any, Any]:
        """Return the newest blocks of T, and on the device the residual block and its coupling."""
        device, (residual, remainder, block, small) = self._device, asked
        projection, coupling, before, missed = device.get_all(*small)
        triangle = small[1]
        diagonal = self._diagonal_of(projection)
        if not self._is_sound(coupling, float(before)):
            block, coupling = self._split_twice(residual, float(before))
            triangle = device.put(coupling)
            remainder -= block @ triangle
            missed = device.get(device.norm(remainder, self.norm))
        self.norm = max(self.norm, float(np.linalg.norm(coupling, 2)) if coupling.size else 0.0)
        off = float(missed) + self._measuring_error(diagonal, coupling)
        self.defect = math.hypot(self.defect, off)
        return diagonal, coupling, block, triangle

    def _diagonal_of(self, projection: Array) -> Array:
        """Return the block of T that a projection QⱼᵀAQⱼ is but for rounding."""
        if not np.all(np.isfinite(projection)):
            raise ValueError("the operator returned values that are not finite")
        self.norm = max(self.norm, float(np.linalg.norm(projection, 2)))
        gap = float(np.max(np.abs(projection - projection.T)))
        if gap > 1e-6 * self.norm and gap > 2.0 * self._noise(self.norm, len(projection)):
            raise ValueError(
                "the operator is not symmetric: its products do not satisfy uᵀAv = vᵀAu"
            )
        return np.asarray((projection + projection.T) / 2.0)

    def _is_sound(self, triangle: Array, before: float) -> bool:
        """Whether a residual block is of full rank, and no direction of it small.

        `before` is the norm of it before it was made orthogonal to the basis.
        """
        if triangle.shape[1] > self.n - self._basis.columns or not np.all(np.isfinite(triangle)):
            return False
        least = float(np.linalg.svd(triangle, compute_uv=False)[-1])
        return least > max(self._negligible, _UNSPOILED * before)

    @property
    def _negligible(self) -> float:
        """A singular value of a residual block that is as good as 0."""
        return float(8.0 * np.sqrt(self.n) * _EPS * self.norm)

    def _split_twice(self, residual: Any, before: float) -> tuple[Any, Array]:
        """Factor a residual block with small directions, each made orthogonal as a unit vector."""
        block, coupling, least = self._split(residual)
        if block.shape[1] and least < _UNSPOILED * before:
            # small differences of large numbers: once more, now that the block is unit sized
            self._basis.orthogonalise(block)
            block, correction = self._device.qr(block)
            coupling = correction @ coupling
        return block, coupling

    def _measuring_error(self, diagonal: Array, coupling: Array) -> float:
        """Bound what computing AQ − QT − (residual block) of a pass rounds, in Frobenius norm.

        It is AQ less three products of at most b columns with blocks of T. A column of |Q| times
        one of a block is at most √b times that one's norm, and AQ is no larger than their sum.
        """
        parts = [diagonal, coupling]
        if self._previous is not None:
            parts.append(self.couplings[-1])
        width = max(part.shape[1] for part in [*parts, coupling.T])
        sizes = sum(float(np.linalg.norm(part / self.norm)) for part in parts if self.norm)
        return float(gamma(width + 3) * 2.0 * math.sqrt(width) * sizes * self.norm)

    def _take(self, diagonal: Array, coupling: Array, block: Any, on_device: Any) -> None:
        """Take a pass as done; `on_device` is the coupling there."""
        self.passes += 1
        self.multiplied += self._current.shape[1]
        self.diagonals.append(diagonal)
        self.couplings.append(coupling)
        self._coupling = on_device
        self._previous = self._current
        self._current = self._device.xp.ascontiguousarray(block)
        self._basis.append(self._current)

    @property
    def reads_back(self) -> bool:
        """False: a run that nothing is stored of computes its passes."""
        return False

    def record(self) -> dict[str, Array]:
        """Return all that the newest pass added, or what a restart began from, as NumPy arrays."""
        with self._device.context():
            block = self._device.get(self._current)
        if not self.diagonals:
            return {"start": block, "rounding": np.array([self.defect, self.norm])}
        record = {
            "diagonal": self.diagonals[-1],
            "coupling": self.couplings[-1],
            "block": block,
            "rounding": np.array([self.defect, self.norm]),
        }
        if self.passes == 1:
            with self._device.context():
                record["first"] = self._device.get(self._previous)
        return record

    def restore(self, record: dict[str, Array]) -> None:
        """Add a pass, or restart, as `record` returned it, on this device or on another."""
        with self._device.context():
            if "start" in record:
                self._go_on(record["start"])
                return
            if "first" in record:
                self._begin(self._device.put(record["first"]))
            self.defect, self.norm = (float(value) for value in record["rounding"])
            block = self._device.put(record["block"])
            coupling = record["coupling"]
            self._take(record["diagonal"], coupling, block, self._device.put(coupling))

    def begins_like(self, start: Array) -> bool:
        """Whether a stored start block has this one's random columns, but for rounding."""
        with self._device.context():
            random = self._device.get(self._current)[:, : self.block]
        return bool(np.max(np.abs(start[:, : self.block] - random)) <= _SAME)

    def recognises(self, diagonal: Array) -> bool:
        """Whether a stored A₀ is this matrix's, judged by one product with one vector."""
        start = self._current
        with self._device.context():
            first = self._device.xp.ascontiguousarray(start[:, :1])
        product = self._matmat(first)
        with self._device.context():
            entry = float(start[:, 0] @ product[:, 0])
        scale = float(np.max(np.abs(diagonal)))
        return abs(entry - float(diagonal[0, 0])) <= 1e-10 * scale

    def _split(self, residual: Any) -> tuple[Any, Array, float]:
        """Factor the residual block into orthonormal columns and their coupling, dropping nulls.

        And return the least singular value of it, 0 where columns were dropped.
        """
        max_columns = self.n - self._basis.columns
        block, triangle = self._device.qr(residual)
        left, sizes, right = np.linalg.svd(triangle)
        keep = min(int(np.count_nonzero(sizes > self._negligible)), max_columns)
        if keep == residual.shape[1]:
            return block, triangle, float(sizes[-1])
        # larger sizes are dropped only where the basis fills the space: rounding again
        kept = block @ self._device.put(left[:, :keep])
        return kept, sizes[:keep, None] * right[:keep], 0.0

    def ritz_ends(self) -> tuple[float, float]:
        """Return the least Ritz value and the largest."""
        low, high = (self._eigenpairs(1, largest)[0] for largest in (False, True))
        return float(low[0]), float(high[0])

    @property
    def width_of_band(self) -> int:
        """Nonzero entries of a row of T, at most."""
        return 3 * max(int(diagonal.shape[0]) for diagonal in self.diagonals)

    def extreme_pair(self, largest: bool) -> tuple[float, Array, Array]:
        """Return an extreme Ritz value, its eigenvector of T, and the Ritz vector (n,), NumPy's."""
        value, small = self._eigenpairs(1, largest)
        return float(value[0]), small[:, 0], self._basis.combine(small)[:, 0]

    def times_tridiagonal(self, small: Array) -> Array:
        """Return T times a vector."""
        starts = np.cumsum([0, *(diagonal.shape[0] for diagonal in self.diagonals)])
        parts = [small[a:b] for a, b in itertools.pairwise(starts)]
        result = [diagonal @ part for diagonal, part in zip(self.diagonals, parts, strict=True)]
        for j, coupling in enumerate(self.couplings[:-1]):
            result[j + 1] += coupling @ parts[j]
            result[j] += coupling.T @ parts[j + 1]
        return np.concatenate(result)

    def leaving(self, small: Array) -> Array:
        """Return BₖEₖᵀ times a vector of T's: its part in the residual block."""
        return np.asarray(self.couplings[-1] @ small[-self.diagonals[-1].shape[0] :])

    def residual_part(self, vector: Array) -> Array:
        """Return the residual block's products with a vector (n,), a NumPy array."""
        with self._working():
            return self._device.get(self._current.T @ self._device.put(vector[:, None]))[:, 0]

    def _eigenpairs(self, count: int, largest: bool) -> tuple[Array, Array]:
        """Return eigenvalues of T at one end, the extreme one first, and its eigenvectors."""
        count = min(count, sum(diagonal.shape[0] for diagonal in self.diagonals))
        return self._pairs_at_ends.find(self.diagonals, self.couplings, count, largest)

    def ritz_pairs(
        self, count: int, largest: bool, vectors: bool
    ) -> tuple[Array, Array, Array | None]:
        """Return values, residual norms and vectors of Ritz pairs at one end, NumPy's."""
        values, small = self._eigenpairs(count, largest)
        residuals = np.linalg.norm(self.leaving(small), axis=0)
        return values, residuals, self._basis.combine(small) if vectors else None
