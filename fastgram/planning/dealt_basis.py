"""The basis of a run on a cluster: what of it is with the client, and what its workers hold."""

from __future__ import annotations

from dataclasses import dataclass

from fastgram.devices.band import BASIS_PART
from fastgram.devices.cpu import SLICE_ROWS
from fastgram.eigenvalues.extreme import BASIS_BYTES

__all__ = ["DealtBasis"]

# Blocks of vectors that a pass sends to columns elsewhere and that come back, at most: two
# orthogonalisations, and the new block; and the steps of it, all by way of the scheduler.
_CROSSINGS, _STEPS = 5, 10


@dataclass(frozen=True)
class DealtBasis:
    """A basis of so many passes: see `fastgram.linalg.basis.dealt_columns`.

    Attributes
    ----------
    n, columns, passes : int
        The order, the columns of a block, and the passes.
    workers : int
    memory : int
        Bytes of each worker, and of the client.
    """

    n: int
    columns: int
    passes: int
    workers: int
    memory: int

    @property
    def bytes(self) -> int:
        """Bytes of it; beyond what client and workers have for it a run restarts."""
        n, columns = self.n, self.columns
        room = BASIS_BYTES + self.workers * (self.memory // BASIS_PART)
        return min(8 * n * columns * (self.passes + 1), max(room, 48 * n * columns), 8 * n * n)

    @property
    def dealt(self) -> int:
        """Bytes of it that the workers hold."""
        return max(self.bytes - self.memory // 2, 0)

    @property
    def dealt_part(self) -> float:
        """The part of the passes at which there is something there, and of the work with it."""
        return self.dealt / self.bytes

    @property
    def sent(self) -> int:
        """Bytes that cross the network for it, in all."""
        block = 8 * self.n * self.columns
        kept = self.dealt / (8 * self.n)
        coefficients = 2.0 * kept / SLICE_ROWS / 2.0  # of half of the columns, on average
        return int(self.passes * self.dealt_part * block * (_CROSSINGS + coefficients))

    @property
    def steps(self) -> float:
        """How many blocks of vectors cross a link for it, one after the other."""
        return self.passes * self.dealt_part * _STEPS
