"""Layers of activations with no kink but at 0, pair by pair: separated in the norms, each layer.

One layer is smooth in both norms and in half the chord of the two rows, near ρ = ±1 too. What is
made of several layers is not (the angle after a layer is like the distance of the rows, which has a
cone where they are equal), so that pairs go from layer to layer, each of which is interpolated at
Chebyshev nodes of the norm and cut into pieces of s. Terms are what a singular value decomposition
finds.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from fastgram.infinite_width.layer_maps import Layer, Pairs
from fastgram.infinite_width.pairs.norm_nodes import coordinate_of, norm_at
from fastgram.infinite_width.pairs.pair_recursion import entries_of_pairs, variances_with_next
from fastgram.infinite_width.pairs.protocol import Mask, Places, TooRough
from fastgram.infinite_width.piecewise import DEGREE, NODES, basis_at, fit, halve, points_of
from fastgram.kernels.cpu.pairs.separated import half_square_distances, separated_values
from fastgram.network.activations import Activation
from fastgram.network.integrals.line_quadrature import normal_rule
from fastgram.network.network import Network
from fastgram.network.theory.moments import second_moments
from fastgram.support.arrays import Array

__all__ = ["LayerFunctions", "NormLayers", "SmoothLayer"]

_COUNTS = (8, 12, 16, 24, 32, 48)  # of nodes of the norm
_TOLERANCE = 4e-15  # of pieces, over the roots of E g² of both rows
_TRUNCATION = 3e-15  # in the norm
_NOISE = 8e-15  # of a term, all its coefficients together: what samples' roundings leave
_WORST = 2e-13  # with the most nodes
_SAMPLED_NORMS, _ROWS = 96, 4096  # that directions are found of; at a time
_ROUNDING = 2.0**-54
_TINY = float(np.finfo(np.float64).tiny)
_TOP = float(np.sqrt(0.5))
_SAMPLED = np.array([0.02, 0.3, 0.6])  # the chords where truncation is looked at
_NARROWEST = 2.0**-12


@dataclass(frozen=True)
class _Part:
    """A piece of s: Chebyshev series of both norms' coordinates, separated."""

    far: bool
    low: float
    high: float
    series: Array  # (terms, coefficients, nodes)
    weights: Array  # (terms, nodes)


class SmoothLayer:
    """E g(u)g(v) over the roots of E g(u)² and E g(v)², g the activation or its derivative.

    Parameters
    ----------
    activation : Activation
        Without a kink but at 0.
    derivative : bool
    least, most : float
        Of the deviations √q, above 0.

    Raises
    ------
    TooRough
        If so many nodes of the norm as there may be are not enough.
    """

    def __init__(self, activation: Activation, derivative: bool, least: float, most: float) -> None:
        ends = coordinate_of(np.array([least, most]))
        self._middle = float(np.mean(ends))
        self._half = max(float(ends[1] - ends[0]) / 2.0, 1e-3)
        self._order = 1 if derivative or _jumps(activation) else 2
        for count in _COUNTS:
            layer = Layer(activation, derivative, self._nodes(count) ** 2)
            sampler = _Sampler(layer, self._order)
            missed = sampler.truncation()
            if missed <= _TRUNCATION:
                break
        if missed > _WORST:
            raise TooRough("too rough a function of the norms")
        self._count = count
        intervals = [(far, 0.0, _TOP) for far in (True, False)]
        pieces = halve(intervals, sampler.piece_of, sampler.halves)
        self._parts = [self._part(*piece) for piece in pieces]

    def _nodes(self, count: int) -> Array:
        points = self._middle + self._half * chebyshev.chebpts1(count)
        return norm_at(points)

    def _by_norms(self, values: Array) -> Array:
        """Return coefficients in both norms' coordinates, (..., nodes, nodes)."""
        transform = _transform(self._count)
        return np.asarray(transform @ _square(values, self._count) @ transform.T)

    def _part(self, interval: tuple[bool, float, float], fitted: Array) -> _Part:
        matrices = self._by_norms(fitted)  # (degree + 1, nodes, nodes)
        sizes = np.max(np.abs(matrices), axis=(1, 2))
        kept = max(int(np.max(np.flatnonzero(sizes > _TRUNCATION), initial=0)) + 1, 2)
        matrices = matrices[:kept]
        _, singular, functions = np.linalg.svd(
            matrices.reshape(-1, self._count), full_matrices=False
        )
        terms = max(int(np.count_nonzero(singular > _NOISE)), 1)
        series = (matrices @ functions[:terms].T).transpose(2, 0, 1)
        return _Part(*interval, series, functions[:terms])

    def chebyshev_rows(self, deviations: Array) -> Array:
        """Return the Chebyshev polynomials in each norm, (n, nodes)."""
        t = np.clip((coordinate_of(deviations) - self._middle) / self._half, -1.0, 1.0)
        return np.asarray(chebyshev.chebvander(t, self._count - 1))

    def of_rows(self, rows: Array) -> list[Array]:
        """Return each piece's series of rows, (n, terms, coefficients)."""
        return [
            np.ascontiguousarray(np.einsum("nm,tcm->ntc", rows, part.series))
            for part in self._parts
        ]

    def of_columns(self, columns: Array) -> list[Array]:
        """Return each piece's weights of columns, (n, terms)."""
        return [np.ascontiguousarray(columns @ part.weights.T) for part in self._parts]

    def missing(
        self,
        first: Places,
        second: Places,
        s: Array,
        far: Mask,
        rows: list[Array],
        columns: list[Array],
    ) -> Array:
        """Return what is missing at pairs from the values at the nearer end: (pairs,)."""
        result = np.zeros(s.size)
        for part, series, weights in zip(self._parts, rows, columns, strict=True):
            here = (far == part.far) & (s >= part.low)
            if part.high < _TOP:
                here &= s < part.high
            separated_values(first, second, here, s, part.low, part.high, series, weights, result)
        return np.asarray(s**self._order * result)


