"""Small tables for notebooks, without colours of their own: they are read on light and on dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(caption: str, rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table whose first column names the rows, with a line above and lines below."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    below = "".join(f"<p>{html.escape(line)}</p>" for line in note.splitlines())
    return f"<div><b>{html.escape(caption)}</b><table>{lines}</table>{below}</div>"
