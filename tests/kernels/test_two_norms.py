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


# sign, slope and shift of what is mirrored, and whether there is a rest
MIRRORS = [((1.0, 0.0, 0.0), False), ((-1.0, 0.0, 0.0), False), ((-0.5, 2.0, -0.7), True)]


def table_of(lengths, height, width, first=(0, 0), mirror=MIRRORS[0], is_triangle=False):
    rng = np.random.default_rng(len(lengths))
    rows = np.sum(lengths) + mirror[1] * len(lengths)
    powers = rng.integers(1, 6, rows)
    scale = COUNT / 2 / EDGE
    coefficients = rng.standard_normal((np.sum(powers), COUNT))
    if mirror[1]:
        rests = np.isin(np.repeat(np.arange(rows), powers), np.cumsum(np.add(lengths, 1)) - 1)
        coefficients[rests] = coefficients[rests, :1]
    return NormTable(
        cell_map=np.array([[COUNT - 0.5, -scale, -0.2], [-0.5, scale, 0.3]]),
        mirror=np.array(mirror[0]),
        has_rest=mirror[1],
        slopes=rng.uniform(2.0, 4.0, COUNT),
        offsets=rng.uniform(-1.0, 1.0, COUNT),
        lengths=np.array(lengths, dtype=np.int64),
        powers=powers.astype(np.int64),
        coefficients=coefficients,
        first_row=first[0],
        first_column=first[1],
        row_places=rng.uniform(-1.0, 1.0, height),
        column_places=rng.uniform(-1.0, 1.0, width),
        is_triangle=is_triangle,
    )


def by_formula(table, rho, s):
    """Entries, one polynomial after the other, and the size of what they sum."""
    shift, scale, bend = table.cell_map[(rho < 0.0).astype(int)].transpose(2, 0, 1)
    cell = np.rint(np.clip(shift + scale * s + bend * s * s, 0.0, COUNT - 1.0)).astype(int)
    t, x = table.slopes[cell] * s + table.offsets[cell], table.row_places[:, None]
    sign, slope, shift = table.mirror
    beyond = np.where(rho < 0.0, slope * rho + shift, 0.0)

    def row(places, size):
        power = np.arange(len(part := next(parts)))[::-1]
        values = size(part)[None] * size(places)[:, :, None] ** power[:, None]
        return np.take_along_axis(values.sum(axis=1), cell, axis=1)

    found = []
    for size in (np.asarray, np.abs):  # the values, and their sizes
        parts = iter(np.split(table.coefficients, np.cumsum(table.powers)[:-1]))
        total = np.zeros_like(s)
        for length in table.lengths:
            base = row(x, size)
            polynomial = sum(
                row(x, size) * size(t) ** power for power in reversed(range(length - 1))
            )
            gained = base - s * polynomial if size is np.asarray else base + s * polynomial
            if table.has_rest:
                gained += size(beyond) * row(x, size)
            total = total * size(table.column_places) + gained
        found.append(total * size(np.where(rho < 0.0, sign, 1.0)))
    return found


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("first", [(0, 0), (3, 5)])
@pytest.mark.parametrize("shape", [(9, 64), (6, 45)])
@pytest.mark.parametrize("lengths", [(3, 5, 9), (2,)])
def test_tables_by_the_formula(lengths, shape, first, mirror):
    """Whole tiles and parts, of whole vectors and not; close pairs by their rows."""
    height, width = shape
    tile, scales = tile_of(shape), scales_of(shape)
    table = table_of(lengths, height - first[0] - 1, width - first[1], first, mirror)
    here = slice(first[0], height - 1), slice(first[1], width)
    check(table, tile, scales, here)


@pytest.mark.parametrize(
    ("first", "height", "width"), [((0, 0), 70, 64), ((5, 40), 60, 30), ((50, 0), 20, 45)]
)
def test_right_of_the_diagonal(first, height, width):
    """In a triangle entries right of the tile's diagonal are there, and nothing beyond the part."""
    shape = 70, 70
    table = table_of((3, 4), height, width, first, is_triangle=True)
    here = slice(first[0], first[0] + height), slice(first[1], first[1] + width)
    check(table, tile_of(shape), scales_of(shape), here, np.triu(np.ones(shape, dtype=bool))[here])


def tile_of(shape):
    """Unit rows and columns, with close pairs, and their products."""
    rng = np.random.default_rng(0)
    rows, columns = (rng.standard_normal((n, 3)) for n in shape)
    columns[7] = rows[4] + 1e-7
    columns[8] = -rows[4] + 1e-9
    rows, columns = (part / np.linalg.norm(part, axis=1)[:, None] for part in (rows, columns))
    return rows @ columns.T, rows, columns


def scales_of(shape):
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 1.5, n) for n in shape]


def check(table, tile, scales, here, asked=True):
    """Compare a part of a tile, where it is asked for; the rest is as it was."""
    rho, rows, columns = tile
    out = np.full(rho.shape, np.nan)
    evaluate(rho, rows, columns, *scales, table, out)
    outside = np.ones(rho.shape, dtype=bool)
    outside[here] = False
    assert np.all(np.isnan(out[outside]))
    near, far = (np.linalg.norm(rows[:, None] - side * columns, axis=2) / 2.0 for side in (1, -1))
    s = np.minimum(near, far)
    value, size = by_formula(table, rho[here], s[here])
    weights = np.outer(*scales)[here]
    # what rounds s is magnified by slopes: a few digits of random polynomials
    allowed = 100.0 * FEW * np.finfo(np.float64).eps * size * weights
    assert np.all((np.abs(out[here] - value * weights) <= allowed) | ~np.asarray(asked))
    in_place = rho.copy()
    evaluate(in_place, rows, columns, *scales, table, in_place)
    written = ~np.isnan(out)
    assert np.array_equal(in_place[written], out[written])
