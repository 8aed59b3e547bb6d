"""The manifest of a stored matrix: what it is, and how many of its blocks are done.

JSON beside the matrix, written under another name, synced and renamed. Blocks are stored in one
order, so that a number says which are there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fastgram.storage.formats.grid import Grid
from fastgram.support.files.durable import written_whole

__all__ = ["Manifest", "manifest_of"]

# What tells one matrix from another, in words.
_DIFFERENCES = {
    "kind": "kind {}, not {}",
    "dtype": "dtype {}, not {}",
    "network": "another network",
    "n": "{} rows, not {}",
    "data": "other rows",
}
# What tells one way to make a matrix from another.
_WAYS = {
    "version": "by fastgram {}, not {}",
    "device": "on device {}, not {}",
    "side": "in blocks of {} rows, not {}",
}


@dataclass(frozen=True)
class Manifest:
    """What a file holds, and how far.

    Attributes
    ----------
    n : int
        Order of the matrix.
    data : str
        `fingerprint` of the rows.
    network : dict
        `network_facts`.
    kind, dtype, device : str
    version : str
        Of the fastgram that began it.
    side : int
        Rows of a block.
    blocks, done : int
        Of the upper triangle, and how many of them are stored.
    """

    n: int
    data: str
    network: dict[str, Any]
    kind: str
    dtype: str
    device: str
    version: str
    side: int
    blocks: int
    done: int = 0

    @property
    def finished(self) -> bool:
        """Whether every block is stored."""
        return self.done == self.blocks

    def write(self, path: Path) -> None:
        """Write the manifest of the matrix that will be at `path`, whole or not at all."""
        target = manifest_path(path)
        with written_whole(target) as file:
            file.write(json.dumps(asdict(self), indent=2).encode())

    def facts(self) -> dict[str, Any]:
        """Return what tells the matrix from others, and the way it was made."""
        return {name: getattr(self, name) for name in (*_DIFFERENCES, *_WAYS)}

    @property
    def grid(self) -> Grid:
        """The blocks."""
        return Grid(self.n, self.side, np.dtype(self.dtype))

    def check_same(self, asked: Manifest, path: Path) -> None:
        """Refuse to take one matrix for another.

        Raises
        ------
        ValueError
        """
        for name, words in _DIFFERENCES.items():
            here, other = getattr(self, name), getattr(asked, name)
            if here != other:
                told = words.format(here, other)
                raise ValueError(f"{path} is a matrix of {told}: give another name")

    def check_same_way(self, asked: Manifest, path: Path) -> None:
        """Refuse to go on with a matrix in a way that may give its entries other last bits.

        Raises
        ------
        ValueError
        """
        for name, words in _WAYS.items():
            here, other = getattr(self, name), getattr(asked, name)
            if here != other:
                told = words.format(here, other)
                raise ValueError(f"{path} was begun {told}: go on with that, or give another name")


def manifest_path(path: Path) -> Path:
    """Return where the manifest of a matrix is."""
    return path.with_name(path.name + ".json")


def manifest_of(path: Path) -> Manifest | None:
    """Return the manifest of a matrix, None where there is none.

    Raises
    ------
    ValueError
        If it is none that this version reads.
    """
    target = manifest_path(path)
    try:
        found = json.loads(target.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise ValueError(f"{target} is no manifest of a stored matrix: it is not JSON") from None
    names = {field.name: field.type for field in fields(Manifest)}
    if not isinstance(found, dict) or found.keys() != names.keys():
        raise ValueError(f"{target} is no manifest of a stored matrix, or of another version")
    kinds = {"int": int, "str": str}
    right = all(
        isinstance(found[name], kinds.get(str(kind), dict)) and not isinstance(found[name], bool)
        for name, kind in names.items()
    )
    manifest = Manifest(**found)
    if not right or not _is_sound(manifest):
        raise ValueError(f"{target} is no manifest of a stored matrix: its numbers do not fit")
    return manifest


def _is_sound(manifest: Manifest) -> bool:
    if manifest.n < 1 or manifest.side < 1 or manifest.dtype not in ("float32", "float64"):
        return False
    count = -(-manifest.n // manifest.side)
    return manifest.blocks == count * (count + 1) // 2 and 0 <= manifest.done <= manifest.blocks
