"""Solutions and curves of matrices known only to within a large error: bounds hold all it may be.

Products are off by a stated 1e-3 of a unit vector, or a Lanczos run's recurrence by as much, and
what is stated of answers is compared with those of matrices that far away.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.matrices import matrix_and_vectors, matrix_with
from helpers.stated_problem import stated
from scipy.sparse.linalg import LinearOperator

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.linalg.systems.scalar_lanczos import Rule
from fastgram.matrix.operator import matrix_of
from fastgram.regression import posterior, solve, training_curve
from fastgram.regression.curve import Descent

OFF = 1e-3
VALUES = np.linspace(0.5, 1.0, 20)
RNG = np.random.default_rng(0)


@pytest.fixture
def products_off(monkeypatch):
    """Whatever is given from now on has products off by OFF of a unit vector, as is stated."""

    def problem(A):
        return stated(
            as_problem(A), entry_error=OFF, noise_floor=lambda largest, columns=1: OFF, least=0.4
        )

    for module in (solve, training_curve):
        monkeypatch.setattr(module, "as_problem", problem)


# --- solve ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("scale", [1.0, 2.0**-300])
def test_solutions_of_matrices_that_are_off(products_off, sign, scale):
    """A ± OFF·I are two of what the matrix may be; y in a direction in which all of it counts."""
    A, basis = matrix_and_vectors(VALUES)
    y = scale * np.stack([basis[:, 0], basis[:, -1]], axis=1)
    answer = fg.solve(A, y, rtol=1e-14)
    other = np.linalg.solve(A + 0.999 * sign * OFF * np.eye(20), y)
    assert np.all(np.linalg.norm((answer.x - other) / scale, axis=0) * scale <= answer.error_bounds)
    off = (y - (A + 0.999 * sign * OFF * np.eye(20)) @ answer.x) / scale
    assert np.all(np.linalg.norm(off, axis=0) * scale <= answer.residual_norms)
    energies = np.sum((y / scale) * (other / scale), axis=0)
    assert np.all(answer.energy.lower / scale**2 <= energies)
    assert np.all(energies <= answer.energy.upper / scale**2)
    # and are not much wider
    assert np.all(answer.residual_norms <= 3.0 * OFF * scale)
    assert np.all(answer.energy.upper - answer.energy.lower <= 10.0 * OFF * scale**2)


@pytest.mark.parametrize("way", ["auto", None])
def test_energies_of_runs_that_are_cut_short(way):
    """Whatever x is: the middle is xᵀ(y + r), and what is left of it is no more than ‖r‖²/λ_min."""
    for seed in range(20):
        A = matrix_with(np.geomspace(0.01, 1.0, 20), seed)
        y = np.random.default_rng(seed).standard_normal((20, 2))
        answer = fg.solve(A, y, rtol=1e-12, preconditioner=way, max_passes=3)
        exact = np.sum(y * np.linalg.solve(A, y), axis=0)
        assert np.all(answer.energy.lower <= exact * (1.0 + 1e-12))
        assert np.all(exact <= answer.energy.upper * (1.0 + 1e-12))
        left = np.sum((y - A @ answer.x) * np.linalg.solve(A, y - A @ answer.x), axis=0)
        middle = exact - left
        assert answer.energy.lower == pytest.approx(middle, rel=1e-9)


def test_a_residual_that_is_not_what_was_thought_is_worked_off():
    """Products that are off for a while: the recursion does not see it, the true residual does."""
    A = matrix_with(VALUES)
    passes = []

    def multiply(V):
        passes.append(V.shape)
        return A @ V * (1.0 + OFF * (V.shape[1] == 1 and 2 <= _of_one(passes) < 5))

    def _of_one(passes):
        return sum(shape[1] == 1 for shape in passes)

    op = LinearOperator((20, 20), matvec=multiply, matmat=multiply, dtype=np.float64)
    answer = fg.solve(op, np.ones(20), preconditioner=None, rtol=1e-8)
    assert np.linalg.norm(np.ones(20) - A @ answer.x) <= 1e-8 * np.sqrt(20.0)
    assert answer.converged


def test_a_run_that_is_not_convergent_says_so():
    A = np.diag(np.geomspace(1e-9, 1.0, 60))
    answer = fg.solve(A, np.ones(60), preconditioner=None, max_passes=5, rtol=1e-10)
    assert not answer.converged


# --- training_curve -------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.5, 1.6, 2.4])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("flow", [False, True])
def test_curves_of_matrices_that_are_off(products_off, eta, sign, flow):
    """Every loss of A ± OFF·I is within, of a loss that grows as well."""
    A, basis = matrix_and_vectors(VALUES)
    steps = [0, 1, 2, 5, 20, 60, 300]
    for y in (basis[:, 0], basis[:, -1], RNG.standard_normal(20)):
        curve = fg.training_curve(A, y, steps, step_size=eta)
        shares = (basis.T @ y) ** 2
        values = VALUES + 0.999 * sign * OFF
        for t, bracket in zip(steps, curve.loss(steps, flow=flow), strict=True):
            factor = np.exp(-eta * values) if flow else np.abs(1.0 - eta * values)
            exact = 0.5 * np.sum(factor ** (2.0 * t) * shares)
            assert bracket.lower <= exact * (1.0 + 1e-12)
            assert exact <= bracket.upper * (1.0 + 1e-12)


def test_rules_have_nodes_beyond_what_the_matrix_may_be(products_off):
    """Those above need a node at or below λ_min, and one at or above λ_max, of all it may be."""
    A, basis = matrix_and_vectors(VALUES)
    curve = fg.training_curve(A, basis @ np.ones(20), [3], step_size=1.6, max_passes=3)
    for rule in curve.descent.upper:
        assert np.min(rule.nodes) <= VALUES[0] - OFF
        assert np.max(rule.nodes) >= VALUES[-1] + OFF
    assert curve.descent.ends[0] <= VALUES[0] - OFF
    assert curve.descent.ends[1] >= VALUES[-1] + OFF


def test_what_a_recurrence_misses_is_counted(monkeypatch):
    """And what products are off by besides."""
    advance = training_curve.ScalarLanczos.advance

    def spoiled(run):
        advance(run)
        run._missed += OFF**2

    monkeypatch.setattr(training_curve.ScalarLanczos, "advance", spoiled)
    curve = fg.training_curve(matrix_with(VALUES), np.ones(20), [10], max_passes=4)
    assert curve.descent.error >= 2.0 * OFF


def test_the_step_is_below_one_over_what_the_largest_eigenvalue_may_be(products_off):
    """Or the rule above would bound nothing."""
    curve = fg.training_curve(matrix_with(VALUES), np.ones(20), [3])
    assert curve.step_size * (VALUES[-1] + OFF) <= 1.0


def test_flow_along_a_negative_eigenvalue(monkeypatch):
    """It grows, and so does what an error of the matrix makes of it."""
    values = np.r_[-0.3, VALUES]
    A, basis = matrix_and_vectors(values)
    monkeypatch.setattr(
        training_curve,
        "as_problem",
        lambda A: stated(as_problem(A), noise_floor=lambda largest, columns=1: OFF, least=-0.31),
    )
    y = basis @ np.r_[1e-3, np.ones(20)]
    curve = fg.training_curve(A, y, [200], step_size=0.5, rtol=1e-9)
    for t in (1, 10, 50, 200):
        for off in (-0.999 * OFF, 0.999 * OFF):
            exact = 0.5 * np.sum(np.exp(-2.0 * t * 0.5 * (values + off)) * (basis.T @ y) ** 2)
            found = curve.loss([t], flow=True)
            assert found.lower[0] <= exact <= found.upper[0]


def _made(nodes, weights, upper_weights, **facts):
    """A curve's Descent of one rule below and one above."""
    facts = {
        "step_size": 1.0,
        "ends": (-1.0, 3.0),
        "error": 0.0,
        "size": 1.0,
        "exponent": 0,
    } | facts
    rules = ([Rule(np.array(nodes), np.array(part))] for part in (weights, upper_weights))
    return Descent(*rules, **{"entries": 1, **facts})


