"""The double integral of one angle: E f₁(x)f₂(y), x and y normal of correlation ρ = cos θ.

With x = m + δ and y = m − δ, m ~ N(0, c²) and δ ~ N(0, σ²) are independent, c = cos θ/2 and
σ = sin θ/2. Exchanging x and y, and changing both signs, leaves the weights as they are: δ > 0 and
m > 0 are enough, with f at either and at both signs. Panels are graded toward δ = 0 and toward
y = 0, where f bends. Where f has kinks, m is cut where x or y is at one, and δ where two meet.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from fastgram.network.activations import Activation
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.integrals.quadrature import (
    LEVELS,
    Rule,
    agree,
    between,
    both_signs,
    kink_distances,
    nodes_on,
    outwards,
    panels,
    radial_cuts,
    refuse_divergence,
    refuse_infinity,
    rule_of,
)
from fastgram.network.integrals.waves import swings
from fastgram.support.arrays import Array

__all__ = ["Terms", "common_level", "cuts_of_y", "meetings", "pair_level", "terms_of"]

_FIRST = 1  # at level 0 the tails of a normal density have too few nodes
_PROBES = (0.4, np.pi / 2.0)  # the angles at which a level is judged
_NEAREST = 0.02  # and the least but one of them, for variances up to 1


def cuts_of_y(lines: Array, deviation: float, delta: Array, rule: Rule) -> Array:
    """Return cuts of y = m − δ, from −δ on, for each δ: graded toward 0, where f bends.

    Of m itself nothing would be left of y near 0, at a large variance.
    """
    steps = radial_cuts(deviation, rule)
    below = -np.minimum(steps[::-1], delta[:, None])
    cuts = np.concatenate([below, np.broadcast_to(steps[1:], below[:, 1:].shape)], axis=1)
    if lines.size:
        lines = np.concatenate([lines, -lines])
        at_kinks = np.concatenate(
            [np.broadcast_to(lines, (delta.size, lines.size)), lines - 2.0 * delta[:, None]], axis=1
        )
        cuts = np.concatenate([cuts, np.clip(at_kinks, cuts[:, :1], cuts[:, -1:])], axis=1)
        cuts = np.sort(cuts, axis=1)
    return np.asarray(cuts)


def meetings(lines: Array) -> Array:
    """Return the δ above 0 at which x and y are at lines together, for some m."""
    if not lines.size:
        return np.empty(0)
    lines = np.append(lines, 0.0)
    half = np.abs(np.concatenate([np.add.outer(lines, lines), np.subtract.outer(lines, lines)])) / 2
    return np.unique(half[half > 0.0])


def nodes_of(
    activation: Activation, theta: float, deviations: Array, level: int
) -> tuple[Array, Array, Array]:
    """Return nodes x and y and their weights, for one angle θ in [0, π/2].

    An expectation of a function that is unchanged when x and y are exchanged is the sum of the
    weights times half of its values at (x, y) and at (−x, −y).
    """
    rule = rule_of(level)
    half, cosine = math.sin(theta / 2.0), math.cos(theta / 2.0)
    lines, deviation = kink_distances(activation, deviations), float(np.max(deviations))
    cuts = radial_cuts(deviation * half, rule)
    if half > 0.0:
        meeting = meetings(lines) / half
        cuts = np.sort(np.append(cuts, meeting[meeting < cuts[-1]]))
    b, b_weight = panels(cuts, rule)
    delta = half * b
    cuts_of_each = cuts_of_y(lines, deviation, delta, rule)
    start, length = cuts_of_each[:, :-1], np.diff(cuts_of_each, axis=1)
    # many panels are empty, or begin where the density is next to nothing
    place = (start + delta[:, None]) / cosine
    row, panel = np.nonzero((length > 0.0) & (place**2 <= cuts[-1] ** 2 - (b * b)[:, None]))
    y, weight = nodes_on(start[row, panel][:, None], length[row, panel][:, None], rule)
    b, b_weight, delta = (part[row, None] for part in (b, b_weight, delta))
    distance = ((y + delta) / cosine) ** 2 + b * b
    inside = distance <= cuts[-1] ** 2
    weight = weight * b_weight * np.exp(-0.5 * distance) * (2.0 / (math.pi * cosine))
    return (y + 2.0 * delta)[inside], y[inside], weight[inside]


_Both = tuple[Array, Array]  # at nodes, and at their negatives


@dataclass(frozen=True)
class Terms:
    """What the integrals of one angle are sums of, at ρ and at −ρ: arrays over nodes (x, y).

    Attributes
    ----------
    weight : (nodes,) array
    first, second : pairs of pairs of (nodes,) arrays
        f₁, and f₂, at x and −x, and at y and −y.
    """

    weight: Array
    first: tuple[_Both, _Both]
    second: tuple[_Both, _Both]

    @property
    def chords(self) -> Array:
        """Terms of κ(1) − κ(ρ) and of κ(−1) − κ(−ρ), (2, nodes)."""
        (a, b), (c, d) = self._differences
        # a factor of one half for the exchange, and one for the difference
        quarter = 0.25 * self.weight
        return np.array([quarter * (a * c + b * d), quarter * (a * d + b * c)])

    @property
    def values(self) -> Array:
        """Terms of κ(ρ) and of κ(−ρ), (2, nodes)."""
        ((ax, bx), (ay, by)), ((cx, dx), (cy, dy)) = self.first, self.second
        quarter = 0.25 * self.weight
        near = (ax * cy + ay * cx) + (bx * dy + by * dx)
        far = (ax * dy + ay * dx) + (bx * cy + by * cx)
        return np.array([quarter * near, quarter * far])

    @property
    def value_sizes(self) -> Array:
        """At least the absolute values of the terms of values, (nodes,)."""
        fx, fy, gx, gy = (np.abs(u) + np.abs(v) for u, v in (*self.first, *self.second))
        return np.asarray(0.25 * self.weight * (fx * gy + fy * gx))

    def chord_sizes(self) -> tuple[Array, Array, Array]:
        """At least the absolute values of the terms of chords, of f₁ and f₂, and of either alone.

        Each is of shape (nodes,).
        """
        quarter = 0.25 * self.weight
        first, second = (np.abs(u) + np.abs(v) for u, v in self._differences)
        return quarter * first * second, quarter * first**2, quarter * second**2

    @functools.cached_property
    def _differences(self) -> tuple[_Both, _Both]:
        def of(at: tuple[_Both, _Both]) -> _Both:
            return at[0][0] - at[1][0], at[0][1] - at[1][1]

        first = of(self.first)
        return first, first if self.second is self.first else of(self.second)


def terms_of(
    activation: Activation, derivative: bool, theta: float, deviations: Array, level: int
) -> Terms:
    """Return the terms of one angle.

    Parameters
    ----------
    activation : Activation
    derivative : bool
    theta : float
        In [0, π/2].
    deviations : (1,) or (2,) array
        f₁'s and f₂'s.
    level : int
    """
    if deviations[0] == deviations[-1]:  # f₁ and f₂ are one
        deviations = deviations[:1]
    x, y, weight = nodes_of(activation, theta, deviations, level)
    plus_minus = [both_signs(activation, derivative, deviations, z) for z in (x, y)]
    at_x, at_y = ([(p[k], m[k]) for k in range(deviations.size)] for p, m in plus_minus)
    first = at_x[0], at_y[0]
    return Terms(weight, first, first if deviations.size == 1 else (at_x[1], at_y[1]))


# --- levels ---------------------------------------------------------------------------------------


def common_level(activation: Activation, derivative: bool, variances: Array) -> int:
    """Return a level that serves all pairs of variances: the largest of the extreme pairs'."""
    least, most = outwards(activation, variances)
    pairs = {(least, most), *((q, q) for q in between(least, most)[::2].tolist()), (most, most)}
    return max(_level(activation, derivative, *pair) for pair in pairs)


