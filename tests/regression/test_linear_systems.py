"""solve(): against dense solutions; bounds that hold; what is refused before a pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.tolerances import EPS
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fastgram as fg
from fastgram.regression import solve

N = 300
X = fg.datasets.sphere(N, 5, seed=0)
RNG = np.random.default_rng(0)
Y = RNG.standard_normal((N, 3))
RIDGE = 1e-3
WAYS = ["auto", "nystrom", None]


def operator(**options):
    options = {"ridge": RIDGE, **options}
    return fg.GramOperator(X, fg.Network("relu", depth=2), kind="ntk", **options)


def held(answer, A, y, rtol):
    """Check an answer against LAPACK's solution of the dense matrix."""
    exact = np.linalg.solve(A, y)
    error = np.linalg.norm((answer.x - exact).reshape(len(A), -1), axis=0)
    # LAPACK's own error, relative to the solution
    own = 10 * EPS * np.linalg.cond(A) * np.linalg.norm(exact.reshape(len(A), -1), axis=0)
    assert np.all(error <= answer.error_bounds + own)
    sizes = np.linalg.norm(y.reshape(len(A), -1), axis=0)
    residuals = np.linalg.norm((y - A @ answer.x).reshape(len(A), -1), axis=0)
    assert np.all(residuals <= answer.residual_norms + 10 * len(A) * EPS * sizes)
    assert np.all(residuals <= rtol * sizes + 1e-12 * sizes)
    energy = np.sum((y * exact).reshape(len(A), -1), axis=0)
    slack = 100 * EPS * np.linalg.cond(A) * np.abs(energy)
    assert np.all(answer.energy.lower - slack <= energy)
    assert np.all(energy <= answer.energy.upper + slack)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("y", [Y, Y[:, 0]], ids=["block", "vector"])
