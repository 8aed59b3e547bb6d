"""What several commands check: the options of a matrix, and the files that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastgram.cli import options
from fastgram.cli.data_files.reading import ENDINGS
from fastgram.cli.reports.report import check_writable
from fastgram.support.validation import as_choice, as_dtype

__all__ = ["check_outputs", "operator_options"]


def operator_options(kind: str, device: str, dtype: str, memory: str | None) -> dict[str, Any]:
    """Return the options of a GramOperator, checked."""
    from fastgram.network.network import KINDS

    return {
        "kind": as_choice("kind", kind, KINDS),
        "device": options.device_of(device),
        "dtype": as_dtype(dtype).name,
        "memory": None if memory is None else options.as_bytes(memory),
    }


def check_outputs(data: str | None, names: tuple[str | None, str | None, str | None]) -> None:
    """Refuse files that could not be written at the end, or that would be lost."""
    json_file, _, plot_file = names
    if plot_file is not None:
        from fastgram.plotting.figure import check_figure_path

        check_figure_path(plot_file)
    if json_file is not None and Path(json_file).suffix.lower() in ENDINGS:
        raise ValueError(f"{json_file}: that ending is for data, not for JSON")
    taken: list[str | Path] = [] if data is None else [Path(data).resolve()]
    for name in names:
        if name is None:
            continue
        place = name if name == "-" else Path(name).resolve()
        if place in taken:
            is_data = place == taken[0] and data is not None
            whose = "the data are" if is_data else "another output is"
            raise ValueError(f"cannot write {name}: {whose} there")
        taken.append(place)
        if name != "-":
            check_writable(name)
