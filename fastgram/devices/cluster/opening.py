"""A client for the command line: of processes of its own on this machine, or of a scheduler."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import distributed
import yaml

from fastgram.support.threads import thread_count

__all__ = ["connected", "local_processes"]

# Seconds that a scheduler, and its first worker, are waited for.
_PATIENCE = 5


@contextmanager
def local_processes(count: int, config_file: str | None) -> Iterator[Any]:
    """Yield a client of processes on the loopback, which share the threads of this machine.

    Parameters
    ----------
    count : int
    config_file : str or None
        YAML of Dask's configuration.
    """
    words: dict[str, Any] = {
        "n_workers": count,
        "threads_per_worker": max(1, thread_count() // count),
        "processes": True,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "scheduler_kwargs": {"dashboard": False},
        "memory_limit": None,  # the matrix is not what takes memory
        "silence_logs": logging.CRITICAL,
    }
    with (
        # Dask looks at what workers do every hundredth of a second: a tenth of their time
        dask.config.set({"distributed.worker.profile.enabled": False}),
        _configured(config_file),
        distributed.LocalCluster(**words) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(count)
        yield client


@contextmanager
def connected(address: str, config_file: str | None) -> Iterator[Any]:
    """Yield a client of a scheduler.

    Raises
    ------
    ConnectionError
        If no scheduler is there, or it has no workers.
    """
    with _configured(config_file):
        try:
            client = distributed.Client(address, timeout=_PATIENCE)
        except OSError:
            raise ConnectionError(f"no scheduler answers at {address}") from None
        with client, warnings.catch_warnings():
            # Dask's own on other versions of Python or NumPy there: what matters is refused
            warnings.filterwarnings("ignore", "Mismatched versions", UserWarning)
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError:
                raise ConnectionError(f"the scheduler at {address} has no workers") from None
            yield client


@contextmanager
def _configured(config_file: str | None) -> Iterator[None]:
    if config_file is None:
        yield
        return
    try:
        found = yaml.safe_load(Path(config_file).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{config_file} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{config_file} must hold keys of Dask's configuration, as distributed:")
    with dask.config.set(dict(_flat("", found))):
        yield


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested keys, so that what is beside them in the configuration stays."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, part in value.items():
        yield from _flat(f"{name}.{key}" if name else str(key), part)
