"""Inverse runs whose factors and solutions are off by a large, stated error."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.plain_request import plain_request
from helpers.stated_problem import stated

from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods import inverse
from fastgram.eigenvalues.methods.inverse import _rayleigh, run_inverse
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.support.rounding import gamma

N = 80
REQUEST = plain_request(rtol=1e-6)


@pytest.fixture
def matrix():
    values = np.concatenate([[1.0], np.linspace(2, 3, N - 1)])
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((N, N)))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("distance", [0.03, 0.3])
@pytest.mark.parametrize("error", [1e-4, 1e-3, 1e-2])
def test_the_factor_may_be_off_by_the_slack(matrix, monkeypatch, distance, error):
    factorised = inverse.shifted_factor

    def off(visit, n, shift, sign=1.0):
        factor, slack = factorised(visit, n, shift - error, sign)
        return factor, slack + error

    monkeypatch.setattr(inverse, "shifted_factor", off)
    monkeypatch.setattr(inverse, "_LEAST", 1e-9)  # go on for as long as there is anything to gain
    found = run_inverse(as_problem(matrix), REQUEST, 1.0 - distance)
    assert found is not None
    assert found.smallest.lower <= 1.0 <= found.smallest.upper
    # and no further than the proof of the factorisation leaves it
    assert found.smallest.lower >= 1.0 - distance - 1.01 * error
    assert found.floor >= error


@pytest.mark.parametrize("error", [1e-3, 1e-2])
def test_solutions_may_be_off_where_that_is_measured(matrix, monkeypatch, error):
    # a BLAS that is not known: a solution's residual is what its error is judged by
    shift = 0.9
    monkeypatch.setattr(inverse, "conventional_blas", lambda: False)
    wrong = matrix + (error - shift) * np.eye(N)
    monkeypatch.setattr(LowerTriangle, "solve", lambda self, block: np.linalg.solve(wrong, block))
    found = run_inverse(as_problem(matrix), REQUEST, shift)
    assert found is not None
    assert shift - 1e-9 <= found.smallest.lower <= 1.0 <= found.smallest.upper


def test_solutions_may_be_off_by_as_much_as_substitution_rounds(matrix, monkeypatch):
    # the factor is exact, as far as anybody knows
    shift = 1.0 - 1e-3
    factorised = inverse.shifted_factor
    monkeypatch.setattr(inverse, "shifted_factor", lambda *asked: (factorised(*asked)[0], 1e-30))
    error = 0.9 * gamma(2 * N + 2) * (np.trace(matrix) - N * shift)
    wrong = matrix + (error - shift) * np.eye(N)
    monkeypatch.setattr(LowerTriangle, "solve", lambda self, block: np.linalg.solve(wrong, block))
    found = run_inverse(as_problem(matrix), replace(REQUEST, rtol=1e-15), shift)
    assert found is not None
    assert 1.0 - 1e3 * error <= found.smallest.lower <= 1.0 <= found.smallest.upper


def test_a_shift_within_the_slack_of_the_eigenvalue_proves_no_more_than_itself(matrix, monkeypatch):
    # the matrix is not positive definite at the shift; the factor, off by the slack, is
    factorised = inverse.shifted_factor
    error = 1e-2

    def off(visit, n, shift, sign=1.0):
        factor, slack = factorised(visit, n, shift - error, sign)
        return factor, slack + error

    monkeypatch.setattr(inverse, "shifted_factor", off)
    for distance in (-9e-3, -1e-4, 1e-4, 5e-3):
        found = run_inverse(as_problem(matrix), REQUEST, 1.0 - distance)
        assert found is not None
        assert found.smallest.lower <= 1.0 <= found.smallest.upper


class Downwards(np.ndarray):
    """An array whose products are sums of as many roundings as it has columns, all towards 0."""

    def __matmul__(self, other):
        left, right = np.asarray(self), np.asarray(other)
        product = left @ right
        if left.ndim == 1:
            return product
        return product - np.sign(product) * gamma(left.shape[1]) * (np.abs(left) @ np.abs(right))


def test_images_are_combined_with_rounding():
    # of the unit matrix: any combination of vectors is an eigenvector, and λ_min is 1
    problem = stated(
        as_problem(np.eye(60)),
        summands=lambda: 0,
        entry_error=0.0,
        multiply=lambda V: V.view(Downwards),
    )
    vectors = np.random.default_rng(0).standard_normal((60, 60))
    _, upper, _ = _rayleigh(problem, vectors)
    assert 1.0 <= upper <= 1.0 + 2000 * 2.0**-53
