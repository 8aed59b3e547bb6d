"""How a text file holds its table: encoding, separator, decimal mark, header, found from a sample.

Nothing is asked: files are as spreadsheets, pandas, R and `numpy.savetxt` write them.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastgram.cli.data_files.cells import Number, comma_is_decimal, is_missing, is_value
from fastgram.cli.data_files.lines import (
    BLANKS,
    Lines,
    find_encoding,
    first_lines,
    open_text,
    readable,
    refuse_web_page,
    split,
)

__all__ = ["Layout", "find_layout", "records"]

Record = tuple[int, list[str]]  # the line on which it ends, and its cells

_SEPARATORS = ("\t", ";", ",", "|", BLANKS)  # the first of equals is taken
_INDEX = re.compile(r"Unnamed: \d+(?:\.\d+)*|rownames")


@dataclass(frozen=True)
class Layout:
    """Where the table of a text file is, and how it is written.

    Attributes
    ----------
    encoding : str
    separator : str
        A blank stands for any run of blanks and tabs; "" for a single column.
    number : Number
    columns : int
    names : tuple of str or None
        Of the columns, where there is a header.
    index : tuple of int
        Columns that hold names or numbers of rows, by what the header calls them.
    skipped : int
        Records before the first row.
    titles : int
        How many of them are neither header nor row.
    sample : list of lists of str
        The first rows.
    """

    encoding: str
    separator: str
    number: Number
    columns: int
    names: tuple[str, ...] | None
    index: tuple[int, ...]
    skipped: int
    titles: int
    sample: list[list[str]]


def records(file: Path, layout: Layout) -> Iterator[Record]:
    """Return the rows of the table, each with the line on which it ends."""
    with open_text(file, layout.encoding) as text:
        lines = Lines(text)
        for cells in itertools.islice(split(lines, layout.separator), layout.skipped, None):
            yield lines.number, cells


def find_layout(file: Path) -> Layout:
    """Look at the first lines.

    Raises
    ------
    ValueError
        If it is no text, or there is no row.
    """
    encoding = find_encoding(file)
    with open_text(file, encoding) as text:
        lines = Lines(text)
        sample, cut = first_lines(lines)
    if not sample:
        raise ValueError(f"{file} holds no rows")
    refuse_web_page(file, sample[0])
    given = re.fullmatch(r"sep=(.)\s*", sample[0])  # as spreadsheets write it
    separator = given[1] if given else _separator(sample)
    found = list(split(sample, separator))
    if cut and len(found) > 1:
        found.pop()  # a cell of which may go on
    columns = _usual(map(len, found[1:] or found))
    number = Number(comma_is_decimal(separator, found))
    first = 1 if given else 0
    titles = first + _titles(found[first:], columns, number)
    names, header = _header(found[titles:], columns, number)
    names = names or _names_in_comment(lines.comment, separator, columns, number)
    if names is not None:
        names = [readable(name.strip()) for name in names]
        columns = len(names)
    skipped = titles + header
    if len(found) == skipped:
        raise ValueError(f"{file} holds no rows")
    return Layout(
        encoding=encoding,
        separator=separator,
        number=number,
        columns=columns,
        names=None if names is None else tuple(names),
        index=_index(names),
        skipped=skipped,
        titles=titles - first,
        sample=[cells for cells in found[skipped:] if len(cells) == columns],
    )


def _usual(counts: Iterable[int]) -> int:
    return Counter(counts).most_common(1)[0][0]


def _separator(sample: Sequence[str]) -> str:
    """Return the separator that divides most lines alike, and into the most numbers."""
    best, best_score = "", 0.0
    for separator in _SEPARATORS:
        try:
            found = [cells for cells in split(sample, separator) if cells]
        except csv.Error:  # a line is one field, and too long for that
            continue
        sizes = [len(cells) for cells in found if len(cells) > 1]
        if not sizes:
            continue
        columns = _usual(sizes)
        alike = [cells for cells in found if len(cells) == columns]
        share = len(alike) / len(found)
        if share < 0.5:
            continue
        values = sum(is_value(cell) for cells in alike for cell in cells)
        score = share * (0.1 + values / (columns * len(alike)))
        if score > best_score:
            best, best_score = separator, score
    return best


def _titles(found: Sequence[Sequence[str]], columns: int, number: Number) -> int:
    """Return how many records stand before the table: of another length, and not all numbers."""
    for k, cells in enumerate(found):
        short = len(cells) == columns - 1 and _names_of_rows(found[k + 1 :], columns)
        long = len(cells) == columns + 1 and not cells[-1].strip()
        if len(cells) == columns or short or long or all(map(number.is_number, cells)):
            return k
        if len(cells) > columns and k + 1 < len(found) and not any(map(number.is_number, cells)):
            return k  # a header that is too long: rows are short of it
    return 0


def _names_in_comment(
    comment: str, separator: str, columns: int, number: Number
) -> list[str] | None:
    """Return the names that a comment above the table gives, as `numpy.savetxt` writes a header."""
    cells = next(split([comment.lstrip("#%")], separator), []) if comment else []
    if len(cells) != columns or any(map(number.is_number, cells)):
        return None
    return [cells[0].strip() or comment[0], *cells[1:]]


def _names_of_rows(found: Sequence[Sequence[str]], columns: int) -> bool:
    """Whether the first column counts the rows or names them, as R writes it without a header."""
    first = [cells[0].strip() for cells in found if len(cells) == columns]
    if not first:
        return False
    if first[0] in ("0", "1"):
        return first == [str(k) for k in range(int(first[0]), int(first[0]) + len(first))]
    return columns > 2 and not any(map(Number().is_number, first))


def _header(
    found: Sequence[list[str]], columns: int, number: Number
) -> tuple[list[str] | None, int]:
    """Return the names of the columns, and how many records they take."""
    if not found:
        return None, 0
    head, rows = found[0], [cells for cells in found[1:] if len(cells) == columns]
    if len(head) == columns + 1 and not head[-1].strip():
        head = head[:-1]
    numbers = [number.is_number(cell) for cell in head]
    if len(head) == columns - 1 and not any(numbers) and _names_of_rows(rows, columns):
        return ["", *head], 1
    if not any(numbers):
        return (None, 0) if all(map(is_missing, head)) else (head, 1)
    if len(head) == columns and _names_in_numbers(head, numbers, rows, number):
        return head, 1
    return None, 0


def _names_in_numbers(
    head: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[str]], number: Number
) -> bool:
    """Whether a record with numbers in it is a header nevertheless."""
    if not rows:
        return False
    bare = [cell.strip() for cell in head]
    if not bare[0] and _names_of_rows(rows, len(head)):
        return True
    of_numbers = [
        any(number.is_number(cells[k]) for cells in rows)
        and all(number.is_number(cells[k]) or is_missing(cells[k]) for cells in rows)
        for k in range(len(head))
    ]
    # words above numbers
    named = sum(below and not own for own, below in zip(numbers, of_numbers, strict=True))
    if 2 * named > len(head):
        return True
    counted = [cell for cell, own in zip(bare, numbers, strict=True) if own]
    if counted == [str(k) for k in range(len(counted))] and len(counted) > 1:  # as pandas writes it
        if not bare[0] or named or len(counted) > 4:
            return True
        return not any(cell.strip().lstrip("+-").isdigit() for cells in rows for cell in cells)
    # years beside a word, or wavelengths
    least = 8 if all(numbers) else 4
    steady = [
        _is_steady([cells for cells in row if number.is_number(cells)], number, least)
        for row in (bare, *rows)
    ]
    return steady[0] and not any(steady[1:])


def _is_steady(cells: Sequence[str], number: Number, least: int) -> bool:
    """Whether there are so many numbers at least, and each is the same step above the last."""
    values = [number.read(cell) for cell in cells]
    steps = [b - a for a, b in itertools.pairwise(values)]
    return len(values) >= least and steps[0] > 0.0 and max(steps) - min(steps) < 1e-6 * steps[0]


def _index(names: Sequence[str] | None) -> tuple[int, ...]:
    """Return the columns that pandas or R wrote to number or name the rows."""
    if names is None:
        return ()
    first = (0,) if len(names) > 1 and not names[0] else ()
    return first + tuple(k for k, name in enumerate(names) if _INDEX.fullmatch(name))
