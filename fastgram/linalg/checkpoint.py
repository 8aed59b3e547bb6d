"""A Lanczos run on disk: a folder with one file a pass, so that a killed run can go on.

A restart is a file of its own between those of the passes. Every file is an .npz written under
another name and then renamed: a pass is there whole or not at all. Nothing is pickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.support.arrays import Array

__all__ = ["Checkpoint"]


class Checkpoint:
    """The passes of one run in one folder.

    Parameters
    ----------
    path : str or path
        The folder; made where it does not exist.
    run : BlockLanczos
        Fresh.
    seed : int
        Its seed.

    Raises
    ------
    ValueError
        If the folder holds a run on another matrix, or with another order, block, seed or number
        of extra start vectors.
    OSError
        If the folder cannot be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], run: BlockLanczos, seed: int) -> None:
        self._folder = Path(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = run
        self._number = 0  # of the next file
        self._identity = np.array([run.n, run.block, seed, run.width], dtype=np.int64)
        if self._file(0).exists():
            self._check(self._read(self._file(0)))

    def advance(self) -> None:
        """Take the run one pass on: from the folder if the pass is there, else into it."""
        self._step("diagonal", self._run.advance)

    def restart(self, lowest: int, highest: int) -> None:
        """Restart the run: from the folder if the restart is there, else into it."""
        self._step("start", lambda: self._run.restart(lowest, highest))

    def _step(self, mark: str, work: Callable[[], None]) -> None:
        target = self._file(self._number)
        self._number += 1
        if target.exists():
            record = self._read(target)
            if mark not in record:
                raise ValueError(
                    f"checkpoint {self._folder} is of a run with other room for its basis:"
                    " give another folder, or as much room as then"
                )
            self._run.restore(record)
            return
        work()
        partial = target.with_suffix(".partial")
        with open(partial, "wb") as stream:
            arrays: Any = {"identity": self._identity, **self._run.record()}
            np.savez(stream, **arrays)
        os.replace(partial, target)

    def _file(self, number: int) -> Path:
        return self._folder / f"pass-{number:05d}.npz"

    def _read(self, path: Path) -> dict[str, Array]:
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"checkpoint {path} cannot be read: {error}") from None

    def _check(self, first: dict[str, Array]) -> None:
        names = ("n", "block", "seed", "columns of the start block")
        if first["identity"].size != len(names):
            raise ValueError(
                f"checkpoint {self._folder} is of another version of fastgram: give another folder"
            )
        for name, here, stored in zip(names, self._identity, first["identity"], strict=True):
            if here != stored:
                raise ValueError(
                    f"checkpoint {self._folder} is of a run with {name} = {stored}, not {here}:"
                    " give another folder"
                )
        if not self._run.recognises(first["diagonal"]):
            raise ValueError(
                f"checkpoint {self._folder} is of a run on another matrix: give another folder"
            )
