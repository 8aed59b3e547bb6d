"""What is to be learnt: the columns of labels as outputs of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.cli.data_files.reading import Sample
from fastgram.support.memory import require_memory

__all__ = ["targets_of"]

# Whole numbers of so few kinds are names of classes.
_MOST_CLASSES = 20


def targets_of(sample: Sample) -> tuple[npt.NDArray[np.float64], str]:
    """Return outputs to learn, (n, k), of mean 0, and what they are in words.

    Words, whole numbers of at most 20 kinds, and what images show, are classes, with an output
    each: 1 for those in it, 0 for others. Other numbers are outputs as they are.

    Raises
    ------
    ValueError
        If there is no column of labels, one has gaps, or all labels are alike.
    """
    if sample.labels is None or not sample.labels.shape[1]:
        raise ValueError(
            f"{sample.source}: what is to be learnt is missing: --label COLUMN, or --label label of"
            " images"
        )
    parts, told = zip(*(_outputs(sample, column) for column in sample.labels.T), strict=True)
    outputs = np.concatenate(parts, axis=1)
    outputs -= outputs.mean(axis=0)
    if not np.any(outputs):
        raise ValueError(f"{sample.source}: all labels are alike: there is nothing to learn")
    return outputs, "; ".join(told)


def _outputs(sample: Sample, labels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], str]:
    blank = np.flatnonzero(labels == "") if labels.dtype.kind == "U" else np.array([], int)
    if blank.size:
        raise ValueError(f"{sample.source}: {sample.place(int(blank[0]))} has no label")
    numbers = _numbers(labels)
    kinds, places = np.unique(labels if numbers is None else numbers, return_inverse=True)
    are_classes = labels.dtype.kind in "iu"  # tables have numbers of float64
    many = kinds.size > _MOST_CLASSES or (numbers is not None and np.any(kinds != np.floor(kinds)))
    if numbers is not None and many and not are_classes:
        return numbers[:, None].copy(), "labels are numbers"
    words = f"{kinds.size} classes, an output each"
    # an output a class, and what is centred and joined of them
    require_memory(f"{sample.source}: {words}", 3 * 8 * labels.size * kinds.size)
    outputs = np.zeros((labels.size, kinds.size))
    outputs[np.arange(labels.size), places] = 1.0
    return outputs, words


def _numbers(labels: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Return the labels as numbers, None where one is no finite number."""
    try:
        numbers = labels.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.all(np.isfinite(numbers)) else None
