"""Entries of any activation pair by pair, by what is smoothed of it, at norms of any size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers.tolerances import EPS

import fastgram as fg
from fastgram.infinite_width import entry_choice
from fastgram.infinite_width.integrated_entries import IntegratedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries, direct_entries
from fastgram.infinite_width.pairs.protocol import TooRough
from fastgram.infinite_width.pairs.smoothed import smoothed_function, smoothed_pairs
from fastgram.infinite_width.pairs.smoothed.smoothed_pairs import SmoothedPairs
from fastgram.matrix.operator import matrix_of

WIDE = np.geomspace(1e-8, 1e8, 9)
# half chords, of equal rows, close ones and any
CHORDS = np.array([0.0, 1e-12, 1e-7, 1e-3, 0.1, 0.4, 0.7])


def all_pairs(norms):
    first, second, angle, far = np.indices((norms.size, norms.size, CHORDS.size, 2)).reshape(4, -1)
    return first, second, CHORDS[angle] ** 2, far == 1


def entries_of_erf(norms, first, second, squares, far):
    """Return the arcsine law, as what is left of a right angle, and the derivative's."""
    q, p = norms[first] ** 2, norms[second] ** 2
    sines = 4.0 * squares * (1.0 - squares)  # 1 − ρ²
    cosines = np.where(far, -1.0, 1.0) * (1.0 - 2.0 * squares)
    root = np.sqrt(1.0 + 2.0 * (q + p) + 4.0 * q * p * sines)
    covariance = norms[first] * norms[second] * cosines
    return 2.0 / np.pi * np.arctan2(2.0 * covariance, root), covariance * 4.0 / np.pi / root


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "nngp"])
def test_a_closed_form_at_norms_of_sixteen_orders(kind):
    network = fg.Network("erf")
    pairs = SmoothedPairs(network, kind, WIDE, WIDE)
    at = all_pairs(WIDE)
    exact = entries_of_erf(WIDE, *at)[kind == "gradient"]
    scale = np.sqrt(diagonal_entries(network, kind, WIDE))
    error = np.abs(pairs.values(*at) - exact) / (scale[at[0]] * scale[at[1]])
    assert np.max(error) <= 100 * EPS
    assert np.max(error) <= pairs.error <= 1e-11


def bent():
    """Return curves between kinks: f' jumps at 0.7, f'' at 3."""

    def f(z):
        middle = np.tanh(0.7) + np.sin(np.clip(z, 0.7, 3.0) - 0.7) / 2.0
        return np.where(z < 0.7, np.tanh(np.minimum(z, 0.7)), middle)

    def df(z):
        inner = np.cos(np.clip(z, 0.7, 3.0) - 0.7) / 2.0
        outer = 1.0 - np.tanh(np.minimum(z, 0.7)) ** 2
        return np.where(z < 0.7, outer, np.where(z < 3.0, inner, 0.0))

    return fg.Activation("bent", f, df, kinks=(0.7, 3.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (fg.Network(bent()), "ntk"),
        (fg.Network("elu", depth=2, bias_variance=0.1), "ntk"),
        (fg.Network("softplus", depth=3), "gradient"),
    ],
)
def test_entries_against_quadratures(network, kind):
    norms = np.array([0.05, 0.051, 1.3, 40.0])
    first, second = np.array([0, 0, 1, 2, 0, 2, 3, 3]), np.array([0, 1, 1, 2, 2, 3, 3, 0])
    theta = np.array([1e-9, 1e-3, 1.1, 1e-5, 2.2, 0.4, 0.01, np.pi - 1e-4])
    far = theta > np.pi / 2.0
    squares = np.sin(np.where(far, np.pi - theta, theta) / 2.0) ** 2
    pairs = SmoothedPairs(network, kind, norms, norms)
    exact = direct_entries(network, kind, theta, norms[first] ** 2, norms[second] ** 2)
    scale = np.sqrt(diagonal_entries(network, kind, norms))
    found = pairs.values(first, second, squares, far)
    error = np.abs(found - exact) / (scale[first] * scale[second])
    assert np.max(error) <= 100 * EPS
    assert np.all(error <= pairs.error)


def test_what_polynomials_miss_is_measured_and_said(monkeypatch):
    monkeypatch.setattr(smoothed_function, "_TRUNCATION", 1e-5)
    smoothed_function._smoothed.cache_clear()
    norms = np.array([0.5, 3.0])
    pairs = SmoothedPairs(fg.Network("erf"), "gradient", norms, norms)
    smoothed_function._smoothed.cache_clear()
    at = all_pairs(norms)
    scale = np.sqrt(diagonal_entries(fg.Network("erf"), "gradient", norms))
    exact = entries_of_erf(norms, *at)[1]
    error = np.max(np.abs(pairs.values(*at) - exact) / (scale[at[0]] * scale[at[1]]))
    assert 1e-11 <= error <= pairs.error


@pytest.mark.parametrize("limit", ["_MOST", "_MOST_WORK"])
def test_too_many_polynomials_are_refused(monkeypatch, limit):
    monkeypatch.setattr(smoothed_function, limit, 10)
    with pytest.raises(TooRough, match="too rough"):
        smoothed_function.smoothed_function(fg.get_activation("tanh"), True, 0.13, 0.14, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "norms"),
    [
        (fg.Network("tanh"), [1.0, 1.0, 1.0, 1.0, 1e6]),
        (fg.Network("gelu"), [1e-10, 1e-3, 1.0, 1e3, 1e10]),
        (fg.Network(bent()), [0.5, 0.8, 1.0, 1.1, 1.3]),
        (fg.Network(bent()), [0.0, 0.8, 1.0, 1.1, 1.3]),
        (fg.Network("sigmoid"), [0.0, 1.0, 10.0, 100.0, 1000.0]),
    ],
)
def test_rows_of_any_norms_take_them_and_nothing_is_said(network, norms, monkeypatch):
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    X = fg.datasets.sphere(5, 3, seed=0) * np.array(norms)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op = fg.GramOperator(X, network, kind="nngp")
        G = op.dense()
    entries = matrix_of(op).entries
    assert isinstance(entries, IntegratedEntries)
    assert isinstance(entries.pairs, smoothed_pairs.SmoothedPairs)
    q = np.sum(X * X, axis=1)
    unit = X / np.where(q > 0.0, np.sqrt(q), 1.0)[:, None]
    theta = np.arccos(np.clip(unit @ unit.T, -1.0, 1.0))
    first, second = np.triu_indices(5, 1)
    activation = network.activation
    exact = fg.dual(activation, np.cos(theta[first, second]), q[first], q[second])
    scale = np.sqrt(np.diagonal(G))
    error = np.abs(G[first, second] - exact) / np.maximum(scale[first] * scale[second], 1e-300)
    assert np.max(error) <= 200 * EPS + entries.pairs.slope * 8 * EPS
    assert np.array_equal(G, G.T)
