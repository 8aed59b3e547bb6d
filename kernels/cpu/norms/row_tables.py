"""The tables of rows of one norm each, from a table of cells whose coefficients are polynomials.

Polynomials of the row's norm: those of a few rows are summed at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastgram.kernels.contract import CELLS
from fastgram.kernels.cpu.llvm_vectors import INT64, Lanes, lanes_of, length_of, operands_of

__all__ = ["ROWS", "row_tables"]

ROWS = 4  # whose tables are made together: what they are made of is read once for all


class _RowTables(NamedTuple):
    """The operands of `row_tables`, in its order."""

    powers: Any
    coefficients: Any
    at: Any
    first: Any
    tables: Any


@intrinsic
def row_tables(typing, powers, coefficients, at, first, tables):
    """Make the tables of ROWS rows: polynomials of the row's norm, at that norm.

    Parameters
    ----------
    powers : (rows of the table,) int64 array
        How many coefficients, descending, each row of cells has.
    coefficients : flat array
        Cells of the first row's first coefficient, and so on.
    at : array
        The place of each row of the tile's norm in its range, −1 to 1.
    first : int
        Of the rows of the tile.
    tables : flat array
        Cells of each row of the table, of each row of the tile.
    """
    signature = types.void(powers, coefficients, at, types.intp, tables)
    dtype = np.dtype(coefficients.dtype.name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, (lanes, _) = builder, lanes_of(context, builder, dtype)
        count = length_of(context, b, powers, _RowTables(*arguments).powers)
        operands = operands_of(_RowTables, context, b, signature, arguments)
        _generate_rows(lanes, operands, count)
        return context.get_dummy_value()

    return signature, generate


def _generate_rows(lanes: Lanes, operands: _RowTables, count: Any) -> None:
    b, one, cells = lanes.builder, ir.Constant(INT64, 1), CELLS[lanes.dtype]
    parts, per_row = cells // lanes.count, ir.Constant(INT64, cells)
    places = [
        lanes.splat(b.load(b.gep(operands.at, [b.add(operands.first, ir.Constant(INT64, k))])))
        for k in range(ROWS)
    ]

    def load(at: Any) -> list[Any]:
        start = b.mul(at, per_row)
        return [
            lanes.load(
                b.gep(operands.coefficients, [b.add(start, ir.Constant(INT64, part * lanes.count))])
            )
            for part in range(parts)
        ]

    before = b.block
    row, power, close, done = (
        b.append_basic_block(name) for name in ("row", "power", "close", "done")
    )
    b.branch(row)
    b.position_at_end(row)
    r, at = b.phi(INT64), b.phi(INT64)
    length = b.load(b.gep(operands.powers, [r]))
    end, second, leading = b.add(at, length), b.add(at, one), load(at)
    b.cbranch(b.icmp_signed(">", length, one), power, close)

    b.position_at_end(power)
    n = b.phi(INT64)
    values = [[b.phi(lanes.vector) for _ in range(parts)] for _ in places]
    following, coefficient = b.add(n, one), load(n)
    new = [
        [lanes.math("fma", old, place, c) for old, c in zip(of_it, coefficient, strict=True)]
        for of_it, place in zip(values, places, strict=True)
    ]
    n.add_incoming(second, row)
    n.add_incoming(following, power)
    for of_it, gained in zip(values, new, strict=True):
        for phi, first, then in zip(of_it, leading, gained, strict=True):
            phi.add_incoming(first, row)
            phi.add_incoming(then, power)
    b.cbranch(b.icmp_signed("<", following, end), power, close)

    b.position_at_end(close)
    results: list[list[Any]] = []
    for gained in new:
        results.append([])
        for first, then in zip(leading, gained, strict=True):
            phi = b.phi(lanes.vector)
            phi.add_incoming(first, row)
            phi.add_incoming(then, power)
            results[-1].append(phi)
    for k, of_it in enumerate(results):
        line = b.add(b.mul(ir.Constant(INT64, k), count), r)
        start = b.mul(line, per_row)
        for part, value in enumerate(of_it):
            place = b.add(start, ir.Constant(INT64, part * lanes.count))
            lanes.store(value, b.gep(operands.tables, [place]))
    after = b.add(r, one)
    for phi, begin, then in ((r, ir.Constant(INT64, 0), after), (at, ir.Constant(INT64, 0), end)):
        phi.add_incoming(begin, before)
        phi.add_incoming(then, close)
    b.cbranch(b.icmp_signed("<", after, count), row, done)
    b.position_at_end(done)