def test_against_lapack(y, way):
    op = operator()
    answer = fg.solve(op, y, preconditioner=way)
    assert answer.x.shape == y.shape
    assert answer.error_bounds.shape == answer.residual_norms.shape == (y.size // N,)
    assert answer.converged
    assert answer.guarantee == "certified"
    held(answer, op.dense(), y, 1e-6)
    # both bounds of the energy are near: of the square of the residual
    assert np.all(answer.energy.upper - answer.energy.lower <= 1e-6 * np.abs(answer.energy.upper))
    assert isinstance(answer.energy, fg.Bracket if y.ndim == 1 else object)


def test_a_tiny_ridge_keeps_the_preconditioner_positive():
    n = 400
    plain = fg.GramOperator(fg.datasets.sphere(n, 20, 0), fg.Network("relu", depth=2), kind="ntk")
    passes = []
    for size in (1e-8, 1e-11, 1e-14):
        op = plain.with_ridge(size * float(np.max(plain.diagonal())))
        answer = fg.solve(op, np.eye(n)[:, :2], preconditioner="nystrom")
        assert answer.converged
        passes.append(answer.passes)
    assert max(passes) <= 3 * min(passes), passes


@pytest.mark.parametrize("rtol", [1e-2, 1e-12])
def test_as_exact_as_asked(rtol):
    op = operator()
    answer = fg.solve(op, Y, rtol=rtol, preconditioner="nystrom")
    assert answer.converged
    held(answer, op.dense(), Y, rtol)


def test_numbers_of_each_row():
    op = operator(ridge=np.geomspace(1e-3, 10.0, N))
    for way in WAYS:
        held(fg.solve(op, Y, preconditioner=way), op.dense(), Y, 1e-6)


@pytest.mark.parametrize("scale", [1e-50, 1e50])
def test_at_any_size(scale):
    op = fg.GramOperator(X * scale, "relu", ridge=RIDGE * scale**2)
    answer = fg.solve(op, Y, preconditioner="nystrom")
    assert answer.converged
    plain = fg.solve(fg.GramOperator(X, "relu", ridge=RIDGE), Y, preconditioner="nystrom")
    assert answer.x * scale**2 == pytest.approx(plain.x, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("of_array", [True, False], ids=["array", "operator"])
@pytest.mark.parametrize("size", [1e-150, 1.0, 1e200])
def test_columns_and_matrices_of_any_size(size, of_array, way):
    """Powers of two round nothing: bounds are as many times as large, column by column."""
    n, powers, of_matrix = 30, np.array([-700, 0, 60, 660]), round(np.log2(size))
    A = matrix_with(np.geomspace(1e-3, 1.0, n))
    y = np.random.default_rng(5).standard_normal((n, powers.size))
    seen = np.abs(powers - of_matrix) < 960  # of x float64 holds no more
    y, powers = y[:, seen], powers[seen]
    matrix = np.ldexp(A, of_matrix)
    options = {"preconditioner": way, "rtol": 1e-9}
    answer = fg.solve(
        matrix if of_array else aslinearoperator(matrix), np.ldexp(y, powers), **options
    )
    assert answer.converged
    errors = np.ldexp(answer.error_bounds, of_matrix - powers)
    assert np.all(
        np.linalg.norm(np.ldexp(answer.x, of_matrix - powers) - np.linalg.solve(A, y), axis=0)
        <= errors + 1e-11
    )
    assert np.all((errors > 0.0) & (errors < 1e-4))
    residuals = np.ldexp(answer.residual_norms, -powers)
    assert np.all((residuals > 0.0) & (residuals < 1e-8 * np.linalg.norm(y, axis=0)))
    energies = np.sum(y * np.linalg.solve(A, y), axis=0)
    good = np.abs(2 * powers - of_matrix) < 1000
    for end, sign in ((answer.energy.lower, 1.0), (answer.energy.upper, -1.0)):
        found = np.ldexp(end, of_matrix - 2 * powers)[good]
        assert np.all(sign * found <= sign * energies[good] * (1.0 + sign * 1e-11))
        assert found == pytest.approx(energies[good], rel=1e-6)


def test_a_solution_that_float64_does_not_hold(refuses):
    with refuses(ValueError, "x overflows", "scale y"):
        fg.solve(1e-200 * np.eye(3), [1e200, 1.0, 1.0])
    # and one that it holds in denormal numbers: what is lost there is part of the residual
    values = 1e200 * np.arange(1.0, 8.0)
    for way in WAYS:
        tiny = fg.solve(np.diag(values), np.full(7, 1e-120), preconditioner=way)
        left = np.linalg.norm((1e-120 - values * tiny.x) * 1e120)
        assert 1e-4 < left <= 1e120 * tiny.residual_norms[0] <= 1.001 * left
        assert not tiny.converged


@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_what_products_of_somebody_elses_operator_round(scale):
    """As much as its size says: that of its largest eigenvalue, and not of what y meets."""
    values = scale * np.geomspace(1.0, 1e6, 60)
    rounding = 60 * EPS * values[-1]
    op = LinearOperator(
        (60, 60), matvec=lambda v: (values - rounding) * v.ravel(), dtype=np.float64
    )
    answer = fg.solve(op, scale * np.eye(60)[0], rtol=1e-12)
    assert answer.converged
    assert answer.error_bounds[0] >= abs(answer.x[0] - 1.0) > 1e-9


@pytest.mark.parametrize("way", WAYS)
def test_arrays_and_foreign_operators(way):
    values = np.geomspace(0.1, 100.0, N)
    basis = np.linalg.qr(RNG.standard_normal((N, N)))[0]
    A = (basis * values) @ basis.T
    A = (A + A.T) / 2.0
    for matrix in (A, aslinearoperator(A)):
        answer = fg.solve(matrix, Y, preconditioner=way)
        assert answer.converged
        held(answer, A, Y, 1e-6)
        known = answer.smallest.lower <= values[0] * (1 + 1e-12)
        assert known
        assert answer.guarantee == ("certified" if matrix is A else "probabilistic")


def test_no_ridge_where_the_matrix_needs_none():
    op = operator(ridge=0.0)
    held(fg.solve(op, Y, rtol=1e-8), op.dense(), Y, 1e-8)


def test_finite_width_and_float32():
    op = fg.GramOperator(X, fg.Network("tanh", width=30), ridge=0.1)
    held(fg.solve(op, Y, preconditioner="nystrom"), op.dense(), Y, 1e-6)
    op = operator(ridge=0.1, dtype="float32")
    exact = np.linalg.solve(operator(ridge=0.1).dense(), Y)
    answer = fg.solve(op, Y, preconditioner="nystrom", rtol=1e-4)
    assert np.all(np.linalg.norm(answer.x - exact, axis=0) <= answer.error_bounds)


def test_an_operator_as_preconditioner():
    op = operator()
    inverse = np.linalg.inv(op.dense())
    answer = fg.solve(op, Y, preconditioner=inverse)
    assert answer.passes <= 4
    assert "given" in answer.preconditioner
    held(answer, op.dense(), Y, 1e-6)


class Preconditioner:
    """Whatever a function makes of a block."""

    shape = (N, N)

    def __init__(self, function):
        self._function = function

    def __matmul__(self, block):
        return self._function(block)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda block: block[:3], ValueError, ["preconditioner's product", f"({N}, 3)", "(3, 3)"]),
        (lambda block: block * 1j, TypeError, ["preconditioner's product", "complex"]),
        (lambda block: "x", TypeError, ["preconditioner's product"]),
        (lambda block: None, TypeError, ["preconditioner's product"]),
    ],
)
def test_what_a_preconditioner_must_return(function, error, words, refuses):
    with refuses(error, *words):
        fg.solve(operator(), Y, preconditioner=Preconditioner(function))


