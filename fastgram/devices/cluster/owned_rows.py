"""Arrays of n rows that the workers of a cluster hold between them, some rows each.

Unlike what a pool's tasks need, a worker's rows are nowhere else: they go with it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import fastgram
from fastgram.devices.cluster.tasks import run_on_rows
from fastgram.devices.cluster.waiting import LostData, Watch
from fastgram.devices.device import LostRowsError
from fastgram.support.arrays import Array

__all__ = ["OwnedRows"]

Parts = list[Any]  # a future for each owner


class OwnedRows:
    """The workers that there are, as owners of rows.

    Parameters
    ----------
    client : distributed.Client
    n : int
    grain : int
        Each owner's rows begin at a multiple of it.

    Attributes
    ----------
    slices : list of slice
        The rows of each owner.
    """

    def __init__(self, client: Any, n: int, grain: int) -> None:
        self._client = client
        workers = sorted(Watch(client).wait_for_workers())
        grains = -(-n // grain)
        ends = [grains * number // len(workers) for number in range(len(workers) + 1)]
        shares = zip(ends, ends[1:], workers, strict=False)
        owned = [(slice(a * grain, min(b * grain, n)), who) for a, b, who in shares if b > a]
        self.slices = [rows for rows, _ in owned]
        self._owners = [who for _, who in owned]
        self._watch = _WatchOwners(client, self._owners)

    def send(self, parts: Sequence[Array]) -> Parts:
        """Send each owner an array, and return what stands for them."""
        sent = zip(parts, self._owners, strict=True)

        async def scatter() -> list[Any]:
            words: dict[str, Any] = {"hash": False, "asynchronous": True}
            to_all = (self._client.scatter([part], workers=[who], **words) for part, who in sent)
            return list(await asyncio.gather(*to_all))

        return [found[0] for found in self._result(scatter())]

    def apply(self, function: Callable[..., Any], shared: Any, *arrays: Parts | None) -> Parts:
        """Return what stands for function(shared, own, …) of each owner, computed where it is."""
        return [
            self._client.submit(
                run_on_rows,
                *(function, fastgram.__version__, shared),
                *(None if parts is None else parts[number] for parts in arrays),
                key=f"{function.__name__}-{uuid.uuid4().hex}",
                workers=[who],
            )
            for number, who in enumerate(self._owners)
        ]

    def get(self, parts: Parts) -> list[Any]:
        """Return what each owner has.

        Raises
        ------
        LostRowsError
            If one of them is gone.
        """
        return list(self._result(self._client.gather(parts, asynchronous=True)))

    def _result(self, awaitable: Any) -> Any:
        try:
            return self._watch.result(awaitable)
        except LostRowsError:
            raise
        except (LostData, KeyError, OSError):
            self._watch.workers()  # where the scheduler itself is gone it says so
            raise self._watch.lost() from None


class _WatchOwners(Watch):
    """Looks whether all owners are there."""

    def __init__(self, client: Any, owners: list[str]) -> None:
        super().__init__(client)
        self._owners = owners

    def workers(self) -> list[str]:
        """Return the addresses of the workers.

        Raises
        ------
        LostRowsError
            If an owner is not among them.
        """
        found = super().workers()
        if not set(self._owners) <= set(found):
            raise self.lost()
        return found

    def lost(self) -> LostRowsError:
        """Return the error for rows that are lost."""
        return LostRowsError(
            "a worker of the cluster died that had rows of the basis: with a checkpoint the run"
            " goes on from there"
        )
