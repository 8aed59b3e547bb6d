"""The lines of a text file: their encoding, comments skipped, and each divided into cells."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

__all__ = [
    "BLANKS",
    "Lines",
    "find_encoding",
    "first_lines",
    "open_text",
    "readable",
    "refuse_web_page",
    "split",
]

BLANKS = " "  # stands for any run of blanks and tabs
_SAMPLE, _FEW, _LETTERS = 200, 10, 2**18  # lines, and of long ones fewer
_COMMENT = ("#", "%")
_WORD = re.compile(r'"([^"]*)"|(\S+)')
# What other files begin with whose name says that they are text.
_OTHER = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV"),
    (b"\x1f\x8b", "compressed by gzip: let its name end in .gz"),
    (b"PAR1", "a Parquet file: save it as CSV or .npy"),
    (b"\x89HDF", "an HDF5 file: save its array as .npy"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def find_encoding(file: Path) -> str:
    """Return the encoding, by the first bytes; refuse what is no text."""
    with gzip.open(file) if _compressed(file) else file.open("rb") as raw:
        head = raw.read(4096)
    for magic, other in _OTHER:
        if head.startswith(magic):
            raise ValueError(f"{file} is {other}")
    if head.startswith(_UTF16):
        return "utf-16"
    if b"\0" in head:
        raise ValueError(f"{file} is not text")
    return "utf-8-sig"


def refuse_web_page(file: Path, line: str) -> None:
    """Refuse a file whose first line is one of HTML or XML."""
    if re.match(r"\s*<(?:!doctype|html|\?xml)", line, re.IGNORECASE):
        raise ValueError(f"{file} is a web page or XML, not a table")


class Lines:
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


def open_text(file: Path, encoding: str) -> IO[Any]:
    """Open a file, compressed or not, to be read line by line."""
    # what is not UTF-8 can only be in names and words, which are not computed with
    options: dict[str, Any] = {"encoding": encoding, "errors": "surrogateescape", "newline": ""}
    opened: Any = gzip.open if _compressed(file) else open
    text: IO[Any] = opened(file, "rt", **options)
    return text


def _compressed(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def first_lines(lines: Iterable[str]) -> tuple[list[str], bool]:
    """Return the first lines, and whether there may be more."""
    sample: list[str] = []
    letters = 0
    for line in lines:
        sample.append(line)
        letters += len(line)
        if len(sample) == _SAMPLE or (len(sample) >= _FEW and letters > _LETTERS):
            return sample, True
    return sample, False


def split(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Return the cells of each line, or of several where a quoted cell goes on."""
    if separator == "":
        return ([line.strip()] for line in lines)
    if separator == BLANKS:
        return (_words(line) for line in lines)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _words(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    return [quoted or bare for quoted, bare in _WORD.findall(line)]


def readable(name: str) -> str:
    """Return a name without what was not UTF-8."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
