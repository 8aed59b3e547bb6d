"""Topics of `fastgram help`: what the docstrings say, and a table of what is there.

A text that Python's `help` shows stands there alone, and is cut to what the command line needs.
"""

from __future__ import annotations

import inspect
import operator
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastgram.cli.data_files.reading import ending_words

__all__ = ["TOPICS", "Topic", "activation_rows", "docstring_text"]

# Sections of a docstring that speak to who writes Python.
_OF_PYTHON = ("Raises", "Returns", "Examples", "See Also")


@dataclass(frozen=True)
class Topic:
    """What can be asked about.

    Attributes
    ----------
    summary : str
        One line.
    text : callable
        Returns the whole, which imports what it speaks of.
    """

    summary: str
    text: Callable[[], str]


def docstring_text(*names: str) -> str:
    """Return what the docstrings of public names say, without marks and without Python's sections.

    Parameters
    ----------
    *names : str
        Of `fastgram.__all__`, or within one of them: "datasets.load".
    """
    import fastgram

    return "\n\n".join(
        f"{title.upper()}\n{section}" if title else f"fastgram.{name}: {section}"
        for name in names
        for title, section in _sections(operator.attrgetter(name)(fastgram)).items()
        if title not in _OF_PYTHON
    )


def _sections(thing: Any) -> dict[str, str]:
    """Return the sections of a docstring in numpydoc's form by their titles, the first by ""."""
    heading = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)
    parts = ["", *heading.split((inspect.getdoc(thing) or "").replace("`", ""))]
    titles, texts = parts[::2], parts[1::2]
    return {title: text.strip() for title, text in zip(titles, texts, strict=True)}


def activation_rows() -> list[tuple[str, str, str, str]]:
    """Return name, parameters and their defaults, description and regularity of each activation."""
    from fastgram.network.activations import activation_names, get_activation
    from fastgram.network.families import ALIASES, FAMILIES

    rows = []
    for name in activation_names():
        family, activation = FAMILIES[ALIASES.get(name, name)], get_activation(name)
        parameters = ", ".join(f"{key}={value}" for key, value in family.defaults.items())
        rows.append((name, parameters, activation.description, activation.regularity))
    return rows


def _activations() -> str:
    rows = activation_rows()
    names = [f"{name}({parameters})" if parameters else name for name, parameters, _, _ in rows]
    lines = [
        f"{name.ljust(max(map(len, names)))}  {words}; {regularity}"
        for name, (_, _, words, regularity) in zip(names, rows, strict=True)
    ]
    head = "What --activation takes; with parameters as in -a 'leaky_relu(negative_slope=0.2)'."
    return "\n".join([head, "", *lines])


_FILES = """Rows to take from a file.

DATA is a table of numbers, one sample a row, in {endings}; of several arrays in a .npz, the one
named after a colon: rows.npz:train. Text may be separated by commas, semicolons, tabs, bars or
blanks, and may have a header, an index column, comments and decimal commas; nothing of it needs
to be said. Columns of dates, and one of words, are left out, and the heading of a result says what
was taken.

--columns takes columns and no others, --drop leaves some out, and --label names the column of
labels, which is left out too, all of them by name, by number from 0 (negative ones from the end) or
by a range of numbers, 0-3, with commas between. Anything else that is not a number is refused, with
the place where it stands.

Rows are scaled to norm 1, unless --rows raw takes them as they are. Without DATA the rows are the
1797 x 64 handwritten digits that come with fastgram."""


_STATUS = """0    everything was done
1    some of several networks, or of the matrices of a study, failed; their rows say why
2    bad input, or something that is missing: one line on standard error says what would be right
130  interrupted; a line says what had been reached"""


def _files() -> str:
    paragraphs = _FILES.format(endings=ending_words()).split("\n\n")
    return "\n\n".join(textwrap.fill(paragraph, 98) for paragraph in paragraphs)


def _of(*names: str) -> Callable[[], str]:
    return lambda: docstring_text(*names)


TOPICS: Mapping[str, Topic] = {
    "activations": Topic("what -a takes, with its parameters", _activations),
    "networks": Topic("depth, width and variances, and the three kinds of matrix", _of("Network")),
    "files": Topic("how DATA is read, and which of its columns", _files),
    "words": Topic("data sets in words, sphere:n=1000,d=10", _of("datasets.from_words")),
    "images": Topic("MNIST, CIFAR and folders of images as DATA", _of("datasets.load")),
    "brackets": Topic("what a bracket promises, by its guarantee", _of("Bracket")),
    "methods": Topic("how the extreme eigenvalues are found", _of("extreme_eigenvalues")),
    "results": Topic(
        "the fields of --json and --csv",
        _of("ExtremeEigenvalues", "SpectralDensity", "TrainingCurve"),
    ),
    "density": Topic("what --density bounds, and how", _of("spectral_density")),
    "storage": Topic("matrices on disk, and builds that go on", _of("store_gram", "open_gram")),
    "threads": Topic("how many processors are taken, and what decides", _of("set_num_threads")),
    "status": Topic("what the exit status says", lambda: _STATUS),
}
