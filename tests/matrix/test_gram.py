"""gram() against the naive reference, against exact angles, and everything it takes and refuses."""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from helpers.oracles.closed_forms import FORMS, pair_entry
from helpers.tolerances import EPS, FEW, FREE_NORMS, eps, reference
from mpmath import mpf
from sklearn.svm import SVC
from threadpoolctl import threadpool_info, threadpool_limits

import fastgram as fg
from fastgram import Activation, Network
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width import entry_choice
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.pairs.smoothed import smoothed_function
from fastgram.kernels import reference as naive
from fastgram.matrix import gram as module
from fastgram.matrix.consumers import Store
from fastgram.matrix.traversal import each_tile
from fastgram.support import progress

TILE = 8
SIZES = (1, 2, TILE - 1, TILE, TILE + 1, 3 * TILE + 5)
NAMES = tuple(dict.fromkeys(name for name, _ in naive.CLOSED_FORMS))
HOMOGENEOUS = ("relu", "leaky_relu", "abs", "step", "linear")


def separated(n, d):
    """Unit rows no two of which are within 0.1 of parallel, but for those that are ± equal."""
    signs = np.where(np.arange(n) % 3 == 1, -1.0, 1.0)[:, None]
    if d == 1:
        return signs
    if d == 2:
        angles = np.pi * (np.arange(n) + 0.25) / n
        return signs * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if d == 3:  # a spiral on half a sphere
        height = (np.arange(n) + 0.5) / n
        turn = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(n)
        radius = np.sqrt(1.0 - height**2)
        return signs * np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
    rows = np.random.default_rng(d).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rows_for(name, n, d):
    """Separated rows: of norms from 0.25 to 4 for homogeneous activations, else of norm 1.5."""
    rows = separated(n, d)
    if name in HOMOGENEOUS:
        return rows * 2.0 ** (np.arange(n) % 5 - 2.0)[:, None]
    return rows * 1.5


def entries_of(X, network, kind, dtype="float64", Y=None):
    net, dtype = Network(network) if isinstance(network, str) else network, np.dtype(dtype)
    rows = UnitRows.of(net.augmented(np.asarray(X, float)), dtype)
    columns = rows if Y is None else UnitRows.of(net.augmented(np.asarray(Y, float)), dtype, "Y")
    return entries_between(net, kind, rows, columns, dtype)


def allowed(X, network, kind, dtype="float64", Y=None):
    """What the library says of its own error, and the naive reference's rounding."""
    entries = entries_of(X, network, kind, dtype, Y)
    scale = entries.table.scale if entries.table is not None else 1.0
    spans = np.outer(entries.row_scales, entries.column_scales)
    return spans * (entries.error + reference(np.shape(X)[1]) * max(scale, 1.0))


@functools.cache
def expected(name, kind, n, d):
    X = rows_for(name, n, d)
    return naive.gram(X, X, naive.CLOSED_FORMS[name, kind])


# --- against the naive reference -----------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3, 50])
@pytest.mark.parametrize("name", NAMES)
def test_against_the_reference(name, d, kind, device, dtype, tiles):
    tiles(TILE)
    X = rows_for(name, SIZES[-1], d)
    G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    assert G.dtype == np.dtype(dtype)
    error = np.abs(G - expected(name, kind, SIZES[-1], d))
    assert np.all(error <= allowed(X, name, kind, dtype))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("name", "kind"), [("relu", "gradient"), ("erf", "nngp")])
def test_ragged_tiles(name, kind, n, device, dtype, tiles):
    tiles(TILE)
    X = rows_for(name, n, 3)
    G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    assert G.shape == (n, n)
    assert np.all(np.abs(G - expected(name, kind, n, 3)) <= allowed(X, name, kind, dtype))
    assert np.array_equal(G, G.T)


@pytest.mark.parametrize("m", [1, TILE, 2 * TILE + 3])
@pytest.mark.parametrize("n", [1, TILE + 1, 2 * TILE])
@pytest.mark.parametrize(("name", "kind"), [("relu", "nngp"), ("sin", "gradient")])
def test_rectangles(name, kind, n, m, device, dtype, tiles):
    tiles(TILE)
    rows = rows_for(name, n + m, 3)
    X, Y = rows[:n], rows[n:]
    G = fg.gram(X, Y, name, kind=kind, device=device, dtype=dtype)
    assert G.shape == (n, m)
    exact = expected(name, kind, n + m, 3)[:n, n:]
    assert np.all(np.abs(G - exact) <= allowed(X, name, kind, dtype, Y))


def test_rows_that_are_in_both_sets(device, dtype):
    X = rows_for("relu", 12, 3)
    G = fg.gram(X, X[::-1], network="relu", device=device, dtype=dtype)
    square = fg.gram(X, network="relu", device=device, dtype=dtype)
    assert np.array_equal(np.diag(G[:, ::-1]), np.diag(square))
    assert np.all(np.abs(G[:, ::-1] - square) <= 2 * allowed(X, "relu", "gradient", dtype))


def test_as_many_rows_as_a_real_tile_and_one(device):
    """The tile size that users get, in one case."""
    n = 384 + 1
    X = separated(n, 50)
    G = fg.gram(X, network="erf", device=device)
    assert np.array_equal(G, G.T)
    some = [0, 1, 200, 382, 383, 384]
    exact = naive.gram(X[some], X[some], naive.CLOSED_FORMS["erf", "gradient"])
    assert np.all(np.abs(G[np.ix_(some, some)] - exact) <= allowed(X[some], "erf", "gradient"))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "linear"])
