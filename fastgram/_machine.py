"""The machine: its processors, its free memory, BLAS on one thread, and work on many threads."""

from __future__ import annotations

import importlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = [
    "conventional_blas",
    "free_memory",
    "in_order",
    "one_blas_thread",
    "require_memory",
    "thread_count",
]

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_count() -> int:
    """Return the number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Return the bytes of memory that could be taken without swapping, as far as can be known."""
    free = _meminfo_available()
    try:  # a container's limit (cgroup v2)
        with (
            open("/sys/fs/cgroup/memory.max") as limit,
            open("/sys/fs/cgroup/memory.current") as current,
        ):
            free = min(free, int(limit.read()) - int(current.read()))
    except (OSError, ValueError):  # no such limit
        pass
    return max(free, 0)


def _meminfo_available() -> int:
    try:
        with open("/proc/meminfo") as meminfo:
            for line in meminfo:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    # no such file outside Linux: take a quarter of what is installed to be free
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def require_memory(what: str, size: int) -> None:
    """Refuse in words, before anything is computed, what would not fit.

    Raises
    ------
    ValueError
        If fewer than `size` bytes are free.
    """
    free = free_memory()
    if size > free:
        raise ValueError(f"{what}: {size:,} bytes of memory are needed and {free:,} are free")


class _BlasThreads:
    """Holds BLAS to one thread while any traversal runs, and restores it after the last.

    Every thread that multiplies has to enter: OpenBLAS has one number of threads for the whole
    process, but MKL and BLAS on OpenMP have one for each thread that calls them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._libraries: list[Any] | None = None
        self._shared: list[tuple[Any, int]] = []

    def libraries(self) -> list[Any]:
        """Return the BLAS libraries in use, as threadpoolctl knows them."""
        with self._lock:
            return self._find()

    def _find(self) -> list[Any]:
        if self._libraries is None:
            # SciPy brings a BLAS of its own: a library loaded later would not be held
            importlib.import_module("scipy.linalg")
            found = ThreadpoolController().lib_controllers  # slow: looks at every library
            self._libraries = [library for library in found if library.user_api == "blas"]
        return self._libraries

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            libraries = self._find()
            self._users += 1
            if self._users == 1:
                self._shared = [(x, x.num_threads) for x in libraries if _is_shared(x)]
                for library, _ in self._shared:
                    _set_threads(library, 1)
        own = [(library, library.num_threads) for library in libraries if not _is_shared(library)]
        for library, _ in own:
            library.set_num_threads(1)
        try:
            yield
        finally:
            for library, threads in own:
                library.set_num_threads(threads)
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    for library, threads in self._shared:
                        _set_threads(library, threads)


def conventional_blas() -> bool:
    """Whether every BLAS in use is known to multiply and solve in the conventional way.

    Entry by entry sums of products and, in triangular solves, divisions by single pivots. MKL does
    not say that it inverts no diagonal blocks.
    """
    names = {library.internal_api for library in one_blas_thread.libraries()}
    return bool(names) and names <= {"openblas", "blis"}


def _is_shared(library: Any) -> bool:
    """Whether the library has one number of threads for the whole process."""
    layer = getattr(library, "threading_layer", "")
    return bool(library.internal_api in ("openblas", "blis") and layer != "openmp")


def _set_threads(library: Any, threads: int) -> None:
    # newer releases of threadpoolctl let only the first thread that ever asked set the number,
    # and ignore the others without a word; traversals may run on any thread
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(threads)
    release(force=True)


one_blas_thread = _BlasThreads()


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Yield work(item) for each item, computed on many threads, in the order of the items.

    What is made of the results in turn has the same bits on any number of threads. Few results
    wait at a time: no more are started than there are threads, and one.
    """
    count = threads or thread_count()

    def alone(item: Item) -> Result:
        with one_blas_thread():
            return work(item)

    if count == 1:
        yield from map(alone, items)
        return
    waiting: deque[Future[Result]] = deque()
    remaining = iter(items)
    with one_blas_thread(), ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
        try:
            waiting.extend(pool.submit(alone, i) for i in itertools.islice(remaining, count + 1))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(alone, i) for i in itertools.islice(remaining, 1))
        finally:
            for future in waiting:
                future.cancel()