class _Sampler:
    """A layer at pairs of nodes of the norm, over its scales: fits of s**order·G in s."""

    def __init__(self, layer: Layer, order: int) -> None:
        self._layer, self._order = layer, order
        count = int(layer.at_one.size**0.5 * 2**0.5)
        self._count = count
        pairs = Pairs.of(count)
        self._divisor = pairs.product(np.sqrt(layer.at_one[pairs.first == pairs.second]))
        self.at_one = layer.at_one / self._divisor
        self.at_minus_one = layer.at_minus_one / self._divisor

    def _missing(self, far: bool, s: Array) -> Array:
        values = self._layer.at_offsets(far, 2.0 * np.arcsin(s)).values / self._divisor
        return np.asarray(values)

    def truncation(self) -> float:
        """Return the size of the last coefficients in the norm."""
        samples = [self._missing(far, _SAMPLED) for far in (False, True)]
        values = np.concatenate([*samples, self.at_one[None], self.at_minus_one[None]])
        last = _transform(self._count)[-2:] @ _square(values, self._count)
        return float(np.max(np.abs(last)))

    def piece_of(
        self, interval: tuple[bool, float, float]
    ) -> tuple[tuple[bool, float, float], Array] | None:
        """Return the series of G on an interval of s, None where they miss too much."""
        far, low, high = interval
        s = points_of(low, high, NODES)[:, None]
        samples = self._missing(far, s[:, 0]) / s ** (self._order - 1)
        basis = s * basis_at(NODES, DEGREE)  # samples carry a rounding of s·G
        series = fit(basis, samples)
        missed = float(np.max(np.abs(basis @ series - samples)))
        return (interval, series) if missed <= 2.0 * _TOLERANCE else None

    def halves(self, interval: tuple[bool, float, float]) -> list[tuple[bool, float, float]]:
        """Return both halves of an interval; refuse one that is too narrow."""
        far, low, high = interval
        if high - low < _NARROWEST:
            raise TooRough("too rough a function of the angle")
        middle = (low + high) / 2.0
        return [(far, middle, high), (far, low, middle)]


def _jumps(activation: Activation) -> bool:
    """Whether f jumps at 0, its only kink."""
    below, above, around = activation.f(np.array([-1e-9, 1e-9, 1.0]))
    return bool(activation.kinks) and bool(abs(above - below) > 1e-6 * abs(around))


def _transform(count: int) -> Array:
    """Return the matrix from values at Chebyshev nodes to coefficients."""
    vandermonde = chebyshev.chebvander(chebyshev.chebpts1(count), count - 1)
    weights = np.where(np.arange(count) == 0, 1.0, 2.0) / count
    return np.asarray(vandermonde.T * weights[:, None])


def _square(values: Array, count: int) -> Array:
    """Return symmetric (..., count, count) matrices from their upper triangles."""
    pairs = Pairs.of(count)
    result = np.empty((*values.shape[:-1], count, count))
    result[..., pairs.first, pairs.second] = values
    result[..., pairs.second, pairs.first] = values
    return result


@functools.lru_cache(maxsize=32)
def _smooth_layer(
    activation: Activation, derivative: bool, least: float, most: float
) -> SmoothLayer:
    return SmoothLayer(activation, derivative, least, most)


