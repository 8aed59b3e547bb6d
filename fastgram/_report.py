"""What the command line answers with: a table to read, JSON to compute with."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

import fastgram
from fastgram._results import Bracket, ExtremeEigenvalues, _telling_digits

if TYPE_CHECKING:
    from fastgram.network import Network

__all__ = [
    "Task",
    "check_writable",
    "json_text",
    "network_name",
    "records",
    "show_table",
    "text_console",
    "write_json",
]

# A file or another program has no width: nothing is folded.
_PIPED_WIDTH = 1000
# Below this width, and this much more for a column of depths or widths, columns that belong
# together share one, line by line.
_NARROW = 140
_NARROW_EXTRA = 12
_HEADERS = (
    "activation",
    "depth",
    "width",
    "regularity",
    "λ_min",
    "guarantee",
    "λ_max",
    "condition",
    "passes",
    "seconds",
)
_DEPTH, _WIDTH = 1, 2
_RIGHT = {_DEPTH, _WIDTH, 7, 8, 9}
_NARROW_GROUPS = [[0, 3], [4, 5], [6], [7], [8, 9]]


@dataclass(frozen=True)
class Task:
    """What is computed for each network: checked, and with its data read.

    Attributes
    ----------
    X : (n, d) array
    source : str
        Where X is from.
    rows : {"unit", "raw"}
    operator, request : dict
        Arguments of GramOperator and of extreme_eigenvalues.
    """

    X: npt.NDArray[np.floating]
    source: str
    rows: str
    operator: dict[str, Any]
    request: dict[str, Any]

    def title(self, networks: Sequence[Network]) -> str:
        """Return what the matrices are, in a line: of the networks, what they have in common."""
        n, d = self.X.shape
        scaled = "rows scaled to norm 1" if self.rows == "unit" else "rows as they are"
        words = [f"{self.operator['kind']} Gram matrix of {self.source}", f"{n} x {d}", scaled]
        depths, widths = _distinct(networks)
        if len(depths) == 1 and depths != [1]:
            words.append(f"{depths[0]} hidden layers")
        if len(widths) == 1 and widths != [None]:
            words.append(f"width {widths[0]}")
        return ", ".join(words)


# --- networks in words -------------------------------------------------------------------------


def _distinct(networks: Sequence[Network]) -> tuple[list[int], list[int | None]]:
    """Return the depths and the widths that occur."""
    depths = dict.fromkeys(network.depth for network in networks)
    widths = dict.fromkeys(network.width for network in networks)
    return list(depths), list(widths)


def _telling(networks: Sequence[Network]) -> tuple[bool, bool]:
    """Return whether depths, and widths, are worth a word: any is not 1, or not infinite."""
    depths, widths = _distinct(networks)
    return depths != [1], widths != [None]


def _shape_words(network: Network, networks: Sequence[Network]) -> list[str]:
    depth_tells, width_tells = _telling(networks)
    words = [f"depth {network.depth}"] if depth_tells else []
    if width_tells:
        words.append("infinite width" if network.width is None else f"width {network.width}")
    return words


def network_name(network: Network, networks: Sequence[Network]) -> str:
    """Return what tells a network from the others: "tanh, depth 3, width 100"."""
    return ", ".join([network.activation.name, *_shape_words(network, networks)])


# --- JSON --------------------------------------------------------------------------------------


def records(
    task: Task, networks: Sequence[Network], results: Sequence[ExtremeEigenvalues]
) -> list[dict[str, Any]]:
    """Return one dict a result, named as the result types are; `results` may be the fewer."""
    return [_record(task, *pair) for pair in zip(networks, results, strict=False)]


def _record(task: Task, network: Network, result: ExtremeEigenvalues) -> dict[str, Any]:
    operator, request = task.operator, task.request
    finite = network.width is not None  # else nothing is drawn at random
    record = {
        "activation": network.activation.name,
        "smooth": network.activation.smooth,
        "kinks": list(network.activation.kinks),
        "kind": operator["kind"],
        "n": task.X.shape[0],
        "d": task.X.shape[1],
        "rows": task.rows,
        "dtype": operator["dtype"],
        "device": operator["device"],
        "weight_variance": network.weight_variance,
        "bias_variance": network.bias_variance,
        "normalize": network.normalize,
        "depth": network.depth,
        "width": network.width,
        "readout": network.readout if finite else None,
        "network_seed": network.seed if finite else None,
        "smallest": _bracket_record(result.smallest),
        "largest": _bracket_record(result.largest),
        "condition": _bracket_record(result.condition),
        "noise_floor": _finite(result.noise_floor),
        # NumPy's own booleans and integers are none to JSON
        "resolved": bool(result.resolved),
        "converged": bool(result.converged),
        "rank_bound": int(result.rank_bound),
        "method": result.method,
        "block": int(result.block),
        "passes": int(result.passes),
        "seconds": float(result.seconds),
        "message": result.message,
        "rtol": request["rtol"],
        "confidence": request["confidence"],
        "seed": request["seed"],
        "version": fastgram.__version__,
    }
    nonzero = result.smallest_nonzero
    record["smallest_nonzero"] = None if nonzero is None else _bracket_record(nonzero)
    return record


def _bracket_record(bracket: Bracket) -> dict[str, float | str | None]:
    ends = {key: _finite(getattr(bracket, key)) for key in ("lower", "upper", "estimate")}
    return {**ends, "guarantee": bracket.guarantee}


def _finite(value: float) -> float | None:
    """Return None for what strict JSON has no number for."""
    return float(value) if math.isfinite(value) else None


def json_text(results: list[dict[str, Any]]) -> str:
    """Return strict JSON."""
    return json.dumps(results, indent=2, allow_nan=False, ensure_ascii=False)


def write_json(name: str, results: list[dict[str, Any]]) -> None:
    """Write all or nothing: a reader, or a crash, never meets half a file."""
    path, part = _paths(name)
    try:
        part.write_text(json_text(results) + "\n", encoding="utf-8")
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


# --- the table ---------------------------------------------------------------------------------


def text_console() -> Console:
    """Return a console on standard output that takes text as it is: no markup, no emoji."""
    piped = not sys.stdout.isatty()
    return Console(
        width=_PIPED_WIDTH if piped else None,
        color_system=None if piped else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def show_table(
    task: Task, networks: Sequence[Network], results: Sequence[ExtremeEigenvalues]
) -> None:
    """Print what was computed, a row a result, and a note on each that is not settled."""
    console = text_console()
    confidence = task.request["confidence"]
    console.print(f"λ_min and λ_max of the {task.title(networks)}, confidence {confidence:g}")
    depth_tells, width_tells = _telling(networks)
    hidden = {k for k, tells in ((_DEPTH, depth_tells), (_WIDTH, width_tells)) if not tells}
    narrow = console.width < _NARROW + _NARROW_EXTRA * (2 - len(hidden))
    groups = [[k] for k in range(len(_HEADERS)) if k not in hidden]
    if narrow:
        groups = _NARROW_GROUPS
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, leading=int(narrow))
    for group in groups:
        table.add_column(
            "\n".join(_HEADERS[k] for k in group),
            justify="right" if group[0] in _RIGHT else "left",
            overflow="fold",
            no_wrap=group[0] > 0,  # what is folded is the name, never a number
        )
    notes: list[str] = []
    for network, result in zip(networks, results, strict=False):
        mark = ""
        remark = _remark(result)
        if remark:
            mark = f" ({len(notes) + 1})"
            notes.append(f"{mark[1:]} {network_name(network, networks)}: {remark}")
        cells = _cells(network, mark, result)
        if narrow:
            cells[0] = cells[0].replace("(", "\n(", 1) if len(cells[0]) > 16 else cells[0]
            cells[3] = "\n".join([cells[3], *_shape_words(network, networks)])
            cells[4:7] = [_stacked(cell) for cell in cells[4:7]]
        table.add_row(*("\n".join(cells[k] for k in group) for group in groups))
    console.print(table)
    for note in notes:
        console.print(note)


def _remark(result: ExtremeEigenvalues) -> str:
    """Return what a row of numbers does not say, or ""."""
    remarks = []
    if not (result.resolved and result.converged):
        state = "not converged" if result.resolved else "not resolved"
        remarks.append(f"{state}: {result.message}")
    nonzero = result.smallest_nonzero
    if nonzero is not None:
        remarks.append(f"smallest nonzero eigenvalue {nonzero}")
    return "; ".join(remarks)


def _cells(network: Network, mark: str, result: ExtremeEigenvalues) -> list[str]:
    guarantees = dict.fromkeys((result.smallest.guarantee, result.largest.guarantee))
    return [
        network.activation.name + mark,
        str(network.depth),
        "infinite" if network.width is None else str(network.width),
        network.activation.regularity,
        _bracket_text(result.smallest),
        " / ".join(guarantees),
        _largest_text(result.largest),
        _condition_text(result),
        str(result.passes),
        f"{result.seconds:.1f}",
    ]


def _bracket_text(bracket: Bracket) -> str:
    if bracket.guarantee == "exact":
        return f"{bracket.estimate:.10g} (exact)"
    digits = _telling_digits(bracket)
    if f"{bracket.lower:.{digits}g}" == f"{bracket.upper:.{digits}g}":
        digits = 6  # no number of digits that is worth reading tells the ends apart
    return f"{bracket.estimate:.{digits}g} [{bracket.lower:.{digits}g}, {bracket.upper:.{digits}g}]"


def _stacked(cell: str) -> str:
    """Give each number of a bracket, and each of two guarantees, its own line."""
    return cell.replace(" [", "\n[").replace(", ", ",\n ").replace(" / ", " /\n")


def _largest_text(bracket: Bracket) -> str:
    short = {f"{end:.6g}" for end in (bracket.lower, bracket.estimate, bracket.upper)}
    if bracket.guarantee != "exact" and len(short) == 1:
        return short.pop()  # every digit shown is sure; the bracket itself is in the JSON
    return _bracket_text(bracket)


def _condition_text(result: ExtremeEigenvalues) -> str:
    if result.largest.upper == 0.0:
        return "undefined"
    if result.smallest.lower == result.smallest.upper == 0.0:
        return "infinite"
    if math.isinf(result.condition.upper):
        return f"> {result.condition.lower:.2g}"
    return f"{result.condition.estimate:.4g}"
