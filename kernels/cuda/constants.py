"""Numbers that the CUDA source and what launches it share: `text` is their part of the source."""

from __future__ import annotations

from fastgram.kernels.contract import CELLS, CLOSE, MIDDLE_TERMS, PieceVariable

__all__ = [
    "CHUNK",
    "COUNT_TILE",
    "DIGIT_COLUMNS",
    "EIGHT_BIT_LAST",
    "EIGHT_BIT_SLICES",
    "EIGHT_BIT_UNITS",
    "ENTRIES",
    "FUSED_BLOCKS_PER_SM",
    "GATHERED",
    "HEAD",
    "LANES",
    "MIDDLE_TERMS",
    "PANEL_ROWS",
    "SCRATCH_NUMBERS",
    "SLAB",
    "STAGE_NUMBERS",
    "THREADS",
    "TILE_COLUMNS",
    "WARP_SCRATCH",
    "text",
]

LANES = 32  # of a warp
THREADS = 256  # of a block, in every kernel

# evaluate.cuh, separable.cuh, table.cuh, bits.cuh
ENTRIES = 4  # of a tile that a thread does at a time
HEAD = 6  # numbers of a piece in a packed table before its cells: mode, low, high, the cell map
COUNT_TILE = 64  # rows and columns that a block counts bits for

# tile.cuh, middle.cuh and triangle.cuh
PANEL_ROWS = 128  # of a panel, and of a tile of it
TILE_COLUMNS = 64  # of a tile
SLAB = 8  # columns of the unit rows, and of V, that tensor cores take at a time
CHUNK = 2  # slabs that come together: while the threads are at some, the next are on their way
STAGE_NUMBERS = CHUNK * (PANEL_ROWS + TILE_COLUMNS) * SLAB
FUSED_BLOCKS_PER_SM = 2  # at a time: one is at the polynomials while the other multiplies
SCRATCH_NUMBERS = PANEL_ROWS // 32 * TILE_COLUMNS * SLAB  # products of a tile's columns
WARP_SCRATCH = SCRATCH_NUMBERS * LANES // THREADS  # a warp's own part of that memory
GATHERED = 192  # entries outside the middle that a warp looks up at a time, in the same memory

# packed_rows.cuh and eight_bit.cuh
EIGHT_BIT_SLICES = 7  # of a unit row: 7 and 9 are float64's digits, 6 and 8 or 7 fewer
EIGHT_BIT_LAST = 9  # slices i and j are multiplied where i + j is no more
EIGHT_BIT_UNITS = 8  # i + j of the products that are whole units of the sums, 2^(4 - 8(i + j))
DIGIT_COLUMNS = 32  # that the 8-bit tensor cores take at a time


def text() -> str:
    """Return the definitions in CUDA C++: those of this module, and of the contract."""
    integers = {name: globals()[name] for name in __all__ if name != "text"}
    integers |= {variable.name: int(variable) for variable in PieceVariable}
    integers |= {f"CELLS_{dtype.name.upper()}": cells for dtype, cells in CELLS.items()}
    numbers = {name: str(value) for name, value in integers.items()}
    for dtype, value in CLOSE.items():
        suffix = "f" if dtype.itemsize == 4 else ""
        numbers[f"CLOSE_{dtype.name.upper()}"] = f"{value!r}{suffix}"
    # macros: constants that a source does not use would be warned of
    return "".join(f"#define {name} {value}\n" for name, value in numbers.items())
