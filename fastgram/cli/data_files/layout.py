"""How a text file holds its table: encoding, separator, decimal mark, header, found from a sample.

Nothing is asked: files are as spreadsheets, pandas, R and `numpy.savetxt` write them.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

__all__ = [
    "Layout",
    "Number",
    "find_layout",
    "is_date",
    "is_figure",
    "is_missing",
    "readable",
    "records",
]

Record = tuple[int, list[str]]  # the line on which it ends, and its cells

_BLANKS = " "  # stands for any run of blanks and tabs
_SEPARATORS = ("\t", ";", ",", "|", _BLANKS)  # the first of equals is taken
_SAMPLE, _FEW, _LETTERS = 200, 10, 2**18  # lines, and of long ones fewer
_COMMENT = ("#", "%")
_WORD = re.compile(r'"([^"]*)"|(\S+)')
# A number by one convention or the other.
_NUMERIC = re.compile(
    r"[+-]?(?:\d+[.,]?\d*|[.,]\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,3}(?:\.\d{3})+(?:,\d*)?)"
    r"(?:[eE][+-]?\d+)?(?<!,)"
)
_THOUSANDS = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in (",", ".")
}
_MISSING = {"", "?", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", ".", "*", "***"}
_TRUTH = {"true": 1.0, "false": 0.0}
_TIME = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:\.\d+)?)?\s?(?:[AaPp][Mm])?(?:Z|[+-]\d{2}:?\d{2})?"
_MONTH = r"[A-Za-z]{3,9}"
_DATE = re.compile(
    rf"(?:\d{{8}}T\d{{4,6}}|\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
    rf"|\d{{1,2}}[- ]{_MONTH}[- ]\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}|{_MONTH}[- ]\d{{2,4}}"
    rf"|\d{{4}}-?[Qq][1-4])(?:[T ]+{_TIME})?|{_TIME}"
)
# What a person reads as a number and `Number` does not: amounts, per cent, (negative) ones.
_FIGURE = re.compile(r"[-+\u2212(]?\s?[$€£¥]?\s?\d[\d.,' \u00a0]*(?:%|[$€£¥])?\)?")
_FORTRAN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))[dD]([+-]?\d+)")
_INDEX = re.compile(r"Unnamed: \d+(?:\.\d+)*|rownames")
# What other files begin with whose name says that they are text.
_OTHER = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV"),
    (b"\x1f\x8b", "compressed by gzip: let its name end in .gz"),
    (b"PAR1", "a Parquet file: save it as CSV or .npy"),
    (b"\x89HDF", "an HDF5 file: save its array as .npy"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Number:
    """How a cell is read as a number.

    Attributes
    ----------
    comma : bool
        Whether the decimal mark is a comma; the other mark then separates thousands.
    """

    comma: bool = False

    def read(self, cell: str) -> float:
        """Return the number, nan for a missing one; 1 and 0 for True and False.

        Raises
        ------
        ValueError
            If the cell is neither.
        """
        if is_missing(cell):
            return float("nan")
        text = _FORTRAN.sub(r"\1e\2", cell.strip().replace("\u2212", "-"))
        mark, other = (",", ".") if self.comma else (".", ",")
        whole, point, part = text.partition(mark)
        if _THOUSANDS[other].fullmatch(whole):
            whole = whole.replace(other, "")
        word = whole.lower()
        if word in _TRUTH:
            return _TRUTH[word]
        if other in whole or other in part:
            raise ValueError(cell)
        return float(f"{whole}.{part}" if point else whole)

    def is_number(self, cell: str) -> bool:
        """Whether the cell is a number that is not missing."""
        if is_missing(cell):
            return False
        try:
            self.read(cell)
        except ValueError:
            return False
        return True


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a value that is not there."""
    return cell.strip().lower() in _MISSING


def is_figure(cell: str) -> bool:
    """Whether a cell looks like a number, and is neither a word nor a date."""
    return _FIGURE.fullmatch(cell.strip()) is not None and not is_date(cell)


def is_date(cell: str) -> bool:
    """Whether a cell is a date, a time or both."""
    return _DATE.fullmatch(cell.strip()) is not None


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


# --- lines and records -------------------------------------------------------------------------


class _Lines:
    """The lines of a file but blank ones and comments; `number` is that of the last one."""

    def __init__(self, text: Iterable[str]) -> None:
        self.text = text
        self.number = 0
        self.comment = ""  # the last before the first line

    def __iter__(self) -> Iterator[str]:
        first = True
        for number, line in enumerate(self.text, 1):
            self.number = number
            bare = line.strip()
            if bare.startswith(_COMMENT):
                self.comment = bare if first else self.comment
            elif bare:
                first = False
                yield line


