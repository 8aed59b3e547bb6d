"""Rows from a file: .npy, .npz, and text such as .csv."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.columns import Choice, list_words, number_words, select
from fastgram.cli.data_files.text_rows import read_text
from fastgram.datasets.files.loading import is_loadable, load
from fastgram.datasets.words import DataWords
from fastgram.storage.manifest import manifest_of
from fastgram.support.validation import as_rows

__all__ = ["ENDINGS", "Sample", "ending_words", "read_rows", "rows_of_array"]

_TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")
ENDINGS = (".npy", ".npz", *_TEXT, ".gz")
_IMAGE_LABEL = "label"
# What scipy.sparse.save_npz writes, whatever the format.
_SPARSE = {"format", "shape", "data"}


@dataclass(frozen=True)
class Sample:
    """Rows, and what they were taken from.

    Attributes
    ----------
    rows : (n, d) array
        float32 or float64, finite.
    source : str
        The file, or what else it is.
    columns : tuple of str
        The names of the features, or their numbers from 0 where they have none; empty where all of
        the source is taken and has no names.
    told : str
        What was taken and what was not, in words, where that is not plain from n and d.
    lines : (n,) array of int, optional
        Of a text file, the line of each row.
    labels : (n, l) array, optional
        Of the columns of labels: words of a text file, numbers of an array.
    words : DataWords, optional
        Of a data set in words.
    """

    rows: npt.NDArray[np.floating]
    source: str
    columns: tuple[str, ...]
    told: str = ""
    lines: npt.NDArray[np.int64] | None = None
    labels: npt.NDArray[Any] | None = None
    words: DataWords | None = None

    def place(self, row: int) -> str:
        """Return where a row is: its line in a text file, else its number from 0."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"


def read_rows(path: str | Path, choice: Choice | None = None) -> Sample:
    """Return the samples in a file, one a row.

    Parameters
    ----------
    path : str or Path
        The ending says what the file is: ``.npy`` (memory-mapped), ``.npz`` (``file.npz:key``
        where it holds several arrays), or text: ``.csv``, ``.tsv``, ``.txt``, ``.dat`` or
        ``.data``, each also with ``.gz``. In text, columns are divided by commas, semicolons,
        tabs, bars or blanks; there may be a header, comments (``#`` or ``%``) and blank lines.
        A folder, and a file of another ending, is what `fastgram.datasets.load` reads.
    choice : Choice, optional
        The columns to take. Of text, columns that hold dates or number the rows are left out
        anyway, and so are one of words that comes first, and one more (a label). What images show
        is the label "label".

    Returns
    -------
    Sample

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If the file is not what its ending says, or does not hold finite (n, d) rows.
    TypeError
        If the array does not hold real numbers.
    """
    choice = choice or Choice()
    file, key = _split_key(str(path))
    if file.is_dir():
        return _image_sample(file, choice)
    with file.open("rb"):  # a missing file, a folder or no permission: said as the system says it
        pass
    ending = file.suffix.lower()
    if ending == ".npy":
        _refuse_stored(file)
        return rows_of_array(_read_npy(file), str(file), choice)
    if ending == ".npz":
        return rows_of_array(_read_npz(file, key), str(path), choice)
    if (file.with_suffix("").suffix.lower() if ending == ".gz" else ending) in _TEXT:
        return _text_sample(file, choice)
    if is_loadable(file):
        return _image_sample(file, choice)
    raise ValueError(
        f"{file}: cannot tell what it holds; known endings: {ending_words()}; known sets of images:"
        " idx files (MNIST), CIFAR's .bin and folders"
    )


def ending_words() -> str:
    """Return the endings that `read_rows` knows, as a message lists them."""
    return f"{', '.join(ENDINGS[:-1])}, and text compressed as .csv{ENDINGS[-1]}"


def rows_of_array(array: Any, source: str, choice: Choice) -> Sample:
    """Return the rows of an array, those columns of them that were chosen."""
    rows = as_rows(array, source)
    count = rows.shape[1]
    selection = select(choice, None, count, source)
    columns = selection.taken
    if columns == tuple(range(count)):
        return Sample(rows, source, ())
    told = [f"columns {number_words(columns)} of {count}"]
    if selection.labels:
        told.append(f"label {number_words(selection.labels)}")
    taken, names = rows[:, list(columns)], tuple(map(str, columns))
    labels = rows[:, list(selection.labels)]
    return Sample(taken, source, names, "; ".join(told), labels=labels)


def _image_sample(path: Path, choice: Choice) -> Sample:
    """Return the rows of a set of images; "label" is what they show."""
    if _IMAGE_LABEL not in choice.label:
        return rows_of_array(load(path), str(path), choice)
    if len(choice.label) > 1:
        raise ValueError(f"{path}: the label of images is {_IMAGE_LABEL!r}, and no other beside it")
    X, y = load(path, return_X_y=True)
    sample = rows_of_array(X, str(path), replace(choice, label=()))
    classes = np.unique(y, return_inverse=True)[1]  # names of folders may be numbers
    return replace(sample, labels=classes.reshape(-1, 1))


def _text_sample(file: Path, choice: Choice) -> Sample:
    text = read_text(file, choice)
    names = text.names
    columns = tuple(names[k] if names and names[k] else str(k) for k in text.columns)
    told = [f"columns {list_words(columns) if names else number_words(text.columns)}"]
    some = len(columns) + len(text.left_out) < text.count
    if some:
        told[0] += f" of {text.count}"
    if text.left_out:
        out = [f"{(names and names[k]) or k} ({why})" for k, why in text.left_out]
        told.append(f"left out: {list_words(out)}")
    told += text.remarks
    plain = names is None and len(told) == 1 and not some
    rows = as_rows(text.values, str(file))
    if plain:
        return Sample(rows, str(file), (), "", text.lines)
    return Sample(rows, str(file), columns, "; ".join(told), text.lines, text.labels)


def _split_key(path: str) -> tuple[Path, str | None]:
    head, colon, key = path.rpartition(":")
    if colon and head.lower().endswith(".npz"):
        return Path(head), key
    return Path(path), None


def _refuse_stored(file: Path) -> None:
    """Refuse a Gram matrix, whose rows would be taken for samples without a word."""
    try:
        manifest = manifest_of(file)
    except (OSError, ValueError):  # somebody else's .json
        return
    if manifest is not None:
        raise ValueError(
            f"{file}: a Gram matrix that fastgram has stored, and no samples: in Python"
            f" fastgram.extreme_eigenvalues(fastgram.open_gram({str(file)!r})) has its eigenvalues"
        )


def _read_npy(file: Path) -> Any:
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except ValueError as error:  # other bytes, cut short, or Python objects inside
        raise ValueError(f"{file} is not a .npy file of numbers: {error}") from None


def _read_npz(file: Path, key: str | None) -> Any:
    try:
        # a .npy file or a pickle under this ending would be taken for what it is
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no zip archive")
        with np.load(file, allow_pickle=False) as archive:
            keys = list(archive.keys())
            if set(keys) >= _SPARSE:
                raise TypeError(f"{file} holds a SciPy sparse matrix: save its .toarray()")
            if key is None and len(keys) == 1:
                key = keys[0]
            if key in keys:
                return archive[key]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} is not a .npz file of numbers: {error}") from None
    if not keys:
        raise ValueError(f"{file} holds no array")
    problem = f"holds {len(keys)} arrays" if key is None else f"holds no array {key!r}"
    choices = ", ".join(f"{file}:{known}" for known in keys)
    raise ValueError(f"{file} {problem}; choose one of: {choices}")
