"""Arrays in idx files, as MNIST and its like are kept, compressed or not."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from fastgram.support.memory import require_memory

__all__ = ["is_idx", "read_idx", "read_idx_images", "read_idx_labels"]

# The third byte of the magic number; numbers are big-endian.
_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_GZIP = b"\x1f\x8b"
_MOST_COMPRESSED = 1032  # bytes that one of deflate can stand for
_STEP = 2**24  # bytes read at a time


def is_idx(path: Path) -> bool:
    """Whether the name, or the magic number, is of an idx file."""
    if re.search(r"idx\d", path.name.lower()):
        return True
    with path.open("rb") as file:
        head = file.read(4)
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _DTYPES and 0 < head[3] < 9


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Return the array of an idx file, of the dtype that it has there.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If it is no idx file, is damaged, or there is not the memory.
    """
    with path.open("rb") as raw:
        size, zipped = path.stat().st_size, raw.read(2) == _GZIP
        raw.seek(0)
        if not zipped:
            return _read(path, raw, size, exact=True)
        try:
            with gzip.open(raw) as file:
                return _read(path, cast(BinaryIO, file), _MOST_COMPRESSED * size, exact=False)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is damaged: {error}") from None


def read_idx_images(path: Path) -> npt.NDArray[Any]:
    """Return the array of a file of images, (n, …) and not empty."""
    array = read_idx(path)
    if array.ndim < 2:
        raise ValueError(
            f"{path} holds one number a sample, as labels are: load the file of the images, with"
            " return_X_y=True"
        )
    if not array.size:
        raise ValueError(f"{path} holds no images: its shape is {_shape_words(array.shape)}")
    return array


def read_idx_labels(images: Path, n: int) -> npt.NDArray[np.int64]:
    """Return the labels in the file beside that of `n` images.

    "train-labels-idx1-ubyte" is beside "train-images-idx3-ubyte", compressed or not.
    """
    name = images.name.removesuffix(".gz")
    label = re.sub(r"idx\d", "idx1", name.replace("images", "labels"))
    if "images" not in name:
        raise ValueError(f"{images}: labels are beside a file with 'images' in its name")
    beside = [images.with_name(found) for found in (label, f"{label}.gz")]
    there = next((path for path in beside if path.exists()), None)
    if there is None:
        raise FileNotFoundError(f"{images}: its labels, {beside[0].name}, are not beside it")
    labels = read_idx(there)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        shape = _shape_words(labels.shape)
        raise ValueError(f"{there} holds {shape} of {labels.dtype.name}, not {n} whole numbers")
    return labels.astype(np.int64)


def _read(path: Path, file: BinaryIO, most: int, exact: bool) -> npt.NDArray[Any]:
    """Return the array; `most` is what the file can hold at most, or holds exactly."""
    dtype, shape = _header(path, file)
    size = math.prod(shape) * dtype.itemsize
    told = f"{_shape_words(shape)} of {dtype.name}, as its header says,"
    held = most - (4 + 4 * len(shape))
    if size > held or (exact and size != held):
        rest = f"take {size:,} bytes, and it has {'' if exact else 'at most '}{held:,} for them"
        raise ValueError(f"{path} is damaged: {told} {rest}")
    require_memory(str(path), size + 8 * math.prod(shape))  # and the rows in float64
    data = np.empty(size, np.uint8)
    at = 0
    while at < size:
        count = file.readinto(data[at : at + _STEP])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"{path} is damaged: {told} take {size:,} bytes, and it has {at:,}")
        at += count
    if file.read(1):
        raise ValueError(f"{path} is damaged: it goes on after {told} {size:,} bytes")
    return data.view(dtype).reshape(shape)


def _header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not magic[3]:
        told = f"0x{magic.hex()}" if magic else "missing"
        raise ValueError(
            f"{path} is no idx file: its magic number is {told}, where images have 0x00000803"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"{path} is damaged: it ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    return np.dtype(_DTYPES[magic[2]]), shape


def _shape_words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
