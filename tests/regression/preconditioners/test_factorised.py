"""The factor of the whole matrix as a preconditioner: how near it is, and where it is taken."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.regression import solve
from fastgram.regression.preconditioners import choice
from fastgram.regression.preconditioners.costs import PassCosts
from fastgram.regression.preconditioners.factorised import factorised, relative_shift

N = 400
NETWORK = fg.Network("relu", depth=3)
RNG = np.random.default_rng(0)


def rows_in_clusters(n, seed=0):
    """Return rows whose kernel matrix has a heavy tail: few columns leave much of it."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 16)) * np.geomspace(1.0, 0.03, 16)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def operator(n=N, ridge=1e-3, **options):
    return fg.GramOperator(rows_in_clusters(n), NETWORK, kind="ntk", ridge=ridge, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ridge", [1e-3, np.geomspace(1e-3, 1.0, N)], ids=["one", "each"])
def test_it_is_the_inverse_but_for_the_shift(dtype, ridge):
    problem = as_problem(operator(ridge=ridge))
    made = factorised(problem.visit, problem.diagonal(), dtype)
    assert {panel.dtype for panel in made.factor.panels} == {np.dtype(dtype)}
    A = problem.dense()
    shifted = A + relative_shift(N, dtype) * np.diag(np.diagonal(A))
    block = RNG.standard_normal((N, 3)) * [1e-60, 1.0, 1e60]  # which float32 does not hold
    found, exact = made(block), np.linalg.solve(shifted, block)
    off = np.linalg.norm(found - exact, axis=0) / np.linalg.norm(exact, axis=0)
    assert np.max(off) <= np.finfo(dtype).eps * np.linalg.cond(shifted)


def test_rows_of_norms_far_apart():
    sizes = np.geomspace(1e-12, 1e12, N)
    op = fg.GramOperator(
        rows_in_clusters(N) * sizes[:, None], NETWORK, kind="ntk", ridge=1e-3 * sizes**2
    )
    problem = as_problem(op)
    made = factorised(problem.visit, problem.diagonal(), np.float32)
    near = LinearOperator((N, N), matmat=made, matvec=lambda v: made(v.reshape(-1, 1)))
    scaled = near @ (problem.dense() @ np.eye(N))
    assert np.max(np.abs(np.linalg.eigvals(scaled) - 1.0)) < 0.1


def test_roundings_of_a_matrix_near_a_singular_one_do_not_end_it():
    op = fg.GramOperator(fg.datasets.circle(N), "erf", ridge=1e-13)
    problem = as_problem(op)
    for dtype in (np.float32, np.float64):
        assert factorised(problem.visit, problem.diagonal(), dtype) is not None


def test_what_is_not_definite_has_none():
    A = np.diag([1.0, 1.0, 1.0])
    A[0, 1] = A[1, 0] = 2.0
    problem = as_problem(A)
    assert factorised(problem.visit, problem.diagonal(), np.float32) is None


def estimated(ridge, columns=1, memory=None):
    problem = as_problem(operator(3000, ridge, memory=memory))
    return PassCosts(problem, problem.least, columns).factorisation()


def test_the_precision_is_as_the_ridge_asks():
    cheap, single = estimated(1e-3)
    dear, double = estimated(1e-10)
    assert (single, double) == (np.float32, np.float64)
    assert cheap < dear < np.inf
    assert estimated(1e-3, memory=0) == (np.inf, None)
    # half of what a factor in float64 takes
    assert estimated(1e-10, memory=25_000_000)[1] is np.float32


def test_a_ridge_of_each_row_is_seen_beside_its_entry():
    sizes = np.geomspace(1e-3, 1e3, 3000)
    X = rows_in_clusters(3000) * sizes[:, None]
    problem = as_problem(fg.GramOperator(X, NETWORK, kind="ntk", ridge=1e-3 * sizes**2))
    assert PassCosts(problem, problem.least, 1).factorisation()[1] is np.float32


def test_auto_takes_it_where_columns_leave_much(monkeypatch):
    monkeypatch.setattr(solve, "DENSE_LIMIT", N)
    n = 1500
    Y = RNG.standard_normal((n, 2))
    answer = fg.solve(operator(n, 1e-4), Y)
    assert answer.preconditioner == "its Cholesky factorisation in float32"
    assert answer.converged
    assert answer.passes <= 6
    columns = fg.solve(operator(n, 1e-4), Y, preconditioner="nystrom")
    assert columns.passes > 5 * answer.passes
    assert np.all(
        np.linalg.norm(answer.x - columns.x, axis=0) <= answer.error_bounds + columns.error_bounds
    )
    # where there is no memory for the factor it is not taken
    assert "Nyström" in fg.solve(operator(n, 1e-4, memory=0), Y).preconditioner
    # and few columns or features are where these are cheaper
    sphere = fg.GramOperator(fg.datasets.sphere(n, 12, 0), NETWORK, kind="ntk", ridge=1e-2)
    assert "features" in fg.solve(sphere, Y).preconditioner


@pytest.fixture
def misjudged(monkeypatch):
    """Let features and columns seem cheap, and a factorisation worth 12 passes."""
    monkeypatch.setattr(solve, "DENSE_LIMIT", 0)
    monkeypatch.setattr(PassCosts, "columns", lambda self, spectrum: 0.0)
    monkeypatch.setattr(PassCosts, "left", lambda self: 0.0)
    monkeypatch.setattr(
        PassCosts, "factorisation", lambda self: (11.5 * self.pass_with(192), np.float32)
    )


class Killed(Exception):
    pass


def test_passes_that_were_misjudged_end_in_a_factorisation(misjudged, tmp_path):
    Y = RNG.standard_normal((N, 2))
    seen = []
    whole = fg.solve(operator(), Y, rtol=1e-10, callback=lambda passes, _: seen.append(passes))
    assert whole.preconditioner.startswith("Nyström of ")
    assert whole.preconditioner.endswith("columns, then its Cholesky factorisation in float32")
    assert whole.preconditioner in whole.message
    assert whole.converged
    assert 12 < whole.passes < 24
    assert whole.passes < fg.solve(operator(), Y, rtol=1e-10, preconditioner="nystrom").passes
    for killed_at in (5, 12, 15):
        folder = tmp_path / str(killed_at)

        def kill(passes, norms, killed_at=killed_at):
            if passes == killed_at:
                raise Killed

        with pytest.raises(Killed):
            fg.solve(operator(), Y, rtol=1e-10, checkpoint=folder, callback=kill)
        again = fg.solve(operator(), Y, rtol=1e-10, checkpoint=folder)
        assert np.array_equal(again.x, whole.x)
        assert (again.passes, again.message) == (whole.passes, whole.message)


def test_without_a_factorisation_passes_go_on(misjudged, monkeypatch):
    monkeypatch.setattr(choice, "factorised", lambda *arguments: None)
    answer = fg.solve(operator(), RNG.standard_normal(N))
    assert answer.converged
    assert answer.passes > 12
    assert "Cholesky" not in answer.preconditioner
