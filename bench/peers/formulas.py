"""Closed forms of the NTK of unit rows and of the ReLU Gram matrix, as one would write them.

Weight variance 1, no bias: a layer takes the covariance c of two rows, whose variances are q, to
E[f(u)f(v)], and E[f'(u)f'(v)] takes the NTK along (Cho and Saul, 2009, for relu; Williams, 1997,
for erf). All rows have one norm, so that q is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.reference import CLOSED_FORMS, Entry

__all__ = ["LAYERS", "ntk", "ntk_entry", "relu_gradient"]

Array = npt.NDArray[np.float64]


def _relu(c: Array, q: float) -> tuple[Array, Array, float]:
    cosine = np.clip(c / q, -1.0, 1.0)
    slope = (np.pi - np.arccos(cosine)) / (2.0 * np.pi)
    value = q / (2.0 * np.pi) * np.sqrt(1.0 - cosine**2) + c * slope
    return value, slope, q / 2.0


def _erf(c: Array, q: float) -> tuple[Array, Array, float]:
    size = 1.0 + 2.0 * q
    value = 2.0 / np.pi * np.arcsin(2.0 * c / size)
    slope = 4.0 / np.pi / np.sqrt(size**2 - 4.0 * c**2)
    return value, slope, 2.0 / math.pi * math.asin(2.0 * q / size)


# Activation to the function of (c, q) that returns E[ff], E[f'f'] and the next q.
LAYERS: dict[str, Callable[[Array, float], tuple[Array, Array, float]]] = {
    "relu": _relu,
    "erf": _erf,
}


def ntk(products: Any, activation: str, depth: int) -> Array:
    """Return the NTK from the inner products of unit rows, vectorised."""
    covariance, tangent, q = products, products, 1.0
    for _ in range(depth):
        covariance, slope, q = LAYERS[activation](covariance, q)
        tangent = covariance + tangent * slope
    return np.asarray(tangent)


def ntk_entry(activation: str, depth: int) -> Entry:
    """Return the rule of one entry of the NTK, for the naive loop of kernels/reference.py."""
    value = CLOSED_FORMS[activation, "nngp"]
    gradient = CLOSED_FORMS[activation, "gradient"]  # c E[f'f']

    def entry(inner: float, q1: float, q2: float) -> float:
        tangent = inner
        for _ in range(depth):
            slope = gradient(inner, q1, q2) / inner if inner else 0.0
            inner, q1, q2 = value(inner, q1, q2), value(q1, q1, q1), value(q2, q2, q2)
            tangent = inner + tangent * slope
        return tangent

    return entry


def relu_gradient(products: Array) -> Array:
    """Return the ReLU gradient Gram matrix from the inner products of unit rows, vectorised."""
    cosine = np.clip(products, -1.0, 1.0)
    return np.asarray(cosine * (np.pi - np.arccos(cosine)) / (2.0 * np.pi))
