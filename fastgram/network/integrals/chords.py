"""Chords: κ(1) − κ(ρ) and κ(−1) − κ(−ρ), κ(ρ) = E[f₁(x) f₂(y)], x and y normal of correlation ρ.

Exchanging x and y gives κ(1) − κ(ρ) = ½E[(f₁(x) − f₁(y))(f₂(x) − f₂(y))], f_i = f(s_i ·), which
has no cancellation as ρ tends to 1; and the same with f₂(−·) at the other end. With x = m + δ and
y = m − δ, m ~ N(0, c²) and δ ~ N(0, σ²), c = cos θ/2 and σ = sin θ/2, as in
`fastgram.network.integrals.double_integral`, the integrand knows nothing of the angle:

    κ(1) − κ(ρ) = E D(|δ|, c),   D(δ, c) = ½E_m[(f₁(m + δ) − f₁(m − δ))(f₂(m + δ) − f₂(m − δ))].

D is made once, as a polynomial of δ on panels graded toward 0 and of log 1/c² in [0, log 2]. Each
angle is then a product of matrices, for all pairs of standard deviations alike.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from fastgram.network.activations import Activation
from fastgram.network.integrals.bends import common_bend
from fastgram.network.integrals.double_integral import cuts_of_y, distinct_panels, meetings
from fastgram.network.integrals.quadrature import (
    Rule,
    both_signs,
    gauss_legendre,
    kink_distances,
    nodes_on,
    outer_cuts,
    radial_cuts,
    rule_of,
    sharpness,
)
from fastgram.network.integrals.waves import chords_of_waves, is_closed
from fastgram.support.arrays import Array

__all__ = ["chords_of", "order_of"]

_VALUES = 2**17  # of functions at nodes, at a time: they fit a second-level cache
# Nodes of log 1/c², from 0 to log 2: what they miss falls like 9**-k.
_COUNT = 16
_ANGLES = np.pi * (np.arange(_COUNT) + 0.5) / _COUNT
_SHAPES = 2.0 ** (0.5 + 0.5 * np.cos(_ANGLES))
_GRADING = 3.0  # from a panel of δ to the next
_NARROW = 4.0  # standard deviations in which a normal density is a polynomial, wherever they are
_MORE = 8  # nodes than coefficients, in a moment on a panel
_TOP = math.sqrt(0.5)  # the largest σ
_NOTHING = 2.0**-500


def chords_of(
    activation: Activation, derivative: bool, theta: Array, deviations: Array, level: int
) -> Array:
    """Return κ(1) − κ(ρ) and κ(−1) − κ(−ρ) for all pairs of standard deviations.

    Parameters
    ----------
    activation : Activation
    derivative : bool
        Whether f' is meant.
    theta : (k,) array
        Angles in [0, π/2].
    deviations : (m,) array
    level : int

    Returns
    -------
    (2, k, pairs) array
        For the pairs of `numpy.triu_indices(m)`, each to a few roundings of itself, or of what
        f's own rounding makes of it.
    """
    if is_closed(activation, deviations):
        pairs = np.triu_indices(deviations.size)
        chords = [chords_of_waves(activation, derivative, t, deviations) for t in theta.tolist()]
        return np.moveaxis(np.array(chords)[..., pairs[0], pairs[1]], 1, 0)
    return _prepared(activation, derivative, tuple(deviations.tolist()), level)(theta)


@functools.lru_cache(maxsize=2)  # a fit asks for one again and again; of many norms it is large
def _prepared(
    activation: Activation, derivative: bool, deviations: tuple[float, ...], level: int
) -> _Chords:
    return _Chords(activation, derivative, np.asarray(deviations), level)


# --- the nodes ------------------------------------------------------------------------------------


class _Panel(NamedTuple):
    """Nodes on a panel of δ, for each of these those of y, and what sums over them are weighted by.

    Of shapes (δ,), (distinct panels, count), (δ, panels) and (δ, panels · count, shapes), the last
    for each 1/c².
    """

    delta: Array
    y: Array
    places: npt.NDArray[np.intp]
    density: Array


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where D is taken: the edges of panels of δ, and `count` Gauss-Legendre nodes on each."""

    rule: Rule
    count: int
    edges: Array
    panels: list[_Panel]


