"""The rules of integrals over normal variables: panels, how they are graded, and their levels.

A function that bends within |z| < 1 does so, at a variance q, within 1/√q of 0 in units of the
standard deviation. Panels are graded toward 0 by a factor of 3 as far as that, so that the work
grows like log q; Gauss–Legendre then converges geometrically on each. How many nodes a panel takes
is a level: two levels that agree are taken for right, and no two agree where a kink is undeclared,
or where f swings too often.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.polynomial import legendre

from fastgram.network.activations import Activation
from fastgram.network.integrals.cuts import cuts_of, has_cuts
from fastgram.network.integrals.roughness import reason_of
from fastgram.support.arrays import Array

__all__ = [
    "LEVELS",
    "Rule",
    "agree",
    "between",
    "both_signs",
    "gauss_legendre",
    "kink_distances",
    "nodes_on",
    "outer_cuts",
    "outwards",
    "panels",
    "radial_cuts",
    "refuse_divergence",
    "refuse_infinity",
    "rule_of",
    "sharpness",
]

_EPS = float(np.finfo(np.float64).eps)
# A level of the quadrature is taken when the one before agrees with it to this, relative to
# E|f(u)f(v)|: what it misses itself is less by orders of magnitude, at other variances as well.
_AGREEMENT = 24 * _EPS
LEVELS = 7
_LEAST = 2.0**-200  # variance at which a level is judged
_GRADING = 3.0  # the factor from a panel to the next
_PANELS = 3.0  # how far a function bends, in units of 1/√q, where no more panels are needed
_OUTER = np.array([1.0, 4.0, 7.0, 10.0])  # cuts of the outermost panels
_OUTER_OF_POLYNOMIALS = np.array([3.0, 6.2, 10.0])  # where nothing but a density is to be resolved
_COARSER = -8.0  # binary logarithm of the variance below which little changes
_DEEPER = 3  # the level from which on panels are graded further


@dataclass(frozen=True, eq=False)
class Rule:
    """One level of a quadrature.

    Attributes
    ----------
    deeper : int
        How many more panels are cut toward 0.
    nodes, weights : arrays
        Gauss-Legendre on [0, 1].
    """

    deeper: int
    nodes: Array
    weights: Array

    @property
    def widest(self) -> float:
        """The panel next to 0, in units of 1/√q, or less."""
        return float(_PANELS / _GRADING**self.deeper)


@functools.cache
def rule_of(level: int) -> Rule:
    """Return the rule of a level, 0 to LEVELS − 1, or one more, or less."""
    nodes, weights = gauss_legendre(12 + 4 * level)
    return Rule(2 * max(level - _DEEPER, 0), (nodes + 1.0) / 2.0, weights / 2.0)


@functools.cache
def gauss_legendre(count: int) -> tuple[Array, Array]:
    """Return nodes and weights on [−1, 1], each rounded once where long doubles are longer."""
    nodes: Any = legendre.leggauss(count)[0].astype(np.longdouble)
    for _ in range(2):  # Newton's method
        before, value = np.ones_like(nodes), nodes
        for k in range(1, count):
            before, value = value, ((2 * k + 1) * nodes * value - k * before) / (k + 1)
        slope = count * (nodes * value - before) / (nodes * nodes - 1)
        nodes -= value / slope
    weights = 2 / ((1 - nodes * nodes) * slope * slope)
    return nodes.astype(np.float64), weights.astype(np.float64)


def panels(cuts: Array, rule: Rule) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on the panels between `cuts` (along the last axis)."""
    return nodes_on(cuts[..., :-1], np.diff(cuts, axis=-1), rule)