def _open(file: Path, encoding: str) -> IO[Any]:
    # what is not UTF-8 can only be in names and words, which are not computed with
    options: dict[str, Any] = {"encoding": encoding, "errors": "surrogateescape", "newline": ""}
    opened: Any = gzip.open if _compressed(file) else open
    text: IO[Any] = opened(file, "rt", **options)
    return text


def _compressed(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def records(file: Path, layout: Layout) -> Iterator[Record]:
    """Return the rows of the table, each with the line on which it ends."""
    with _open(file, layout.encoding) as text:
        lines = _Lines(text)
        for cells in itertools.islice(_split(lines, layout.separator), layout.skipped, None):
            yield lines.number, cells


def _split(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    if separator == "":
        return ([line.strip()] for line in lines)
    if separator == _BLANKS:
        return (_words(line) for line in lines)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _words(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    return [quoted or bare for quoted, bare in _WORD.findall(line)]


# --- what the layout is ------------------------------------------------------------------------


def find_layout(file: Path) -> Layout:
    """Look at the first lines.

    Raises
    ------
    ValueError
        If it is no text, or there is no row.
    """
    encoding = _encoding(file)
    with _open(file, encoding) as text:
        lines = _Lines(text)
        sample, cut = _first(lines)
    if not sample:
        raise ValueError(f"{file} holds no rows")
    _refuse_web_page(file, sample[0])
    given = re.fullmatch(r"sep=(.)\s*", sample[0])  # as spreadsheets write it
    separator = given[1] if given else _separator(sample)
    found = list(_split(sample, separator))
    if cut and len(found) > 1:
        found.pop()  # a cell of which may go on
    columns = _usual(map(len, found[1:] or found))
    number = Number(_comma_is_decimal(separator, found))
    titles = 1 if given else 0
    titles += _titles(found[titles:], columns, number)
    names, header = _header(found[titles:], columns, number)
    if names is None:
        names = _names_in_comment(lines.comment, separator, columns, number)
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
        titles=titles - bool(given),
        sample=[cells for cells in found[skipped:] if len(cells) == columns],
    )


def _first(lines: Iterable[str]) -> tuple[list[str], bool]:
    """Return the first lines, and whether there may be more."""
    sample: list[str] = []
    letters = 0
    for line in lines:
        sample.append(line)
        letters += len(line)
        if len(sample) == _SAMPLE or (len(sample) >= _FEW and letters > _LETTERS):
            return sample, True
    return sample, False


def _encoding(file: Path) -> str:
    with gzip.open(file) if _compressed(file) else file.open("rb") as raw:
        head = raw.read(4096)
    for magic, what in _OTHER:
        if head.startswith(magic):
            raise ValueError(f"{file} is {what}")
    if head.startswith(_UTF16):
        return "utf-16"
    if b"\0" in head:
        raise ValueError(f"{file} is not text")
    return "utf-8-sig"


def _refuse_web_page(file: Path, line: str) -> None:
    if re.match(r"\s*<(?:!doctype|html|\?xml)", line, re.IGNORECASE):
        raise ValueError(f"{file} is a web page or XML, not a table")


def readable(name: str) -> str:
    """Return a name without what was not UTF-8."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _usual(counts: Iterable[int]) -> int:
    return Counter(counts).most_common(1)[0][0]


def _separator(sample: Sequence[str]) -> str:
    """Return what divides most lines alike, and into the most numbers."""
    best, best_score = "", 0.0
    for separator in _SEPARATORS:
        try:
            found = [cells for cells in _split(sample, separator) if cells]
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
        values = sum(_is_value(cell) for cells in alike for cell in cells)
        score = share * (0.1 + values / (columns * len(alike)))
        if score > best_score:
            best, best_score = separator, score
    return best


def _is_value(cell: str) -> bool:
    return bool(_NUMERIC.fullmatch(cell.strip())) or is_missing(cell) or is_date(cell)


def _comma_is_decimal(separator: str, found: Sequence[Sequence[str]]) -> bool:
    """Decide by the numbers that can be read in one way only, else by the separator."""
    cells = [cell.strip() for row in found for cell in row if "," in cell or "." in cell]
    numbers = [cell for cell in cells if _NUMERIC.fullmatch(cell)]
    if any("," in cell and "." in cell for cell in numbers):
        return all(
            cell.rfind(",") > cell.rfind(".") for cell in numbers if "," in cell and "." in cell
        )
    commas = [cell for cell in numbers if "," in cell]
    if not commas or any("." in cell and not _THOUSANDS["."].fullmatch(cell) for cell in numbers):
        return False
    return separator == ";" or not all(map(_THOUSANDS[","].fullmatch, commas))


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
    cells = next(_split([comment.lstrip("#%")], separator), []) if comment else []
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
