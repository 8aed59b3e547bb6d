"""Solution: the result of `solve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastgram.bracket import Bracket, Brackets, Guarantee, bracket_table
from fastgram.support.arrays import Array
from fastgram.support.equality import ComparedByParts

__all__ = ["Solution"]


@dataclass(frozen=True, eq=False)
class Solution(ComparedByParts):
    """The solution of A x = y, and how wrong it can be.

    Attributes
    ----------
    x : (n,) or (n, k) float64 array
        Of y's shape.
    residual_norms : (k,) array
        Bounds of ‖y − A x‖₂ a column, in the units of y: as computed, and what computing it rounds
        and the entries are off by.
    error_bounds : (k,) array
        Bounds of ‖x − A⁻¹y‖₂ a column: the residual's over λ_min's lower end.
    energy : Bracket or Brackets
        yᵀA⁻¹y, of one column or of each.
    smallest : Bracket
        λ_min of A, which the bounds are made with.
    guarantee : {"certified", "probabilistic"}
        Of the bounds: that of λ_min's lower end. "probabilistic": with probability 0.999.
    converged : bool
        Whether every residual, as computed, is at most rtol·‖y‖.
    passes : int
        Products with A, the preconditioner's and λ_min's included.
    seconds : float
    preconditioner : str
        What was taken, in words; "none".
    message : str
    """

    x: Array
    residual_norms: Array
    error_bounds: Array
    energy: Bracket | Brackets
    smallest: Bracket
    guarantee: Guarantee
    converged: bool
    passes: int
    seconds: float
    preconditioner: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes: all but x."""
        return {
            "residual_norms": self.residual_norms.tolist(),
            "error_bounds": self.error_bounds.tolist(),
            "energy": self.energy.to_dict(),
            "smallest": self.smallest.to_dict(),
            "guarantee": self.guarantee,
            "converged": self.converged,
            "passes": self.passes,
            "seconds": self.seconds,
            "preconditioner": self.preconditioner,
            "message": self.message,
        }

    def _repr_html_(self) -> str:
        energies = self.energy if isinstance(self.energy, Brackets) else [self.energy]
        rows: dict[str, Any] = {"λ_min": self.smallest}
        rows |= {f"energy {k}": energy for k, energy in enumerate(energies)}
        return bracket_table(f"Solution, n = {len(self.x)}", rows, self.message)

    def __str__(self) -> str:
        worst = float(self.error_bounds.max(initial=0.0))
        return f"x within {worst:.3g} of the solution ({self.guarantee})\n{self.message}"
