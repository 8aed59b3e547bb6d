"""The passes of a training curve on disk, so that a killed run goes on to the same numbers.

Those that find λ_max come first, as `fastgram.linalg.checkpoint` stores them, and those from y
after them. They depend on the matrix, y and the seed, and not on what is asked: another call, of
other steps or another step size, reads them back as well.
"""

from __future__ import annotations

from typing import Any

from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.checkpoint_folder import CheckpointFolder
from fastgram.linalg.systems.scalar_lanczos import ScalarLanczos
from fastgram.support.arrays import Array, fingerprint

__all__ = ["StoredPasses", "training_facts"]


def training_facts(matrix: dict[str, Any], block: Array, seed: int) -> dict[str, Any]:
    """Return what tells the run of right-hand sides (n, k) from others, for JSON."""
    return {"n": block.shape[0], "seed": seed, "y": fingerprint(block), "matrix": matrix}


class StoredPasses:
    """The passes from y.

    Parameters
    ----------
    run : ScalarLanczos
        Fresh.
    problem : Problem
    folder : CheckpointFolder or None
        Begun; None stores nothing.
    number : int
        Of the first pass from y, in the folder.

    Raises
    ------
    ValueError
        If the folder holds a run on another matrix: judged by one product where facts do not tell.
    """

    def __init__(
        self, run: ScalarLanczos, problem: Problem, folder: CheckpointFolder | None, number: int
    ) -> None:
        self._run, self._problem, self._folder, self._number = run, problem, folder, number
        if folder is None or number >= folder.count or problem.told_by_facts:
            return
        if not run.recognises(folder.read(number)["alpha"]):
            raise ValueError(
                f"checkpoint {folder.path} is of a run on another matrix: give another folder"
            )

    def advance(self) -> None:
        """Take the run one pass on: from the folder if the pass is there, else into it."""
        folder = self._folder
        if folder is None:
            self._run.advance()
            return
        if self._number < folder.count:
            record = folder.read(self._number)
            if "alpha" not in record:
                raise ValueError(
                    f"checkpoint {folder.path} is of a run on another matrix: give another folder"
                )
            self._problem.recall(record["learned"])
            self._run.restore(record)
        else:
            folder.check_writable()
            self._run.advance()
            folder.append({**self._run.record(), "learned": self._problem.learned()})
        self._number += 1
