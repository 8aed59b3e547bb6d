"""The words that arguments and results choose from, as types."""

from __future__ import annotations

from typing import Any, Literal, Protocol

__all__ = [
    "AnsweringMethod",
    "DaskClient",
    "DeviceName",
    "Kind",
    "Method",
    "Readout",
    "RowScaling",
]

Kind = Literal["gradient", "nngp", "ntk"]
Readout = Literal["rademacher", "gaussian"]
DeviceName = Literal["cpu", "gpu", "auto"]
Method = Literal["auto", "dense", "lanczos", "certified", "arpack"]
# What "auto" comes to, and what the others end as.
AnsweringMethod = Literal["dense", "lanczos", "inverse", "certified", "arpack"]
RowScaling = Literal["unit", "raw"]


class DaskClient(Protocol):
    """A `distributed.Client`, by what it has: Dask need not be installed for this type."""

    def scatter(self, *arguments: Any, **options: Any) -> Any:
        """Send data to workers."""

    def gather(self, *arguments: Any, **options: Any) -> Any:
        """Return what futures come to."""

    def nthreads(self, *arguments: Any, **options: Any) -> Any:
        """Return the threads of each worker."""
