"""Entries of networks whose activation is lines between kinks, or steps: pair by pair.

Each layer is a sum of bivariate normal integrals (`fastgram.kernels.cpu.kink_pairs`), exact for
any norms and angle, and between layers 1 − ρ and 1 + ρ go along as in
`fastgram.infinite_width.recursion`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf, erfc

from fastgram.infinite_width.corner_rule import corner_rule
from fastgram.infinite_width.pairs import Mask, Places
from fastgram.infinite_width.recursion import variances
from fastgram.kernels.cpu.kink_pairs import KinkedRows, layer_of_pairs
from fastgram.network.layers import LayerRecursion
from fastgram.network.lines import Lines
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["LineLayers"]

_FAR_OFF = 1e3  # a kink so many deviations off is nowhere
_SOME = 2**14  # pairs at a time: their arrays stay in a cache


class LineLayers:
    """Entries between rows of any norms, for an activation that is lines or steps.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    lines : Lines
        Of its activation.
    row_norms, column_norms : arrays
        Of augmented rows.
    """

    def __init__(
        self, network: Network, kind: str, lines: Lines, row_norms: Array, column_norms: Array
    ) -> None:
        self.network, self.kind = network, kind
        self._norms = row_norms, column_norms
        inputs = [_variances(network, norms) for norms in self._norms]
        self.layers = [
            (rows_of(lines, *left), columns_of(lines, *right))
            for left, right in zip(*map(_with_next, inputs), strict=True)
        ]
        self.products, self.with_lines = products_of(lines), lines.continuous
        beyond = -(lines.slopes[0] + lines.slopes[-1]) / np.sqrt(8.0 * np.pi)
        self.outer_slopes = np.array([beyond, -beyond])

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs: see `fastgram.infinite_width.pairs.PairEntries`."""
        result = np.empty(first.size)
        for start in range(0, first.size, _SOME):
            part = slice(start, start + _SOME)
            pairs = _Pairs(self, first[part], second[part], squares[part], far[part])
            result[part] = pairs.entry(pairs.first_covariance(*self._norms))
        return result


class _Pairs(LayerRecursion):
    """Some pairs on their way through the layers."""

    def __init__(
        self, of: LineLayers, first: Places, second: Places, squares: Array, far: Mask
    ) -> None:
        super().__init__(of.network, of.kind)
        self._of, self._first, self._second = of, first, second
        self._squares, self._far = squares, far
        self._scale = of.network.normalisation()
        self._at = (0, np.empty(0))  # a layer, and what came of it

    def first_covariance(self, row_norms: Array, column_norms: Array) -> Array:
        """Return Σ⁰ of the pairs."""
        cosines = 1.0 - 2.0 * self._squares
        cosines = np.where(self._far, -cosines, cosines)
        return np.asarray(row_norms[self._first] * column_norms[self._second] * cosines)

    def expectation(self, layer: int, derivative: bool, covariance: Array) -> Array:
        found = self._found(layer)
        return self._scale * (found[:, 0] if derivative else found[:, 1] - found[:, 2])

    def covariance(self, layer: int, value: Array) -> Array:
        self._turn(layer)
        return np.asarray(super().covariance(layer, value) + 0.0)

    def _found(self, layer: int) -> Array:
        if self._at[0] != layer:
            left, right = self._of.layers[layer - 1]
            found = layer_of_pairs(
                self._first, self._second, self._squares, self._far, left, right,
                self._of.products, self._of.outer_slopes, self._of.with_lines, corner_rule(),
            )  # fmt: skip
            self._at = layer, found
        return self._at[1]

    def _turn(self, layer: int) -> None:
        """Take the angles through a layer."""
        _, _, missing, less, more = self._found(layer).T
        left, right = self._of.layers[layer - 1]
        one, two = left.sizes[self._first], right.sizes[self._second]
        gain = self.weight * self._scale
        less = gain * less + 0.5 * self.bias * (1.0 / one - 1.0 / two) ** 2
        more = gain * more + 0.5 * self.bias * (1.0 / one + 1.0 / two) ** 2
        moved = gain * missing / (one * two)
        # the smaller of the two takes the distance, the other is what is left of 2
        near = np.clip(np.where(less <= more, less + moved, more - moved), 0.0, 2.0)
        minus = np.where(less <= more, near, 2.0 - near)
        self._far = minus > 1.0
        self._squares = np.where(self._far, np.where(less <= more, 2.0 - near, near), minus) / 2.0


