"""Tables of lines with kinks away from 0, on rows of many norms: away from ρ = ±1."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.oracles.kinked_duals import dual_of_lines
from mpmath import mp

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.integrated_entries import IntegratedEntries, SeparatedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.line_pairs import LinePairs
from fastgram.infinite_width.separable_table import separate
from fastgram.matrix.operator import matrix_of

FLOAT = np.dtype(np.float64)
# f left of all kinks, kinks, and jumps of f'
FORMS = {"hard_tanh": ((0, -1), (-1, 1), (1, -1)), "relu6": ((0, 0), (0, 6), (1, -1))}
RANGES = [(29.0, 72.0), (0.3, 3.0)]
COSINES = np.array([0.985, 0.61, -0.02, -0.93])  # a second each, in mpmath
N = 1100  # whose entries are not few
SPREAD = np.geomspace(29.0, 72.0, N)[:, None]


def exact_entry(name, kind, rho, one, two):
    left, kinks, jumps = FORMS[name]
    pair = mp.acos(mp.mpf(rho)), (one, two)
    slope = dual_of_lines((0, left[0]), kinks, (0, 0), jumps, *pair)
    product = mp.mpf(one) * mp.mpf(two) * mp.mpf(rho)
    if kind == "gradient":
        return product * slope
    value = dual_of_lines(left, kinks, jumps, (0, 0), *pair)
    return value if kind == "nngp" else value + product * slope


def rows(low, high, seed=0):
    """Rows of norms in a range, a close pair, an opposite one and an equal one among them."""
    X = fg.datasets.sphere(N, 12, seed=seed)
    X[1], X[3], X[5] = X[0] + 1e-7 * X[2], -X[2], X[4]
    norms = np.geomspace(low, high, N)[np.random.default_rng(seed).permutation(N)]
    norms[5] = norms[4]
    return X * norms[:, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "norms"),
    [("hard_tanh", "gradient", RANGES[0]), ("relu6", "nngp", RANGES[1])],
)
def test_against_mpmath(name, kind, norms):
    """Off the nodes, over the roots of diagonal entries, within what is stated."""
    network = fg.Network(name)
    separated = separate(network, kind, *norms, FLOAT)
    assert separated.bottom <= -0.9
    assert 0.9 <= separated.top < 1.0
    pair = np.array([norms[0] * 1.07, norms[1] * 0.83])
    at = COSINES[np.abs(COSINES) < separated.top]
    found = separated.values(at, pair)[:, 0, 1]
    sizes = diagonal_entries(network, kind, pair)  # of one dimension: other tests have them
    for rho, value in zip(at, found, strict=True):
        with mp.workdps(20):
            scaled = exact_entry(name, kind, rho, *pair) / mp.sqrt(sizes[0] * sizes[1])
        assert abs(value - float(scaled)) <= min(separated.error / 4.0, 2e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "norms", "depth"),
    [
        ("hard_tanh", RANGES[0], 1),
        ("hard_tanh", RANGES[1], 3),
        ("relu6", RANGES[1], 1),
    ],
)
def test_entries_are_those_of_pairs(name, norms, depth, kind):
    network, X = fg.Network(name, depth=depth, bias_variance=0.1), rows(*norms)
    unit = UnitRows.of(network.augmented(X), FLOAT)
    entries = entries_between(network, kind, unit, unit, FLOAT)
    assert isinstance(entries, SeparatedEntries)
    pairs = IntegratedEntries(network, kind, unit, unit, FLOAT, entries.pairs)
    assert isinstance(entries.pairs, LinePairs)
    some = slice(0, 48)
    shape = 48, 48
    for j in (some, slice(672, 720)):
        found, wanted = np.empty(shape), np.empty(shape)
        for way, out in ((entries, found), (pairs, wanted)):
            way.block(some, j, CPU, np.empty(shape), out)
        scales = np.outer(entries.row_scales[some], entries.row_scales[j])
        assert np.max(np.abs(found - wanted) / scales) <= min(entries.error, 3e-13)


def test_pairs_outside_count_in_the_cost_of_an_entry():
    sides = [UnitRows.of(fg.datasets.sphere(N, d, seed=1) * SPREAD, FLOAT) for d in (3, 200)]
    low, high = (
        entries_between(fg.Network("relu6"), "gradient", side, side, FLOAT) for side in sides
    )
    assert 0.004 < low.fraction_outside() < 0.1  # 1 % of a sphere in three dimensions
    assert low.entry_flops >= low.fraction_outside() * low.pairs.flops
    assert high.fraction_outside() == 0.0
    assert high.entry_flops < 1e3


def test_norms_too_far_apart_go_pair_by_pair():
    X = rows(0.01, 100.0)
    assert isinstance(matrix_of(fg.GramOperator(X, "hard_tanh")).entries, IntegratedEntries)


def test_the_matrix_has_no_negative_eigenvalue():
    op = fg.GramOperator(rows(29.0, 72.0), "relu6", kind="nngp")
    G = op.dense()
    assert np.array_equal(G, G.T)
    assert np.array_equal(np.diagonal(G), op.diagonal())
    assert G[4, 5] == G[4, 4]
    assert np.linalg.eigvalsh(G)[0] >= -op.noise_floor
