"""Measured data that come with scikit-learn, by name, and unit rows of all that the study takes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastgram.datasets.rows import scale_to_unit_norm
from fastgram.datasets.words import from_words
from fastgram.support.arrays import Array

__all__ = ["BUNDLED", "installed", "unit_rows"]

# n and d of scikit-learn's sets; all are measurements in their own units, none is a downloaded one.
BUNDLED = {"iris": (150, 4), "wine": (178, 13), "diabetes": (442, 10), "breast_cancer": (569, 30)}


def installed(name: str) -> bool:
    """Whether the libraries that this set comes with are installed."""
    needed = {"digits": (), "patches": ("sklearn", "PIL")}.get(name.partition(":")[0], ("sklearn",))
    return all(find_spec(library) for library in needed)


def unit_rows(name: str, distinct: bool) -> Array:
    """Return rows scaled to norm 1.

    Parameters
    ----------
    name : str
        Of `BUNDLED`, or words that `fastgram.datasets.from_words` takes.
    distinct : bool
        Leave out rows that are equal to others, bit for bit.

    Raises
    ------
    ImportError
        If scikit-learn is missing.
    ValueError
        If a row is zero.
    """
    raw = _loaders()[name]() if name in BUNDLED else from_words(name)
    X = scale_to_unit_norm(np.array(raw, dtype=np.float64, order="C"))
    return np.unique(X, axis=0) if distinct else X


def _loaders() -> dict[str, Callable[[], Any]]:
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            "these data come with scikit-learn: pip install 'fastgram[sklearn]'"
        ) from None
    return {
        "iris": lambda: datasets.load_iris().data,
        "wine": lambda: datasets.load_wine().data,
        "diabetes": lambda: datasets.load_diabetes(scaled=False).data,
        "breast_cancer": lambda: datasets.load_breast_cancer().data,
    }
