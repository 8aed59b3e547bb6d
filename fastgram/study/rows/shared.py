"""Shared by parts about rows: rows by activation in a figure, and ball arithmetic in need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.plotting.studies import draw_brackets
from fastgram.study.fits import judged
from fastgram.study.measuring import bracketed_row, proven_row
from fastgram.study.part import Case, Row, Verdict, by_activation
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["as_seen", "draw_rows", "ends", "judged_furthest", "positive", "resolved_row"]


_WIDE = 0.05  # of a bracket in float64 that tells too little


def resolved_row(case: Case, X: Array, settings: Settings, digits: int = 3) -> Row:
    """Return the row of a case in float64, and in ball arithmetic where float64 hardly sees λ_min.

    Of the activation alone: one hidden layer of infinite width.
    """
    row = bracketed_row(case, X, case.activation, settings)
    if row.resolved and row.upper - row.lower <= _WIDE * row.upper:
        return row
    proven = proven_row(case, X, case.activation, digits)
    return dataclasses.replace(proven, seconds=row.seconds + proven.seconds)


def positive(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose λ_min is known to be above 0."""
    return [row for row in rows if row.resolved and row.lower > 0.0]


def ends(rows: Sequence[Row]) -> tuple[Array, Array]:
    """Return the lower and the upper ends of rows."""
    return np.array([row.lower for row in rows]), np.array([row.upper for row in rows])


def judged_furthest(
    name: str, lower: Array, upper: Array, expected: float, tolerance: float, text: str
) -> Verdict:
    """Return the verdict on several brackets, each of which is to be within expected ± tolerance.

    One that is outside is enough for it not to hold. The end that is furthest off is told.
    """
    outside = (upper < expected - tolerance) | (lower > expected + tolerance)
    worst = int(np.argmax(outside)) if outside.any() else None
    found = (lower, upper) if worst is None else (lower[worst], upper[worst])
    both = float(np.min(found[0])), float(np.max(found[1]))
    furthest = max(both, key=lambda end: abs(end - expected))
    return judged(name, both, expected, tolerance, text, furthest)


def draw_rows(
    axes: Axes, rows: Sequence[Row], at: Callable[[Row], float], joined: bool = True
) -> None:
    """Draw the brackets of rows at a number of each, an activation's in its colour."""
    for activation, group in by_activation(rows).items():
        group = sorted(group, key=at)
        known = [row.resolved for row in group]
        x = [at(row) for row in group]
        draw_brackets(axes, x, *ends(group), known, activation, joined=joined)


def as_seen(text: str, verdicts: Sequence[Verdict]) -> str:
    """Return a paragraph: what is seen where all verdicts hold, or how many do not, and which."""
    held = sum(verdict.word == "holds" for verdict in verdicts)
    if held == len(verdicts) > 0:
        return f"{text} All {held} verdicts hold."
    told = f"{held} of {len(verdicts)} verdicts hold."
    for word in ("does not hold", "cannot be said"):
        if names := [verdict.name for verdict in verdicts if verdict.word == word]:
            told += f" {word.capitalize()}: {'; '.join(names)}."
    return f"{told} With that taken off: {text}"
