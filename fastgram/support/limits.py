"""The limits of processors and memory that others have set for this process.

Control groups (cgroup v1 and v2) are nested, and every one that holds the process counts: its own
and all above it.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["Limit", "memory_limits", "processor_limits"]

_GROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


class Limit(NamedTuple):
    """A number of threads or bytes, and what sets it."""

    value: int
    source: str


def processor_limits() -> list[Limit]:
    """Return how many processors may be used, by each who says so."""
    if hasattr(os, "sched_getaffinity"):
        limits = [Limit(len(os.sched_getaffinity(0)), "processors")]
    else:
        limits = [Limit(os.cpu_count() or 1, "processors")]
    quota = _quota()
    return limits if quota is None else [*limits, quota]


@functools.cache
def _quota() -> Limit | None:  # a process asks at every traversal, and nobody changes it
    return min(processor_quotas(), default=None)


def processor_quotas(groups: Path = _GROUPS, root: Path = _ROOT) -> list[Limit]:
    """Return the processors that control groups grant, rounded up."""
    found = []
    for folder in _folders("cpu", groups, root):
        pair = _words(folder / "cpu.max")
        if len(pair) != 2:
            pair = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        quota, period = _number(pair, 0), _number(pair, 1)
        if quota is not None and period and quota > 0:
            found.append(Limit(math.ceil(quota / period), f"CPU quota of {folder}"))
    return found


def memory_limits(groups: Path = _GROUPS, root: Path = _ROOT) -> list[Limit]:
    """Return how many more bytes may be taken, by each who says so."""
    limits = [_machine(), *_address_space()]
    for folder in _folders("memory", groups, root):
        for most, used in (
            ("memory.max", "memory.current"),
            ("memory.high", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _number(_words(folder / most), 0)
            taken = _number(_words(folder / used), 0)
            if limit is not None and taken is not None:
                free = limit - taken + _reclaimable(folder)
                limits.append(Limit(max(min(free, limit), 0), f"{most} of {folder}"))
    return limits


def _machine() -> Limit:
    try:
        with open("/proc/meminfo") as meminfo:
            for line in meminfo:
                if line.startswith("MemAvailable:"):
                    return Limit(1024 * int(line.split()[1]), "the machine")
    except OSError:
        pass
    # no such file outside Linux: take a quarter of what is installed to be free
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    return Limit(size, "a quarter of the machine")


def _address_space() -> list[Limit]:
    """Return the bytes that `ulimit -v` leaves."""
    try:
        import resource  # not everywhere
    except ImportError:
        return []
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _number(_words(Path("/proc/self/statm")), 0)
    if most == resource.RLIM_INFINITY or pages is None:
        return []
    return [Limit(max(most - pages * os.sysconf("SC_PAGE_SIZE"), 0), "ulimit -v")]


def _folders(controller: str, groups: Path, root: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that the process is in, the innermost first."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # there are none outside Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops = [root, root / "unified"]
        elif controller in controllers.split(","):
            tops = [root / controllers, root / controller]
        else:
            continue
        own = PurePosixPath(path)
        if ".." in own.parts:  # outside of what this container sees
            own = PurePosixPath("/")
        for top in tops:
            for group in (own, *own.parents):
                folder = top / group.relative_to("/")
                if folder.is_dir():
                    yield folder


def _reclaimable(folder: Path) -> int:
    """Return the bytes of files that are kept only as long as there is room."""
    words = _words(folder / "memory.stat")
    for name in ("total_inactive_file", "inactive_file"):  # v1, where the other is of one group
        if name in words:
            return _number(words, words.index(name) + 1) or 0
    return 0


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _number(words: list[str], place: int) -> int | None:
    """Return a number, or None where there is none: "max" is no limit."""
    try:
        return int(words[place])
    except (IndexError, ValueError):
        return None