def test_norms_of_a_homogeneous_activation_factor_out(name, kind, device):
    """Six orders of magnitude, each entry relative to its own two norms."""
    n = 20
    X = separated(n, 3) * np.geomspace(1e-3, 1e3, n)[np.random.default_rng(0).permutation(n), None]
    G = fg.gram(X, network=name, kind=kind, device=device)
    exact = naive.gram(X, X, naive.CLOSED_FORMS[name, kind])
    assert np.all(np.abs(G - exact) <= allowed(X, name, kind))
    spans = np.outer(*[np.linalg.norm(X, axis=1)] * 2)
    assert np.all(np.abs(G - exact) <= 1e-13 * spans)


def test_a_homogeneous_activation_of_degree_two(kind, device):
    square = "polynomial(coefficients=[0, 0, 1])"
    X = separated(9, 3) * np.geomspace(0.1, 10, 9)[:, None]
    rule = {"gradient": lambda c, *_: 4 * c * c, "nngp": lambda c, q1, q2: q1 * q2 + 2 * c * c}
    exact = naive.gram(X, X, rule[kind])
    G = fg.gram(X, network=square, kind=kind, device=device)
    assert np.all(np.abs(G - exact) <= allowed(X, square, kind))


# --- the network's variances ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "step", "erf", "polynomial"])
@pytest.mark.parametrize(("weight", "bias"), [(2.5, 0.0), (1.0, 0.3), (0.4, 1.7)])
def test_weight_and_bias_variance(name, kind, weight, bias, device):
    rule = naive.CLOSED_FORMS[name, kind]

    def entry(c, q1, q2):
        return rule(weight * c + bias, weight * q1 + bias, weight * q2 + bias)

    network = Network(name, weight_variance=weight, bias_variance=bias)
    X, Y = rows_for(name, 11, 3), rows_for(name, 16, 3)[11:]
    for columns in (None, Y):
        G = fg.gram(X, columns, network, kind=kind, device=device)
        exact = naive.gram(X, X if columns is None else columns, entry)
        assert np.all(np.abs(G - exact) <= allowed(X, network, kind, Y=columns))


@pytest.mark.parametrize("name", ["relu", "step", "erf", "cos"])
def test_normalize(name, kind, device):
    """E f(z)² = 1 for a standard normal z."""
    X = rows_for(name, 9, 3)
    rule = naive.CLOSED_FORMS[name, kind]
    exact = naive.gram(X, X, rule) / naive.CLOSED_FORMS[name, "nngp"](1.0, 1.0, 1.0)
    network = Network(name, normalize=True)
    G = fg.gram(X, network=network, kind=kind, device=device)
    assert np.all(np.abs(G - exact) <= allowed(X, network, kind))


def test_a_gram_matrix_of_zeros(device, dtype):
    """The derivative of a step is 0 almost everywhere."""
    G = fg.gram(rows_for("step", 10, 3), network="step", device=device, dtype=dtype)
    assert np.array_equal(G, np.zeros((10, 10)))
    zero = "polynomial(coefficients=[0])"
    for kind in ("gradient", "nngp"):
        assert not np.any(fg.gram(separated(4, 3), network=zero, kind=kind, device=device))


def test_a_name_an_activation_and_a_network_are_the_same(device):
    X = separated(5, 3)
    by_name = fg.gram(X, network="swish(beta=2)", device=device)
    for network in (
        fg.get_activation("swish", beta=2.0),
        Network("swish(beta=2.0)"),
        Network(fg.get_activation("silu", beta=2)),
    ):
        assert np.array_equal(fg.gram(X, network=network, device=device), by_name)
    assert np.array_equal(fg.gram(X, device=device), fg.gram(X, network="relu", device=device))


# --- special pairs -------------------------------------------------------------------------------


def with_close_pairs(d, dtype=np.float64):
    """Rows of one norm (to rounding), with rows near them and near their opposites."""
    rng = np.random.default_rng(2)
    base = separated(4, d)
    rows = [base]
    for angle in (1e-2, 1e-5, 1e-8):
        aside = rng.standard_normal(base.shape)
        aside -= np.sum(aside * base, axis=1, keepdims=True) * base
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        rows.append(np.cos(angle) * base + np.sin(angle) * aside)
        rows.append(-np.cos(angle) * base + np.sin(angle) * aside)
    return np.concatenate(rows).astype(dtype)


@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("name", list(FORMS))
def test_error_bound_on_close_pairs(name, d, kind, device, dtype):
    """The library's own bound, with nothing added, against the exact angles of the rows."""
    X = with_close_pairs(d)
    entries = entries_of(X, name, kind, dtype)
    G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    bound = entries.error * np.outer(entries.row_scales, entries.column_scales)
    for i, j in [(0, 1), *((i, i % 4) for i in range(4, 28)), *((i, i - 4) for i in range(8, 28))]:
        exact = pair_entry(name, kind, X[i], X[j])
        assert abs(mpf(float(G[i, j])) - exact) <= bound[i, j], (i, j)


