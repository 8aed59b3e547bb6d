"""Parts of all reports of the command line: results and failures, JSON, CSV, files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastgram
from fastgram.cli.sweeps.cases import Case

if TYPE_CHECKING:
    from fastgram.matrix.operator import GramOperator

__all__ = [
    "FAILURES",
    "SCHEMA",
    "Failure",
    "Report",
    "check_writable",
    "csv_text",
    "json_text",
    "operator_of",
    "records",
    "write_whole",
]


# What ends one row of a sweep and not the sweep: a network that cannot be, or is too large.
FAILURES = (ValueError, TypeError, NotImplementedError, MemoryError)


@dataclass(frozen=True)
class Failure:
    """In the place of a result: why there is none."""

    reason: str


@dataclass(frozen=True)
class Report:
    """One kind of result: how it is computed, told and drawn.

    Attributes
    ----------
    check : function of cases
        Refuses what can be seen not to work for any of them, before the first is solved; returns
        those that alone cannot be, by their places, and why.
    solve : function of a case and whether to show progress
        Computes the result.
    show : function of cases and results or failures, which may be the fewer
        Prints the table.
    draw : function of a file, cases and results
        Writes the figure.
    """

    check: Callable[[Sequence[Case]], dict[int, Exception]]
    solve: Callable[[Case, bool], Any]
    show: Callable[[Sequence[Case], Sequence[Any]], None]
    draw: Callable[[str, Sequence[Case], Sequence[Any]], None]


def operator_of(case: Case, progress: bool) -> GramOperator:
    """Return the matrix of a case, with a line on standard error where that takes long."""
    from fastgram.matrix.operator import GramOperator
    from fastgram.support.progress import late_stage

    task, network = case.task, case.network
    with late_stage(progress, "tables" if network.width is None else "features"):
        client = {} if task.client is None else {"device": task.client}
        return GramOperator(task.X, network, **{**task.operator, **client})


# --- JSON --------------------------------------------------------------------------------------

_REPORTED = ("rtol", "confidence", "seed", "digits")

# The number of data/results.schema.json: another one where a field goes or changes its meaning.
SCHEMA = 1


def records(cases: Sequence[Case], results: Sequence[Any]) -> list[dict[str, Any]]:
    """Return one dict a result, named as the result types are; `results` may be the fewer.

    Of a failure it has "error", which is None elsewhere, and nothing that a result would say.
    """
    found = []
    for case, result in zip(cases, results, strict=False):
        asked = case.task.request
        request = {key: asked[key] for key in _REPORTED if key in asked}
        request["version"] = fastgram.__version__
        failed = isinstance(result, Failure)
        outcome = {"error": result.reason} if failed else {"error": None, **result.to_dict()}
        found.append({**_head(case), **outcome, **request})
    return found


def _head(case: Case) -> dict[str, Any]:
    """Return the fields that describe the matrix."""
    task, network = case.task, case.network
    values = {} if task.words is None else task.words.values
    finite = network.width is not None  # else nothing is drawn at random
    return {
        "activation": network.activation.name,
        "smooth": network.activation.smooth,
        "kinks": list(network.activation.kinks),
        "kind": task.operator["kind"],
        "n": task.X.shape[0],
        "d": task.X.shape[1],
        "source": task.source,
        "dim": values.get("dim"),
        "sigma": values.get("sigma"),
        "data_seed": values.get("seed"),
        "columns": list(task.columns) or None,
        "rows": task.rows,
        "dtype": task.operator.get("dtype"),
        "device": task.operator.get("device"),
        "weight_variance": network.weight_variance,
        "bias_variance": network.bias_variance,
        "input_weight_variance": network.input_weight_variance,
        "input_bias_variance": network.input_bias_variance,
        "normalize": network.normalize,
        "depth": network.depth,
        "width": network.width,
        "readout": network.readout if finite else None,
        "network_seed": network.seed if finite else None,
    }


def json_text(results: list[dict[str, Any]]) -> str:
    """Return strict JSON, in which each result carries the number of the schema."""
    told = [{"schema": SCHEMA, **result} for result in results]
    return json.dumps(told, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


# --- CSV ---------------------------------------------------------------------------------------


def csv_text(results: list[dict[str, Any]]) -> str:
    """Return a line a result, with a column for each number that the JSON has.

    What is a list of points there (the cumulative distribution) is left out.
    """
    lines = [dict(_flat("", record)) for record in results]
    found = dict.fromkeys(key for line in lines for key in line)
    columns = [key for key in found if f"{key}_lower" not in found]  # a bracket that some have not
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, "", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Return the columns of a value, such as "smallest_lower" and "quantile_0.5_upper"."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(f"{name}_{key}" if name else key, part)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for part in value:
            if "p" in part:
                rest = {key: end for key, end in part.items() if key != "p"}
                yield from _flat(f"{name.removesuffix('s')}_{part['p']}", rest)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    else:
        yield name, value


# --- files -------------------------------------------------------------------------------------


def write_whole(name: str, text: str) -> None:
    """Write all or nothing: a reader, or a crash, never meets half a file."""
    path, part = _paths(name)
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(name: str) -> None:
    """Refuse a file that could not be written at the end.

    Raises
    ------
    ValueError
        If it is no plain file, or its folder is missing or cannot be written to.
    """
    path, part = _paths(name)
    if path.exists() and not path.is_file():
        raise ValueError(f"cannot write {name}: it is not a plain file")
    try:
        part.touch()  # asks the file system itself, which permissions alone do not answer for
        part.unlink()
    except OSError as error:
        raise ValueError(f"cannot write {name}: {error.strerror}") from None


def _paths(name: str) -> tuple[Path, Path]:
    """Return a file's path and that of its unfinished form, next to it."""
    path = Path(name).resolve()  # what a link points to: the link stays
    return path, path.with_name(f".{path.name}.{os.getpid()}.part")