def nodes_on(start: Array, length: Array, rule: Rule) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights on panels, side by side along the last axis."""
    shape = (*start.shape[:-1], -1)
    start, length = start[..., None], length[..., None]
    return (start + length * rule.nodes).reshape(shape), (length * rule.weights).reshape(shape)


def radial_cuts(deviation: float, rule: Rule, bend: float = math.inf) -> Array:
    """Return cuts of the half line, graded toward 0 as far as a standard deviation asks for.

    From `bend` on functions are polynomials, and cuts are graded from there; from the innermost of
    the outer cuts else.
    """
    known = bend < 1.0 / _GRADING
    outer = outer_cuts(rule, known)
    if bend == 0.0:
        return np.append(0.0, outer)
    start = bend if known else outer[0]
    widest = max(sharpness(deviation) * start / _PANELS, 1.0)
    depth = math.ceil(math.log(widest, _GRADING)) + rule.deeper
    graded = start * _GRADING ** np.arange(-depth, 1.0)
    return np.concatenate([[0.0], graded, outer[outer > start]])


@functools.cache
def outer_cuts(rule: Rule, of_polynomials: bool = False) -> Array:
    """Return the outermost cuts of the half line: fewer where functions are polynomials."""
    outer = _OUTER_OF_POLYNOMIALS if of_polynomials else _OUTER
    return np.append(outer, outer[-1] + 1.5 * np.arange(1.0, rule.deeper / 2.0 + 1.0))


def sharpness(deviation: float) -> float:
    """Return the standard deviation that panels are graded for, where levels are judged for it."""
    return math.sqrt(2.0 ** math.ceil(2.0 * math.log2(max(deviation, 1.0))))


def kink_distances(activation: Activation, deviations: Array) -> Array:
    """Distances of the kinks, and other cuts, away from 0, in units of each standard deviation."""
    cuts = cuts_of(activation, float(np.max(deviations)))
    distances = {abs(cut) / s for cut in cuts for s in deviations if cut and s > 0}
    return np.asarray(sorted(distances))


def both_signs(
    activation: Activation, derivative: bool, deviations: Array, points: Array
) -> tuple[Array, Array]:
    """f(s·points) and f(−s·points), or of f', (deviations, …) for each standard deviation s."""
    function = activation.df if derivative else activation.f
    arguments = np.multiply.outer(deviations, points)
    plus = np.broadcast_to(np.asarray(function(arguments), dtype=np.float64), arguments.shape)
    if activation.parity:  # it is declared, exactly
        return plus, plus * (-activation.parity if derivative else activation.parity)
    minus = np.asarray(function(-arguments), dtype=np.float64)
    return plus, np.broadcast_to(minus, arguments.shape)


# --- levels ---------------------------------------------------------------------------------------


def agree(found: Array, before: Array, size: Array) -> bool:
    """Whether two levels of a quadrature agree, relative to the integrals of absolute values."""
    return bool(np.all(np.abs(found - before) <= _AGREEMENT * size))


def outwards(activation: Activation, variances: Array) -> tuple[float, float]:
    """Return the least and the largest variance at which a level is judged for all of them.

    Without cuts away from 0, whose lines move with the variance, both are rounded to powers of 2,
    away from each other: a level costs more to find than to use. Small ones to powers of 65536, but
    for a sine, of whatever frequency: it may swing there.
    """
    least, most = float(np.min(variances)), float(np.max(variances))
    alone = least == most
    if least > 0.0:  # below it an activation is its tangent; squares of denormals would not agree
        least, most = max(least, _LEAST), max(most, _LEAST)
    if least > 0.0 and most < np.inf and not has_cuts(activation, math.sqrt(most)):
        coarser = -math.inf if activation.frequency is not None else _COARSER
        least, most = _rounded(least, np.floor, coarser), _rounded(most, np.ceil, coarser)
    return (float(most), float(most)) if alone else (float(least), float(most))


def between(least: float, most: float) -> Array:
    """Return variances from the least to the largest, a factor of 4 apart or less, ascending.

    What bends in one panel at the ends may bend in another at a variance between them.
    """
    if not 0.0 < least < most < np.inf:
        return np.unique([least, most])
    return np.geomspace(least, most, 1 + math.ceil(math.log2(most / least) / 2.0))


def _rounded(variance: float, rounding: Callable[[float], float], coarser: float) -> float:
    power = float(np.log2(variance))
    if power > coarser:
        return float(2.0 ** rounding(power))
    return float(2.0 ** (coarser + 16.0 * rounding((power - coarser) / 16.0)))


def refuse_infinity(activation: Activation, derivative: bool, q1: float, q2: float) -> NoReturn:
    """Raise a ValueError: the integrand is not finite."""
    raise ValueError(
        f"{_integral(activation, derivative, q1, q2)} is not finite:"
        f" {_role(derivative)} must be finite everywhere"
        " and grow more slowly than exp(z²/(4·variance))"
    )


def refuse_divergence(activation: Activation, derivative: bool, q1: float, q2: float) -> NoReturn:
    """Raise a ValueError: no two levels agree; say why."""
    raise ValueError(
        f"{_integral(activation, derivative, q1, q2)}: the quadrature does not converge:"
        f" {reason_of(activation, math.sqrt(max(q1, q2)))}"
    )


def _role(derivative: bool) -> str:
    return "f'" if derivative else "f"


def _integral(activation: Activation, derivative: bool, q1: float, q2: float) -> str:
    role = _role(derivative)
    return f"activation {activation.name!r}: E[{role}(u){role}(v)] at variances {q1:g} and {q2:g}"
