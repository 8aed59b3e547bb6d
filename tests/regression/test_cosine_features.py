"""Features of cosines: what they make against entries, how many are taken, and what they save."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.regression.cosine_features import fitted_features
from fastgram.regression.preconditioner import preconditioner_for

N = 400
NETWORK = fg.Network("relu", depth=3)


def features(X, network=NETWORK, most=300, **options):
    op = fg.GramOperator(X, network, kind="ntk", **options)
    problem = as_problem(op)
    scale = 2.0**-problem.exponent
    found = fitted_features(problem.columns, problem.rows(), problem.diagonal(), most, 0)
    return found, op.dense() * scale


def test_they_are_the_large_eigenvalues():
    found, A = features(fg.datasets.sphere(N, 8, seed=0))
    values = np.linalg.eigvalsh(A)
    for count in (1, 9, 45):  # of powers up to 0, 1, 2 in 8 coordinates
        F = found.factor(count)
        assert np.max(np.abs(np.linalg.eigvalsh(A - F @ F.T))) <= 5.0 * values[-1 - count]
        assert found.left[count] == pytest.approx(np.mean(np.diagonal(A - F @ F.T)), rel=0.05)
    assert found.next_weight[1] > 3.0 * found.next_weight[9] > 9.0 * found.next_weight[45]


def test_rows_of_other_norms_are_scaled():
    X = fg.datasets.sphere(N, 8, seed=0)
    sizes = np.random.default_rng(0).uniform(0.1, 10.0, N)
    found, A = features(X * sizes[:, None])
    F = found.factor(45)
    unit = 1.0 / sizes[:, None]
    assert np.linalg.norm((A - F @ F.T) * unit * unit.T, 2) <= 0.05 * np.linalg.norm(
        A * unit * unit.T, 2
    )


def test_rows_that_are_nearly_one_are_seen():
    X = fg.datasets.sphere(N, 8, seed=0)
    even, _ = features(X)
    X[N // 2 :] = X[: N // 2] + 1e-6 * X[::-1][N // 2 :]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    pairs, _ = features(X)
    assert pairs.flatness < 0.01 < 0.1 < even.flatness


def test_rows_and_matrices_without_any():
    X = fg.datasets.sphere(N, 8, seed=0)
    X[3] = 0.0
    assert features(X)[0] is None
    problem = as_problem(np.eye(N))
    assert problem.rows() is None


@pytest.mark.parametrize("ridge", [1e-3, np.geomspace(1e-3, 1.0, N)], ids=["one", "each"])
def test_the_preconditioner_is_symmetric_and_positive(ridge):
    op = fg.GramOperator(fg.datasets.sphere(N, 8, seed=0), NETWORK, kind="ntk", ridge=ridge)
    problem = as_problem(op)
    made = preconditioner_for("nystrom", problem, 1, 0, 0).make(problem.least)
    assert "features of cosines" in made.words
    assert made.apply.factor.dtype == np.float32
    P = made.apply(np.eye(N))
    # float32 of the factor, and of vectors
    assert np.max(np.abs(P - P.T)) <= 1e-5 * np.max(np.abs(P))
    values = np.linalg.eigvalsh((P + P.T) / 2.0)
    assert values[0] > 0.0
    root = np.linalg.cholesky((P + P.T) / 2.0)
    after = np.linalg.eigvalsh(root.T @ problem.dense() @ root)
    before = np.linalg.eigvalsh(problem.dense())
    assert after[-1] / after[0] < 0.05 * before[-1] / before[0]


def test_where_float32_does_not_tell_the_ridge_it_is_not_taken():
    op = fg.GramOperator(fg.datasets.circle(N), "gelu", ridge=1e-9)
    problem = as_problem(op)
    made = preconditioner_for("nystrom", problem, 1, 0, 0).make(problem.least)
    assert made.apply.factor.dtype == np.float64


def test_fewer_passes_than_without():
    X = fg.datasets.sphere(2500, 12, seed=0)
    op = fg.GramOperator(X, NETWORK, kind="ntk", ridge=5e-4)
    y = np.random.default_rng(0).standard_normal(2500)
    helped = fg.solve(op, y)
    assert "features of cosines" in helped.preconditioner
    assert helped.passes < 0.4 * fg.solve(op, y, preconditioner=None).passes
