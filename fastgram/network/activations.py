"""Activations: an activation is data, f, f' and its kinks; the built-in ones are found by name."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgram.network import elementwise
from fastgram.network.families import ALIASES, FAMILIES, as_coefficients
from fastgram.network.functions import Function, guarded, probe
from fastgram.support.validation import as_flag, as_number, as_numbers, suggestion

__all__ = ["Activation", "activation_names", "family_of", "get_activation"]


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
        arithmetic, as `fastgram.exact.StripFormula` says. Built-in activations have none: their
        formulas are those of `fastgram.exact`.
    description : str, optional
        One line: what it is.
    parity : {1, -1, 0}
        1 if f is even, -1 if it is odd, exactly. A fact, never measured: exact zeros rest on it.
    flat : bool
        Whether f' is zero almost everywhere, exactly.
    powers : tuple of int, optional
        Where f is a polynomial, the exponents that it has, exactly.
    frequency : float, optional
        Where f is a·cos ωz + b·sin ωz, its ω, above 0: so that large variances, at which no nodes
        follow it, have their duals in closed form.

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
    frequency: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"an activation's name is a non-empty string, not {self.name!r}")
        for role in ("f", "df"):
            if not callable(getattr(self, role)):
                raise TypeError(f"activation {self.name!r}: {role} must be callable")
        if self.ball is not None and not callable(self.ball):
            raise TypeError(f"activation {self.name!r}: ball must be callable")
        kinks = as_numbers(f"activation {self.name!r}: kinks", self.kinks, "numbers")
        parts = {
            "f": guarded(self.f, elementwise.__name__),
            "df": guarded(self.df, elementwise.__name__),
            "kinks": tuple(sorted(set(kinks))),
            "flat": as_flag(f"activation {self.name!r}: flat", self.flat),
            "powers": None if self.powers is None else tuple(map(operator.index, self.powers)),
            "frequency": self._checked_frequency(),
        }
        for key, value in parts.items():
            object.__setattr__(self, key, value)
        try:
            probe(self.f, self.df, self.kinks)
        except (TypeError, ValueError) as error:
            raise type(error)(f"activation {self.name!r}: {error}") from error.__cause__
        if self.frequency is not None and not self._swings_at(self.frequency):
            raise ValueError(
                f"activation {self.name!r}: f is not a·cos ωz + b·sin ωz with the frequency ω ="
                f" {self.frequency:g}"
            )

    def _checked_frequency(self) -> float | None:
        if self.frequency is None:
            return None
        frequency = as_number(f"activation {self.name!r}: frequency", self.frequency)
        if not frequency > 0.0:
            raise ValueError(
                f"activation {self.name!r}: frequency must be above 0, not {frequency:g}"
            )
        return frequency

    def _swings_at(self, frequency: float) -> bool:
        z = np.linspace(-7.0, 7.0, 57) / frequency
        zero = np.zeros(1)
        a, b = float(self.f(zero)[0]), float(self.df(zero)[0]) / frequency
        expected = a * np.cos(frequency * z) + b * np.sin(frequency * z)
        return bool(np.all(np.abs(self.f(z) - expected) <= 1e-12 * (abs(a) + abs(b))))

    def _parts(self) -> tuple[Any, ...]:
        facts = self.description, self.parity, self.flat, self.powers, self.frequency
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
                return power if self._is_homogeneous(power) else None
        return None

    def _is_homogeneous(self, power: int) -> bool:
        """Whether it is so between the points of a coarse grid, too: a bump there is narrow."""
        scale = np.exp2(np.linspace(-20.0, 20.0, 81_920) + 1e-4 * np.sqrt(2.0))
        growth = scale**power
        for sign in (-1.0, 1.0):
            at_one = float(self.f(np.array([sign]))[0])
            with np.errstate(over="ignore", invalid="ignore"):
                off = np.abs(self.f(sign * scale) - at_one * growth)
            if not np.all(off <= 8 * np.finfo(float).eps * growth * abs(at_one)):
                return False
        return True

    def __str__(self) -> str:
        text = f": {self.description}" if self.description else ""
        return f"{self.name}{text} ({self.regularity})"


def _of_parts(
    name: str, f: Function, df: Function, kinks: Sequence[float], ball: Any, *facts: Any
) -> Activation:
    keys = "description", "parity", "flat", "powers", "frequency"
    return Activation(name, f, df, kinks, ball, **dict(zip(keys, facts, strict=True)))


# --- built-in activations ----------------------------------------------------------------------


def activation_names() -> tuple[str, ...]:
    """Return the names of the built-in activations.

    Returns
    -------
    tuple of str
        In the table's order, "silu" (another name of "swish") last.
    """
    return (*FAMILIES, *ALIASES)


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
    base = ALIASES.get(base, base)
    if base not in FAMILIES:
        raise ValueError(f"unknown activation {base!r}{suggestion(base, activation_names())}")
    family = FAMILIES[base]
    for key in parameters:
        if key not in family.defaults:
            known = ", ".join(family.defaults) or "none"
            raise TypeError(f"{base} has no parameter {key!r} (it has: {known})")
    return _build(
        base, tuple(sorted((k, _as_parameter(base, k, v)) for k, v in parameters.items()))
    )


def family_of(activation: Activation) -> tuple[str, dict[str, Any]] | None:
    """Return the family of a built-in activation and all its parameters; None for others.

    A built-in one is recognised by its family's name and its functions: a record of that name with
    other functions is none.
    """
    try:
        get_activation(activation.name)  # a copy may be all that a new process has seen of it
        family = _family_of_name(activation.name)
        parameters = _BUILT.get((family, _identity(activation.f), _identity(activation.df)))
    except (TypeError, ValueError):  # no such name, or a function that has no hash
        return None
    return None if parameters is None else (family, parameters)


# From a family and the functions of an activation to its parameters.
_BUILT: dict[tuple[str, Hashable, Hashable], dict[str, Any]] = {}


def _identity(function: Function) -> Hashable:
    """Return what tells functions apart: copies of a partial function are the same."""
    if isinstance(function, functools.partial):
        return function.func, function.args, tuple(sorted(function.keywords.items()))
    return function


def _family_of_name(name: str) -> str:
    base = _parse(name)[0]
    return ALIASES.get(base, base)


@functools.cache
def _build(base: str, parameters: tuple[tuple[str, Any], ...]) -> Activation:
    # cached so that equal calls give one object: tables are kept by activation
    family = FAMILIES[base]
    written = ", ".join(
        f"{key}={list(value) if isinstance(value, tuple) else value!r}"
        for key, value in parameters
        if value != family.defaults[key]
    )
    name = f"{base}({written})" if written else base
    built = Activation(name, **family.parts(**dict(parameters)), description=family.description)
    functions = _identity(built.f), _identity(built.df)
    _BUILT[base, *functions] = {**family.defaults, **dict(parameters)}
    return built


def _as_parameter(base: str, key: str, value: Any) -> float | tuple[float, ...]:
    return as_coefficients(value) if key == "coefficients" else as_number(f"{base}: {key}", value)


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
