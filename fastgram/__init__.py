"""Gram matrices of wide neural networks, blockwise, and their extreme eigenvalues with brackets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgram import datasets
    from fastgram._gram import gram
    from fastgram._machine import set_num_threads
    from fastgram.activations import Activation, activation_names, get_activation
    from fastgram.density import SpectralDensity, spectral_density
    from fastgram.duals import dual
    from fastgram.eigen import Bracket, ExtremeEigenvalues, extreme_eigenvalues
    from fastgram.exact import ExactEigenvalues, exact_extreme_eigenvalues
    from fastgram.network import Network
    from fastgram.operator import GramOperator

__version__ = "0.1.0"

# Each name and the module that has it, loaded at first use: importing fastgram stays light.
_HOMES = {
    "Activation": "activations",
    "Bracket": "eigen",
    "ExactEigenvalues": "exact",
    "ExtremeEigenvalues": "eigen",
    "GramOperator": "operator",
    "Network": "network",
    "SpectralDensity": "density",
    "activation_names": "activations",
    "dual": "duals",
    "exact_extreme_eigenvalues": "exact",
    "extreme_eigenvalues": "eigen",
    "get_activation": "activations",
    "gram": "_gram",
    "set_num_threads": "_machine",
    "spectral_density": "density",
}

__all__ = [
    "Activation",
    "Bracket",
    "ExactEigenvalues",
    "ExtremeEigenvalues",
    "GramOperator",
    "Network",
    "SpectralDensity",
    "activation_names",
    "datasets",
    "dual",
    "exact_extreme_eigenvalues",
    "extreme_eigenvalues",
    "get_activation",
    "gram",
    "set_num_threads",
    "spectral_density",
]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module("fastgram.datasets")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastgram' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fastgram.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
