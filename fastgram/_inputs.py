"""Rows from a file: .npy, .npz and .csv."""

from __future__ import annotations

import array
import csv
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram._validation import as_rows

__all__ = ["ENDINGS", "read_rows"]

ENDINGS = (".npy", ".npz", ".csv")


def read_rows(path: str | Path) -> npt.NDArray[np.floating]:
    """Return the samples in a file, one a row.

    Parameters
    ----------
    path : str or Path
        The ending says what the file is: ``.npy`` (memory-mapped), ``.npz`` (``file.npz:key``
        where it holds several arrays) or ``.csv`` (comma separated, an optional header line,
        blank lines ignored).

    Returns
    -------
    (n, d) numpy.ndarray
        float32 or float64, finite.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If the file is not what its ending says, or does not hold finite (n, d) rows.
    TypeError
        If the array does not hold real numbers.
    """
    file, key = _split_key(str(path))
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{file}: cannot tell what it holds; known endings: {', '.join(ENDINGS)}")
    with file.open("rb"):  # a missing file, a folder or no permission: said as the system says it
        pass
    if ending == ".npy":
        return as_rows(_read_npy(file), str(file))
    if ending == ".npz":
        return as_rows(_read_npz(file, key), str(path))
    return as_rows(_read_csv(file), str(file))


def _split_key(path: str) -> tuple[Path, str | None]:
    head, colon, key = path.rpartition(":")
    if colon and head.lower().endswith(".npz"):
        return Path(head), key
    return Path(path), None


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


def _read_csv(file: Path) -> Any:
    values = array.array("d")
    columns = 0
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            for cells in reader:
                if not cells or (cells == [cells[0]] and not cells[0].strip()):
                    continue  # a blank line
                if not columns:
                    columns = len(cells)
                    if not any(map(_is_number, cells)):
                        continue  # the header
                place = f"{file}: line {reader.line_num}"
                if len(cells) < columns:
                    raise ValueError(f"{place} ends before column {len(cells) + 1} of {columns}")
                if len(cells) > columns:
                    raise ValueError(f"{place} has a column {columns + 1}, those before it not")
                try:
                    values.extend(map(float, cells))
                except ValueError:
                    bad = next(k for k, cell in enumerate(cells) if not _is_number(cell))
                    what = f"is not a number: {cells[bad][:40]!r}" if cells[bad] else "is empty"
                    raise ValueError(f"{place}, column {bad + 1} {what}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{file} is not comma-separated text: {error}") from None
    if not values:
        raise ValueError(f"{file} holds no rows")
    return np.frombuffer(values).reshape(-1, columns)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