@pytest.mark.slow
def test_error_bound_where_entries_are_steep(kind, device, dtype):
    """At a variance of 100 the rounding of long rows counts for more than the table's error."""
    rng = np.random.default_rng(4)
    base = separated(4, 500)
    sizes = np.array([0.6, 0.3, 0.1, 0.01]) / np.sqrt(500)
    X = np.concatenate([base, *(base + rng.normal(0.0, size, base.shape) for size in sizes)])
    X *= 10.0 / np.linalg.norm(X, axis=1, keepdims=True)
    entries = entries_of(X, "erf", kind, dtype)
    G = fg.gram(X, network="erf", kind=kind, device=device, dtype=dtype)
    bound = entries.error * np.outer(entries.row_scales, entries.column_scales)
    for i in range(len(X)):
        for j in range(i % 4, i, 4):
            exact = pair_entry("erf", kind, X[i], X[j])
            assert abs(mpf(float(G[i, j])) - exact) <= bound[i, j], (i, j)


@pytest.mark.parametrize("name", ["relu", "abs", "gelu", "erf"])
def test_close_pairs_are_right_to_roundings_of_the_entry(name, kind, device, dtype):
    """Where a cosine's rounding would leave 1e-8 (1e-4 in float32) of a kinked activation's."""
    X = with_close_pairs(3)
    G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    scale = np.max(np.abs(G))
    for i in range(4, 28):
        exact = float(pair_entry(name, kind, X[i], X[i % 4]))
        assert abs(G[i, i % 4] - exact) <= FEW * eps(dtype) * scale, i


def of_one_norm():
    """24 rows of the norm 9/8, exactly, no two of them parallel: one table serves all tests."""
    signs = itertools.product((1.0, -1.0), repeat=2)
    orders = itertools.permutations((1.0, 4.0, 8.0))
    return np.array([np.array([1.0, *s]) * row for row, s in itertools.product(orders, signs)]) / 8


@pytest.mark.parametrize("kind", ["gradient", pytest.param("nngp", marks=pytest.mark.slow)])
def test_the_diagonal_is_exact(activation, kind, device):
    """To a few roundings of the dual at ρ = 1, with rows that are no unit vectors bit for bit."""
    G = fg.gram(of_one_norm(), network=activation, kind=kind, device=device)
    q = 81.0 / 64.0
    diagonal = fg.dual(activation, 1.0, q, q, derivative=kind == "gradient")
    if kind == "gradient":
        diagonal = q * diagonal
    assert np.allclose(np.diag(G), diagonal, rtol=4 * FEW * EPS, atol=0.0)


# Tables of few pieces and of many, and of entries that are all zero.
@pytest.mark.parametrize("activation", ["relu", "tanh", "hard_tanh", "step", "cos"])
def test_duplicates_equal_the_diagonal_bit_for_bit(activation, kind, device, dtype, tiles):
    tiles(TILE)
    X = of_one_norm()[: TILE + 3]
    X = np.concatenate([X, X[[0, 3, 3, TILE]]])
    G = fg.gram(X, network=activation, kind=kind, device=device, dtype=dtype)
    for i, j in ((TILE + 3, 0), (TILE + 4, 3), (TILE + 5, 3), (TILE + 5, TILE + 4)):
        assert G[i, j] == G[j, i] == G[i, i] == G[j, j]
    assert len(np.unique(np.diag(G))) == 1


def test_multiples_by_powers_of_two(device):
    """Proportional rows are equal unit rows: the entry is the diagonal's, scaled."""
    X = separated(3, 5)
    G = fg.gram(np.concatenate([X, 4 * X, X / 32]), network="relu", device=device)
    for i in range(3):
        assert G[i, i + 3] == 4 * G[i, i]
        assert G[i + 3, i + 3] == 16 * G[i, i]
        assert G[i + 6, i + 3] == G[i, i] / 8


def test_opposite_rows(activation, kind, device, dtype):
    X, q = of_one_norm()[:5], 81.0 / 64.0
    G = fg.gram(np.concatenate([X, -X]), network=activation, kind=kind, device=device, dtype=dtype)
    exact = fg.dual(activation, -1.0, q, q, derivative=kind == "gradient")
    if kind == "gradient":
        exact = -q * exact
    opposite = G[np.arange(5), np.arange(5) + 5]
    assert np.allclose(opposite, exact, rtol=0, atol=2 * FEW * eps(dtype) * np.max(np.abs(G)))
    if activation.name == "relu":
        assert np.array_equal(opposite, np.zeros(5))


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_zero_rows(name, kind, device, dtype):
    X = rows_for(name, 7, 3)
    X[[2, 5]] = 0.0
    G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    exact = naive.gram(X, X, naive.CLOSED_FORMS[name, kind])
    assert np.all(np.abs(G - exact) <= allowed(X, name, kind, dtype))
    assert np.array_equal(G[[2, 5]], np.zeros((2, 7)))


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_zero_rows_of_a_step_take_its_value_at_zero(at_zero, device):
    step = Activation(
        f"step, {at_zero} at 0", lambda z: np.heaviside(z, at_zero), np.zeros_like, kinks=(0.0,)
    )
    X = np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]])
    G = fg.gram(X, network=step, kind="nngp", device=device)
    assert np.allclose(G[1], [at_zero / 2, at_zero**2, at_zero / 2], rtol=0, atol=FEW * EPS)
    op = fg.GramOperator(X, step, kind="nngp", device=device)
    assert np.allclose(op.diagonal(), np.diag(G), rtol=0, atol=FEW * EPS)


