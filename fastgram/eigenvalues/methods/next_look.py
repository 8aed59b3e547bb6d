"""When a run's brackets are worth a look: extrapolated from what the last two looks have found.

A look takes eigenvalues of T and an elimination: of small matrices as much as a pass. How far off
is what is looked for *gauges* say, numbers that fall about linearly with the passes and are reached
once they are no longer positive: the logarithm of what an exclusion is off by
(`fastgram.linalg.exclusion.excess`), or that of a Ritz value over the noise floor. The next look is
a part of the way to where the straight line meets 0, and never far, since gauges fall faster where
Ritz values have settled. It follows from the passes and from what was found in them alone: a run
that is taken up again looks where it would have looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["NextLook", "furthest_look"]

# The part of the way to where the line meets 0, and the furthest: relative to the passes so far,
# and in passes as long as these are few. Gauges stand still for some passes, and then fall faster
# than a line has said. In 73 runs (3 to 100 dimensions, three networks, blocks of 8 to 32, 14 to 87
# passes) 2 missed the first pass that would do, by 1, with 0.46 of the looks that one at every pass
# takes; with 0.6 of the way and a quarter of the passes 8 missed it, by up to 6, at more looks.
_PART, _FURTHEST, _FEW, _MANY = 0.8, 0.35, 5, 1.0 / 16.0
# Where this times passes·(block + 8)²/n² is 1 a look takes 3 % of a pass: some 0.2 µs times
# passes·(block + 8)², and on the fastest device known, an H200, 5.3 ps times n² in 100 dimensions.
# By what is known beforehand, and not by the device: runs end at the same pass on each.
_LOOKS = 1.25e6
_MARGIN = 1.5  # passes: how soon after a look the lines may meet 0, and it be the last


def furthest_look(passes: int, n: int, block: int) -> int:
    """Return the last pass at which the next look may be, after one at so many passes."""
    most = max(_FEW, int(_MANY * passes))
    worth = int(_LOOKS * passes * (block + 8.0) ** 2 / float(n) ** 2)
    # of very many passes a part, whatever n: a plan goes through those that fill any space
    least = max(1, int(_MANY / 2.0 * passes))
    return passes + max(least, min(int(_FURTHEST * passes), most, worth))


class NextLook:
    """The pass at which to look next.

    Parameters
    ----------
    n, block : int
        Order of the matrix, and columns of a pass.
    marks : sequence of int
        Passes at which to look in any case.

    Attributes
    ----------
    due : int
        Looks are due from this pass on.
    ends : bool
        Whether the lines say that the look that is due may be the last.
    """

    def __init__(self, n: int, block: int, marks: Sequence[int] = ()) -> None:
        self._n, self._block = n, block
        self.due = 1
        self.ends = False
        self._marks = marks
        self._passes = 0
        self._before: list[Sequence[float]] = []

    def plan(self, passes: int, ends: Sequence[Sequence[float]]) -> None:
        """Set when the next look is due, after one at so many passes.

        Parameters
        ----------
        passes : int
            More than at the last look.
        ends : sequence of sequences of float
            The gauges of each end, of which the first that is reached closes it; all ends are to
            be closed.
        """
        before = self._before or [[math.nan] * len(gauges) for gauges in ends]
        since = passes - self._passes
        left = max(
            min(_passes_left(gauge, old, since) for gauge, old in zip(*both, strict=True))
            for both in zip(ends, before, strict=True)
        )
        step = int(max(1.0, min(_PART * left, passes)))
        marks = [mark for mark in self._marks if mark > passes]
        self.due = min([passes + step, furthest_look(passes, self._n, self._block), *marks])
        self.ends = self.due + _MARGIN > passes + left
        self._passes, self._before = passes, list(ends)


def _passes_left(gauge: float, before: float, since: int) -> float:
    """Return the passes until a gauge meets 0 on the line through its last two values."""
    if gauge <= 0.0:
        return 0.0
    fall = (before - gauge) / since
    return gauge / fall if fall > 0.0 else math.inf
