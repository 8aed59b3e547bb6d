"""The table of activations: an activation is data, f, f' and its kinks.

Nothing else in the library knows an activation by name. To add one, write its f and f' below
and its record into ``_FAMILIES``; the tests walk the table.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf, expit, ndtr

from fastgram.network.functions import guarded, probe
from fastgram.support.validation import as_flag, as_number, suggestion

__all__ = ["Activation", "activation_names", "get_activation"]

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Activation:
    """An activation function as data.

    Parameters
    ----------
    name : str
        What tables, plots and messages call it.
    f, df : callable
        The function and its derivative: vectorised, float64 array of any shape to an array of the
        same shape, defined almost everywhere. They are called with copies, and may work in place;
        on several threads at a time.
    kinks : sequence of float
        Where f' or f'' jumps (or f itself). Integrals are split there, so a forgotten kink costs
        accuracy: fastgram checks that its quadrature converges and refuses where it does not.
    ball : callable, optional
        For `exact_extreme_eigenvalues`: called without arguments, it returns the function in ball
        arithmetic, as `fastgram.exact.StripFormula` says.
    description : str, optional
        One line: what it is.
    parity : {1, -1, 0}
        1 if f is even, -1 if it is odd, exactly. A fact, never measured: exact zeros rest on it.
    flat : bool
        Whether f' is zero almost everywhere, exactly.
    powers : tuple of int, optional
        Where f is a polynomial, the exponents that it has, exactly.

    Raises
    ------
    TypeError
        If `f` or `df` is not callable, takes no arrays (``math.tanh``) or does not compute in
        float64, or a kink is no number.
    ValueError
        If a kink is not finite, `f` or `df` returns another shape, is not elementwise or not
        finite, or `df` is not the derivative of `f` between the kinks: both are called on some
        thousand numbers, once.

    Notes
    -----
    Activations are equal where their parts are. They are pickled by their parts too, so that `f`
    and `df` have to be functions that can be: of a module, and no lambdas (which cloudpickle, and
    with it joblib, takes). Those of the table are pickled by name.

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> cube = fg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    >>> float(np.round(fg.dual(cube, 1.0), 12))
    15.0
    """

    name: str
    f: Function
    df: Function
    kinks: Sequence[float] = ()
    ball: Callable[..., Any] | None = None
    description: str = field(default="", kw_only=True)
    parity: int = field(default=0, kw_only=True)
    flat: bool = field(default=False, kw_only=True)
    powers: tuple[int, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"an activation's name is a non-empty string, not {self.name!r}")
        for role in ("f", "df"):
            if not callable(getattr(self, role)):
                raise TypeError(f"activation {self.name!r}: {role} must be callable")
        if self.ball is not None and not callable(self.ball):
            raise TypeError(f"activation {self.name!r}: ball must be callable")
        kinks = _numbers(f"activation {self.name!r}: kinks", self.kinks, "numbers")
        parts = {
            "f": guarded(self.f, __name__),
            "df": guarded(self.df, __name__),
            "kinks": tuple(sorted(set(kinks))),
            "flat": as_flag(f"activation {self.name!r}: flat", self.flat),
            "powers": None if self.powers is None else tuple(map(operator.index, self.powers)),
        }
        for key, value in parts.items():
            object.__setattr__(self, key, value)
        try:
            probe(self.f, self.df, self.kinks)
        except (TypeError, ValueError) as error:
            raise type(error)(f"activation {self.name!r}: {error}") from error.__cause__

    def _parts(self) -> tuple[Any, ...]:
        facts = self.description, self.parity, self.flat, self.powers
        return self.name, self.f, self.df, self.kinks, self.ball, *facts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        return self is other or self._parts() == other._parts()

    def __hash__(self) -> int:  # functions need not have one
        return hash((self.name, self.kinks, self.parity, self.flat, self.powers))

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            if get_activation(self.name) is self:
                return get_activation, (self.name,)
        except (TypeError, ValueError):
            pass
        return _of_parts, self._parts()

    def __repr__(self) -> str:
        return f"Activation({self.name!r}, {self.regularity})"

    @property
    def smooth(self) -> bool:
        """Whether f has no kink."""
        return not self.kinks

    @property
    def regularity(self) -> str:
        """The word "smooth", or where the kinks are."""
        if self.smooth:
            return "smooth"
        return "kinked at " + ", ".join(f"{kink:g}" for kink in self.kinks)

    @functools.cached_property
    def homogeneity(self) -> int | None:
        """The p with f(cz) = c**p f(z) for every c > 0, or None where there is none.

        Such an f is f(±1)|z|**p on each side of 0, with no kink but 0, so it is recognised from
        its values on a grid over 130 binary orders of magnitude, to a few roundings.
        """
        if any(self.kinks):
            return None
        scale = np.exp2(np.linspace(-118.0, 12.0, 521))
        with np.errstate(over="ignore", invalid="ignore"):  # a rapidly growing f is not homogeneous
            right, left = self.f(scale), self.f(-scale)
        if not np.all(np.isfinite([right, left])):
            return None
        at_one, at_minus_one = float(self.f(np.ones(1))[0]), float(self.f(-np.ones(1))[0])
        for power in range(9):
            growth = scale**power
            bound = 8 * np.finfo(float).eps * growth
            if np.all(np.abs(right - at_one * growth) <= bound * abs(at_one)) and np.all(
                np.abs(left - at_minus_one * growth) <= bound * abs(at_minus_one)
            ):
                return power
        return None

    def __str__(self) -> str:
        text = f": {self.description}" if self.description else ""
        return f"{self.name}{text} ({self.regularity})"


def _of_parts(
    name: str, f: Function, df: Function, kinks: Sequence[float], ball: Any, *facts: Any
) -> Activation:
    keys = "description", "parity", "flat", "powers"
    return Activation(name, f, df, kinks, ball, **dict(zip(keys, facts, strict=True)))


def _numbers(role: str, values: Any, what: str) -> tuple[float, ...]:
    """Return a sequence of finite numbers as a tuple; text is no sequence of digits."""
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        return tuple(as_number(role, value) for value in values)
    except TypeError:
        raise TypeError(f"{role} must be {what}, not {values!r}") from None


# --- the functions -----------------------------------------------------------------------------


def _leaky_relu(z: Array, negative_slope: float) -> Array:
    return np.where(z > 0, z, negative_slope * z)


def _leaky_relu_derivative(z: Array, negative_slope: float) -> Array:
    return np.where(z > 0, 1.0, negative_slope)


def _clip(z: Array, low: float, high: float) -> Array:
    return np.clip(z, low, high)


def _clip_derivative(z: Array, low: float, high: float) -> Array:
    return ((z > low) & (z < high)).astype(np.float64)


def _elu(z: Array, alpha: float, scale: float) -> Array:
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def _elu_derivative(z: Array, alpha: float, scale: float) -> Array:
    return scale * np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def _celu(z: Array, alpha: float) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0) / alpha))


def _celu_derivative(z: Array, alpha: float) -> Array:
    return np.exp(np.minimum(z, 0.0) / alpha)


def _tanh_derivative(z: Array) -> Array:
    # 1 - tanh² loses every digit in the tails; this form keeps them all
    decay = np.exp(-2.0 * np.abs(z))
    return 4.0 * decay / (1.0 + decay) ** 2


def _sigmoid_derivative(z: Array) -> Array:
    return np.asarray(expit(z) * expit(-z))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _swish(z: Array, beta: float) -> Array:
    return np.asarray(z * expit(beta * z))


def _swish_derivative(z: Array, beta: float) -> Array:
    gate = expit(beta * z)
    return np.asarray(gate * (1.0 + beta * z * expit(-beta * z)))


def _gelu(z: Array) -> Array:
    return np.asarray(z * ndtr(z))


def _gelu_derivative(z: Array) -> Array:
    return np.asarray(ndtr(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))


def _mish(z: Array) -> Array:
    return z * np.tanh(_softplus(z))


def _mish_derivative(z: Array) -> Array:
    softplus = _softplus(z)
    return np.asarray(np.tanh(softplus) + z * _tanh_derivative(softplus) * expit(z))


def _erf_derivative(z: Array) -> Array:
    return (2.0 / math.sqrt(math.pi)) * np.exp(-z * z)


def _minus_sin(z: Array) -> Array:
    return -np.sin(z)


def _step(z: Array) -> Array:
    return (z > 0).astype(np.float64)


def _polynomial(z: Array, coefficients: tuple[float, ...]) -> Array:
    value = np.full_like(z, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * z + coefficient
    return value


# --- the table ---------------------------------------------------------------------------------

_Parts = dict[str, Any]


def _formula(name: str, **parameters: Any) -> Any:
    """Return a formula of `fastgram.exact.formulas`, which loads python-flint."""
    from fastgram.exact import formulas

    return getattr(formulas, name)(**parameters)


def _ball(name: str, **parameters: Any) -> Callable[[], Any]:
    return functools.partial(_formula, name, **parameters)


def _elu_parts(alpha: float = 1.0) -> _Parts:
    return {
        "f": functools.partial(_elu, alpha=alpha, scale=1.0),
        "df": functools.partial(_elu_derivative, alpha=alpha, scale=1.0),
        "kinks": (0.0,),
    }


def _selu_parts() -> _Parts:
    # Klambauer et al., Self-Normalizing Neural Networks, 2017, equation (14)
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return {
        "f": functools.partial(_elu, alpha=alpha, scale=scale),
        "df": functools.partial(_elu_derivative, alpha=alpha, scale=scale),
        "kinks": (0.0,),
    }


def _celu_parts(alpha: float = 1.0) -> _Parts:
    if alpha <= 0:
        raise ValueError(f"celu: alpha must be above 0, not {alpha:g}")
    return {
        "f": functools.partial(_celu, alpha=alpha),
        "df": functools.partial(_celu_derivative, alpha=alpha),
        "kinks": (0.0,),
    }


def _leaky_relu_parts(negative_slope: float = 0.01) -> _Parts:
    return {
        "f": functools.partial(_leaky_relu, negative_slope=negative_slope),
        "df": functools.partial(_leaky_relu_derivative, negative_slope=negative_slope),
        "kinks": (0.0,),
        "ball": _ball("homogeneous", power=1, right=1.0, left=negative_slope),
    }


def _clip_parts(low: float, high: float, parity: int) -> _Parts:
    return {
        "f": functools.partial(_clip, low=low, high=high),
        "df": functools.partial(_clip_derivative, low=low, high=high),
        "kinks": (low, high),
        "parity": parity,
    }


def _swish_parts(beta: float = 1.0) -> _Parts:
    return {
        "f": functools.partial(_swish, beta=beta),
        "df": functools.partial(_swish_derivative, beta=beta),
        "ball": _ball("swish", beta=beta),
    }


def _coefficients(values: Any) -> tuple[float, ...]:
    try:
        ascending = _numbers("polynomial: coefficients", values, "a list of numbers")
    except ValueError:
        ascending = ()
    if not ascending:
        raise ValueError(f"polynomial: needs one or more finite coefficients, not {values!r}")
    return ascending


def _polynomial_parts(coefficients: Sequence[float] = (0.0, 1.0, 1.0)) -> _Parts:
    ascending = _coefficients(coefficients)
    degree = max((k for k, c in enumerate(ascending) if c != 0.0), default=0)
    ascending = ascending[: degree + 1]
    slopes = tuple(k * c for k, c in enumerate(ascending))[1:] or (0.0,)
    powers = tuple(k for k, c in enumerate(ascending) if c != 0.0)
    odd = any(k % 2 == 1 for k in powers)
    even = any(k % 2 == 0 for k in powers)
    return {
        "f": functools.partial(_polynomial, coefficients=ascending),
        "df": functools.partial(_polynomial, coefficients=slopes),
        "ball": _ball("polynomial", coefficients=ascending),
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
class _Family:
    """What it is, and how its parameters (keywords of `parts`, with defaults) make its parts."""

    description: str
    parts: Callable[..., _Parts]
    defaults: Mapping[str, Any] = field(default_factory=dict)


_FAMILIES: dict[str, _Family] = {
    "relu": _Family(
        "rectified linear unit, max(z, 0)",
        functools.partial(_leaky_relu_parts, negative_slope=0.0),
    ),
    "leaky_relu": _Family(
        "z above 0, negative_slope·z below", _leaky_relu_parts, {"negative_slope": 0.01}
    ),
    "relu6": _Family(
        "z clipped to [0, 6]", functools.partial(_clip_parts, low=0.0, high=6.0, parity=0)
    ),
    "elu": _Family("z above 0, alpha·(exp z − 1) below", _elu_parts, {"alpha": 1.0}),
    "selu": _Family("elu with the self-normalising alpha and scale", _selu_parts),
    "celu": _Family("z above 0, alpha·(exp(z/alpha) − 1) below", _celu_parts, {"alpha": 1.0}),
    "tanh": _Family(
        "hyperbolic tangent",
        _fixed(np.tanh, _tanh_derivative, parity=-1, ball=_ball("hyperbolic_tangent")),
    ),
    "hard_tanh": _Family(
        "z clipped to [−1, 1]", functools.partial(_clip_parts, low=-1.0, high=1.0, parity=-1)
    ),
    "sigmoid": _Family(
        "1/(1 + exp(−z))", _fixed(expit, _sigmoid_derivative, ball=_ball("sigmoid"))
    ),
    "softplus": _Family("log(1 + exp z)", _fixed(_softplus, expit, ball=_ball("softplus"))),
    "swish": _Family("z·sigmoid(beta·z)", _swish_parts, {"beta": 1.0}),
    "gelu": _Family(
        "z·Φ(z), Φ the normal distribution, exact",
        _fixed(_gelu, _gelu_derivative, ball=_ball("gelu")),
    ),
    "mish": _Family("z·tanh(softplus(z))", _fixed(_mish, _mish_derivative, ball=_ball("mish"))),
    "erf": _Family(
        "error function", _fixed(erf, _erf_derivative, parity=-1, ball=_ball("error_function"))
    ),
    "sin": _Family("sine", _fixed(np.sin, np.cos, parity=-1, ball=_ball("sine"))),
    "cos": _Family("cosine", _fixed(np.cos, _minus_sin, parity=1, ball=_ball("cosine"))),
    "abs": _Family(
        "absolute value",
        _fixed(
            np.abs,
            np.sign,
            (0.0,),
            parity=1,
            ball=_ball("homogeneous", power=1, right=1.0, left=-1.0),
        ),
    ),
    "step": _Family(
        "1 above 0, 0 below; its derivative is zero almost everywhere",
        _fixed(
            _step,
            np.zeros_like,
            (0.0,),
            flat=True,
            ball=_ball("homogeneous", power=0, right=1.0, left=0.0),
        ),
    ),
    "linear": _Family("z itself", functools.partial(_polynomial_parts, coefficients=(0.0, 1.0))),
    "polynomial": _Family(
        "sum of coefficients[k]·z**k, ascending",
        _polynomial_parts,
        {"coefficients": (0.0, 1.0, 1.0)},
    ),
}
_ALIASES = {"silu": "swish"}


def activation_names() -> tuple[str, ...]:
    """Return the names of the built-in activations.

    Returns
    -------
    tuple of str
        In the table's order, "silu" (another name of "swish") last.
    """
    return (*_FAMILIES, *_ALIASES)


def get_activation(name: str | Activation, **parameters: Any) -> Activation:
    """Return a built-in activation by name.

    Parameters
    ----------
    name : str or Activation
        One of `activation_names()`, or such a name with its parameters written as a call,
        ``"leaky_relu(negative_slope=0.2)"``. An Activation is returned as it is.
    **parameters
        The activation's own, each with its usual default: ``negative_slope`` (leaky_relu, 0.01),
        ``alpha`` (elu and celu, 1), ``beta`` (swish, 1), ``coefficients`` (polynomial, ascending,
        (0, 1, 1): z + z²).

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        If there is no activation of that name, or a parameter is out of range.
    TypeError
        If the activation has no such parameter, or a parameter is no number.
    """
    if isinstance(name, Activation):
        if parameters:
            raise TypeError(f"{name.name!r} is an Activation already: it takes no parameters")
        return name
    if not isinstance(name, str):
        raise TypeError(f"an activation is a name or an Activation, not {type(name).__name__}")
    base, written = _parse(name)
    if twice := sorted(written.keys() & parameters.keys()):
        raise TypeError(f"{name!r}: {twice[0]} is given twice")
    parameters = written | parameters
    base = _ALIASES.get(base, base)
    if base not in _FAMILIES:
        raise ValueError(f"unknown activation {base!r}{suggestion(base, activation_names())}")
    family = _FAMILIES[base]
    for key in parameters:
        if key not in family.defaults:
            known = ", ".join(family.defaults) or "none"
            raise TypeError(f"{base} has no parameter {key!r} (it has: {known})")
    return _build(
        base, tuple(sorted((k, _as_parameter(base, k, v)) for k, v in parameters.items()))
    )


@functools.cache
def _build(base: str, parameters: tuple[tuple[str, Any], ...]) -> Activation:
    # cached so that equal calls give one object: tables are kept by activation
    family = _FAMILIES[base]
    written = ", ".join(
        f"{key}={list(value) if isinstance(value, tuple) else value!r}"
        for key, value in parameters
        if value != family.defaults[key]
    )
    name = f"{base}({written})" if written else base
    return Activation(name, **family.parts(**dict(parameters)), description=family.description)


def _as_parameter(base: str, key: str, value: Any) -> float | tuple[float, ...]:
    return _coefficients(value) if key == "coefficients" else as_number(f"{base}: {key}", value)


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``"name(key=value, ...)"`` into the name and its parameters."""
    if "(" not in text:
        return text.strip(), {}
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError
        parameters = {str(item.arg): ast.literal_eval(item.value) for item in call.keywords}
    except (SyntaxError, ValueError):
        message = f"cannot read activation {text!r}: write name(parameter=value, ...)"
        raise ValueError(message) from None
    return call.func.id, parameters
