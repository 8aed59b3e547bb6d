"""What computes tiles: the one place that knows a device by name.

A traversal is written once, for arrays of any namespace; a `Device` brings the namespace, the way
there and back, and the few things that are done by compiled code. On the CPU arrays are NumPy's and
each thread works for the same device; of GPUs each has one thread that feeds it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import Table
from fastgram.support.literals import DeviceName
from fastgram.support.memory import free_memory
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_choice, on_gpu

if TYPE_CHECKING:
    from fastgram.devices.unit_rows import UnitRows

__all__ = [
    "CPU",
    "DEVICES",
    "Device",
    "Multiplier",
    "as_devices",
    "by_products",
    "gpus",
    "host_rows",
]

Array = Any  # of the device's namespace
# From a tile, x and y, and two sums: adds tile @ x to the first and tileᵀ @ y to the second.
Multiplier = Callable[[Array, Array, Array, Array, Array], None]

DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)

# Rows and columns of a tile on the CPU. In float64 a tile takes 1.1 MB, about a second-level cache;
# smaller ones lose time to the interpreter between them, larger ones to memory.
_CPU_TILE = 384


class Device(Protocol):
    """What computes tiles, and holds them.

    Attributes
    ----------
    name : {"cpu", "gpu"}
    label : str
        What it is, for people.
    xp : module
        The namespace of its arrays: NumPy, or CuPy.
    on_host : bool
        Whether its arrays are NumPy's.
    tile : int
        Rows and columns of a tile.
    speed : float
        Of products, beside that of the CPU, for the choice between them and a factorisation: a
        constant, so that the choice is one.
    """

    name: str
    label: str
    xp: Any
    on_host: bool
    tile: int
    speed: float

    def context(self) -> AbstractContextManager[None]:
        """Return what a thread that works for the device goes through."""

    def finish(self) -> None:
        """Wait until all that was asked for is done."""

    def free_memory(self) -> int:
        """Return the bytes that could be taken."""

    def owns(self, value: object) -> bool:
        """Whether this is an array of the device's kind."""

    def put(self, array: Array) -> Array:
        """Return an array of the host or of another device on this one."""

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return an array of the device on the host."""

    def held(self, array: npt.NDArray[Any]) -> Array:
        """Return a host's array on the device: copied once, for as long as the array lives."""

    def unit(self, rows: UnitRows) -> Array:
        """Return the unit rows as `evaluate` takes them, (n, at least d)."""

    def cosines(self, rows: UnitRows, i: slice, columns: UnitRows, j: slice, out: Array) -> None:
        """Fill `out` with the inner products of unit rows i and unit columns j."""

    @property
    def evaluate(self) -> Callable[..., None]:
        """The tile kernel: the contract of `fastgram.kernels.contract`."""

    def fuses(self, table: Table) -> bool:
        """Whether products by this table go by `fastgram.devices.fused_product`, without tiles."""

    @property
    def count(self) -> Callable[..., None]:
        """Inner products of two-valued rows: `fastgram.kernels.cpu.bit_products.products`."""

    def mirror(self, tile: Array) -> None:
        """Copy the upper triangle of a diagonal tile to the lower one."""

    def columns_of(self, V: Array) -> Array:
        """Return a block of vectors in the form that the multiplier takes slices of."""

    def multiplier(self, columns: int) -> Multiplier:
        """Return what multiplies tiles with blocks of so many vectors."""


