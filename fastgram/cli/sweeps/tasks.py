"""The cases of a command: all combinations of networks, data and kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.reading import Sample
from fastgram.cli.data_files.sample import scaled_rows
from fastgram.cli.sweeps.cases import Case, Task

if TYPE_CHECKING:
    from fastgram.network.network import Network

__all__ = ["cases_of"]

Outputs = tuple[npt.NDArray[np.float64], str]


def cases_of(
    networks: Sequence[Network],
    samples: Sequence[Sample],
    rows: str,
    operators: Sequence[dict[str, Any]],
    request: dict[str, Any],
    *,
    outputs: Sequence[Outputs] | None = None,
    exact: bool = False,
) -> list[Case]:
    """Return the cases, those of a network one after the other.

    Parameters
    ----------
    networks : sequence of Network
    samples : sequence of Sample
    rows : {"unit", "raw"}
    operators : sequence of dict
        The options of a matrix, one a kind.
    request : dict
        What is asked of each matrix.
    outputs : sequence of (array, str), optional
        What is to be learnt of each sample, and that in words.
    exact : bool
        For ball arithmetic, which scales rows itself, without rounding.

    Raises
    ------
    ValueError
        If a row that is to be scaled is zero.
    """
    tasks = []
    for place, sample in enumerate(samples):
        scaled = scaled_rows(sample, rows)
        X = sample.rows if exact else scaled
        learnt, told = (None, "") if outputs is None else outputs[place]
        tasks += [
            Task(
                X,
                sample.source,
                rows,
                operator,
                request,
                columns=sample.columns,
                told="; ".join(filter(None, (sample.told, told))),
                lines=sample.lines,
                words=sample.words,
                one_of_several=len(samples) > 1 and sample.words is None,
                outputs=learnt,
            )
            for operator in operators
        ]
    return [Case(task, network) for network in networks for task in tasks]
