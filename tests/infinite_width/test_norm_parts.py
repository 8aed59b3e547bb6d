"""Tables of many norms: sides that mirror each other, parts of columns, parts without a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.tolerances import FREE_NORMS

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.infinite_width.kernel_function import direct_entries
from fastgram.infinite_width.separable_table import separate
from fastgram.infinite_width.tables import norm_groups, norm_table
from fastgram.infinite_width.tables.norm_groups import samples_of_lines
from fastgram.infinite_width.tables.norm_sides import APART, mirror_of
from fastgram.matrix.operator import matrix_of
from fastgram.network.network import Network

FLOAT = np.dtype(np.float64)
NORMS = np.array([0.5, 0.9, 1.7])
# name, depth, kind, sign of entries of −ρ, whether there is a rest
MIRRORED = [
    ("tanh", 1, "gradient", -1.0, False),
    ("sigmoid", 1, "nngp", -1.0, True),
    ("gelu", 1, "gradient", 1.0, True),
    ("softplus", 1, "ntk", 1.0, True),
    ("hard_tanh", 1, "nngp", -1.0, False),
]


def sampled_of(name, depth, kind):
    network = Network(name, depth=depth)
    lines = samples_of_lines(network, kind)
    return lines or separate(network, kind, 0.5, 2.0, FLOAT)


@pytest.mark.parametrize(("name", "depth", "kind", "sign", "has_rest"), MIRRORED)
def test_one_side_says_what_the_other_is(name, depth, kind, sign, has_rest):
    mirror = mirror_of(sampled_of(name, depth, kind), NORMS)
    assert (mirror.sign, mirror.has_rest) == (sign, has_rest)


@pytest.mark.parametrize(("name", "depth"), [("elu", 1), ("relu6", 1), ("gelu", 2)])
def test_sides_that_are_apart(name, depth):
    assert mirror_of(sampled_of(name, depth, "gradient"), NORMS) == APART


def ordered(name, kind, norms, n=1000):
    """Entries in the order of their norms, and rows in that order; with close and opposite rows."""
    X = fg.datasets.sphere(n, 3, seed=0)
    X[1], X[3], X[5] = X[0] + 1e-7 * X[2], -X[2], X[4]
    sizes = np.geomspace(*norms, n)
    entries = matrix_of(fg.GramOperator(X * sizes[:, None], name, kind=kind, memory=0)).entries
    return entries.in_order_of_norms((CPU,)).entries


def upper_error(entries, i, j):
    """The largest error of a tile over its scales, right of the diagonal, against quadratures."""
    out = np.empty((i.stop - i.start, j.stop - j.start))
    entries.block(i, j, CPU, out, out)
    few, others = np.arange(0, out.shape[0], 37), np.arange(0, out.shape[1], 29)
    x, y = entries.rows.unit[i][few], entries.rows.unit[j][others]
    near, far = (np.linalg.norm(x[:, None] - side * y, axis=2) for side in (1.0, -1.0))
    first, second = np.broadcast_arrays(
        entries.rows.norms[i][few, None] ** 2, entries.rows.norms[j][others] ** 2
    )
    angles = 2.0 * np.arctan2(near, far)
    wanted = direct_entries(entries.network, entries.kind, angles, first, second)
    scales = np.outer(entries.row_scales[i][few], entries.row_scales[j][others])
    asked = (few[:, None] + i.start) <= (others + j.start)
    return np.max(np.abs(out[np.ix_(few, others)] - wanted) / scales, where=asked, initial=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("gelu", "gradient"), ("sigmoid", "nngp"), ("selu", "ntk")]
)
def test_columns_are_parted_where_it_pays(name, kind, monkeypatch):
    """A group of columns has several tables, and entries are those of quadratures."""
    monkeypatch.setattr(norm_table, "_OF_MAKING", 10_000.0)
    entries = ordered(name, kind, (0.3, 6.0))
    assert max(map(len, entries.groups.tables.values())) > 1
    mirrors = {part.table.mirror.sign for parts in entries.groups.tables.values() for part in parts}
    assert mirrors == {1.0 if name != "sigmoid" else -1.0}
    for i, j in ((0, 0), (0, 2), (1, 2), (2, 2)):
        tile = [slice(384 * k, min(384 * k + 384, 1000)) for k in (i, j)]
        assert upper_error(entries, *tile) <= min(FREE_NORMS, entries.error)


@pytest.mark.slow
def test_parts_without_a_table(monkeypatch):
    """What has no table of two groups is of the wide one, in a tile that is its own scratch."""
    make = norm_groups.tables_between

    def some(*arguments):
        groups = make(*arguments)
        groups[-1] = [part._replace(table=None) for part in groups[-1]]
        return groups

    monkeypatch.setattr(norm_groups, "tables_between", some)
    entries = ordered("tanh", "gradient", (0.5, 3.0))
    assert entries.in_place
    for i, j in ((slice(0, 384), slice(768, 1000)), (slice(200, 500), slice(600, 900))):
        assert upper_error(entries, i, j) <= min(FREE_NORMS, entries.error)


def off_beyond(table, error=1e-9):
    """Return a table that is off where the far side follows from the near one, and only there."""
    mirror = table.mirror._replace(shift=table.mirror.shift + error)
    return replace(table, mirror=mirror)


def test_what_a_table_misses_is_looked_at_on_both_sides(monkeypatch):
    """One that is off on the far side goes: tables of two sides of their own take its place."""
    make = norm_table._table_of
    monkeypatch.setattr(norm_table, "_table_of", lambda *arguments: off_beyond(make(*arguments)))
    entries = ordered("softplus", "ntk", (0.9, 1.9))
    tables = [part.table for parts in entries.groups.tables.values() for part in parts]
    assert all(table is not None and not table.mirror.has_rest for table in tables)
    assert all(0.0 < table.miss <= norm_table.ALLOWED for table in tables)


def test_what_groups_miss_is_measured_on_both_sides(monkeypatch):
    make = norm_groups.tables_between

    def planted(*arguments):
        return [
            [part._replace(table=off_beyond(part.table)) for part in parts]
            for parts in make(*arguments)
        ]

    monkeypatch.setattr(norm_groups, "tables_between", planted)
    entries = ordered("softplus", "ntk", (0.9, 1.9))
    assert entries.error > 1e-10


def test_making_tables_moves_a_line_on(monkeypatch):
    """Where a stage of the work is shown, as the solvers do, it says how far tables are."""
    told = []
    monkeypatch.setattr(norm_groups, "advance", lambda done, total: told.append((done, total)))
    ordered("tanh", "gradient", (0.9, 1.9))
    assert told[-1] == (6, 6)
    assert [done for done, _ in told] == [3, 5, 6]
