"""Rows of many norms: separated tables against quadratures of each entry."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from helpers.tolerances import EPS, EPS32, FREE_NORMS

import fastgram as fg
from fastgram.devices.scratch import RowFactors
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.integrated_entries import SeparatedEntries
from fastgram.infinite_width.kernel_function import direct_entries
from fastgram.infinite_width.separable_table import separate
from fastgram.kernels.contract import PieceVariable
from fastgram.matrix.operator import matrix_of

FLOAT = np.dtype(np.float64)
CASES = [
    ("elu", 1, "gradient", {}),
    ("elu", 1, "ntk", {}),
    ("tanh", 1, "gradient", {}),
    ("tanh", 2, "ntk", {"bias_variance": 0.2}),
    ("gelu", 1, "nngp", {"normalize": True}),
    ("softplus", 3, "gradient", {"weight_variance": 0.5}),
    ("polynomial", 1, "gradient", {}),
]


def rows(n, d, spread, seed=0):
    """Rows with norms over a factor of `spread`, a close pair, an opposite pair, an equal pair."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    X *= np.geomspace(1.0, spread, n)[rng.permutation(n), None] / np.sqrt(spread)
    X[1] = X[0] * (1.0 + 1e-6) + 1e-7 * X[2]
    X[3] = -X[2]
    X[5] = X[4]
    return X


def angles(X, Y):
    """Angles between rows, right for close and opposite ones."""
    x, y = (Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, Y))
    near = np.linalg.norm(x[:, None] - y[None], axis=2)
    far = np.linalg.norm(x[:, None] + y[None], axis=2)
    return 2.0 * np.arctan2(near, far)


def exact(X, Y, network, kind):
    Z, W = network.augmented(X), network.augmented(Y)
    theta = angles(Z, W)
    q1, q2 = np.sum(Z * Z, axis=1), np.sum(W * W, axis=1)
    first, second = np.broadcast_arrays(q1[:, None], q2[None, :])
    return direct_entries(network, kind, theta, first, second)


def network_of(name, depth, options):
    return fg.Network(name, depth=depth, **options)


@functools.cache
def norms_of(spread):
    return rows(64, 3, spread)


# With norms that far apart a table takes many more nodes: an activation with a kink, and one of no
# nodes at all.
FAR_APART = [CASES[1], CASES[6]]
QUICK = [CASES[0], CASES[6]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "kind", "options", "spread"),
    [
        *((*case, 3.0) for case in QUICK),
        *(pytest.param(*case, 3.0, marks=pytest.mark.slow) for case in CASES if case not in QUICK),
        *(pytest.param(*case, 100.0, marks=pytest.mark.slow) for case in FAR_APART),
    ],
)
def test_against_quadratures_of_each_entry(name, depth, kind, options, spread, device):
    """Relative to the square roots of the diagonal, and within the bound that is stated."""
    network, X = network_of(name, depth, options), norms_of(spread)
    G = fg.gram(X, network=network, kind=kind, device=device)
    entries = entries_between(network, kind, *[UnitRows.of(network.augmented(X), FLOAT)] * 2, FLOAT)
    assert isinstance(entries, SeparatedEntries)
    assert (entries.separated.bottom, entries.separated.top) == (-2.0, 2.0)
    # among them one of each pair; at large norms each takes its time
    some, others = slice(0, 6, 2), slice(0, 9 if spread < 10.0 else 6)
    wanted = exact(X[some], X[others], network, kind)
    scales = np.sqrt(np.outer(np.diag(G)[some], np.diag(G)[others]))
    error = np.abs(G[some, others] - wanted) / scales
    assert np.max(error) <= min(FREE_NORMS, entries.error)
    assert np.array_equal(G, G.T)
    assert G[4, 5] == pytest.approx(G[4, 4], rel=FREE_NORMS)


def test_the_diagonal_is_that_of_each_norm_alone(device):
    X = norms_of(3.0)
    op = fg.GramOperator(X, "elu", device=device)
    alone = [fg.gram(x[None], network="elu", device=device)[0, 0] for x in X[:6]]
    assert op.diagonal()[:6] == pytest.approx(alone, rel=100 * EPS)
    assert np.array_equal(np.diag(op.dense()), op.diagonal())


@pytest.mark.slow
def test_rectangles_and_float32(device):
    X = norms_of(3.0)
    G = fg.gram(X, network="elu", device=device)
    assert np.max(np.abs(fg.gram(X[:40], X[20:], "elu", device=device) - G[:40, 20:])) <= FREE_NORMS
    single = fg.gram(X, network="elu", device=device, dtype="float32")
    assert single.dtype == np.float32
    assert np.max(np.abs(single - G)) <= 2000 * EPS32 * np.max(G)


