"""Waiting for a cluster: an eye on its scheduler and workers, and an end where there are none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import time
from collections.abc import Awaitable
from typing import Any

import dask
from dask.utils import parse_timedelta

__all__ = ["TICK", "LostData", "Watch"]

# Seconds between two looks at who is there.
TICK = 1.0
_TIMEOUT = "fastgram.worker-timeout"  # in Dask's configuration
_DEFAULT_TIMEOUT = "60s"


class LostData(Exception):
    """What tasks need went with the workers that had it."""


class Watch:
    """Looks at the workers while something waits for them.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._alone_since: float | None = None
        self._limit = parse_timedelta(dask.config.get(_TIMEOUT, _DEFAULT_TIMEOUT), "s")

    def workers(self) -> list[str]:
        """Return the addresses of the workers, none of them where there are none for now.

        Raises
        ------
        ConnectionError
            If the scheduler is gone.
        TimeoutError
            If there has been no worker for as long as is allowed.
        """
        if self._client.status not in ("running", "connecting"):
            raise self.scheduler_lost()
        try:
            found = list(self._client.nthreads())
        except (OSError, RuntimeError):
            raise self.scheduler_lost() from None
        if found:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
            print(
                f"fastgram: the cluster has no worker: waiting for one, {self._limit:g} s at most",
                file=sys.stderr,
                flush=True,
            )
        elif time.monotonic() - self._alone_since > self._limit:
            raise TimeoutError(
                f"the cluster has had no worker for {self._limit:g} s (Dask's configuration"
                f" {_TIMEOUT!r} sets how long to wait)"
            )
        return found

    def scheduler_lost(self) -> ConnectionError:
        """Return the error for a scheduler that does not answer."""
        address = getattr(self._client.scheduler, "address", "of the cluster")
        return ConnectionError(f"the connection to the scheduler {address} is lost")

    def wait_for_workers(self) -> list[str]:
        """Return the addresses of the workers, once there are any."""
        while not (found := self.workers()):
            time.sleep(TICK / 4.0)
        return found

    def result(self, awaitable: Awaitable[Any]) -> Any:
        """Return what an awaitable of the client comes to, with an eye on the workers.

        Raises
        ------
        LostData
            If it was cancelled.
        """
        pending = asyncio.run_coroutine_threadsafe(
            _coroutine(awaitable), self._client.loop.asyncio_loop
        )
        try:
            while not concurrent.futures.wait([pending], TICK).done:
                self.workers()
            return pending.result()
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            if self._client.status != "running":
                raise self.scheduler_lost() from None
            raise LostData from None
        finally:
            pending.cancel()


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
