"""The rows that a command works on: DATA or the digits, and scaled or as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.columns import Choice, as_words
from fastgram.cli.data_files.reading import Sample, read_rows, rows_of_array

__all__ = ["ROWS", "sample_of", "scaled_rows"]

ROWS = ("unit", "raw")


def sample_of(
    data: str | None,
    columns: Sequence[str] | None,
    drop: Sequence[str] | None,
    label: Sequence[str] | None,
) -> Sample:
    """Return the rows of a file, or the digits, with the columns that the options choose."""
    chosen = {"--columns": columns, "--drop": drop, "--label": label}
    choice = Choice(*(as_words(name, words or []) for name, words in chosen.items()))
    if data is not None:
        return read_rows(data, choice)
    from fastgram import datasets

    return rows_of_array(datasets.digits(), "the digits", choice)


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
