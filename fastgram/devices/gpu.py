"""GPUs through CuPy: finding them, their arrays, and the launch of a kernel.

This is the only module that imports CuPy. `Gpu` itself asks of its namespace only what NumPy has
too, and of its kernels what `fastgram.kernels.cuda.launch` launches: the tests run it on NumPy,
with the same CUDA source compiled for the host.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Multiplier, multiply_by_blas
from fastgram.devices.launcher import Launcher
from fastgram.kernels.contract import Table
from fastgram.kernels.cuda.cholesky_qr import cholesky_qr
from fastgram.kernels.cuda.fused.product import fits
from fastgram.kernels.cuda.fused.unit_rows import packed_rows, padded_rows
from fastgram.kernels.cuda.launch import Kernels
from fastgram.support.threads import in_order

if TYPE_CHECKING:
    from fastgram.devices.unit_rows import UnitRows

__all__ = ["CupyGpu", "Gpu", "NoGpuError", "find"]

Array = Any
Item = TypeVar("Item")
Made = TypeVar("Made")

# Rows and columns of a tile: in float64 32 MB, which stay in a second-level cache of 40 to 50 MB.
_TILE = 2048
# Rows of thin matrices that are multiplied at a time: fewer leave it idle.
_ROW_BLOCK = 8192
# 60 Tflop/s of an H100's tensor cores beside 0.6 of the CPU cores that such a GPU comes with.
_SPEED = 100.0
# What the kernels compile for (V100), and what has double precision tensor cores (A100).
_CAPABILITY, _TENSOR_CORES = (7, 0), (8, 0)
# Scales of matrices at which no square that counts over- or underflows.
_SQUARED_AS_IT_IS = 1e-100, 1e100
# What errors of CuPy and of NVIDIA's libraries say where memory is short.
_SHORT_OF_MEMORY = ("out of memory", "memoryallocation", "alloc_failed", "out_of_memory")
_PIECE = 2**26  # bytes that are copied from the host at a time
# Settings of CuPy that results would suffer from.
_HARMFUL = {
    "CUPY_TF32": "has CuPy round the factors of float32 products",
    "CUPY_CUDA_PER_THREAD_DEFAULT_STREAM": "lets threads of one GPU work out of turn",
}
_INSTALL = "pip install 'fastgram[cuda13]' (or [cuda12], for a driver of CUDA 12)"


class NoGpuError(Exception):
    """Says why no GPU can be used."""


class Gpu:
    """A GPU, or what stands in for one.

    Parameters
    ----------
    xp : module
        The namespace of its arrays.
    kernels : Kernels
        Compiled for it.
    """

    name = label = "gpu"
    tile = _TILE
    row_block = _ROW_BLOCK
    speed = _SPEED
    keeps_tiles = True
    takes_norm_tables = False
    pool: Any = None
    argument: Any = "gpu"

    def __init__(self, xp: Any, kernels: Kernels) -> None:
        self.xp = xp
        self.kernels = kernels
        self._copies: dict[tuple[int, object], Array] = {}
        self._lock = threading.RLock()

    # --- what a library of arrays does its own way ------------------------------------------------

    def context(self) -> AbstractContextManager[None]:
        """Make this GPU the thread's own."""
        return nullcontext()

    def finish(self) -> None:
        """Wait until all that was asked for is done."""

    def free_memory(self) -> int:
        """Return the bytes that could be taken."""
        raise NotImplementedError

    def owns(self, value: object) -> bool:
        """Whether this is an array of the device's kind."""
        raise NotImplementedError

    def put(self, array: Array) -> Array:
        """Return an array of the host or of another GPU on this one."""
        raise NotImplementedError

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return an array of the device on the host."""
        raise NotImplementedError

    # --- the same for all -------------------------------------------------------------------------

    def workers(self, threads: int) -> int:
        """Return 1, which feeds it."""
        return 1

    def in_order(
        self,
        make: Callable[[Item], Made],
        use: Callable[[Item, Made], Array],
        items: Iterable[Item],
        threads: int | None = None,
    ) -> Iterator[Array]:
        """Yield use(item, make(item)) in order: threads make, and this one feeds the device."""
        for item, made in in_order(lambda item: (item, make(item)), items, threads):
            yield use(item, made)

    @contextmanager
    def scratch(self, count: int, dtype: np.dtype[np.floating]) -> Iterator[Array]:
        """Lend an array of so many numbers; the library's pool of memory keeps it for the next."""
        array = self.xp.empty(count, dtype)
        try:
            yield array
        finally:
            self.finish()  # who gets its memory next may come by another stream

    def release_scratch(self) -> None:
        """Nothing is kept."""

    def basis_bytes(self, asked: int | None) -> int:
        """Return what was asked for, else half of what is free: the rest is the host's."""
        return self.free_memory() // 2 if asked is None else asked

    def get_all(self, *arrays: Array) -> list[npt.NDArray[Any]]:
        """Return small float64 arrays of the device on the host, by one copy."""
        numbers = self.get(self.xp.concatenate([array.ravel() for array in arrays]))
        parts = np.split(numbers, np.cumsum([array.size for array in arrays])[:-1])
        return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]

    def copy_to_host(self, array: Array) -> npt.NDArray[Any]:
        """Return a copy on the host."""
        return self.get(array)

    def from_gpu(self, vectors: Any) -> Array:
        """Return vectors that are on some GPU on this one."""
        with self.context():
            return self.put(vectors)

    def assign(self, target: Array, array: Array) -> None:
        """Write an array of any device to one of this GPU."""
        with self.context():
            target[...] = self.put(array)

    def add(self, target: Array, part: Array) -> None:
        """Add an array of any GPU to one of this one."""
        with self.context():
            target += self.put(part)

    def store_transpose(
        self, tile: Array, out: npt.NDArray[Any], rows: slice, columns: slice
    ) -> None:
        """Set out[columns, rows], on the host, to the transpose of a tile."""
        out[columns, rows] = self.get(tile.T)

    def device_copy(
        self, array: npt.NDArray[Any], form: Callable[[Any, Array], Array] | None = None
    ) -> Array:
        """Return a host's array on the device, or what `form` makes of it there.

        It is copied the first time and kept for as long as the array lives; nothing may write to
        the array from then on. A form takes the namespace of arrays and the copy.
        """
        key = id(array), form
        with self._lock:
            if key not in self._copies:
                with self.context():
                    copy = self.put(array)
                    self._copies[key] = copy if form is None else form(self.xp, copy)
                    self.finish()  # who asks next may work on another stream
                array.flags.writeable = False
                # no lock: this may run wherever memory is freed, in a thread that holds it
                weakref.finalize(array, self._copies.pop, key, None).atexit = False
            return self._copies[key]

    def unit(self, rows: UnitRows) -> Array:
        """Return the unit rows, filled up with zeros to whole slabs of columns."""
        return self.device_copy(rows.unit, padded_rows)

    def packed(self, rows: UnitRows) -> Array:
        """Return the unit rows as fused products take them."""
        return self.device_copy(rows.unit, packed_rows)

    def cosines(self, rows: UnitRows, i: slice, columns: UnitRows, j: slice, out: Array) -> None:
        """Fill `out` with the inner products of unit rows i and unit columns j."""
        self.xp.matmul(self.unit(rows)[i], self.unit(columns)[j].T, out=out)

    @property
    def evaluate(self) -> Callable[..., None]:
        """The tile kernel: the contract of `fastgram.kernels.contract`."""
        return self.kernels.evaluate

    def uses_fused_product(self, table: Table) -> bool:
        """Whether there are double precision tensor cores, and the table fits beside the rest."""
        return fits(self.kernels, table)

    @property
    def count(self) -> Callable[..., None]:
        """Inner products of two-valued rows."""
        return self.kernels.count

    def mirror(self, tile: Array) -> None:
        """Copy the upper triangle of a diagonal tile to the lower one."""
        tile[...] = self.xp.triu(tile) + self.xp.triu(tile, 1).T

    def columns_of(self, V: Array) -> Array:
        """Return a block of vectors on this GPU."""
        return self.put(V)

    def multiplier(self, columns: int) -> Multiplier:
        """Return what multiplies tiles with blocks of so many vectors: cuBLAS."""
        return multiply_by_blas

    def qr(self, block: Array) -> tuple[Array, npt.NDArray[np.float64]]:
        """Return orthonormal columns, on the device, and the triangle that goes with them, here."""
        columns, triangle = self.xp.linalg.qr(block, mode="reduced")
        return columns, self.get(triangle)

    def orthonormal(self, block: Array) -> tuple[Array, Array]:
        """Return orthonormal columns and the triangle that goes with them, both on the device."""
        return cholesky_qr(self.kernels, block)

    def norm(self, block: Array, scale: float) -> Array:
        """Return the Frobenius norm of a block, there: of one not far larger than a scale."""
        if _SQUARED_AS_IT_IS[0] < scale < _SQUARED_AS_IT_IS[1]:
            return self.xp.linalg.norm(block)
        # squares may over- or underflow, unless they are scaled
        scale = max(scale, float(np.finfo(np.float64).tiny))
        return scale * self.xp.linalg.norm(block / scale)

    def orthogonalise(self, block: Array, chunks: Iterable[Array]) -> None:
        """Subtract from the block, in place, its part in the span of each chunk of columns."""
        for chunk in chunks:
            block -= chunk @ (chunk.T @ block)