@pytest.mark.parametrize("name", ["cos", "sin", "erf", "polynomial"])
def test_all_rows_zero(name, kind, device):
    G = fg.gram(np.zeros((3, 2)), network=name, kind=kind, device=device)
    exact = naive.gram(np.zeros((3, 2)), np.zeros((3, 2)), naive.CLOSED_FORMS[name, kind])
    assert np.allclose(G, exact, rtol=0, atol=FEW * EPS)


def test_very_long_and_very_short_rows(device):
    """Norms whose squares would overflow on the way, but for the entries themselves."""
    X = np.array([[3e150, 4e150], [3e-150, 4e-150], [1.0, 0.0]])
    G = fg.gram(X, network="linear", device=device)
    assert np.allclose(G[:2, :2], [[2.5e301, 25.0], [25.0, 2.5e-299]], rtol=FEW * EPS, atol=0)
    assert np.allclose(G[2], [3e150, 3e-150, 1.0], rtol=FEW * EPS, atol=0)


# --- rows of many norms --------------------------------------------------------------------------


def by_duals(X, name, kind):
    """The definition, one public quadrature an entry."""
    c = X @ X.T
    q = np.sum(X * X, axis=1)
    rho = c / np.sqrt(np.outer(q, q))
    rho = np.where(np.abs(rho) > 1.0 - 1e-12, np.sign(rho), rho)  # equal and opposite rows
    values = fg.dual(name, rho, q[:, None], q[None, :], derivative=kind == "gradient")
    return c * values if kind == "gradient" else values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "spread"),
    [
        ("elu", "gradient", 3.0),
        ("elu", "nngp", 3.0),
        ("softplus", "gradient", 3.0),
        ("tanh", "gradient", 1.5),
        ("tanh", "nngp", 1.5),
        ("tanh", "nngp", 1.0 + 1e-5),
        pytest.param("tanh", "gradient", 3.0, marks=pytest.mark.slow),
        pytest.param("elu", "gradient", 100.0, marks=pytest.mark.slow),
    ],
)
def test_free_norms(name, kind, spread, device):
    """Well separated rows, so that the definition is right to rounding."""
    norms = np.geomspace(1.0, spread, 8) / np.sqrt(spread)
    X = separated(8, 3) * norms[[3, 0, 6, 1, 7, 2, 5, 4], None]
    G = fg.gram(X, network=name, kind=kind, device=device)
    exact = by_duals(X, name, kind)
    error = np.abs(G - exact)
    assert np.array_equal(G, G.T)
    assert np.max(error) <= FREE_NORMS * np.max(np.abs(exact))
    assert np.all(error <= allowed(X, name, kind) + 1e-14 * np.max(np.abs(exact)))


@pytest.mark.slow
def test_free_norms_too_far_apart_for_tables(device, monkeypatch):
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    monkeypatch.setattr(entry_choice, "separate", lambda *_: None)
    X = separated(4, 3) * np.array([0.0, 1e-2, 1.0, 1e2])[:, None]  # a row of norm 0 has no layers
    G = fg.gram(X, network="elu", device=device)
    exact = by_duals(X[1:], "elu", "gradient")
    spans = np.linalg.norm(X[1:], axis=1)
    assert np.max(np.abs(G[1:, 1:] - exact) / np.outer(spans, spans)) <= FREE_NORMS
    assert not np.any(G[0])
    assert np.array_equal(G, G.T)


@pytest.mark.slow
def test_kinks_away_from_zero_that_are_no_lines(device, monkeypatch):
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    bent = fg.Activation(
        "bent",
        lambda z: np.where(z < 1.0, z, 1.0 + np.sin(z - 1.0) / 2.0),
        lambda z: np.where(z < 1.0, 1.0, np.cos(z - 1.0) / 2.0),
        kinks=(1.0,),
    )
    X = separated(2, 2) * np.array([0.7, 1.0])[:, None]
    G = fg.gram(X, network=bent, device=device)
    exact = by_duals(X, bent, "gradient")
    assert np.max(np.abs(G - exact)) <= FREE_NORMS * np.max(np.abs(exact))


@pytest.mark.slow
def test_what_no_polynomials_follow_is_integrated_and_said(device, monkeypatch):
    """A sine that does not say so, of rows at which it swings often."""
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    monkeypatch.setattr(smoothed_function, "_MOST", 10)
    X = separated(3, 3) * np.array([0.5, 1.0, 5.0])[:, None]
    network = fg.Activation("swinging", np.sin, np.cos)
    with pytest.warns(RuntimeWarning, match="swinging swings or bends.* one by one") as told:
        G = fg.gram(X, network=network, device=device)
    assert told[0].filename == __file__
    assert np.array_equal(G, G.T)


def test_free_norms_with_zero_rows(kind, device):
    X = separated(5, 3) * np.array([0.0, 0.5, 1.0, 0.0, 0.75])[:, None]
    G = fg.gram(X, network="elu", kind=kind, device=device)
    q = np.sum(X * X, axis=1)
    rows, columns = np.meshgrid(q, q, indexing="ij")
    rho = np.clip(np.divide(X @ X.T, np.sqrt(rows * columns), where=rows * columns > 0,
                            out=np.zeros((5, 5))), -1, 1)  # fmt: skip
    exact = fg.dual("elu", rho, rows, columns, derivative=kind == "gradient")
    if kind == "gradient":
        exact = exact * (X @ X.T)
    assert np.max(np.abs(G - exact)) <= FREE_NORMS * np.max(np.abs(exact))


