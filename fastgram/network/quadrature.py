"""The quadrature of duals: E[f(u) f(v)] over two correlated normal variables, in polar coordinates.

With u = √q₁ r cos φ and v = √q₂ r cos(φ − θ), θ = arccos ρ, the density of (r, φ) is
r exp(−r²/2)/(2π). A kink of f at 0 is a ray and a kink elsewhere a line, so the integrand is
smooth between rays and, along each ray, between the radii where it crosses the lines: there
Gauss–Legendre converges geometrically. Two facts halve the work twice: turning φ by π changes the
signs of u and v, so half a turn with f taken at ±u and ±v is enough, and the same values give the
dual at ρ and at −ρ. Everything below therefore takes |ρ| and answers for both signs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastgram.network.activations import Activation
from fastgram.network.functions import Function
from fastgram.support.arrays import Array

__all__ = [
    "LEVELS",
    "Rule",
    "batches",
    "both_signs",
    "chords",
    "common_level",
    "half_plane",
    "kink_distances",
    "panels",
    "products",
    "quadrature_level",
    "rule_of",
]

_EPS = float(np.finfo(np.float64).eps)
# A level of the quadrature is accepted when the next finer one agrees with it to this, relative
# to E|f(u)f(v)|.
_AGREEMENT = 24 * _EPS
LEVELS = 7
_LEAST = 2.0**-200  # variance at which a level is judged
_WIDE = 1e3  # variance from which on what a function does near 0 might be missed
_VALUES = 2**16  # of functions at nodes, at a time: they fit a second-level cache
_PROBES = (0.0, 0.02, 0.4, 1.1, np.pi / 2.0)  # the angles at which a level is judged


@dataclass(frozen=True)
class Rule:
    """One level of the quadrature: the pattern that every panel is cut into, and the radii."""

    fractions: Array  # cuts of an angular panel, graded toward both of its ends
    radii: Array  # cuts of the radius, graded toward 0
    nodes: Array  # Gauss-Legendre on [0, 1]
    weights: Array


@functools.cache
def rule_of(level: int) -> Rule:
    """Return the rule of a level, 0 to LEVELS − 1."""
    # A sharp activation (tanh at a variance of 100) has its poles within 1/√q of the rays u = 0
    # and v = 0, and of r = 0: hence the grading, a factor of 4 a cut, deeper at each level.
    nodes, weights = np.polynomial.legendre.leggauss(12 + 4 * level)
    toward_zero = 0.25 ** np.arange(level + 1, 0, -1.0)
    half = np.concatenate([toward_zero * 2.0, [1.0]]) / 2.0
    fractions = np.concatenate([[0.0], half, 1.0 - half[-2::-1], [1.0]])
    outermost = 9.0 + level
    outer = np.linspace(1.0, outermost, 4 + level)
    radii = np.concatenate([[0.0], 0.25 ** np.arange(level, 0, -1.0), outer])
    return Rule(fractions, radii, (nodes + 1.0) / 2.0, weights / 2.0)


def panels(cuts: Array, rule: Rule) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on the panels between `cuts` (along the last axis)."""
    start, length = cuts[..., :-1, None], np.diff(cuts, axis=-1)[..., None]
    shape = (*cuts.shape[:-1], -1)
    return (start + length * rule.nodes).reshape(shape), (length * rule.weights).reshape(shape)


