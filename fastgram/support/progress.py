"""A progress bar where one is asked for, by tqdm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar", "stage"]


@contextmanager
def progress_bar(
    show: bool, total: int | None, title: str, unit: str
) -> Iterator[Callable[[int], None] | None]:
    """Yield a function to be told of work done, or None where no bar is asked for."""
    if not show:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        message = "progress=True needs tqdm: pip install 'fastgram[cli]'"
        raise ImportError(message) from None
    with tqdm(total=total, desc=title, unit=unit, unit_scale=True, leave=False) as bar:
        yield bar.update


@contextmanager
def stage(show: bool, title: str) -> Iterator[None]:
    """Show one line for work that has no parts to count."""
    with progress_bar(show, 1, title, "stage") as tick:
        yield
        if tick is not None:
            tick(1)
