"""Blocks of entries, the Protocols of them, and which there are: of infinite or finite width."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.unit_rows import UnitRows
from fastgram.finite_width.entries import FiniteEntries
from fastgram.infinite_width.entries import InOrder, TabledEntries
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_rows

__all__ = ["Blocks", "NetworkBlocks", "Tiles", "as_columns", "blocks_of"]

Tile = Any  # of a device


class Tiles(Protocol):
    """What a traversal takes: entries, a block at a time."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Float32 or float64, of scratch."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j; `scratch` is of its shape.

        Both are the device's.
        """


class Blocks(Tiles, Protocol):
    """The entries between two sets of rows, and what is known of them."""

    @property
    def entry_flops(self) -> float:
        """Cost of computing an entry, in operations of a matrix product."""

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""

    @property
    def of_one_table(self) -> TabledEntries | None:
        """The same where entries over their scales are one function of the cosine, else None."""

    @property
    def factor_columns(self) -> int | None:
        """Columns of a factor J with the matrix = JJᵀ, where there is one."""

    def factor_square(self) -> Array:
        """Return JᵀJ."""

    def plan(self, columns: int, memory: int | None, devices: tuple[Device, ...]) -> Any:
        """Return the `Product` that multiplies so many columns without tiles, None for tiles.

        `memory` is what was asked for to keep tiles in.
        """

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> InOrder | None:
        """Return the same of sorted rows, where products by tiles are cheaper with these."""

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Whether products may keep tiles."""

    def note(self, way: str) -> str:
        """Return a way to multiply, a product's name, in words; empty where it goes by itself."""

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, exact to rounding."""


class NetworkBlocks(Blocks, Protocol):
    """The entries of a network, and what those of more rows like these would take."""

    def flops_by_factors(self, n: int, columns: int, memory: int | None) -> float | None:
        """Return what a product by factors takes, None where it goes by entries.

        Of a matrix of n rows, in floating-point operations.
        """

    def tile_feature_bytes(self, n: int) -> int:
        """Return the bytes that tiles need of n rows, besides the rows."""


def blocks_of(
    network: Network,
    kind: str,
    X: npt.NDArray[np.floating],
    Y: npt.NDArray[np.floating] | None,
    dtype: np.dtype[np.floating],
) -> NetworkBlocks:
    """Return the entries between the rows of X and those of Y, or of X again."""
    if network.width is not None:
        return FiniteEntries.of(network, kind, X, Y, dtype)
    rows = UnitRows.of(X, dtype, "X", network.augmented)
    columns = rows if Y is None else UnitRows.of(Y, dtype, "Y", network.augmented)
    with one_blas_thread():  # quadratures are small products: threads of BLAS would only wait
        return entries_between(network, kind, rows, columns, dtype)


def as_columns(
    Y: Any, rows: npt.NDArray[np.floating], *, own: bool = False, name: str = "Y"
) -> npt.NDArray[np.floating]:
    """Return Y, which the columns of a matrix are of, as `rows` were checked; see `as_rows`."""
    columns, count = as_rows(Y, name, own=own), rows.shape[1]
    if columns.shape[1] != count:
        raise ValueError(
            f"{name} has rows of {columns.shape[1]} features and X of {count}: they must agree"
        )
    return columns