def test_products_threads_and_tiles(device, tiles):
    X = rows(900, 5, 3.0, seed=1)
    v = np.random.default_rng(2).standard_normal((900, 3))
    G = fg.gram(X, network="elu", device=device)
    results = []
    for threads in (1, 2):
        tiles(100, threads)
        results.append(fg.GramOperator(X, "elu", device=device, memory=0) @ v)
    assert np.array_equal(results[0], results[1])
    assert np.max(np.abs(results[0] - G @ v)) <= 1e-12 * np.max(G @ np.abs(v))


@pytest.mark.slow
def test_zero_rows(device):
    X = norms_of(3.0).copy()
    X[::7] = 0.0
    for name, kind in (("elu", "gradient"), ("softplus", "nngp")):
        G = fg.gram(X, network=name, kind=kind, device=device)
        few = fg.gram(X[:14], network=name, kind=kind, device=device)  # one by one
        assert np.max(np.abs(G[:14, :14] - few)) <= FREE_NORMS * np.max(few)


@pytest.mark.slow
def test_a_kink_in_a_deeper_layer_has_tables_away_from_close_pairs(device):
    """Near ρ = 1 entries have a cone where norms are equal; there they go pair by pair."""
    network = network_of("relu", 2, {"bias_variance": 0.3})
    X = norms_of(3.0)[6:39]
    op = fg.GramOperator(X, network, kind="ntk", device=device)
    assert 0.4 < matrix_of(op).entries.separated.top < 1.0
    G = op.dense()
    wanted = exact(X[:2], X, network, "ntk")
    scales = np.sqrt(np.outer(np.diag(G)[:2], np.diag(G)))
    assert np.max(np.abs(G[:2] - wanted) / scales) <= FREE_NORMS
    # rows that are far from parallel need none
    spread = np.eye(40) * np.geomspace(1.0, 3.0, 40)
    G = fg.GramOperator(spread, network, kind="ntk", device=device).dense()
    wanted = exact(spread[:3], spread, network, "ntk")
    scales = np.sqrt(np.outer(np.diag(G)[:3], np.diag(G)))
    assert np.max(np.abs(G[:3] - wanted) / scales) <= FREE_NORMS


def test_tables_are_found_again_for_other_rows_of_such_norms():
    network = fg.Network("elu")
    first = separate(network, "gradient", 0.9, 1.9, FLOAT)
    assert separate(network, "gradient", 0.88, 1.95, FLOAT) is first


@pytest.mark.slow
@pytest.mark.parametrize(("name", "longer"), [("erf", 1), ("softplus", 0)])
def test_odd_and_even_functions_take_one_polynomial(name, longer):
    """Derivative duals: of an even f' odd after the product with ρ, of 1/2 and an odd one even."""
    (middle,) = (
        part
        for part in separate(fg.Network(name), "gradient", 0.9, 1.4, FLOAT).parts
        if part.mode == PieceVariable.IN_COSINE
    )
    assert np.all(middle.horner_lengths[:, 1 - longer] == 1)
    assert np.all(middle.horner_lengths[:, longer] > 1)


def test_row_factors_are_made_once_for_rows_and_in_memory_that_stays():
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((5, width)) for width in (7, 2)]
    kept, other = RowFactors(), rng.standard_normal((3, 5))
    first, second = (rng.standard_normal((n, 5)) for n in (4, 3))
    made = kept.of(0, first, *factors, FLOAT)
    assert np.allclose(made[0], first @ factors[0])
    assert np.allclose(made[1], first @ factors[1])
    assert kept.of(0, second, *factors, FLOAT)[0] is made[0]
    kept.forget()
    again = kept.of(0, other, *factors, FLOAT)
    assert np.allclose(again[0], other @ factors[0])
    assert np.shares_memory(again[0], made[0])
    kept.forget()
    single = kept.of(0, first, *factors, np.dtype(np.float32))
    assert single[0].dtype == np.float32
    assert np.allclose(single[0], first @ factors[0], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_brackets_of_rows_of_many_norms(device):
    X = rows(500, 6, 3.0, seed=4)
    op = fg.GramOperator(X, "tanh", device=device)
    values = np.linalg.eigvalsh(op.dense())
    answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-2)
    assert answer.largest.lower <= values[-1] * (1 + 1e-9)
    assert answer.largest.upper >= values[-1] * (1 - 1e-9)
    assert answer.smallest.lower <= values[0] + 1e-12 * values[-1]
    assert answer.smallest.upper >= values[0] - 1e-12 * values[-1]
