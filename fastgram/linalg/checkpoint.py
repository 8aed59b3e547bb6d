"""A Lanczos run on disk, so that a killed one goes on: a file a pass, and one a restart.

What is stored is what `BlockLanczos.record` returns, and what the products have found out beside
themselves, that the brackets need: a run that goes on comes to the bits of one that was not ended.
The first pass brings its start block along: extra start vectors are not found again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint_folder import CheckpointFolder
from fastgram.support.arrays import Array

__all__ = ["Checkpoint", "Multiplied", "run_facts", "start_vectors"]


def run_facts(matrix: dict[str, Any], n: int, block: int, seed: int) -> dict[str, Any]:
    """Return what tells a run from others, for JSON."""
    return {"n": n, "block": block, "seed": seed, "matrix": matrix}


def start_vectors(
    folder: CheckpointFolder | None, block: int, find: Callable[[], Array | None]
) -> Array | None:
    """Return the extra start vectors of the run in a folder, what `find` finds where it is new."""
    if folder is None or not folder.count:
        return find()
    return folder.read(0)["first"][:, block:]


class Multiplied(Protocol):
    """The matrix of a run, as far as a checkpoint has to know it."""

    @property
    def told_by_facts(self) -> bool:
        """Whether facts alone tell it from every other matrix."""

    def facts(self) -> dict[str, Any]:
        """Return what tells it from others, for JSON."""

    def learned(self) -> Array:
        """Return what products so far have found out beside themselves."""

    def recall(self, learned: Array) -> None:
        """Take what the products of an earlier process had found out as found out."""


class Checkpoint:
    """The passes of one run in one folder.

    Parameters
    ----------
    folder : CheckpointFolder
        Begun by `begin`.
    run : BlockLanczos
        Fresh.
    matrix : Multiplied

    Raises
    ------
    ValueError
        If the folder holds a run from another start block, or on another matrix: judged by one
        product with one vector where facts do not tell.
    """

    def __init__(self, folder: CheckpointFolder, run: BlockLanczos, matrix: Multiplied) -> None:
        self._folder, self._run, self._matrix = folder, run, matrix
        self._number = 0  # of the next file
        if folder.count:
            self._check(folder.read(0))

    @staticmethod
    def begin(folder: CheckpointFolder, matrix: Multiplied, n: int, block: int, seed: int) -> None:
        """Say in the folder what run it is of, or check it: before any product.

        Raises
        ------
        ValueError
            If the folder holds a run on another matrix, or with another order, block, seed or
            version of fastgram, or is damaged.
        OSError
            If it cannot be read or written.
        """
        folder.begin(run_facts(matrix.facts(), n, block, seed))

    @property
    def reads_back(self) -> bool:
        """Whether the next pass is there already."""
        return self._number < self._folder.count

    def advance(self) -> None:
        """Take the run one pass on: from the folder if the pass is there, else into it."""
        self._step("diagonal", self._run.advance)

    def restart(self, lowest: int, highest: int) -> None:
        """Restart the run: from the folder if the restart is there, else into it."""
        self._step("start", lambda: self._run.restart(lowest, highest))

    def _step(self, mark: str, work: Callable[[], None]) -> None:
        if self.reads_back:
            record = self._folder.read(self._number)
            if mark not in record:
                raise ValueError(
                    f"checkpoint {self._folder.path} is of a run with other room for its basis:"
                    " give another folder, or as much room as then"
                )
            self._matrix.recall(record["learned"])
            self._run.restore(record)
        else:
            self._folder.check_writable()
            work()
            self._folder.append({**self._run.record(), "learned": self._matrix.learned()})
        self._number += 1

    def _check(self, first: dict[str, Array]) -> None:
        path, run = self._folder.path, self._run
        columns = first["first"].shape[1]
        if columns != run.width:
            raise ValueError(
                f"checkpoint {path} is of a run with columns of the start block = {columns}, not"
                f" {run.width}: give another folder"
            )
        if not run.begins_like(first["first"]):
            raise ValueError(
                f"checkpoint {path} is of a run with other random columns: give another folder"
            )
        if not self._matrix.told_by_facts and not run.recognises(first["diagonal"]):
            raise ValueError(
                f"checkpoint {path} is of a run on another matrix: give another folder"
            )
