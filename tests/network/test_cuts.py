"""Where integrals are cut besides kinks: bends and swings far from 0."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import DUAL

import fastgram as fg
from fastgram.network.integrals.cuts import cuts_of


def steep(z):
    return np.tanh(20.0 * (z - 1.0))


def steep_slope(z):
    small = np.exp(-40.0 * np.abs(z - 1.0))
    return 80.0 * small / (1.0 + small) ** 2


def sine_slope(z):
    return np.cos(z)


STEEP = fg.Activation("steep", steep, steep_slope)
SWINGING = fg.Activation("swinging", np.sin, sine_slope)  # and does not say that it is a sine


def by_trapezoids(q1, q2, rho):
    """E f(u)f(v) by a grid on which f is a polynomial of few terms."""
    z = np.arange(-9.5, 9.5, 1.0 / 256.0)
    weight = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) / 256.0
    inner = steep(np.sqrt(q2) * (rho * z[:, None] + np.sqrt(1.0 - rho * rho) * z)) @ weight
    return float(np.sum(weight * steep(np.sqrt(q1) * z) * inner))


@pytest.mark.parametrize("name", fg.activation_names())
@pytest.mark.parametrize("deviation", [1e-3, 1.0, 8.0, 1e4])
def test_built_in_activations_need_none(name, deviation):
    activation = fg.get_activation(name)
    assert cuts_of(activation, deviation) == activation.kinks


def test_they_are_where_it_bends():
    cuts = np.array(cuts_of(STEEP, 1000.0))
    assert 3 <= cuts.size <= 16
    assert np.all((cuts > 0.3) & (cuts < 3.0))
    out_there = np.array(cuts_of(SWINGING, 10.0))
    assert np.all(np.abs(out_there) > 5.0)
    assert np.max(np.diff(out_there[out_there > 0.0])) < 30.0


def test_neither_kinks_nor_too_many_swings_are_cut_around():
    bent = fg.Activation("bent", lambda z: np.maximum(z - 0.3, 0.0), lambda z: (z > 0.3) * 1.0)
    assert cuts_of(bent, 1.0) == ()
    assert cuts_of(SWINGING, 1e4) == ()


@pytest.mark.parametrize("rho", [0.3, -0.9])
def test_a_bend_far_from_zero(rho):
    assert fg.dual(STEEP, rho) == pytest.approx(by_trapezoids(1.0, 1.0, rho), abs=DUAL)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "nngp"])
def test_a_function_that_swings(kind):
    """As its closed form says."""
    X = 9.0 * fg.datasets.sphere(30, 3, seed=0)
    found, exact = (fg.gram(X, network=network, kind=kind) for network in (SWINGING, "sin"))
    assert np.max(np.abs(found - exact)) <= 10.0 * DUAL * np.max(np.abs(exact))


@pytest.mark.slow
def test_rows_of_many_norms():
    X = fg.datasets.sphere(40, 3, seed=0) * np.linspace(0.9, 1.1, 40)[:, None]
    G = fg.gram(X, network=STEEP, kind="nngp")
    for i, j in ((0, 1), (3, 30)):
        q1, q2, product = X[i] @ X[i], X[j] @ X[j], X[i] @ X[j]
        exact = by_trapezoids(q1, q2, product / np.sqrt(q1 * q2))
        assert G[i, j] == pytest.approx(exact, abs=DUAL)
