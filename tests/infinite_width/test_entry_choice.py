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


KINDS = ["gradient", "nngp", "ntk"]


@pytest.mark.parametrize("name", ["tanh", "elu", "relu6", "gelu", "sin"])
@pytest.mark.parametrize("norm", [5e-324, 1e-300, 1e-163, 1e-156, 2e-152])
@pytest.mark.parametrize("mixed", [False, True])
def test_rows_that_are_next_to_nothing(refuses, name, norm, mixed):
    """Squares of their norms are denormal, or 0: at once, and not after half a minute."""
    norms = np.array([norm] * 3 + [1.0] * 37 if mixed else [norm] * 4)
    for kind in KINDS:
        with refuses(ValueError, "underflow: scale the rows", name):
            entries_of(fg.Network(name), norms, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", [1e-300, 1e-163, 1e-156, 2e-152])
@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_a_few_rows_next_to_nothing_among_others(name, norm, kind):
    """They are integrated one by one: what they have with others is next to nothing too."""
    X = rows([norm, norm, 1.0, 1.0])
    found = fg.gram(X, network=name, kind=kind)
    assert found[2:, 2:] == pytest.approx(fg.gram(X[2:], network=name, kind=kind), abs=1e-13)
    assert np.max(np.abs(found[:2])) <= 2.0 * norm


@pytest.mark.parametrize("norm", [1e-300, 1e-156, 1e-149])
@pytest.mark.parametrize(("name", "kind"), [("cos", "ntk"), ("softplus", "nngp")])
def test_rows_next_to_nothing_under_what_is_not_0_there(name, kind, norm):
    for norms in ([norm] * 4, [norm, 0.0, 1.0, 1.0]):
        entries = fg.gram(rows(norms), network=name, kind=kind)
        square = float(fg.get_activation(name).f(np.zeros(1))[0]) ** 2
        assert entries[0, :2] == pytest.approx([square, square], rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_norms_that_are_taken(kind):
    """tanh is its tangent there."""
    X = rows([1e-150] * 4)
    found = fg.gram(X * 1.0, network="tanh", kind=kind)
    exact = (2.0 if kind == "ntk" else 1.0) * (X @ X.T)
    assert found == pytest.approx(exact, rel=1e-12, abs=1e-13 * 1e-300)


@pytest.mark.parametrize("name", ["tanh", "relu6", "gelu", "sin", "polynomial"])
@pytest.mark.parametrize("norm", [1e121, 1e150, 1.2e154])
def test_rows_that_are_too_large_for_tables(refuses, name, norm):
    for kind in KINDS:
        with refuses(ValueError, "angles that underflow: scale the rows", name):
            entries_of(fg.Network(name), [norm] * 4, kind)
