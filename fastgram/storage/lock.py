"""Who may write a stored matrix: one process at a time, by a lock that ends with the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing keeps a second process off there
    fcntl = None  # type: ignore[assignment]

__all__ = ["is_empty", "only_writer"]


@contextmanager
def only_writer(path: Path, folder: bool) -> Iterator[None]:
    """Hold the lock of a file or folder, which is made where there is none.

    It is `flock`'s: the system drops it when the process ends, however that comes about. Windows
    has none, and no lock is taken there. What was made, and is still empty when the block ends in
    an error, is removed.

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
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            _lock(descriptor, path)
        try:
            yield
        except BaseException:
            if made:
                with suppress(OSError):
                    if is_empty(path):
                        path.rmdir() if folder else path.unlink()
            raise
    finally:
        os.close(descriptor)


def is_empty(path: Path) -> bool:
    """Whether a file has no bytes, or a folder no names."""
    return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, there = os.fstat(descriptor), os.stat(path)
        mine = (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)
    except (BlockingIOError, FileNotFoundError):
        mine = False
    if not mine:  # or it was finished, and renamed, since it was opened
        raise ValueError(f"{path}: another process is writing it")
