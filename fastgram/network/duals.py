"""Duals: E[f(u) f(v)] of two correlated normal variables, by the rules of `quadrature`.

`dual` is the public one. What tables are made of keeps the relative digits of small differences:
`chord_matrices` and `pair_distances` are sums of products of differences, and none is taken of
values.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation, get_activation
from fastgram.network.lines import lines_of
from fastgram.network.quadrature import (
    LEVELS,
    Rule,
    batches,
    both_signs,
    chords,
    common_level,
    half_plane,
    kink_distances,
    panels,
    products,
    rule_of,
)
from fastgram.support.arrays import Array
from fastgram.support.validation import as_flag, as_real_array

__all__ = [
    "careful_chords",
    "careful_sum",
    "chord_matrices",
    "chords_at",
    "dual",
    "dual_entries",
    "dual_matrices",
    "mean_squares",
    "normal_rule",
    "pair_distances",
    "parallel_duals",
    "values_at",
]

_ROWS = 4096  # variances at a time
_OF_LINES = 2  # the level of the quadrature that lines between kinks take


def dual_matrices(
    activation: Activation, derivative: bool, theta: float, variances: Array
) -> tuple[Array, Array]:
    """E f(u)f(v) (or of f') at correlations cos θ and −cos θ, for all pairs of variances."""
    level = common_level(activation, derivative, variances)
    s = np.sqrt(variances)
    return products(activation, derivative, theta, s, s, level)


def chord_matrices(
    activation: Activation, derivative: bool, theta: float, variances: Array
) -> tuple[Array, Array]:
    """κ(1) − κ(cos θ) and κ(−1) − κ(−cos θ), for all pairs of variances, θ in [0, π/2]."""
    level = common_level(activation, derivative, variances)
    return chords(activation, derivative, theta, np.sqrt(variances), level)


def chords_at(
    activation: Activation, derivative: bool, theta: float, variance: float, level: int
) -> Array:
    """Return κ(1) − κ(ρ) and κ(−1) − κ(−ρ) as tables are made of them: θ in [0, π/2]."""
    same, opposite = chords(activation, derivative, theta, np.sqrt([variance]), level)
    return np.array([same[0, 0], opposite[0, 0]])


def values_at(
    activation: Activation, derivative: bool, theta: float, variance: float, level: int
) -> Array:
    """Return κ(ρ) and κ(−ρ) by the quadrature of a level: θ in [0, π/2]."""
    s = np.sqrt([variance])
    same, opposite = products(activation, derivative, theta, s, s, level)
    return np.array([same[0, 0], opposite[0, 0]])


def careful_chords(
    activation: Activation, derivative: bool, theta: float, variance: float, level: int
) -> Array:
    """Return what `chords_at` does, the sums rounded five times and no more."""
    s = np.sqrt([variance])
    lines = kink_distances(activation, s)
    grid = np.broadcast_arrays(*half_plane(theta, lines, lines, rule_of(level)))
    x, y, weight = (part.ravel() for part in grid)
    up, um = (side[0] for side in both_signs(activation, derivative, s, x))
    vp, vm = (side[0] for side in both_signs(activation, derivative, s, y))
    same = careful_sum(weight * ((up - vp) ** 2 + (um - vm) ** 2))
    return 0.5 * np.array([same, 2.0 * careful_sum(weight * (up - vp) * (um - vm))])


def parallel_duals(activation: Activation, derivative: bool, variances: Array) -> Array:
    """Return E g(√q z)g(±√p z), z normal, for all pairs of variances, (2, m, m): g is f or f'."""
    # one dimension is cheap: the finest level, without asking which would do
    z, weight = _normal_panels(rule_of(LEVELS - 1), kink_distances(activation, np.sqrt(variances)))
    function = activation.df if derivative else activation.f
    points = np.sqrt(variances)[:, None] * z
    plus, minus = (np.broadcast_to(function(sign * points), points.shape) for sign in (1.0, -1.0))
    same = (plus * weight) @ plus.T + (minus * weight) @ minus.T
    opposite = (plus * weight) @ minus.T + (minus * weight) @ plus.T
    return np.array([same, opposite])


def careful_sum(terms: Array) -> float:
    """Return the sum of an array (n,): four roundings of its parts, and one of the whole."""
    for _ in range(4):
        half = terms.size // 2
        rest = terms[2 * half :]
        terms = np.concatenate([terms[:half] + terms[half : 2 * half], rest])
    return math.fsum(terms.tolist())


def normal_rule(activation: Activation, variances: Array) -> tuple[Array, Array]:
    """Nodes z > 0 and weights for E[·], z normal, of f(√q z) and f'(√q z) for all the variances.

    An expectation is the sum over the nodes of weight times (value at z + value at −z).
    """
    rule = _normal_level(activation, variances)
    return _normal_panels(rule, kink_distances(activation, np.sqrt(variances)))


def mean_squares(activation: Activation, derivative: bool, variances: Array) -> Array:
    """E f(√q z)² (or of f'), z normal, for each variance q: equal shapes."""
    distinct, places = np.unique(variances, return_inverse=True)
    function = activation.df if derivative else activation.f
    rule = _normal_level(activation, distinct)
    kinks = np.unique(np.abs([kink for kink in activation.kinks if kink]))
    value = np.empty(distinct.size)
    for start in range(0, distinct.size, _ROWS):
        part = slice(start, start + _ROWS)
        deviations = np.sqrt(distinct[part])[:, None]
        with np.errstate(divide="ignore"):
            z, weight = _normal_panels(rule, kinks / deviations)
        points = deviations * z
        with np.errstate(over="ignore", under="ignore"):
            squares = function(points) ** 2 + function(-points) ** 2
        value[part] = np.sum(weight * squares, axis=-1)
    return value[places].reshape(variances.shape)


def _normal_level(activation: Activation, variances: Array) -> Rule:
    if lines_of(activation) is not None:  # their squares times the density, between kinks
        return rule_of(_OF_LINES)
    levels = (common_level(activation, derivative, variances) for derivative in (False, True))
    return rule_of(max(levels))


def _normal_panels(rule: Rule, lines: Array) -> tuple[Array, Array]:
    """Nodes and weights of the half normal, cut at `lines` (along the last axis)."""
    fixed = np.broadcast_to(rule.radii, (*lines.shape[:-1], rule.radii.size))
    cuts = np.sort(np.concatenate([fixed, np.minimum(lines, rule.radii[-1])], axis=-1), axis=-1)
    z, weight = panels(cuts, rule)
    return z, weight * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def pair_distances(
    activation: Activation, theta: float, q: tuple[float, float], size: tuple[float, float]
) -> tuple[float, float]:
    """½E(f(u)/size₁ − f(v)/size₂)² and ½E(f(u)/size₁ + f(v)/size₂)², θ in [0, π].

    Both are sums of squares: neither loses digits where it is small.
    """
    obtuse = theta > np.pi / 2.0
    s1, s2 = np.sqrt([q[0]]), np.sqrt([q[1]])
    level = common_level(activation, False, np.asarray(q))
    lines = (kink_distances(activation, s1), kink_distances(activation, s2), rule_of(level))
    minus = plus = 0.0
    for x, y, weight in batches(2, *half_plane(np.pi - theta if obtuse else theta, *lines)):
        up, um = (side / size[0] for side in both_signs(activation, False, s1, x))
        vp, vm = (side / size[1] for side in both_signs(activation, False, s2, y))
        if obtuse:
            vp, vm = vm, vp
        minus += float(np.sum(weight * ((up - vp) ** 2 + (um - vm) ** 2)))
        plus += float(np.sum(weight * ((up + vp) ** 2 + (um + vm) ** 2)))
    return 0.5 * minus, 0.5 * plus


def dual_entries(
    activation: Activation, derivative: bool, theta: Array, q1: Array, q2: Array
) -> Array:
    """E f(u)f(v) (or of f') at angles θ in [0, π], one quadrature an entry; equal shapes."""
    value = np.empty(theta.size)
    if not theta.size:
        return value.reshape(theta.shape)
    level = common_level(activation, derivative, np.concatenate([q1.ravel(), q2.ravel()]))
    for k, (angle, a, b) in enumerate(zip(theta.flat, q1.flat, q2.flat, strict=True)):
        acute = min(angle, np.pi - angle)
        pair = products(activation, derivative, acute, np.sqrt([a]), np.sqrt([b]), level)
        value[k] = pair[0 if angle <= np.pi / 2.0 else 1][0, 0]
    return value.reshape(theta.shape)


@overload
def dual(
    activation: str | Activation,
    rho: float,
    q1: float = 1.0,
    q2: float = 1.0,
    derivative: bool = False,
) -> np.float64: ...


@overload
def dual(
    activation: str | Activation,
    rho: npt.ArrayLike,
    q1: npt.ArrayLike = 1.0,
    q2: npt.ArrayLike = 1.0,
    derivative: bool = False,
) -> Array | np.float64: ...


def dual(
    activation: str | Activation,
    rho: npt.ArrayLike,
    q1: npt.ArrayLike = 1.0,
    q2: npt.ArrayLike = 1.0,
    derivative: bool = False,
) -> Array | np.float64:
    """E[f(u)f(v)] for normal u, v of variances q1, q2 and correlation rho.

    Parameters
    ----------
    activation : str or Activation
        Its name or the Activation itself.
    rho : array_like
        Correlation, in [−1, 1].
    q1, q2 : array_like
        Variances, at least 0. All three broadcast together.
    derivative : bool
        Take f' in the place of f.

    Returns
    -------
    numpy.ndarray or numpy.float64
        Of the broadcast shape, float64; a scalar where all three are scalars. The error is at
        most 2e-14 relative to max(1, |value|), or a rounding of E|f(u)f(v)| where that is more
        (polynomials of large variance at correlations near 0).

    Raises
    ------
    ValueError
        If a correlation is outside [−1, 1], a variance negative, or the quadrature of an
        activation of your own does not converge (an undeclared kink, say).

    Notes
    -----
    One two-dimensional quadrature an entry, about a millisecond: `gram` and `GramOperator` do not
    call this for every pair of rows but read a table made from it.

    Examples
    --------
    >>> import fastgram as fg
    >>> float(fg.dual("relu", 1.0).round(12))
    0.5
    """
    activation, derivative = get_activation(activation), as_flag("derivative", derivative)
    correlation, first, second = np.broadcast_arrays(
        _real("rho", rho), _real("q1", q1), _real("q2", q2)
    )
    if not np.all(np.abs(correlation) <= 1.0):
        raise ValueError("rho must lie in [-1, 1]")
    for name, variance in (("q1", first), ("q2", second)):
        if not np.all((variance >= 0.0) & np.isfinite(variance)):
            raise ValueError(f"{name} must be a finite variance, at least 0")
    value = dual_entries(activation, derivative, np.arccos(correlation), first, second)
    return np.float64(value[()]) if value.ndim == 0 else value


def _real(name: str, value: npt.ArrayLike) -> Array:
    return as_real_array(value, name).astype(np.float64)
