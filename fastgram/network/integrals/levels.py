"""Levels of double integrals: which one chords and values have converged at.

Two levels that agree at some angles are taken for right; panels are the same at all others.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from fastgram.network.activations import Activation
from fastgram.network.integrals.double_integral import terms_of
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.integrals.quadrature import (
    LEVELS,
    agree,
    between,
    outwards,
    refuse_divergence,
    refuse_infinity,
)
from fastgram.network.integrals.waves import is_closed
from fastgram.support.arrays import Array

__all__ = ["common_level", "pair_level"]

_FIRST = 1  # at level 0 the tails of a normal density have too few nodes
_PROBES = (0.4, np.pi / 2.0)  # the angles at which a level is judged
_NEAREST = 0.02  # and the least but one of them, for variances up to 1


def common_level(activation: Activation, derivative: bool, variances: Array) -> int:
    """Return a level that serves all pairs of variances: the largest of the extreme pairs'."""
    if is_closed(activation, np.sqrt(variances)):
        return 0  # there are no nodes
    least, most = outwards(activation, variances)
    pairs = {(least, most), *((q, q) for q in between(least, most)[::2].tolist()), (most, most)}
    return max(_level(activation, derivative, *pair) for pair in pairs)


def pair_level(activation: Activation, derivative: bool, q1: float, q2: float) -> int:
    """Return a level that serves two variances."""
    if is_closed(activation, np.sqrt([q1, q2])):
        return 0
    least, most = sorted(outwards(activation, np.array([q]))[1] for q in (q1, q2))
    return _level(activation, derivative, least, most)


def _allowed(sizes: Array, roots: Array) -> Array:
    """Return what the agreement of chords and values is judged by: (angles, 4)."""
    both, own, others, value = sizes.T
    # differences of either function carry the roundings of its values
    chord = both + roots[0] * np.sqrt(others) / 4.0 + roots[1] * np.sqrt(own) / 4.0
    return np.stack([chord, chord, value, value], axis=1)


@functools.lru_cache(maxsize=4096)
def _level(activation: Activation, derivative: bool, q1: float, q2: float) -> int:
    """Return the level at which the chords between two variances have converged.

    Raises
    ------
    ValueError
        If they do not converge: a kink was not declared, or f grows or oscillates too fast.
    """
    deviations = np.sqrt([q1, q2])
    if not deviations.any():
        return 0
    # one of them in the layer where two rows at a large variance are told apart, one on the way
    nearest = min(_NEAREST, 1.0 / max(float(np.max(deviations)), 1.0))
    probes = np.unique([*_PROBES, nearest / 16.0, nearest, math.sqrt(nearest)])
    roots = np.sqrt(mean_squares(activation, derivative, deviations**2))
    previous = None
    with np.errstate(over="ignore", invalid="ignore"):
        for level in range(_FIRST, LEVELS):
            sums, sizes = [], []
            for of_angles in terms_of(activation, derivative, probes, deviations, level):
                sums.append([terms.sums() for terms in of_angles])
                if previous is not None:
                    sizes.append([terms.sums_of_sizes() for terms in of_angles])
            found = np.sum(sums, axis=0)
            if not np.all(np.isfinite(found)):
                refuse_infinity(activation, derivative, q1, q2)
            if previous is not None:
                allowed = _allowed(np.sum(sizes, axis=0), roots)
                if agree(found, previous, allowed):
                    return level
            previous = found
    refuse_divergence(activation, derivative, q1, q2)
