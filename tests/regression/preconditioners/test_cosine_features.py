"""Features of cosines: what they leave of a matrix, where they are taken, and what they save."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.linalg.systems.ridge import Ridge
from fastgram.regression.preconditioners.choice import preconditioner_for
from fastgram.regression.preconditioners.cosine_features import fitted_features
from fastgram.regression.preconditioners.low_rank import from_factor
from fastgram.regression.preconditioners.sampled_spectrum import sampled_spectrum

N = 400
NETWORK = fg.Network("relu", depth=3)


def fits_of(X, network=NETWORK, most=300, **options):
    op = fg.GramOperator(X, network, kind="ntk", **options)
    problem = as_problem(op)
    drawn = np.random.default_rng(0).permutation(len(X))
    fits = fitted_features(problem.columns, problem.rows(), problem.diagonal(), most, drawn)
    return list(fits), op.dense() * 2.0**-problem.exponent


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_what_they_leave_is_measured(activation):
    # erf: half of the products of degree 3 leave a linear part, which the linear features take
    fits, A = fits_of(fg.datasets.sphere(N, 8, seed=0), fg.Network(activation, depth=2))
    assert len(fits) > 4
    for fit in fits:
        F = fit.factor()
        assert F.shape == (N, fit.count)
        values = np.linalg.eigvalsh(A - F @ F.T)
        assert fit.left == pytest.approx(np.mean(np.diagonal(A - F @ F.T)), rel=0.2)
        if fit.largest > 2.0 * fit.left:  # beyond what chance shows
            assert fit.largest == pytest.approx(np.max(np.abs(values)), rel=0.7)
    assert fits[-1].largest < 0.1 * fits[0].largest


def test_more_of_them_leave_no_more():
    fits, A = fits_of(fg.datasets.sphere(N, 8, seed=0), fg.Network("erf", depth=2))
    sizes = [np.linalg.norm(A - fit.factor() @ fit.factor().T, 2) for fit in fits]
    assert all(after <= 1.1 * before for before, after in itertools.pairwise(sizes))


def test_rows_of_other_norms_are_scaled():
    X = fg.datasets.sphere(N, 8, seed=0)
    sizes = np.random.default_rng(0).uniform(0.1, 10.0, N)
    fits, A = fits_of(X * sizes[:, None])
    F = fits[-1].factor()
    unit = 1.0 / sizes[:, None]
    assert np.linalg.norm((A - F @ F.T) * unit * unit.T, 2) <= 0.05 * np.linalg.norm(
        A * unit * unit.T, 2
    )


def test_rows_that_are_nearly_one_are_seen():
    X = fg.datasets.sphere(N, 8, seed=0)
    even = fits_of(X)[0][-1]
    X[N // 2 :] = X[: N // 2] + 1e-6 * X[::-1][N // 2 :]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    pairs = fits_of(X)[0][-1]
    assert pairs.least < 0.01 * pairs.left
    assert even.least > 0.1 * even.left


def test_a_row_whose_like_is_not_among_those_drawn_is_seen():
    """One of two rows that are nearly one is enough: the other is its nearest."""
    X = fg.datasets.sphere(N, 8, seed=0)
    drawn = np.random.default_rng(0).permutation(N)
    X[drawn[-1]] = X[drawn[0]]
    fit = fits_of(X)[0][-1]
    assert fit.least < 0.01 * fit.left


def test_products_are_of_principal_coordinates():
    """Of rows that are long in few directions, whichever these are, a few products do."""
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((N, 8)) * np.r_[1.0, 1.0, np.full(6, 0.1)]
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    turned = plain @ np.linalg.qr(rng.standard_normal((8, 8)))[0]
    first, second, third = (
        fits_of(X, fg.Network("erf"), most=10)[0][-1] for X in (plain, plain[:, ::-1], turned)
    )
    assert second.left == pytest.approx(first.left, rel=1e-6)
    assert third.left == pytest.approx(first.left, rel=1e-6)
    assert first.left < 0.25 * fits_of(plain, fg.Network("erf"), most=1)[0][-1].left


@pytest.mark.parametrize(("dimension", "off"), [(3, 0.1), (20, 0.15)])
def test_a_sample_shows_the_spectrum(dimension, off):
    op = fg.GramOperator(fg.datasets.sphere(1000, dimension, seed=0), "relu", kind="ntk")
    problem = as_problem(op)
    drawn = np.random.default_rng(0).permutation(1000)
    found = sampled_spectrum(problem.columns, problem.diagonal(), drawn)
    values = np.linalg.eigvalsh(op.dense())[::-1]
    few = np.array([0, 1, 2, 5, 10, 20, 60])
    assert found.values[few] == pytest.approx(values[few], rel=0.4)
    left = (np.trace(op.dense()) - np.r_[0.0, np.cumsum(values)]) / 1000
    assert found.left[few] == pytest.approx(left[few], rel=off)
    assert found.least <= 2.0 * values[500]


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_rows_and_matrices_without_any(bias):
    X = fg.datasets.sphere(N, 8, seed=0)
    X[3] = 0.0
    assert fits_of(X, fg.Network("relu", bias_variance=bias))[0] == []
    problem = as_problem(np.eye(N))
    assert problem.rows() is None


@pytest.mark.parametrize(("dimension", "name"), [(3, "Nyström"), (12, "features of cosines")])
def test_features_are_taken_where_they_are_cheaper_than_columns(dimension, name):
    # in three dimensions powers beyond the third have large eigenvalues, and columns find them
    X = fg.datasets.sphere(2000, dimension, seed=0)
    problem = as_problem(fg.GramOperator(X, NETWORK, kind="ntk", ridge=1e-2))
    assert name in preconditioner_for("nystrom", problem, 1, 0, 0).make(problem.least).words


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


def test_columns_that_are_the_same_to_rounding():
    """I is nothing beside FᵀF, which is singular."""
    made = from_factor(np.ones((50, 5)), Ridge(1e-16), 0.0)
    y = np.random.default_rng(0).standard_normal((50, 1))
    assert np.all(np.isfinite(made(y)))
    assert float((y.T @ made(y))[0, 0]) > 0.0
    assert np.array_equal(made(4.0 * y), 4.0 * made(y))


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
