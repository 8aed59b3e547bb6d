"""How far the computed entries of a network of finite width are from the ideal ones.

The ideal matrix is that of the given rows and the drawn weights in exact arithmetic. A computed z
is off by at most δ = (γ‖F‖ + ‖error of F‖)·‖V_k‖; what that does to φ and φ' is read off at z − δ
and z + δ, so that a neuron whose z is too close to a kink to tell its side counts with the whole
jump. All z of a row together are off by the errors' norm times the largest singular value of the
weights, which bounds a smooth layer's more tightly. From there errors go on by norms: a row of B is
off by β and one of F by ξ in norm, and by Cauchy and Schwarz an entry of B Bᵀ is off by no more
than βᵢ‖Bⱼ‖ + ‖Bᵢ‖βⱼ + βᵢβⱼ and the rounding of a sum of m products. The sum of the squares over all
entries bounds the spectral norm.

Taken for granted: between its two ends φ' leaves the range of its values there by no more than
second order in δ, and a row of values of φ or φ' is computed to 16 roundings of its norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgram.finite_width.features import Features
from fastgram.support.arrays import Array, blocks
from fastgram.support.rounding import gamma
from fastgram.support.threads import in_order

__all__ = ["norm_error"]

_EPS = float(np.finfo(np.float64).eps)
# Roundings granted to an evaluation of φ or φ', and to a few multiplications.
_VALUE = 16 * _EPS
_FEW = 4 * _EPS


def _norms(array: Array) -> Array:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", array, array)))


@dataclass(frozen=True)
class _Sizes:
    """Of one pair: norms of the rows of B and F, bounds of them and of their errors."""

    backward: Array
    backward_error: Array
    forward: Array
    forward_error: Array


def norm_error(
    features: Features, rows: Array, dtype: np.dtype[np.floating], counted: bool
) -> float:
    """Bound the spectral norm of (matrix of computed tiles − ideal matrix).

    Parameters
    ----------
    features : Features
    rows : (n, p) array
        Augmented rows.
    dtype : {float64, float32}
        Of the tiles.
    counted : bool
        Whether the last layer's B Bᵀ is counted from bits, without rounding.
    """
    gains = [_largest_singular(layer) for layer in features.weights.layers]

    def sizes(block: slice) -> list[_Sizes]:
        with np.errstate(over="ignore", invalid="ignore"):
            found = _sizes(features, rows[block], gains)
        for one in found:
            features.require_finite(one.backward * one.forward)
        return found

    found = list(in_order(sizes, blocks(rows.shape[0], features.block_rows)))
    eps = float(np.finfo(dtype).eps)
    cast = 0.0 if eps == _EPS else eps
    total = size = 0.0
    for index, (m, p) in enumerate(features.columns):
        parts = [block[index] for block in found]
        x, xi = (np.concatenate([getattr(q, name) for q in parts]) for name in _FORWARD)
        y, beta = (np.concatenate([getattr(q, name) for q in parts]) for name in _BACKWARD)
        xi, x = xi + cast * x, x + xi
        exact = counted and index == features.gradient_index
        beta, y = (beta if exact else beta + (cast * y if m else 0.0)), y + beta
        norm = float(np.linalg.norm(y * x))
        sums = gamma(p, eps) + (16 * eps if exact or not m else gamma(m, eps)) + 4 * eps
        total += 2.0 * norm * float(np.linalg.norm(beta * x) + np.linalg.norm(y * xi))
        total += sums * norm**2
        size += norm**2
    return 1.01 * (total + len(features.columns) * eps * size)


_BACKWARD = ("backward", "backward_error")
_FORWARD = ("forward", "forward_error")


def _off(function: Callable[[Array], Array], z: Array, error: Array) -> tuple[Array, Array]:
    """Return values at z, and how far they may be from those at the ideal z."""
    values = function(z)
    low, high = function(z - error), function(z + error)
    return values, np.maximum(np.abs(low - values), np.abs(high - values))


def _row_error(off: Array, delta: Array, row_delta: Array) -> Array:
    """Bound the norm of all deviations of a row.

    Each is at most `off` where its own z is off by `delta`, but all z of a row are off by
    `row_delta` in norm only: where the function has no jump near, its steepest rise does for all.
    """
    steepest = np.max(np.divide(off, delta, where=delta > 0.0, out=np.zeros_like(off)), axis=1)
    return np.asarray(np.minimum(_norms(off), 1.01 * steepest * row_delta))


def _largest_singular(layer: Array) -> float:
    """Bound the spectral norm of a weight matrix, by the Schatten norm of order 8."""
    square = layer.T @ layer if layer.shape[1] <= layer.shape[0] else layer @ layer.T
    return float(1.01 * np.linalg.norm(square @ square) ** 0.25)


@dataclass(frozen=True)
class _Slopes:
    """φ'(z) of a layer, how far each may be off, and how far a row of them in norm."""

    values: Array
    off: Array
    row_error: Array