@functools.lru_cache(maxsize=4)
def _grid(lines: tuple[float, ...], sharpest: float, bend: float, level: int) -> _Grid:
    rule, count = rule_of(level), 20 + 2 * level
    top = outer_cuts(rule)[-1] * _TOP
    depth = math.ceil(math.log(top * max(sharpest, 1.0), _GRADING)) + rule.deeper
    meeting = meetings(np.asarray(lines))
    graded = top * _GRADING ** np.arange(-depth, 1.0)
    edges = np.unique(np.concatenate([[0.0], graded, meeting[meeting < top]]))
    half = np.diff(edges)[:, None] / 2.0
    deltas = edges[:-1, None] + half * (1.0 + gauss_legendre(count)[0])
    steps = radial_cuts(sharpest, rule, bend)
    return _Grid(rule, count, edges, [_panel(lines, steps, delta, rule) for delta in deltas])


def _panel(lines: tuple[float, ...], steps: Array, delta: Array, rule: Rule) -> _Panel:
    cuts = cuts_of_y(np.asarray(lines), steps, delta)
    start, length = cuts[:, :-1], np.diff(cuts, axis=1)
    # y from −δ on, so that many panels are empty, and m = y + δ where there is something
    used = np.any((length > 0.0) & (start + delta[:, None] < outer_cuts(rule)[-1]), axis=0)
    start, length = start[:, used], length[:, used]
    row, panel = (part.ravel() for part in np.indices(start.shape))
    distinct = distinct_panels(start, length, row, panel)
    y, weight = nodes_on(distinct.start[:, None], distinct.length[:, None], rule)
    places = distinct.places.reshape(start.shape)
    weight = weight[places].reshape(delta.size, -1)
    mean = y[places].reshape(delta.size, -1) + delta[:, None]
    # shapes first, so that loops are long, and last to those who multiply
    density = np.multiply.outer(_SHAPES, -0.5 * mean * mean)
    np.exp(density, out=density)
    density *= (0.5 / math.sqrt(2.0 * math.pi)) * weight
    density *= np.sqrt(_SHAPES)[:, None, None]
    return _Panel(delta, y, places, np.moveaxis(density, 0, 2))


@functools.lru_cache(maxsize=32)
def _moments(grid: _Grid, order: int, theta: tuple[float, ...]) -> Array:
    """Return E[|δ|^p P_k] on the first panels, P_k the Legendre polynomials there: (angles, …).

    On all others it is next to nothing.
    """
    exact = np.sin(np.asarray(theta) / 2.0)
    half = np.maximum(exact, _NOTHING)[:, None]
    farthest = float(np.max(half)) * outer_cuts(grid.rule)[-1]
    used = int(np.searchsorted(grid.edges[:-1], farthest))
    low, high = grid.edges[:used], grid.edges[1 : used + 1]
    narrow = (high <= _GRADING * (1.0 + 1e-9) * low) | (high <= _NARROW * np.min(half))
    result = np.empty((half.size, low.size, grid.count))
    result[:, narrow] = _narrow_moments(grid.count, order, half, low[narrow], high[narrow])
    for p in np.flatnonzero(~narrow).tolist():
        result[:, p] = _wide_moments(grid, order, half, float(low[p]), float(high[p]))
    result[exact == 0.0] = 0.0
    return result.reshape(half.size, -1)


def _narrow_moments(count: int, order: int, half: Array, low: Array, high: Array) -> Array:
    """Return the moments on panels where a normal density is a polynomial, or next to nothing.

    Their nodes are the same on all panels, whatever the angle, and the polynomials there.
    """
    nodes, weights = gauss_legendre(count + _MORE)
    delta = (low + high)[:, None] / 2.0 + (high - low)[:, None] / 2.0 * nodes
    weight = (high - low)[:, None] / math.sqrt(2.0 * math.pi) * weights * delta**order
    b = delta / half[:, :, None]
    density = np.exp(-0.5 * b * b) * (weight / half[:, :, None])
    return np.asarray(density @ _legendre(count + _MORE, count))


@functools.cache
def _legendre(nodes: int, count: int) -> Array:
    """Return so many Legendre polynomials at so many nodes of Gauss, (nodes, count)."""
    return np.asarray(legendre.legvander(gauss_legendre(nodes)[0], count - 1))


def _wide_moments(grid: _Grid, order: int, half: Array, low: float, high: float) -> Array:
    """Return the moments on the panel next to 0, or another as wide: (angles, count)."""
    outer = np.append(0.0, outer_cuts(grid.rule))
    ends = np.minimum(np.concatenate([low / half, high / half], axis=1), outer[-1])
    cuts = np.clip(outer, ends[:, :1], ends[:, 1:])
    cuts = np.concatenate([ends[:, :1], cuts[:, 1:], ends[:, 1:]], axis=1)
    start, length = cuts[:, :-1], np.diff(cuts, axis=1)
    used = np.any(length > 0.0, axis=0)
    b, weight = nodes_on(start[:, used], length[:, used], grid.rule)
    weight = weight * (2.0 / math.sqrt(2.0 * math.pi)) * np.exp(-0.5 * b * b)
    delta = half * b
    place = np.clip((2.0 * delta - low - high) / (high - low), -1.0, 1.0)
    weight = weight * delta**order
    polynomials = legendre.legvander(place, grid.count - 1)
    return np.asarray((weight[:, None] @ polynomials)[:, 0])


