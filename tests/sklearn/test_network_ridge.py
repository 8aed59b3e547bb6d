"""NetworkRidge: scikit-learn's own checks, and dense solutions by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

import fastgram as fg
from fastgram.sklearn import NetworkKernel, NetworkRidge, network_ridge

RNG = np.random.default_rng(0)
X = fg.datasets.sphere(60, 4, seed=0)
OTHER = fg.datasets.sphere(9, 4, seed=1)
Y = X[:, 0] * X[:, 1]
MANY = np.column_stack([Y, X[:, 2] ** 2, 5.0 * X[:, 3]])


def checks():
    for model in (NetworkRidge(), NetworkRidge(depth=2, kind="nngp", alpha=1e-2)):
        for estimator, check in estimator_checks_generator(model, mark="skip"):
            yield pytest.param(check, estimator, id=f"{check.func.__name__}-{model.kind}")


@pytest.mark.parametrize(("check", "estimator"), [*checks()])
def test_checks_of_scikit_learn(check, estimator):
    check(estimator)


def dense(rows, y, ridge, at, **options):
    """Predictions from the whole matrices, by LAPACK."""
    network = fg.Network(options.pop("activation", "relu"), **options)
    K = fg.gram(rows, network=network, kind="ntk") + np.diag(np.broadcast_to(ridge, len(rows)))
    return fg.gram(at, rows, network=network, kind="ntk") @ np.linalg.solve(K, y)


@pytest.mark.parametrize("y", [Y, MANY], ids=["vector", "block"])
@pytest.mark.parametrize(
    "options", [{}, {"activation": "erf", "depth": 2, "bias_variance": 0.1, "normalize": True}]
)
def test_against_lapack(y, options):
    model = NetworkRidge(**options, alpha=1e-2).fit(X, y)
    found = model.predict(OTHER)
    assert np.allclose(found, dense(X, y, 1e-2, OTHER, **options), rtol=1e-9, atol=1e-12)
    assert found.shape == (9, *y.shape[1:])
    assert model.dual_coef_.shape == y.shape
    assert model.score(X, y) > 0.9
    assert model.solution_.guarantee == "certified"


def test_it_is_kernel_ridge():
    model = NetworkRidge("tanh", kind="nngp", alpha=1e-2).fit(X, Y)
    theirs = KernelRidge(kernel=NetworkKernel("tanh"), alpha=1e-2).fit(X, Y)
    assert np.allclose(model.predict(OTHER), theirs.predict(OTHER), rtol=1e-9)


def test_weights_are_repeated_rows():
    weights = RNG.integers(0, 4, 60)
    assert np.any(weights == 0)
    weighted = NetworkRidge(alpha=0.1).fit(X, MANY, sample_weight=weights)
    repeated = NetworkRidge(alpha=0.1).fit(np.repeat(X, weights, axis=0), MANY.repeat(weights, 0))
    assert np.allclose(weighted.predict(OTHER), repeated.predict(OTHER), rtol=1e-9)
    counts = weights > 0
    exact = dense(X[counts], MANY[counts], 0.1 / weights[counts], OTHER)
    assert np.allclose(weighted.predict(OTHER), exact, rtol=1e-9)
    assert weighted.X_fit_.shape == (np.sum(counts), 4)


@pytest.mark.parametrize("weights", [2.5, np.full(60, 2.5)])
def test_one_weight_for_all_is_another_alpha(weights):
    weighted = NetworkRidge(alpha=0.5).fit(X, Y, sample_weight=weights)
    plain = NetworkRidge(alpha=0.2).fit(X, Y)
    assert np.allclose(weighted.predict(OTHER), plain.predict(OTHER), rtol=1e-9)


def test_fractional_weights_beside_kernel_ridge():
    weights = RNG.uniform(0.1, 3.0, 60)
    model = NetworkRidge(kind="nngp", alpha=0.1).fit(X, Y, sample_weight=weights)
    theirs = KernelRidge(kernel=NetworkKernel(), alpha=0.1).fit(X, Y, sample_weight=weights)
    assert np.allclose(model.predict(OTHER), theirs.predict(OTHER), rtol=1e-9)


def test_interpolation():
    model = NetworkRidge(alpha=0.0, depth=3).fit(X, Y)
    assert np.allclose(model.predict(X), Y, atol=1e-9)
    weighted = NetworkRidge(alpha=0.0, depth=3).fit(X, Y, sample_weight=np.arange(60))
    assert np.allclose(weighted.predict(X[1:]), Y[1:], atol=1e-9)
    assert len(weighted.X_fit_) == 59


def test_rows_written_to_after_fitting():
    mine = X.copy()
    model = NetworkRidge(alpha=0.1).fit(mine, Y)
    before = model.predict(OTHER)
    mine[:] = 0.0
    assert np.array_equal(model.predict(OTHER), before)


def test_parameters_set_after_fitting_wait_for_the_next():
    model = NetworkRidge(alpha=0.1).fit(X, Y)
    before = model.predict(OTHER)
    assert np.array_equal(model.set_params(depth=4).predict(OTHER), before)
    assert not np.allclose(model.fit(X, Y).predict(OTHER), before)


def test_a_grid_over_its_parameters():
    grid = {"activation": ["relu", "erf"], "depth": [1, 2]}
    search = GridSearchCV(NetworkRidge(alpha=1e-2), grid, cv=2).fit(X, Y)
    assert clone(search.best_estimator_).get_params()["alpha"] == 1e-2


def test_an_activation_of_ones_own():
    cube = fg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    model = clone(NetworkRidge(cube)).fit(X, Y)
    assert np.allclose(model.predict(OTHER), dense(X, Y, 1.0, OTHER, activation=cube))


def test_a_residual_above_what_was_asked_is_told(monkeypatch):
    plain = network_ridge.solve
    monkeypatch.setattr(
        network_ridge,
        "solve",
        lambda op, y, rtol: plain(op, y, rtol=rtol, preconditioner=None, max_passes=2),
    )
    with pytest.warns(ConvergenceWarning, match=r"above rtol=1e-08: 2 passes"):
        NetworkRidge(alpha=1e-6, rtol=1e-8).fit(X, Y)


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"activation": "reul"}, ValueError, ["did you mean 'relu'"]),
        ({"alpha": -1.0}, ValueError, ["alpha must be at least 0"]),
        ({"alpha": "1"}, TypeError, ["alpha must be a number"]),
        ({"rtol": 0.0}, ValueError, ["rtol must be above 0"]),
        ({"kind": "nnpg"}, ValueError, ["unknown kind 'nnpg'"]),
        ({"device": "tpu"}, ValueError, ["device", "'tpu'"]),
    ],
)
def test_bad_parameters(options, error, words, refuses):
    with refuses(error, *words):
        NetworkRidge(**options).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(60), "ample"),  # by scikit-learn itself where it is new
        (np.full(60, 5e-324), "0 everywhere"),  # too small for 1/w
        (-np.ones(60), "egative"),
        (np.ones(59), "59"),
    ],
)
def test_bad_weights(weights, words, refuses):
    with refuses(ValueError, words):
        NetworkRidge().fit(X, Y, sample_weight=weights)


def test_a_singular_matrix_without_a_ridge(refuses):
    with refuses(ValueError, "singular", "ridge"):
        NetworkRidge(alpha=0.0).fit(np.vstack([X, X[:1]]), np.append(Y, 0.0))
