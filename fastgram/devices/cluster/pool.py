"""A pool: the workers of a Dask cluster, and functions that they run on what they hold.

Tasks are dealt out by the client, two a worker at a time: who is slow gets fewer. Dask runs again
what a dead worker had. Where every copy of what was sent out is gone, it is sent again, and the
call begins anew.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from distributed import KilledWorker

import fastgram
from fastgram.devices.band import BASIS_PART, TASKS_A_WORKER
from fastgram.devices.cluster.dealing import Dealer, Merge
from fastgram.devices.cluster.owned_rows import OwnedRows
from fastgram.devices.cluster.tasks import Parcel, run
from fastgram.devices.cluster.waiting import LostData, Watch

__all__ = ["Held", "Pool"]

Function = Callable[[Any, Any, Any], Any]  # of what is held, what is shared, and the task's own

# How often a call begins anew where all the workers are lost that had its data.
_ATTEMPTS = 4


class Held:
    """Something that the workers hold: sent to all at the first use, and again where it is lost.

    They let go of it with this object.
    """

    def __init__(self, client: Any, content: Any) -> None:
        self.content = content
        self._client = client
        self._future: Any = None
        self._lock = threading.Lock()

    def future(self, watch: Watch) -> Any:
        """Return what stands for it in a task."""
        with self._lock:
            if self._future is None or self._future.status != "finished":
                self._future = scatter(self._client, watch, Parcel(self.content))
            return self._future


class Pool:
    """The workers of a cluster.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    ValueError, TypeError
        If the client is closed, or asynchronous.
    """

    def __init__(self, client: Any) -> None:
        if client.asynchronous:
            raise TypeError("device= takes a distributed.Client that is not asynchronous")
        if client.status != "running":
            raise ValueError(f"device=: the distributed.Client is {client.status}")
        self._client = client

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return str(self._client.scheduler.address)

    def workers(self) -> list[str]:
        """Return the addresses of the workers, of which there may be none."""
        return Watch(self._client).workers()

    def task_count(self) -> int:
        """Return into how many tasks to divide a call: a few for each worker that there is now."""
        return TASKS_A_WORKER * len(Watch(self._client).wait_for_workers())

    def basis_bytes(self) -> int:
        """Return the bytes that a basis may take of the workers' memory, 0 where none has a limit.

        As many from each, by what they are told to keep to and not by what is free: the same
        cluster gives the same answer.
        """
        found = self._client.scheduler_info()["workers"].values()
        limits = [worker["memory_limit"] or 0 for worker in found]
        return len(limits) * min(limits, default=0) // BASIS_PART

    def own_rows(self, n: int, grain: int) -> OwnedRows:
        """Return the workers that there are, as owners of rows."""
        return OwnedRows(self._client, n, grain)

    def hold(self, content: Any) -> Held:
        """Return something as what workers hold; it is pickled."""
        return Held(self._client, content)

    def compute(self, function: Function, held: Held, own: Any) -> Any:
        """Return function(what is held, None, own), computed by any worker; from any thread."""
        return self._again_where_lost(lambda watch: self._compute(watch, function, held, own))

    def gather(self, function: Function, held: Held, shared: Any, own: Sequence[Any]) -> list[Any]:
        """Return function(what is held, shared, o) for each o of `own`."""
        return list(self._deal(function, held, shared, own, None))

    def total(
        self, function: Function, held: Held, shared: Any, own: Sequence[Any], merge: Merge
    ) -> Any:
        """Return the same, merged by two on the workers, in an order that is that of `own`.

        Which two are merged depends on how many there are alone, not on the workers.
        """
        return self._deal(function, held, shared, own, merge)

    def _compute(self, watch: Watch, function: Function, held: Held, own: Any) -> Any:
        watch.wait_for_workers()
        parcel = held.future(watch)
        key = f"{function.__name__}-{uuid.uuid4().hex}"
        arguments = function, fastgram.__version__, parcel, None, own
        future = self._client.submit(run, *arguments, key=key)
        return fetch(self._client, watch, future)

    def _deal(
        self, function: Function, held: Held, shared: Any, own: Sequence[Any], merge: Merge | None
    ) -> Any:
        def attempt(watch: Watch) -> Any:
            watch.wait_for_workers()
            parcel = held.future(watch)
            common = None if shared is None else scatter(self._client, watch, shared)
            dealer = Dealer(self._client, watch, function, parcel, common)
            return fetch(self._client, watch, dealer.deal(own, merge))

        return self._again_where_lost(attempt)

    def _again_where_lost(self, attempt: Callable[[Watch], Any]) -> Any:
        watch = Watch(self._client)
        for _ in range(_ATTEMPTS):
            try:
                return attempt(watch)
            except LostData:
                continue
            except KilledWorker as error:
                raise ConnectionError(
                    f"{error.allowed_failures + 1} workers of the cluster died at the same task:"
                    " they are short of memory, perhaps"
                ) from None
            except ImportError as error:
                raise ImportError(
                    f"a worker of the cluster cannot load what this process has: {error}"
                ) from None
        raise ConnectionError(
            f"the workers of the cluster that had a call's data died, {_ATTEMPTS} times: they are"
            " short of memory, perhaps"
        )


def scatter(client: Any, watch: Watch, content: Any) -> Any:
    """Send something to every worker, from one to the next, and return what stands for it."""
    try:
        return watch.result(
            client.scatter([content], broadcast=True, hash=False, asynchronous=True)
        )[0]
    except (TimeoutError, OSError, KeyError):  # workers that go while they are sent to
        watch.wait_for_workers()  # which ends in words where it is more than that
        raise LostData from None


def fetch(client: Any, watch: Watch, futures: Any) -> Any:
    """Return what a future, or each of a list, comes to."""
    return watch.result(client.gather(futures, asynchronous=True))
