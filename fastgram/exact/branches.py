"""f and f' of an activation at real balls, on both sides of its kinks and at them.

A number on a kink is one of two cases. Where the ball is a point, the kink itself, the float64
definition decides which side counts, or that neither does (the derivative of abs is 0 at 0). A ball
around the kink gets the hull of all that it may mean: more precision makes it smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from flint import arb, ctx

from fastgram.network.activations import Activation

__all__ = ["Branches", "Elementwise"]

# Balls of more bits than this that hold a kink are the kink, for all that can be known.
_MOST_BITS = 1024
# What f at a kink may differ from a branch there, and be that branch rounded to float64.
_ROUNDINGS = 16.0 * float(np.finfo(np.float64).eps)


class Branches(NamedTuple):
    """A function in pieces.

    Attributes
    ----------
    kinks : tuple of arb
        Exact, ascending.
    functions : tuple of callable
        One more, from the left to the right: each is defined for any real ball, and holds the
        function's values on its own side.
    """

    kinks: tuple[arb, ...]
    functions: tuple[Callable[[arb], arb], ...]


class Elementwise:
    """f, or f', from a ball to a ball that holds its value at every number within.

    Parameters
    ----------
    activation : Activation
        Whose float64 functions say what holds at a kink.
    branches : Branches
        Of f or f'.
    derivative : bool
    """

    def __init__(self, activation: Activation, branches: Branches, derivative: bool) -> None:
        self._kinks, self._functions = branches
        points = np.array([float(kink) for kink in self._kinks])
        values = (activation.df if derivative else activation.f)(points) if points.size else points
        self._at_kinks = [self._at_kink(k, float(value)) for k, value in enumerate(values)]

    def _at_kink(self, k: int, value: float) -> arb:
        """Return the value at a kink: of the branch that float64 has there, else float64's own."""
        for function in self._functions[k : k + 2]:
            side = function(self._kinks[k])
            if abs(float(side.mid()) - value) <= _ROUNDINGS * abs(value):
                return side
        return arb(value)

    def __call__(self, z: arb) -> arb:
        """Enclose the values at a ball.

        Raises
        ------
        ValueError
            If a ball of more than a thousand bits holds a kink, and other numbers too.
        """
        kinks, functions = self._kinks, self._functions
        first = 0
        while first < len(kinks) and z > kinks[first]:
            first += 1
        last = first
        while last < len(kinks) and not z < kinks[last]:
            last += 1
        value = functions[first](z)
        if first == last:
            return value
        if z.is_exact():
            return self._at_kinks[first]
        if ctx.prec > _MOST_BITS:
            raise ValueError(
                f"{ctx.prec} bits do not tell a preactivation from the kink at"
                f" {float(kinks[first]):g}"
            )
        for k in range(first, last):
            value = value.union(self._at_kinks[k]).union(functions[k + 1](z))
        return value
