"""CIFAR-10 and CIFAR-100 in their binary versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.support.memory import require_memory

__all__ = ["batches_of", "is_pickle", "read_batches", "refuse_pickle"]

Bytes = npt.NDArray[np.uint8]

_PIXELS = 3 * 32 * 32
_BATCHES = tuple(f"data_batch_{k}.bin" for k in range(1, 6))


class _Version(NamedTuple):
    """How many values each byte of a label has; the last is the label."""

    name: str
    labels: tuple[int, ...]

    @property
    def record(self) -> int:
        return len(self.labels) + _PIXELS


_VERSIONS = (_Version("CIFAR-10", (10,)), _Version("CIFAR-100", (20, 100)))


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle does, as those of the Python versions are."""
    with path.open("rb") as file:
        head = file.read(2)
    return len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def refuse_pickle(path: Path) -> None:
    """Refuse a file for what it is.

    Raises
    ------
    ValueError
        If it is a pickle.
    """
    if is_pickle(path):
        raise ValueError(
            f"{path} is a pickle, which may run any code and is not opened: of CIFAR take the"
            " binary version (cifar-10-binary.tar.gz or cifar-100-binary.tar.gz)"
        )


def batches_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are trained on; none where it is of something else.

    Raises
    ------
    ValueError
        If some of CIFAR-10's five are missing, or there is only what is tested on.
    """
    names = {path.name for path in folder.iterdir()}
    there = [name for name in _BATCHES if name in names]
    if there:
        missing = [name for name in _BATCHES if name not in names]
        if missing:
            raise ValueError(f"{folder}: {' and '.join(missing)} of CIFAR-10 missing; name a file")
        return [folder / name for name in _BATCHES]
    if "train.bin" in names:
        return [folder / "train.bin"]
    if tested := names & {"test_batch.bin", "test.bin"}:
        name = min(tested)
        raise ValueError(f"{folder} holds no data_batch_1.bin and no train.bin: name {name}")
    return []


def read_batches(paths: Sequence[Path]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the pixels of all images of some files, (n, 3072), and their labels, (n,).

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If one is of neither version, they are of different ones, or there is not the memory.
    """
    sizes = [path.stat().st_size for path in paths]
    require_memory(str(paths[0].parent), sum(sizes) + max(sizes) + 8 * sum(sizes))
    parts = []
    for path in paths:
        version, records = _records(path)
        parts.append((version, records))
        if version is not parts[0][0]:
            raise ValueError(f"{path} is of {version.name}, {paths[0]} of {parts[0][0].name}")
    X = np.empty((sum(len(records) for _, records in parts), _PIXELS))
    y = np.empty(len(X), np.int64)
    start = 0
    for version, records in parts:
        here = slice(start, start + len(records))
        X[here] = records[:, len(version.labels) :]
        y[here] = records[:, len(version.labels) - 1]
        start += len(records)
    return X, y


def _records(path: Path) -> tuple[_Version, Bytes]:
    """Return which version a file is of, and its images, a row each, with their labels.

    The versions' records differ by a byte: what has whole records of both is told by its labels.
    """
    size = path.stat().st_size
    whole = [version for version in _VERSIONS if size and not size % version.record]
    if not whole:
        told = " or ".join(f"{version.record} ({version.name})" for version in _VERSIONS)
        raise ValueError(f"{path} has {size:,} bytes, which is no multiple of {told}")
    data = np.fromfile(path, np.uint8)
    wrong = ""
    for version in whole:
        records = data.reshape(-1, version.record)
        bad = np.argwhere(records[:, : len(version.labels)] >= version.labels)
        if not bad.size:
            return version, records
        row, place = (int(k) for k in bad[0])
        most = version.labels[place] - 1
        wrong = f"image {row} of {version.name} has label {records[row, place]}, above {most}"
    raise ValueError(f"{path} is damaged: {wrong}")
