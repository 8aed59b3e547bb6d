"""The cases of a sweep: rows, a network, a question, and the words that tell one from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.datasets.words import DataWords

if TYPE_CHECKING:
    from fastgram.network.network import Network

__all__ = [
    "Case",
    "Quantity",
    "Task",
    "case_name",
    "case_words",
    "figure_title",
    "heading",
    "told_quantities",
    "value_text",
    "varying_quantities",
]

Value = float | str | None


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
    words : DataWords, optional
        Of data that were given in words.
    one_of_several : bool
        Whether there are other data in the sweep, so that the source is told of these.
    outputs : (n, k) array, optional
        What is to be learnt.
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
    words: DataWords | None = None
    one_of_several: bool = False
    outputs: Any = None

    def message(self, error: Exception) -> str:
        """Return an error's message, in which a row of a text file is its line there."""
        text = " ".join(str(error).split()) or type(error).__name__
        lines = self.lines
        if lines is None:
            return text
        return re.sub(r"\brow (\d+)\b", lambda row: f"line {lines[int(row[1])]}", text)

    def worded(self, error: Exception) -> Exception:
        """Return an error that says `message`."""
        text = self.message(error)
        return error if self.lines is None else ValueError(text).with_traceback(error.__traceback__)


@dataclass(frozen=True)
class Case:
    """A matrix of a sweep."""

    task: Task
    network: Network

    def computed_by(self, told: dict[str, Any], client: Any) -> Case:
        """Return the case on a cluster, None for this process; `told` is added to the operator."""
        operator = {**self.task.operator, **told}
        return replace(self, task=replace(self.task, operator=operator, client=client))


# --- what varies ---------------------------------------------------------------------------------


class Quantity(NamedTuple):
    """What may differ from case to case.

    Attributes
    ----------
    name : str
        Of its column, and before its value in a case's name.
    value : function of a case
        A number, a word, or None where the case has none.
    axis : str
        What a figure's axis says; "" for words, and what is no magnitude.
    logarithmic : bool
        Whether its axis is.
    default : number, optional
        The one value, the same in all cases, that tells nothing; None where no common one does.
    """

    name: str
    value: Callable[[Case], Value]
    axis: str = ""
    logarithmic: bool = False
    default: float | None = None


def _of_words(key: str) -> Callable[[Case], Value]:
    def value(case: Case) -> Value:
        words = case.task.words
        return None if words is None else words.values.get(key)

    return value


def _width(case: Case) -> Value:
    return np.inf if case.network.width is None else float(case.network.width)


def _data_name(case: Case) -> Value:
    task = case.task
    return task.source if task.words is None else task.words.name


_QUANTITIES = (
    Quantity("data", _data_name),
    Quantity("kind", lambda case: case.task.operator["kind"]),
    Quantity("depth", lambda case: case.network.depth, "depth (hidden layers)", default=1.0),
    Quantity("width", _width, "width (neurons a hidden layer)", True, np.inf),
    Quantity("n", lambda case: case.task.X.shape[0], "n (rows)", True),
    Quantity("d", lambda case: case.task.X.shape[1], "d (features)", True),
    Quantity("dim", _of_words("dim"), "dim (of the subspace)"),
    Quantity("σ", _of_words("sigma"), "σ (norm of the noise)", True),
    Quantity("data seed", _of_words("seed")),
    Quantity("σw²", lambda case: case.network.weight_variance, "variance of the weights", True),
    Quantity("σb²", lambda case: case.network.bias_variance, "variance of the biases", True),
    Quantity(
        "input σw²",
        lambda case: case.network.input_weight_variance,
        "variance of the first layer's weights",
        True,
    ),
    Quantity(
        "input σb²",
        lambda case: case.network.input_bias_variance,
        "variance of the first layer's biases",
        True,
    ),
)


