"""Gram matrices of wide neural networks, blockwise, and their extreme eigenvalues with brackets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgram import datasets, study
    from fastgram.bracket import Bracket
    from fastgram.density.spectral_density import SpectralDensity, spectral_density
    from fastgram.eigenvalues.extreme import ExtremeEigenvalues, extreme_eigenvalues
    from fastgram.exact.solve import ExactEigenvalues, exact_extreme_eigenvalues
    from fastgram.matrix.gram import gram
    from fastgram.matrix.operator import GramOperator
    from fastgram.network.activations import Activation, activation_names, get_activation
    from fastgram.network.duals import dual
    from fastgram.network.integrals.hermite import hermite_coefficients
    from fastgram.network.network import Network
    from fastgram.network.theory.criticality import critical_variances
    from fastgram.planning.plan import plan
    from fastgram.regression.posterior import posterior_variance
    from fastgram.regression.solve import Solution, solve
    from fastgram.regression.training_curve import TrainingCurve, training_curve
    from fastgram.storage.store import store_gram
    from fastgram.storage.stored_gram import open_gram
    from fastgram.support.threads import set_num_threads

__version__ = "0.1.0"

# Each name and the module that has it, loaded at first use: importing fastgram stays light.
_HOMES = {
    "Activation": "network.activations",
    "Bracket": "bracket",
    "ExactEigenvalues": "exact.solve",
    "ExtremeEigenvalues": "eigenvalues.extreme",
    "GramOperator": "matrix.operator",
    "Network": "network.network",
    "Solution": "regression.solve",
    "SpectralDensity": "density.spectral_density",
    "TrainingCurve": "regression.training_curve",
    "activation_names": "network.activations",
    "critical_variances": "network.theory.criticality",
    "dual": "network.duals",
    "exact_extreme_eigenvalues": "exact.solve",
    "extreme_eigenvalues": "eigenvalues.extreme",
    "get_activation": "network.activations",
    "gram": "matrix.gram",
    "hermite_coefficients": "network.integrals.hermite",
    "open_gram": "storage.stored_gram",
    "plan": "planning.plan",
    "posterior_variance": "regression.posterior",
    "set_num_threads": "support.threads",
    "solve": "regression.solve",
    "spectral_density": "density.spectral_density",
    "store_gram": "storage.store",
    "training_curve": "regression.training_curve",
}

__all__ = [
    "Activation",
    "Bracket",
    "ExactEigenvalues",
    "ExtremeEigenvalues",
    "GramOperator",
    "Network",
    "Solution",
    "SpectralDensity",
    "TrainingCurve",
    "activation_names",
    "critical_variances",
    "datasets",
    "dual",
    "exact_extreme_eigenvalues",
    "extreme_eigenvalues",
    "get_activation",
    "gram",
    "hermite_coefficients",
    "open_gram",
    "plan",
    "posterior_variance",
    "set_num_threads",
    "solve",
    "spectral_density",
    "store_gram",
    "study",
    "training_curve",
]


def __getattr__(name: str) -> Any:
    if name in ("datasets", "study"):
        return importlib.import_module(f"fastgram.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastgram' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fastgram.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
