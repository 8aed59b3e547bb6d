"""A Dask cluster as a device: its workers compute entries and products, vectors stay here."""

from __future__ import annotations

from typing import Any

import distributed

from fastgram.devices.cluster.pool import Pool
from fastgram.devices.cpu import Cpu

__all__ = ["Cluster", "cluster_of", "current_cluster"]

# Rows and columns of a block that a worker computes for the client to store: 42 MB in float64, six
# tiles of the CPU, so that entries have the bits that they have there.
_TILE = 6 * Cpu.tile
# Blocks that are on the way at a time, at most: each takes twice its size here, 1.4 GB in all.
_MOST_BLOCKS = 16


class Cluster(Cpu):
    """The workers of a Dask cluster. Arrays are NumPy's, in this process.

    Parameters
    ----------
    client : distributed.Client

    Attributes
    ----------
    pool : Pool
        What runs tasks on the workers.
    """

    name = "cluster"
    tile = _TILE
    keeps_tiles = False
    takes_norm_tables = False

    def __init__(self, client: Any) -> None:
        super().__init__()
        self.pool = Pool(client)
        self.label = f"cluster at {self.pool.address}"
        self.argument = self

    def workers(self, threads: int) -> int:
        """Return how many blocks are asked for at a time: one more a worker than it works on."""
        return max(1, min(2 * len(self.pool.workers()), _MOST_BLOCKS))

    def basis_bytes(self, asked: int | None) -> int | None:
        """Return what was asked for, else half of what is free here: workers hold the rest.

        None where it is not known that they can.
        """
        if not self.pool.basis_bytes():
            return None
        return self.free_memory() // 2 if asked is None else asked

    def __copy__(self) -> Cluster:
        return self

    def __deepcopy__(self, memo: Any) -> Cluster:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return current_cluster, ()  # no connection goes into a pickle

    def __dask_tokenize__(self) -> Any:
        return "fastgram.cluster"


def cluster_of(client: Any) -> Cluster:
    """Return the device of a client.

    Raises
    ------
    ValueError, TypeError
        If it is no client, is closed, or is asynchronous.
    """
    if not isinstance(client, distributed.Client):
        raise TypeError(f"device= takes a distributed.Client, not {type(client).__name__}")
    return Cluster(client)


def current_cluster() -> Cluster:
    """Return the cluster of the client that this process, or this worker's task, has.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        client = distributed.get_client()
    except ValueError:
        raise ValueError(
            "the operator was made on a Dask cluster, and there is no client here: make a"
            " distributed.Client before it is unpickled"
        ) from None
    return Cluster(client)
