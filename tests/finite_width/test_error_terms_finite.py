"""Large errors planted in networks of finite width: what is stated of the matrix holds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_finite import drawn, oracle

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.finite_width import rounding_error
from fastgram.finite_width.entries import FiniteEntries
from fastgram.matrix.operator import matrix_of

OFF = 1e-6


def fresh(name, size=1.0):
    """An activation of its own; by a factor off."""
    known = fg.get_activation(name)
    if size == 1.0:
        return known
    return replace(known, f=lambda z: size * known.f(z), df=lambda z: size * known.df(z))


def error_over_bound(op, network, X):
    """The spectral norm of what is off, over what is stated of it; the oracle has no such error."""
    exact = oracle(network, op.kind, X)
    return np.linalg.norm(op.dense() - exact, 2) / matrix_of(op).entries.norm_error


def alike(n, d, seed=0):
    """Rows that are nearly one: errors of one sign add up."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(d) + 1e-3 * rng.standard_normal((n, d))


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_functions_that_are_off(monkeypatch, kind, depth):
    monkeypatch.setattr(rounding_error, "_VALUE", OFF)
    settings = {"depth": depth, "width": 30, "seed": 3}
    X = alike(12, 4)
    op = fg.GramOperator(X, fg.Network(fresh("softplus", 1.0 + OFF), **settings), kind=kind)
    assert error_over_bound(op, fg.Network("softplus", **settings), X) <= 1.0


def test_slopes_of_all_layers_that_are_off(monkeypatch):
    """One neuron a layer, far up where slopes are 1: whatever is not granted is missed."""
    monkeypatch.setattr(rounding_error, "_VALUE", OFF)
    settings = {"depth": 2, "width": 1}
    settings["seed"] = next(
        seed
        for seed in range(100)
        if min(layer[0, 0] for layer in drawn(fg.Network("softplus", seed=seed, **settings), 1)[0])
        > 0.7
    )
    X = 30.0 + alike(12, 1)
    op = fg.GramOperator(X, fg.Network(fresh("softplus", 1.0 + OFF), **settings), kind="ntk")
    assert error_over_bound(op, fg.Network("softplus", **settings), X) <= 1.0


def test_products_of_rows_and_weights_that_are_off(monkeypatch):
    """As far as sums of so many products may be, in the worst order."""
    monkeypatch.setattr(rounding_error, "gamma", lambda count, eps=0.0: count * OFF)
    network = fg.Network("softplus", width=1, seed=1)
    X = 2.0 + alike(12, 1) ** 2
    op = fg.GramOperator(X, network, kind="nngp")
    matrix_of(op).entries.features.weights.layers[0][...] *= 1.0 + 2.9 * OFF
    assert error_over_bound(op, network, X) <= 1.0


@pytest.mark.parametrize(("kind", "products"), [("nngp", 50), ("gradient", 52), ("ntk", 50)])
def test_products_of_features_that_are_off(monkeypatch, kind, products):
    monkeypatch.setattr(rounding_error, "gamma", lambda count, eps=0.0: count * OFF)
    block = FiniteEntries.block

    def worse(self, i, j, device, scratch, out):
        block(self, i, j, device, scratch, out)
        out *= 1.0 + 0.98 * products * OFF

    monkeypatch.setattr(FiniteEntries, "block", worse)
    network = fg.Network("softplus", width=50, seed=1)
    X = alike(12, 2)
    op = fg.GramOperator(X, network, kind=kind)
    assert error_over_bound(op, network, X) <= 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_neuron_at_its_kink(sign):
    """Which side it is on roundings decide: it counts with the whole jump."""
    network = fg.Network("relu", width=9, seed=2)
    op = fg.GramOperator(np.eye(2), network)
    layer = matrix_of(op).entries.features.weights.layers[0]
    across = np.array([layer[0, 1], -layer[0, 0]])
    X = sign * np.stack([across, across / 2.0]) / np.linalg.norm(across)
    for turn in (1e-16, -1e-16):
        op = fg.GramOperator(X, network)
        layer = matrix_of(op).entries.features.weights.layers[0]
        layer[0] += turn * X[0]
        if np.linalg.norm(op.dense() - oracle(network, "gradient", X), 2) > 0.01:
            break
    assert np.linalg.norm(op.dense() - oracle(network, "gradient", X), 2) > 0.01
    assert error_over_bound(op, network, X) <= 1.0


# --- additions -----------------------------------------------------------------------------------


def test_additions_of_products_by_tiles():
    """One after the other along a tile, and tile by tile."""
    n = 6000
    op = fg.GramOperator(np.random.default_rng(0).standard_normal((n, 2)), "relu")
    tile = matrix_of(op).devices[0].tile
    assert tile + n / tile <= matrix_of(op).summands <= n


@pytest.mark.parametrize("kind", ["nngp", "gradient"])
def test_additions_of_products_by_factors(kind):
    """Over blocks of rows, of neurons, and over features, one after the other in the worst case."""
    n, d, m = 600, 90, 800
    X = np.random.default_rng(0).standard_normal((n, d))
    factored = matrix_of(fg.GramOperator(X, fg.Network("tanh", width=m), kind=kind)).entries.factors
    neurons = factored._neurons()
    least = CPU.row_block + n / CPU.row_block
    if kind == "gradient":
        least += d + neurons + m / neurons
    else:
        least += m
    assert factored.summands() >= least
