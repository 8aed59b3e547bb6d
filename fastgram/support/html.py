"""Small tables for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgram.eigenvalues.results import Bracket

__all__ = ["bracket_table", "table"]


def table(caption: str, rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table whose first column names the rows, with words above and below."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return f"<div><b>{html.escape(caption)}</b><table>{lines}</table>{below}</div>"


def bracket_table(caption: str, brackets: dict[str, Bracket | None], note: str) -> str:
    """Return a table of a row a bracket; None is left out."""
    rows: list[Sequence[str]] = [("", "estimate", "lower", "upper", "guarantee")]
    rows += [
        (name, *(f"{end:.10g}" for end in (one.estimate, one.lower, one.upper)), one.guarantee)
        for name, one in brackets.items()
        if one is not None
    ]
    return table(caption, rows, note)
