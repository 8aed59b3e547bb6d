"""The folder of a checkpoint: what run it is of, its passes one after the other, and findings.

``run.json`` says what run it is. ``pass-00000.npz`` and those after it come in turn, each written
whole or not at all. A file ends with a hash of its bytes and of the hash before it, the first one's
being that of ``run.json``: a file that is damaged or missing, from another run or in another's
place, is seen. The hashes are there for damage, not for forgery. Nothing is pickled.

One process at a time has the folder, by a lock on the file ``lock`` that ends with the process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import fastgram
from fastgram.support.arrays import Array
from fastgram.support.files.durable import sync_folder, written_whole
from fastgram.support.files.lock import is_empty, only_writer

__all__ = ["CheckpointFolder", "as_checkpoint", "check_run", "opened"]

_RUN = "run.json"
_HASH_BYTES = 64  # of SHA-256, in hexadecimal: never taken for a part of the .npz before it
_PIECE = 2**20


class CheckpointFolder:
    """A folder that this process alone has: made by `opened`.

    Attributes
    ----------
    path : Path
    count : int
        Passes and restarts that are stored.
    added : int
        Those of them that this process has stored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.added = 0
        self._hashes: list[str] = []  # of run.json, and of each pass

    @property
    def count(self) -> int:
        """Passes and restarts that are stored."""
        return len(self._hashes) - 1

    def begin(self, facts: dict[str, Any]) -> None:
        """Say what run this is, and check that what is stored is of the same one, and whole.

        Raises
        ------
        ValueError
            If it is of another run or another version of fastgram, or damaged.
        OSError
            If the folder cannot be read or written.
        """
        asked = _identity(facts)
        found = _read_identity(self.path)
        text = json.dumps(asked, indent=2)
        passes = sorted(self.path.glob("pass-*.npz"))
        if found is not None:
            _check_same(self.path, found, asked)
        elif passes:
            raise ValueError(
                f"checkpoint {self.path} has passes and no {_RUN}: it is of another version of"
                " fastgram, or damaged: give another folder"
            )
        else:
            self._write(_RUN, lambda file: file.write(text.encode()))
        self._hashes = [hashlib.sha256(text.encode()).hexdigest()]
        for number, path in enumerate(passes):
            if path != self._pass(number):
                raise ValueError(
                    f"checkpoint {self.path}: {self._pass(number).name} is missing; to go on from"
                    " there, delete those after it"
                )
            self._hashes.append(self._checked_hash(path, self._hashes[-1]))

    def read(self, number: int) -> dict[str, Array]:
        """Return the arrays of a stored pass.

        Raises
        ------
        ValueError
            If the file is no longer what it was.
        """
        path = self._pass(number)
        if self._checked_hash(path, self._hashes[number]) != self._hashes[number + 1]:
            raise ValueError(f"{path} has changed since the run began")
        return _arrays(path)

    def check_writable(self) -> None:
        """Raise OSError where nothing can be written: before a pass is done and lost."""
        path = self._pass(self.count)
        partial = path.with_name(path.name + ".partial")
        partial.touch()
        partial.unlink()

    def append(self, arrays: dict[str, Array]) -> None:
        """Store a pass, or restart; it is on disk then.

        Raises
        ------
        OSError
            If it cannot be written; what was stored before is as it was.
        """
        path = self._pass(self.count)
        self._hashes.append(self._write_hashed(path, arrays, self._hashes[-1]))
        self.added += 1

    def finding(self, kind: str, key: tuple[float, ...]) -> dict[str, Array] | None:
        """Return what `keep` has stored of that kind under that key, None where there is nothing.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        path, before = self._finding(kind, key)
        if not path.exists():
            return None
        self._checked_hash(path, before)
        return _arrays(path)

    def keep(self, kind: str, key: tuple[float, ...], arrays: dict[str, Array]) -> None:
        """Store the result of long work for the same run and the same key."""
        path, before = self._finding(kind, key)
        self._write_hashed(path, arrays, before)

    def _pass(self, number: int) -> Path:
        return self.path / f"pass-{number:05d}.npz"

    def _finding(self, kind: str, key: tuple[float, ...]) -> tuple[Path, str]:
        """Return where a finding is, and the hash that its own begins with."""
        words = f"{self._hashes[0]} {kind} {' '.join(map(repr, key))}"
        before = hashlib.sha256(words.encode()).hexdigest()
        return self.path / f"{kind}-{before[:16]}.npz", before

    def _write_hashed(self, path: Path, arrays: Any, before: str) -> str:
        """Write arrays and their hash; return it."""
        found = []

        def fill(file: BinaryIO) -> None:
            np.savez(file, **arrays)
            size = file.seek(0, os.SEEK_END)
            found.append(_hash(file, size, before))
            file.seek(size)
            file.write(found[0].encode())

        self._write(path.name, fill)
        return found[0]

    def _write(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        try:
            with written_whole(self.path / name) as file:
                fill(file)
        except OSError as error:
            stored = f"{max(self.count, 0)} passes are stored, and the same call goes on from there"
            reason = error.strerror or " ".join(str(error).split())
            raise OSError(error.errno, f"{reason}; {stored}", str(self.path)) from None

    def _checked_hash(self, path: Path, before: str) -> str:
        """Return a file's hash, which must be that of its bytes."""
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END) - _HASH_BYTES
            if size > 0:
                found = _hash(file, size, before)
                if found.encode() == file.read():
                    return found
        after = " and those after it" if path.name.startswith("pass-") else ""
        raise ValueError(
            f"{path} is damaged, cut short or not of this run; to go on without it, delete"
            f" it{after}"
        )


