"""What `extreme_eigenvalues` answers with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, overload

import numpy as np
import numpy.typing as npt

from fastgram._equality import ComparedByParts
from fastgram._html import bracket_table
from fastgram._types import AnsweringMethod, Guarantee

__all__ = ["GUARANTEES", "Bracket", "Brackets", "ExtremeEigenvalues", "RitzPairs", "plain"]

Array = npt.NDArray[np.float64]

GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)  # from the strongest to the weakest


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

    @property
    def width(self) -> float:
        """The distance between the ends."""
        return self.upper - self.lower

    def within(self, rtol: float) -> bool:
        """Whether the ends are no further apart than rtol·|estimate|."""
        return self.width <= rtol * abs(self.estimate)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`: None stands for an infinite number."""
        return dict(plain(self))

    def _repr_html_(self) -> str:
        return bracket_table("Bracket", {"": self}, "")

    def __str__(self) -> str:
        if self.guarantee == "exact":
            return f"{self.estimate:.10g} (exact)"
        digits = _telling_digits(self)
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


def _telling_digits(bracket: Bracket) -> int:
    """As many significant digits as show the two ends apart, between 3 and 12."""
    size = max(abs(bracket.lower), abs(bracket.upper))
    if not math.isfinite(size) or bracket.width <= 0.0 or size == 0.0:
        return 4
    return min(12, max(3, 2 + math.ceil(math.log10(size / bracket.width))))


@dataclass(frozen=True, eq=False)
class RitzPairs(ComparedByParts):
    """Ritz values at one end of the spectrum, the extreme one first.

    Attributes
    ----------
    values : (k,) array
    residuals : (k,) array
        Norms of A v − value·v for unit vectors v, or what rounding may make of them where that is
        more: some eigenvalue lies that near.
    vectors : (n, k) array or None
        Unit Ritz vectors, where they were asked for.
    """

    values: Array
    residuals: Array
    vectors: Array | None = None


@dataclass(frozen=True, eq=False)
class ExtremeEigenvalues(ComparedByParts):
    """The extreme eigenvalues of a symmetric matrix, as brackets.

    Attributes
    ----------
    smallest, largest : Bracket
        λ_min and λ_max.
    condition : Bracket or None
        λ_max/λ_min, infinite above where λ_min may be 0; None where λ_min is negative or may be.
    smallest_pairs, largest_pairs : RitzPairs
        The k Ritz pairs at each end.
    noise_floor : float
        What the arithmetic cannot see: every bracket is at least this wide on each side.
    resolved : bool
        Whether λ_min is told from 0: its bracket does not contain 0, or it is an exact zero.
    converged : bool
        Whether both brackets are no wider than rtol·|estimate|.
    rank_bound : int
        What the rank is known not to exceed, from exact facts alone; n where nothing is known.
    n : int
        The order of the matrix.
    method : {"dense", "lanczos", "inverse", "certified", "arpack"}
        The method that answered: "inverse" is lanczos that ended with the inverse's products.
    block : int
        Vectors multiplied at a time.
    passes : int
        Products with the matrix; 0 for the dense method. What else goes over the entries is not
        among them: the search for close pairs before the first product, under an activation with
        kinks where products go by tiles, factorisations, and the pass or two of `one_pass_lower`.
    seconds : float
        Of the whole call, all of these included; making the operator, and its tables, came before.
    message : str
        Why this method, what stopped it, and what would tighten the brackets.
    smallest_nonzero : Bracket or None
        Where the matrix is known to be singular (0 < rank_bound < n), and n ≤ 2048 or it is
        of a network of finite width and at most 2048 parameters, of its
        rank_bound-th largest eigenvalue: the smallest that is not an exact zero if the rank is
        rank_bound. Its lower end is 0 if the rank is lower, or if rounding hides that it is not.
        `converged` does not speak of it. Where rows have one norm to rounding, and a polynomial
        activation a lower rank on the sphere, that rank takes the place of rank_bound; the message
        says so.
    one_pass_lower : float or None
        A lower bound of λ_min that one pass over the entries proves (see `fastgram._tail`), 0
        where it proves nothing; taken where λ_min's bracket is probabilistic and wider than was
        asked for, or not above 0, and entries are a function of the cosine: rows of one norm, or a
        homogeneous activation, at infinite width. None elsewhere.
    """

    smallest: Bracket
    largest: Bracket
    condition: Bracket | None
    smallest_pairs: RitzPairs
    largest_pairs: RitzPairs
    noise_floor: float
    resolved: bool
    converged: bool
    rank_bound: int
    n: int
    method: AnsweringMethod
    block: int
    passes: int
    seconds: float
    message: str
    smallest_nonzero: Bracket | None = None
    one_pass_lower: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes for `json.dumps`.

        Brackets and Ritz pairs are dicts too, arrays lists (of rows, where vectors were asked for);
        None stands for an infinite number.
        """
        return dict(plain(self))

    def _repr_html_(self) -> str:
        brackets = {
            "λ_min": self.smallest,
            "λ_max": self.largest,
            "condition": self.condition,
            "smallest nonzero": self.smallest_nonzero,
        }
        return bracket_table(f"Extreme eigenvalues, n = {self.n}", brackets, self.message)

    def __str__(self) -> str:
        """Two lines: the brackets; how they came about, and what would tighten them."""
        ends = f"λ_min {self.smallest}, λ_max {self.largest}"
        line = ends
        if self.condition is not None:
            line += f", condition {self.condition.estimate:.4g}"
        if self.smallest_nonzero is not None:
            line += f", smallest nonzero eigenvalue {self.smallest_nonzero}"
        return f"{line}\n{self.message}"


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
