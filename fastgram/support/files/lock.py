"""Who may write a file or folder: one process at a time, by a lock that ends with the process."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["is_empty", "one_at_a_time", "only_writer"]

# Seconds between two looks at a lock that another process holds.
_LOOK = 0.02
# Nothing keeps a second process off where there is none, on Windows.
fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None


@contextmanager
def only_writer(path: Path, folder: bool) -> Iterator[None]:
    """Hold the lock of a file or folder, which is made where there is none.

    It is `flock`'s: the system drops it when the process ends, however that comes about. Windows
    has none, and no lock is taken there. What was made, and is still empty at the end, is removed.

    Raises
    ------
    ValueError
        If another process holds it.
    OSError
        If the file cannot be made or written.
    """
    made = not path.exists()
    if folder:
        path.mkdir(exist_ok=True)
    elif fcntl is None:
        path.touch()
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path)
        try:
            yield
        finally:
            with suppress(OSError):
                if made and _is_ours(descriptor, path) and is_empty(path):
                    path.rmdir() if folder else path.unlink()
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(path: Path, patience: float) -> Iterator[None]:
    """Wait for a lock, of an empty file that stays, and hold it; on Windows there is none.

    Raises
    ------
    OSError
        If the file cannot be made, its file system has no locks, or another process still holds it
        after `patience` seconds.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                _take(descriptor)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(_LOOK)
        yield
    finally:
        os.close(descriptor)


def is_empty(path: Path) -> bool:
    """Whether a file has no bytes, or a folder no names."""
    return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0


def _lock(descriptor: int, path: Path) -> None:
    try:
        _take(descriptor)
        held = _is_ours(descriptor, path)
    except (BlockingIOError, FileNotFoundError):
        held = False
    if not held:  # or it was finished, and renamed, since it was opened
        raise ValueError(f"{path}: another process is writing it")


def _take(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_ours(descriptor: int, path: Path) -> bool:
    """Whether what was opened is what is there now."""
    return os.path.samestat(os.fstat(descriptor), os.stat(path))
