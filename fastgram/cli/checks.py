"""What several commands check: the options of a matrix, and the files that are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastgram.cli import options
from fastgram.cli.data_files.reading import ENDINGS
from fastgram.cli.reports.report import check_writable
from fastgram.datasets.words import are_words
from fastgram.support.validation import as_choice, as_dtype

__all__ = ["check_outputs", "operators_of"]


def operators_of(
    kinds: Sequence[str], device: str, dtype: str, memory: str | None
) -> list[dict[str, Any]]:
    """Return the options of the GramOperator of each kind, checked."""
    from fastgram.network.network import KINDS

    known = [as_choice("kind", kind, KINDS) for kind in dict.fromkeys(kinds)]
    options_of_all = {
        "device": options.device_of(device),
        "dtype": as_dtype(dtype).name,
        "memory": None if memory is None else options.as_bytes(memory),
    }
    return [{"kind": kind, **options_of_all} for kind in known]


def check_outputs(data: Sequence[str], names: tuple[str | None, str | None, str | None]) -> None:
    """Refuse files that could not be written at the end, or that would be lost."""
    json_file, _, plot_file = names
    if plot_file is not None:
        from fastgram.plotting.figure import check_figure_path

        check_figure_path(plot_file)
    if json_file is not None and Path(json_file).suffix.lower() in ENDINGS:
        raise ValueError(f"{json_file}: that ending is for data, not for JSON")
    sources = {Path(file).resolve() for file in data if not are_words(file)}
    taken: list[str | Path] = []
    for name in names:
        if name is None:
            continue
        place = name if name == "-" else Path(name).resolve()
        if place in sources or place in taken:
            whose = "the data are" if place in sources else "another output is"
            raise ValueError(f"cannot write {name}: {whose} there")
        taken.append(place)
        if name != "-":
            check_writable(name)
