"""training_curve(): bounds that never miss, against dense decompositions and real training."""

from __future__ import annotations

import json
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from helpers.matrices import matrix_and_vectors, matrix_with
from helpers.tolerances import EPS
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.eigenvalues.extreme import DENSE_LIMIT

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


def test_labels_of_any_size():
    A, y = matrix_of(np.geomspace(1e-2, 1.0, 30)), RNG.standard_normal((30, 2))
    plain = fg.training_curve(A, y, STEPS)
    for exponent in (-700, -400, 400):
        curve = fg.training_curve(A, np.ldexp(y, exponent), STEPS)
        for name in ("lower", "upper", "estimate"):
            expected = np.ldexp(getattr(plain, name), 2 * exponent)
            assert getattr(curve, name) == pytest.approx(expected, rel=1e-12, abs=1e-320)
        assert np.all(curve.upper > 0.0)
        assert curve.time_to(0.1) == plain.time_to(0.1)
        assert curve.relative_loss(STEPS).upper == pytest.approx(plain.upper / plain.initial_loss)
    for exponent in (600, 1000):  # squares that float64 does not hold
        curve = fg.training_curve(A, np.ldexp(y, exponent), STEPS)
        assert curve.upper[0] == curve.initial_loss == np.inf
        assert np.all(np.isfinite(curve.lower))
        assert curve.relative_loss(3).lower == plain.relative_loss(3).lower
        assert curve.time_to(0.1) == plain.time_to(0.1)
    alone = fg.training_curve(A, np.ldexp(y[:, 0], 400), STEPS)
    for other in (-300, -1000, -1060):
        mixed = np.stack([np.ldexp(y[:, 0], 400), np.ldexp(y[:, 1], other)], axis=1)
        found = fg.training_curve(A, mixed, STEPS)
        assert found.estimate == pytest.approx(alone.estimate, rel=1e-2)


def test_the_first_loss_is_a_rounded_sum():
    """½‖y‖² of random numbers is none of float64's."""
    for seed in range(20):
        y = np.random.default_rng(seed).standard_normal(7)
        curve = fg.training_curve(matrix_of(np.linspace(0.5, 1.0, 7)), y, [0])
        exact = sum((Fraction(value) ** 2 for value in y.tolist()), Fraction(0)) / 2
        assert Fraction(curve.lower[0]) <= exact <= Fraction(curve.upper[0])
        assert curve.upper[0] - curve.lower[0] <= 1e-11 * curve.estimate[0]


@pytest.mark.parametrize("eta", [2.001, 2.5])
def test_what_rounding_does_to_a_loss_that_grows(eta):
    """(1 − ηλ)²ᵗ of a diagonal matrix, known to the bit; the run's nodes are off by roundings."""
    basis, trials = np.linalg.qr(np.random.default_rng(3).standard_normal((8, 8)))[0], 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        A = matrix_with(np.r_[np.exp(rng.uniform(-20.0, -1.0, 7)), 1.0], seed)
        y = rng.standard_normal(8) @ basis
        steps = int(600.0 / (2.0 * np.log(eta - 1.0)))
        curve = fg.training_curve(A, y, [steps], step_size=eta)
        exact = _powers(A, y, curve.step_size, steps)
        assert mpmath.mpf(float(curve.lower[0])) <= exact <= mpmath.mpf(float(curve.upper[0]))
        trials += np.isfinite(curve.upper[0])
    assert trials > 6


def _powers(A, y, eta, steps):
    """½‖(I − ηA)ᵗy‖² by mpmath, squaring."""
    with mpmath.workdps(60):
        power = mpmath.eye(len(A)) - mpmath.mpf(float(eta)) * mpmath.matrix(A.tolist())
        found = mpmath.matrix(y.tolist())
        while steps:
            if steps & 1:
                found = power * found
            power, steps = power * power, steps >> 1
        return sum(value**2 for value in found) / 2


def test_a_matrix_with_negative_eigenvalues(refuses):
    """Descent and flow leave along them: bounds hold, and there is no time to a fraction."""
    A = matrix_of(np.r_[-0.2, np.linspace(0.1, 1.0, 7)])
    for matrix in (A, aslinearoperator(A)):
        curve = fg.training_curve(matrix, np.ones(8), [0, 1, 5, 17, 100])
        held(curve, *modes(A, np.ones(8)))
        assert np.all(np.isfinite(curve.loss([10**5, 10**8]).lower))
        for flow in (False, True):
            with refuses(ValueError, "negative eigenvalue", "need not fall"):
                curve.time_to(0.5, flow=flow)
        assert curve.to_dict()["steps_to"] == []
        assert "steps to" not in curve._repr_html_()
    for matrix in (-A, aslinearoperator(-np.eye(8))):
        fg.training_curve(matrix, np.ones(8), [1], step_size=0.1)
    with refuses(ValueError, "no positive eigenvalue", "step_size"):
        fg.training_curve(-np.eye(8), np.ones(8), [1])


def test_labels_that_a_large_matrix_hardly_sees():
    """What products of somebody else's operator round is of its size, and not of what y meets."""
    A, basis = matrix_and_vectors(np.r_[1e-9, np.linspace(0.5, 1.0, 20)])
    y = basis[:, 0]
    curve = fg.training_curve(aslinearoperator(A), y, [10**6], max_passes=1)
    assert curve.descent.error >= 21 * EPS


@pytest.mark.slow
def test_what_is_certified_of_an_array_too_large_to_be_factorised():
    """λ_min is known by chance alone, and the upper rule has a node there."""
    n = DENSE_LIMIT + 2
    A = np.diag(np.r_[-1e-3, np.linspace(0.5, 1.0, n - 1)])
    curve = fg.training_curve(A, np.ones(n), [3], step_size=0.4)
    expected = "certified" if curve.smallest.guarantee == "certified" else "probabilistic"
    assert curve.guarantee == expected


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
