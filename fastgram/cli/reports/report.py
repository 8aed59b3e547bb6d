"""Parts of all reports of the command line: networks in words, JSON, CSV, files."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import fastgram

if TYPE_CHECKING:
    from fastgram.matrix.operator import GramOperator
    from fastgram.network.network import Network

__all__ = [
    "FAILURES",
    "SCHEMA",
    "Failure",
    "Report",
    "Task",
    "check_writable",
    "csv_text",
    "json_text",
    "network_name",
    "operator_of",
    "records",
    "shape_tells",
    "shape_words",
    "write_whole",
]


@dataclass(frozen=True)
class Task:
    """The rows, matrices and question of a command: checked, and with the data read.

    Attributes
    ----------
    X : (n, d) array
    source : str
        Where X is from.
    rows : {"unit", "raw"}
    operator, request : dict
        What the matrix is and how it is computed; what is asked of it. Both are told in the JSON
        as far as it has words for them.
    columns : tuple of str
        The names of X's columns, or their numbers in the file; empty where they say nothing.
    told : str
        Which columns of the file were taken and which were not, where n and d do not say it.
    lines : (n,) array of int, optional
        Of a text file, the line of each row.
    client : distributed.Client, optional
        Of the cluster that computes.
    """

    X: npt.NDArray[np.floating]
    source: str
    rows: str
    operator: dict[str, Any]
    request: dict[str, Any]
    columns: tuple[str, ...] = ()
    told: str = ""
    lines: npt.NDArray[np.int64] | None = None
    client: Any = None

    def words(self, error: Exception) -> str:
        """Return an error's message, in which a row of a text file is its line there."""
        text = " ".join(str(error).split()) or type(error).__name__
        lines = self.lines
        if lines is None:
            return text
        return re.sub(r"\brow (\d+)\b", lambda row: f"line {lines[int(row[1])]}", text)

    def worded(self, error: Exception) -> Exception:
        """Return an error that says `words`."""
        text = self.words(error)
        return error if self.lines is None else ValueError(text).with_traceback(error.__traceback__)

    def heading(self, start: str, networks: Sequence[Network], end: str) -> str:
        """Return the lines above a table: the title within a sentence, and the columns taken."""
        line = f"{start} {self.title(networks)}, {end}"
        return f"{line}\n{self.told}" if self.told else line

    def title(self, networks: Sequence[Network]) -> str:
        """Describe the matrices in a line: of the networks, what they have in common."""
        n, d = self.X.shape
        scaled = "rows scaled to norm 1" if self.rows == "unit" else "rows as they are"
        words = [f"{self.operator['kind']} Gram matrix of {self.source}", f"{n} x {d}", scaled]
        if self.operator.get("device") == "gpu":
            words.append("on the GPU")
        if self.operator.get("device") == "cluster":
            words.append("on a cluster")
        depths, widths = _distinct(networks)
        if len(depths) == 1 and depths != [1]:
            words.append(f"{depths[0]} hidden layers")
        if len(widths) == 1 and widths != [None]:
            words.append(f"width {widths[0]}")
        return ", ".join(words)

    def figure_title(self, networks: Sequence[Network]) -> str:
        """Return the same, with a size that is not folded."""
        return self.title(networks).replace(" x ", "\u00a0×\u00a0")


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
    check : function of a task and networks
        Refuses what can be seen not to work for any of them, before the first is solved; returns
        those that alone cannot be, by their places, and why.
    solve : function of a task, a network and whether to show progress
        Computes the result.
    show : function of a task, networks and results or failures
        Prints the table.
    draw : function of a file, a task, networks and results
        Writes the figure.
    """

    check: Callable[[Task, Sequence[Network]], dict[int, Exception]]
    solve: Callable[[Task, Network, bool], Any]
    show: Callable[[Task, Sequence[Network], Sequence[Any]], None]
    draw: Callable[[str, Task, Sequence[Network], Sequence[Any]], None]


def operator_of(task: Task, network: Network, progress: bool) -> GramOperator:
    """Return the matrix of a network, with a line on standard error where that takes long."""
    from fastgram.matrix.operator import GramOperator
    from fastgram.support.progress import late_stage

    with late_stage(progress, "tables" if network.width is None else "features"):
        client = {} if task.client is None else {"device": task.client}
        return GramOperator(task.X, network, **{**task.operator, **client})


# --- networks in words -------------------------------------------------------------------------


def _distinct(networks: Sequence[Network]) -> tuple[list[int], list[int | None]]:
    """Return the depths and the widths that occur."""
    depths = dict.fromkeys(network.depth for network in networks)
    widths = dict.fromkeys(network.width for network in networks)
    return list(depths), list(widths)


def shape_tells(networks: Sequence[Network]) -> tuple[bool, bool]:
    """Return whether depths, and widths, are worth a word: any is not 1, or not infinite."""
    depths, widths = _distinct(networks)
    return depths != [1], widths != [None]


def shape_words(network: Network, networks: Sequence[Network]) -> list[str]:
    """Return a network's depth and width, where they are worth a word."""
    depth_tells, width_tells = shape_tells(networks)
    words = [f"depth {network.depth}"] if depth_tells else []
    if width_tells:
        words.append("infinite width" if network.width is None else f"width {network.width}")
    return words


def network_name(network: Network, networks: Sequence[Network]) -> str:
    """Return the words that tell a network from the others: "tanh, depth 3, width 100"."""
    return ", ".join([network.activation.name, *shape_words(network, networks)])


# --- JSON --------------------------------------------------------------------------------------

_REPORTED = ("rtol", "confidence", "seed", "digits")

# The number of data/results.schema.json: another one where a field goes or changes its meaning.
SCHEMA = 1


def records(
    task: Task,
    networks: Sequence[Network],
    results: Sequence[Any],
) -> list[dict[str, Any]]:
    """Return one dict a result, named as the result types are; `results` may be the fewer.

    Of a failure it has "error", which is None elsewhere, and nothing that a result would say.
    """
    request = {key: task.request[key] for key in _REPORTED if key in task.request}
    request["version"] = fastgram.__version__
    found = []
    for network, result in zip(networks, results, strict=False):
        failed = isinstance(result, Failure)
        outcome = {"error": result.reason} if failed else {"error": None, **result.to_dict()}
        found.append({**_head(task, network), **outcome, **request})
    return found


def _head(task: Task, network: Network) -> dict[str, Any]:
    """Return the fields that describe the matrix."""
    finite = network.width is not None  # else nothing is drawn at random
    return {
        "activation": network.activation.name,
        "smooth": network.activation.smooth,
        "kinks": list(network.activation.kinks),
        "kind": task.operator["kind"],
        "n": task.X.shape[0],
        "d": task.X.shape[1],
        "source": task.source,
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