# --- all angles -----------------------------------------------------------------------------------


class _Chords:
    """D of all pairs of standard deviations, and the chords of any angles."""

    def __init__(
        self, activation: Activation, derivative: bool, deviations: Array, level: int
    ) -> None:
        self._order = order_of(activation, derivative)
        lines = tuple(kink_distances(activation, deviations).tolist())
        sharpest, bend = sharpness(float(np.max(deviations))), common_bend(activation, deviations)
        self._grid = _grid(lines, sharpest, bend, level)
        count = self._grid.count
        values = np.array(
            [_means(activation, derivative, deviations, p) for p in self._grid.panels]
        )
        delta = np.array([panel.delta for panel in self._grid.panels])
        values /= (delta**self._order)[:, None, :, None, None]
        # series of Legendre polynomials in δ, for each shape
        by_panel = _legendre(count, count).T * gauss_legendre(count)[1]
        by_panel *= np.arange(count)[:, None] + 0.5
        series = np.matmul(by_panel, np.moveaxis(values, 3, 2))  # (…, pairs, count, shapes)
        # as a matrix from moments to pairs and shapes, on either side
        self._series = np.moveaxis(series, (1, 3), (0, 2)).reshape(2, -1, values.shape[3] * _COUNT)

    def __call__(self, theta: Array) -> Array:
        moments = _moments(self._grid, self._order, tuple(theta.tolist()))
        series = self._series[:, : moments.shape[1]]
        sides = (moments @ series).reshape(2, theta.size, -1, _COUNT)
        return np.asarray((sides @ _interpolation(theta)[:, :, None])[..., 0])


def _interpolation(theta: Array) -> Array:
    """Return what makes values at these angles of those at the shapes: (angles, shapes).

    Lagrange's polynomials, whose roundings are not those of coefficients: a sixth of these.
    """
    place = 2.0 * np.log2(1.0 / np.cos(theta / 2.0) ** 2) - 1.0
    apart = place[:, None] - np.cos(_ANGLES)
    met = apart == 0.0
    terms = (-1.0) ** np.arange(_COUNT) * np.sin(_ANGLES) / np.where(met, 1.0, apart)
    shares = terms / np.sum(terms, axis=1, keepdims=True)
    return np.asarray(np.where(np.any(met, axis=1, keepdims=True), met, shares))


def _means(activation: Activation, derivative: bool, deviations: Array, panel: _Panel) -> Array:
    """Return D(δ, c) at both ends on a panel, for all pairs: (2, δ, pairs, shapes)."""
    first, second = np.triu_indices(deviations.size)
    result = np.empty((2, panel.delta.size, first.size, _COUNT))
    size = max(_VALUES // (panel.density.shape[1] * max(deviations.size, 4)), 1)
    parity = activation.parity * (-1 if derivative else 1)
    at_distinct = both_signs(activation, derivative, deviations, panel.y)
    for start in range(0, panel.delta.size, size):
        part = slice(start, start + size)
        places = panel.places[part]
        x = panel.y[places] + 2.0 * panel.delta[part, None, None]
        at_x = both_signs(activation, derivative, deviations, x)
        plus, minus = (
            (a - b[:, places]).reshape(deviations.size, len(places), -1)
            for a, b in zip(at_x, at_distinct, strict=True)
        )
        sides = [plus[first] * plus[second] + minus[first] * minus[second]]
        if not parity:
            sides.append(plus[first] * minus[second] + minus[first] * plus[second])
        for side, products in enumerate(sides):
            result[side, part] = np.moveaxis(products, 0, 1) @ panel.density[part]
    if parity:  # f₂(−·) is f₂, or its negative
        result[1] = parity * result[0]
    return result


def order_of(activation: Activation, derivative: bool) -> int:
    """Return the power of the chord's length that distances fall like: 1 where f (or f') jumps."""
    function = activation.df if derivative else activation.f
    for kink in activation.kinks:
        size = max(abs(kink), 1.0)
        below, above = function(kink + size * np.array([-1e-9, 1e-9]))
        around = np.max(np.abs(function(kink + size * np.array([-1.0, 1.0]))))
        if abs(above - below) > 1e-6 * around:
            return 1
    return 2