@pytest.mark.slow
def test_free_norms_in_float32_and_in_a_rectangle(device):
    X = separated(9, 3) * np.linspace(1.0, 1.3, 9)[:, None]
    G = fg.gram(X[:5], X[5:], network="softplus", device=device)
    exact = by_duals(X, "softplus", "gradient")[:5, 5:]
    assert np.max(np.abs(G - exact)) <= FREE_NORMS * np.max(np.abs(exact))
    single = fg.gram(X[:5], X[5:], network="softplus", device=device, dtype="float32")
    bound = allowed(X[:5], "softplus", "gradient", "float32", X[5:])
    assert np.all(np.abs(single - exact) <= bound)
    assert np.max(np.abs(single - exact)) <= 1e-4 * np.max(np.abs(exact))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hard_tanh", "relu6"])
def test_free_norms_with_kinks_away_from_zero(name, kind, device):
    X = separated(4, 3) * np.array([0.5, 1.0, 1.5, 3.0])[:, None]
    X = np.concatenate([X, -X[:1], X[1:2]])
    G = fg.gram(X, network=name, kind=kind, device=device)
    exact = by_duals(X, name, kind)
    assert np.max(np.abs(G - exact)) <= FREE_NORMS * np.max(np.abs(exact))
    assert np.array_equal(G, G.T)
    assert G[1, 1] == G[5, 5] == G[1, 5]


@pytest.mark.slow
def test_close_pairs_of_free_norms_with_kinks_away_from_zero(device):
    """K(1) − K(ρ) of E[f'f'] falls like the angle: a cosine's rounding would leave 1e-8."""
    angle = 1e-7
    X = np.array([[2.0, 0.0], [2.0 * np.cos(angle), 2.0 * np.sin(angle)], [0.0, 1.0]])
    G = fg.gram(X, network="hard_tanh", device=device)
    one_norm = fg.gram(X[:2], network="hard_tanh", device=device)
    assert np.allclose(G[:2, :2], one_norm, rtol=0, atol=100 * EPS * one_norm[0, 0])


# --- tiles and threads ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("relu", "gradient"), ("tanh", "nngp")])
def test_tile_sizes_agree_to_rounding(name, kind, device, dtype, tiles):
    X = separated(45, 50)
    bound = 2 * allowed(X, name, kind, dtype)
    whole = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
    for size in (1, 7, 16, 44, 45, 100):
        tiles(size)
        G = fg.gram(X, network=name, kind=kind, device=device, dtype=dtype)
        assert np.all(np.abs(G - whole) <= bound), size
        assert np.array_equal(G, G.T), size


def test_threads_agree_bit_for_bit(device, dtype, tiles):
    X = separated(70, 20)
    results = []
    for threads in (1, 2, 3, 8):
        tiles(TILE, threads)
        results.append(fg.gram(X, network="relu", device=device, dtype=dtype))
        results.append(fg.gram(X, X.copy(), network="relu", device=device, dtype=dtype))
    for square, rectangle in zip(results[::2], results[1::2], strict=True):
        assert np.array_equal(square, results[0])
        assert np.array_equal(rectangle, results[1])


def test_every_entry_is_told_of_once():
    entries = entries_of(separated(29, 3), "relu", "gradient")
    other = entries_of(separated(29, 3), "relu", "gradient", Y=separated(13, 3))
    for each, shape, symmetric in ((entries, (29, 29), True), (other, (29, 13), False)):
        told = []
        consumer = Store(np.empty(shape), symmetric, np.dtype(float))
        each_tile(each, consumer, symmetric=symmetric, tick=told.append, tile=TILE)
        assert sum(told) == shape[0] * shape[1]


def test_progress(device, capsys, monkeypatch, refuses):
    X = separated(40, 3)
    assert np.array_equal(fg.gram(X, device=device, progress=True), fg.gram(X, device=device))
    assert "gram" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with refuses(ImportError, "progress=True needs tqdm", "pip install"):
        fg.gram(X, device=device, progress=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "title"), [("relu", "tables"), (fg.Network("relu", width=30), "features")]
)
@pytest.mark.parametrize("slow", [True, False])
def test_making_tables_has_a_line_where_it_takes_long(network, title, slow, capsys, monkeypatch):
    def made(*arguments):
        time.sleep(0.5 if slow else 0.0)
        return blocks_of(*arguments)

    blocks_of = module.blocks_of
    monkeypatch.setattr(module, "blocks_of", made)
    monkeypatch.setattr(progress, "LATE_SECONDS", 0.1 if slow else 100.0)
    fg.gram(separated(40, 3), network=network, progress=True)
    assert (title in capsys.readouterr().err) == slow
    fg.gram(separated(40, 3), network=network)
    assert capsys.readouterr().err == ""


def test_an_error_in_making_tables_leaves_no_line_behind(capsys, monkeypatch):
    def made(*arguments):
        raise ValueError("no table")

    monkeypatch.setattr(module, "blocks_of", made)
    monkeypatch.setattr(progress, "LATE_SECONDS", 0.1)
    with pytest.raises(ValueError, match="no table"):
        fg.gram(separated(40, 3), progress=True)
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def blas_threads():
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


