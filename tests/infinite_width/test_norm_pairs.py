"""Deeper layers of activations with no kink but at 0, pair by pair."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers.tolerances import EPS

import fastgram as fg
from fastgram.infinite_width import entry_choice
from fastgram.infinite_width.integrated_entries import SeparatedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries, direct_entries
from fastgram.infinite_width.pairs import norm_layers, norm_pairs
from fastgram.infinite_width.pairs.norm_pairs import NormPairs
from fastgram.infinite_width.pairs.protocol import TooRough
from fastgram.matrix.operator import matrix_of

NETWORK = fg.Network("elu", depth=2, bias_variance=0.1)
NORMS = np.array([0.9, 0.91, 1.3])
# close pairs of equal norms and of two, opposite ones, and any
FIRST, SECOND = np.array([0, 0, 1, 2, 0, 2]), np.array([0, 1, 1, 0, 2, 1])
THETA = np.array([1e-6, 1e-3, 0.02, np.pi - 1e-4, 1.2, 2.2])


def at(theta):
    far = theta > np.pi / 2.0
    return np.sin(np.where(far, np.pi - theta, theta) / 2.0) ** 2, far


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "ntk"])
def test_entries_against_quadratures(kind):
    pairs = NormPairs(NETWORK, kind, NORMS, NORMS)
    found = pairs.values(FIRST, SECOND, *at(THETA))
    exact = direct_entries(NETWORK, kind, THETA, NORMS[FIRST] ** 2, NORMS[SECOND] ** 2)
    scale = np.sqrt(diagonal_entries(NETWORK, kind, NORMS))
    error = np.abs(found - exact) / (scale[FIRST] * scale[SECOND])
    assert np.all(error <= pairs.error)
    assert np.max(error) <= 200 * EPS


@pytest.mark.slow
def test_too_few_nodes_are_refused_or_said(monkeypatch):
    monkeypatch.setattr(norm_layers, "_COUNTS", (4,))
    norm_layers._smooth_layer.cache_clear()
    with pytest.raises(TooRough, match="of the norms"):
        NormPairs(NETWORK, "gradient", NORMS, NORMS)
    monkeypatch.setattr(norm_layers, "_WORST", 1.0)
    pairs = NormPairs(NETWORK, "gradient", NORMS, NORMS)
    found = pairs.values(FIRST, SECOND, *at(THETA))
    norm_layers._smooth_layer.cache_clear()
    exact = direct_entries(NETWORK, "gradient", THETA, NORMS[FIRST] ** 2, NORMS[SECOND] ** 2)
    scale = np.sqrt(diagonal_entries(NETWORK, "gradient", NORMS))
    error = np.abs(found - exact) / (scale[FIRST] * scale[SECOND])
    assert 1e-9 <= np.max(error) <= pairs.error


@pytest.mark.slow
def test_close_pairs_take_them_and_nothing_is_said(monkeypatch):
    monkeypatch.setattr(entry_choice, "_FEW", 0)
    X = fg.datasets.sphere(10, 2, seed=0) * np.linspace(0.9, 1.3, 10)[:, None]
    X = np.concatenate([X, X * 1.001])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op = fg.GramOperator(X, NETWORK)
        G = op.dense()
    entries = matrix_of(op).entries
    assert isinstance(entries, SeparatedEntries)
    assert isinstance(entries.pairs, norm_pairs.NormPairs)
    assert entries.error >= entries.pairs.error
    assert entries.fraction_outside() > 0.0
    q = np.sum(NETWORK.augmented(X) ** 2, axis=1)
    near = direct_entries(NETWORK, "gradient", np.zeros(1), q[:1], q[10:11])
    s = 1e-3 * np.sqrt(q[0])  # the two rows are not quite parallel, for biases
    assert abs(G[0, 10] - near[0]) <= s * G[0, 0]
    assert np.array_equal(G, G.T)
    assert np.linalg.eigvalsh(G)[0] >= -op.noise_floor
