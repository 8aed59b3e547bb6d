"""`--cluster`: where a command computes that is given to a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from fastgram.cli.options import reject_options

__all__ = ["check_cluster", "computing"]


def check_cluster(context: typer.Context, cluster: str | None, config_file: str | None) -> None:
    """Refuse, before anything is read, a cluster that cannot be, and options that are not of one.

    Raises
    ------
    ValueError
        For another word than local:N or an address, and options that do not go together.
    """
    if cluster is None:
        if config_file is not None:
            raise ValueError("--cluster-config does not apply without --cluster")
        return
    reject_options(context, ("device", "memory"), "with --cluster")
    if "://" not in cluster:
        _count(cluster)


@contextmanager
def computing(
    cluster: str | None, config_file: str | None, operator: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the options of a matrix, and the client whose cluster computes it, None without one.

    Raises
    ------
    ConnectionError
        If no scheduler is there, or it has no workers.
    ImportError
        If Dask is missing.
    """
    if cluster is None:
        yield operator, None
        return
    try:
        from fastgram.devices.cluster.opening import connected, local_processes
    except ImportError as error:
        if error.name not in ("distributed", "dask"):
            raise
        raise ImportError("--cluster needs Dask: pip install 'fastgram[cluster]'") from None
    if "://" in cluster:
        opened = connected(cluster, config_file)
    else:
        opened = local_processes(_count(cluster), config_file)
    with opened as client:
        yield {**operator, "device": "cluster"}, client


def _count(cluster: str) -> int:
    word, _, number = cluster.partition(":")
    if word != "local" or not number.isdecimal() or int(number) < 1:
        raise ValueError(
            f"cluster must be local:N, for N processes, or a scheduler's address, as in"
            f" tcp://host:8786, not {cluster!r}"
        )
    return int(number)
