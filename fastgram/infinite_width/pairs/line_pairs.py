"""Entries of line activations pair by pair, and how far they are off.

An integral of a corner is off by no more than `_CORNER` times its largest summand: twice what was
measured against integrals of thirty digits over all sizes of a, b and the angle. Moments between
kinks are off by a few roundings of what they are differences of. What both add up to is an error of
the layer's own, beside those that any layer has. In one layer that is all; over several ones the
bounds of `conditioning` grow by what it is more than they allow for a layer.
"""

from __future__ import annotations

import itertools

import numpy as np

from fastgram.infinite_width.conditioning import FUNCTION_ERROR, errors_between_norms
from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.line_layers import LineLayers
from fastgram.infinite_width.pairs.protocol import Mask, Places, steepest
from fastgram.kernels.cpu.pairs.kinks import NEAR_ZERO, KinkedRows
from fastgram.network.lines import Lines
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["LinePairs"]

_EPS = float(np.finfo(np.float64).eps)
_CORNER = 48.0 * _EPS
_MOMENT = 3.0 * _EPS
_MARGIN = 2.0  # of a bound over such differences
_TINY = float(np.finfo(np.float64).tiny)
_DENSITY = float(1.0 / np.sqrt(2.0 * np.pi))  # of a normal variable at 0
_STAND_INS = 5  # norms
_ALLOWED = 4.0 * _EPS  # the least that conditioning takes a layer's own error for
_CHORDS = np.array([*10.0 ** np.arange(-12.0, -1.0), 0.2, 0.3, 0.4, 0.5, 0.6, 0.7071])


class LinePairs(LineLayers):
    """Entries between rows of any norms of an activation that is lines or steps: `PairEntries`.

    Parameters are those of `LineLayers`.
    """

    flops = 4e3

    def __init__(
        self, network: Network, kind: str, lines: Lines, row_norms: Array, column_norms: Array
    ) -> None:
        super().__init__(network, kind, lines, row_norms, column_norms)
        norms = np.concatenate([row_norms, column_norms])
        ends = norms[norms > 0.0].min(), norms.max()
        stand_ins = np.geomspace(ends[0], ends[1], _STAND_INS)
        layers = LineLayers(network, kind, lines, stand_ins, stand_ins)
        first, second = np.indices((_STAND_INS, _STAND_INS)).reshape(2, -1)
        errors = [_own_error(layers, layer, first, second) for layer in range(network.depth)]
        own = largest_error(*errors)
        if network.depth == 1:
            self.error = own + 2.0 * FUNCTION_ERROR + _ALLOWED
            self.by_norm = _by_norm(network, kind, lines, stand_ins)
        else:
            stated = errors_between_norms(network, kind, np.array(ends))
            self.error, self.by_norm = stated.base * (1.0 + own / _ALLOWED), stated.by_norm

        def values_at(left: Array, right: Array, squares: Array, far: Mask) -> Array:
            places = np.searchsorted(stand_ins, left), np.searchsorted(stand_ins, right)
            return layers.values(*places, squares, far)

        both = np.stack([stand_ins[first], stand_ins[second]], axis=1)
        self.slope = steepest(network, kind, both, values_at)


def _by_norm(network: Network, kind: str, lines: Lines, norms: Array) -> float:
    """Bound what relative errors of two norms change entries over scales by, times these errors."""
    scales = np.sqrt(diagonal_entries(network, kind, norms))
    squares = np.concatenate([_CHORDS, _CHORDS]) ** 2
    first, second, angle = np.indices((norms.size, norms.size, squares.size)).reshape(3, -1)
    far = angle >= _CHORDS.size

    def entries(one: float, two: float) -> Array:
        layers = LineLayers(network, kind, lines, norms * (1.0 + one), norms * (1.0 + two))
        values = layers.values(first, second, squares[angle], far)
        return np.asarray(values / np.maximum(scales[first] * scales[second], _TINY))

    exact = entries(0.0, 0.0)
    changes = [
        np.max(np.abs(entries(one * step, two * step) - exact)) / step
        for step in (2.0**-8, 2.0**-20)
        for one, two in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, -1.0))
    ]
    return _MARGIN * largest_error(*changes)


