"""What passes that workers share send over the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Traffic", "traffic_of_a_pass"]

_BITS = 8e-9  # gigabits of a byte


@dataclass(frozen=True)
class Traffic:
    """Of one pass.

    Attributes
    ----------
    bytes : int
        Sent in all.
    seconds : float
        While nobody computes.
    """

    bytes: int
    seconds: float


def traffic_of_a_pass(n: int, columns: int, workers: int, bandwidth: float) -> Traffic:
    """Return what a pass sends: the block to each worker, and their sums, in a tree, back.

    Parameters
    ----------
    n, columns : int
        Of the block, in float64.
    workers : int
    bandwidth : float
        Of each machine's link, in Gbit/s. The client's sends the block to one after the other;
        sums of pairs of workers cross at a time.
    """
    block = 8 * n * columns
    levels = math.ceil(math.log2(workers)) + 1 if workers > 1 else 1
    return Traffic(2 * workers * block, (workers + levels) * block * _BITS / bandwidth)
