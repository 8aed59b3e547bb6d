"""f and f' of the built-in activations: float64 arrays of any shape to new ones of the same shape.

Those that NumPy and SciPy have (tanh, sin, cos, erf) are taken from there; but for the logistic
function, which takes five times as long in SciPy as by NumPy's exp, with no fewer roundings.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from fastgram.support.arrays import Array

__all__ = [
    "SELU_ALPHA",
    "SELU_SCALE",
    "celu",
    "celu_derivative",
    "clip",
    "clip_derivative",
    "elu",
    "elu_derivative",
    "erf_derivative",
    "gelu",
    "gelu_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "minus_sin",
    "mish",
    "mish_derivative",
    "polynomial",
    "sigmoid",
    "sigmoid_derivative",
    "softplus",
    "step",
    "swish",
    "swish_derivative",
    "tanh_derivative",
]

# Klambauer et al., Self-Normalizing Neural Networks, 2017, equation (14)
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
_FAR = 350.0  # where 1 beside exp z is nothing, and exp 2z does not overflow


def leaky_relu(z: Array, negative_slope: float) -> Array:
    """Return z above 0, negative_slope·z below."""
    return np.where(z > 0, z, negative_slope * z)


def leaky_relu_derivative(z: Array, negative_slope: float) -> Array:
    """Return 1 above 0, negative_slope below."""
    return np.where(z > 0, 1.0, negative_slope)


def clip(z: Array, low: float, high: float) -> Array:
    """Return z clipped to [low, high]."""
    return np.clip(z, low, high)


def clip_derivative(z: Array, low: float, high: float) -> Array:
    """Return 1 between low and high, 0 elsewhere."""
    return ((z > low) & (z < high)).astype(np.float64)


def elu(z: Array, alpha: float, scale: float) -> Array:
    """Return scale·z above 0, scale·alpha·(exp z − 1) below."""
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def elu_derivative(z: Array, alpha: float, scale: float) -> Array:
    """Return scale above 0, scale·alpha·exp z below."""
    return scale * np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def celu(z: Array, alpha: float) -> Array:
    """Return z above 0, alpha·(exp(z/alpha) − 1) below."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0) / alpha))


def celu_derivative(z: Array, alpha: float) -> Array:
    """Return 1 above 0, exp(z/alpha) below."""
    return np.exp(np.minimum(z, 0.0) / alpha)


def tanh_derivative(z: Array) -> Array:
    """Return 1/cosh² z."""
    # 1 - tanh² loses every digit in the tails; this form keeps them all
    decay = np.exp(-2.0 * np.abs(z))
    return 4.0 * decay / (1.0 + decay) ** 2


def sigmoid(z: Array) -> Array:
    """Return s(z) = 1/(1 + exp(−z)), the logistic function."""
    return np.asarray(np.exp(np.minimum(z, 0.0)) / (1.0 + np.exp(-np.abs(z))))


def sigmoid_derivative(z: Array) -> Array:
    """Return s(z)s(−z)."""
    decay = np.exp(-np.abs(z))
    return np.asarray(decay / (1.0 + decay) ** 2)


def softplus(z: Array) -> Array:
    """Return log(1 + exp z)."""
    return np.asarray(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))))


def swish(z: Array, beta: float) -> Array:
    """Return z·s(beta·z)."""
    return np.asarray(z * sigmoid(beta * z))


def swish_derivative(z: Array, beta: float) -> Array:
    """Return s(beta·z)(1 + beta·z·s(−beta·z))."""
    inner = beta * z
    decay = np.exp(-np.abs(inner))
    larger = 1.0 / (1.0 + decay)
    smaller, above = decay * larger, inner > 0.0
    gate, rest = np.where(above, larger, smaller), np.where(above, smaller, larger)
    return np.asarray(gate * (1.0 + inner * rest))


def gelu(z: Array) -> Array:
    """Return zΦ(z), Φ the normal distribution."""
    return np.asarray(z * ndtr(z))


def gelu_derivative(z: Array) -> Array:
    """Return Φ(z) + zΦ'(z)."""
    return np.asarray(ndtr(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))


def mish(z: Array) -> Array:
    """Return z·tanh(log(1 + exp z))."""
    both, more, _ = _mish_parts(z)
    return np.asarray(z * (both / more))


def mish_derivative(z: Array) -> Array:
    """Return the derivative of z·tanh(log(1 + exp z))."""
    both, more, power = _mish_parts(z)
    near = np.minimum(z, _FAR)
    return np.asarray(both / more + near * (4.0 * power * (1.0 + power) / more / more))


def _mish_parts(z: Array) -> tuple[Array, Array, Array]:
    """Return a and b of tanh(log(1 + x)) = a/b, all summands above 0, and x = exp z.

    With a = (1 + x)² − 1 and b = (1 + x)² + 1 the derivative of a/b is 4x(1 + x)/b².
    """
    power = np.exp(np.minimum(z, _FAR))
    both = power * (power + 2.0)
    return both, both + 2.0, power


def erf_derivative(z: Array) -> Array:
    """Return 2/√π·exp(−z²)."""
    return (2.0 / math.sqrt(math.pi)) * np.exp(-z * z)


def minus_sin(z: Array) -> Array:
    """Return −sin z."""
    return -np.sin(z)


def step(z: Array) -> Array:
    """Return 1 above 0, 0 elsewhere."""
    return (z > 0).astype(np.float64)


def polynomial(z: Array, coefficients: tuple[float, ...]) -> Array:
    """Return Σ coefficients[k]·z**k, ascending."""
    value = np.full_like(z, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * z + coefficient
    return value