@dataclass
class _Forward:
    """Of a block of rows: norms and errors of each layer's F, its φ', and those of the last φ."""

    inputs: list[tuple[Array, Array]]
    slopes: list[_Slopes]
    values: tuple[Array, Array] | None = None


def _sizes(features: Features, rows: Array, gains: list[float]) -> list[_Sizes]:
    """Return the norms and errors of a block of rows, in the order of `Features.pairs`."""
    forward, found = _forward(features, rows, gains), []
    if forward.values is not None:
        ones, zeros = np.ones(rows.shape[0]), np.zeros(rows.shape[0])
        root = math.sqrt(features.width)
        norms, value_error = forward.values
        size = norms / root
        found.append(_Sizes(ones, zeros, size, value_error / root + _FEW * size))
    return found if features.kind == "nngp" else found + _backward(features, forward, gains)


def _forward(features: Features, rows: Array, gains: list[float]) -> _Forward:
    network, layers = features.network, features.weights.layers
    scaled = network.first_weight_variance != 1.0 or network.first_bias_variance > 0.0
    inputs = rows
    error = (_FEW if scaled else 0.0) * _norms(rows)
    found = _Forward([], [])
    for layer, gain in zip(layers, gains, strict=True):
        last = layer is layers[-1]
        size = _norms(inputs)
        found.inputs.append((size, error))
        z = inputs @ layer.T
        reach = gamma(inputs.shape[1] + 2) * size + error
        lengths = 1.01 * _norms(layer)
        delta = np.outer(reach, lengths)
        # of all z of a row: the rounding of each, and the inputs' error through the matrix
        rounding = gamma(inputs.shape[1] + 2) * size * float(np.linalg.norm(lengths))
        row_delta = rounding + gain * error
        if features.kind == "ntk" or (last and features.kind == "gradient"):
            slope, off = _off(features.slopes, z, delta)
            found.slopes.append(_Slopes(slope, off, _row_error(off, delta, row_delta)))
        if last and features.kind == "gradient":
            break
        values, off = _off(features.values, z, delta)
        value_error = _row_error(off, delta, row_delta) + _VALUE * _norms(values)
        if last:
            found.values = _norms(values), value_error
            break
        inputs = features.inputs(values)
        error = features.layer_scale * value_error + _FEW * _norms(inputs)
    return found


def _backward(features: Features, forward: _Forward, gains: list[float]) -> list[_Sizes]:
    """Return the norms and errors of the layers whose gradients the kind has, from the last."""
    readout = features.weights.readout / math.sqrt(features.width)
    last = forward.slopes[-1]
    backward = last.values * readout
    beta = np.minimum(_norms(last.off * np.abs(readout)), last.row_error * np.max(np.abs(readout)))
    beta += (_VALUE + _FEW) * _norms(backward)
    found = [_Sizes(_norms(backward), beta, *forward.inputs[-1])]
    if features.kind == "ntk":
        for layer in range(len(gains) - 1, 0, -1):
            slopes, gain = forward.slopes[layer - 1], gains[layer]
            backward, beta = _below(features, layer, backward, beta, slopes, gain)
            found.append(_Sizes(_norms(backward), beta, *forward.inputs[layer - 1]))
    return found


def _below(
    features: Features, layer: int, backward: Array, beta: Array, slopes: _Slopes, gain: float
) -> tuple[Array, Array]:
    """Return the B of the layer below number `layer`, and its error; β is that of the layer's."""
    weights = features.weights.layers[layer][:, : features.width]
    carried = features.layer_scale * (backward @ weights)
    rounding = gamma(features.width + 4) * _norms(backward)
    lengths = 1.01 * features.layer_scale * _norms(weights.T)
    each = np.outer(beta + rounding, lengths)
    in_norm = gain * features.layer_scale * beta + rounding * float(np.linalg.norm(lengths))
    steepest = np.max(np.abs(slopes.values) + slopes.off, axis=1)
    beta = np.minimum(_norms(each * (np.abs(slopes.values) + slopes.off)), steepest * in_norm)
    carried_most = np.max(np.abs(carried), axis=1)
    beta += np.minimum(_norms(np.abs(carried) * slopes.off), carried_most * slopes.row_error)
    backward = carried * slopes.values
    largest = carried_most * _norms(slopes.values)
    beta += _VALUE * largest + _FEW * _norms(backward)
    return backward, beta