def _own_error(pairs: LineLayers, layer: int, first: Places, second: Places) -> float:
    """Return the error of what a layer makes of pairs, relative, and of distances over s."""
    left, right = pairs.layers[layer]
    last = layer == len(pairs.layers) - 1
    roots = left.roots[first] * right.roots[second]
    slopes, values = _moment_errors(left)
    slope_errors, value_errors = (np.sqrt(part[first] * part[second]) for part in (slopes, values))
    slope_scale, value_scale = (
        np.sqrt(part[first] * part[second]) for part in _second_moments(left)
    )
    outer_slopes = np.max(np.abs(left.slopes[:, [0, -1]])) ** 2
    worst = 0.0
    for s, side in itertools.product(_CHORDS, (0, 1)):
        x = s / np.sqrt(1.0 - s * s)
        a, b = left.kinks[first][:, :, None], right.kinks[side][second][:, None, :]
        outer = (a * a + b * b) / 4.0
        largest = np.maximum(np.abs(a), np.abs(b))
        near = outer < NEAR_ZERO
        small = near & (np.abs(a - b) < x)
        weights = np.abs(pairs.products[side])

        def total(size: Array, weights: Array = weights) -> Array:
            return np.asarray(_CORNER * np.sum(weights * size, axis=(1, 2)))

        beside = np.where(near, np.minimum(x, largest), x * np.exp(-outer))
        within = np.where(small, np.minimum(x, largest**2 / x), beside)
        if pairs.with_lines:
            all_small = np.all(small, axis=(1, 2))
            known = _MOMENT * (outer_slopes + np.max(left.slopes**2) * largest.max((1, 2)) ** 3)
            slope = np.where(all_small, total(within) + known, total(beside) + slope_errors)
            distance = roots * (2.0 * s * s * slope + 2.0 * x * x * total(within))
        else:
            slope, distance = np.zeros(first.size), total(beside)
        found = []
        if pairs.kind == "ntk" or (pairs.kind == "gradient" and last):
            found.append(_over(slope, slope_scale))
        if not last:
            found += [_over(distance, s * value_scale), _over(value_errors, value_scale)]
        elif pairs.kind != "gradient":
            found.append(_over(distance + value_errors, value_scale))
        worst = largest_error(worst, *(np.max(part) for part in found))
    return worst


def _over(errors: Array, scales: Array) -> Array:
    """Return errors over their scales; where the scale is 0 so is what is off."""
    return np.divide(errors, scales, out=np.zeros_like(errors), where=scales != 0.0)


def _extended(part: Array, left: float, right: float) -> Array:
    """Return an array of kinks, (n, k), with values at −∞ and ∞ at its ends."""
    column = np.ones((part.shape[0], 1))
    return np.concatenate([left * column, part, right * column], axis=1)


def _moment_errors(rows: KinkedRows) -> tuple[Array, Array]:
    """Bound the errors of E f'² and of E f² at each row, (n,)."""
    x, density = _extended(rows.kinks, -1e300, 1e300), _extended(rows.density, 0.0, 0.0)
    middle, tail = _extended(rows.middle, -0.5, 0.5), _extended(rows.tail, 0.0, 0.0)
    fall, second = _extended(rows.fall, -_DENSITY, -_DENSITY), _extended(rows.second, -0.5, 0.5)
    beside = (x[:, :-1] > 0.5) | (x[:, 1:] < -0.5)

    def sizes(part: Array) -> Array:
        return np.asarray(np.abs(part[:, :-1]) + np.abs(part[:, 1:]))

    zeroth = np.where(beside, sizes(tail), sizes(middle))
    once = np.where(beside, sizes(density), sizes(fall))
    twice = np.where(beside, zeroth + sizes(x * density), sizes(second))
    a, b = np.abs(rows.intercepts), np.abs(rows.slopes) * rows.roots[:, None]
    slopes = np.sum(rows.slopes**2 * zeroth, axis=1)
    values = np.sum(a * a * zeroth + 2.0 * a * b * once + b * b * twice, axis=1)
    return _MOMENT * slopes, _MOMENT * values


def _second_moments(rows: KinkedRows) -> tuple[Array, Array]:
    """Return E f'² and E f² of each row, (n,)."""
    zeroth = np.diff(_extended(rows.middle, -0.5, 0.5), axis=1)
    first = -np.diff(_extended(rows.fall, -_DENSITY, -_DENSITY), axis=1)
    second = np.diff(_extended(rows.second, -0.5, 0.5), axis=1)
    a, b = rows.intercepts, rows.slopes * rows.roots[:, None]
    slopes = np.sum(rows.slopes**2 * zeroth, axis=1)
    values = np.sum(a * a * zeroth + 2.0 * a * b * first + b * b * second, axis=1)
    return np.maximum(slopes, 0.0), np.maximum(values, 0.0)
