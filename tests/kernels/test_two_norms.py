"""Tables of two norms, of numbers at random, against the contract's formula."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import FEW

from fastgram.kernels.contract import CELLS, NormTable
from fastgram.kernels.cpu.evaluate import evaluate

FLOAT = np.dtype(np.float64)
COUNT = CELLS[FLOAT]
EDGE = np.sqrt(0.5)


def table_of(lengths, height, width, first=(0, 0)):
    rng = np.random.default_rng(len(lengths))
    powers = rng.integers(1, 6, np.sum(lengths))
    scale = COUNT / 2 / EDGE
    return NormTable(
        cell_map=np.array([[COUNT - 0.5, -scale, -0.2], [-0.5, scale, 0.3]]),
        slopes=rng.uniform(2.0, 4.0, COUNT),
        offsets=rng.uniform(-1.0, 1.0, COUNT),
        lengths=np.array(lengths, dtype=np.int64),
        powers=powers.astype(np.int64),
        coefficients=rng.standard_normal((np.sum(powers), COUNT)),
        first_row=first[0],
        first_column=first[1],
        row_places=rng.uniform(-1.0, 1.0, height),
        column_places=rng.uniform(-1.0, 1.0, width),
    )


def by_formula(table, rho, s):
    """Entries, one polynomial after the other, and the size of what they sum."""
    shift, scale, bend = table.cell_map[(rho < 0.0).astype(int)].transpose(2, 0, 1)
    cell = np.rint(np.clip(shift + scale * s + bend * s * s, 0.0, COUNT - 1.0)).astype(int)
    t, x = table.slopes[cell] * s + table.offsets[cell], table.row_places[:, None]
    parts = iter(np.split(table.coefficients, np.cumsum(table.powers)[:-1]))

    def row(places, sign):
        power = np.arange(len(part := next(parts)))[::-1]
        values = sign(part)[None] * sign(places)[:, :, None] ** power[:, None]
        return np.take_along_axis(values.sum(axis=1), cell, axis=1)

    found = []
    for sign in (np.asarray, np.abs):  # the values, and their sizes
        parts = iter(np.split(table.coefficients, np.cumsum(table.powers)[:-1]))
        total = np.zeros_like(s)
        for length in table.lengths:
            base = row(x, sign)
            polynomial = sum(
                row(x, sign) * sign(t) ** power for power in reversed(range(length - 1))
            )
            gained = base - s * polynomial if sign is np.asarray else base + s * polynomial
            total = total * sign(table.column_places) + gained
        found.append(total)
    return found


@pytest.mark.parametrize("first", [(0, 0), (3, 5)])
@pytest.mark.parametrize("shape", [(9, 64), (6, 45)])
@pytest.mark.parametrize("lengths", [(3, 5, 9), (2,)])
def test_tables_by_the_formula(lengths, shape, first):
    """Whole tiles and parts, of whole vectors and not; close pairs by their rows."""
    rng = np.random.default_rng(0)
    height, width = shape
    rows, columns = (rng.standard_normal((n, 3)) for n in (height, width))
    columns[7] = rows[4] + 1e-7
    columns[8] = -rows[4] + 1e-9
    rows, columns = (part / np.linalg.norm(part, axis=1)[:, None] for part in (rows, columns))
    table = table_of(lengths, height - first[0] - 1, width - first[1], first)
    scales = [rng.uniform(0.5, 1.5, n) for n in shape]
    rho, out = rows @ columns.T, np.full(shape, np.nan)
    evaluate(rho, rows, columns, *scales, table, out)
    here = slice(first[0], height - 1), slice(first[1], width)
    assert np.array_equal(
        np.isnan(out), ~np.isin(np.arange(out.size).reshape(shape), out_of(here, shape))
    )
    near, far = (np.linalg.norm(rows[:, None] - side * columns, axis=2) / 2.0 for side in (1, -1))
    s = np.minimum(near, far)
    value, size = by_formula(table, rho[here], s[here])
    weights = np.outer(*scales)[here]
    # what rounds s is magnified by slopes: a few digits of random polynomials
    allowed = 100.0 * FEW * np.finfo(np.float64).eps * size * weights
    assert np.all(np.abs(out[here] - value * weights) <= allowed)


def out_of(here, shape):
    return np.arange(np.prod(shape)).reshape(shape)[here]
