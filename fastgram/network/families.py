"""The table of activations: each family is f, f' and its kinks, as functions of its parameters.

Nothing else in the library knows an activation by name. To add one, write its f and f' into
`fastgram.network.elementwise` and its line into ``FAMILIES``; the tests walk the table. Where it
has a formula in ball arithmetic, its line in `fastgram.exact.built_in` names that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import erf

from fastgram.network import elementwise
from fastgram.network.functions import Function
from fastgram.support.validation import as_numbers

__all__ = ["ALIASES", "FAMILIES", "Family", "as_coefficients"]

_Parts = dict[str, Any]


def _elu_parts(alpha: float = 1.0) -> _Parts:
    return {
        "f": functools.partial(elementwise.elu, alpha=alpha, scale=1.0),
        "df": functools.partial(elementwise.elu_derivative, alpha=alpha, scale=1.0),
        "kinks": (0.0,),
    }


def _selu_parts() -> _Parts:
    alpha, scale = elementwise.SELU_ALPHA, elementwise.SELU_SCALE
    return {
        "f": functools.partial(elementwise.elu, alpha=alpha, scale=scale),
        "df": functools.partial(elementwise.elu_derivative, alpha=alpha, scale=scale),
        "kinks": (0.0,),
    }


def _celu_parts(alpha: float = 1.0) -> _Parts:
    if alpha <= 0:
        raise ValueError(f"celu: alpha must be above 0, not {alpha:g}")
    return {
        "f": functools.partial(elementwise.celu, alpha=alpha),
        "df": functools.partial(elementwise.celu_derivative, alpha=alpha),
        "kinks": (0.0,),
    }


def _leaky_relu_parts(negative_slope: float = 0.01) -> _Parts:
    return {
        "f": functools.partial(elementwise.leaky_relu, negative_slope=negative_slope),
        "df": functools.partial(elementwise.leaky_relu_derivative, negative_slope=negative_slope),
        "kinks": (0.0,),
    }


def _clip_parts(low: float, high: float, parity: int) -> _Parts:
    return {
        "f": functools.partial(elementwise.clip, low=low, high=high),
        "df": functools.partial(elementwise.clip_derivative, low=low, high=high),
        "kinks": (low, high),
        "parity": parity,
    }


def _swish_parts(beta: float = 1.0) -> _Parts:
    return {
        "f": functools.partial(elementwise.swish, beta=beta),
        "df": functools.partial(elementwise.swish_derivative, beta=beta),
    }


def as_coefficients(values: Any) -> tuple[float, ...]:
    """Return the ascending coefficients of a polynomial, one or more finite numbers."""
    try:
        ascending = as_numbers("polynomial: coefficients", values, "a list of numbers")
    except ValueError:
        ascending = ()
    if not ascending:
        raise ValueError(f"polynomial: needs one or more finite coefficients, not {values!r}")
    return ascending


def _polynomial_parts(coefficients: Sequence[float] = (0.0, 1.0, 1.0)) -> _Parts:
    ascending = as_coefficients(coefficients)
    degree = max((k for k, c in enumerate(ascending) if c != 0.0), default=0)
    ascending = ascending[: degree + 1]
    slopes = tuple(k * c for k, c in enumerate(ascending))[1:] or (0.0,)
    powers = tuple(k for k, c in enumerate(ascending) if c != 0.0)
    odd = any(k % 2 == 1 for k in powers)
    even = any(k % 2 == 0 for k in powers)
    return {
        "f": functools.partial(elementwise.polynomial, coefficients=ascending),
        "df": functools.partial(elementwise.polynomial, coefficients=slopes),
        "powers": powers,
        "flat": degree == 0,
        "parity": int(even and not odd) - int(odd and not even),
    }


def _fixed(f: Function, df: Function, kinks: tuple[float, ...] = (), **facts: Any) -> Any:
    """Return the parts of an activation that has no parameter."""

    def parts() -> _Parts:
        return {"f": f, "df": df, "kinks": kinks, **facts}

    return parts


@dataclass(frozen=True)
class Family:
    """Activations of one formula.

    Attributes
    ----------
    description : str
        One line.
    parts : callable
        From the parameters, as keywords, to the arguments of `fastgram.Activation`.
    defaults : mapping
        The parameters' names and their defaults.
    """

    description: str
    parts: Callable[..., _Parts]
    defaults: Mapping[str, Any] = field(default_factory=dict)


FAMILIES: dict[str, Family] = {
    "relu": Family(
        "rectified linear unit, max(z, 0)",
        functools.partial(_leaky_relu_parts, negative_slope=0.0),
    ),
    "leaky_relu": Family(
        "z above 0, negative_slope·z below", _leaky_relu_parts, {"negative_slope": 0.01}
    ),
    "relu6": Family(
        "z clipped to [0, 6]", functools.partial(_clip_parts, low=0.0, high=6.0, parity=0)
    ),
    "elu": Family("z above 0, alpha·(exp z − 1) below", _elu_parts, {"alpha": 1.0}),
    "selu": Family("elu with the self-normalising alpha and scale", _selu_parts),
    "celu": Family("z above 0, alpha·(exp(z/alpha) − 1) below", _celu_parts, {"alpha": 1.0}),
    "tanh": Family(
        "hyperbolic tangent",
        _fixed(np.tanh, elementwise.tanh_derivative, parity=-1),
    ),
    "hard_tanh": Family(
        "z clipped to [−1, 1]", functools.partial(_clip_parts, low=-1.0, high=1.0, parity=-1)
    ),
    "sigmoid": Family(
        "1/(1 + exp(−z))", _fixed(elementwise.sigmoid, elementwise.sigmoid_derivative)
    ),
    "softplus": Family("log(1 + exp z)", _fixed(elementwise.softplus, elementwise.sigmoid)),
    "swish": Family("z·sigmoid(beta·z)", _swish_parts, {"beta": 1.0}),
    "gelu": Family(
        "z·Φ(z), Φ the normal distribution, exact",
        _fixed(elementwise.gelu, elementwise.gelu_derivative),
    ),
    "mish": Family("z·tanh(softplus(z))", _fixed(elementwise.mish, elementwise.mish_derivative)),
    "erf": Family("error function", _fixed(erf, elementwise.erf_derivative, parity=-1)),
    "sin": Family("sine", _fixed(np.sin, np.cos, parity=-1, frequency=1.0)),
    "cos": Family("cosine", _fixed(np.cos, elementwise.minus_sin, parity=1, frequency=1.0)),
    "abs": Family(
        "absolute value",
        _fixed(np.abs, np.sign, (0.0,), parity=1),
    ),
    "step": Family(
        "1 above 0, 0 below; its derivative is zero almost everywhere",
        _fixed(elementwise.step, np.zeros_like, (0.0,), flat=True),
    ),
    "linear": Family("z itself", functools.partial(_polynomial_parts, coefficients=(0.0, 1.0))),
    "polynomial": Family(
        "sum of coefficients[k]·z**k, ascending",
        _polynomial_parts,
        {"coefficients": (0.0, 1.0, 1.0)},
    ),
}
ALIASES = {"silu": "swish"}
