"""One cell of a text file: a number by one convention or the other, missing, a date, or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Number", "comma_is_decimal", "is_date", "is_figure", "is_missing", "is_value"]

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


def is_value(cell: str) -> bool:
    """Whether a cell is what stands below a header: a number, a date, or nothing."""
    return bool(_NUMERIC.fullmatch(cell.strip())) or is_missing(cell) or is_date(cell)


def comma_is_decimal(separator: str, found: Sequence[Sequence[str]]) -> bool:
    """Whether commas are decimal marks.

    The numbers that can be read in one way only decide it, else the separator.
    """
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
