"""Tasks dealt out to workers, a few at a time, and their results merged by a tree."""

from __future__ import annotations

import queue
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import fastgram
from fastgram.devices.cluster.tasks import run
from fastgram.devices.cluster.waiting import TICK, LostData, Watch

__all__ = ["Dealer", "Merge"]

Merge = Callable[[Any, Any], Any]  # of two neighbours' results, neither of which it may change

# Tasks that a worker has at a time: the one that it works on, and the next.
_AHEAD = 2


class Dealer:
    """One call that is under way.

    Parameters
    ----------
    client : distributed.Client
    watch : Watch
    function : callable
        Of what is held, what is shared, and the task's own.
    parcel, shared : Future
        What is held and shared.
    """

    def __init__(
        self, client: Any, watch: Watch, function: Callable[..., Any], parcel: Any, shared: Any
    ) -> None:
        self._client, self._watch = client, watch
        self._function, self._parcel, self._shared = function, parcel, shared
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[Any, str] = {}  # from a task's future to the worker it was dealt to
        self._load: Counter[str] = Counter()

    def deal(self, own: Sequence[Any], merge: Merge | None) -> Any:
        """Return the future of the results merged, or without `merge` a list of all futures.

        All are dealt out and done when it returns, but for what is merged.
        """
        waiting, results = deque(own), _Tree(self._client, merge)
        workers, looked = self._watch.workers(), time.monotonic()
        while waiting or self._under_way:
            for worker in self._with_room(workers, len(waiting)):
                results.append(self._submit(waiting.popleft(), worker))
            try:
                self._finished(self._done.get(timeout=TICK))
            except queue.Empty:
                looked = 0.0
            if time.monotonic() - looked > TICK:  # who has gone, and who has come
                workers, looked = self._watch.workers(), time.monotonic()
        return results.finish()

    def _with_room(self, workers: list[str], count: int) -> list[str]:
        """Return as many workers as there are tasks and room, who has least to do first."""
        found = []
        for level in range(_AHEAD):
            found += [worker for worker in workers if self._load[worker] <= level]
        return found[:count]

    def _submit(self, own: Any, worker: str) -> Any:
        future = self._client.submit(
            run,
            *(self._function, fastgram.__version__, self._parcel, self._shared, own),
            key=f"{self._function.__name__}-{uuid.uuid4().hex}",
            workers=[worker],
            allow_other_workers=True,  # where this one is lost
        )
        self._under_way[future] = worker
        self._load[worker] += 1
        future.add_done_callback(self._done.put)
        return future

    def _finished(self, future: Any) -> None:
        self._load[self._under_way.pop(future)] -= 1
        if future.status == "error":
            raise future.exception()
        if future.status == "cancelled":
            if self._client.status != "running":
                raise self._watch.scheduler_lost()
            raise LostData


class _Tree:
    """Results in their order, two neighbours of one size merged as soon as both are dealt out.

    So few wait to be merged at any time, and which are merged depends on their number alone.
    """

    def __init__(self, client: Any, merge: Merge | None) -> None:
        self._client, self._merge = client, merge
        self._found: list[tuple[int, Any]] = []  # how many results each one is made of

    def append(self, future: Any) -> None:
        self._found.append((1, future))
        while self._merge and len(self._found) > 1 and self._found[-2][0] == self._found[-1][0]:
            self._merge_last()

    def finish(self) -> Any:
        if self._merge is None:
            return [future for _, future in self._found]
        while len(self._found) > 1:
            self._merge_last()
        return self._found[0][1]

    def _merge_last(self) -> None:
        (left, first), (right, second) = self._found[-2:]
        assert self._merge is not None
        key = f"{self._merge.__name__}-{uuid.uuid4().hex}"
        # sooner than what was dealt out before: it gives memory back
        merged = self._client.submit(self._merge, first, second, key=key, priority=1)
        self._found[-2:] = [(left + right, merged)]
