"""Unit rows in digits, and cosines of them: in Python, by integers, and by the kernels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastgram.kernels.cuda import constants
from fastgram.kernels.cuda import launch as gpu
from fastgram.kernels.cuda.constants import DIGIT_COLUMNS, PANEL_ROWS, TILE_COLUMNS

__all__ = [
    "SCHEMES",
    "SOURCE",
    "cosines_of",
    "digits_of",
    "packed",
    "placed",
    "sums_of",
    "unpacked",
]

# Slices of a row, and the largest i + j of slices that are multiplied: 34, 28, 26 and 21 products.
SCHEMES = [(7, 9), (7, 8), (6, 8), (6, 7)]
UNITS = 8  # i + j of products that are whole units, 2⁻⁶⁰


def _source():
    folder = Path(gpu.__file__).parent
    names = ("packed_rows", "tile", "exact_sums", "fragments", "eight_bit")
    files = ["device.cuh", "table.cuh", *(f"fused/{name}.cuh" for name in names)]
    text = "\n".join([constants.text(), *((folder / name).read_text("utf-8") for name in files)])
    kernels = "".join(
        KERNELS.replace("SLICES", str(slices)).replace("LAST", str(last))
        for slices, last in SCHEMES
    )
    return text.encode("ascii", "replace").decode("ascii") + NEXT + kernels


NEXT = """
struct NextColumns {
    int row, column, end;

    __device__ Tile operator()() const
    {
        return Tile{column < end ? row : -1, column};
    }
};
"""

# A block does a panel, and its tiles one after the other.
KERNELS = """
extern "C" __global__ void slice_SLICES_LAST(const double *unit, long long height, long long slabs,
                                             long long chunks, unsigned long long *digits)
{
    slice_all<SLICES>(PackedRows(unit, height, slabs), height, chunks, digits);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    cosines_SLICES_LAST(const unsigned long long *digits, long long height, long long chunks,
                        long long width, double *out)
{
    const ByDigits<SLICES, LAST> cosines = {{digits, height, chunks}};
    double *stages = shared_memory<double>();
    const int first = blockIdx.x * PANEL_ROWS, end = static_cast<int>(width);
    const Position position;
    cosines.begin(Tile{first, 0}, stages);
    int turn = 0;
    for (int column = 0; column < end; column += TILE_COLUMNS) {
        Fragments found;
        const NextColumns next = {first, column + TILE_COLUMNS, end};
        turn = cosines(Tile{first, column}, next, turn, stages, position, found);
        for (int k = 0; k < 32; ++k) {
            const int row = first + position.row + k / 16 * 16 + k % 4 / 2 * 8 + position.g;
            const int at = column + position.column + k / 4 % 4 * 8 + 2 * position.t + k % 2;
            out[row * width + at] = found[k / 16][k / 4 % 4][k % 4];
        }
    }
}
"""

SOURCE = _source()


def digits_of(rows, slices):
    """Return the balanced digits of numbers by Python's integers, the most significant first."""
    result = np.empty((slices, *rows.shape), dtype=np.int8)
    for place, number in np.ndenumerate(rows):
        mantissa, power = float(number).as_integer_ratio()
        scaled = mantissa * 2 ** (8 * slices - 2)
        whole, rest = divmod(scaled, power)
        whole += 2 * rest > power or (2 * rest == power and whole % 2 == 1)  # ties to even
        for slice_ in reversed(range(slices)):
            digit = (whole + 128) % 256 - 128
            result[(slice_, *place)] = digit
            whole = (whole - digit) // 256
        assert whole == 0
    return result


def placed(side, rows, columns, slices, chunks):
    """Return where bytes are, flat: rows, columns and slices that broadcast; of the side 0 or 1."""
    block, chunk = rows // TILE_COLUMNS, columns // DIGIT_COLUMNS
    lower, later, column = rows % 16 // 8, columns % 32 // 16, columns % 16
    word = (lower + 2 * later, later + 2 * lower)[side]
    place = (block * chunks + chunk) * slices[1] + slices[0]
    place = place * (TILE_COLUMNS // 16) + rows % TILE_COLUMNS // 16
    place = (place * 32 + rows % 8 * 4 + column // 4) * 4 + word
    return place * 4 + column % 4


def packed(digits):
    """Return digits, (slices, n, d), as `DigitRows` has them, and how many rows and chunks."""
    slices, n, d = digits.shape
    height, chunks = -(-n // PANEL_ROWS) * PANEL_ROWS, -(-d // DIGIT_COLUMNS)
    sides = np.zeros((2, height * chunks * DIGIT_COLUMNS * slices), dtype=np.int8)
    slice_, row, column = np.ogrid[:slices, :n, :d]
    for side in (0, 1):
        sides[side, placed(side, row, column, (slice_, slices), chunks)] = digits
    return sides.view(np.uint64), height, chunks


def unpacked(sides, slices, height, chunks):
    """Return the digits of either side, (2, slices, height, columns)."""
    slice_, row, column = np.ogrid[:slices, :height, : chunks * DIGIT_COLUMNS]
    flat = sides.reshape(2, -1).view(np.int8)
    places = [placed(side, row, column, (slice_, slices), chunks) for side in (0, 1)]
    return np.array([flat[side, places[side]] for side in (0, 1)])


def sums_of(left, right, last):
    """Return cosines in units of 2⁻⁶⁰, modulo 2⁶⁴, as they are to be to the bit."""
    slices, n, d = left.shape
    totals = np.zeros((n, right.shape[1]), dtype=np.int64)
    for first in range(0, d, DIGIT_COLUMNS):
        x, y = (
            digits[:, :, first : first + DIGIT_COLUMNS].astype(np.int64) for digits in (left, right)
        )
        below = 0
        for t in range(last, 1, -1):
            pairs = [(i, t - i) for i in range(1, slices + 1) if 1 <= t - i <= slices]
            products = sum(x[i - 1] @ y[j - 1].T for i, j in pairs)
            if t > UNITS:
                below = products >> 8
                continue
            totals += (products + below) << 8 * (UNITS - t)
            below = 0
    return totals


def cosines_of(sums):
    """Return the numbers that sums are: one rounding, and a power of 2."""
    return sums.astype(np.float64) * 2.0**-60