def pair_level(activation: Activation, derivative: bool, q1: float, q2: float) -> int:
    """Return a level that serves two variances."""
    least, most = sorted(outwards(activation, np.array([q]))[1] for q in (q1, q2))
    return _level(activation, derivative, least, most)


def _judged(terms: Terms, roots: Array) -> tuple[Array, Array]:
    """Return the chords and values of an angle, and the sizes that their agreement is judged by."""
    both, own, others = (np.sum(part) for part in terms.chord_sizes())
    # differences of either function carry the roundings of its values
    chord = both + roots[0] * np.sqrt(others) / 4.0 + roots[1] * np.sqrt(own) / 4.0
    value = np.sum(terms.value_sizes)
    found = np.sum(np.concatenate([terms.chords, terms.values]), axis=1)
    return found, np.array([chord, chord, value, value])


@functools.lru_cache(maxsize=4096)
def _level(activation: Activation, derivative: bool, q1: float, q2: float) -> int:
    """Return the level at which the chords between two variances have converged.

    Raises
    ------
    ValueError
        If they do not converge: a kink was not declared, or f grows or oscillates too fast.
    """
    deviations = np.sqrt([q1, q2])
    if swings(activation, deviations) or not deviations.any():
        return 0  # there are no nodes
    # one of them in the layer where two rows at a large variance are told apart, one on the way
    nearest = min(_NEAREST, 1.0 / max(float(np.max(deviations)), 1.0))
    probes = {*_PROBES, nearest / 16.0, nearest, math.sqrt(nearest)}
    roots = np.sqrt(mean_squares(activation, derivative, deviations**2))
    previous = None
    with np.errstate(over="ignore", invalid="ignore"):
        for level in range(_FIRST, LEVELS):
            judged = [
                _judged(terms_of(activation, derivative, t, deviations, level), roots)
                for t in sorted(probes)
            ]
            found, size = (np.array(part) for part in zip(*judged, strict=True))
            if not np.all(np.isfinite(found)):
                refuse_infinity(activation, derivative, q1, q2)
            if previous is not None and agree(found, previous, size):
                return level
            previous = found
    refuse_divergence(activation, derivative, q1, q2)
