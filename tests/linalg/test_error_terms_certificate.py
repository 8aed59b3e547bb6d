"""Certificates from a BLAS that is as wrong as its proof admits: what is proven must still hold."""

import functools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from fastgram.kernels.cpu import residual
from fastgram.linalg import certificate
from fastgram.linalg.certificate import certify_below, shifted_factor, visit_array
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.support.rounding import gamma, rayleigh_bounds

U = Fraction(1, 2**53)


def proven(matrix, shift, sign=1.0):
    return certify_below(visit_array(matrix), len(matrix), shift, sign)


@pytest.fixture
def runs_through(monkeypatch):
    """A factorisation that runs through, whatever it was given: L is what stands there."""
    monkeypatch.setattr(LowerTriangle, "factorise", lambda self: True)


@pytest.fixture
def unknown_blas(monkeypatch):
    monkeypatch.setattr(certificate, "conventional_blas", lambda: False)


def test_factorisations_may_lose_as_much_as_rumps_theorem_says(runs_through):
    # I − 11ᵀ/64: the shift is beyond λ_min by 0.95 of what the theorem admits
    n, off = 60, 2.0**-6
    matrix = np.full((n, n), -off)
    np.fill_diagonal(matrix, 1.0)
    admitted = gamma(n + 2) * n * off * (n - 1)
    least = 1 - (n - 1) * Fraction(off)
    shift = float(least) + 0.95 * admitted
    found = Fraction(proven(matrix, shift))
    assert least - Fraction(admitted) < found <= least


def test_the_rounding_of_the_shifted_diagonal_counts(runs_through):
    # n = 2: a − s rounds up by nearly u, and −10 u is all that the theorem leaves room for
    a = 1.25 + 2.0**-40
    shift = 0.98 * 2.0**-53
    assert a - shift == a
    matrix = np.array([[a, -(a + 10 * 2.0**-53)], [-(a + 10 * 2.0**-53), a]])
    least = Fraction(a) + Fraction(matrix[0, 1])
    assert least == -10 * U
    assert -least <= Fraction(gamma(4)) * 2 * Fraction(a)
    assert Fraction(proven(matrix, shift)) <= least


def test_what_is_proven_is_rounded_down(runs_through):
    # λ_min is 1 − 2⁻¹⁰², nearer to 1 than any float64 number
    tiny = 2.0**-52
    matrix = np.array([[1 + tiny, tiny * (1 + tiny)], [tiny * (1 + tiny), 1 + tiny]])
    assert proven(matrix, 1.0) < 1.0


def test_underflow_is_paid_for():
    # in units of the least number: thirty products of 1/√3 each are lost; λ_min is 2 − √31
    m = 30
    matrix = np.zeros((m + 1, m + 1))
    matrix[:m, :m] = 3 * np.eye(m)
    matrix[m, :] = matrix[:, m] = 1.0
    found = proven(matrix * 2.0**-1074, 0.0)
    assert found is not None
    assert found / 2.0**-1074 <= 2 - math.sqrt(31)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1e-20, 0, 1e300], [0, 1, 0], [1e300, 0, 1]],
        [[1, 1e200, 0], [1e200, 1e200, 0], [0, 0, 1]],
        [[1.7e308, 0, 0], [0, 1.7e308, 0], [0, 0, 1.7e308]],
    ],
)
def test_nothing_that_is_not_finite_is_a_proof(matrix):
    with np.errstate(over="ignore"):
        assert proven(np.array(matrix), 0.0) is None


def test_no_factorisation_of_nan_runs_through():
    matrix = np.eye(3)
    matrix[2, 1] = matrix[1, 2] = np.nan
    triangle = LowerTriangle(3)
    visit_array(matrix)(triangle.write)
    assert not triangle.factorise()


