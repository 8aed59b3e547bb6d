"""Polynomial activations: the rank is known, and from there on λ_min is exactly 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastgram.datasets.points import sphere
from fastgram.network.activations import get_activation
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import judged_each
from fastgram.study.measuring import proven_row
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.shared import as_seen, ends
from fastgram.study.settings import Settings

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_DEGREES = {"quick": (2, 3), "default": (2, 3, 4, 5), "full": (2, 3, 4, 5, 6)}
_DIMENSIONS = {"quick": (2, 3), "default": (2, 3, 4, 5), "full": (2, 3, 4, 5, 6)}
_DRAWN = {2: "o", 3: "s", 4: "^", 5: "D", 6: "v"}


class _Polynomial(Part):
    name = "polynomial"
    title = "Polynomial activations: exact zeros from the rank on"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): under a polynomial activation, and rows in few"
        " dimensions, the matrix is singular. Its rank is known exactly, and that it is attained"
        " can be proven, in ball arithmetic."
    )
    derivation = (
        "With φ of degree p and unit rows x the entry is Σ b_k⟨x, y⟩^k, and b_k > 0 where E"
        " φ'h_{k−1} ≠ 0, h the Hermite polynomials: k = 1 … p for z + z² + … + z^p, and k = p, p −"
        " 2, … for z^p alone. The term of degree k is the inner product of all monomials of degree"
        " k, and on the sphere those of degree k include the lower ones of the same parity, as"
        " ‖x‖² = 1. So there are C(d' + p − 1, p) features for z^p, and C(d' + p − 2, p − 1) more"
        " for the sum: that is the rank, of as many random rows. Expected is a proven λ_min > 0 at"
        " n = rank and the exact 0 at n = rank + 1."
    )
    parameters = ("degree", "rank")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            _case(degree, dim, alone, more)
            for degree in _DEGREES[size]
            for dim in _DIMENSIONS[size]
            for alone in (False, True)
            for more in (0, 1)
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        return proven_row(case, sphere(case.n, case.d, case.seed or 0), case.activation, 2)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        return [_ranks(group) for group in by_activation(rows).values()]

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        sums = [row for row in rows if not _is_alone(row.case)]
        alone = [row for row in rows if _is_alone(row.case)]
        for panel, group, title in ((axes[0], sums, "z + … + zᵖ"), (axes[1], alone, "zᵖ alone")):
            dress(panel, f"{title}: λ_min at n = rank, and 0 (below) at rank + 1", "n")
            for degree, marker in _DRAWN.items():
                own = [row for row in group if row.case.parameters["degree"] == degree]
                _draw_degree(panel, own, degree, marker)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        largest = max((int(row.case.parameters["rank"]) for row in rows), default=0)
        return as_seen(
            "One row more than the rank, and λ_min is exactly 0; with as many rows as the rank it"
            f" is above 0, proven, up to a rank of {largest}. The claim holds as it stands: no"
            " arithmetic that is less than exact could say so.",
            verdicts,
        )


def rank_on_sphere(degree: int, dim: int, alone: bool) -> int:
    """Return the rank of kind "gradient" for z + … + z^degree, or for z^degree alone."""
    top = math.comb(dim + degree - 1, degree)
    return top if alone else top + math.comb(dim + degree - 2, degree - 1)


def _case(degree: int, dim: int, alone: bool, more: int) -> Case:
    rank = rank_on_sphere(degree, dim, alone)
    n = rank + more
    coefficients = [0] + [int(not alone)] * (degree - 1) + [1]
    activation = get_activation("polynomial", coefficients=coefficients).name
    parameters = {"degree": degree, "rank": rank}
    return Case(f"sphere:n={n},d={dim},seed=0", 0, n, dim, activation, "gradient", 1, parameters)


def _is_alone(case: Case) -> bool:
    degree = int(case.parameters["degree"])
    return case.parameters["rank"] == rank_on_sphere(degree, case.d, True)


def _ranks(rows: Sequence[Row]) -> Verdict:
    wrong = []
    top = f"z^{rows[0].case.parameters['degree']}"
    name = top if _is_alone(rows[0].case) else f"z + … + {top}"
    for row in rows:
        zero = row.guarantee == "exact" and row.upper == 0.0
        regular = row.resolved and row.lower > 0.0
        if not (zero if row.case.n > int(row.case.parameters["rank"]) else regular):
            wrong.append(f"n = {row.case.n}, d' = {row.case.d}")
    expected = "above 0 at n = rank, exactly 0 at rank + 1"
    text = "λ_min in ball arithmetic, of random rows in d' dimensions."
    return judged_each(f"rank, {name}", expected, len(rows), wrong, text)


def _draw_degree(axes: Axes, rows: Sequence[Row], degree: int, marker: str) -> None:
    if not rows:
        return
    n, known = [row.case.n for row in rows], [row.resolved for row in rows]
    name, label = rows[0].case.activation, f"degree {degree}"
    draw_brackets(axes, n, *ends(rows), known, name, label=label, marker=marker, joined=False)
    attained = [row for row in rows if row.lower > 0.0]
    least = min((row.lower for row in attained), default=1.0)
    for k, row in enumerate(attained):  # a line at each rank
        rank = int(row.case.parameters["rank"])
        what = "_" if k or degree > 2 else "rank"
        draw_theory(axes, [rank, rank], [least / 3.0, row.upper], what)


PART = _Polynomial()
