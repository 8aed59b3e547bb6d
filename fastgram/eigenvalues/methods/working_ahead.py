"""Whether a device begins the next pass while the host looks at brackets.

A device that works by itself is asked for the pass and not waited for. What it computes is what it
would have computed after the look, or is thrown away where the look ends the run: results, and the
passes that are counted, are the same. It pays where a pass does not take much longer than the looks
of a run together, and where the looks so far say that this one will not be the last.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastgram.linalg.block_lanczos import BlockLanczos

__all__ = ["WorkingAhead"]

# How much longer than a look a pass may take: a run has some 16 looks, and throws away a pass in
# one run of seven. Below what that allows, for no card has timed it.
_MOST_LOOKS = 16.0


class WorkingAhead:
    """What a run's passes and looks take, and what follows of it.

    Parameters
    ----------
    possible : bool
        Whether the device works by itself.
    """

    def __init__(self, possible: bool) -> None:
        self._possible = possible
        self._pass = math.inf  # seconds, the newest of each
        self._look = 0.0
        self._begun = False

    @property
    def pays(self) -> bool:
        """Whether a pass should be begun before a look that is not likely to be the last."""
        return self._possible and self._pass <= _MOST_LOOKS * self._look

    def begin(self, run: BlockLanczos) -> None:
        """Have the device at the next pass."""
        run.begin()
        self._begun = True

    @contextmanager
    def a_pass(self) -> Iterator[None]:
        """Take the time of a pass, unless it was begun before."""
        started = time.perf_counter()
        yield
        if not self._begun:
            self._pass = time.perf_counter() - started
        self._begun = False

    @contextmanager
    def a_look(self) -> Iterator[None]:
        """Take the time of a look."""
        started = time.perf_counter()
        yield
        self._look = time.perf_counter() - started