def test_a_preconditioner_may_work_in_place():
    op = operator()
    plain = fg.solve(op, Y, preconditioner=Preconditioner(lambda block: 2.0 * block))
    in_place = fg.solve(op, Y, preconditioner=Preconditioner(lambda block: block.__imul__(2.0)))
    assert np.array_equal(in_place.x, plain.x)


@pytest.mark.parametrize("given", [np.full((N, N), np.nan), np.zeros((N, N))], ids=["nan", "zero"])
def test_a_preconditioner_that_leaves_nothing(given):
    op = operator()
    answer = fg.solve(op, Y, preconditioner=given)
    assert not answer.converged
    held(answer, op.dense(), Y, np.inf)


def test_columns_that_depend_on_each_other_and_zeros():
    y = np.stack([Y[:, 0], 2.0 * Y[:, 0], 0.0 * Y[:, 0], Y[:, 1]], axis=1)
    op = operator()
    answer = fg.solve(op, y, preconditioner=None)
    assert answer.converged
    assert np.array_equal(answer.x[:, 2], np.zeros(N))
    assert answer.x[:, 1] == pytest.approx(2.0 * answer.x[:, 0], abs=1e-4)
    held(answer, op.dense(), y, 1e-6)
    assert fg.solve(op, np.zeros(N)).error_bounds[0] == 0.0


def test_a_block_takes_fewer_passes_than_columns_one_by_one():
    op = operator()
    together = fg.solve(op, RNG.standard_normal((N, 10)), preconditioner=None)
    alone = fg.solve(op, Y[:, 0], preconditioner=None)
    assert together.passes < 0.75 * alone.passes
    helped = fg.solve(op, Y[:, 0], preconditioner="nystrom")
    assert helped.passes < 0.5 * alone.passes


def test_it_ends_when_it_is_told_to():
    op = operator()
    answer = fg.solve(op, Y, preconditioner=None, max_passes=5, rtol=1e-12)
    assert answer.passes == 5
    assert not answer.converged
    assert "max_passes" in answer.message
    exact = np.linalg.solve(op.dense(), Y)
    assert np.all(np.linalg.norm(answer.x - exact, axis=0) <= answer.error_bounds)
    seen = []

    def stop(passes, norms):
        seen.append((passes, norms.shape))
        return passes == 3

    answer = fg.solve(op, Y, preconditioner=None, callback=stop)
    assert seen == [(k, (3,)) for k in (1, 2, 3)]
    assert "callback" in answer.message


def test_the_same_call_gives_the_same_bits():
    first, second = (fg.solve(operator(), Y, preconditioner="nystrom", seed=3) for _ in range(2))
    assert np.array_equal(first.x, second.x)


def test_it_is_shown():
    answer = fg.solve(operator(), Y)
    assert json.loads(json.dumps(answer.to_dict()))["guarantee"] == "certified"
    assert "certified" in str(answer)
    assert "energy 2" in answer._repr_html_()


@pytest.mark.parametrize(
    ("A", "words"),
    [
        (np.zeros((N, N)), ["singular", "every entry is zero"]),
        (np.ones((N, N)), ["singular", "ridge"]),
        (-np.eye(N), ["λ_min", "-1"]),
        (fg.GramOperator(X, "polynomial", kind="nngp"), ["singular", "monomials", "with_ridge"]),
        (fg.GramOperator(fg.datasets.circle(N), "gelu"), ["λ_min", "ridge"]),
    ],
    ids=["zero", "ones", "negative", "polynomial", "gelu"],
)
def test_what_is_singular_is_told_and_what_would_help(A, words, refuses):
    with refuses(ValueError, *words):
        fg.solve(A, Y)


def test_the_ridge_that_is_told_helps():
    op = fg.GramOperator(fg.datasets.circle(N), "gelu")
    with pytest.raises(ValueError, match="a ridge of") as told:
        fg.solve(op, Y)
    ridge = float(str(told.value).partition("a ridge of ")[2].split()[0])
    answer = fg.solve(op.with_ridge(ridge), Y, rtol=1e-3)
    assert answer.converged


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"y": Y[:9]}, ValueError, ["y must be of shape (300,)", "(9, 3)"]),
        ({"y": Y[:, :0]}, ValueError, ["y must be"]),
        ({"y": np.where(np.arange(N) == 7, np.nan, 1.0)}, ValueError, ["not finite", "row 7"]),
        ({"y": "x"}, TypeError, ["y"]),
        ({"y": Y + 1j}, TypeError, ["y"]),
        ({"rtol": 0.0}, ValueError, ["rtol"]),
        ({"max_passes": 0}, ValueError, ["max_passes"]),
        ({"seed": -1}, ValueError, ["seed"]),
        ({"preconditioner": "nystroem"}, ValueError, ["preconditioner", "nystrom"]),
        ({"preconditioner": np.eye(3)}, TypeError, ["preconditioner", "(300, 300)"]),
        ({"preconditioner": 3}, TypeError, ["preconditioner"]),
    ],
)
def test_bad_input(arguments, error, words, refuses):
    with refuses(error, *words):
        fg.solve(operator(), **{"y": Y, **arguments})