class Watching:
    """An array that notes BLAS's threads, and may do something, as tiles are written into it."""

    def __init__(self, shape, then=lambda: None):
        self.array = np.zeros(shape)
        self.shape = shape
        self.threads = set()
        self._then = then

    def __setitem__(self, key, block):
        self.threads |= blas_threads()
        self._then()
        self.array[key] = block


def test_blas_has_one_thread_while_tiles_are_made_and_its_own_number_after(tiles):
    tiles(TILE, 2)
    X = separated(40, 3)
    with threadpool_limits(3, user_api="blas"):
        if blas_threads() != {3}:
            pytest.skip("BLAS of one thread")
        out = Watching((40, 40))
        fg.gram(X, out=out)
        assert out.threads == {1}
        assert blas_threads() == {3}
        fg.GramOperator(X) @ np.ones(40)
        assert blas_threads() == {3}


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_worker_is_raised_and_blas_restored(threads, tiles):
    tiles(TILE, threads)
    X = separated(60, 3)
    left = [20]

    def fill_the_disk():
        left[0] -= 1
        if left[0] < 0:
            raise OSError("disk full")

    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        with pytest.raises(OSError, match="disk full"):
            fg.gram(X, out=Watching((60, 60), fill_the_disk))
        assert blas_threads() == before
    whole = Watching((60, 60))
    fg.gram(X, out=whole)
    assert np.array_equal(whole.array, fg.gram(X))


def test_nested_traversals_keep_blas_at_one_thread(tiles):
    tiles(TILE, 2)
    X = separated(20, 3)
    inner = []
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        out = Watching((20, 20), lambda: inner.append(fg.gram(X[:9])))
        fg.gram(X, out=out)
        assert out.threads == {1}
        assert blas_threads() == before
    assert len(inner) > 1
    assert all(np.array_equal(G, fg.gram(X[:9])) for G in inner)
    assert np.array_equal(out.array, fg.gram(X))


IN_OTHER_THREADS = """
import json, threading
import numpy as np
from threadpoolctl import threadpool_info
import fastgram as fg

def blas():
    return sorted({x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"})

class Watching:
    shape = (6, 6)
    def __init__(self, then):
        self.then = then
    def __setitem__(self, key, block):
        self.then()

X = np.random.default_rng(0).standard_normal((6, 3))
fg.gram(X)  # on the main thread
told = {"before": blas()}

def note():
    told["inside"] = blas()

thread = threading.Thread(target=lambda: fg.gram(X, out=Watching(note)))
thread.start()
thread.join()
told["after a thread"] = blas()

# the main thread's traversal ends while that of another thread goes on
begun, may_end = threading.Event(), threading.Event()

def linger():
    begun.set()
    may_end.wait(30)

late = threading.Thread(target=lambda: fg.gram(X, out=Watching(linger)))

def start_the_other():
    late.start()
    begun.wait(30)

fg.gram(X, out=Watching(start_the_other))
may_end.set()
late.join()
told["after both"] = blas()
print(json.dumps(told))
"""


