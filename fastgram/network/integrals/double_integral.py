"""Double integrals, of an angle each: E f₁(x)f₂(y), x and y normal of correlation ρ = cos θ.

With x = m + δ and y = m − δ, m ~ N(0, c²) and δ ~ N(0, σ²) are independent, c = cos θ/2 and
σ = sin θ/2. Exchanging x and y, and changing both signs, leaves the weights as they are: δ > 0 and
m > 0 are enough, with f at either and at both signs. Panels are graded toward δ = 0 and toward
y = 0, where f bends. Where f has kinks, m is cut where x or y is at one, and δ where two meet.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation
from fastgram.network.integrals.bends import common_bend
from fastgram.network.integrals.quadrature import (
    Rule,
    both_signs,
    kink_distances,
    nodes_on,
    outer_cuts,
    panels,
    radial_cuts,
    rule_of,
    sharpness,
)
from fastgram.support.arrays import Array

__all__ = [
    "Terms",
    "cuts_of_y",
    "distinct_panels",
    "meetings",
    "terms_of",
]

Places = npt.NDArray[np.intp]

_GRADING = 2.5  # from a panel of δ to the next: with more a normal density anywhere is missed
_AT_A_TIME = 6144  # nodes: arrays of two for each stay on the heap, in a second-level cache
_WIDEST = 1.7  # the panel of δ next to 0, in units of σ


class Panels(NamedTuple):
    """Panels, and which of them are those of so many places."""

    start: Array
    length: Array
    places: Places


def cuts_of_y(lines: Array, steps: Array, delta: Array) -> Array:
    """Return cuts of y = m − δ, from −δ on, for each δ: at radial cuts, graded toward 0.

    Of m itself nothing would be left of y near 0, at a large variance.
    """
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


def _cuts_of_delta(half: Array, deviation: float, bend: float, lines: Array, rule: Rule) -> Array:
    """Return cuts of δ for angles with these σ, above 0.

    Panels are no wider for one angle than for many, so that a level that was found for some angles
    serves others.
    """
    least, most = float(np.min(half)), float(np.max(half))
    outer = most * outer_cuts(rule)[1:]
    innermost = _WIDEST * least
    if bend > 0.0:  # x moves by twice as much as δ
        innermost = min(innermost, rule.widest / (2.0 * sharpness(deviation)))
    depth = max(math.ceil(math.log(outer[0] / innermost, _GRADING)), 0)
    graded = outer[0] * _GRADING ** -np.arange(depth, 0.0, -1.0)
    # between a bend and a density's there is nothing
    graded = graded[(graded <= _GRADING * bend) | (graded * _GRADING >= _WIDEST * least)]
    meeting = meetings(lines)
    return np.sort(np.concatenate([[0.0], graded, outer, meeting[meeting < outer[-1]]]))


def distinct_panels(start: Array, length: Array, row: Places, panel: Places) -> Panels:
    """Return panels of y for some δ, of which those that are as the last δ has them are one.

    Parameters
    ----------
    start, length : (δ, panels) arrays
    row, panel : (k,) arrays
        Those that are asked for.
    """
    one, another = start[row, panel], length[row, panel]
    alike = (one == start[-1, panel]) & (another == length[-1, panel])
    others = np.flatnonzero(~alike)
    places = np.array(panel)
    places[others] = start.shape[1] + np.arange(others.size)
    return Panels(np.append(start[-1], one[others]), np.append(length[-1], another[others]), places)


class _Nodes:
    """Nodes for some angles, from the δ nearest to 0 outwards, and their weights.

    An expectation of a function that is unchanged when x and y are exchanged is the sum of the
    weights times twice its values at (x, y) and at (−x, −y).

    Attributes
    ----------
    y : (distinct panels, count) array
    places : (panels,) array
        Where in `y` that of each panel is.
    """

    def __init__(self, activation: Activation, theta: Array, deviations: Array, level: int) -> None:
        rule, half, cosine = rule_of(level), np.sin(theta / 2.0), np.cos(theta / 2.0)
        lines, deviation = kink_distances(activation, deviations), float(np.max(deviations))
        bend = common_bend(activation, deviations)
        if np.any(half):
            cuts = _cuts_of_delta(half, deviation, bend, lines, rule)
            delta, delta_weight = panels(cuts, rule)
        else:  # x and y are one
            half = np.ones(1)
            delta, delta_weight = np.zeros(1), np.full(1, math.sqrt(math.pi / 2.0))
        cuts_of_each = cuts_of_y(lines, radial_cuts(deviation, rule, bend), delta)
        start, length = cuts_of_each[:, :-1], np.diff(cuts_of_each, axis=1)
        square = outer_cuts(rule)[-1] ** 2
        # many panels are empty, or begin where all densities are next to nothing
        left = np.max(cosine) ** 2 * (square - (delta / np.max(half)) ** 2)
        row, panel = np.nonzero((length > 0.0) & ((start + delta[:, None]) ** 2 <= left[:, None]))
        distinct = distinct_panels(start, length, row, panel)
        self.y, self._weight = nodes_on(distinct.start[:, None], distinct.length[:, None], rule)
        self.places, self._row = distinct.places, row
        self._delta, self._left = delta, left
        # of each angle: the weights of δ, with a factor of one half for the exchange and one for
        # the signs or a difference, and the exponents below which there is nothing
        self._angles = []
        for h, c in zip(half.tolist(), cosine.tolist(), strict=True):
            exponent = -0.5 * (delta / h) ** 2
            factor = delta_weight / h * np.exp(exponent) * (0.5 / (math.pi * c))
            least = -0.5 * square - exponent
            self._angles.append((-0.5 / c**2, factor, least, np.count_nonzero(least < 0.0)))

    def parts(self) -> Iterator[slice]:
        """Yield panels of so many nodes: of more, arrays are slower by far."""
        size = max(_AT_A_TIME // self.y.shape[1], 1)
        for start in range(0, self.places.size, size):
            yield slice(start, start + size)

    def at(self, part: slice) -> tuple[Array, list[Array]]:
        """Return x on some panels, and for each angle the weights of so many nodes, the first."""
        row, places = self._row[part], self.places[part]
        delta, weight = self._delta[row, None], self._weight[places]
        mean = self.y[places] + delta
        x = mean + delta
        mean *= mean
        # nothing beyond: f may be too large there
        x *= mean <= self._left[row, None]
        weights = []
        for scale, factor, least, count in self._angles:
            few = slice(np.searchsorted(row, count))
            exponent = mean[few] * scale
            of_angle = weight[few] * (exponent >= least[row[few], None])
            of_angle *= np.exp(exponent, out=exponent)
            of_angle *= factor[row[few], None]
            weights.append(of_angle.ravel())
        return x, weights


_Both = tuple[Array, Array]  # at nodes, and at their negatives


@dataclass(frozen=True)
class _Integrands:
    """What is to be weighted: arrays over nodes (x, y).

    Attributes
    ----------
    first, second : pairs of pairs of (nodes,) arrays
        f₁, and f₂, at x and −x, and at y and −y; one object where they are one.
    """

    first: tuple[_Both, _Both]
    second: tuple[_Both, _Both]

    @functools.cached_property
    def chords(self) -> Array:
        """Those of κ(1) − κ(ρ) and of κ(−1) − κ(−ρ), (2, nodes)."""
        (a, b), (c, d) = self._differences
        if self._alike:
            return np.array([a * a + b * b, 2.0 * (a * b)])
        return np.array([a * c + b * d, a * d + b * c])

    @functools.cached_property
    def values(self) -> Array:
        """Those of κ(ρ) and of κ(−ρ), (2, nodes)."""
        ((ax, bx), (ay, by)), ((cx, dx), (cy, dy)) = self.first, self.second
        if self._alike:
            return np.array([2.0 * (ax * ay + bx * by), 2.0 * (ax * by + bx * ay)])
        near = (ax * cy + ay * cx) + (bx * dy + by * dx)
        far = (ax * dy + ay * dx) + (bx * cy + by * cx)
        return np.array([near, far])

    @functools.cached_property
    def value_sizes(self) -> Array:
        """At least the absolute values of those of values, (nodes,)."""
        fx, fy = (np.abs(u) + np.abs(v) for u, v in self.first)
        if self._alike:
            return np.asarray(2.0 * (fx * fy))
        gx, gy = (np.abs(u) + np.abs(v) for u, v in self.second)
        return np.asarray(fx * gy + fy * gx)

    @functools.cached_property
    def chord_sizes(self) -> Array:
        """At least the absolute values of those of chords, of f₁ and f₂ and of either alone.

        Of shape (3, nodes), or (1, nodes) where f₁ and f₂ are one.
        """
        if self._alike:
            near, far = self.chords
            return np.array([near + np.abs(far)])
        first, second = (np.abs(u) + np.abs(v) for u, v in self._differences)
        return np.array([first * second, first**2, second**2])

    @property
    def _alike(self) -> bool:
        return self.second is self.first

    @functools.cached_property
    def _differences(self) -> tuple[_Both, _Both]:
        def of(at: tuple[_Both, _Both]) -> _Both:
            return at[0][0] - at[1][0], at[0][1] - at[1][1]

        first = of(self.first)
        return first, first if self._alike else of(self.second)


@dataclass(frozen=True)
class Terms:
    """What the integrals of one angle are sums of, at ρ and at −ρ: arrays over nodes (x, y).

    Attributes
    ----------
    weight : (nodes,) array
    integrands : _Integrands
        At these nodes, which come first, and at others.
    """

    weight: Array
    integrands: _Integrands

    @property
    def chords(self) -> Array:
        """Terms of κ(1) − κ(ρ) and of κ(−1) − κ(−ρ), (2, nodes)."""
        return self._weighted(self.integrands.chords)

    @property
    def values(self) -> Array:
        """Terms of κ(ρ) and of κ(−ρ), (2, nodes)."""
        return self._weighted(self.integrands.values)

    @property
    def value_sizes(self) -> Array:
        """At least the absolute values of the terms of values, (nodes,)."""
        return self._weighted(self.integrands.value_sizes)

    @property
    def chord_sizes(self) -> Array:
        """At least the absolute values of the terms of chords, of f₁ and f₂, and of either alone.

        Of shape (3, nodes), or (1, nodes) where f₁ and f₂ are one.
        """
        return self._weighted(self.integrands.chord_sizes)

    def sums(self) -> list[float]:
        """Return the sums of the terms of chords, two, and of values."""
        return self._summed(self.integrands.chords, self.integrands.values)

    def sums_of_sizes(self) -> list[float]:
        """Return the sums of the sizes of terms: three of chords, and that of values."""
        both, *others = self._summed(self.integrands.chord_sizes)
        return [both, *(others or [both, both]), *self._summed(self.integrands.value_sizes[None])]

    def _summed(self, *integrands: Array) -> list[float]:
        # products of vectors and not with a matrix: so few nodes never wait for other threads
        few = slice(self.weight.size)
        return [float(row[few] @ self.weight) for rows in integrands for row in rows]

    def _weighted(self, integrands: Array) -> Array:
        return np.asarray(self.weight * integrands[..., : self.weight.size])


def terms_of(
    activation: Activation, derivative: bool, theta: Array, deviations: Array, level: int
) -> Iterator[list[Terms]]:
    """Yield the terms of some angles, of some thousand nodes at a time.

    f is computed once for all of the angles.

    Parameters
    ----------
    activation : Activation
    derivative : bool
    theta : (k,) array
        In [0, π/2]; above 0 where there are several.
    deviations : (1,) or (2,) array
        f₁'s and f₂'s.
    level : int
    """
    if deviations[0] == deviations[-1]:  # f₁ and f₂ are one
        deviations = deviations[:1]
    nodes = _Nodes(activation, theta, deviations, level)
    at_y = both_signs(activation, derivative, deviations, nodes.y)
    for part in nodes.parts():
        x, weights = nodes.at(part)
        at_x = both_signs(activation, derivative, deviations, x)
        at_both = at_x, [values[:, nodes.places[part]] for values in at_y]
        functions: list[tuple[_Both, _Both]] = []
        for k in range(deviations.size):
            at = [(plus[k].ravel(), minus[k].ravel()) for plus, minus in at_both]
            functions.append((at[0], at[1]))
        integrands = _Integrands(functions[0], functions[-1])
        yield [Terms(weight, integrands) for weight in weights]
