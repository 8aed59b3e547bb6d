"""Bracket: an interval that holds a number, and what guarantees it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, overload

import numpy as np

from fastgram.support.arrays import Array
from fastgram.support.html import table

__all__ = [
    "GUARANTEES",
    "Bracket",
    "Brackets",
    "Guarantee",
    "bracket_around",
    "bracket_table",
    "condition_of",
    "plain",
    "telling_digits",
]

# From the strongest to the weakest.
Guarantee = Literal["exact", "certified", "probabilistic", "none"]
GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)


def plain(value: Any) -> Any:
    """Return what strict JSON has words for: None for an infinite number, lists for arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True)
class Bracket:
    """An interval that holds a number, and what guarantees it.

    Attributes
    ----------
    lower, upper : float
        The ends; infinite where nothing is known.
    estimate : float
        The best single value, within the ends.
    guarantee : {"exact", "certified", "probabilistic", "none"}
        "exact": the value is known without arithmetic. "certified": both ends are proven, rounding
        included. "probabilistic": they hold with the `confidence` that was asked for, over the
        random start. "none": the outer end is not known.
    """

    lower: float
    upper: float
    estimate: float
    guarantee: Guarantee

    def __post_init__(self) -> None:
        _refuse_no_interval(self.lower, self.upper)

    @property
    def width(self) -> float:
        """The distance between the ends."""
        return self.upper - self.lower

    def within(self, rtol: float) -> bool:
        """Whether the ends are no further apart than ``rtol·|estimate|``.

        Parameters
        ----------
        rtol : float
            At least 0.

        Returns
        -------
        bool
        """
        return self.width <= rtol * abs(self.estimate)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`: None stands for an infinite number."""
        return dict(plain(self))

    def _repr_html_(self) -> str:
        return bracket_table("Bracket", {"": self}, "")

    def __str__(self) -> str:
        if self.guarantee == "exact":
            return f"{self.estimate:.10g} (exact)"
        digits = telling_digits(self)
        ends = f"[{self.lower:.{digits}g}, {self.upper:.{digits}g}]"
        return f"{self.estimate:.{digits}g} in {ends} ({self.guarantee})"


@dataclass(frozen=True, eq=False)
class Brackets:
    """Brackets of several numbers, with one guarantee.

    ``brackets[i]`` is one of them, and they can be iterated over.

    Attributes
    ----------
    lower, upper, estimate : arrays of one shape
        As those of a `Bracket`.
    guarantee : {"exact", "certified", "probabilistic", "none"}
    """

    lower: Array
    upper: Array
    estimate: Array
    guarantee: Guarantee

    def __post_init__(self) -> None:
        _refuse_no_interval(self.lower, self.upper)

    def __len__(self) -> int:
        return len(self.lower)

    @overload
    def __getitem__(self, place: int | tuple[int, ...]) -> Bracket: ...

    @overload
    def __getitem__(self, place: Any) -> Bracket | Brackets: ...

    def __getitem__(self, place: Any) -> Bracket | Brackets:
        """Return the `Bracket` at a place, or `Brackets` at several."""
        lower, upper, estimate = self.lower[place], self.upper[place], self.estimate[place]
        if np.ndim(lower):
            return Brackets(lower, upper, estimate, self.guarantee)
        return Bracket(float(lower), float(upper), float(estimate), self.guarantee)

    def __iter__(self) -> Iterator[Bracket | Brackets]:
        return (self[place] for place in range(len(self)))

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`: lists, and None for an infinite number."""
        return dict(plain(self))

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        caption = f"{len(self)} brackets" if self.lower.ndim == 1 else "brackets"
        flat = zip(self.lower.flat, self.upper.flat, self.estimate.flat, strict=True)
        rows: dict[str, Bracket | None] = {
            str(k): Bracket(float(lower), float(upper), float(estimate), self.guarantee)
            for k, (lower, upper, estimate) in enumerate(flat)
        }
        return bracket_table(caption, rows, "")


def _refuse_no_interval(lower: float | Array, upper: float | Array) -> None:
    """Refuse ends that hold no number: an error that came out as NaN promises nothing."""
    wrong = ~(np.asarray(lower) <= np.asarray(upper))
    if np.any(wrong):
        low, high = (float(np.asarray(end)[wrong].flat[0]) for end in (lower, upper))
        raise ArithmeticError(
            f"a bracket came out as [{low:g}, {high:g}], which holds nothing: a defect of fastgram,"
            " please report it with the call"
        )


def telling_digits(bracket: Bracket) -> int:
    """Return as many significant digits as show the two ends apart, between 3 and 12."""
    size = max(abs(bracket.lower), abs(bracket.upper))
    if not math.isfinite(size) or bracket.width <= 0.0 or size == 0.0:
        return 4
    return min(12, max(3, 2 + math.ceil(math.log10(size / bracket.width))))


def bracket_around(lower: float, upper: float, estimate: float, guarantee: str) -> Bracket:
    """Return a Bracket, its estimate moved to within its ends."""
    ends = float(lower), float(upper)
    inside = min(max(float(estimate), ends[0]), ends[1])
    return Bracket(*ends, inside, cast(Guarantee, guarantee))


def condition_of(smallest: Bracket, largest: Bracket) -> Bracket | None:
    """Return the bracket of λ_max/λ_min that follows from those of the two.

    None where λ_min is negative or may be: the ratio is then no condition, and has no bound. It is
    infinite where λ_min is 0.
    """
    if smallest.lower < 0.0 or largest.upper <= 0.0:
        return None

    def ratio(above: float, below: float) -> float:
        return above / below if below > 0.0 else math.inf

    guarantee = max(smallest.guarantee, largest.guarantee, key=GUARANTEES.index)
    lower = _below(ratio(max(largest.lower, 0.0), smallest.upper))
    upper = _above(ratio(largest.upper, smallest.lower))
    estimate = min(max(ratio(largest.estimate, smallest.estimate), lower), upper)
    return Bracket(lower, upper, estimate, guarantee)


def _below(value: float) -> float:
    return value if math.isinf(value) else math.nextafter(value, 0.0)


def _above(value: float) -> float:
    return math.nextafter(value, math.inf)


def bracket_table(caption: str, brackets: dict[str, Bracket | None], note: str) -> str:
    """Return a table of a row a bracket; None is left out."""
    rows: list[Sequence[str]] = [("", "estimate", "lower", "upper", "guarantee")]
    rows += [
        (name, *(f"{end:.10g}" for end in (one.estimate, one.lower, one.upper)), one.guarantee)
        for name, one in brackets.items()
        if one is not None
    ]
    return table(caption, rows, note)
