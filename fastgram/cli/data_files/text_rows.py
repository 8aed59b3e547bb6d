"""Rows from a text file: those of its columns that are numbers, and every other one named."""

from __future__ import annotations

import array
import csv
import gzip
import operator
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.cells import is_date, is_figure, is_missing
from fastgram.cli.data_files.columns import Choice, Selection, column_words, option_words, select
from fastgram.cli.data_files.layout import Layout, find_layout, records
from fastgram.cli.data_files.lines import readable

__all__ = ["TextRows", "read_text"]

Array = npt.NDArray[np.float64]

_DESCRIBED = 6  # columns that are described in a message; of more, how many


@dataclass(frozen=True)
class TextRows:
    """The rows and columns taken from a text file.

    Attributes
    ----------
    values : (n, d) array
    columns : tuple of int
        The numbers in the file of those that were taken.
    count : int
        Columns in the file that hold anything.
    names : tuple of str or None
        Of all columns of the file.
    left_out : list of (int, str)
        Columns that were not taken, and why.
    remarks : list of str
        What else was decided.
    lines : array of int
        The line of each row.
    labels : (n, l) array of str
        The cells of the columns of labels.
    """

    values: Array
    columns: tuple[int, ...]
    count: int
    names: tuple[str, ...] | None
    left_out: list[tuple[int, str]]
    remarks: list[str]
    lines: npt.NDArray[np.int64]
    labels: npt.NDArray[np.str_]


@dataclass
class _Trouble:
    """Cells of a column that are not numbers: how many, and the first."""

    count: int = 0
    line: int = 0
    cell: str = ""

    def add(self, line: int, cell: str) -> None:
        if not self.count:
            self.line, self.cell = line, cell
        self.count += 1


@dataclass
class _Table:
    """The columns that may be numbers, read."""

    columns: tuple[int, ...]
    values: Array
    lines: npt.NDArray[np.int64]
    labels: npt.NDArray[np.str_]
    troubles: dict[int, _Trouble] = field(default_factory=dict)

    def words(self) -> set[int]:
        """Return the columns in which there is no number, but something else."""
        return {
            column
            for column, values in zip(self.columns, self.values.T, strict=True)
            if column in self.troubles and not np.isfinite(values).any()
        }


