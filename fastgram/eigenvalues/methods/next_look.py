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

# The part of the way to where the line meets 0, and the furthest, relative to the passes so far:
# in 33 runs on spheres (3 to 100 dimensions, blocks of 1 to 32) they miss the first pass that would
# do in one, with half of the looks that one at every pass or sixteenth takes.
_PART, _FURTHEST = 0.6, 0.25
_MARGIN = 0.5  # of a pass: how soon after a look the lines may meet 0, and it be the last


def furthest_look(passes: int) -> int:
    """Return the last pass at which the next look may be, after one at so many passes."""
    return passes + max(1, int(_FURTHEST * passes))


class NextLook:
    """The pass at which to look next.

    Parameters
    ----------
    marks : sequence of int
        Passes at which to look in any case.

    Attributes
    ----------
    due : int
        Looks are due from this pass on.
    ends : bool
        Whether the lines say that the look that is due may be the last.
    """

    def __init__(self, marks: Sequence[int] = ()) -> None:
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
        self.due = min([passes + step, furthest_look(passes), *marks])
        self.ends = self.due + _MARGIN > passes + left
        self._passes, self._before = passes, list(ends)


def _passes_left(gauge: float, before: float, since: int) -> float:
    """Return the passes until a gauge meets 0 on the line through its last two values."""
    if gauge <= 0.0:
        return 0.0
    fall = (before - gauge) / since
    return gauge / fall if fall > 0.0 else math.inf
