"""A progress bar where one is asked for, by tqdm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["LATE_SECONDS", "late_stage", "progress_bar", "stage"]

# After which work that is mostly quick is worth a line.
LATE_SECONDS = 1.0


@contextmanager
def progress_bar(
    show: bool, total: int | None, title: str, unit: str
) -> Iterator[Callable[[int], None] | None]:
    """Yield a function to be told of work done, or None where no bar is asked for."""
    if not show:
        yield None
        return
    with _tqdm()(total=total, desc=title, unit=unit, unit_scale=True, leave=False) as bar:
        yield bar.update


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        message = "progress=True needs tqdm: pip install 'fastgram[cli]'"
        raise ImportError(message) from None
    return tqdm


@contextmanager
def stage(show: bool, title: str) -> Iterator[None]:
    """Show one line for work that has no parts to count."""
    with progress_bar(show, 1, title, "stage") as tick:
        yield
        if tick is not None:
            tick(1)


@contextmanager
def late_stage(show: bool, title: str) -> Iterator[None]:
    """Show one line for work that has no parts to count, once it has taken a second."""
    if not show:
        yield
        return
    _tqdm()  # an error of it belongs here, not into the timer's thread
    lock, shown, over = threading.Lock(), ExitStack(), threading.Event()

    def begin() -> None:
        with lock:
            if not over.is_set():
                shown.enter_context(stage(True, title))

    timer = threading.Timer(LATE_SECONDS, begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over.set()
            shown.close()