def test_prediction_by_the_cross_matrix():
    """Kernel regression is exact on its own rows where nothing is added."""
    op = operator(ridge=0.0)
    weights = fg.solve(op, Y, rtol=1e-10).x
    cross = fg.GramOperator(X[:20], op.network, Y=X, kind="ntk")
    assert cross @ weights == pytest.approx(Y[:20], abs=1e-6)


class Killed(Exception):
    pass


@pytest.mark.parametrize("way", ["nystrom", None])
@pytest.mark.parametrize("killed_at", [1, 4])
def test_a_killed_run_goes_on_to_the_same_bits(way, killed_at, tmp_path):
    whole = fg.solve(operator(), Y, rtol=1e-10, preconditioner=way)

    def kill(passes, norms):
        if passes == killed_at:
            raise Killed

    with pytest.raises(Killed):
        fg.solve(
            operator(), Y, rtol=1e-10, preconditioner=way, callback=kill, checkpoint=tmp_path / "c"
        )
    seen = []
    answer = fg.solve(
        operator(),
        Y,
        rtol=1e-10,
        preconditioner=way,
        callback=lambda passes, norms: seen.append(passes),
        checkpoint=tmp_path / "c",
    )
    assert seen[0] == killed_at + 1
    assert np.array_equal(answer.x, whole.x)
    assert answer.passes == whole.passes


@pytest.mark.parametrize("scale", [1.0, 1e100])
def test_a_killed_run_on_somebody_elses_operator_goes_on(scale, tmp_path):
    """In the units that its first product chose, which the first one of another run may not."""
    A = aslinearoperator(scale * operator().dense())
    options = {"rtol": 1e-8, "preconditioner": None}
    whole = fg.solve(A, Y, **options)
    fg.solve(A, Y, **options, max_passes=5, checkpoint=tmp_path / "c")
    answer = fg.solve(A, Y, **options, checkpoint=tmp_path / "c")
    assert np.array_equal(answer.x, whole.x)


def test_a_finished_run_is_tightened(tmp_path):
    folder = tmp_path / "c"
    fg.solve(operator(), Y, rtol=1e-3, preconditioner=None, checkpoint=folder)
    seen = []
    answer = fg.solve(
        operator(),
        Y,
        rtol=1e-9,
        preconditioner=None,
        checkpoint=folder,
        callback=lambda passes, norms: seen.append(passes),
    )
    assert answer.converged
    assert seen[0] > 3


def test_other_runs_are_refused(tmp_path, refuses):
    folder = tmp_path / "c"
    fg.solve(operator(), Y, preconditioner=None, checkpoint=folder, max_passes=4)
    for op, y, words in (
        (operator(), Y + 1.0, ["y"]),
        (operator(ridge=2e-3), Y, ["another matrix", "ridge"]),
    ):
        with refuses(ValueError, "checkpoint", *words):
            fg.solve(op, y, preconditioner=None, checkpoint=folder)
    for options, words in (
        ({"preconditioner": "nystrom"}, ["preconditioner", "none"]),
        ({"preconditioner": None, "seed": 1}, ["seed = 0, not 1"]),
    ):
        with refuses(ValueError, "checkpoint", *words):
            fg.solve(operator(), Y, checkpoint=folder, **options)
    with refuses(TypeError, "checkpoint"):
        fg.solve(operator(), Y, checkpoint=3)
    A = operator().dense()
    other = tmp_path / "d"
    fg.solve(aslinearoperator(A), Y, preconditioner=None, checkpoint=other, max_passes=4)
    with refuses(ValueError, "checkpoint", "another matrix"):
        fg.solve(aslinearoperator(2.0 * A), Y, preconditioner=None, checkpoint=other)


def test_bad_input_is_refused_before_any_product(tmp_path, refuses, monkeypatch):
    """Where λ_min is not known, which takes passes: another run's checkpoint, an unknown word."""
    folder = tmp_path / "c"
    fg.solve(operator(ridge=0.0), Y, preconditioner=None, checkpoint=folder, max_passes=3)

    def no_work(*arguments, **options):
        raise AssertionError("work was started")

    monkeypatch.setattr(solve, "extreme_eigenvalues", no_work)
    with refuses(ValueError, "checkpoint", "y"):
        fg.solve(operator(ridge=0.0), Y + 1.0, preconditioner=None, checkpoint=folder)
    with refuses(ValueError, "preconditioner"):
        fg.solve(operator(ridge=0.0), Y, preconditioner="nystroem")
