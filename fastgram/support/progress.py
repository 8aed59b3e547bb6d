"""A progress bar where one is asked for, by tqdm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["LATE_SECONDS", "advance", "late_stage", "progress_bar", "stage"]

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
    """Show one line for work once it has taken a second, and how far it is as `advance` says."""
    if not show:
        yield
        return
    _tqdm()  # an error of it belongs here, not into the timer's thread
    late = _LateStage(title)
    token = _CURRENT.set(late)
    timer = threading.Timer(LATE_SECONDS, late.begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        late.end()
        _CURRENT.reset(token)


def advance(done: int, total: int) -> None:
    """Say how many parts of the work under way are done, to the `late_stage` around it if any."""
    late = _CURRENT.get()
    if late is not None:
        late.advance(done, total)


class _LateStage:
    """A line that is shown from a timer's thread and moved on from the worker's."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock, self._shown, self._over = threading.Lock(), ExitStack(), False
        self._done, self._total = 0, 1
        self._tick: Callable[[int], None] | None = None

    def begin(self) -> None:
        with self._lock:
            if not self._over:
                bar = progress_bar(True, self._total, self._title, "part")
                self._tick = self._shown.enter_context(bar)
                self._move(self._done)

    def advance(self, done: int, total: int) -> None:
        with self._lock:
            if total > 1 and self._tick is None:
                self._total = total
            if total == self._total and done > self._done:
                self._move(done - self._done)
                self._done = done

    def end(self) -> None:
        with self._lock:
            self._over = True
            self._shown.close()

    def _move(self, parts: int) -> None:
        if self._tick is not None and parts:
            self._tick(parts)


_CURRENT: ContextVar[_LateStage | None] = ContextVar("late_stage", default=None)
