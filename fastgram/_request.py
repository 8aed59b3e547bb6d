"""What a method is asked for, and what it answers; one face for all methods."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fastgram._results import Bracket, RitzPairs

__all__ = ["Answer", "Request", "bracket"]


@dataclass(frozen=True)
class Request:
    """What was asked for, checked."""

    rtol: float
    chance: float  # of a miss, at each end
    block: int
    k: int
    vectors: bool
    max_passes: int | None
    seed: int
    checkpoint: str | os.PathLike[str] | None
    progress: bool
    dense_limit: int  # the order up to which a proof by factorisation is worth its time


@dataclass(frozen=True)
class Answer:
    """What a method found; an end that exact facts have settled is overridden later."""

    smallest: Bracket
    largest: Bracket
    smallest_pairs: RitzPairs
    largest_pairs: RitzPairs
    noise_floor: float
    block: int
    passes: int
    message: str


def bracket(lower: float, upper: float, estimate: float, guarantee: str) -> Bracket:
    ends = float(lower), float(upper)
    return Bracket(*ends, min(max(float(estimate), ends[0]), ends[1]), guarantee)
