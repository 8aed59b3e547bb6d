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
import numpy.typing as npt

from fastgram.finite_width.features import Features, blocks
from fastgram.support.threads import in_order

__all__ = ["norm_error"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Roundings granted to an evaluation of φ or φ', and to a few multiplications.
_VALUE = 16 * _EPS
_FEW = 4 * _EPS


def _gamma(count: int, eps: float = _EPS) -> float:
    rounding = count * eps / 2.0
    if rounding >= 0.5:
        return math.inf
    return rounding / (1.0 - rounding)


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
        whole = float(np.linalg.norm(y * x))
        sums = _gamma(p, eps) + (16 * eps if exact or not m else _gamma(m, eps)) + 4 * eps
        total += 2.0 * whole * float(np.linalg.norm(beta * x) + np.linalg.norm(y * xi))
        total += sums * whole**2
        size += whole**2
    return 1.01 * (total + len(features.columns) * eps * size)


_BACKWARD = ("backward", "backward_error")
_FORWARD = ("forward", "forward_error")


def _off(function: Callable[[Array], Array], z: Array, error: Array) -> tuple[Array, Array]:
    """Return values at z, and how far they may be from those at the ideal z."""
    values = function(z)
    low, high = function(z - error), function(z + error)
    return values, np.maximum(np.abs(low - values), np.abs(high - values))


def _together(off: Array, delta: Array, whole: Array) -> Array:
    """Bound the norm of all deviations of a row together.

    Each is at most `off` where its own z is off by `delta`, but all z of a row together are off by
    `whole` in norm only: where the function has no jump near, its steepest rise does for all.
    """
    steepest = np.max(np.divide(off, delta, where=delta > 0.0, out=np.zeros_like(off)), axis=1)
    return np.asarray(np.minimum(_norms(off), 1.01 * steepest * whole))


def _largest_singular(layer: Array) -> float:
    """Bound the spectral norm of a weight matrix, by the Schatten norm of order 8."""
    square = layer.T @ layer if layer.shape[1] <= layer.shape[0] else layer @ layer.T
    return float(1.01 * np.linalg.norm(square @ square) ** 0.25)


def _sizes(features: Features, rows: Array, gains: list[float]) -> list[_Sizes]:
    """Return the norms and errors of a block of rows, in the order of `Features.pairs`."""
    network, layers = features.network, features.weights.layers
    scaled = network.weight_variance != 1.0 or network.bias_variance > 0.0
    ones, zeros = np.ones(rows.shape[0]), np.zeros(rows.shape[0])
    inputs = rows
    error = (_FEW if scaled else 0.0) * _norms(rows)
    forwards, slopes, found = [], [], []
    for layer in layers:
        last = layer is layers[-1]
        size = _norms(inputs)
        forwards.append((size, error))
        z = inputs @ layer.T
        reach = _gamma(inputs.shape[1] + 2) * size + error
        lengths = 1.01 * _norms(layer)
        delta = np.outer(reach, lengths)
        # of all z of a row: the rounding of each, and the inputs' error through the matrix
        rounding = _gamma(inputs.shape[1] + 2) * size * float(np.linalg.norm(lengths))
        whole = rounding + gains[len(forwards) - 1] * error
        if features.kind == "ntk" or (last and features.kind == "gradient"):
            slope, off = _off(features.slopes, z, delta)
            slopes.append((slope, off, _together(off, delta, whole)))
        if last and features.kind == "gradient":
            break
        values, off = _off(features.values, z, delta)
        value_error = _together(off, delta, whole) + _VALUE * _norms(values)
        inputs = features.inputs(values)
        error = features.step * value_error + _FEW * _norms(inputs)
    if features.kind != "gradient":
        root = math.sqrt(features.width)
        size = _norms(values) / root
        found.append(_Sizes(ones, zeros, size, value_error / root + _FEW * size))
    if features.kind == "nngp":
        return found
    readout = features.weights.readout / math.sqrt(features.width)
    slope, off, off_norm = slopes[-1]
    backward = slope * readout
    beta = np.minimum(_norms(off * np.abs(readout)), off_norm * np.max(np.abs(readout)))
    beta += (_VALUE + _FEW) * _norms(backward)
    found.append(_Sizes(_norms(backward), beta, *forwards[-1]))
    if features.kind == "gradient":
        return found
    for index in range(len(layers) - 1, 0, -1):
        weights = layers[index][:, : features.width]
        carried = features.step * (backward @ weights)
        rounding = _gamma(features.width + 4) * _norms(backward)
        lengths = 1.01 * features.step * _norms(weights.T)
        spread = np.outer(beta + rounding, lengths)
        whole = gains[index] * features.step * beta + rounding * float(np.linalg.norm(lengths))
        slope, off, off_norm = slopes[index - 1]
        steepest = np.max(np.abs(slope) + off, axis=1)
        beta = np.minimum(_norms(spread * (np.abs(slope) + off)), steepest * whole)
        carried_most = np.max(np.abs(carried), axis=1)
        beta += np.minimum(_norms(np.abs(carried) * off), carried_most * off_norm)
        backward = carried * slope
        largest = carried_most * _norms(slope)
        beta += _VALUE * largest + _FEW * _norms(backward)
        found.append(_Sizes(_norms(backward), beta, *forwards[index - 1]))
    return found
