"""Which columns of a file are samples' features: chosen by name or number, and said in words."""

from __future__ import annotations

import csv
import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Choice", "Selection", "as_words", "column_words", "list_words", "select"]

_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_SHOWN = 12  # names at most in a list; of more, the first and the last


@dataclass(frozen=True)
class Choice:
    """The columns asked for, in words: their names, or their numbers.

    Numbers count from 0, as in NumPy; negative ones from the end; "0-3" is short for 0, 1, 2 and 3.
    A name that is a number, or looks like a range, is taken as the name.

    Attributes
    ----------
    columns : tuple of str
        To take, and no others; empty takes all.
    drop, label : tuple of str
        Not to take.
    """

    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    label: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """A choice among the columns of one file, by number.

    Attributes
    ----------
    taken : tuple of int
        In the order in which they were asked for, or are in the file.
    explicit : bool
        Whether they were named one by one.
    dropped, labels : tuple of int
    """

    taken: tuple[int, ...]
    explicit: bool
    dropped: tuple[int, ...]
    labels: tuple[int, ...]


def as_words(option: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the words of comma-separated lists; a word in double quotes may contain commas."""
    words: list[str] = []
    for cells in csv.reader(texts, skipinitialspace=True):
        words += [cell.strip() for cell in cells]
    if not all(words):
        raise ValueError(f"{option} must be columns, by name or number, with commas between them")
    return tuple(words)


def select(choice: Choice, names: Sequence[str] | None, count: int, file: str) -> Selection:
    """Find the columns that a choice speaks of.

    Parameters
    ----------
    choice : Choice
    names : sequence of str or None
        Of all columns of the file, where it has a header.
    count : int
        Columns in the file.
    file : str
        What messages call it.

    Raises
    ------
    ValueError
        For a column that the file has not or has twice, that is asked for in two ways, or where
        none is left.
    """
    roles: dict[int, str] = {}
    for option in ("columns", "drop", "label"):
        for word in getattr(choice, option):
            for column in _find_all(word, names, count, file):
                if roles.setdefault(column, option) != option:
                    told = column_words(column, names)
                    raise ValueError(f"{file}: {told} is in --{roles[column]} and in --{option}")
    taken = tuple(column for column, role in roles.items() if role == "columns")
    rest = tuple(column for column in range(count) if column not in roles)
    if not (taken or rest):
        raise ValueError(f"{file}: no column is left")
    dropped, labels = (
        tuple(column for column, role in roles.items() if role == option)
        for option in ("drop", "label")
    )
    return Selection(taken or rest, bool(taken), dropped, labels)


def _find_all(word: str, names: Sequence[str] | None, count: int, file: str) -> list[int]:
    """Return the columns of a word: one, or those of a range, each as if it had been asked for."""
    ends = None if word in (names or ()) else _RANGE.fullmatch(word)
    if ends is None:
        return [_find(word, names, count, file)]
    first, last = int(ends[1]), int(ends[2])
    if first > last:
        raise ValueError(f"{file}: the range {word} of columns runs backwards")
    named = sum(name.isdecimal() for name in names or ())
    if last - first < count + named:  # else it has numbers that no column has
        numbers = [str(number) for number in range(first, last + 1)]
        if all(int(number) < count or number in (names or ()) for number in numbers):
            return [_find(number, names, count, file) for number in numbers]
    return [_find(word, names, count, file)]  # which says that there is no such column


def _find(word: str, names: Sequence[str] | None, count: int, file: str) -> int:
    places = [k for k, name in enumerate(names or ()) if name == word]
    if len(places) > 1:
        numbers = " and ".join(map(str, places))
        raise ValueError(f"{file}: columns {numbers} are both called {word!r}: give a number")
    if places:
        return places[0]
    try:
        number = int(word)
    except ValueError:
        number = count
    if -count <= number < count:
        return number % count
    if names is None:
        raise ValueError(
            f"{file} has no column {word!r}: it has no names, and numbers from 0 to {count - 1}"
        )
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
    raise ValueError(
        f"{file} has no column {word!r}{hint} (columns: {list_words(names)}; or numbers from 0 to"
        f" {count - 1})"
    )


def column_words(column: int, names: Sequence[str] | None) -> str:
    """Return a column in the words of a message: its name, or its number from 0."""
    return f"column {names[column] if names and names[column] else column}"


def option_words(columns: Iterable[int], names: Sequence[str] | None) -> str:
    """Return a list of columns as the command line takes it, quoted for a shell."""
    words = []
    for column in columns:
        name = names[column] if names else ""
        unique = bool(name) and names is not None and list(names).count(name) == 1
        word = name if unique else str(column)
        words.append(f'"{word}"' if "," in word else word)
    return shlex.quote(",".join(words))


def list_words(words: Sequence[str]) -> str:
    """Return "a, b, c", and of many the first and the last."""
    if len(words) <= _SHOWN:
        return ", ".join(words)
    return f"{', '.join(words[: _SHOWN - 2])}, …, {words[-1]}"


def number_words(columns: Sequence[int]) -> str:
    """Return numbers with runs of them as "0 to 3"."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and column == runs[-1][-1] + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return list_words(parts)
