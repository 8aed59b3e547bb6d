"""ExtremeEigenvalues and RitzPairs: the result of `extreme_eigenvalues`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastgram.bracket import Bracket, bracket_table, plain
from fastgram.support.arrays import Array
from fastgram.support.equality import ComparedByParts
from fastgram.support.literals import AnsweringMethod

__all__ = ["ExtremeEigenvalues", "RitzPairs"]


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
        Whether both brackets are no wider than ``rtol·|estimate|``.
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
        A lower bound of λ_min that one pass over the entries proves (see
        `fastgram.eigenvalues.one_pass_bound`), 0 where it proves nothing; taken where
        λ_min's bracket is probabilistic and wider than was asked for, or not above 0, and entries
        are a function of the cosine: rows of one norm, or a homogeneous activation, at infinite
        width. None elsewhere.
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
