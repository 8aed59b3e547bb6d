"""What runs on a worker: a function of something that the worker holds, one at a time."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle
import numpy as np
from distributed import get_worker

import fastgram
from fastgram.support.threads import threads_here

__all__ = ["Parcel", "run", "run_on_rows"]

_TURNS: dict[str, threading.Lock] = {}  # of workers by their addresses: a process may have several


class Parcel:
    """Something that workers hold, with its size in bytes, which Dask asks for.

    What comes over a network lies in memory at any byte, and NumPy copies an array that is not
    aligned in each product. The arrays of a parcel that has come are aligned, and writable.
    """

    def __init__(self, content: Any) -> None:
        self.content = content
        text, buffers = self._packed()
        self.nbytes = len(text) + sum(buffer.raw().nbytes for buffer in buffers)

    def _packed(self) -> tuple[bytes, list[pickle.PickleBuffer]]:
        buffers: list[pickle.PickleBuffer] = []
        text = cloudpickle.dumps(self.content, protocol=5, buffer_callback=buffers.append)
        return text, buffers

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, self._packed()

    def __sizeof__(self) -> int:
        return self.nbytes


def _unpacked(text: bytes, buffers: list[Any]) -> Parcel:
    aligned = [np.frombuffer(buffer, np.uint8).copy() for buffer in buffers]
    return Parcel(pickle.loads(text, buffers=aligned))


def run(
    function: Callable[[Any, Any, Any], Any], version: str, parcel: Parcel, shared: Any, share: Any
) -> Any:
    """Return function(content of the parcel, shared, share), on all threads of this worker.

    Raises
    ------
    ValueError
        If the worker has another version of fastgram than the client.
    """
    with _turn(version):
        return function(parcel.content, shared, share)


def run_on_rows(function: Callable[..., Any], version: str, shared: Any, *own: Any) -> Any:
    """Return function(shared, *own), as `run` does: of what this worker alone holds."""
    with _turn(version):
        return function(shared, *own)


@contextmanager
def _turn(version: str) -> Iterator[None]:
    """Take all threads of this worker.

    A worker of many threads is given as many tasks, and would then have as many products in memory,
    each on one thread: they take turns.
    """
    worker = get_worker()
    if fastgram.__version__ != version:
        raise ValueError(
            f"the worker {worker.address} has fastgram {fastgram.__version__} and this process"
            f" {version}: install the same on both"
        )
    with _TURNS.setdefault(worker.address, threading.Lock()), threads_here(worker.state.nthreads):
        yield