def varying_quantities(cases: Sequence[Case]) -> list[Quantity]:
    """Return the quantities that have several values."""
    return [quantity for quantity in _QUANTITIES if len(_values(quantity, cases)) > 1]


def told_quantities(cases: Sequence[Case]) -> list[Quantity]:
    """Return those that are worth a word: a depth that is not 1 and a finite width too."""
    told = []
    for quantity in _QUANTITIES:
        values = _values(quantity, cases)
        unusual = quantity.default is not None and values != [quantity.default]
        if len(values) > 1 or unusual:
            told.append(quantity)
    return told


def _values(quantity: Quantity, cases: Sequence[Case]) -> list[Value]:
    return list(dict.fromkeys(quantity.value(case) for case in cases))


def value_text(value: Value) -> str:
    """Return a value as a column shows it, with all digits that tell it from others."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if np.isinf(value):
        return "infinite"
    return str(value) if isinstance(value, int) else repr(float(value)).removesuffix(".0")


def case_words(case: Case, cases: Sequence[Case]) -> list[str]:
    """Return what tells a case from the others: "ntk", "depth 3", "infinite width", "n 500"."""
    words = []
    for quantity in told_quantities(cases):
        value, name = quantity.value(case), quantity.name
        if value is None:
            continue
        text = value_text(value)
        if isinstance(value, str):
            words.append(text)
        else:
            words.append(f"{text} {name}" if text == "infinite" else f"{name} {text}")
    return words


def case_name(case: Case, cases: Sequence[Case]) -> str:
    """Return the words that tell a case from the others: "tanh, depth 3, width 100"."""
    return ", ".join([case.network.activation.name, *case_words(case, cases)])


# --- what they have in common --------------------------------------------------------------------


def heading(cases: Sequence[Case], start: str, end: str) -> str:
    """Return the lines above a table: the title within a sentence, and the columns taken."""
    told = {case.task.source: case.task.told for case in cases if case.task.told}
    several = len({case.task.source for case in cases}) > 1
    lines = [f"{source}: {text}" if several else text for source, text in told.items()]
    return "\n".join([f"{start} {_title(cases)}, {end}", *lines])


def figure_title(cases: Sequence[Case]) -> str:
    """Return the title, with a size that is not folded."""
    return _title(cases).replace(" x ", "\u00a0×\u00a0")


def _title(cases: Sequence[Case]) -> str:
    """Describe the matrices in a line: what they have in common."""
    task = cases[0].task
    scaled = "rows scaled to norm 1" if task.rows == "unit" else "rows as they are"
    kinds = list(dict.fromkeys(case.task.operator["kind"] for case in cases))
    words = [f"{' and '.join(kinds)} Gram matrix of {_sources(cases)}"]
    if len({case.task.X.shape for case in cases}) == 1:
        words.append(" x ".join(map(str, task.X.shape)))
    words.append(scaled)
    places = {"gpu": "on the GPU", "cluster": "on a cluster"}
    words += [places[name] for name in places if name == task.operator.get("device")]
    depths = {case.network.depth for case in cases}
    widths = {case.network.width for case in cases}
    if len(depths) == 1 and depths != {1}:
        words.append(f"{depths.pop()} hidden layers")
    if len(widths) == 1 and widths != {None}:
        words.append(f"width {widths.pop()}")
    return ", ".join(words)


def _sources(cases: Sequence[Case]) -> str:
    """Return where the rows are from: of sets in words of one name, what is common to them."""
    sources = dict.fromkeys(case.task.source for case in cases)
    if len(sources) == 1:
        return cases[0].task.source
    sets = [case.task.words for case in cases]
    names = {None if words is None else words.name for words in sets}
    if len(names) > 1 or None in names:
        return f"{len(sources)} data sets"
    values = [words.values for words in sets if words is not None]
    first = values[0]
    common = {key: first[key] for key in first if all(v[key] == first[key] for v in values)}
    return str(DataWords(str(names.pop()), common))
