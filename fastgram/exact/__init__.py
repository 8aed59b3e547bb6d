"""Extreme eigenvalues in ball arithmetic: proven digits, for up to a thousand rows or so.

`built_in` finds the formula of an activation, of `formulas`, `closed_forms` or `kinked`; `entries`
enclose those of infinite width, `features` those of a finite one, `enclosures` eigenvalues; `solve`
raises the precision until the digits stand. python-flint is imported in this room alone, and loaded
when it is needed. It imports `network` and what is below it. Start with `solve`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgram.exact.formulas import StripFormula
    from fastgram.exact.hermite import StripFunction
    from fastgram.exact.results import ExactEigenvalues
    from fastgram.exact.solve import exact_extreme_eigenvalues

__all__ = ["ExactEigenvalues", "StripFormula", "StripFunction", "exact_extreme_eigenvalues"]

_HOMES = {
    "ExactEigenvalues": "results",
    "StripFormula": "formulas",
    "StripFunction": "hermite",
    "exact_extreme_eigenvalues": "solve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.startswith("Strip"):
        from fastgram.exact.built_in import require_flint

        require_flint()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