@pytest.mark.slow
def test_blas_of_traversals_on_several_threads():
    """Limited on whichever thread they run, restored whichever of them ends last."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    environment["PYTHONPATH"] = str(Path(fg.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", IN_OTHER_THREADS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    if told["before"] != [2]:
        pytest.skip("BLAS of one thread")
    assert told == {"before": [2], "inside": [1], "after a thread": [2], "after both": [2]}


def test_concurrent_traversals(tiles):
    tiles(TILE, 2)
    X = separated(60, 20)
    expected_matrices = [fg.gram(X, network=name) for name in ("relu", "erf", "tanh", "abs")]
    results = [None] * 4

    def work(k):
        results[k] = [fg.gram(X, network=("relu", "erf", "tanh", "abs")[k]) for _ in range(4)]

    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        workers = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60.0)
        assert blas_threads() == before
    for got, wanted in zip(results, expected_matrices, strict=True):
        assert got is not None
        assert all(np.array_equal(G, wanted) for G in got)


# --- what it takes -------------------------------------------------------------------------------


class Sliced:
    """The least that `out` may be."""

    def __init__(self, shape):
        self.shape = shape
        self.blocks = np.full(shape, np.nan)

    def __setitem__(self, key, block):
        rows, columns = key
        assert isinstance(rows, slice)
        assert isinstance(columns, slice)
        self.blocks[key] = block


def test_out(tmp_path, tiles, device):
    tiles(TILE)
    X, Y = separated(20, 3), separated(11, 3)
    outs = [
        np.full((20, 20), np.nan),
        np.full((20, 20), np.nan, order="F"),
        np.full((40, 60), np.nan)[::2, ::3],
        np.lib.format.open_memmap(tmp_path / "g.npy", mode="w+", dtype=float, shape=(20, 20)),
        np.full((20, 20), np.nan, dtype=np.float32),
    ]
    expected = fg.gram(X, device=device)
    for out in outs:
        assert fg.gram(X, device=device, out=out) is out
        assert np.array_equal(out, expected.astype(out.dtype))
    assert np.array_equal(np.load(tmp_path / "g.npy"), expected)
    sliced = Sliced((20, 11))
    assert fg.gram(X, Y, device=device, out=sliced) is sliced
    assert np.array_equal(sliced.blocks, fg.gram(X, Y, device=device))


@pytest.mark.parametrize("shape", [(20, 19), (19, 20), (20,), (20, 20, 1), (0, 0)])
def test_out_of_another_shape(shape, device, refuses):
    out = np.zeros(shape)
    with refuses(ValueError, "out must have shape (20, 20)", f"not {shape}"):
        fg.gram(separated(20, 3), device=device, out=out)
    assert not np.any(out)


def test_out_without_a_shape(device, refuses):
    with refuses(ValueError, "out must have shape (3, 3)"):
        fg.gram(separated(3, 3), device=device, out=[[0.0] * 3] * 3)


def test_rows_of_every_sort(tmp_path, device):
    X = (8 * separated(9, 3)).round()  # integers, so that every dtype holds them
    X[X == 0.0] = 1.0
    before = X.copy()
    expected = fg.gram(X, device=device)
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=float, shape=X.shape)
    stored[:] = X
    stored.flush()
    frozen = X.copy()
    frozen.flags.writeable = False
    for rows in (
        X.tolist(),
        X.astype(np.int32),
        X.astype(np.float32),
        X.astype(np.float16),
        X.astype(np.longdouble),
        X.astype(">f8"),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        frozen,
    ):
        assert np.array_equal(fg.gram(rows, device=device), expected)
    assert np.array_equal(X, before)
    flags = X > 0
    assert np.array_equal(fg.gram(flags, device=device), fg.gram(flags.astype(float)))
    counts = np.abs(X).astype(np.uint8)
    assert np.array_equal(fg.gram(counts, device=device), fg.gram(np.abs(X)))


def test_result_dtype(device):
    X = separated(3, 3)
    for dtype in ("float32", np.float32, np.dtype("float32"), "f4"):
        assert fg.gram(X, device=device, dtype=dtype).dtype == np.float32
    for dtype in ("float64", float, np.float64):
        assert fg.gram(X.astype(np.float32), device=device, dtype=dtype).dtype == np.float64


def test_a_kernel_for_scikit_learn():
    X, y = fg.datasets.digits()[:120] / 16.0, np.arange(120) % 2
    y = (X[:, 20] > np.median(X[:, 20])).astype(int) + y * 0
    network = Network("relu", bias_variance=0.1)
    fitted = SVC(kernel=functools.partial(fg.gram, network=network)).fit(X[:80], y[:80])
    stored = SVC(kernel="precomputed").fit(fg.gram(X[:80], network=network), y[:80])
    predictions = fitted.predict(X[80:])
    assert np.array_equal(predictions, stored.predict(fg.gram(X[80:], X[:80], network=network)))
    assert np.mean(predictions == y[80:]) > 0.8


# --- what it refuses -----------------------------------------------------------------------------


def bad(value, row=2, column=1):
    X = np.ones((4, 3))
    X[row, column] = value
    return X


BAD_ROWS = [
    ("tanh", TypeError, ["array of numbers, not the string 'tanh'"]),
    ("rows.csv", TypeError, ["array of numbers, not the string 'rows.csv'"]),
    (bad(np.nan), ValueError, ["row 2, column 1 is nan"]),
    (bad(np.inf, 3), ValueError, ["row 3, column 1 is inf"]),
    (bad(-np.inf, 0, 0), ValueError, ["row 0, column 0 is -inf"]),
    (bad(np.nan).astype(np.float32), ValueError, ["row 2", "nan"]),
    (np.ones((2, 2)) * 1j, TypeError, ["complex", "must be real"]),
    ([["a", "b"], ["c", "d"]], TypeError, ["must hold real numbers"]),
    (np.array([["1.5", "2"]]), TypeError, ["must hold real numbers"]),
    ([[1.0, 2.0], [3.0]], ValueError, ["ragged"]),
    (np.ones(3), ValueError, ["two-dimensional", "(3,)"]),
    (1.0, ValueError, ["two-dimensional", "()"]),
    (np.ones((2, 2, 2)), ValueError, ["two-dimensional", "(2, 2, 2)"]),
    ([], ValueError, ["two-dimensional", "(0,)"]),
    (np.ones((0, 3)), ValueError, ["empty", "(0, 3)"]),
    (np.ones((3, 0)), ValueError, ["empty", "(3, 0)"]),
    (scipy.sparse.csr_array(np.eye(3)), TypeError, ["sparse", ".toarray()"]),
    (scipy.sparse.coo_matrix(np.eye(3)), TypeError, ["sparse", ".toarray()"]),
    (np.array([[1.0, None]], dtype=object), TypeError, ["must hold real numbers"]),
    (np.array([["2020-01-01"]], dtype="M8[D]"), TypeError, ["must hold real numbers"]),
    (None, TypeError, ["must hold real numbers"]),
    (bad(1e200), ValueError, ["squared norm of row 2 overflows", "scale the rows"]),
]


@pytest.mark.parametrize(
    ("Y", "words"),
    [
        ("tanh", "the string 'tanh': was network='tanh' meant?"),
        ("rellu", "the string 'rellu': was network='rellu' meant?"),
        ("nngp", "the string 'nngp': was kind='nngp' meant?"),
        (fg.Network("tanh", depth=2), "a Network: was network=… meant?"),
        (fg.get_activation("tanh"), "an Activation: was network=… meant?"),
    ],
)
def test_a_network_in_the_place_of_other_rows(Y, words, refuses):
    with refuses(TypeError, f"Y must be rows, an array of numbers, not {words}"):
        fg.gram(np.ones((2, 2)), Y)


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
def test_a_kind_in_the_place_of_a_network(kind, refuses):
    for call in (fg.GramOperator, fg.exact_extreme_eigenvalues, lambda X, n: fg.gram(X, network=n)):
        with refuses(ValueError, f"was kind='{kind}' meant?"):
            call(np.eye(2), kind)


@pytest.mark.parametrize(("X", "error", "words"), BAD_ROWS)
def test_bad_rows(X, error, words, refuses):
    for call in (fg.gram, fg.GramOperator):
        with refuses(error, "X", *words):
            call(X)


@pytest.mark.parametrize(
    ("Y", "error", "words"), [case for case in BAD_ROWS if case[0] is not None]
)
def test_bad_columns_are_called_Y(Y, error, words, refuses):
    with refuses(error, "Y", *words):
        fg.gram(np.ones((2, 3)), Y)


def test_columns_of_another_length(refuses):
    with refuses(ValueError, "Y has rows of 2 features and X of 3"):
        fg.gram(np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"network": "tahn"}, ValueError, ["unknown activation 'tahn'", "'tanh'?", "known: relu"]),
        ({"network": "elu(beta=1)"}, TypeError, ["'beta'"]),
        ({"network": 3}, TypeError, ["network must be a Network", "not int"]),
        ({"network": None}, TypeError, ["network must be a Network"]),
        ({"network": np.tanh}, TypeError, ["network must be a Network"]),
        ({"kind": "grad"}, ValueError, ["unknown kind 'grad'", "'gradient'?", "nngp"]),
        ({"kind": "ntk2"}, ValueError, ["unknown kind 'ntk2'", "known: gradient, nngp"]),
        ({"kind": None}, TypeError, ["kind must be one of"]),
        ({"device": "cuda"}, ValueError, ["unknown device 'cuda'", "known: cpu"]),
        ({"device": "CPU"}, ValueError, ["unknown device 'CPU'", "'cpu'?"]),
        ({"device": 0}, TypeError, ["device must be one of"]),
        ({"dtype": "float16"}, ValueError, ["unknown dtype 'float16'", "float32, float64"]),
        ({"dtype": "flaot32"}, ValueError, ["unknown dtype 'flaot32'", "'float32'?"]),
        ({"dtype": int}, ValueError, ["unknown dtype 'int'"]),
        ({"dtype": complex}, ValueError, ["unknown dtype 'complex'"]),
    ],
)
def test_bad_arguments(arguments, error, words, refuses):
    for call in (fg.gram, fg.GramOperator):
        with refuses(error, *words):
            call(np.ones((2, 3)), **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"depth": 0}, ValueError, ["depth must be at least 1"]),
        ({"depth": -1}, ValueError, ["depth must be at least 1"]),
        ({"depth": 1.0}, TypeError, ["depth must be an integer"]),
        ({"depth": True}, TypeError, ["depth must be an integer"]),
        ({"width": 0}, ValueError, ["width must be at least 1"]),
        ({"width": -5}, ValueError, ["width must be at least 1"]),
        ({"width": "wide"}, TypeError, ["width must be an integer"]),
        ({"weight_variance": 0.0}, ValueError, ["weight_variance must be above 0"]),
        ({"weight_variance": -1.0}, ValueError, ["weight_variance must be above 0"]),
        ({"weight_variance": np.inf}, ValueError, ["weight_variance must be finite"]),
        ({"weight_variance": "one"}, TypeError, ["weight_variance must be a number"]),
        ({"bias_variance": -0.1}, ValueError, ["bias_variance must be at least 0"]),
        ({"bias_variance": np.nan}, ValueError, ["bias_variance must be finite"]),
        ({"normalize": 1}, TypeError, ["normalize must be True or False"]),
        ({"readout": "gauss"}, ValueError, ["unknown readout 'gauss'", "'gaussian'?"]),
        ({"seed": -1}, ValueError, ["seed must be at least 0"]),
        ({"seed": 0.5}, TypeError, ["seed must be an integer"]),
    ],
)
def test_bad_networks(arguments, error, words, refuses):
    with refuses(error, *words):
        Network("relu", **arguments)


def test_normalizing_zero_is_refused(refuses):
    with refuses(ValueError, "normalize"):
        fg.gram(separated(3, 3), network=Network("polynomial(coefficients=[0])", normalize=True))


def test_nothing_is_computed_before_the_last_check(monkeypatch, refuses):
    """A bad argument is refused before the tables are made."""

    def too_early(*_arguments):
        raise AssertionError("rows were worked on")

    monkeypatch.setattr(module, "blocks_of", too_early)
    X = np.ones((3, 3))
    for arguments in ({"out": np.zeros((2, 3))}, {"dtype": "int8"}, {"kind": "?"}, {"device": "?"}):
        with refuses(ValueError):
            fg.gram(X, **arguments)


def test_docstrings_name_what_is_taken():
    """Every parameter of the public calls is described, and every word of a choice."""
    for call in (fg.gram, fg.GramOperator, fg.Network, fg.dual, fg.get_activation):
        documentation = call.__doc__
        for section in ("Parameters\n", "Raises\n"):
            assert section in documentation, call
    for word in ("gradient", "nngp", "cpu", "float32"):
        assert re.search(rf'"{word}"', fg.gram.__doc__)
