"""Rows that may be alike: none that is like another is left out, and of most data none is named."""

import numpy as np
import pytest

import fastgram as fg
from fastgram.network import rank
from fastgram.network.rank import alike_rows


@pytest.mark.parametrize("d", [2, 30, 784])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_that_are_alike(d, dtype):
    generator = np.random.default_rng(d)
    X = generator.standard_normal((9000, d)).astype(dtype)
    X[5], X[8000] = 0.0, -0.0
    alike = {5, 8000}
    for k in range(40):  # in other parts, and next to each other
        i, j = 10 * k + 11, 10 * k + 12 if k % 2 else 4500 + 10 * k
        X[j] = X[i] * np.array([1.0, -1.0, 2.0, -0.25, 4.0][k % 5], dtype)
        alike |= {i, j}
    found, columns = alike_rows(X)
    assert np.all(np.diff(found) > 0)
    assert alike <= set(found.tolist())
    assert len(found) <= len(alike) + 4
    assert columns == d


def test_columns_that_are_zero_everywhere_and_numbers_far_from_one():
    X = np.zeros((5000, 6))
    X[:, 1] = np.random.default_rng(0).standard_normal(5000) * 1e-300
    X[4999, 4] = 5e-324
    X[3:6] *= 1e290
    assert alike_rows(X)[1] == 2
    X[:, 1] = -0.0
    assert alike_rows(X)[1] == 1
    assert len(alike_rows(X)[0]) == 4999


def test_facts_are_those_of_all_rows(monkeypatch):
    generator = np.random.default_rng(0)
    networks = [fg.Network(name) for name in ("relu", "tanh", "erf", "abs", "step")]
    networks += [fg.Network("relu", bias_variance=0.5), fg.Network("relu", width=7)]
    for _ in range(20):
        X = generator.standard_normal((60, 3))
        for _ in range(int(generator.integers(0, 12))):
            i, j = generator.integers(0, 60, 2)
            X[i] = X[j] * generator.choice([0.0, 1.0, -1.0, 2.0, -0.5])
        expected = []
        with monkeypatch.context() as patch:
            patch.setattr(rank, "alike_rows", lambda X: (np.arange(len(X)), X.shape[1]))
            expected = [rank.rank_bound(X, network, "nngp") for network in networks]
        assert [rank.rank_bound(X, network, "nngp") for network in networks] == expected
