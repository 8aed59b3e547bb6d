"""What a part leaves in its folder besides the table: verdicts, figure and the index."""

from __future__ import annotations

import json
from pathlib import Path

from fastgram.study.index import index_page
from fastgram.study.result import StudyResult
from fastgram.support.files.durable import written_whole

__all__ = ["check_report", "write_report"]


def check_report() -> None:
    """Refuse, before the work, figures that could not be drawn.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from fastgram.plotting.figure import matplotlib_module

    matplotlib_module()


def write_report(folder: Path, result: StudyResult) -> None:
    """Write a part's .json, .png and .svg, and the index of the folder anew.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    from fastgram.plotting.studies import write_figure

    name = result.part.name
    text = json.dumps(result.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    _write(folder / f"{name}.json", text + "\n")
    if result.rows:
        figure = result.plot(folder / f"{name}.png")
        write_figure(figure, folder / f"{name}.svg")
    _write(folder / "index.html", index_page(folder))


def _write(path: Path, text: str) -> None:
    with written_whole(path) as file:
        file.write(text.encode("utf-8"))
