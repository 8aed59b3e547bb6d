"""Errors that are measured as NaN are errors without a bound, whatever else was measured."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.infinite_width import conditioning, entry_choice, separable_table
from fastgram.infinite_width.conditioning import EntryErrors, errors_between_norms
from fastgram.infinite_width.pairs import line_pairs, norm_pairs
from fastgram.infinite_width.pairs.line_pairs import LinePairs
from fastgram.infinite_width.pairs.norm_layers import LayerFunctions
from fastgram.infinite_width.pairs.norm_pairs import NormPairs
from fastgram.infinite_width.pairs.protocol import steepest
from fastgram.infinite_width.pairs.smoothed import smoothed_pairs
from fastgram.infinite_width.pairs.smoothed.smoothed_pairs import SmoothedPairs
from fastgram.infinite_width.tables import cosine_table, norm_groups, norm_table
from fastgram.matrix.operator import matrix_of
from fastgram.network.lines import lines_of
from fastgram.support.rounding import largest_error

NORMS = np.array([0.9, 1.3])


def rows(n=6):
    return fg.datasets.sphere(n, 3, seed=0) * np.geomspace(0.9, 1.3, n)[:, None]


def from_the_second_on(monkeypatch, module, name, spoiled):
    """Let a function return something else from its second call on."""
    function, calls = getattr(module, name), itertools.count(1)

    def called(*arguments, **options):
        result = function(*arguments, **options)
        return spoiled(result) if next(calls) > 1 else result

    monkeypatch.setattr(module, name, called)


def nan_of(array):
    return np.asarray(array) * math.nan


@pytest.mark.parametrize("errors", [(math.nan, 1.0), (1.0, math.nan), (0.0, math.nan, 2.0)])
def test_no_order_drops_them(errors):
    assert largest_error(*errors) == math.inf
    assert largest_error(1.0, 3.0, 2.0) == 3.0


def test_of_some_norms(monkeypatch):
    from_the_second_on(
        monkeypatch, conditioning, "_errors", lambda _: EntryErrors(math.nan, math.nan)
    )
    found = errors_between_norms(fg.Network("tanh"), "nngp", NORMS)
    assert (found.base, found.by_norm) == (math.inf, math.inf)


def test_of_slopes():
    def values_at(left, right, squares, far):
        return np.where(left + right < 2.0, 1.0, math.nan) + squares

    both = np.stack([NORMS, NORMS], axis=1)
    assert steepest(fg.Network("tanh"), "nngp", both, values_at) == math.inf


def test_of_lines(monkeypatch):
    from_the_second_on(monkeypatch, line_pairs, "_own_error", nan_of)
    network = fg.Network("hard_tanh", depth=2)
    lines = lines_of(network.activation)
    assert LinePairs(network, "nngp", lines, NORMS, NORMS).error == math.inf


@pytest.mark.parametrize("name", ["dual_entries", "pair_distances"])
def test_of_what_is_smoothed(monkeypatch, name):
    from_the_second_on(monkeypatch, smoothed_pairs, name, nan_of)
    pairs = SmoothedPairs(fg.Network("erf", depth=2), "nngp", NORMS, NORMS)
    assert pairs.error == math.inf


@pytest.mark.slow
@pytest.mark.parametrize("of_a_layer", [True, False])
def test_of_layers(monkeypatch, of_a_layer):
    if of_a_layer:
        from_the_second_on(monkeypatch, norm_pairs, "_measured_miss", nan_of)
    else:
        from_the_second_on(monkeypatch, LayerFunctions, "at_pairs", nan_of)
    assert NormPairs(fg.Network("elu", depth=2), "nngp", NORMS, NORMS).error == math.inf


@pytest.mark.parametrize("part", ["error", "by_norm", "slope"])
def test_pairs_without_a_bound_are_not_taken(monkeypatch, part):
    class Unbounded(SmoothedPairs):
        def __init__(self, *sides):
            super().__init__(*sides)
            setattr(self, part, math.inf)

    monkeypatch.setattr(smoothed_pairs, "SmoothedPairs", Unbounded)
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    monkeypatch.setattr(entry_choice, "_most_pairs", lambda *_: 10**6)
    monkeypatch.setattr(entry_choice, "_NEAR_NORMS", 1.0)
    op = fg.GramOperator(rows(), "erf", kind="nngp")
    entries = matrix_of(op).entries
    assert not isinstance(getattr(entries, "pairs", None), Unbounded)
    assert math.isfinite(entries.error)


def test_of_a_table(monkeypatch):
    monkeypatch.setattr(cosine_table, "rounding_of", lambda *_: np.array([0.0, math.nan]))
    fresh = replace(fg.get_activation("elu"), name="own elu")
    op = fg.GramOperator(fg.datasets.sphere(6, 3, seed=0), fresh)
    assert matrix_of(op).entries.error == math.inf
    bracket = fg.extreme_eigenvalues(op).smallest
    assert (bracket.lower, bracket.upper) == (0.0, math.inf)


def test_of_separated_tables(monkeypatch):
    values = separable_table.Separated.values
    monkeypatch.setattr(separable_table.Separated, "values", lambda *a: values(*a) * math.nan)
    fresh = fg.Network(replace(fg.get_activation("tanh"), name="own tanh"))
    assert separable_table.separate(fresh, "nngp", 0.9, 1.3, np.dtype(np.float64)) is None


@pytest.mark.slow
@pytest.mark.parametrize("where", ["probes", "values"])
def test_of_groups_of_norms(tiles, monkeypatch, where):
    tiles(160, 1)
    if where == "probes":
        probes = norm_table._probes

        def spoiled(sampled, cells, side, *ranges):
            s, exact = probes(sampled, cells, side, *ranges)
            return s, exact if side == 0 else nan_of(exact)

        monkeypatch.setattr(norm_table, "_probes", spoiled)
    else:
        make = norm_groups.tables_between

        def planted(*arguments):
            groups = make(*arguments)
            for part in groups[-1]:
                part.table.coefficients[...] = math.nan
            return groups

        monkeypatch.setattr(norm_groups, "tables_between", planted)
    X = fg.datasets.sphere(1000, 3, seed=0) * np.geomspace(0.3, 3.0, 1000)[:, None]
    entries = matrix_of(fg.GramOperator(X, fg.Network("tanh"), memory=0)).entries
    ordered = entries.in_order_of_norms((CPU,)).entries
    if where == "probes":
        assert not any(part.table for parts in ordered.groups.tables.values() for part in parts)
    else:
        assert ordered.error == math.inf