def test_sums_of_many_squares_are_rounded():
    low, _, high = _made([0.0], [1.0], [1.0], entries=10**9).relative(0, False)
    assert low <= 1.0 - 1e-7
    assert high >= 1.0 + 1e-7


@pytest.mark.parametrize("flow", [False, True])
def test_nothing_times_what_overflows_has_no_bound(flow):
    """A weight that has underflowed is of a node whose power has overflowed."""
    nodes = [-1.0, 0.5] if flow else [3.0, 0.5]
    low, _, high = _made(nodes, [0.0, 1.0], [0.0, 1.0]).relative(1000, flow)
    assert 0.0 <= low <= 1.0
    assert high == np.inf


@pytest.mark.parametrize("exponent", [0, 100])
def test_losses_beyond_float64_are_bounded_by_its_largest_number(exponent):
    made = _made([3.0], [900.0], [900.0], size=30.0, exponent=exponent)
    for t in range(400, 520):
        low, middle, high = made.losses(t, False)
        assert np.isfinite(low)
        assert np.isfinite(middle)
        assert low <= middle <= high
    assert high == np.inf


# --- posterior_variance ---------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_variances_of_columns_that_are_off(monkeypatch, sign):
    """Entries between new rows and those seen are off by a stated part, where it counts most."""
    X, new = fg.datasets.sphere(40, 4, seed=0), 10.0 * fg.datasets.sphere(5, 4, seed=1)
    op = fg.GramOperator(X, "relu", kind="nngp", ridge=0.05)
    true = fg.posterior_variance(op, new, rtol=1e-12)
    rows = fg.GramOperator.rows

    def rows_off(whole, some):
        found = np.array(rows(whole, some))
        x = np.linalg.solve(op.dense(), found[:, :40].T).T
        found[:, :40] += sign * 0.999 * OFF * x / np.linalg.norm(x, axis=1, keepdims=True)
        return found

    monkeypatch.setattr(fg.GramOperator, "rows", rows_off)
    monkeypatch.setattr(
        posterior,
        "matrix_of",
        lambda op: SimpleNamespace(
            given_rows=matrix_of(op).given_rows, entries=SimpleNamespace(norm_error=OFF)
        ),
    )
    found = fg.posterior_variance(op, new, rtol=1e-12)
    assert np.all((found.lower <= true.lower) & (true.upper <= found.upper))
    assert np.all(found.upper - found.lower <= 1.0)
