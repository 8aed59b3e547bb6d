"""Entries of networks whose activation is lines between kinks, or steps: pair by pair.

Each layer is a sum of bivariate normal integrals (`fastgram.kernels.cpu.pairs.kinks`), for
any norms and angle.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf, erfc

from fastgram.infinite_width.pairs.corner_rule import corner_rule
from fastgram.infinite_width.pairs.pair_recursion import entries_of_pairs, variances_with_next
from fastgram.infinite_width.pairs.protocol import Mask, Places
from fastgram.kernels.cpu.pairs.kinks import KinkedRows, layer_of_pairs
from fastgram.network.lines import Lines
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["LineLayers"]

_ROOT = float(np.sqrt(2.0 * np.pi))
_FAR_OFF = 1e3  # a kink so many deviations off is nowhere


class LineLayers:
    """The layers of a network whose activation is lines or steps: `PairLayers`.

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
        self.row_norms, self.column_norms = row_norms, column_norms
        inputs = (variances_with_next(network, norms) for norms in (row_norms, column_norms))
        self.layers = [
            (rows_of(lines, *left), columns_of(lines, *right))
            for left, right in zip(*inputs, strict=True)
        ]
        self.products, self.with_lines = products_of(lines), lines.continuous
        beyond = -(lines.slopes[0] + lines.slopes[-1]) / np.sqrt(8.0 * np.pi)
        self.outer_slopes = np.array([beyond, -beyond])

    def sizes(self, layer: int) -> tuple[Array, Array]:
        """Return the deviations of the next layer's inputs."""
        left, right = self.layers[layer - 1]
        return left.sizes, right.sizes

    def through(
        self, layer: int, first: Places, second: Places, squares: Array, far: Mask
    ) -> Array:
        """Return what a layer makes of pairs."""
        left, right = self.layers[layer - 1]
        return layer_of_pairs(
            first, second, squares, far, left, right, self.products, self.outer_slopes,
            self.with_lines, corner_rule(),
        )  # fmt: skip

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs."""
        return entries_of_pairs(self, first, second, squares, far)


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
    density = np.exp(-0.5 * kinks * kinks) / _ROOT
    middle = 0.5 * erf(kinks / np.sqrt(2.0))
    small = np.abs(kinks) <= 1.5
    return KinkedRows(
        kinks=kinks,
        density=density,
        fall=np.expm1(-0.5 * kinks * kinks) / _ROOT,
        middle=middle,
        tail=0.5 * erfc(np.abs(kinks) / np.sqrt(2.0)),
        second=np.where(small, _near_zero(kinks, 1), middle - kinks * density),
        cubic=_near_zero(kinks, 0),
        intercepts=intercepts,
        slopes=slopes,
        pull=kinks @ np.diff(lines.slopes),
        roots=roots,
        sizes=sizes,
    )


def columns_of(lines: Lines, variance: Array, following: Array) -> KinkedRows:
    """Return the columns as they are and as functions of −x, along a first axis."""
    plain = rows_of(lines, variance, following)

    def both(part: Array, sign: float) -> Array:
        return np.ascontiguousarray(np.stack([part, sign * part[:, ::-1]]))

    return KinkedRows(
        kinks=both(plain.kinks, -1.0),
        density=both(plain.density, 1.0),
        fall=both(plain.fall, 1.0),
        middle=both(plain.middle, -1.0),
        tail=both(plain.tail, 1.0),
        second=both(plain.second, -1.0),
        cubic=both(plain.cubic, -1.0),
        intercepts=both(plain.intercepts, 1.0),
        slopes=both(plain.slopes, -1.0),
        pull=np.stack([plain.pull, -plain.pull]),
        roots=plain.roots,
        sizes=plain.sizes,
    )


def _near_zero(x: Array, power: int) -> Array:
    """Return Φ(x) − ½ − φ(0)x or, of power 1, ∫t²φ(t)dt from 0 to x, where |x| is at most 3/2."""
    x = np.where(np.abs(x) <= 1.5, x, 0.0)
    # of (−t²/2)ⁿ/n!, from n = 1 on, and of t² times that from n = 0 on
    term = x * x * x * (1.0 if power else -0.5)
    total = np.zeros_like(x)
    for n in range(1, 24):
        total += term / (2.0 * n + 1.0)
        term = term * (-x * x) / (2.0 * (n if power else n + 1.0))
    return np.asarray(total / _ROOT)


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
