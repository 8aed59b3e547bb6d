"""The CPU as a device: NumPy arrays, Numba kernels and BLAS on one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Multiplier, multiply_by_blas
from fastgram.devices.scratch import Scratch
from fastgram.kernels.contract import Table
from fastgram.support.memory import free_memory
from fastgram.support.threads import in_order, one_blas_thread, thread_count

if TYPE_CHECKING:
    from fastgram.devices.unit_rows import UnitRows

__all__ = ["CPU", "SLICE_ROWS", "Cpu"]

Array = Any  # NumPy's
Item = TypeVar("Item")
Made = TypeVar("Made")

# Rows and columns of a tile. In float64 a tile takes 1.1 MB, about a second-level cache; smaller
# ones lose time to the interpreter between them, larger ones to memory.
_TILE = 384
# Rows of thin matrices that are multiplied at a time: those of a second-level cache, and, on
# threads, of a basis.
_ROW_BLOCK, SLICE_ROWS = 256, 8192
# Bytes of scratch that are kept between traversals: two tiles for each of some 28 threads.
_MAX_SCRATCH = 2**26


class Cpu:
    """The CPU: NumPy arrays, Numba kernels and BLAS."""

    name = label = "cpu"
    xp: ModuleType = np
    tile = _TILE
    row_block = _ROW_BLOCK
    speed = 1.0
    keeps_tiles = True
    takes_norm_tables = True
    pool: Any = None
    argument: Any = "cpu"

    def __init__(self) -> None:
        self._scratch = Scratch(_MAX_SCRATCH)

    # --- who works, and where ---------------------------------------------------------------------

    def context(self) -> AbstractContextManager[None]:
        """Hold BLAS to one thread."""
        return one_blas_thread()

    def finish(self) -> None:
        """Nothing is ever under way."""

    def workers(self, threads: int) -> int:
        """Return all of them."""
        return threads

    def in_order(
        self,
        make: Callable[[Item], Made],
        use: Callable[[Item, Made], Array],
        items: Iterable[Item],
        threads: int | None = None,
    ) -> Iterator[Array]:
        """Yield use(item, make(item)) in the order of the items; each thread does both."""
        return in_order(lambda item: use(item, make(item)), items, threads)

    def scratch(self, count: int, dtype: np.dtype[np.floating]) -> AbstractContextManager[Array]:
        """Lend an array of so many numbers, which is kept for the next traversal."""
        return self._scratch.lend(count, dtype)

    def release_scratch(self) -> None:
        """Give back what is kept to be lent again."""
        self._scratch.release()

    def free_memory(self) -> int:
        """Return the bytes of memory that could be taken."""
        return free_memory()

    def basis_bytes(self, asked: int | None) -> int | None:
        """Return None: there is no other memory."""
        return None

    # --- arrays, there and back -------------------------------------------------------------------

    def owns(self, value: object) -> bool:
        """Whether this is a NumPy array."""
        return isinstance(value, np.ndarray)

    def put(self, array: Array) -> Array:
        """Return the array itself."""
        return array

    def get(self, array: Array) -> npt.NDArray[Any]:
        """Return the array itself."""
        return np.asarray(array)

    def get_all(self, *arrays: Array) -> list[npt.NDArray[Any]]:
        """Return the arrays themselves."""
        return list(arrays)

    def copy_to_host(self, array: Array) -> npt.NDArray[Any]:
        """Return a copy."""
        return np.asarray(array.copy())

    def from_gpu(self, vectors: Any) -> Array:
        """Refuse them."""
        raise TypeError("the vectors are on a GPU and the operator is not: pass device='gpu'")

    def device_copy(self, array: Array) -> Array:
        """Return the array itself."""
        return array

    def assign(self, target: Array, array: Array) -> None:
        """Write an array to another one."""
        target[...] = array

    def add(self, target: Array, part: Array) -> None:
        """Add the first columns of an array to another one."""
        target += part[:, : target.shape[1]]

    def store_transpose(self, tile: Array, out: Array, rows: slice, columns: slice) -> None:
        """Set out[columns, rows] to the transpose of a tile."""
        from fastgram.kernels.cpu.transpose import transpose  # loaded when needed

        transpose(tile, out, rows.start, columns.start)

    # --- tiles ------------------------------------------------------------------------------------

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

    def uses_fused_product(self, table: Table) -> bool:
        """Return False: tiles are in the cache, and BLAS's speed is theirs."""
        return False

    # --- vectors ----------------------------------------------------------------------------------

    def columns_of(self, V: Array) -> Array:
        """Return a block in row-major order, padded to as many columns as the kernel takes."""
        from fastgram.kernels.cpu import llvm_vectors, products

        n, columns = V.shape
        if columns > 1 and llvm_vectors.has_avx512():
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
            return _multiply_one_vector
        ours: Multiplier = products.multiply_block
        return ours if llvm_vectors.has_avx512() else multiply_by_blas

    def qr(self, block: Array) -> tuple[Array, npt.NDArray[np.float64]]:
        """Return orthonormal columns, and the triangle that goes with them."""
        import scipy.linalg

        columns, triangle = scipy.linalg.qr(block, mode="economic", check_finite=False)
        return columns, triangle

    def orthonormal(self, block: Array) -> tuple[Array, Array]:
        """Return orthonormal columns, and the triangle that goes with them."""
        return self.qr(block)

    def norm(self, block: Array, scale: float) -> Array:
        """Return the Frobenius norm of a block, whatever its scale."""
        import scipy.linalg

        # scipy's norm of a vector neither over- nor underflows
        return np.float64(scipy.linalg.norm(block.ravel(), check_finite=False))

    def orthogonalise(self, block: Array, chunks: Iterable[Array]) -> None:
        """Subtract from the block, in place, its part in the span of each chunk of columns.

        By slices of rows, on one BLAS thread each and summed in a fixed order: BLAS's own threads
        are slow on panels this thin, and make the last bits depend on their number.
        """
        n = block.shape[0]
        slices = [slice(start, start + SLICE_ROWS) for start in range(0, n, SLICE_ROWS)]
        threads = min(thread_count(), len(slices))
        with ThreadPoolExecutor(threads, "fastgram") as pool:  # which starts none until it is used
            on_each = pool.map if threads > 1 else map
            for chunk in chunks:
                parts = on_each(partial(_project, block, chunk), slices)
                coefficients = sum(parts, np.zeros((chunk.shape[1], block.shape[1])))
                list(on_each(partial(_subtract, block, chunk, coefficients), slices))


def _multiply_one_vector(tile: Array, x: Array, y: Array, row: Array, part: Array) -> None:
    from fastgram.kernels.cpu.products import multiply_both

    multiply_both(tile, x[:, 0], y[:, 0], row[:, 0], part[:, 0])


def _project(block: Array, chunk: Array, rows: slice) -> Array:
    return chunk[rows].T @ block[rows]


def _subtract(block: Array, chunk: Array, coefficients: Array, rows: slice) -> None:
    block[rows] -= chunk[rows] @ coefficients


CPU = Cpu()
