"""Which class of entries takes which rows."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entries import TabledEntries, ZeroEntries
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.integrated_entries import IntegratedEntries, SeparatedEntries
from fastgram.infinite_width.pairs.line_pairs import LinePairs

FLOAT = np.dtype(np.float64)
MANY = np.linspace(1.0, 1.5, 40)


def rows(norms):
    return fg.datasets.sphere(len(norms), 3, seed=1) * np.asarray(norms)[:, None]


def entries_of(network, norms, kind="nngp"):
    unit = UnitRows.of(network.augmented(rows(norms)), FLOAT)
    return entries_between(network, kind, unit, unit, FLOAT)


@pytest.mark.parametrize(
    ("network", "norms", "kind", "expected"),
    [
        (fg.Network("step"), MANY, "gradient", ZeroEntries),
        (fg.Network("relu"), MANY, "nngp", TabledEntries),
        (fg.Network("tanh"), [2.0] * 40, "ntk", TabledEntries),
        (fg.Network("tanh"), MANY, "nngp", SeparatedEntries),
        (fg.Network("tanh"), MANY[:3], "nngp", IntegratedEntries),
        (fg.Network("tanh"), [0.0] * 3, "nngp", ZeroEntries),
    ],
)
def test_the_class(network, norms, kind, expected):
    entries = entries_of(network, norms, kind)
    assert type(entries) is expected
    assert (entries.table is None) == (expected is not TabledEntries)
    assert entries.in_place == (expected is TabledEntries)
    assert entries.shape == (len(norms),) * 2
    assert entries.symmetric


@pytest.mark.slow
def test_pairs_of_lines_are_never_integrated_one_by_one():
    entries = entries_of(fg.Network("relu", depth=2, bias_variance=0.1), MANY)
    assert type(entries) is SeparatedEntries
    assert not entries.separated.holds_everywhere
    assert isinstance(entries.pairs, LinePairs)
    few = entries_of(fg.Network("relu6"), MANY[:3])
    assert isinstance(few.pairs, LinePairs)


@pytest.mark.slow
@pytest.mark.parametrize("norms", [MANY, MANY[:3]])
def test_the_diagonal_is_the_square_of_the_scales(norms):
    entries = entries_of(fg.Network("tanh"), norms)
    exact = fg.dual("tanh", 1.0, entries.rows.norms**2, entries.rows.norms**2)
    assert entries.diagonal() == pytest.approx(exact, rel=1e-14)
    assert np.array_equal(entries.weights, entries.row_scales)
    assert entries.error > 0.0
