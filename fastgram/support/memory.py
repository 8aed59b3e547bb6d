"""The memory that is free, and what does not fit in it; numbers of bytes in words."""

from __future__ import annotations

from fastgram.support.limits import Limit, memory_limits

__all__ = ["free_memory", "memory_limit", "require_memory", "size_words"]


def free_memory() -> int:
    """Return the bytes of memory that could be taken without swapping, as far as can be known."""
    return memory_limit().value


def memory_limit() -> Limit:
    """Return the same, with what sets it."""
    return min(memory_limits())


def require_memory(purpose: str, size: int) -> None:
    """Refuse in words, before anything is computed, a purpose whose memory is not free.

    Raises
    ------
    ValueError
        If fewer than `size` bytes are free.
    """
    free = free_memory()
    if size > free:
        raise ValueError(f"{purpose}: {size:,} bytes of memory are needed and {free:,} are free")


def size_words(count: int) -> str:
    """Return a number of bytes in three digits: "3.2 GB", of 1000."""
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