def _variances(network: Network, norms: Array) -> list[Array]:
    """Return the variances of the layers' inputs; those of few norms, each by itself."""
    distinct, places = np.unique(norms, return_inverse=True)
    return [values[places] for values in variances(network, distinct)]


def _with_next(inputs: list[Array]) -> list[tuple[Array, Array]]:
    """Return each layer's variances, and those of the next one's; the last has none."""
    return list(zip(inputs, [*inputs[1:], np.ones_like(inputs[0])], strict=True))


def rows_of(lines: Lines, variance: Array, following: Array) -> KinkedRows:
    roots = np.sqrt(variance)
    zero = roots == 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = np.where(zero[:, None], _FAR_OFF, lines.kinks / roots[:, None])
    kinks = np.clip(kinks, -_FAR_OFF, _FAR_OFF)
    # a row of variance 0 is a constant
    intercepts = np.where(zero[:, None], lines.at_zero, lines.intercepts)
    slopes = np.where(zero[:, None], lines.slope_at_zero, lines.slopes)
    sizes = np.where(following == 0.0, 1.0, np.sqrt(following))  # nothing of it is asked for
    return KinkedRows(
        kinks,
        np.exp(-0.5 * kinks * kinks) / np.sqrt(2.0 * np.pi),
        0.5 * erf(kinks / np.sqrt(2.0)),
        0.5 * erfc(np.abs(kinks) / np.sqrt(2.0)),
        _cubic(kinks),
        intercepts,
        slopes,
        kinks @ np.diff(lines.slopes),
        roots,
        sizes,
    )


def columns_of(lines: Lines, variance: Array, following: Array) -> KinkedRows:
    """Return the columns as they are and as functions of −x, along a first axis."""
    plain = rows_of(lines, variance, following)

    def both(part: Array, sign: float) -> Array:
        return np.ascontiguousarray(np.stack([part, sign * part[:, ::-1]]))

    return KinkedRows(
        both(plain.kinks, -1.0),
        both(plain.density, 1.0),
        both(plain.middle, -1.0),
        both(plain.tail, 1.0),
        both(plain.cubic, -1.0),
        both(plain.intercepts, 1.0),
        both(plain.slopes, -1.0),
        np.stack([plain.pull, -plain.pull]),
        plain.roots,
        plain.sizes,
    )


def _cubic(x: Array) -> Array:
    """Return Φ(x) − ½ − φ(0)x, by its series, where |x| is at most 3/2."""
    x = np.where(np.abs(x) <= 1.5, x, 0.0)
    term, total = -x * x * x / 2.0, np.zeros_like(x)
    for n in range(1, 24):
        total += term / (2.0 * n + 1.0)
        term = term * (-x * x) / (2.0 * (n + 1.0))
    return np.asarray(total / np.sqrt(2.0 * np.pi))


def products_of(lines: Lines) -> Array:
    """Return the products of jumps, for columns as they are and as functions of −x: (2, k, k)."""
    jumps = lines.jumps
    turned = jumps[::-1] if lines.continuous else -jumps[::-1]
    products = np.stack([np.multiply.outer(jumps, jumps), np.multiply.outer(jumps, turned)])
    if np.array_equal(lines.kinks, -lines.kinks[::-1]):
        # corners at (a, b) and (−a, −b) are equal: one of them is enough
        count = jumps.size
        both = (products + products[:, ::-1, ::-1]).reshape(2, -1)
        both[:, count * count // 2 + count * count % 2 :] = 0.0
        if count % 2:
            both[:, count * count // 2] /= 2.0
        products = both.reshape(2, count, count)
    return np.ascontiguousarray(products)
