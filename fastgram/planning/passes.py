"""How many passes a bracket takes: not known beforehand, and assumed."""

from __future__ import annotations

import math

from fastgram.eigenvalues.methods.next_look import furthest_look

__all__ = ["INVERSE_PRODUCTS", "PROBING_PASSES", "assumed_passes", "blocks_looked_through"]

# Passes to 1 %, the fewest and the most.
_KINKED, _SMOOTH = (20, 80), (20, 160)
# Looks that the proof of a run's brackets takes, at its end.
_PROOF_LOOKS = 14
# Products with the inverse.
INVERSE_PRODUCTS = (4, 16)
# Passes of a spectral density before it may end.
PROBING_PASSES = 8


def assumed_passes(smooth: bool, rtol: float) -> tuple[int, int]:
    """Return the passes, from the fewest to the most, until both brackets are rtol wide.

    A bracket's width falls about exponentially with the passes, as `PassBudget` takes it to.
    """
    part = max(math.log(min(rtol, 0.5)) / math.log(1e-2), 0.15)
    least, most = _SMOOTH if smooth else _KINKED
    return max(math.ceil(least * part), 1), max(math.ceil(most * part), 1)


def blocks_looked_through(passes: int, n: int, block: int) -> int:
    """Return how many blocks of T all looks at the brackets of a run go through, at both ends."""
    total, look = _PROOF_LOOKS * passes, 1
    while look <= passes:
        total += look
        look = furthest_look(look, n, block)
    return total
