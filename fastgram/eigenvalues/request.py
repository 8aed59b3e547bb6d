"""Request and Answer: the arguments of every method, checked, and its result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgram.bracket import Bracket
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.results import RitzPairs
from fastgram.linalg.checkpoint_folder import CheckpointFolder
from fastgram.support.literals import AnsweringMethod
from fastgram.support.validation import as_number

__all__ = ["Answer", "PassBudget", "Request", "Until"]

# Nearly closed: no wider than so many times what was asked for.
_NEARLY = 4.0


@dataclass(frozen=True)
class PassBudget:
    """How long passes may go on before another way should be taken."""

    passes: int  # that cost as much as the other way

    def allowed_width(self, passes: int, rtol: float) -> float:
        """Return how wide λ_min's bracket may be after so many passes, relative to it.

        Brackets narrow about exponentially: at half of the passes the width should be √rtol. At
        all of them one that is nearly closed is waited for, for as many more.
        """
        if 2 * passes < self.passes:
            return math.inf
        if passes < self.passes:
            return math.sqrt(rtol)
        return _NEARLY * rtol if passes < 2 * self.passes else 0.0

    @property
    def marks(self) -> tuple[int, int, int]:
        """The passes at which `allowed_width` changes."""
        return -(-self.passes // 2), self.passes, 2 * self.passes


@dataclass(frozen=True)
class Until:
    """A time limit and a callback, either of which ends a run with what it has."""

    time_limit: float | None = None  # in seconds, from `started`
    callback: Callable[[Bracket, Bracket], object] | None = None
    started: float = 0.0  # by time.perf_counter

    def __post_init__(self) -> None:
        if self.time_limit is not None:
            limit = as_number("time_limit", self.time_limit, above=0.0)
            object.__setattr__(self, "time_limit", limit)
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback must be a function of two brackets, not {self.callback!r}")

    def out_of_time(self) -> bool:
        """Whether the time limit is over."""
        return self.time_limit is not None and time.perf_counter() - self.started > self.time_limit

    def asks(self, smallest: Bracket, largest: Bracket, exponent: int) -> bool:
        """Tell the callback of brackets, of the scaled matrix, and return whether it said stop."""
        if self.callback is None:
            return False
        said = self.callback(bracket_scaled(smallest, exponent), bracket_scaled(largest, exponent))
        return isinstance(said, (bool, np.bool_)) and bool(said)

    def words(self, late: bool) -> str:
        """Return the words of a message: `late` for the time limit, else for the callback."""
        return f"stopped at time_limit = {self.time_limit:g} s" if late else "stopped by callback"


@dataclass(frozen=True)
class Request:
    """The arguments of a call, checked."""

    rtol: float
    chance: float  # of a miss, at each end
    block: int
    k: int
    vectors: bool
    max_passes: int | None
    seed: int
    checkpoint: CheckpointFolder | None
    progress: bool
    dense_limit: int  # the order up to which a proof by factorisation is worth its time
    basis_bytes: int | None = None  # what the basis of "lanczos" may take
    pass_budget: PassBudget | None = None
    until: Until = Until()


@dataclass(frozen=True)
class Answer:
    """The result of a method; an end that exact facts decide is overridden later."""

    smallest: Bracket
    largest: Bracket
    smallest_pairs: RitzPairs
    largest_pairs: RitzPairs
    noise_floor: float
    block: int
    passes: int
    message: str
    method: AnsweringMethod | None = None  # where it is another than was called
    why: str = ""  # it was that method
    cut_short: bool = False  # by max_passes, the time limit, the callback or the noise floor
    stopped_early: bool = False  # whether `Request.pass_budget` ended it
