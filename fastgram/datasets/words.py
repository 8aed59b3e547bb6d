"""Data sets in words: "sphere:n=1000,d=10,seed=0"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.datasets.handwritten import digits
from fastgram.datasets.photographs import PATCH_SIDE, patches
from fastgram.datasets.points import circle, smoothed, sphere, subspace
from fastgram.support.memory import require_memory
from fastgram.support.validation import as_integer, as_number, suggestion

__all__ = ["EXAMPLES", "DataWords", "are_words", "from_words", "parse_words"]

Array = npt.NDArray[np.float64]
Value = int | float

# All keys of each set, as they are written; the seed is 0 where it is left out.
EXAMPLES = {
    "sphere": "sphere:n=1000,d=10,seed=0",
    "circle": "circle:n=61",
    "subspace": "subspace:n=200,d=50,dim=3,seed=0",
    "smoothed": "smoothed:n=200,d=50,dim=3,sigma=0.1,seed=0",
    "digits": "digits",
    "patches": "patches:n=1000,seed=0",
}
_OPTIONAL = {"seed": 0}


def _smoothed(n: int, d: int, dim: int, sigma: float, seed: int) -> Array:
    return smoothed(subspace(n, d, dim, seed), sigma, seed)


_MAKE: dict[str, Callable[..., Array]] = {
    "sphere": sphere,
    "circle": circle,
    "subspace": subspace,
    "smoothed": _smoothed,
    "digits": digits,
    "patches": patches,
}
# Sizes that are no key.
_FIXED = {"circle": {"d": 2}, "digits": {"n": 1797, "d": 64}, "patches": {"d": PATCH_SIDE**2}}


@dataclass(frozen=True)
class DataWords:
    """A data set in words: checked, not made yet.

    Attributes
    ----------
    name : str
    values : dict
        Of all its keys, those that were left out too.
    """

    name: str
    values: dict[str, Value]

    def __str__(self) -> str:
        """Return the words, with every key."""
        pairs = [f"{key}={f'{value!r}'.removesuffix('.0')}" for key, value in self.values.items()]
        return f"{self.name}:{','.join(pairs)}" if pairs else self.name

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d) of the rows."""
        sizes = {**self.values, **_FIXED.get(self.name, {})}
        return int(sizes["n"]), int(sizes["d"])

    def rows(self) -> Array:
        """Return the rows.

        Raises
        ------
        ValueError
            If a value is out of range, or there is not the memory.
        ImportError
            If a library is missing.
        """
        n, d = self.shape
        require_memory(str(self), 2 * 8 * n * d)
        try:
            return _MAKE[self.name](**self.values)
        except ValueError as error:
            raise ValueError(f"{self}: {error}") from None


def from_words(words: str) -> Array:
    """Return the rows of a data set given in words, as the command line takes them.

    Parameters
    ----------
    words : str
        A name, and after a colon its values, with commas between them, in any order:

        - ``"sphere:n=1000,d=10,seed=0"``: `sphere`;
        - ``"circle:n=61"``: `circle`;
        - ``"subspace:n=200,d=50,dim=3,seed=0"``: `subspace`;
        - ``"smoothed:n=200,d=50,dim=3,sigma=0.1,seed=0"``: `smoothed`, of those of `subspace`
          with the same seed;
        - ``"digits"``: `digits`;
        - ``"patches:n=1000,seed=0"``: `patches`.

        The seed is 0 where it is left out.

    Returns
    -------
    numpy.ndarray
        float64 (n, d).

    Raises
    ------
    TypeError
        If `words` is no str, or a value is of another type than its key's.
    ValueError
        For an unknown name or key, one that is missing or given twice, a value out of range, or
        rows that do not fit into memory.
    ImportError
        If the patches' library is missing.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.from_words("sphere:n=1000,d=10").shape
    (1000, 10)
    """
    return parse_words(words).rows()


def are_words(text: str) -> bool:
    """Whether this speaks of a data set, known or not, and of no file.

    A known name does, whichever files there are, so that a command means the same in every folder:
    a file of that name is reached as "./digits".
    """
    name, colon, rest = text.partition(":")
    return name.strip() in EXAMPLES or (
        bool(colon) and "=" in rest and re.fullmatch(r"\s*[^\W\d][\w-]*\s*", name) is not None
    )


def parse_words(words: str) -> DataWords:
    """Read a data set's name and values.

    Raises
    ------
    TypeError
        If `words` is no str, or a value is of another type than its key's.
    ValueError
        For an unknown name or key, one that is missing or given twice, or a negative number.
    """
    if not isinstance(words, str):
        raise TypeError(f"a data set's words must be a str, not {type(words).__name__}")
    name, colon, rest = (part.strip() for part in words.partition(":"))
    if name not in EXAMPLES:
        raise ValueError(f"unknown data set {name!r}{suggestion(name, list(EXAMPLES))}")
    keys = [pair.partition("=")[0] for pair in _pairs(EXAMPLES[name])]
    given: dict[str, Any] = {}
    for pair in rest.split(",") if colon else []:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise ValueError(f"{name}: {pair!r} is no key=value, as in {EXAMPLES[name]}")
        if key not in keys:
            known = suggestion(key, keys) if keys else f": it is {name!r} alone"
            raise ValueError(f"{name} has no {key!r}{known}")
        if key in given:
            raise ValueError(f"{name}: {key} is given twice")
        given[key] = _value(name, key, value)
    given = {**_OPTIONAL, **given}
    if missing := [key for key in keys if key not in given]:
        raise ValueError(f"{name} needs {' and '.join(missing)}, as in {EXAMPLES[name]}")
    return DataWords(name, {key: given[key] for key in keys})


def _pairs(words: str) -> list[str]:
    rest = words.partition(":")[2]
    return rest.split(",") if rest else []


def _value(name: str, key: str, text: str) -> Value:
    role, whole = f"{name}: {key}", key != "sigma"
    try:
        number: Value = int(text) if whole else float(text)
    except ValueError:
        kind = "an integer" if whole else "a number"
        raise TypeError(f"{role} must be {kind}, not {text!r}") from None
    if whole:
        return as_integer(role, number, 0 if key == "seed" else 1)
    return as_number(role, number, least=0.0)
