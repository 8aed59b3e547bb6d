"""The GPU's kernels: CUDA C++ sources, and what launches them.

`source` is the text, of the numbers of `constants` and the files `TILES` or `FUSED`. `Kernels`
knows what the kernels take, and nothing of CuPy: with an array namespace `xp` and a function

    launch(name, grid, block, shared, arguments)

that starts the kernel `name` on `grid` blocks of `block` threads with `shared` bytes of shared
memory, and passes arrays of that namespace as pointers, NumPy scalars and NumPy arrays of one
record by value, it runs on a GPU
through CuPy, and on the processor from the same text compiled as host C++, which is what the tests
do. Launches are ordered among themselves, and need not have ended when `launch` returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fastgram.kernels.contract import MIDDLE_TERMS, NARROW_TERMS, SeparablePiece, Table
from fastgram.kernels.cuda import constants
from fastgram.kernels.cuda.constants import COUNT_TILE, ENTRIES, HEAD, THREADS

__all__ = [
    "FUSED",
    "FUSED_KERNELS",
    "OPTIONS",
    "TILES",
    "Kernels",
    "instances",
    "packed_numbers",
    "source",
]

Array = Any  # of the array namespace
Launch = Callable[[str, int, int, int, Sequence[Any]], None]

# The files of the source that kernels of tiles are in, and of the one that fused products are in.
TILES = (
    "device.cuh",
    "table.cuh",
    "evaluate.cuh",
    "separable.cuh",
    "bits.cuh",
    "cholesky.cuh",
    "fused/exact_sums.cuh",
    "fused/packed_rows.cuh",
    "fused/fragments.cuh",
)
FUSED = (
    "device.cuh",
    "table.cuh",
    "fused/packed_rows.cuh",
    "fused/tile.cuh",
    "fused/middle.cuh",
    "fused/exact_sums.cuh",
    "fused/products.cuh",
    "fused/triangle.cuh",
    "fused/one_vector.cuh",
    "fused/eight_bit.cuh",
)

# The fused kernels: by the table, and with a middle of so many coefficients of either parity. What
# a build writes takes longer than a polynomial of both.
_BOTH = [(terms, terms) for terms in (NARROW_TERMS, MIDDLE_TERMS)]
_SHAPES = [*_BOTH, *((1, terms) for terms, _ in _BOTH), *((terms, 1) for terms, _ in _BOTH)]


def _instance(macro: str, name: str, shape: tuple[int, int] | None) -> str:
    table = "room.by_table(absolute)"
    if shape is None:
        return f"{macro}({name}, , {table})"
    middle = f"ByMiddle<{shape[0]}, {shape[1]}>{{{table}, middle}}"
    return f"{macro}({name}, const Middle middle COMMA, {middle})"


FUSED_KERNELS = {
    name: _instance(name.upper(), name, None)
    for name in ("multiply_triangle", "multiply_vector", "multiply_eight_bit", "build_triangle")
} | {
    f"{name}_{even}_{odd}": _instance(name.upper(), f"{name}_{even}_{odd}", (even, odd))
    for name, shapes in (
        ("multiply_triangle", _SHAPES),
        ("multiply_vector", _SHAPES),
        ("multiply_eight_bit", _SHAPES),
        ("build_triangle", _BOTH),
    )
    for even, odd in shapes
}

# Products and sums may be fused; beyond that arithmetic is IEEE's, but that CuPy adds -ftz=true, by
# which the smallest float32 numbers become 0.
OPTIONS = ("--std=c++17",)

_BLOCKS_PER_SM = 8  # in the grid: more than are resident at a time
_SHARED_BYTES = 99 * 1024  # of every GPU with tensor cores in double precision


def packed_numbers(table: Table) -> int:
    """Return how many numbers a packed table is: `table_numbers` of table.cuh."""
    return int(table.modes.size * HEAD + table.cells.size)


def source(fused: Sequence[str] | None = None) -> str:
    """Return the CUDA C++ source of the kernels of tiles; errors of compilers name its files.

    Parameters
    ----------
    fused : list, optional
        Of `FUSED_KERNELS`: the source of these, of which each takes a compiler seconds.
    """
    folder, names = Path(__file__).parent, TILES if fused is None else FUSED
    parts = [f'#line 1 "{name}"\n' + (folder / name).read_text("utf-8") for name in names]
    text = "\n".join([constants.text(), *parts, instances(fused or ())])
    # CuPy writes it to a file in whatever encoding the locale has
    return text.encode("ascii", "replace").decode("ascii")


def instances(fused: Iterable[str]) -> str:
    """Return what makes kernels of the last file's macro."""
    lines = [FUSED_KERNELS[name] for name in fused]
    return "\n".join(["#ifdef TENSOR_CORES", *lines, "#endif", ""]) if lines else ""


