"""The rows that a command works on: DATA or the digits, and scaled or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.columns import Choice, as_words
from fastgram.cli.data_files.reading import Sample, read_rows, rows_of_array
from fastgram.datasets.handwritten import digits
from fastgram.datasets.words import EXAMPLES, DataWords, are_words, parse_words

__all__ = ["ROWS", "samples_of", "scaled_rows"]

ROWS = ("unit", "raw")


def samples_of(
    data: Sequence[str],
    columns: Sequence[str] | None,
    drop: Sequence[str] | None,
    label: Sequence[str] | None,
) -> list[Sample]:
    """Return the rows of files and of data sets in words, with the columns that the options choose.

    No data are the digits.
    """
    chosen = {"--columns": columns, "--drop": drop, "--label": label}
    choice = Choice(*(as_words(name, words or []) for name, words in chosen.items()))
    named = [parse_words(text) if are_words(text) else text for text in data]  # all, first
    samples = [
        _file_sample(one, choice) if isinstance(one, str) else _words_sample(one, choice)
        for one in {str(one): one for one in named}.values()
    ]
    return samples or [_digits_sample(choice)]


def _file_sample(path: str, choice: Choice) -> Sample:
    from fastgram.network.activations import activation_names

    file = Path(path)
    if not path or (not file.suffix and file.name == path and not file.exists()):
        hint = ", ".join(EXAMPLES.values())
        if path in activation_names():
            hint = f"an activation is -a {path}"
        raise ValueError(f"{path!r}: there is no such file, and no data set of that name ({hint})")
    return read_rows(path, choice)


def _words_sample(words: DataWords, choice: Choice) -> Sample:
    if words.name == "digits":
        return replace(_digits_sample(choice), words=words)
    return replace(rows_of_array(words.rows(), str(words), choice), words=words)


def _digits_sample(choice: Choice) -> Sample:
    X, y = digits(return_X_y=True)
    sample = rows_of_array(X, "the digits", choice)
    return sample if choice.label else replace(sample, labels=y[:, None])


def scaled_rows(sample: Sample, rows: str) -> npt.NDArray[np.floating]:
    """Return the rows scaled to norm 1 for "unit", as they are for "raw".

    Raises
    ------
    ValueError
        If a row that is to be scaled is zero.
    """
    if rows == "raw":
        return sample.rows
    zeros = np.flatnonzero(~sample.rows.any(axis=1))
    if zeros.size:
        raise ValueError(
            f"{sample.source}: {sample.place(int(zeros[0]))} is zero: it cannot be scaled to norm"
            " 1; --rows raw takes rows as they are"
        )
    from fastgram.datasets.rows import scale_to_unit_norm

    return scale_to_unit_norm(np.array(sample.rows, dtype=np.float64, order="C"))