@contextmanager
def opened(path: str | os.PathLike[str] | None) -> Iterator[CheckpointFolder | None]:
    """Hold the folder of a checkpoint, which is made where it does not exist; None for None.

    Raises
    ------
    ValueError
        If it is no folder, or another process has it.
    OSError
        If it cannot be made or written.
    """
    if path is None:
        yield None
        return
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"checkpoint {folder} is a file: give a folder")
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if made:
        sync_folder(folder.parent)
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(folder / "lock", folder=False))
        except ValueError:
            raise ValueError(f"checkpoint {folder}: another process is writing it") from None
        yield CheckpointFolder(folder)
    if made and is_empty(folder):
        with suppress(OSError):
            folder.rmdir()


def as_checkpoint(path: Any) -> str | os.PathLike[str] | None:
    """Return the path of a folder, or None, as it is.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or empty.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be a path, not {path!r}")
    if path == "":
        raise ValueError("checkpoint must be a folder, not ''")
    return path


def check_run(path: Path, facts: dict[str, Any]) -> None:
    """Refuse a folder that holds another run; it need not exist.

    Raises
    ------
    ValueError
    """
    found = _read_identity(path)
    if found is not None:
        _check_same(path, found, _identity(facts))


def _identity(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what tells a run from others, as it comes back from JSON."""
    result: dict[str, Any] = json.loads(json.dumps({"version": fastgram.__version__, **facts}))
    return result


def _read_identity(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((path / _RUN).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"checkpoint {path}: {_RUN} is damaged: give another folder")
    return found


def _check_same(path: Path, found: dict[str, Any], asked: dict[str, Any]) -> None:
    """Raise what tells the run in a folder from the one that is asked for."""
    if found == asked:
        return
    if found.get("version") == asked["version"] and found.keys() != asked.keys():
        told = "of another kind"
    elif found.get("version") != asked["version"]:
        told = f"by fastgram {found.get('version')}, not {asked['version']}"
    elif found["matrix"] != asked["matrix"]:
        here, there = asked["matrix"], found["matrix"]
        names = [name for name in here if name not in there or here[name] != there[name]]
        told = "on another matrix" + (f" (of other {' and '.join(names)})" if names else "")
    else:
        name = next(name for name in asked if found[name] != asked[name])
        told = f"with {name} = {found[name]}, not {asked[name]}"
    raise ValueError(f"checkpoint {path} is of a run {told}: give another folder")


def _hash(file: BinaryIO, size: int, before: str) -> str:
    """Return the hash of the first bytes of a file, after the one before; leave it behind them."""
    digest = hashlib.sha256(before.encode())
    file.seek(0)
    while size:
        piece = file.read(min(size, _PIECE))
        if not piece:
            break
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def _arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}
