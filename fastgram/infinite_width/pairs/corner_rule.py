"""The quadrature of `fastgram.kernels.cpu.pairs.kinks`: weights with the factor exp(−γ²/u).

On y = √u in [0, 1] even polynomials are integrated against exp(−γ²/y²) by the nodes of
Gauss-Legendre: a weight is what the polynomial that is 1 at its node, and 0 at the others, has as
its integral. It is a smooth function of γ ≥ 0, and kept as what it lacks from γ = 0, over γ; while
γ is small, without what is linear in it, which is √π times the value at y = 0.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev, legendre

from fastgram.infinite_width.piecewise import POWERS
from fastgram.kernels.cpu.pairs.kinks import DEGREE, CornerRule
from fastgram.support.arrays import Array

__all__ = ["corner_rule"]

_Long = npt.NDArray[Any]  # of the longest floats that there are

_NODES = 24
_GAPS, _LAST_GAP = 48, 6.4  # exp(−6.4²) is 2e-18
_FIRST_GAPS = 18  # γ up to ½
_DECAY_WIDTH, _DECAYS = 0.5, 80  # exp(−40) is 4e-18
_SMALL = 0.02  # y, where power series of all polynomials are short
_PANELS, _PANEL_NODES = 64, 24  # of the integrals over y, graded toward 0


@functools.cache
def corner_rule() -> CornerRule:
    """Return the rule; its arrays are read-only."""
    y, weights = (part[_NODES:] for part in _gauss(2 * _NODES))
    orders = np.arange(0, 2 * _NODES, 2)
    even = _legendre(y) * (2.0 * orders + 1.0)
    t = chebyshev.chebpts1(DEGREE + 1)
    # weights of nodes near y = 0 change fast while γ is small
    width = _LAST_GAP / (1.0 + _LAST_GAP) / _GAPS
    bounded = ((np.arange(_GAPS)[:, None] + 0.5 + t / 2.0) * width).ravel()
    gamma = bounded / (1.0 - bounded)
    first = _FIRST_GAPS * (DEGREE + 1)
    moments = [_moments_beside_linear(gamma[:first]), _missing_moments(gamma[first:])]
    gaps = (np.concatenate(moments) @ even.T) * weights
    decay = ((np.arange(_DECAYS)[:, None] + 0.5 + t / 2.0) * _DECAY_WIDTH).ravel()[:, None]
    decays = np.expm1(-decay * (y * y)) / decay
    rule = CornerRule(
        (y * y).astype(np.float64),
        weights.astype(np.float64),
        _series(gaps, _GAPS),
        _series(decays, _DECAYS),
        width,
        _DECAY_WIDTH,
        _FIRST_GAPS,
    )
    for part in rule[:4]:
        part.flags.writeable = False
    return rule


def _series(samples: _Long, cells: int) -> Array:
    """Return polynomials through samples at Chebyshev nodes of cells: (cells, degree + 1, …)."""
    nodes = chebyshev.chebpts1(DEGREE + 1)
    transform = POWERS[: DEGREE + 1, : DEGREE + 1] @ np.linalg.inv(
        chebyshev.chebvander(nodes, DEGREE)
    )
    by_cell = samples.astype(np.float64).reshape(cells, DEGREE + 1, -1)
    return np.ascontiguousarray(transform[::-1] @ by_cell)


def _gauss(count: int) -> tuple[_Long, _Long]:
    """Return nodes and weights of Gauss-Legendre on [−1, 1], refined by a step of Newton."""
    nodes = legendre.leggauss(count)[0].astype(np.longdouble)
    series = np.zeros(count + 1, np.longdouble)
    series[-1] = 1.0
    nodes -= legendre.legval(nodes, series) / legendre.legval(nodes, legendre.legder(series))
    slope = legendre.legval(nodes, legendre.legder(series))
    return nodes, 2.0 / ((1.0 - nodes * nodes) * slope * slope)


def _legendre(y: _Long) -> _Long:
    return np.asarray(legendre.legvander(y, 2 * _NODES - 1)[:, ::2])


def _graded() -> tuple[_Long, _Long]:
    """Return nodes and weights on [0, 1], graded toward 0."""
    nodes, weights = _gauss(_PANEL_NODES)
    edges = np.concatenate([[0.0], 0.5 ** np.arange(_PANELS - 1.0, -1.0, -1.0)])
    widths = np.diff(edges)[:, None]
    y = edges[:-1, None] + widths * (nodes + 1.0) / 2.0
    return y.ravel(), (widths * weights / 2.0).ravel()


def _missing_moments(gamma: Array) -> _Long:
    """Return ∫ (1 − exp(−γ²/y²)) P(y) dy / γ over [0, 1] of the even Legendre polynomials P.

    (γ, polynomials); sums of many terms that cancel, hence the long numbers.
    """
    y, w = _graded()
    with np.errstate(under="ignore"):
        factor = -np.expm1(-((gamma[:, None] / y) ** 2)) / gamma[:, None]
    return np.asarray((factor * w) @ _legendre(y))


def _moments_beside_linear(gamma: Array) -> _Long:
    """Return the same less √π·P(0), over γ.

    √π·γ is the integral of 1 − exp(−γ²/y²) over all y > 0; what is beyond 1 goes by 1/y.
    """
    y, w = _graded()
    at_zero = _legendre(np.zeros(1, np.longdouble))
    with np.errstate(under="ignore"):
        factor = -np.expm1(-((gamma[:, None] / y) ** 2)) / gamma[:, None] ** 2
        beyond = -np.expm1(-((gamma[:, None] * y) ** 2)) / (gamma[:, None] * y) ** 2
    within = (factor * w) @ np.where(y[:, None] < _SMALL, _beside_zero(y), _legendre(y) - at_zero)
    return np.asarray(within - (beyond @ w)[:, None] * at_zero)


def _beside_zero(y: _Long) -> _Long:
    """Return P(y) − P(0) near 0, by the power series that Legendre's equation gives."""
    orders = np.arange(0, 2 * _NODES, 2)
    term = _legendre(np.zeros(1, np.longdouble))
    y = np.minimum(y, _SMALL)[:, None]
    total = np.zeros((y.size, orders.size), np.longdouble)
    for k in range(0, 24, 2):
        term = term * (k * (k + 1) - orders * (orders + 1)) / ((k + 1) * (k + 2)) * y * y
        total += term
    return total
