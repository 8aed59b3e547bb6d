"""Expectations over one normal variable: variances, and duals of parallel and opposite rows.

Panels are those of `fastgram.network.integrals.quadrature`, for z > 0; functions are taken at z and
at −z. Tables need these in millions, one for each norm, and the fewest nodes that do are found.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation
from fastgram.network.integrals.cuts import cuts_of
from fastgram.network.integrals.quadrature import (
    LEVELS,
    Rule,
    agree,
    between,
    kink_distances,
    outwards,
    panels,
    radial_cuts,
    refuse_divergence,
    refuse_infinity,
    rule_of,
)
from fastgram.network.integrals.waves import (
    distances_of_waves,
    is_closed,
    parallel_duals_of_waves,
    squares_of_waves,
)
from fastgram.support.arrays import Array

__all__ = ["common_rule", "mean_squares", "normal_rule", "parallel_distances", "parallel_duals"]

Places = npt.NDArray[np.intp]

_ROWS = 4096  # variances at a time


def normal_rule(activation: Activation, variances: Array) -> tuple[Array, Array]:
    """Nodes z > 0 and weights for E[·], z normal, of f(√q z) and f'(√q z) for all the variances.

    An expectation is the sum over the nodes of weight times (value at z + value at −z).
    """
    return _nodes(activation, variances, common_rule(activation, variances))


def parallel_distances(
    activation: Activation, variances: Array, sizes: Array, pairs: tuple[Places, Places]
) -> Array:
    """Return ½E(f(√q z)/α ∓ f(√p z)/β)² and the same with f(−√p z)/β, z normal.

    Parameters
    ----------
    activation : Activation
    variances, sizes : (m,) arrays
        The q's, and the α's that functions are divided by.
    pairs : two (k,) arrays
        The places of the two of each pair.

    Returns
    -------
    (2, 2, k) array
        By the sign of the argument, + or −, and by that of the sum, − or +.
    """
    first, second = pairs
    if is_closed(activation, np.sqrt(variances)):
        result = np.empty((2, 2, first.size))
        for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            for flipped, theta in enumerate((0.0, np.pi)):
                q, size = (variances[i], variances[j]), (sizes[i], sizes[j])
                result[flipped, :, k] = distances_of_waves(activation, theta, q, size)
        return result
    z, weight = normal_rule(activation, variances)
    points = np.sqrt(variances)[:, None] * z
    plus, minus = (activation.f(sign * points) / sizes[:, None] for sign in (1.0, -1.0))

    def half(sign: float, other: tuple[Array, Array]) -> Array:
        total = np.zeros(first.size)
        for left, right in zip((plus, minus), other, strict=True):
            total += ((left[first] + sign * right[second]) ** 2) @ weight
        return 0.5 * total

    return np.array(
        [[half(sign, other) for sign in (-1.0, 1.0)] for other in ((plus, minus), (minus, plus))]
    )


def parallel_duals(
    activation: Activation, derivative: bool, variances: Array, level: int = LEVELS - 1
) -> Array:
    """Return E g(√q z)g(±√p z), z normal, for all pairs of variances, (2, m, m): g is f or f'."""
    if is_closed(activation, np.sqrt(variances)):
        return parallel_duals_of_waves(activation, derivative, variances)
    # few are asked for: the finest level, without asking which would do
    z, weight = _nodes(activation, variances, rule_of(level))
    function = activation.df if derivative else activation.f
    points = np.sqrt(variances)[:, None] * z
    plus, minus = (np.broadcast_to(function(sign * points), points.shape) for sign in (1.0, -1.0))
    long = np.longdouble  # the diagonal of a matrix is made of these
    plus, minus, weighted = plus.astype(long), minus.astype(long), weight.astype(long)
    same = (plus * weighted) @ plus.T + (minus * weighted) @ minus.T
    opposite = (plus * weighted) @ minus.T + (minus * weighted) @ plus.T
    return np.array([same, opposite], dtype=np.float64)


def mean_squares(activation: Activation, derivative: bool, variances: Array) -> Array:
    """E f(√q z)² (or of f'), z normal, for each variance q: equal shapes."""
    if is_closed(activation, np.sqrt(variances)):
        return squares_of_waves(activation, derivative, variances)
    distinct, places = np.unique(variances, return_inverse=True)
    rule = common_rule(activation, distinct)
    value = np.empty(distinct.size)
    for start in range(0, distinct.size, _ROWS):
        part = slice(start, start + _ROWS)
        value[part] = _squares(activation, derivative, distinct[part], rule)
    return value[places].reshape(variances.shape)


def _squares(activation: Activation, derivative: bool, variances: Array, rule: Rule) -> Array:
    function = activation.df if derivative else activation.f
    deviations = np.sqrt(variances)
    cuts = np.abs(cuts_of(activation, float(np.max(deviations))))
    with np.errstate(divide="ignore"):
        lines = np.unique(cuts[cuts > 0.0]) / deviations[:, None]
    z, weight = _panels(rule, radial_cuts(float(np.max(deviations)), rule), lines)
    points = deviations[:, None] * z
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = function(points) ** 2 + function(-points) ** 2
        return np.asarray(np.sum(weight * squares, axis=-1))


def _nodes(activation: Activation, variances: Array, rule: Rule) -> tuple[Array, Array]:
    deviations = np.sqrt(variances)
    radii = radial_cuts(float(np.max(deviations)), rule)
    return _panels(rule, radii, kink_distances(activation, deviations))


def _panels(rule: Rule, radii: Array, lines: Array) -> tuple[Array, Array]:
    """Nodes and weights of the half normal, cut at radii and `lines` (along the last axis)."""
    fixed = np.broadcast_to(radii, (*lines.shape[:-1], radii.size))
    cuts = np.sort(np.concatenate([fixed, np.minimum(lines, radii[-1])], axis=-1), axis=-1)
    z, weight = panels(cuts, rule)
    return z, weight * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def common_rule(activation: Activation, variances: Array) -> Rule:
    """Return a rule that integrates squares of f and f' at all these variances."""
    return rule_of(_level(activation, *outwards(activation, variances)))


@functools.lru_cache(maxsize=4096)
def _level(activation: Activation, least: float, most: float) -> int:
    """Return the level at which f and f' have converged at two variances."""
    return max(_level_of(activation, derivative, least, most) for derivative in (False, True))


def _level_of(activation: Activation, derivative: bool, least: float, most: float) -> int:
    variances, previous = between(least, most), None
    for level in range(LEVELS):
        value = _squares(activation, derivative, variances, rule_of(level))
        if not np.all(np.isfinite(value)):
            refuse_infinity(activation, derivative, least, most)
        if previous is not None and agree(value, previous, value):
            return level
        previous = value
    refuse_divergence(activation, derivative, least, most)
