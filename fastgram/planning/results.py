"""Plan and Way: what each way to a matrix's eigenvalues would take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from fastgram.planning.rates import MeasuredRates
from fastgram.support.html import table
from fastgram.support.memory import size_words

__all__ = ["HEADERS", "Plan", "Way", "WayName", "duration_words", "range_words"]

WayName = Literal[
    "dense",
    "kept",
    "partly kept",
    "recomputed",
    "factored",
    "stored",
    "inverse",
    "certified",
    "cluster",
    "density",
]
HEADERS = ("way", "passes", "time", "memory", "disk", "network", "")
_UNITS = ((365.25 * 86400.0, "years"), (86400.0, "days"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True)
class Way:
    """One way, and what it takes from beginning to end.

    Attributes
    ----------
    name : str
        "dense": LAPACK, with a proof. Lanczos passes, with every entry computed once and "kept" in
        memory, "partly kept" as far as there is memory, or "recomputed" in each pass; "factored",
        without entries, of a network of finite width; "stored", by `store_gram` and read from
        the disk in each pass; on a "cluster". "inverse": passes that close too slowly, then
        products with the inverse. "certified": passes or the inverse, and a proof. "density":
        `spectral_density`, by passes over entries as far as they are kept.
    least_passes, most_passes : int
        Products with the matrix.
    least_hours, most_hours : float
        With the fewest passes and vectors, and with the most.
    memory_bytes : int
        The most that one machine holds at a time, beside what Python and its libraries take.
    disk_bytes, network_bytes : int
        Of files; sent between machines in all passes.
    why_not : str
        What is in its way, or why it is not taken; empty where it can be.
    """

    name: WayName
    least_passes: int
    most_passes: int
    least_hours: float
    most_hours: float
    memory_bytes: int
    disk_bytes: int = 0
    network_bytes: int = 0
    why_not: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The same in words, as `HEADERS` has them."""
        passes = (
            range_words(str(self.least_passes), str(self.most_passes)) if self.most_passes else ""
        )
        sizes = [
            size_words(size) if size else ""
            for size in (self.memory_bytes, self.disk_bytes, self.network_bytes)
        ]
        time = duration_words(self.least_hours, self.most_hours)
        return self.name, passes, time, *sizes, self.why_not


@dataclass(frozen=True)
class Plan:
    """What the extreme eigenvalues of a Gram matrix would take, by each way: see `plan`.

    Attributes
    ----------
    n, d : int
        Rows and features.
    network, kind, device, dtype : str
        What the entries are, and what computes them.
    block : int
        Vectors multiplied at a time.
    ways : tuple of Way
    auto : str
        The name of the way that ``method="auto"`` takes, or begins with.
    auto_least_hours, auto_most_hours : float
        Of that call, with the inverse and the proof that may follow passes.
    why : str
        Why it takes this way, and what may follow.
    free_memory_bytes, free_disk_bytes : int
        What ways were held against.
    rates : MeasuredRates
        Operations and bytes a second.
    rates_day : str
        When the oldest of them was measured, as "2026-11-27".
    assumptions : tuple of str
        What the figures rest on.
    remarks : tuple of str
        What is in the way: too little memory for what `auto` takes, and how to do with less; rates
        that could not be kept.
    """

    n: int
    d: int
    network: str
    kind: str
    device: str
    dtype: str
    block: int
    ways: tuple[Way, ...]
    auto: WayName
    auto_least_hours: float
    auto_most_hours: float
    why: str
    free_memory_bytes: int
    free_disk_bytes: int
    rates: MeasuredRates
    rates_day: str
    assumptions: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`; ways and rates are dicts too."""
        found = dataclasses.asdict(self)
        for name in ("ways", "assumptions", "remarks"):
            found[name] = list(found[name])
        return found

    @property
    def title(self) -> str:
        """What is planned, in a line."""
        words = [f"{self.kind} Gram matrix of {self.network}", f"{self.n} x {self.d}", self.dtype]
        return ", ".join([*words, *([] if self.device == "cpu" else [f"on the {self.device}"])])

    @property
    def notes(self) -> tuple[str, ...]:
        """The lines below the table: what auto does, what is in its way, what figures rest on."""
        time = duration_words(self.auto_least_hours, self.auto_most_hours)
        return f"auto takes: {self.auto}, {time}: {self.why}", *self.remarks, *self.assumptions

    def _repr_html_(self) -> str:
        rows = [HEADERS, *(way.cells for way in self.ways)]
        return table(self.title, rows, "\n".join(self.notes))

    def __str__(self) -> str:
        """Return a title, a line a way, and notes."""
        rows = [HEADERS, *(way.cells for way in self.ways)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([self.title, *lines, *self.notes])


def duration_words(least: float, most: float) -> str:
    """Return hours in two digits, in a unit that suits the longer: "3.2 to 5.1 min"."""
    seconds = 3600.0 * most
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1.0, "s"))
    texts = [_two_digits(3600.0 * hours / size) for hours in (least, most)]
    return f"{range_words(*texts)} {unit}"


def _two_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 10.0 else f"{number:.2g}"


def range_words(least: str, most: str) -> str:
    """Return the words of a range, or of one number where its ends are the same."""
    return least if least == most else f"{least} to {most}"