def half_plane(
    theta: float, lines_u: Array, lines_v: Array, rule: Rule
) -> tuple[Array, Array, Array]:
    """Nodes (x, y) of the half plane and their weights, for one angle θ in [0, π/2].

    x = r cos φ and y = r cos(φ − θ) are u and v in units of their standard deviations;
    `lines_u` and `lines_v` are the distances (above 0) at which f has kinks in those units.
    """
    # angles are counted from the ray u = 0, so that the sliver between it and the ray v = 0, all
    # that matters as θ tends to 0, is known to rounding relative to its width θ
    rays = [0.0, theta, np.pi]
    if lines_u.size and lines_v.size and theta > 0.0:
        # where a line x = ±a meets a line y = ±b the order of the radial cuts changes
        a, b = np.meshgrid(lines_u, np.concatenate([lines_v, -lines_v]), indexing="ij")
        crossing = np.arctan2((b - a * np.cos(theta)) / np.sin(theta), a).ravel()
        rays = sorted([*rays, *np.mod(crossing - np.pi / 2.0, np.pi)])
    edges = np.asarray(rays)
    widths = np.diff(edges)
    cuts = np.append((edges[:-1, None] + widths[:, None] * rule.fractions[:-1]).ravel(), edges[-1])
    angle, angle_weight = panels(cuts, rule)
    cos_u, cos_v = -np.sin(angle), -np.sin(angle - theta)
    if lines_u.size or lines_v.size:
        with np.errstate(divide="ignore"):
            crossings = np.concatenate(
                [lines_u / np.abs(cos_u)[:, None], lines_v / np.abs(cos_v)[:, None]], axis=1
            )
        crossings = np.minimum(crossings, rule.radii[-1])
        fixed = np.broadcast_to(rule.radii, (angle.size, rule.radii.size))
        radial_cuts = np.sort(np.concatenate([fixed, crossings], axis=1), axis=1)
    else:
        radial_cuts = rule.radii[None, :]
    radius, radius_weight = panels(radial_cuts, rule)
    weight = radius_weight * radius * np.exp(-0.5 * radius * radius) / (2.0 * np.pi)
    return radius * cos_u[:, None], radius * cos_v[:, None], weight * angle_weight[:, None]


def kink_distances(activation: Activation, deviations: Array) -> Array:
    """Distances of the kinks away from 0, in units of each standard deviation."""
    distances = {abs(kink) / s for kink in activation.kinks for s in deviations if kink and s > 0}
    return np.asarray(sorted(distances))


def both_signs(
    activation: Activation, derivative: bool, deviations: Array, points: Array
) -> tuple[Array, Array]:
    """f(s·points) and f(−s·points), or of f', one row for each standard deviation s."""
    function = activation.df if derivative else activation.f
    arguments = deviations[:, None] * points
    plus = np.broadcast_to(np.asarray(function(arguments), dtype=np.float64), arguments.shape)
    if activation.parity:  # it is declared, exactly
        return plus, plus * (-activation.parity if derivative else activation.parity)
    minus = np.asarray(function(-arguments), dtype=np.float64)
    return plus, np.broadcast_to(minus, arguments.shape)


