"""The table of a part: a CSV file that takes each row as it ends, and loses none to a crash."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fastgram.bracket import GUARANTEES
from fastgram.study.part import Case, Part, Row, Value
from fastgram.support.files.durable import written_whole
from fastgram.support.validation import as_choice

__all__ = ["Table", "columns_of", "read_table"]

_CASE = ("data", "seed", "n", "d", "activation", "kind", "depth")
_BRACKET = ("lower", "upper", "guarantee", "resolved", "seconds")
_LAST = ("error", "definition")


def columns_of(part: Part) -> list[str]:
    """Return the columns of a part's table."""
    return [*_CASE, *_BRACKET, *part.parameters, *part.values, *_LAST]


def read_table(part: Part, path: Path) -> list[Row]:
    """Return the rows of a file that are whole, in its order; none where there is no file.

    A last line that was cut short is left out.

    Raises
    ------
    ValueError
        If it is no table of this part and definition, or another line than the last is broken.
    """
    return _read(part, path)[0]


class Table:
    """The rows of a part on disk.

    What is there is read when it is made: a broken last line and rows with an error go, so that
    they are computed again. A table of another definition of the part is renamed, `told` says to
    what, and a new one begun.

    Parameters
    ----------
    part : Part
    path : Path
        Of the file, which is made where there is none.

    Attributes
    ----------
    rows : dict
        Rows by the keys of their cases.
    told : str
        What was done with a table that was there, or "".

    Raises
    ------
    ValueError
        If the file is no table of the study, or another line than the last is broken.
    OSError
        If it cannot be written.
    """

    def __init__(self, part: Part, path: Path) -> None:
        self._part, self._path = part, path
        self.told = _set_aside(part, path)
        found, whole = _read(part, path)
        rows = [row for row in found if not row.error]
        self.rows: dict[Any, Row] = {row.case.key: row for row in rows}
        if not whole or len(rows) < len(found):
            cells = [columns_of(part), *(_cells(part, row) for row in rows)]
            with written_whole(path) as file:
                file.write(_text(cells).encode("utf-8"))

    def append(self, row: Row) -> None:
        """Add a row: on disk when this returns."""
        line = _text([_cells(self._part, row)]).encode("utf-8")
        with open(self._path, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.rows[row.case.key] = row


def _set_aside(part: Part, path: Path) -> str:
    """Rename a table of another definition, and say so."""
    if not path.exists():
        return ""
    (header, *lines), _ = _lines(path)
    if not set(_CASE + _BRACKET) <= set(header):
        raise ValueError(f"{path}: not a table of the study: move it, or choose another folder")
    definitions = {line[-1] for line in lines if len(line) == len(header)}
    if header == columns_of(part) and definitions <= {str(part.definition)}:
        return ""
    number = 1
    while (other := path.with_name(f"{path.stem}-earlier-{number}{path.suffix}")).exists():
        number += 1
    path.rename(other)
    return f"{path} is of another definition of {part.name}: it is {other.name} now"


def _lines(path: Path) -> tuple[list[list[str]], bool]:
    """Return the cells of each line that ends, and whether all do; an empty header for none.

    Raises
    ------
    ValueError
        If another line than the last opens quotes that nothing closes: lines that follow would be
        taken for its cell, and lost.
    """
    text = path.read_bytes().decode("utf-8", errors="replace")
    ended = text[: text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(ended, newline=""), strict=True)
    found: list[list[str]] = []
    begun = 0
    try:
        for cells in reader:
            found.append(cells)
            begun = reader.line_num
    except csv.Error as error:
        if begun + 1 < ended.count("\n"):
            raise ValueError(f"{path}, line {begun + 1}: {error}") from None
        return found or [[]], False
    return found or [[]], ended == text


def _read(part: Part, path: Path) -> tuple[list[Row], bool]:
    """Return rows, and whether the file has nothing else."""
    if not path.exists():
        return [], False
    (header, *lines), whole = _lines(path)
    if header != columns_of(part):
        raise ValueError(f"{path}: not a table of part {part.name}, definition {part.definition}")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(part, header, line))
        except ValueError as error:
            if number < len(lines):
                raise ValueError(f"{path}, row {number}: {error}") from None
            return rows, False  # a crash may leave a last line that ends, too
    return rows, whole


def _row(part: Part, header: list[str], line: list[str]) -> Row:
    """Return a row from its cells, or raise ValueError."""
    if len(line) != len(header):
        raise ValueError(f"{len(line)} cells in place of {len(header)}")
    cells = dict(zip(header, line, strict=True))
    if cells["definition"] != str(part.definition):
        raise ValueError(f"definition {cells['definition']!r} in place of {part.definition}")
    case = Case(
        data=cells["data"],
        seed=int(cells["seed"]) if cells["seed"] else None,
        n=int(cells["n"]),
        d=int(cells["d"]),
        activation=cells["activation"],
        kind=as_choice("kind", cells["kind"], ("gradient", "nngp", "ntk")),
        depth=int(cells["depth"]),
        parameters={name: _value(cells[name]) for name in part.parameters if cells[name]},
    )
    return Row(
        case,
        float(cells["lower"]),
        float(cells["upper"]),
        as_choice("guarantee", cells["guarantee"], GUARANTEES),
        as_choice("resolved", cells["resolved"], ("True", "False")) == "True",
        float(cells["seconds"]),
        {name: float(cells[name]) for name in part.values if cells[name]},
        cells["error"],
    )


def _value(text: str) -> Value:
    """Return the number that a cell is, or its words."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _cells(part: Part, row: Row) -> list[str]:
    """Return the cells of a row, floats with all their digits."""
    case = row.case
    _refuse_others("parameter", case.parameters, part.parameters)
    _refuse_others("value", row.values, part.values)
    found: list[Any] = [getattr(case, name) for name in _CASE]
    found += [row.lower, row.upper, row.guarantee, bool(row.resolved), f"{row.seconds:.4g}"]
    found += [case.parameters.get(name) for name in part.parameters]
    found += [row.values.get(name) for name in part.values]
    found += [" ".join(row.error.split()), part.definition]
    return [_cell(value) for value in found]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)  # NumPy's are floats too


def _refuse_others(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    others = [name for name in given if name not in known]
    if others:
        raise ValueError(f"{what} {others[0]!r} has no column (those are: {', '.join(known)})")


def _text(lines: Iterable[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
