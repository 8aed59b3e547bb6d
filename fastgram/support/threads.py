"""How many threads may work, BLAS on one of them, and work on many in order."""

from __future__ import annotations

import importlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from fastgram.support.limits import Limit, processor_limits
from fastgram.support.validation import as_integer

__all__ = [
    "conventional_blas",
    "in_order",
    "one_blas_thread",
    "set_num_threads",
    "share_of_threads",
    "thread_count",
    "thread_limit",
    "threads_here",
    "within_threads",
]

Item = TypeVar("Item")
Result = TypeVar("Result")


# Variables that limit the threads of all that computes in a process, with or without fastgram.
_GENERAL = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT")
# Those that speak of one BLAS alone.
_OWN = {"openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"), "blis": ("BLIS_NUM_THREADS",)}
# What NumPy's and SciPy's OpenBLAS takes at most, however many processors there are.
_MOST_OF_BLAS = 64
_chosen: int | None = None
_here: ContextVar[int | None] = ContextVar("threads_here", default=None)
_working = 0  # how many share the threads now
_working_lock = threading.Lock()


def set_num_threads(n: int | None) -> None:
    """Set how many threads fastgram takes in this process, BLAS's in its factorisations included.

    Parameters
    ----------
    n : int or None
        1 or more; None is as the environment says: the variable FASTGRAM_NUM_THREADS where it is
        set, else the least of the processors that the process may run on, the CPU quota of its
        control groups, NUMBA_NUM_THREADS, OMP_NUM_THREADS and what ``threadpool_limits`` of
        threadpoolctl leaves to OpenBLAS or BLIS. joblib sets these for its processes.

    Raises
    ------
    ValueError, TypeError
        If `n` is no integer of at least 1.

    Notes
    -----
    Products and matrices have the same bits on any number of threads. ``fastgram info`` says how
    many are taken and what decided it. Where several threads of a process multiply, or make
    matrices, at a time (joblib's threading backend, say), each that begins takes its part of them:
    all divided by those under way, and at least one. Other work is not divided: factorisations,
    and tables.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.set_num_threads(1)
    >>> fg.set_num_threads(None)
    """
    global _chosen
    _chosen = None if n is None else as_integer("n", n, 1)


@contextmanager
def threads_here(n: int) -> Iterator[None]:
    """Take `n` threads in what this thread asks for, whatever the process may take.

    For tasks of a Dask worker, whose process is told to take one where it has many.
    """
    token = _here.set(n)
    try:
        yield
    finally:
        _here.reset(token)


def thread_count() -> int:
    """Return how many threads to work on."""
    return thread_limit().value


def thread_limit() -> Limit:
    """Return how many threads to work on, and what decides it."""
    if (here := _here.get()) is not None:
        return Limit(here, "threads_here")
    if _chosen is not None:
        return Limit(_chosen, "set_num_threads")
    mine = "FASTGRAM_NUM_THREADS"
    if word := os.environ.get(mine, "").strip():
        number = _threads_in(word)
        if number is None:
            raise ValueError(f"{mine} must be an integer of at least 1, not {word!r}")
        return Limit(number, mine)
    limits = processor_limits()
    for name in _GENERAL:
        number = _threads_in(os.environ.get(name, ""))
        if number is not None:  # what is no number says nothing to OpenMP either
            limits.append(Limit(number, name))
    limits += _blas_limits(limits[0].value)
    return min(limits, key=lambda limit: limit.value)


def _threads_in(text: str) -> int | None:
    """Return a number of at least 1; of a list, one a level, the first."""
    word = text.partition(",")[0].strip()
    return int(word) if word.isdecimal() and int(word) > 0 else None


def _blas_limits(processors: int) -> list[Limit]:
    """Return the threads of each BLAS that was told to take fewer than it would by itself.

    So does `threadpool_limits` say what it is told; a variable of BLAS's own is not meant for us.
    """
    found = []
    for library, threads in one_blas_thread.numbers():
        own = [_threads_in(os.environ.get(name, "")) for name in _OWN[library.internal_api]]
        usual = min([processors, _MOST_OF_BLAS, *(number for number in own if number)])
        if threads < usual:
            found.append(Limit(threads, f"threads of {library.internal_api}"))
    return found


@contextmanager
def share_of_threads() -> Iterator[int]:
    """Hold a part of the threads, and say how many: all, over the number of those that hold one.

    For work whose results have the same bits on any number of threads.
    """
    global _working
    with _working_lock:
        _working += 1
        others = _working
    try:
        yield max(thread_count() // others, 1)
    finally:
        with _working_lock:
            _working -= 1


@contextmanager
def within_threads() -> Iterator[None]:
    """Let BLAS take no more threads than fastgram may."""
    with one_blas_thread(thread_count()):
        yield


class _BlasThreads:
    """Holds BLAS to few threads while any work that wants it runs, and restores it after the last.

    Every thread that multiplies has to enter: OpenBLAS has one number of threads for the whole
    process, but MKL and BLAS on OpenMP have one for each thread that calls them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libraries: list[Any] | None = None
        self._wanted: list[int] = []  # of all that is under way
        self._before: list[int] = []  # of each library, before any of it began

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

    def numbers(self) -> list[tuple[Any, int]]:
        """Return the libraries with the threads that each has where nothing holds it."""
        with self._lock:
            shared = [library for library in self._find() if _is_shared(library)]
            if not self._wanted:
                return [(library, library.num_threads) for library in shared]
            return list(zip(shared, self._before, strict=True))

    @contextmanager
    def __call__(self, most: int = 1) -> Iterator[None]:
        with self._lock:
            libraries = self._find()
            shared = [library for library in libraries if _is_shared(library)]
            if not self._wanted:
                self._before = [library.num_threads for library in shared]
            self._wanted.append(most)
            self._hold(shared)
        own = [(library, library.num_threads) for library in libraries if not _is_shared(library)]
        for library, threads in own:
            library.set_num_threads(min(threads, most))
        try:
            yield
        finally:
            for library, threads in own:
                library.set_num_threads(threads)
            with self._lock:
                self._wanted.remove(most)
                self._hold(shared)

    def _hold(self, shared: list[Any]) -> None:
        for library, before in zip(shared, self._before, strict=True):
            threads = min([before, *self._wanted])
            if library.num_threads != threads:
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

    def alone(item: Item) -> Result:
        with one_blas_thread():
            return work(item)

    with share_of_threads() as share:
        count = threads or share
        if count == 1:
            yield from map(alone, items)
        else:
            yield from _in_pool(alone, items, count)


def _in_pool(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    remaining = iter(items)
    with one_blas_thread(), ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
        try:
            waiting.extend(pool.submit(work, i) for i in itertools.islice(remaining, count + 1))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, i) for i in itertools.islice(remaining, 1))
        finally:
            for future in waiting:
                future.cancel()
