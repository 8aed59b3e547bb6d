"""The kernel of a network of infinite width: a Gram entry as a function of two rows.

An entry depends on the angle between two augmented rows and on their norms. Tables hold it over
the scales of the two rows, `row_scale`, as a function of the angle alone.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fastgram.infinite_width.conditioning import errors_of_norm
from fastgram.infinite_width.piecewise import Profile
from fastgram.infinite_width.recursion import recursion_of
from fastgram.infinite_width.tables.cosine_table import build_middle, build_table
from fastgram.kernels.contract import MiddlePolynomial, Table
from fastgram.network.duals import dual_entries, pair_distances
from fastgram.network.layers import LayerRecursion
from fastgram.network.network import Network
from fastgram.network.theory.moments import diagonal_entries, variances
from fastgram.support.arrays import Array

__all__ = [
    "diagonal_entries",
    "direct_entries",
    "middle_of_norm",
    "profile_of_norm",
    "profile_of_norms",
    "row_scale",
    "table_of_norm",
]


def row_scale(network: Network, kind: str, norms: Array) -> Array:
    """Return what entries are divided by, for row and column, in a table of one norm: (n,)."""
    first_layer = kind == "gradient" and network.depth == 1  # there Σ⁰ itself is a factor
    return norms.copy() if first_layer else np.ones_like(norms)


def table_of_norm(network: Network, kind: str, norm: float, dtype: npt.DTypeLike) -> Table:
    """Return the table of entries between rows of one norm, over their two scales.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    norm : float
        Of augmented rows.
    dtype : {float64, float32}
        Of the tiles.

    Raises
    ------
    ValueError
        If a variance vanishes or overflows in some layer, or a kink was not declared.
    """
    return _table(network, kind, norm, np.dtype(dtype).name)


@functools.lru_cache(maxsize=64)
def _table(network: Network, kind: str, norm: float, dtype: str) -> Table:
    return build_table(profile_of_norm(network, kind, norm), dtype)


@functools.lru_cache(maxsize=64)
def middle_of_norm(
    network: Network, kind: str, norm: float, wide: bool = False
) -> MiddlePolynomial | None:
    """Return the middle of the float64 table of one norm as one polynomial, where there is one."""
    profile = profile_of_norm(network, kind, norm)
    return build_middle(profile, _table(network, kind, norm, "float64"), wide)


def profile_of_norms(network: Network, kind: str, norms: Array, scales: Array) -> Profile:
    """Return entries over two scales as functions of the angle, one for each pair of norms.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    norms : (m,) array
        Of augmented rows, above 0.
    scales : (m,) array
        Of rows of these norms.
    """
    recursion = recursion_of(network, kind, tuple(norms.tolist()))
    divisor = recursion.pairs.product(scales)

    def chords(far: bool, offsets: Array) -> Array:
        return recursion.distances(far, offsets)[1] / divisor

    start = np.zeros(1)
    ends = [recursion.distances(far, start)[0] / divisor for far in (False, True)]
    return Profile(ends[0], ends[1], chords, network.depth)


def profile_of_norm(network: Network, kind: str, norm: float) -> Profile:
    """Return entries over two scales between rows of one norm, and bounds of their errors."""
    norms = np.array([norm])
    scales = row_scale(network, kind, norms)
    errors = errors_of_norm(network, kind, norm)
    diagonal = float((diagonal_entries(network, kind, norms) / scales**2)[0])
    profile = profile_of_norms(network, kind, norms, scales)
    return replace(profile, error=errors.base * diagonal, by_norm=errors.by_norm * diagonal)


# --- one by one -----------------------------------------------------------------------------------


def direct_entries(network: Network, kind: str, theta: Array, q1: Array, q2: Array) -> Array:
    """Return entries one by one, each layer a quadrature of its own; equal shapes.

    Two quadratures an entry and layer (milliseconds): for entries that no table holds.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    theta : array
        Angles between augmented rows, in [0, π].
    q1, q2 : arrays
        Their squared norms.
    """
    left, right = (_variances_of_each(network, q) for q in (q1, q2))
    result = np.empty(theta.size)
    sizes = zip(theta.flat, zip(*left, strict=True), zip(*right, strict=True), strict=True)
    for k, (angle, first, second) in enumerate(sizes):
        pair = _Pair(network, kind, float(angle), first, second)
        result[k] = pair.entry(pair.first) + 0.0  # no -0.0
    return result.reshape(theta.shape)


def _variances_of_each(network: Network, q: Array) -> list[Array]:
    distinct, places = np.unique(q.ravel(), return_inverse=True)
    return [values[places] for values in variances(network, np.sqrt(distinct))]


class _Pair(LayerRecursion):
    """One pair of rows: its angle goes along from layer to layer, as distances from both ends.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    theta : float
        The angle between the rows.
    left, right : (depth) floats
        The variances of each row in the layers' inputs.
    """

    def __init__(
        self,
        network: Network,
        kind: str,
        theta: float,
        left: tuple[float, ...],
        right: tuple[float, ...],
    ) -> None:
        super().__init__(network, kind)
        self._theta, self._left, self._right = theta, left, right
        self._scale = network.normalisation()

    @property
    def first(self) -> float:
        """Σ⁰ of the pair."""
        return float(np.sqrt(self._left[0]) * np.sqrt(self._right[0]) * np.cos(self._theta))

    def expectation(self, layer: int, derivative: bool, covariance: float) -> float:
        q1, q2 = self._left[layer - 1], self._right[layer - 1]
        at = (np.array([self._theta]), np.array([q1]), np.array([q2]))
        return self._scale * float(dual_entries(self.network.activation, derivative, *at)[0])

    def covariance(self, layer: int, value: float) -> float:
        self._turn(layer)
        result: float = super().covariance(layer, value)
        return result

    def _turn(self, layer: int) -> None:
        """Take the angle through a layer."""
        size = float(np.sqrt(self._left[layer])), float(np.sqrt(self._right[layer]))
        if 0.0 in size:  # one of the two is constant: any angle will do
            return
        q = self._left[layer - 1], self._right[layer - 1]
        minus, plus = pair_distances(self.network.activation, self._theta, q, size)
        constant = 1.0 / size[0], 1.0 / size[1]
        gain, bias = self.weight * self._scale, self.bias
        minus = gain * minus + 0.5 * bias * (constant[0] - constant[1]) ** 2
        plus = gain * plus + 0.5 * bias * (constant[0] + constant[1]) ** 2
        self._theta = 2.0 * float(np.arctan2(np.sqrt(minus), np.sqrt(plus)))
