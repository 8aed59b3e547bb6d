"""Measured data: kinked far above smooth, repeats as exact zeros, and what near-repeats do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.nearest_pair import separation
from fastgram.eigenvalues.extreme import extreme_eigenvalues
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import judged, judged_each
from fastgram.study.measuring import proven_row
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.bundled import BUNDLED, installed, unit_rows
from fastgram.study.rows.shared import as_seen, ends
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_SETS = {
    "quick": ("iris", "diabetes", "breast_cancer"),
    "default": (*BUNDLED, "digits", "patches:n=1000,seed=0", "patches:n=4000,seed=0"),
    "full": (
        *BUNDLED,
        "digits",
        *(f"patches:n={n},seed=0" for n in (1000, 4000, 10_000, 30_000, 100_000)),
    ),
}
_SMOOTH = ("tanh", "swish")
_ACTIVATIONS = ("relu", "selu", "elu", *_SMOOTH)
_MANY = 5000  # rows beyond which relu and tanh alone are computed
_EXACT = 200  # rows up to which ball arithmetic takes seconds
_FAR = 10.0
_PAIR = 0.5


class _RealData(Part):
    name = "real_data"
    title = "Measured data: handwritten digits, flowers, wine, patients, photographs"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020) speak of data in few dimensions, or with close"
        " pairs. Measured data are both: what their λ_min is, and which of the two decides it."
    )
    derivation = (
        "Rows are scaled to norm 1 as they are, no column is rescaled. A row that is repeated bit"
        " for bit makes λ_min exactly 0, under every activation; then the smallest eigenvalue that"
        " is not an exact zero is looked at, and the distinct rows by themselves. Of distinct rows"
        " the nearest pair, at a distance δ, bounds relu's λ_min by δ/2π (the part on separation):"
        " expected is that relu is within a factor of two of that bound, as other rows take little"
        " off it. Smooth activations have δ² there and, where the rows are near a subspace of few"
        " dimensions, far less: expected is that relu and selu are at least ten times above tanh"
        " and swish on every set. Of elu, whose derivative does not jump, no such thing is"
        " expected."
    )
    parameters = ("rows",)
    values = ("separation", "repeats", "nonzero_lower", "nonzero_upper")

    def cases(self, size: Size, seeds: int) -> list[Case]:
        found = []
        for name in _SETS[size]:
            if not installed(name):
                continue
            for rows in ("all", "distinct") if name == "iris" else ("all",):
                # distinct rows under smooth activations are seconds of ball arithmetic each
                short = size == "quick" and rows == "distinct"
                chosen = [each for each in _of(name) if not (short and each in _SMOOTH)]
                found += [_case(name, rows, activation) for activation in chosen]
        return found

    def compute(self, case: Case, settings: Settings) -> Row:
        X = unit_rows(case.data, case.parameters["rows"] == "distinct")
        found = extreme_eigenvalues(
            settings.operator(X, case.activation, case.kind), progress=settings.progress
        )
        values = {
            "separation": separation(X),
            "repeats": float(len(X) - len(np.unique(X, axis=0))),
            "nonzero_lower": math.nan,
            "nonzero_upper": math.nan,
        }
        if (nonzero := found.smallest_nonzero) is not None:
            values |= {"nonzero_lower": nonzero.lower, "nonzero_upper": nonzero.upper}
        if not found.resolved and len(X) <= _EXACT:
            return proven_row(case, X, case.activation, 3, values)
        least = found.smallest
        ends_of = least.lower, least.upper, least.guarantee
        return Row(case, *ends_of, found.resolved, found.seconds, values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found = [_zeros(rows)] if rows else []
        for name, group in _by_set(rows).items():
            own = {row.case.activation: row for row in group}
            if any(row.values["repeats"] for row in group):
                continue
            for kinked in ("relu", "selu"):
                found += [
                    _far_above(name, own[kinked], own[smooth])
                    for smooth in _SMOOTH
                    if kinked in own and smooth in own
                ]
            if "relu" in own:
                found.append(_nearest_pair(name, own["relu"]))
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        dress(axes[0], "λ_min of measured data, rows of norm 1", "", x_scale="linear")
        names = list(_by_set(rows))
        axes[0].set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
        place = {name: at for at, name in enumerate(names)}
        for shift, (activation, group) in enumerate(by_activation(rows).items()):
            at = np.array([place[_name(row.case)] for row in group]) + 0.12 * (shift - 2)
            known = [row.resolved for row in group]
            draw_brackets(axes[0], at, *ends(group), known, activation, joined=False)
        relu = [r for r in rows if r.case.activation == "relu" and r.values["separation"] > 0.0]
        for k, row in enumerate(relu):
            x = place[_name(row.case)] + np.array([-0.4, 0.4])
            bound: Array = np.full(2, row.values["separation"] / (2.0 * math.pi))
            draw_theory(axes[0], x, bound, "_" if k else "δ/2π of the nearest pair")

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        text = (
            "relu's λ_min is that of the nearest pair, on every set, and selu's half of it. Smooth"
            " activations are lower by orders of magnitude, most where the columns are few: there"
            " it is the dimension, not the pair. elu is between them. A repeated row is an exact"
            " zero for all; without it iris is like the others."
        )
        if any(row.case.data == "digits" for row in rows):
            text += " On the digits, in 64 dimensions, elu is no better than tanh."
        hidden = [f"{_name(r.case)} ({r.case.activation})" for r in rows if not r.resolved]
        if hidden:
            text += f" Below what float64 sees: {', '.join(hidden)}."
        if missing := [name for name in _SETS["full"] if not installed(name)]:
            text += (
                f" Skipped, as scikit-learn or Pillow is not installed: {', '.join(missing)} (pip"
                " install 'fastgram[sklearn,images]')."
            )
        return as_seen(text, verdicts)


def _of(name: str) -> tuple[str, ...]:
    return ("relu", "tanh") if _size(name)[0] > _MANY else _ACTIVATIONS


def _size(name: str) -> tuple[int, int]:
    if name.startswith("patches"):
        return int(name.partition("n=")[2].partition(",")[0]), 64
    return BUNDLED.get(name, (1797, 64))


def _case(name: str, rows: str, activation: str) -> Case:
    n, d = _size(name)
    if rows == "distinct":
        n = len(unit_rows(name, True))
    return Case(name, None, n, d, activation, "gradient", 1, {"rows": rows})


def _name(case: Case) -> str:
    name = case.data.removesuffix(",seed=0").replace(":n=", " ").replace("_", " ")
    return name if case.parameters["rows"] == "all" else f"{name}, distinct"


def _by_set(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_name(row.case), []).append(row)
    return found


def _zeros(rows: Sequence[Row]) -> Verdict:
    wrong = [
        f"{_name(row.case)} ({row.case.activation})"
        for row in rows
        if (row.guarantee == "exact" and row.upper == 0.0) != (row.values["repeats"] > 0.0)
    ]
    expected = "an exact zero where a row is repeated, and nowhere else"
    text = "Whether λ_min is an exact zero, against the number of rows equal to an earlier one."
    return judged_each("repeats", expected, len(rows), wrong, text)


def _far_above(name: str, kinked: Row, smooth: Row) -> Verdict:
    """Judge kinked/smooth ≥ 10 by the ends: an unresolved smooth one counts as its upper end."""
    least = kinked.lower / smooth.upper if smooth.upper > 0.0 else math.inf
    most = kinked.upper / smooth.lower if smooth.lower > 0.0 else math.inf
    word = "holds" if least >= _FAR else "does not hold" if most < _FAR else "cannot be said"
    a, b = kinked.case.activation, smooth.case.activation
    return Verdict(
        f"{name}: {a} over {b}",
        f"{_FAR:g} or more",
        f"{least:.3g} or more",
        "none",
        word,  # type: ignore[arg-type]
        f"λ_min of {a}, the lower end, over that of {b}, the upper end.",
    )


def _nearest_pair(name: str, row: Row) -> Verdict:
    bound = row.values["separation"] / (2.0 * math.pi)
    ratio = row.lower / bound, row.upper / bound
    text = f"relu's λ_min over δ/2π, δ = {row.values['separation']:.3g}"
    return judged(f"{name}: nearest pair, relu", ratio, 1.0, _PAIR, text)


PART = _RealData()