def batches(count: int, *grids: Array) -> Iterator[tuple[Array, ...]]:
    """Yield nodes and weights a batch at a time: `count` functions of a batch stay in cache."""
    size = max(_VALUES // count, 1)
    flat = [grid.ravel() for grid in grids]
    for start in range(0, flat[0].size, size):
        yield tuple(grid[start : start + size] for grid in flat)


def products(
    activation: Activation, derivative: bool, theta: float, s1: Array, s2: Array, level: int
) -> tuple[Array, Array]:
    """E f(u)f(v) at ρ = cos θ and at −ρ, for standard deviations s1 × s2."""
    grid = half_plane(
        theta, kink_distances(activation, s1), kink_distances(activation, s2), rule_of(level)
    )
    same, opposite = (np.zeros((s1.size, s2.size)) for _ in range(2))
    for x, y, weight in batches(s1.size + s2.size, *grid):
        up, um = both_signs(activation, derivative, s1, x)
        vp, vm = both_signs(activation, derivative, s2, y)
        wp, wm = up * weight, um * weight
        same += wp @ vp.T + wm @ vm.T
        opposite += wp @ vm.T + wm @ vp.T
    return same, opposite


def _judged(
    activation: Activation, derivative: bool, theta: float, s1: Array, s2: Array, level: int
) -> tuple[float, float, float]:
    """E f(u)f(v) at ρ = cos θ and at −ρ, and E|f(u)f(v)|, for two standard deviations."""
    same, opposite = products(activation, derivative, theta, s1, s2, level)
    grid = half_plane(
        theta, kink_distances(activation, s1), kink_distances(activation, s2), rule_of(level)
    )
    magnitude = 0.0
    for x, y, weight in batches(2, *grid):
        u, v = both_signs(activation, derivative, s1, x), both_signs(activation, derivative, s2, y)
        both = [np.abs(plus) + np.abs(minus) for plus, minus in (u, v)]
        magnitude += float(np.sum(weight * both[0] * both[1]))
    return float(same[0, 0]), float(opposite[0, 0]), magnitude


def chords(
    activation: Activation, derivative: bool, theta: float, s: Array, level: int
) -> tuple[Array, Array]:
    """κ(1) − κ(ρ) and κ(−1) − κ(−ρ) for ρ = cos θ ≥ 0, relatively accurate as θ tends to 0.

    For every pair of the standard deviations s. Exchanging u and v gives
    κ(1) − κ(ρ) = ½E[(f₁(u) − f₁(v))(f₂(u) − f₂(v))] with f₁ = f(s₁ ·), f₂ = f(s₂ ·), which has no
    cancellation as ρ tends to 1; and the same with f₂(−·) at the other end.
    """
    lines = kink_distances(activation, s)
    same, opposite = np.zeros((s.size, s.size)), np.zeros((s.size, s.size))
    for x, y, weight in batches(2 * s.size, *half_plane(theta, lines, lines, rule_of(level))):
        up, um = both_signs(activation, derivative, s, x)
        vp, vm = both_signs(activation, derivative, s, y)
        plus = up - vp
        weighted_plus = plus * weight
        if activation.parity:  # minus is plus or its negative
            same += weighted_plus @ plus.T
            continue
        minus = um - vm
        weighted_minus = minus * weight
        same += weighted_plus @ plus.T + weighted_minus @ minus.T
        opposite += weighted_plus @ minus.T + weighted_minus @ plus.T
    if activation.parity:
        return same, same * (-activation.parity if derivative else activation.parity)
    return 0.5 * same, 0.5 * opposite


@functools.lru_cache(maxsize=4096)
def quadrature_level(activation: Activation, derivative: bool, q1: float, q2: float) -> int:
    """Return the quadrature level at which an activation has converged at two variances.

    Raises
    ------
    ValueError
        If it does not converge: a kink was not declared, or f grows or oscillates too fast.
    """
    s1, s2 = np.sqrt([q1]), np.sqrt([q2])
    role = "f'" if derivative else "f"
    function = activation.df if derivative else activation.f
    where = f"activation {activation.name!r}: E[{role}(u){role}(v)] at variances {q1:g} and {q2:g}"
    previous = None
    with np.errstate(over="ignore", invalid="ignore"):
        for level in range(LEVELS):
            values = np.array([_judged(activation, derivative, t, s1, s2, level) for t in _PROBES])
            if not np.all(np.isfinite(values)):
                raise ValueError(
                    f"{where} is not finite: {role} must be finite everywhere"
                    " and grow more slowly than exp(z²/(4·variance))"
                )
            if previous is not None:
                bound = _AGREEMENT * values[:, 2]
                if np.all(np.abs(values[:, :2] - previous[:, :2]) <= bound[:, None]):
                    if q1 == q2 and values[0, 0] < (1.0 - 1e-9) * _near_zero(function, q1):
                        break  # two levels agree on nothing but what lies between their nodes
                    return level - 1
            previous = values
    raise ValueError(
        f"{where}: the quadrature does not converge: declare every kink of f and f' in kinks=,"
        " or lower the variance"
    )


def _near_zero(function: Function, variance: float) -> float:
    """Return the part of E f(√q z)² that comes from |√q z| ≤ 64, by nodes of that very range.

    At a variance of 1e12 it may be all there is, and narrower than any panel of the quadrature.
    """
    if variance <= _WIDE:
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(24)
    starts = np.arange(-64.0, 64.0, 0.25)
    points = (starts[:, None] + 0.125 * (nodes + 1.0)).ravel()
    density = np.exp(-0.5 * points * points / variance) / math.sqrt(2.0 * math.pi * variance)
    squares = np.asarray(function(points), dtype=np.float64) ** 2 * density
    return float(0.125 * np.sum(np.tile(weights, starts.size) * squares))


def common_level(activation: Activation, derivative: bool, variances: Array) -> int:
    """Return a level that serves all pairs of variances: the largest of the extreme pairs'.

    Without kinks away from 0, whose lines move with the variance, extremes are rounded outwards to
    half powers of 2: a level costs more to find than to use.
    """
    least, most = float(np.min(variances)), float(np.max(variances))
    if least > 0.0:  # below it an activation is its tangent; squares of denormals would not agree
        least, most = max(least, _LEAST), max(most, _LEAST)
    if least > 0.0 and most < np.inf and not any(activation.kinks):
        least = 2.0 ** (np.floor(2.0 * np.log2(least)) / 2.0)
        most = 2.0 ** (np.ceil(2.0 * np.log2(most)) / 2.0)
    pairs = {(least, least), (least, most), (most, most)}
    return max(quadrature_level(activation, derivative, *pair) for pair in pairs)
