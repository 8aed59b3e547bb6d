"""Hermite coefficients of an activation: E f(√q z)hₖ(z), hₖ the normalised Hermite polynomials.

Of a homogeneous f, f(cz) = cᵖf(z) for c > 0, they follow from two of them: Euler's z f' = p f gives
E f·Heₖ₊₂ = (p − k)·E f·Heₖ, without an integral and without losing digits. All others are sums over
panels, with hₖ times the root of the density, which stays below 1 at any k, by its three-term
recurrence. hₖ swings at the frequency √k: panels are as narrow as that asks for, besides being
graded toward 0 as f asks for and cut at its kinks.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np

from fastgram.network.activations import Activation, get_activation
from fastgram.network.integrals.line_quadrature import common_rule, mean_squares
from fastgram.network.integrals.quadrature import (
    LEVELS,
    both_signs,
    kink_distances,
    panels,
    radial_cuts,
    rule_of,
)
from fastgram.network.integrals.waves import is_closed
from fastgram.support.arrays import Array
from fastgram.support.validation import as_flag, as_integer, as_number

__all__ = ["hermite_coefficients", "hermite_of"]

# Half a panel's width times the frequency: what 12 nodes and more integrate to a rounding.
_PHASE = 2.0
_REACH = 13.0  # where the root of the density is 1e-19, and hₖ times it below 1
_FURTHER, _FURTHEST = 1.5, 50.0
_NOTHING = 1e-18
_LEAST_NODES = 2  # the level from which a rule has 20 nodes


def hermite_coefficients(
    activation: str | Activation, count: int, *, q: float = 1.0, derivative: bool = False
) -> Array:
    """Return the first Hermite coefficients of an activation: aₖ = E f(√q z)hₖ(z), z normal.

    Parameters
    ----------
    activation : str or Activation
        f: its name or the Activation itself.
    count : int
        How many, at least 1.
    q : float
        Variance, at least 0.
    derivative : bool
        Take f' in the place of f.

    Returns
    -------
    (count,) array of float64
        a₀, a₁, …, each to a few roundings of √E f(√q z)²; of a homogeneous f (relu, leaky_relu,
        abs, step, linear) to so many roundings of itself. Coefficients that are zero by parity or
        degree are 0 where the activation declares it, and noise of 1e-17 and less otherwise.

    Raises
    ------
    ValueError
        If `count` is below 1, the variance negative or not finite, or the quadrature of an
        activation of your own does not converge (an undeclared kink, say).
    TypeError
        If an argument is of the wrong kind.

    Notes
    -----
    hₖ = Heₖ/√k! are the normalised probabilists' Hermite polynomials, E hⱼhₖ = δⱼₖ, so that f(√q z)
    = Σ aₖhₖ(z) in the mean square, and by Mehler's formula the dual at equal variances is a power
    series (Daniely, Frostig and Singer, NIPS 2016):

        E f(u)f(v) = Σ aₖ²ρᵏ,   Σ aₖ² = E f(√q z)²,   u, v normal of variance q and correlation ρ.

    Of f' they are (k + 1)^½ aₖ₊₁/√q, where f does not jump. The time grows like count^1.5, some
    hundredths of a second for 1000 and half a second for 10 000: nothing else limits `count`.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.hermite_coefficients("relu", 4).round(6)
    array([0.398942, 0.5     , 0.282095, 0.      ])
    """
    known, derivative = get_activation(activation), as_flag("derivative", derivative)
    count = as_integer("count", count, 1)
    return hermite_of(known, derivative, as_number("q", q, least=0.0), count).copy()


@functools.lru_cache(maxsize=32)
def hermite_of(activation: Activation, derivative: bool, variance: float, count: int) -> Array:
    """Return what `hermite_coefficients` does, in an array that is kept.

    Errors are a few roundings of √E f(√q z)².

    Raises
    ------
    ValueError
        If f grows too fast, or has a kink that was not declared.
    """
    power = activation.homogeneity
    if power is not None:
        found = _homogeneous(activation, derivative, power, math.sqrt(variance), count)
    elif variance == 0.0:
        function = activation.df if derivative else activation.f
        found = np.zeros(count)
        found[0] = function(np.zeros(1))[0]
    else:
        found = _integrated(activation, derivative, variance, count)
    if activation.powers is not None:  # a polynomial has no more
        found[max((k - derivative for k in activation.powers), default=-1) + 1 :] = 0.0
    found += 0.0  # no -0.0
    found.flags.writeable = False
    return found


def _homogeneous(
    activation: Activation, derivative: bool, power: int, deviation: float, count: int
) -> Array:
    function = activation.df if derivative else activation.f
    if derivative:
        power = max(power - 1, 0)
    right, left = (float(function(np.array([sign]))[0]) for sign in (1.0, -1.0))
    if deviation == 0.0 and power == 0:  # a jump's own value is the activation's to say
        right = left = float(function(np.zeros(1))[0])
    found = np.zeros(max(count, 2))
    growth = deviation**power
    found[0] = 0.5 * (right + left) * growth * _absolute_moment(power)
    found[1] = 0.5 * (right - left) * growth * _absolute_moment(power + 1)
    for k in range(count - 2):
        found[k + 2] = found[k] * (power - k) / math.sqrt((k + 1.0) * (k + 2.0))
    return found[:count]


def _absolute_moment(power: int) -> float:
    """E|z|ᵖ, z normal."""
    return math.sqrt(2.0) ** power * math.gamma((power + 1) / 2.0) / math.sqrt(math.pi)


def _integrated(activation: Activation, derivative: bool, variance: float, count: int) -> Array:
    deviation, frequency = math.sqrt(variance), math.sqrt(count)
    if is_closed(activation, np.array([deviation])):
        assert activation.frequency is not None
        own = activation.frequency * deviation
        if own - frequency > _REACH:  # coefficients are exp(−(own − √k)²/2) and less
            return np.zeros(count)
        frequency += own
    z, weight, plus, minus = _values_at_nodes(activation, derivative, deviation, frequency)
    even, odd = weight * (plus + minus), weight * (plus - minus)
    found = np.empty(count)
    for k, polynomial in enumerate(_weighted_hermite(z, count)):
        found[k] = (odd if k % 2 else even) @ polynomial
    return found


def _values_at_nodes(
    activation: Activation, derivative: bool, deviation: float, frequency: float
) -> tuple[Array, Array, Array, Array]:
    """Return nodes z > 0, weights with the root of the density, and f at √q z and at −√q z."""
    variances = np.array([deviation**2])
    if is_closed(activation, np.array([deviation])):
        rule = rule_of(LEVELS - 1)
    else:
        rule = max(
            common_rule(activation, variances), rule_of(_LEAST_NODES), key=lambda r: r.nodes.size
        )
    root = math.sqrt(float(mean_squares(activation, derivative, variances)[0]))
    reach = _reach(activation, derivative, deviation, root)
    narrow = np.linspace(0.0, reach, math.ceil(reach * frequency / (2.0 * _PHASE)) + 1)
    graded = radial_cuts(deviation, rule)
    lines = kink_distances(activation, np.array([deviation]))
    cuts = np.concatenate([narrow, graded, lines])
    z, weight = panels(np.unique(cuts[cuts <= reach]), rule)
    weight = weight * _root_density(z)
    plus, minus = (x[0] for x in both_signs(activation, derivative, np.array([deviation]), z))
    return z, weight, plus, minus


def _reach(activation: Activation, derivative: bool, deviation: float, root: float) -> float:
    """Return how far out f times the root of the density is something beside √E f²."""
    reach = _REACH
    while reach < _FURTHEST:
        outside = both_signs(activation, derivative, np.array([deviation]), np.array([reach]))
        if np.max(np.abs(outside)) * _root_density(np.array(reach)) <= _NOTHING * root:
            break
        reach += _FURTHER
    return reach


def _root_density(z: Array) -> Array:
    return np.asarray(np.exp(-0.25 * z * z) / (2.0 * math.pi) ** 0.25)


def _weighted_hermite(z: Array, count: int) -> Iterator[Array]:
    """Yield hₖ(z) times the root of the normal density."""
    before, current = np.zeros_like(z), _root_density(z)
    for k in range(count):
        yield current
        following = (z * current - math.sqrt(k) * before) / math.sqrt(k + 1.0)
        before, current = current, following