class Cpu:
    """The CPU: NumPy arrays, Numba kernels and BLAS."""

    name = label = "cpu"
    xp: ModuleType = np
    on_host = True
    tile = _CPU_TILE
    speed = 1.0

    def context(self) -> AbstractContextManager[None]:
        """Hold BLAS to one thread."""
        return one_blas_thread()

    def finish(self) -> None:
        """Nothing is ever under way."""

    def free_memory(self) -> int:
        """Return the bytes of memory that could be taken."""
        return free_memory()

    def owns(self, value: object) -> bool:
        """Whether this is a NumPy array."""
        return isinstance(value, np.ndarray)

    def put(self, array: Array) -> Array:
        """Return the array itself."""
        return array

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return the array itself."""
        return np.asarray(array)

    def held(self, array: npt.NDArray[Any]) -> Array:
        """Return the array itself."""
        return array

    def unit(self, rows: UnitRows) -> Array:
        """Return the unit rows."""
        return rows.unit

    def cosines(self, rows: UnitRows, i: slice, columns: UnitRows, j: slice, out: Array) -> None:
        """Fill `out` with the inner products of unit rows i and unit columns j."""
        rows.cosines(i, columns, j, out)

    @property
    def evaluate(self) -> Callable[..., None]:
        """The Numba tile kernel; compiled code is loaded when it is needed."""
        from fastgram.kernels.cpu.evaluate import evaluate

        return evaluate

    def fuses(self, table: Table) -> bool:
        """Return False: tiles are in the cache, and BLAS's speed is theirs."""
        return False

    @property
    def count(self) -> Callable[..., None]:
        """Count ones of packed bits, by Numba."""
        from fastgram.kernels.cpu.bit_products import products

        counted: Callable[..., None] = products
        return counted

    def mirror(self, tile: Array) -> None:
        """Copy the upper triangle of a diagonal tile to the lower one."""
        from fastgram.kernels.cpu.transpose import mirror

        mirror(tile)

    def columns_of(self, V: Array) -> Array:
        """Return a block in row-major order, of as many columns as the kernel takes together."""
        from fastgram.kernels.cpu import llvm_vectors, products

        n, columns = V.shape
        if columns > 1 and llvm_vectors.wide():
            columns = products.padded(columns)
        if columns == V.shape[1] and V.flags.c_contiguous:
            return V
        block = np.zeros((n, columns))
        block[:, : V.shape[1]] = V
        return block

    def multiplier(self, columns: int) -> Multiplier:
        """Return our own loops for one vector and on wide registers, else BLAS."""
        from fastgram.kernels.cpu import llvm_vectors, products

        if columns == 1:  # a tile costs what it takes to be read, and BLAS would read it twice
            return _one_vector
        wide: Multiplier = products.multiply_block
        return wide if llvm_vectors.wide() else by_products


def _one_vector(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    from fastgram.kernels.cpu.products import multiply_both

    multiply_both(tile, x[:, 0], y[:, 0], row[:, 0], part[:, 0])


def by_products(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    """Multiply by two matrix products of the arrays' library."""
    row += tile @ x
    part += tile.T @ y


CPU = Cpu()


def as_devices(name: str) -> tuple[Device, ...]:
    """Return what a device's name stands for: the CPU, or every GPU that CuPy sees.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or "gpu" where none can be used. "auto" takes the CPU there.
    """
    if as_choice("device", name, DEVICES) == "cpu":
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            importlib.import_module("fastgram.kernels.cpu.jit")  # which says that it cannot be
        return (CPU,)
    found, reason = gpus()
    if not found and name == "gpu":
        raise ValueError(f"device='gpu': {reason}; device='cpu' works everywhere")
    return found or (CPU,)


def gpus() -> tuple[tuple[Device, ...], str]:
    """Return the GPUs that can be used, or none and why there is none."""
    from fastgram.devices import gpu  # what it needs is loaded for those who ask

    try:
        return gpu.find(), ""
    except gpu.NoGpuError as reason:
        return (), str(reason)


def host_rows(X: Any, devices: tuple[Device, ...]) -> tuple[Any, bool]:
    """Return rows where they can be checked, on the host, and whether they came from a GPU."""
    home = devices[0]
    if home.on_host or not on_gpu(X):
        return (
            X,
            False,
        )  # a GPU's, not asked for there, is refused where rows are checked
    with home.context():
        return home.get(home.put(X)), True