class _Samples:
    """A function at the nodes of a normal variable, times roots of the weights, for each row.

    Inner products of two are expectations. Samples of all rows lie in a space of few dimensions, to
    a rounding, and are given by as many coordinates.
    """

    def __init__(self, activation: Activation, derivative: bool, deviations: Array) -> None:
        self._function = activation.df if derivative else activation.f
        z, weight = normal_rule(activation, deviations**2)
        self._points = np.concatenate([z, -z])
        self._root = np.sqrt(np.concatenate([weight, weight]))
        few = np.geomspace(deviations.min(), deviations.max(), _SAMPLED_NORMS)
        stack = np.concatenate([self._values(sign * few) for sign in (1.0, -1.0)])
        stack /= np.maximum(np.linalg.norm(stack, axis=1, keepdims=True), _TINY)
        _, singular, directions = np.linalg.svd(stack, full_matrices=False)
        kept = int(np.count_nonzero(singular > _ROUNDING * singular[0]))
        self._directions = directions[: max(kept, 1)].T

    def _values(self, deviations: Array) -> Array:
        return np.asarray(self._function(deviations[:, None] * self._points) * self._root)

    def of(self, deviations: Array, following: Array, sign: float) -> Array:
        """Return the coordinates of the function at ±deviations, over the roots of `following`."""
        parts = [
            self._values(sign * deviations[start : start + _ROWS]) @ self._directions
            for start in range(0, deviations.size, _ROWS)
        ]
        return np.ascontiguousarray(np.concatenate(parts) / np.sqrt(following)[:, None])


class LayerFunctions:
    """f or f' of a layer, of rows and columns: at the ends by one quadrature for all of them."""

    def __init__(
        self,
        network: Network,
        derivative: bool,
        rows: tuple[Array, Array],
        columns: tuple[Array, Array],
    ) -> None:
        activation = network.activation
        roots = self.deviations = [np.sqrt(side[0]) for side in (rows, columns)]
        both = np.concatenate(roots)
        self.layer = _smooth_layer(activation, derivative, float(both.min()), float(both.max()))
        self._rows = self.layer.of_rows(self.layer.chebyshev_rows(roots[0]))
        self._columns = self.layer.of_columns(self.layer.chebyshev_rows(roots[1]))
        samples = _Samples(activation, derivative, both)
        self._row_samples = samples.of(roots[0], rows[1], 1.0)
        self._column_samples = np.stack(
            [samples.of(roots[1], columns[1], sign) for sign in (1.0, -1.0)]
        )
        scale = network.normalisation()
        self.scales = [
            np.sqrt(second_moments(network, derivative, root**2) / scale) for root in roots
        ]
        self._sizes = [np.sqrt(side[1]) for side in (rows, columns)]

    def at_pairs(self, first: Places, second: Places, s: Array, far: Mask) -> Array:
        """Return, at the nearer end, E gg, what is missing from it, and both distances."""
        out = np.empty((first.size, 4))
        distances = np.empty((first.size, 2))
        half_square_distances(
            first, second, far, self._row_samples, self._column_samples, distances
        )
        sizes = self._sizes[0][first] * self._sizes[1][second]
        out[:, 0] = sizes * (distances[:, 1] - distances[:, 0]) / 2.0
        missing = self.layer.missing(first, second, s, far, self._rows, self._columns)
        out[:, 1] = self.scales[0][first] * self.scales[1][second] * missing
        out[:, 2:] = distances
        return out


class NormLayers:
    """The layers of a network whose activation has no kink but at 0: `PairLayers`.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows, above 0.

    Raises
    ------
    TooRough
        If a layer is too rough a function of the norms.
    """

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        self.network, self.kind = network, kind
        self.row_norms, self.column_norms = row_norms, column_norms
        inputs = [variances_with_next(network, norms) for norms in (row_norms, column_norms)]
        self._sizes = [
            (np.sqrt(left[1]), np.sqrt(right[1])) for left, right in zip(*inputs, strict=True)
        ]
        self.of_f: list[LayerFunctions | None] = []
        self.of_df: list[LayerFunctions | None] = []
        for layer, (left, right) in enumerate(zip(*inputs, strict=True), 1):
            last = layer == network.depth
            with_df = kind == "ntk" or (last and kind == "gradient")
            with_f = not last or kind != "gradient"
            self.of_df.append(LayerFunctions(network, True, left, right) if with_df else None)
            self.of_f.append(LayerFunctions(network, False, left, right) if with_f else None)

    def sizes(self, layer: int) -> tuple[Array, Array]:
        """Return the deviations of the next layer's inputs."""
        return self._sizes[layer - 1]

    def through(
        self, layer: int, first: Places, second: Places, squares: Array, far: Mask
    ) -> Array:
        """Return what a layer makes of pairs."""
        s = np.sqrt(squares)
        out = np.zeros((first.size, 5))
        of_f, of_df = self.of_f[layer - 1], self.of_df[layer - 1]
        if of_df is not None:
            found = of_df.at_pairs(first, second, s, far)
            out[:, 0] = found[:, 0] - found[:, 1]
        if of_f is not None:
            out[:, 1:] = of_f.at_pairs(first, second, s, far)
        return out

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs."""
        return entries_of_pairs(self, first, second, squares, far)
