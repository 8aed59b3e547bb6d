"""What `extreme_eigenvalues` answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram._equality import ComparedByParts

__all__ = ["GUARANTEES", "Bracket", "ExtremeEigenvalues", "RitzPairs"]

Array = npt.NDArray[np.float64]

# From the strongest to the weakest.
GUARANTEES = ("exact", "certified", "probabilistic", "none")


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
    guarantee: str

    @property
    def width(self) -> float:
        """The distance between the ends."""
        return self.upper - self.lower

    def within(self, rtol: float) -> bool:
        """Whether the ends are no further apart than rtol·|estimate|."""
        return self.width <= rtol * abs(self.estimate)

    def __str__(self) -> str:
        if self.guarantee == "exact":
            return f"{self.estimate:.10g} (exact)"
        digits = _telling_digits(self)
        ends = f"[{self.lower:.{digits}g}, {self.upper:.{digits}g}]"
        return f"{self.estimate:.{digits}g} in {ends} ({self.guarantee})"


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
        Norms of A v − value·v for unit vectors v: some eigenvalue lies that near.
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
    smallest, largest, condition : Bracket
        λ_min, λ_max, and λ_max/λ_min (infinite above where λ_min may be 0).
    smallest_pairs, largest_pairs : RitzPairs
        The k Ritz pairs at each end.
    noise_floor : float
        What the arithmetic cannot see: every bracket is at least this wide on each side.
    resolved : bool
        Whether λ_min is told from 0: its lower end is above 0, or it is an exact zero.
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
        Products with the matrix; 0 for the dense method.
    seconds : float
    message : str
        Why this method, what stopped it, and what would tighten the brackets.
    smallest_nonzero : Bracket or None
        Where the matrix is known to be singular (0 < rank_bound < n), and n ≤ 2048 or it is
        of a network of finite width and at most 2048 parameters, of its
        rank_bound-th largest eigenvalue: the smallest that is not an exact zero if the rank is
        rank_bound. Its lower end is 0 if the rank is lower, or if rounding hides that it is not.
        `converged` does not speak of it.
    one_pass_lower : float or None
        A lower bound of λ_min that one pass over the entries proves (see `fastgram._tail`), 0
        where it proves nothing; taken beside probabilistic brackets, where entries are a function
        of the cosine: rows of one norm, or a homogeneous activation, at infinite width.
    """

    smallest: Bracket
    largest: Bracket
    condition: Bracket
    smallest_pairs: RitzPairs
    largest_pairs: RitzPairs
    noise_floor: float
    resolved: bool
    converged: bool
    rank_bound: int
    n: int
    method: str
    block: int
    passes: int
    seconds: float
    message: str
    smallest_nonzero: Bracket | None = None
    one_pass_lower: float | None = None

    def __str__(self) -> str:
        """Two lines: the brackets; how they came about, and what would tighten them."""
        ends = f"λ_min {self.smallest}, λ_max {self.largest}"
        line = f"{ends}, condition {self.condition.estimate:.4g}"
        if self.smallest_nonzero is not None:
            line += f", smallest nonzero eigenvalue {self.smallest_nonzero}"
        return f"{line}\n{self.message}"


def condition_of(smallest: Bracket, largest: Bracket) -> Bracket:
    """Return the bracket of λ_max/λ_min that follows from those of the two."""

    def ratio(above: float, below: float) -> float:
        return above / below if below > 0.0 else math.inf

    guarantee = max(smallest.guarantee, largest.guarantee, key=GUARANTEES.index)
    lower = ratio(max(largest.lower, 0.0), smallest.upper)
    upper = ratio(largest.upper, smallest.lower)
    estimate = min(max(ratio(largest.estimate, smallest.estimate), lower), upper)
    return Bracket(lower, upper, estimate, guarantee)
