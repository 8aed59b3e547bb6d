"""The Protocol of a device, which computes tiles and holds arrays.

A traversal is written once, for arrays of any namespace; a device brings the namespace, the way
there and back, the compiled kernels, and what its library of arrays does its own way. On the CPU
arrays are NumPy's and each thread works for the same device; of GPUs each has one thread that feeds
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import Table

if TYPE_CHECKING:
    from fastgram.devices.unit_rows import UnitRows

__all__ = ["Device", "LostRowsError", "Multiplier", "multiply_by_blas"]

Array = Any  # of the device's namespace
Item = TypeVar("Item")
Made = TypeVar("Made")
# From a tile, x and y, and two sums: adds tile @ x to the first and tileᵀ @ y to the second.
Multiplier = Callable[[Array, Array, Array, Array, Array], None]


class LostRowsError(ConnectionError):
    """A process that held rows for a device is gone, and they with it."""


class Device(Protocol):
    """A device computes tiles, and holds arrays.

    Attributes
    ----------
    name : {"cpu", "gpu", "cluster"}
    label : str
        What it is, for people.
    xp : module
        The namespace of its arrays: NumPy, or CuPy.
    tile : int
        Rows and columns of a tile.
    row_block : int
        Rows of thin matrices that are multiplied at a time.
    speed : float
        Of products, beside that of the CPU, for the choice between them and a factorisation: a
        constant, so that the choice is one.
    keeps_tiles : bool
        Whether tiles may be kept between products.
    takes_norm_tables : bool
        Whether `evaluate` takes a `NormTable`.
    pool : Pool or None
        Of processes that compute for the device, on a cluster; None where this one does.
    argument : str or Device
        What `fastgram.devices.registry.as_devices` makes it of again, in a copy or from a pickle.
    """

    name: str
    label: str
    xp: Any
    tile: int
    row_block: int
    speed: float
    keeps_tiles: bool
    takes_norm_tables: bool
    pool: Any
    argument: Any

    # --- who works, and where ---------------------------------------------------------------------

    def context(self) -> AbstractContextManager[None]:
        """Return what a thread that works for the device goes through."""

    def finish(self) -> None:
        """Wait until all that was asked for is done."""

    def workers(self, threads: int) -> int:
        """Return how many threads work for the device at a time, of those that there are."""

    def in_order(
        self,
        make: Callable[[Item], Made],
        use: Callable[[Item, Made], Array],
        items: Iterable[Item],
        threads: int | None = None,
    ) -> Iterator[Array]:
        """Yield use(item, make(item)) in the order of the items.

        `make` works on the host, on many threads; `use` where arrays of the device may be made.
        """

    def scratch(self, count: int, dtype: np.dtype[np.floating]) -> AbstractContextManager[Array]:
        """Lend an array of so many numbers; when it goes back all work with it is done."""

    def release_scratch(self) -> None:
        """Give back what is kept to be lent again."""

    def free_memory(self) -> int:
        """Return the bytes that could be taken."""

    def basis_bytes(self, asked: int | None) -> int | None:
        """Return the bytes that the basis of a Lanczos run may take of the device's memory.

        Those that were asked for, else half of what is free; None where no other memory is left to
        keep the rest in.
        """

    # --- arrays, there and back -------------------------------------------------------------------

    def owns(self, value: object) -> bool:
        """Whether this is an array of the device's kind."""

    def put(self, array: Array) -> Array:
        """Return an array of the host or of another device on this one."""

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return an array of the device on the host."""

    def get_all(self, *arrays: Array) -> list[npt.NDArray[Any]]:
        """Return small float64 arrays of the device on the host, by one copy."""

    def copy_to_host(self, array: Array) -> npt.NDArray[Any]:
        """Return a NumPy array that shares no memory with this one of the device."""

    def from_gpu(self, vectors: Any) -> Array:
        """Return vectors that are on a GPU, of any library, as an array of the device.

        Raises
        ------
        TypeError
            If the device is no GPU.
        """

    def device_copy(self, array: npt.NDArray[Any]) -> Array:
        """Return a host's array on the device: copied once, for as long as the array lives."""

    def assign(self, target: Array, array: Array) -> None:
        """Write an array of any device to one of this device, from any thread."""

    def add(self, target: Array, part: Array) -> None:
        """Add an array of any device, its first columns, to one of this one, from any thread."""

    def store_transpose(
        self, tile: Array, out: npt.NDArray[Any], rows: slice, columns: slice
    ) -> None:
        """Set out[columns, rows] to the transpose of a tile; `out` is C-contiguous, on the host."""

    # --- tiles ------------------------------------------------------------------------------------

    def unit(self, rows: UnitRows) -> Array:
        """Return the unit rows as `evaluate` takes them, (n, at least d)."""

    def cosines(self, rows: UnitRows, i: slice, columns: UnitRows, j: slice, out: Array) -> None:
        """Fill `out` with the inner products of unit rows i and unit columns j."""

    @property
    def evaluate(self) -> Callable[..., None]:
        """The tile kernel: `fastgram.kernels.contract`."""

    @property
    def count(self) -> Callable[..., None]:
        """Inner products of two-valued rows: `fastgram.kernels.cpu.bit_products.products`."""

    def mirror(self, tile: Array) -> None:
        """Copy the upper triangle of a diagonal tile to the lower one."""

    def uses_fused_product(self, table: Table) -> bool:
        """Whether products by this table go by `fastgram.devices.fused_product`, without tiles."""

    # --- vectors ----------------------------------------------------------------------------------

    def columns_of(self, V: Array) -> Array:
        """Return a block of vectors in the form that the multiplier takes slices of."""

    def multiplier(self, columns: int) -> Multiplier:
        """Return what multiplies tiles with blocks of so many vectors."""

    def qr(self, block: Array) -> tuple[Array, npt.NDArray[np.float64]]:
        """Return orthonormal columns, on the device, and the triangle that goes with them, here."""

    def orthonormal(self, block: Array) -> tuple[Array, Array]:
        """Return orthonormal columns and the triangle that goes with them, without waiting for it.

        Both are on the device. Of columns that are dependent, or nearly so, the triangle says that
        they are, by its singular values or by numbers that are not finite, and they may not be
        orthonormal.
        """

    def norm(self, block: Array, scale: float) -> Array:
        """Return the Frobenius norm of a block, there: of one not far larger than a scale."""

    def orthogonalise(self, block: Array, chunks: Iterable[Array]) -> None:
        """Subtract from the block, in place, its part in the span of each chunk of columns.

        The columns of a chunk are orthonormal; the chunks are taken one after the other.
        """


def multiply_by_blas(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    """Multiply by two matrix products of the arrays' library."""
    row += tile @ x
    part += tile.T @ y