class TestResiduals:
    """λ_min ≥ s − ‖A − sI − LLᵀ‖, whatever L is."""

    @pytest.fixture(autouse=True)
    def _planted(self, unknown_blas, monkeypatch):
        # blocks of 8, so that there are many of them
        monkeypatch.setattr(certificate, "PANEL", 8)
        small = functools.partial(LowerTriangle, panel=8)
        monkeypatch.setattr(certificate, "LowerTriangle", small)

    @pytest.fixture
    def factor(self, monkeypatch):
        """A function that says what L is, at any shift."""

        def use(L):
            def factorise(self):
                for rows, panel in zip(self.rows, self.panels, strict=True):
                    panel[...] = L[rows, : rows.stop]
                return True

            monkeypatch.setattr(LowerTriangle, "factorise", factorise)

        return use

    @pytest.mark.parametrize("shift", [0.0, 1.0])
    def test_blocks_off_the_diagonal_count_twice(self, factor, shift):
        # −0.001 in all blocks off the diagonal, which the factor knows nothing of
        n = 40
        blocks = np.kron(1 - np.eye(5), np.ones((8, 8)))
        matrix = np.eye(n) - 1e-3 * blocks
        factor(np.sqrt(max(1.0 - shift, 0.0)) * np.eye(n))
        found = proven(matrix, shift)
        least = 1.0 - 32e-3
        assert found <= least + (shift - 1.0)
        assert found >= shift - 40e-3

    @pytest.fixture
    def blind(self, monkeypatch):
        """Loops whose sums lose as much as n + 3 roundings: they see no residual at all."""

        def nothing(R, P, Q):
            R[...] = 0.0

        monkeypatch.setattr(residual, "subtract_product", nothing)

    def test_residuals_round(self, factor, blind):
        # L is one column w of signs with Σw = 0, A = wwᵀ − g·11ᵀ; g is lost in the rounding
        n = 40
        w = np.resize([1.0, -1.0], n)
        g = 0.98 * 2 * gamma(n + 3)
        L = np.zeros((n, n))
        L[:, 0] = w
        factor(L)
        found = proven(np.outer(w, w) - g, 0.0)
        assert found <= -g * n * (1 - 1e-6)
        assert found >= -1.1 * g * n

    def test_residuals_round_the_shift(self, factor, blind):
        g = 0.95 * 2 * gamma(5)
        factor(np.zeros((2, 2)))
        matrix = (1.0 - g) * np.eye(2)
        assert matrix[0, 0] < 1.0
        assert proven(matrix, 1.0) <= matrix[0, 0]


def test_the_triangle_above_the_diagonal_is_no_part_of_a_residual(unknown_blas):
    # LAPACK leaves the matrix there
    matrix = np.eye(30) + 0.5
    assert proven(matrix, 0.5) == pytest.approx(0.5, abs=1e-12)
    factor, slack = shifted_factor(visit_array(matrix), 30, 0.5)
    assert slack < 1e-12
    np.testing.assert_allclose(factor.sum_of_squares(), np.trace(matrix) - 15, rtol=1e-12)


def test_gamma_is_at_least_what_roundings_compound_to():
    u = 2.0**-53
    for count in (1, 3, 1000, 2**30, 2**50):
        assert gamma(count) >= np.expm1(count * np.log1p(u)) * (1 - 1e-15)
        assert gamma(count) <= 1.2 * count * u


class Worst(np.ndarray):
    """An array whose products are sums of n roundings, all one way, its square the other."""

    way = 1.0

    def __matmul__(self, other):
        left, right = np.asarray(self), np.asarray(other)
        rounding = self.way * gamma(right.shape[0]) * (np.abs(left) @ np.abs(right))
        return (left @ right + (-rounding if other is self else rounding)).view(Worst)


@pytest.mark.parametrize("way", [1.0, -1.0])
@pytest.mark.parametrize("positive", [False, True])
def test_rayleigh_quotients_hold_with_the_worst_sums(positive, way, monkeypatch):
    monkeypatch.setattr(Worst, "way", way)
    generator = np.random.default_rng(0)
    n = 120
    A = generator.standard_normal((n, n))
    A = np.abs(A + A.T) if positive else A + A.T
    vector = np.abs(generator.standard_normal(n))  # no error cancels another
    low, high = rayleigh_bounds(A.view(Worst), vector.view(Worst))
    with mpmath.workdps(40):
        v, M = mpmath.matrix(vector.tolist()), mpmath.matrix(A.tolist())
        quotient = (v.T * M * v)[0] / (v.T * v)[0]
    assert low <= quotient <= high
    size = np.abs(vector) @ np.abs(A) @ np.abs(vector) / (vector @ vector)
    assert high - low <= 10 * n * 2.0**-53 * size
