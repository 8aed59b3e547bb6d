"""Entries of an infinitely wide network's Gram matrix, enclosed in balls.

Rows are float64 numbers, so their inner products are exact rationals: the cosine of two rows is
⟨x, y⟩/√(⟨x, x⟩⟨y, y⟩) with one rounding that the ball holds, and which pairs of rows have the same
entry is decided exactly. Layers then follow the recursion that `fastgram.Network` states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, fmpq, fmpz, fmpz_mat

from fastgram.exact.formulas import Formula, Pairs
from fastgram.network.layers import LayerRecursion
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["Geometry", "as_integers", "gram_balls", "normalisation", "row_geometry"]

Balls = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Geometry:
    """Squared norms and cosines of rows, each distinct one once.

    Attributes
    ----------
    index : (n, n) array of int
        Which of the distinct pairs below an entry belongs to.
    first, second : list of int
        The two squared norms of a distinct pair.
    squares, cosines : callable
        Enclose them at the precision of `flint.ctx`; cosines that are ±1 are exact.
    """

    index: npt.NDArray[np.int64]
    first: list[int]
    second: list[int]
    squares: Callable[[], list[arb]]
    cosines: Callable[[], list[arb]]

    @property
    def n(self) -> int:
        """The number of rows."""
        return int(self.index.shape[0])


def row_geometry(X: Array, unit: bool) -> Geometry:
    """Return the geometry of rows (n, d) that are not zero, scaled to norm 1 if `unit`."""
    n = X.shape[0]
    matrix, scale = as_integers(X)
    products = (matrix * matrix.transpose()).tolist()
    norms = [products[i][i] for i in range(n)]
    distinct: dict[int, int] = {}
    classes = [0] * n
    if not unit:
        classes = [distinct.setdefault(int(norm), len(distinct)) for norm in norms]
    index = np.empty((n, n), dtype=np.int64)
    found: dict[tuple[int, ...], int] = {}
    exact: list[tuple[fmpz, fmpz]] = []  # ⟨x, y⟩ and ⟨x, x⟩⟨y, y⟩
    first: list[int] = []
    second: list[int] = []
    for i in range(n):
        for j in range(i, n):
            product = products[i][j]
            size = norms[i] * norms[j]
            key: tuple[int, ...]
            if unit:  # the cosine is settled by its sign and its square
                square = fmpq(product * product, size)
                key = (1 if product > 0 else -1, int(square.p), int(square.q))
            else:
                key = (*sorted((classes[i], classes[j])), int(product))
            pair = found.setdefault(key, len(exact))
            if pair == len(exact):
                exact.append((product, size))
                first.append(classes[i])
                second.append(classes[j])
            index[i, j] = index[j, i] = pair

    def squares() -> list[arb]:
        return [arb(1)] if unit else [arb(norm) / scale**2 for norm in distinct]

    def cosines() -> list[arb]:
        return [_cosine(product, size) for product, size in exact]

    return Geometry(index, first, second, squares, cosines)


def _cosine(product: fmpz, size: fmpz) -> arb:
    if product * product == size:
        return arb(1) if product > 0 else arb(-1)
    return arb(product) * arb(size).rsqrt()


def as_integers(X: Array) -> tuple[fmpz_mat, int]:
    """Return a float64 matrix times the power of two that makes integers of it, and the power."""
    ratios = [float(value).as_integer_ratio() for value in X.ravel()]
    common = max(denominator for _, denominator in ratios)
    integers = [top * (common // denominator) for top, denominator in ratios]
    return fmpz_mat(*X.shape, integers), common


def gram_balls(
    geometry: Geometry, network: Network, kind: str, formula: Formula, bits: int
) -> arb_mat:
    """Enclose the Gram matrix to about 2**-bits of its scale, at the precision of `flint.ctx`."""
    squares = geometry.squares()
    # the diagonal of each norm goes along, for the variances of the next layer
    norms = range(len(squares))
    first, second = [*geometry.first, *norms], [*geometry.second, *norms]
    cosines = [*geometry.cosines(), *(arb(1) for _ in norms)]
    covariances = [
        cosine * (squares[i] if i == j else (squares[i] * squares[j]).sqrt())
        for i, j, cosine in zip(first, second, cosines, strict=True)
    ]
    weight, bias = arb(network.first_weight_variance), arb(network.first_bias_variance)
    covariances = [weight * covariance + bias for covariance in covariances]
    pairs = _pairs(first, second, cosines, covariances, len(geometry.first))
    if bias.is_zero():  # −1 is exact too
        pairs = replace(pairs, cosines=cosines)
    recursion = _BallRecursion(network, kind, formula, bits, pairs, len(geometry.first))
    result = recursion.entry(_array(pairs.covariances))
    n = geometry.n
    return arb_mat(n, n, [result[place] for place in geometry.index.ravel().tolist()])


class _BallRecursion(LayerRecursion):
    """Entries of distinct pairs of rows, as arrays of balls; their cosines go along.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    formula : Formula
    bits : int
    pairs : Pairs
        Of the first layer's inputs.
    count : int
        How many of the pairs are the matrix's: one for each distinct norm follows.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        formula: Formula,
        bits: int,
        pairs: Pairs,
        count: int,
    ) -> None:
        super().__init__(network, kind)
        self.weight, self.bias = arb(network.weight_variance), arb(network.bias_variance)
        self._formula, self._bits, self._pairs, self._count = formula, bits, pairs, count
        self._factor = normalisation(formula, bits) if network.normalize else None

    def expectation(self, layer: int, derivative: bool, covariance: Balls) -> Balls:
        values = self._formula.expectations(self._pairs, derivative, self._bits)
        if self._factor is not None:
            values = [self._factor * value for value in values]
        return _array(values)

    def covariance(self, layer: int, value: Balls) -> Balls:
        pairs = self._pairs
        values = [self.weight * x + self.bias for x in value]
        self._pairs = _pairs(pairs.first, pairs.second, pairs.cosines, values, self._count)
        return _array(values)

    def through(self, tangent: Balls, slope: Balls) -> Balls:
        return _array([self.weight * x for x in tangent * slope])


def _array(balls: list[arb]) -> Balls:
    array = np.empty(len(balls), dtype=object)
    array[:] = balls
    return array


def _pairs(
    first: list[int],
    second: list[int],
    below: list[arb],
    covariances: list[arb],
    count: int,
) -> Pairs:
    """Return the pairs of these covariances, given the cosines below; equal rows stay equal."""
    variances = covariances[count:]
    roots = [variance.rsqrt() for variance in variances]
    cosines = []
    for i, j, cosine, covariance in zip(first, second, below, covariances, strict=True):
        if i == j and cosine == 1:
            cosines.append(arb(1))
        else:
            cosines.append(covariance * roots[i] * roots[j])
    return Pairs(variances, first, second, cosines, covariances)


def normalisation(formula: Formula, bits: int) -> arb:
    """Enclose 1/E φ(z)², z ~ N(0, 1): what squares of φ and φ' of a normalised network have."""
    one = Pairs([arb(1)], [0], [0], [arb(1)], [arb(1)])
    return 1 / formula.expectations(one, False, bits)[0]
