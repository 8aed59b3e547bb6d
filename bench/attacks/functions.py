"""Activations and their derivatives by mpmath, in the formulas that users know them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

__all__ = ["FUNCTIONS", "second_moment"]

Function = Callable[[Any], Any]

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


def _softplus(z: Any) -> Any:
    return mp.log(1 + mp.exp(z))


def _swish_slope(z: Any) -> Any:
    s = _sigmoid(z)
    return s + z * s * (1 - s)


def _mish_slope(z: Any) -> Any:
    t = mp.tanh(_softplus(z))
    return t + z * (1 - t * t) * _sigmoid(z)


def _gelu_slope(z: Any) -> Any:
    return mp.ncdf(z) + z * mp.npdf(z)


def _polynomial(z: Any) -> Any:
    return mp.mpf(1) / 2 - z + z**3 / 4


# f, f' and where f or f' jumps.
FUNCTIONS: dict[str, tuple[Function, Function, tuple[float, ...]]] = {
    "relu": (lambda z: max(z, 0), lambda z: int(z > 0), (0.0,)),
    "leaky_relu(negative_slope=0.25)": (
        lambda z: z if z > 0 else z / 4,
        lambda z: 1 if z > 0 else mp.mpf(0.25),
        (0.0,),
    ),
    "abs": (abs, lambda z: 1 if z > 0 else -1, (0.0,)),
    "hard_tanh": (lambda z: max(-1, min(1, z)), lambda z: int(-1 < z < 1), (-1.0, 1.0)),
    "relu6": (lambda z: max(0, min(6, z)), lambda z: int(0 < z < 6), (0.0, 6.0)),
    "elu": (
        lambda z: z if z > 0 else mp.expm1(z),
        lambda z: 1 if z > 0 else mp.exp(z),
        (0.0,),
    ),
    "tanh": (mp.tanh, lambda z: 1 - mp.tanh(z) ** 2, ()),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z)), ()),
    "softplus": (_softplus, _sigmoid, ()),
    "swish": (lambda z: z * _sigmoid(z), _swish_slope, ()),
    "gelu": (lambda z: z * mp.ncdf(z), _gelu_slope, ()),
    "mish": (lambda z: z * mp.tanh(_softplus(z)), _mish_slope, ()),
    "erf": (mp.erf, lambda z: 2 * mp.exp(-z * z) / mp.sqrt(mp.pi), ()),
    "sin": (mp.sin, mp.cos, ()),
    "cos": (mp.cos, lambda z: -mp.sin(z), ()),
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])": (
        _polynomial,
        lambda z: -1 + 3 * z**2 / 4,
        (),
    ),
}


def second_moment(name: str) -> Any:
    """Return E f(z)², z standard normal, at mpmath's precision."""
    f, _, kinks = FUNCTIONS[name]
    points = sorted({-40.0, -8.0, -2.0, 2.0, 8.0, 40.0, *kinks})
    return mp.quad(lambda z: f(z) ** 2 * mp.npdf(z), points)
