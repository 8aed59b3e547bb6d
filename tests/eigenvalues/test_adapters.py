"""What is given as an eigenproblem: an operator of ours, an array, somebody else's operator."""

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem

X = np.random.default_rng(0).standard_normal((40, 5))


@pytest.mark.parametrize("exponent", [0, 300, -300])
def test_an_operators_noise_floor_is_that_of_its_problem(exponent):
    op = fg.GramOperator(X * 2.0 ** (exponent // 2), "relu")
    problem = as_problem(op)
    assert op.noise_floor == problem.noise_floor(0.0) * 2.0**problem.exponent
    assert (problem.exponent == 0) == (exponent == 0)


@pytest.mark.slow
def test_all_three_say_the_same_of_one_matrix():
    op = fg.GramOperator(X, "tanh")
    matrix = op.dense()
    V = np.random.default_rng(1).standard_normal((40, 3))
    ours, array, foreign = (as_problem(A) for A in (op, matrix, aslinearoperator(matrix)))
    for problem in (ours, array, foreign):
        np.testing.assert_allclose(problem.multiply(V), matrix @ V, rtol=1e-12)
        assert problem.n == 40
        assert problem.factor_columns is None
    for problem in (ours, array):
        np.testing.assert_array_equal(problem.dense(), matrix)
        np.testing.assert_allclose(problem.diagonal(), np.diag(matrix), rtol=1e-14)
        assert problem.absolute_row_sum() == pytest.approx(np.abs(matrix).sum(axis=1).max())
        assert problem.has_entries
        seen = np.zeros((40, 40))
        problem.visit(
            lambda rows, columns, block, seen=seen: seen.__setitem__((rows, columns), block)
        )
        np.testing.assert_array_equal(np.tril(seen), np.tril(matrix))


def test_of_somebody_elses_operator_no_entry_is_known():
    problem = as_problem(aslinearoperator(np.eye(4)))
    assert not problem.has_entries
    for ask in (
        problem.dense,
        problem.diagonal,
        problem.absolute_row_sum,
        problem.factor_square,
        lambda: problem.visit(lambda *block: None),
    ):
        with pytest.raises(TypeError):
            ask()
    assert problem.one_pass() is None
    assert problem.extra_start_vectors(2) is None
