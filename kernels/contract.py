"""The contract that every device keeps: what a table is, and what a tile kernel makes of one.

A *table* (`Table`) is one function K of the cosine ρ of two rows, as polynomials on pieces of
[−1, 1]. A *tile kernel* takes a block of cosines (the product of two blocks of unit rows) and
turns it, in place or into another block, into a block of Gram entries:

    entry[i, j] = row_scale[i] · column_scale[j] · K(ρ[i, j])

with one rule beside that formula: where half the chord of two rows, s = ‖x − y‖/2 near ρ = 1 or
‖x + y‖/2 near ρ = −1, has s² < `CLOSE[dtype]`, s is taken from the rows themselves and not from
ρ, whose rounding would cost s half its digits. Equal rows therefore give K(1) exactly, the
diagonal included. An activation, a depth or a kind of Gram matrix never reaches a kernel: only a
table does.

Where rows have different norms and these do not factor out, K is a sum of a few terms, each with
polynomials of the row's own and a weight of the column: a `SeparablePiece` takes the place of the
table, one call a piece, and only entries whose cosine is on the piece are written. Where the norms
of the rows of a tile, and those of its columns, are near each other, a `NormTable` has all of it in
one call, on the CPU.

Every device exports ``evaluate(cosines, rows, columns, row_scale, column_scale, table, out)``:
cosines (m, n) and the unit rows (m, d) and (n, d) it came from, of one dtype, float32 or float64;
`out` (m, n) of either dtype and, for a table, possibly `cosines` itself; all C-contiguous.
`kernels.reference` is the naive oracle that all of them are tested against.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CELLS",
    "CLOSE",
    "MIDDLE_TERMS",
    "MIN_HORNER_LENGTH",
    "NARROW_TERMS",
    "MiddlePolynomial",
    "NormTable",
    "PieceVariable",
    "SeparablePiece",
    "Table",
]


class PieceVariable(IntEnum):
    """What the polynomials of a piece are functions of."""

    FROM_NEARER = 0  # of a table: s to the nearer end, and cells counted in ρ
    FROM_ONE = 1  # K = base − s·P(s), s = √((1 − ρ)/2), for ρ ≥ 0 only in a table
    FROM_MINUS_ONE = 2  # the same with s = √((1 + ρ)/2), for ρ < 0 only in a table
    IN_COSINE = 3  # of a separable piece: K = P(ρ)


# The cells of a piece of a table: as many as a register of 512 bits holds numbers.
CELLS: dict[np.dtype[Any], int] = {np.dtype(np.float64): 8, np.dtype(np.float32): 16}

# Coefficients that the longer polynomial of a term of a separable piece has at least.
MIN_HORNER_LENGTH = 2

# Below these values of s² the rows decide. The cosine's rounding there, about eps/(4s) in s,
# stays near the rounding of the entries themselves.
CLOSE: dict[np.dtype[Any], float] = {np.dtype(np.float64): 2.0**-9, np.dtype(np.float32): 2.0**-5}

# Coefficients of either parity that a middle polynomial has at most: a narrow one, and any.
NARROW_TERMS = 12
MIDDLE_TERMS = 16


@dataclass(frozen=True, eq=False)
class Table:
    """A function of the cosine, as polynomials on the cells of pieces of [−1, 1].

    Nothing writes to its arrays: devices keep copies of them for as long as it lives. A table is
    equal to itself alone.

    Piece p holds where lows[p] ≤ s² < highs[p], s half the chord to the nearer end: on both sides
    of ρ = 0 FROM_NEARER, which is the only piece or the middle one, and on their own side FROM_ONE
    and FROM_MINUS_ONE. A piece is cut into CELLS[dtype] cells. An entry
    is on the cell cell_map[p, 0]·v + cell_map[p, 1], rounded to a whole number in range, with v = ρ
    FROM_NEARER and v = s else. With t = cell_map[p, 2]·s + offset, small on the cell, it is
    K = base − s·P(t), and cells[p] has the offsets in its first row, then the bases, and the
    coefficients of the polynomials P, descending: a column a cell.

    Attributes
    ----------
    modes : (p,) int64 array
        The `PieceVariable` of each: FROM_NEARER, then FROM_ONE and FROM_MINUS_ONE.
    lows, highs : (p,) arrays
        Of s².
    cell_map : (p, 3) array
        Scale and shift, from v to the number of a cell, and slope, from s to t.
    cells : (p, 2 + coefficients, cells) array
    at_one, at_minus_one : float
        K(1) and K(−1).
    scale : float
        The largest |K|.
    error : float
        Bound on |table − K|, absolute; beside a rounding of K it vanishes with s at both ends.
    slope : float
        Bound on |dK/ds|.
    by_norm : float
        What a relative error of the norms that the table is made for adds to `error`, times that.
    """

    modes: npt.NDArray[np.int64]
    lows: npt.NDArray[np.floating]
    highs: npt.NDArray[np.floating]
    cell_map: npt.NDArray[np.floating]
    cells: npt.NDArray[np.floating]
    at_one: float
    at_minus_one: float
    scale: float
    error: float
    slope: float
    by_norm: float = 0.0


@dataclass(frozen=True, eq=False)
class MiddlePolynomial:
    """The function of a table around ρ = 0 as one polynomial: K = E(ρ²) + ρ·O(ρ²), |ρ| < radius.

    It is within the `error` of the table that it belongs to.

    Attributes
    ----------
    radius : float
        Of few digits: GPUs compare the upper half of a number.
    even, odd : (k,) arrays
        Coefficients of E and of O, ascending; one at least.
    """

    radius: float
    even: npt.NDArray[np.float64]
    odd: npt.NDArray[np.float64]


@dataclass(frozen=True)
class SeparablePiece:
    """A function of the cosine and of two norms on one piece, for one tile.

    For top > ρ ≥ bottom, with v the variable that `mode` names and t = slope·v + offset, it is
    the sum over r of weights[r, j]·P(t) IN_COSINE, and else of weights[r, j]·(bases[i, r] −
    v·P(t)), with P(t) = even(t²) + t·odd(t²). The even and the odd polynomial of term r have
    horner_lengths[r] coefficients, descending, and stand in `coefficients[i]` one after the other,
    the even one first.

    Attributes
    ----------
    top, bottom : float
    mode : PieceVariable
        IN_COSINE, FROM_ONE or FROM_MINUS_ONE.
    slope, offset : float
    horner_lengths : (rank, 2) int64 array
        Of the even and of the odd polynomial: equal ones or, IN_COSINE only, one of the two is 1
        in every term, as where K is even or odd but for a line. The other is MIN_HORNER_LENGTH or
        more.
    coefficients : (m, sum(horner_lengths)) array
    bases : (m, rank) array
    weights : (rank, n) array
    """

    top: float
    bottom: float
    mode: PieceVariable
    slope: float
    offset: float
    horner_lengths: npt.NDArray[np.int64]
    coefficients: npt.NDArray[np.floating]
    bases: npt.NDArray[np.floating]
    weights: npt.NDArray[np.floating]


@dataclass(frozen=True)
class NormTable:
    """A function of the cosine and of two norms, each in a narrow range, for a part of a tile.

    With x and y the places of the row's norm and of the column's in their ranges, −1 to 1, it is
    the sum over terms q of y^q·(base − s·P(t)), s half the chord to the nearer end, the highest q
    first. An entry is on the cell shift + scale·s + bend·s², rounded to a whole number in range,
    with the `cell_map` of its side: ρ ≥ 0, then ρ < 0. On its cell t = slope·s + offset, small. A
    term is `lengths[q]` rows of cells: the bases, and the coefficients of P, descending. Each row
    is a polynomial in x of `powers` coefficients, descending, which lie one after the other.

    Where `has_rest`, a term has one more row, whose cells are alike: its rest r. With `mirror`
    sign, slope and shift, an entry of ρ < 0 is sign·Σ y^q·(base − s·P(t) + r·(slope·ρ + shift)).
    So one side's cells serve both where K is even, or odd, but for a line or a number.

    Attributes
    ----------
    cell_map : (2, 3) array
        Shift, scale and bend.
    mirror : (3,) array
        1, 0 and 0 where each side has cells of its own.
    has_rest : bool
    slopes, offsets : (cells,) arrays
    lengths : (terms,) int64 array
        2 at least.
    powers : (sum(lengths) + terms with rests,) int64 array
        1 at least.
    coefficients : (sum(powers), cells) array
    first_row, first_column : int
        Of the tile, that it holds for: entries elsewhere are left as they are.
    row_places, column_places : arrays
        Of as many rows and columns from there on.
    is_triangle : bool
        Whether entries left of the tile's diagonal may be left as they are.
    """

    cell_map: npt.NDArray[np.floating]
    mirror: npt.NDArray[np.floating]
    has_rest: bool
    slopes: npt.NDArray[np.floating]
    offsets: npt.NDArray[np.floating]
    lengths: npt.NDArray[np.int64]
    powers: npt.NDArray[np.int64]
    coefficients: npt.NDArray[np.floating]
    first_row: int
    first_column: int
    row_places: npt.NDArray[np.floating]
    column_places: npt.NDArray[np.floating]
    is_triangle: bool
