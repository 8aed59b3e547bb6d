"""StudyResult: what a part came to."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastgram
from fastgram.bracket import plain
from fastgram.study.part import Part, Row, Size, Verdict
from fastgram.support.html import table

if TYPE_CHECKING:
    from fastgram.plotting.figure import Figure

__all__ = ["StudyResult", "expected_text", "number_text"]

_LIBRARIES = ("numpy", "scipy", "numba", "python-flint", "scikit-learn")


def number_text(value: str | float) -> str:
    """Return a number of a verdict in five digits, words as they are."""
    return value if isinstance(value, str) else f"{value:.5g}"


def expected_text(expected: str | float, tolerance: str | float) -> str:
    """Return "1 ± 0.05"; where either is in words, what is expected alone."""
    alone = number_text(expected)
    in_words = isinstance(expected, str) or isinstance(tolerance, str)
    return alone if in_words else f"{alone} ± {number_text(tolerance)}"


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The rows of a part, and what they say of its claim.

    Attributes
    ----------
    part : Part
    size : {"quick", "default", "full"}
    seeds : int
    rows : list of Row
        One a case, in the part's order, without those that failed.
    failures : list of Row
        Cases without a result; `error` says why.
    verdicts : list of Verdict
    seen : str
        A paragraph: what is seen, and how it compares with the claim.
    """

    part: Part
    size: Size
    seeds: int
    rows: Sequence[Row]
    failures: Sequence[Row]
    verdicts: Sequence[Verdict]
    seen: str

    def to_dict(self) -> dict[str, Any]:
        """Return for `json.dumps` what is claimed, expected, measured and concluded, and versions.

        Rows are counted, and not among it: they are in the table.
        """
        part = self.part
        return {
            "part": part.name,
            "title": part.title,
            "claim": _paragraphs(part.claim),
            "derivation": _paragraphs(part.derivation),
            "size": self.size,
            "seeds": self.seeds,
            "definition": part.definition,
            "rows": len(self.rows),
            "unresolved": sum(not row.resolved for row in self.rows),
            "failures": [{**plain(row.case), "error": row.error} for row in self.failures],
            "verdicts": [plain(verdict) for verdict in self.verdicts],
            "seen": _paragraphs(self.seen),
            "versions": _versions(),
        }

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the part's figure, and write it to a .png, .svg or .pdf if there is a path.

        Raises
        ------
        ValueError
            If the file has another ending, or every case failed.
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        """
        from fastgram.plotting.figure import check_figure_path
        from fastgram.plotting.studies import study_figure, write_figure

        if not self.rows:
            raise ValueError(f"{self.part.name}: there is no row to draw")
        if path is not None:
            check_figure_path(path)
        figure = study_figure(self.part.panels, lambda axes: self.part.draw(self.rows, axes))
        if path is not None:
            write_figure(figure, Path(path))
        return figure

    def __str__(self) -> str:
        lines = [f"{self.part.name}: {self.part.title} ({len(self.rows)} matrices)"]
        lines += [
            f"{one.word}: {one.name}: {number_text(one.measured)}, expected"
            f" {expected_text(one.expected, one.tolerance)}"
            for one in self.verdicts
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows: list[Sequence[str]] = [("", "expected", "tolerance", "measured", "verdict")]
        rows += [
            (one.name, *map(number_text, (one.expected, one.tolerance, one.measured)), one.word)
            for one in self.verdicts
        ]
        return table(self.part.title, rows, self.seen)


def _paragraphs(text: str) -> str:
    """Return text with its lines joined, paragraphs apart by an empty line."""
    return "\n\n".join(" ".join(one.split()) for one in text.strip().split("\n\n"))


def _versions() -> dict[str, str]:
    found = {"fastgram": fastgram.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
