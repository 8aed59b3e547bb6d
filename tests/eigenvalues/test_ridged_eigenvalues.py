"""Eigenvalues of a Gram matrix with a ridge: brackets, and what is known without a pass."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from helpers.tolerances import EPS

import fastgram as fg

N = 400
X = fg.datasets.sphere(N, 5, seed=0)


def holds(bracket, value, allowed):
    assert bracket.lower - allowed <= value <= bracket.upper + allowed


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dense", "lanczos", "certified", "arpack"])
@pytest.mark.parametrize("ridge", [1e-3, np.linspace(0.1, 1.0, N)])
def test_brackets(ridge, method):
    op = fg.GramOperator(X, "relu", kind="ntk", ridge=ridge)
    values = np.linalg.eigvalsh(op.dense())
    answer = fg.extreme_eigenvalues(op, method=method)
    allowed = 100 * N * EPS * values[-1]
    holds(answer.smallest, values[0], allowed)
    holds(answer.largest, values[-1], allowed)
    assert answer.smallest.lower >= np.min(ridge)
    assert answer.resolved
    assert answer.rank_bound == N


def test_where_the_matrix_is_singular_the_ridge_is_the_smallest():
    op = fg.GramOperator(X, "polynomial", kind="nngp", ridge=1e-3)
    for method in ("dense", "lanczos"):
        answer = fg.extreme_eigenvalues(op, method=method)
        assert answer.smallest == fg.Bracket(1e-3, 1e-3, 1e-3, "exact")
        assert "the ridge" in answer.message
        assert answer.smallest_nonzero is None
        assert answer.condition is not None
    # numbers of each row's own leave nothing exact
    answer = fg.extreme_eigenvalues(op.with_ridge(np.linspace(1e-3, 2e-3, N)))
    assert answer.smallest.guarantee == "certified"
    assert answer.smallest.lower >= 1e-3


@pytest.mark.slow
def test_a_ridge_above_the_smallest_eigenvalue_ends_the_run_at_once():
    """λ_min is between the ridge and a Ritz value: certified, and no random start is trusted."""
    op = fg.GramOperator(X, "tanh", ridge=1e-2)
    answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-2)
    without = fg.extreme_eigenvalues(op.with_ridge(0.0), method="lanczos", rtol=1e-2)
    assert answer.smallest.guarantee == "certified"
    assert answer.smallest.lower == 1e-2
    assert answer.smallest.upper <= 1.01e-2
    assert answer.passes < without.passes


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_at_any_size(scale):
    rows = X * scale
    ridge = 1e-3 * scale * scale
    answer = fg.extreme_eigenvalues(fg.GramOperator(rows, "relu", ridge=ridge), method="dense")
    values = np.linalg.eigvalsh(fg.gram(X, network="relu") + 1e-3 * np.eye(N))
    holds(answer.smallest, values[0] * scale * scale, 1e-12 * values[-1] * scale * scale)
    assert answer.smallest.lower >= ridge


def test_rounding_of_the_sum_is_in_the_noise_floor():
    """A ridge that hides the matrix: G + s rounds to s, and brackets hold G's own eigenvalue."""
    rows = np.eye(3) * 1e-9
    ridge = 1.0 + 2.0**-30
    op = fg.GramOperator(rows, "linear", kind="nngp", ridge=ridge)
    exact = mpmath.mpf(ridge) + mpmath.mpf(1e-9) ** 2
    answer = fg.extreme_eigenvalues(op, method="dense")
    assert answer.largest.lower <= exact <= answer.largest.upper
    assert answer.smallest.lower <= exact <= answer.smallest.upper


@pytest.mark.slow
def test_density_and_effective_dimension():
    op = fg.GramOperator(X, "relu", kind="ntk", ridge=0.05)
    values = np.linalg.eigvalsh(op.dense())
    answer = fg.spectral_density(op)
    assert np.all(answer.lower >= 0.05)
    assert np.all((answer.lower <= values + 1e-12) & (values <= answer.upper + 1e-12))
    assert answer.log_determinant.lower <= np.sum(np.log(values)) <= answer.log_determinant.upper
    shifts = np.array([1e-3, 0.1, 10.0])
    wanted = np.sum(values / (values + shifts[:, None]), axis=1)
    found = answer.effective_dimension(shifts)
    assert np.all((found.lower <= wanted) & (wanted <= found.upper))
    assert found.estimate == pytest.approx(wanted, rel=0.1)
    one = answer.effective_dimension(0.1)
    assert (one.lower, one.upper, one.guarantee) == (
        found.lower[1],
        found.upper[1],
        "probabilistic",
    )


def test_density_of_a_singular_matrix_has_the_ridge_itself():
    op = fg.GramOperator(X, "polynomial", kind="nngp", ridge=1e-3)
    answer = fg.spectral_density(op)
    assert answer.smallest == fg.Bracket(1e-3, 1e-3, 1e-3, "exact")
    assert answer.count(0.0, 1e-3).lower >= N - 20
    values = np.linalg.eigvalsh(op.dense())  # off by roundings of the largest
    holds(answer.log_determinant, np.sum(np.log(values)), N * N * EPS * values[-1] / 1e-3)


@pytest.mark.parametrize("shift", [0.0, -1.0, np.inf])
def test_what_is_no_shift(shift, refuses):
    answer = fg.spectral_density(np.diag([1.0, 2.0]))
    with refuses(ValueError, "shift", "above 0"):
        answer.effective_dimension(shift)
    with refuses(ValueError, "λ_min is negative"):
        fg.spectral_density(np.diag([-1.0, 2.0])).effective_dimension(1.0)