class CupyGpu(Gpu):
    """A GPU that CuPy sees, by its number."""

    def __init__(self, cupy: Any, number: int) -> None:
        self.number = number
        self._cupy = cupy
        self._facts = cupy.cuda.runtime.getDeviceProperties(number)
        self.label = f"gpu {number} ({self._facts['name'].decode()})"
        super().__init__(cupy, self._kernels())

    def _kernels(self) -> Kernels:
        facts, launch = self._facts, Launcher(self._cupy)
        multiprocessors = int(facts["multiProcessorCount"])
        shared = int(facts.get("sharedMemPerBlockOptin", facts["sharedMemPerBlock"]))
        tensor_cores = (facts["major"], facts["minor"]) >= _TENSOR_CORES
        return Kernels(self._cupy, launch, multiprocessors, shared, tensor_cores)

    @contextmanager
    def context(self) -> Iterator[None]:
        """Make this GPU the thread's own, and put its lack of memory in words."""
        try:
            with self._cupy.cuda.Device(self.number):
                yield
        except Exception as error:  # CuPy's allocator has an error for it, and each library its own
            said = isinstance(error, ValueError)
            if said or not any(words in str(error).lower() for words in _SHORT_OF_MEMORY):
                raise
            asked = str(error).splitlines()[0]
            raise ValueError(
                f"GPU {self.number} is out of memory ({asked}): fewer rows, a smaller block or"
                " device='cpu' need less of it"
            ) from None

    def finish(self) -> None:
        """Wait until all that was asked for is done."""
        with self._cupy.cuda.Device(self.number) as device:
            device.synchronize()

    def free_memory(self) -> int:
        """Return what the driver has free, and what CuPy's pool has of its own."""
        with self._cupy.cuda.Device(self.number):
            free, _ = self._cupy.cuda.runtime.memGetInfo()
            return int(free) + int(self._cupy.get_default_memory_pool().free_bytes())

    def owns(self, value: object) -> bool:
        """Whether this is a CuPy array, on whichever GPU."""
        return isinstance(value, self._cupy.ndarray)

    def put(self, array: Array) -> Array:
        """Return an array of the host, of another GPU or of another library on this one."""
        if isinstance(array, np.ndarray):
            return self._put_from_host(array)
        if not self.owns(array):
            array = self._cupy.from_dlpack(array)
        if array.device.id == self.number:
            return array
        # one GPU's work does not wait for another's: what is copied is done, and stays until it is
        array.device.synchronize()
        copy = self._cupy.asarray(array)
        self._cupy.cuda.get_current_stream().synchronize()
        return copy

    def _put_from_host(self, array: npt.NDArray[Any]) -> Array:
        if array.nbytes <= _PIECE or not array.flags.c_contiguous:
            return self._cupy.asarray(array)
        # in pieces: CuPy copies by page-locked memory of the size of what is copied, and keeps it
        result = self._cupy.empty(array.shape, array.dtype)
        step = max(1, _PIECE * len(array) // array.nbytes)
        for start in range(0, len(array), step):
            result[start : start + step].set(array[start : start + step])
        return result

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return an array of the device on the host."""
        return np.asarray(self._cupy.asnumpy(array))


@functools.cache
def find() -> tuple[Gpu, ...]:
    """Return every GPU that CuPy sees; CUDA_VISIBLE_DEVICES chooses among them.

    Raises
    ------
    NoGpuError
        If there is none, or CuPy is not installed, or one is too old.
    """
    for name, harm in _HARMFUL.items():
        if os.environ.get(name, "0") not in ("", "0"):
            raise NoGpuError(f"{name} is set, which {harm}: unset it")
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise NoGpuError(f"CuPy cannot be loaded: {error}") from None
        raise NoGpuError(f"CuPy is not installed: {_INSTALL}") from None
    except ImportError as error:
        raise NoGpuError(f"CuPy cannot be loaded: {str(error).splitlines()[0]}") from None
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise NoGpuError(f"CuPy finds no GPU that it can use ({error})") from None
    if count == 0:
        raise NoGpuError("CuPy finds no GPU")
    for number in range(count):
        facts = cupy.cuda.runtime.getDeviceProperties(number)
        if (facts["major"], facts["minor"]) < _CAPABILITY:
            name = facts["name"].decode()
            raise NoGpuError(
                f"GPU {number}, {name}, has compute capability {facts['major']}.{facts['minor']}"
                " and the kernels need 7.0, a V100 or later (CUDA_VISIBLE_DEVICES hides it)"
            )
    _try(cupy)
    return tuple(CupyGpu(cupy, number) for number in range(count))


def _try(cupy: Any) -> None:
    """Ask for what is loaded only when it is used: cuBLAS, cuSOLVER, NVRTC and CUDA's headers."""
    try:
        cupy.cuda.device.get_cublas_handle()
        cupy.cuda.device.get_cusolver_handle()
        cupy.cuda.nvrtc.getVersion()
        cupy.add(cupy.zeros(1), 1.0)
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise NoGpuError(
            f"CuPy finds a GPU, but not all of the CUDA toolkit ({line}): {_INSTALL}"
        ) from None
