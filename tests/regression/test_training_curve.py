"""training_curve(): bounds that never miss, against dense decompositions and real training."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastgram as fg

RNG = np.random.default_rng(0)
STEPS = np.array([0, 1, 2, 5, 17, 100, 3000, 100_000])


def matrix_of(values, seed=0):
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    A = (basis * values) @ basis.T
    return (A + A.T) / 2.0


def modes(A, y):
    values, vectors = np.linalg.eigh(A)
    return values, np.sum((vectors.T @ y.reshape(len(A), -1)) ** 2, axis=1)


def losses(values, shares, eta, steps, flow=False):
    steps = np.asarray(steps, dtype=np.float64)[:, None]
    powers = (
        np.exp(-2.0 * eta * steps * values) if flow else np.abs(1.0 - eta * values) ** (2.0 * steps)
    )
    return 0.5 * powers @ shares


def held(curve, values, shares):
    for flow in (False, True):
        exact = losses(values, shares, curve.step_size, curve.steps, flow)
        found = curve.loss(curve.steps, flow=flow)
        # eigh's own error moves a power by as many roundings as there are steps
        allowed = 1e-11 * (1.0 + exact) + 1e-14 * curve.steps * exact
        assert np.all(found.lower - allowed <= exact)
        assert np.all(exact <= found.upper + allowed)


def spectrum(kind, n, rng):
    return {
        "decades": lambda: np.exp(rng.uniform(-20.0, 2.0, n)),
        "even": lambda: rng.uniform(0.0, 1.0, n),
        "one": lambda: np.full(n, rng.uniform(0.1, 5.0)),
        "singular": lambda: np.r_[np.zeros(n // 2), rng.uniform(1.0, 2.0, n - n // 2)],
    }[kind]()


@pytest.mark.parametrize("kind", ["decades", "even", "one", "singular"])
@pytest.mark.parametrize("count", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_bounds_never_miss(kind, count):
    """Small runs, of any number of passes, outputs and step sizes up to 2/λ_max."""
    rng = np.random.default_rng(len(kind))
    for trial in range(count):
        n, outputs = int(rng.integers(1, 30)), int(rng.integers(1, 3))
        A = matrix_of(spectrum(kind, n, rng), trial)
        y = rng.standard_normal((n, outputs))
        eta = None if trial % 2 else rng.uniform(0.1, 1.9) / np.linalg.norm(A, 2)
        passes = int(rng.integers(1, 12))
        held(fg.training_curve(A, y, STEPS, step_size=eta, max_passes=passes), *modes(A, y))


def first_step(values, shares, eta, goal):
    low, high = 0, 1
    while losses(values, shares, eta, [high])[0] > goal:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if losses(values, shares, eta, [middle])[0] <= goal else (middle, high)
        )
    return high


def test_steps_to_a_fraction():
    A = matrix_of(np.geomspace(1e-3, 1.0, 40))
    y = RNG.standard_normal(40)
    for passes in (3, 8, 40):
        curve = fg.training_curve(A, y, [100_000], max_passes=passes)
        for fraction in (0.9, 0.5, 0.1, 0.01):
            found = curve.time_to(fraction)
            exact = first_step(*modes(A, y), curve.step_size, fraction * curve.initial_loss)
            assert found.lower <= exact <= found.upper
    assert found.upper - found.lower <= 1.0 + 1e-3 * exact
    assert curve.time_to(0.5, flow=True).upper < np.inf
    stays = fg.training_curve(matrix_of(np.r_[0.0, np.ones(9)]), np.ones(10), [10])
    assert stays.time_to(1e-8).upper == np.inf


@pytest.mark.slow
def test_a_gram_matrix_of_some_thousand_rows_in_some_thirty_passes():
    n = 2100  # too many to be decomposed
    X = fg.datasets.sphere(n, 20, seed=0)
    op = fg.GramOperator(X, fg.Network("relu"), kind="ntk")
    y = np.sign(X[:, 0]) + 0.1 * RNG.standard_normal(n)
    steps = [1, 10, 100, 1000, 10_000]
    curve = fg.training_curve(op, y, steps)
    assert curve.converged
    assert curve.passes <= 60
    values, shares = modes(op.dense(), y)
    held(curve, values, shares)
    assert np.all(curve.upper - curve.lower <= 1e-2 * curve.estimate)
    assert 0.98 <= curve.step_size * values[-1] <= 1.0


def test_at_any_size():
    A, y = matrix_of(np.geomspace(1e-2, 1.0, 30)), RNG.standard_normal(30)
    plain = fg.training_curve(A, y, STEPS)
    for scale in (1e-200, 1e200):
        curve = fg.training_curve(A * scale, y, STEPS)
        assert curve.estimate == pytest.approx(plain.estimate, rel=1e-6)
        assert curve.step_size * scale == pytest.approx(plain.step_size, rel=1e-6)


def test_what_is_certified():
    A, y = matrix_of(np.geomspace(1e-2, 1.0, 30)), RNG.standard_normal(30)
    assert fg.training_curve(A, y, 5).guarantee == "certified"
    X = fg.datasets.sphere(2100, 5, seed=0)
    op = fg.GramOperator(X, "relu", kind="nngp")
    curve = fg.training_curve(op, X[:, 0], [3])
    assert curve.guarantee == "probabilistic"
    # no eigenvalue is above the largest row sum
    careful = fg.training_curve(op, X[:, 0], [3], step_size=0.5 / np.max(op @ np.ones(2100)))
    assert careful.guarantee == "certified"


def test_beyond_one_over_the_largest_eigenvalue():
    A, y = matrix_of(np.linspace(0.1, 1.0, 20)), RNG.standard_normal(20)
    curve = fg.training_curve(A, y, STEPS[:6], step_size=1.5)
    held(curve, *modes(A, y))
    assert "beyond 1/λ_max" in curve.message
    grows = fg.training_curve(A, y, [0, 5], step_size=3.0)
    held(grows, *modes(A, y))
    with pytest.raises(ValueError, match="need not fall"):
        grows.time_to(0.5)


@pytest.mark.slow
def test_networks_that_are_trained():
    """Full-batch descent of the hidden layer follows the curve, the nearer the wider it is."""
    n, d, steps = 20, 6, 40
    X = fg.datasets.sphere(n, d, seed=1)
    y = np.sign(X[:, 0])
    gaps = []
    for width in (400, 25_600):
        rng = np.random.default_rng(2)
        W = rng.standard_normal((width, d))
        signs = rng.choice([-1.0, 1.0], width) / np.sqrt(width)
        start = np.maximum(X @ W.T, 0.0) @ signs
        op = fg.GramOperator(X, "relu", kind="gradient")
        curve = fg.training_curve(op, y - start, np.arange(steps + 1))
        seen = []
        for _ in range(steps + 1):
            hidden = X @ W.T
            off = np.maximum(hidden, 0.0) @ signs - y
            seen.append(0.5 * off @ off)
            W -= curve.step_size * ((hidden > 0.0) * np.outer(off, signs)).T @ X
        gaps.append(np.max(np.abs(np.array(seen) - curve.estimate)) / curve.initial_loss)
    assert gaps[1] < 0.02
    assert gaps[1] < 0.4 * gaps[0]


def test_it_is_shown_and_drawn(tmp_path):
    A, y = matrix_of(np.geomspace(1e-2, 1.0, 30)), RNG.standard_normal((30, 2))
    curve = fg.training_curve(A, y, [1, 10])
    record = json.loads(json.dumps(curve.to_dict()))
    assert record["steps"] == [1, 10]
    assert len(record["lower"]) == 2
    assert "loss after 10 steps" in str(curve)
    assert "steps to 0.1" in curve._repr_html_()
    axes = curve.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert curve.plot(ax=axes) is axes


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"steps": [-1]}, ValueError, ["steps", "whole"]),
        ({"steps": [1.5]}, ValueError, ["steps", "whole"]),
        ({"steps": []}, TypeError, ["steps"]),
        ({"steps": "x"}, TypeError, ["steps"]),
        ({"step_size": 0.0}, ValueError, ["step_size"]),
        ({"rtol": -1.0}, ValueError, ["rtol"]),
        ({"y": np.zeros(5)}, ValueError, ["y is zero"]),
        ({"y": np.ones(4)}, ValueError, ["y must be of shape (5,)"]),
        ({"A": np.zeros((5, 5))}, ValueError, ["matrix is zero"]),
        ({"max_passes": 0}, ValueError, ["max_passes"]),
    ],
)
def test_bad_input(arguments, error, words, refuses):
    with refuses(error, *words):
        fg.training_curve(**{"A": np.eye(5), "y": np.ones(5), "steps": [1], **arguments})


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_what_is_no_fraction(fraction, refuses):
    with refuses(ValueError, "fraction"):
        fg.training_curve(np.eye(3), np.ones(3), [1]).time_to(fraction)
