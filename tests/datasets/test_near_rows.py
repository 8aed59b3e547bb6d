"""Near rows, against a search of all pairs."""

import numpy as np
import pytest

import fastgram as fg
from fastgram.datasets.near_rows import near_rows


def pairs_of(found):
    return {tuple(pair) for pair in found.tolist()}


def nearest(X, count):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    sizes = np.triu(np.abs(unit @ unit.T), 1)
    places = np.argsort(-sizes, axis=None, kind="stable")[:count]
    return {(int(i), int(j)) for i, j in zip(*np.unravel_index(places, sizes.shape), strict=True)}


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 1), (9, 4), (1500, 2), (1500, 3), (1500, 8)])
def test_the_nearest_of_dense_data(n, d):
    X = np.random.default_rng(n + d).standard_normal((n, d))
    count = min(16, n * (n - 1) // 2)
    found = near_rows(X, 2 * count)
    assert np.all(found[:, 0] < found[:, 1])
    assert len(pairs_of(found)) == len(found) <= 2 * count
    if d > 1:  # in one dimension all are
        assert len(pairs_of(found) & nearest(X, count)) >= 0.9 * count


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.1, 0.25])
def test_planted_pairs_of_many_dimensions(angle):
    X, planted = fg.datasets.sphere(3000, 100, 0), set()
    scales = np.random.default_rng(0).uniform(0.1, 10.0, 3000)
    for k in range(12):
        away = X[2000 + k] - X[2000 + k] @ X[k] * X[k]
        turned = np.cos(angle) * X[k] + np.sin(angle) * away / np.linalg.norm(away)
        X[1000 + k] = turned if k % 2 else -turned
        planted.add((k, 1000 + k))
    found = near_rows(X * scales[:, None], 30)
    assert len(pairs_of(found[:12]) & planted) >= 11


def test_the_same_on_any_threads(monkeypatch):
    X = fg.datasets.sphere(9000, 5, 1)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("fastgram.support.threads.thread_count", lambda count=threads: count)
        found.append(near_rows(X, 20))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_rows_of_zeros_and_one_row():
    X = np.zeros((6, 3))
    X[:2] = [1.0, 2.0, 3.0]
    assert (0, 1) in pairs_of(near_rows(X, 4))
    assert near_rows(X[:1], 4).shape == (0, 2)
    assert near_rows(X.astype(np.float32), 1).tolist() is not None
