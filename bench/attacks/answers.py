"""All that fastgram says of one matrix, by every method, and how it is judged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

import fastgram as fg
from bench.attacks.checks import Check, checks_of_density, checks_of_extremes
from bench.attacks.truth import Interval
from fastgram.support.literals import Method

__all__ = ["METHODS", "attempt", "everything"]

METHODS: tuple[Method, ...] = ("auto", "dense", "lanczos", "certified", "arpack")
# Probabilistic brackets that miss by chance alone are not what is looked for here.
CONFIDENCE = 1.0 - 1e-9


def attempt(
    what: str, said: Callable[[], Sequence[Check]], refusal: type[Exception] = ValueError
) -> list[Check]:
    """Return the checks, or one that says what was refused, or what broke.

    `refusal` is what an error has to be for it to be a refusal; a LinAlgError is none, though it is
    a ValueError.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return list(said())
        except Exception as error:
            wrong = not isinstance(error, refusal)
            if refusal is ValueError:
                wrong = wrong or isinstance(error, np.linalg.LinAlgError)
            if wrong:
                return [Check(what, True, -math.inf, math.nan, f"{type(error).__name__}: {error}")]
            return [Check(what, False, math.nan, math.nan, f"refused: {error}", 0)]


def everything(
    what: str,
    make: Callable[[], Any],
    values: Sequence[Interval],
    scale: Fraction,
    methods: Sequence[Method] = METHODS,
    density: bool = True,
    **options: Any,
) -> Iterator[Check]:
    """Judge what every method says of a matrix with these eigenvalues, and its density.

    Parameters
    ----------
    what : str
    make : callable
        Returns the matrix anew for every method.
    values : list of Interval
        All eigenvalues, ascending.
    scale : Fraction
        What roundings are counted of.
    methods : list of str
    density : bool
    options
        Of `extreme_eigenvalues`.
    """
    n = len(values)
    ways: list[tuple[Method, str, dict[str, Any]]] = [
        (method, method, options) for method in methods if n >= 3 or method != "arpack"
    ]
    if "lanczos" in methods:  # a bracket that is left wide is what the one-pass bound is taken for
        ways.append(("lanczos", "lanczos cut short", {**options, "block": 1, "max_passes": 1}))
    for method, name, asked in ways:
        label = f"{what}: {name}"

        def extremes(
            method: Method = method, label: str = label, asked: dict[str, Any] = asked
        ) -> list[Check]:
            answer = fg.extreme_eigenvalues(make(), method=method, confidence=CONFIDENCE, **asked)
            return list(checks_of_extremes(label, answer, values, scale))

        yield from attempt(label, extremes)
    if density:
        label = f"{what}:"

        def spectrum() -> list[Check]:
            found = fg.spectral_density(make(), confidence=CONFIDENCE)
            return list(checks_of_density(label, found, values, scale))

        yield from attempt(label, spectrum)