class Kernels:
    """The kernels of one device: the contract of `fastgram.kernels.contract`, and counts of bits.

    Parameters
    ----------
    xp : module
        The array namespace: NumPy or CuPy.
    launch : callable
        As described at the top of this module.
    multiprocessors : int
        Of the device.
    shared_bytes : int
        Of shared memory that a block may have.
    tensor_cores : bool
        Whether it has them in double precision: without, there are no fused products.

    Attributes
    ----------
    variants : set of str
        Of `fused.product.VARIANTS`, those that take the place of the kernels that they vary.
    """

    def __init__(
        self,
        xp: Any,
        launch: Launch,
        multiprocessors: int,
        shared_bytes: int = _SHARED_BYTES,
        tensor_cores: bool = True,
    ) -> None:
        self.xp = xp
        self.launch = launch
        self.multiprocessors = multiprocessors
        self.shared_bytes = shared_bytes
        self.tensor_cores = tensor_cores
        self.variants: set[str] = set()
        # what is packed goes with its table, which is never written to
        self._tables: WeakKeyDictionary[Table, Array] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def packed(self, table: Table) -> tuple[Array, int, int]:
        """Return a table as table.cuh takes it, on the device, and its pieces and rows.

        The array is kept as long as the table is.
        """
        pieces, rows, _ = table.cells.shape
        with self._guard:
            if table not in self._tables:
                kind = table.cells.dtype
                heads = [table.modes[:, None], table.lows[:, None], table.highs[:, None]]
                head = np.concatenate([*heads, table.cell_map], axis=1).astype(kind)
                numbers = np.concatenate([head.ravel(), table.cells.ravel()])
                self._tables[table] = self.xp.asarray(numbers)
            return self._tables[table], pieces, rows

    def evaluate(
        self,
        cosines: Array,
        rows: Array,
        columns: Array,
        row_scale: Array,
        column_scale: Array,
        table: Table | SeparablePiece,
        out: Array,
    ) -> None:
        """Turn a tile of cosines into Gram entries: the contract of `fastgram.kernels.contract`.

        Arrays are of this device's namespace, those of a table or a piece are NumPy's.
        """
        height, width = cosines.shape
        if height == 0 or width == 0:
            return
        sizes = [np.int64(height), np.int64(width), np.int64(rows.shape[1])]
        tile = [cosines, rows, columns, row_scale, column_scale, *sizes]
        kind = np.dtype(cosines.dtype)
        types = f"{kind}_{np.dtype(out.dtype)}"
        grid = self.grid(height * -(-width // (THREADS * ENTRIES)))
        if isinstance(table, Table):
            numbers, pieces, length = self.packed(table)
            shared, name = numbers.size * kind.itemsize, f"evaluate_{types}"
            if shared > self.shared_bytes:
                shared, name = 0, f"evaluate_large_{types}"
            arguments = [*tile, numbers, np.int64(pieces), np.int64(length), out]
            self.launch(name, grid, THREADS, shared, arguments)
            return
        rank, terms = table.horner_lengths.shape[0], table.coefficients.shape[1]
        edges = [kind.type(x) for x in (table.top, table.bottom, table.slope, table.offset)]
        arrays = [
            self.xp.asarray(x)
            for x in (table.horner_lengths, table.coefficients, table.bases, table.weights)
        ]
        piece = [np.int64(table.mode), *edges, np.int64(rank), np.int64(terms), *arrays]
        shared = (terms + rank) * kind.itemsize
        self.launch(f"evaluate_separable_{types}", grid, THREADS, shared, [*tile, *piece, out])

    def count(
        self,
        x: Array,
        rows: tuple[int, int],
        y: Array,
        columns: tuple[int, int],
        ones_x: Array,
        ones_y: Array,
        weights: tuple[float, float, float],
        out: Array,
    ) -> None:
        """Fill `out` with inner products of two-valued rows: `cpu.bit_products.products`.

        The arrays are of this device's namespace.
        """
        height, width = out.shape
        grid = -(-height // COUNT_TILE) * -(-width // COUNT_TILE)
        if grid == 0:
            return
        arguments = [
            *(x, np.int64(x.shape[1]), np.int64(rows[0]), np.int64(height)),
            *(y, np.int64(y.shape[1]), np.int64(columns[0]), np.int64(width)),
            *(np.int64(x.shape[0]), ones_x, ones_y),
            *(np.float64(weight) for weight in weights),
            out,
        ]
        self.launch(f"count_{np.dtype(out.dtype)}", grid, THREADS, 0, arguments)

    def grid(self, work: int) -> int:
        """Return a number of blocks for so much work, which blocks share out."""
        return min(work, _BLOCKS_PER_SM * self.multiprocessors)
