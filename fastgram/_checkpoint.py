"""A Lanczos run on disk: a folder with one file a pass, so that a killed run can go on.

Every file is an .npz written under another name and then renamed: a pass is there whole or not at
all. Nothing is pickled.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram._lanczos import BlockLanczos

__all__ = ["Checkpoint"]

Array = npt.NDArray[np.float64]


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
        If the folder holds a run on another matrix, or with another order, block or seed.
    OSError
        If the folder cannot be made or written.
    """

    def __init__(self, path: str | os.PathLike[str], run: BlockLanczos, seed: int) -> None:
        self._folder = Path(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = run
        self._identity = np.array([run.n, run.block, seed], dtype=np.int64)
        if self._file(0).exists():
            self._check(self._read(0))

    def advance(self) -> None:
        """Take the run one pass on: from the folder if the pass is there, else into it."""
        number = self._run.passes
        if self._file(number).exists():
            self._run.restore(self._read(number))
            return
        self._run.advance()
        partial = self._folder / f"pass-{number:05d}.partial"
        with open(partial, "wb") as stream:
            arrays: Any = {"identity": self._identity, **self._run.record()}
            np.savez(stream, **arrays)
        os.replace(partial, self._file(number))

    def _file(self, number: int) -> Path:
        return self._folder / f"pass-{number:05d}.npz"

    def _read(self, number: int) -> dict[str, Array]:
        try:
            with np.load(self._file(number), allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"checkpoint {self._file(number)} cannot be read: {error}") from None

    def _check(self, first: dict[str, Array]) -> None:
        names = ("n", "block", "seed")
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