def read_text(file: Path, choice: Choice) -> TextRows:
    """Read a table of numbers, separated by commas, semicolons, tabs, bars or blanks.

    Raises
    ------
    ValueError
        If the file is no table, or a column that is to be taken is not of numbers: one line that
        names all of these, and how to leave them out.
    """
    try:
        layout = find_layout(file)
        selection = select(choice, layout.names, layout.columns, str(file))
        hidden = _sure(layout, selection)
        wanted = tuple(column for column in selection.taken if column not in hidden)
        table = _read(file, layout, wanted, selection.labels)
    except (csv.Error, UnicodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is not a table in text: {error}") from None
    return _taken(file, layout, selection, hidden, table)


def _sure(layout: Layout, selection: Selection) -> dict[int, str]:
    """Return the columns that the first rows show not to be features, and why."""
    hidden = dict.fromkeys(layout.index, "index")
    for column in range(layout.columns):
        cells = [cells[column] for cells in layout.sample if not is_missing(cells[column])]
        if not cells or any(map(layout.number.is_number, cells)) or all(map(is_figure, cells)):
            continue
        hidden.setdefault(column, "dates" if all(map(is_date, cells)) else "text")
    if selection.explicit:  # asked for: read, and refused where they cannot be
        hidden = {column: why for column, why in hidden.items() if column not in selection.taken}
    return hidden


# --- reading -----------------------------------------------------------------------------------


def _read(
    file: Path, layout: Layout, columns: tuple[int, ...], of_labels: tuple[int, ...]
) -> _Table:
    values, lines = array.array("d"), array.array("q")
    labels: list[list[str]] = []
    troubles: dict[int, _Trouble] = {}
    pick = _picker(columns, layout.columns)
    plain = not layout.number.comma
    for line, cells in records(file, layout):
        if len(cells) != layout.columns:
            if not any(map(str.strip, cells)):
                continue
            cells = _whole(file, layout, line, cells)
        picked = pick(cells)
        try:
            if not plain:
                raise ValueError
            row = list(map(float, picked))
        except ValueError:
            if not any(map(str.strip, cells)):  # a line of separators alone
                continue
            row = [
                _number(layout, troubles, line, column, cell)
                for column, cell in zip(columns, picked, strict=True)
            ]
        values.extend(row)
        lines.append(line)
        labels.append([cells[column].strip() for column in of_labels])
    if not lines:
        raise ValueError(f"{file} holds no rows")
    taken = np.frombuffer(values).reshape(len(lines), -1) if columns else np.empty((len(lines), 0))
    words = np.array(labels, dtype=np.str_).reshape(len(lines), -1)
    return _Table(columns, taken, np.frombuffer(lines, dtype=np.int64), words, troubles)


def _picker(columns: Sequence[int], count: int) -> Callable[[list[str]], Sequence[str]]:
    if list(columns) == list(range(count)):
        return lambda cells: cells
    if len(columns) > 1:
        return operator.itemgetter(*columns)
    return lambda cells: [cells[column] for column in columns]


def _whole(file: Path, layout: Layout, line: int, cells: list[str]) -> list[str]:
    """Return a row of the usual length: an empty cell at its end is none."""
    if len(cells) == layout.columns + 1 and not cells[-1].strip():
        return cells[:-1]
    as_what = "the header has" if layout.names is not None else "other lines have"
    there = f"{len(cells)} cell" + ("" if len(cells) == 1 else "s")
    raise ValueError(f"{file}: line {line} has {there} where {as_what} {layout.columns}")


def _number(
    layout: Layout, troubles: dict[int, _Trouble], line: int, column: int, cell: str
) -> float:
    try:
        return layout.number.read(cell)
    except ValueError:
        troubles.setdefault(column, _Trouble()).add(line, cell)
        return np.nan


# --- what is taken -----------------------------------------------------------------------------


def _taken(
    file: Path, layout: Layout, selection: Selection, hidden: dict[int, str], table: _Table
) -> TextRows:
    names = layout.names
    bad = _described(layout, selection, hidden, table)
    good = [column for column in table.columns if column not in bad and column not in hidden]
    if bad:
        raise ValueError(f"{file}: {_refusal(names, bad, good)}")
    if not good:
        raise ValueError(f"{file} holds no column of numbers")
    reasons = {
        **dict.fromkeys(selection.dropped, "dropped"),
        **dict.fromkeys(selection.labels, "label"),
    }
    if not selection.explicit:
        reasons = hidden | reasons
    place_of = {column: place for place, column in enumerate(table.columns)}
    places = [place_of[column] for column in good]
    left_out = [(column, why) for column, why in sorted(reasons.items()) if why != "nothing"]
    values = table.values if len(good) == len(table.columns) else table.values[:, places]
    count = layout.columns - list(reasons.values()).count("nothing")
    return TextRows(
        values, tuple(good), count, names, left_out, _remarks(layout), table.lines, table.labels
    )


def _remarks(layout: Layout) -> list[str]:
    remarks = ["decimal commas"] if layout.number.comma else []
    if layout.titles:
        lines = "line" if layout.titles == 1 else f"{layout.titles} lines"
        remarks.append(f"the first {lines} skipped")
    return remarks


def _described(
    layout: Layout, selection: Selection, hidden: dict[int, str], table: _Table
) -> dict[int, str]:
    """Return the faults of columns that would be taken; add to `hidden` those that are not.

    A column of text that comes first names the rows, and one more is a label: they are left out.
    With more than that it is for the user to say what they are.
    """
    words, bad = table.words(), {}
    for place, column in enumerate(table.columns):
        values = table.values[:, place]
        trouble = table.troubles.get(column)
        named = layout.names is not None and bool(layout.names[column])
        if trouble and column in words and not (selection.explicit or is_figure(trouble.cell)):
            hidden[column] = "text"
        elif not named and np.isnan(values).all() and _is_blank(layout, column):
            hidden[column] = "nothing"  # separators at the end of each line
        elif trouble:
            bad[column] = (
                f"is not a number in line {trouble.line}: {readable(trouble.cell.strip())[:40]!r}"
            )
        elif not np.isfinite(values).all():
            bad[column] = _gaps(values, table.lines)
    of_text = [
        column
        for column, why in sorted(hidden.items())
        if why == "text" and column not in selection.dropped + selection.labels
    ]
    first = next(column for column in range(layout.columns + 1) if column not in layout.index)
    if len([column for column in of_text if column != first]) > 1 and not selection.explicit:
        bad |= {column: _text_words(layout, table, column) for column in of_text}
    return dict(sorted(bad.items()))


def _is_blank(layout: Layout, column: int) -> bool:
    return layout.columns > 1 and not any(cells[column].strip() for cells in layout.sample)


def _text_words(layout: Layout, table: _Table, column: int) -> str:
    if column in table.troubles:
        cell = table.troubles[column].cell
    else:
        cell = next(cells[column] for cells in layout.sample if not is_missing(cells[column]))
    return f"is text ({readable(cell.strip())[:20]!r})"


def _gaps(values: Array, lines: npt.NDArray[np.int64]) -> str:
    bad = np.flatnonzero(~np.isfinite(values))
    if np.isinf(values[bad[0]]):
        return f"is {values[bad[0]]} in line {lines[bad[0]]}"
    if len(bad) == 1:
        return f"has no value in line {lines[bad[0]]}"
    return f"has no value in {len(bad)} of {len(lines)} lines, first in line {lines[bad[0]]}"


def _refusal(names: Sequence[str] | None, bad: dict[int, str], good: Sequence[int]) -> str:
    told = [f"{column_words(column, names)} {problem}" for column, problem in bad.items()]
    if len(told) > _DESCRIBED:
        told[_DESCRIBED - 1 :] = [f"{len(told) - _DESCRIBED + 1} more columns likewise"]
    them = "it" if len(bad) == 1 else "them"
    drop, keep = option_words(bad, names), option_words(good, names)
    if not good:
        return "; ".join(told)
    if len(keep) < len(drop):
        return f"{'; '.join(told)}; to leave {them} out: --columns {keep}"
    return f"{'; '.join(told)}; to leave {them} out: --drop {drop}"
