"""Clusters on the loopback, of processes or, which start at once, of threads of this one."""

from __future__ import annotations

import contextlib

import dask
import distributed
from distributed.utils import get_mp_context

__all__ = ["processes", "threads"]

QUIET = {
    "dashboard_address": ":0",  # where the scheduler's own pages are, or it takes a fixed port
    "scheduler_kwargs": {"dashboard": False},
    "silence_logs": 50,
    "memory_limit": None,
}


# What a worker has imported by its first task; taken from a process that has it, it is one that
# starts in no time.
IMPORTED = ["distributed", "fastgram.matrix.divided.tasks", "fastgram.devices.cpu"]


@contextlib.contextmanager
def processes(count):
    """A client of so many workers in processes of their own, of a thread each."""
    words = {"n_workers": count, "threads_per_worker": 1, "processes": True, **QUIET}
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(IMPORTED)
        with distributed.LocalCluster(**words) as cluster, distributed.Client(cluster) as client:
            yield client


@contextlib.contextmanager
def threads(count, each=1, **more):
    """A client of so many workers in this process, which start at once."""
    words = {"n_workers": count, "threads_per_worker": each, "processes": False, **QUIET, **more}
    with distributed.LocalCluster(**words) as cluster, distributed.Client(cluster) as client:
        yield client
