"""Which built-in activations have a formula in ball arithmetic, and the formula of an activation.

python-flint is loaded when a formula is made, and not to say which there are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fastgram.network.activations import Activation, activation_names, family_of, get_activation

if TYPE_CHECKING:
    from fastgram.exact.formulas import Formula

__all__ = ["formula_of", "has_formula", "require_flint"]

# The module of `fastgram.exact`, and the function in it, that makes the formula of each family of
# the family's parameters.
_FORMULAS = {
    "relu": ("formulas", "relu"),
    "leaky_relu": ("formulas", "leaky_relu"),
    "relu6": ("kinked", "relu6"),
    "elu": ("kinked", "elu"),
    "selu": ("kinked", "selu"),
    "celu": ("kinked", "celu"),
    "tanh": ("formulas", "hyperbolic_tangent"),
    "hard_tanh": ("kinked", "hard_tanh"),
    "sigmoid": ("formulas", "sigmoid"),
    "softplus": ("formulas", "softplus"),
    "swish": ("formulas", "swish"),
    "gelu": ("formulas", "gelu"),
    "mish": ("formulas", "mish"),
    "erf": ("closed_forms", "error_function"),
    "sin": ("closed_forms", "sine"),
    "cos": ("closed_forms", "cosine"),
    "abs": ("formulas", "absolute_value"),
    "step": ("formulas", "step"),
    "linear": ("formulas", "identity"),
    "polynomial": ("formulas", "polynomial"),
}


def require_flint() -> None:
    """Raise ImportError, with what to install, where python-flint is missing."""
    try:
        importlib.import_module("flint")
    except ImportError:
        message = "exact eigenvalues need python-flint: pip install 'fastgram[exact]'"
        raise ImportError(message) from None


def has_formula(activation: str | Activation) -> bool:
    """Whether an activation has a formula: its own `ball`, or that of its family."""
    activation = get_activation(activation)
    family = family_of(activation)
    return activation.ball is not None or (family is not None and family[0] in _FORMULAS)


def formula_of(activation: Activation) -> Formula:
    """Return the formula of an activation: its own `ball` first, else that of its family.

    Raises
    ------
    ImportError
        If python-flint is missing.
    ValueError
        If there is no formula.
    TypeError
        If the activation's own `ball` returns something else.
    """
    require_flint()
    if not has_formula(activation):
        have = [name for name in activation_names() if has_formula(name)]
        raise ValueError(
            f"{activation.name} has no formula in ball arithmetic (those that have: "
            f"{', '.join(have)}; your own: Activation(..., ball=...))"
        )
    formula = _of_family(activation) if activation.ball is None else activation.ball()
    if not hasattr(formula, "expectations"):
        raise TypeError(
            f"activation {activation.name!r}: ball() must return a fastgram.exact.StripFormula, "
            f"not {type(formula).__name__}"
        )
    return formula


def _of_family(activation: Activation) -> Formula:
    from fastgram.exact import closed_forms, formulas
    from fastgram.exact.kinked import formula as kinked

    family = family_of(activation)
    assert family is not None
    name, parameters = family
    module, function = _FORMULAS[name]
    modules = {"formulas": formulas, "closed_forms": closed_forms, "kinked": kinked}
    make = getattr(modules[module], function)
    formula: Formula = make(**parameters)
    return formula
