"""Rows as Markdown, and as figures for bench/results/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bench import results
from bench.peers.rows import Row
from bench.peers.versions import versions
from bench.results import Figure

__all__ = ["PEERS", "SOLVERS", "figures", "heading", "table"]

PEERS = ("neural-tangents", "KeOps", "scikit-learn", "NumPy", "naive loop")
SOLVERS = ("LAPACK", "eigsh", "lobpcg")


def heading() -> str:
    """Return a line on the machine and one on the versions of the peers."""
    return "\n\n".join(
        "; ".join(f"{name} {value}" for name, value in facts.items())
        for facts in (results.machine(), versions())
    )


def table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table, each as soon as its row is there."""
    names = ("task", "fastgram", *columns)
    yield f"\n| {' | '.join(names)} |\n{'|---' * len(names)}|"
    for row in rows:
        cells = [_cell(row.cells.get(name, "")) for name in columns]
        yield f"| {' | '.join([row.task, _own(row.own), *cells])} |"


def figures(rows: Sequence[Row]) -> list[Figure]:
    """Return all figures, each peer's with its version; a cell that is a word is none."""
    found, every = versions(), []
    for row in rows:
        every.append(row.own)
        for column, cell in row.cells.items():
            if isinstance(cell, Figure):
                parts = (cell.note, f"{column} {found[column]}" if column in found else "")
                every.append(replace(cell, note="; ".join(filter(None, parts))))
    return every


def _own(figure: Figure) -> str:
    return f"{figure.value:.3g} {figure.unit} [{figure.least:.3g}, {figure.largest:.3g}]"


def _cell(cell: Figure | str) -> str:
    if isinstance(cell, str):
        return cell
    if cell.note.startswith("stopped"):
        return f"> {cell.value:.3g} ({cell.note})"
    return f"{cell.value:.3g} [{cell.least:.3g}, {cell.largest:.3g}]"
