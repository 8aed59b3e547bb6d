"""A part of the study: one claim, the cases that test it, and how they are judged.

A `Part` makes `Case`s, computes a `Row` of each, and turns rows into `Verdict`s, a figure and a
paragraph. Whatever files, bars and interrupts there are is `fastgram.study.run`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from fastgram.bracket import Guarantee
from fastgram.study.settings import Settings
from fastgram.support.literals import Kind

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["Case", "Part", "Row", "Size", "Value", "Verdict", "Word", "by_activation"]

Size = Literal["quick", "default", "full"]
Word = Literal["holds", "does not hold", "cannot be said"]
Value = float | int | str


@dataclass(frozen=True)
class Case:
    """One matrix of a part.

    Attributes
    ----------
    data : str
        The rows in words, with what the part adds: ``"separation:n=200,d=20,delta=0.1"``.
    seed : int or None
        Of the rows or of the weights, whichever the part draws; None where nothing is drawn.
    n, d : int
        Rows and columns.
    activation : str
        As it is printed: ``"leaky_relu(negative_slope=0.2)"``.
    kind : {"gradient", "nngp", "ntk"}
    depth : int
        Hidden layers.
    parameters : dict
        What else tells the case from others (a separation, a width): columns of the table.
    """

    data: str
    seed: int | None
    n: int
    d: int
    activation: str
    kind: Kind
    depth: int
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Value | None, ...]:
        """All of these: a row of this key that is in the table is not computed again."""
        alone = self.data, self.seed, self.n, self.d, self.activation, self.kind, self.depth
        return alone + tuple(part for pair in sorted(self.parameters.items()) for part in pair)

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Row:
    """What was computed of a case: the bracket of its smallest eigenvalue, and more.

    Attributes
    ----------
    case : Case
    lower, upper : float
        The bracket of λ_min.
    guarantee : {"exact", "certified", "probabilistic", "none"}
    resolved : bool
        Whether λ_min is told from 0: its bracket does not contain 0, or it is an exact zero.
    seconds : float
        That it took.
    values : dict
        What else was measured: columns of the table. NaN where it says nothing.
    error : str
        Why there is no result: the bracket is then [−∞, ∞], with guarantee "none". Empty
        otherwise. Neither verdicts nor figures are handed such a row.
    """

    case: Case
    lower: float
    upper: float
    guarantee: Guarantee
    resolved: bool
    seconds: float
    values: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether what was measured is what was expected.

    Attributes
    ----------
    name : str
        What is judged: ``"slope, relu"``.
    expected, tolerance : str or float
        Fixed before the part's rows are computed; where an expectation took the place of one that
        runs had contradicted, the part's derivation says so.
    measured : str or float
        A number, or words where it is none.
    word : {"holds", "does not hold", "cannot be said"}
    text : str
        A sentence: what was compared, and why nothing can be said where that is so.
    """

    name: str
    expected: str | float
    measured: str | float
    tolerance: str | float
    word: Word
    text: str


class Part(ABC):
    """One claim, and what tests it.

    Attributes
    ----------
    name : str
        The part's file, and the word on the command line.
    title : str
        A line.
    claim : str
        A paragraph: what is claimed, and by whom.
    derivation : str
        Where the expected constants come from, in words and formulas.
    parameters, values : tuple of str
        The names in `Case.parameters` and `Row.values`, in the order of the table's columns.
    panels : int
        Axes of the figure, side by side.
    definition : int
        To be raised whenever what a row of the same case says changes: rows of another definition
        are set aside and computed again.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[str]
    derivation: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    values: ClassVar[tuple[str, ...]] = ()
    panels: ClassVar[int] = 1
    definition: ClassVar[int] = 1

    @abstractmethod
    def cases(self, size: Size, seeds: int) -> list[Case]:
        """Return the cases of a size, each once; seeds 0 … seeds − 1 where something is drawn."""

    @abstractmethod
    def compute(self, case: Case, settings: Settings) -> Row:
        """Return the row of a case.

        Raises
        ------
        ValueError, TypeError, NotImplementedError, MemoryError, ImportError
            Of this case alone: its row says why, and the others go on.
        """

    @abstractmethod
    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        """Return what can be said of rows, some of which may be missing."""

    @abstractmethod
    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        """Draw into `panels` axes, by the functions of `fastgram.plotting.studies`."""

    @abstractmethod
    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        """Return a paragraph: what is seen, and how it compares with the claim."""


def by_activation(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return rows by their activations, in the order in which these first occur."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.case.activation, []).append(row)
    return found
