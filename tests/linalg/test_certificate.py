"""Certificates: what is proven is true, and close to what is true."""

import mpmath
import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.tolerances import EPS

from fastgram.kernels.cpu.residual import subtract_product
from fastgram.linalg import certificate
from fastgram.linalg.certificate import certify_below, shifted_factor, visit_array


def certified(matrix, shift, sign=1.0):
    return certify_below(visit_array(matrix), matrix.shape[0], shift, sign)


@pytest.fixture(params=["rump", "residual"])
def proof(request, monkeypatch):
    if request.param == "residual":
        monkeypatch.setattr(certificate, "conventional_blas", lambda: False)
    return request.param


@pytest.mark.slow
def test_certificate_never_accepts_what_is_not_there(proof):
    # λ_min planted just below the shift: a certificate of the shift itself would be false
    accepted = 0
    for seed in range(30):
        n = 30 + 4 * seed
        generator = np.random.default_rng(seed)
        values = generator.uniform(1, 2, n)
        values[0] = 0.5
        matrix = matrix_with(values, seed)
        with mpmath.workdps(40):
            least = None
            for distance in (1e-3, 1e-10, 1e-13, 1e-15, 0.0, -1e-15, -1e-14, -1e-12, -1e-9):
                proven = certified(matrix, 0.5 + distance)
                if proven is None:
                    continue
                accepted += 1
                if least is None:
                    least = refined_least(matrix)
                assert proven <= least
    assert accepted >= 30  # and it does accept what is there


def refined_least(matrix):
    """Return λ_min by a Rayleigh quotient in 40 digits, rounded up."""
    _, vectors = np.linalg.eigh(matrix)
    # one Newton step on the quotient from double precision leaves about 1e-28
    v = [mpmath.mpf(float(value)) for value in vectors[:, 0]]
    exact = [[mpmath.mpf(float(value)) for value in row] for row in matrix]
    product = [mpmath.fdot(row, v) for row in exact]
    quotient = mpmath.fdot(v, product) / mpmath.fdot(v, v)
    return float(quotient) * (1 + 2 * EPS)


@pytest.mark.parametrize(
    "n", [2, 384, *(pytest.param(n, marks=pytest.mark.slow) for n in (383, 385, 900))]
)
def test_exact_spectra_at_any_order(n, proof):
    # a·I + b·11ᵀ with short a and b: eigenvalues a and a + nb, without rounding
    generator = np.random.default_rng(n)
    for _ in range(3 if n > 300 else 40):
        a = float(generator.integers(1, 2**20)) / 2**18
        b = float(generator.integers(1, 2**20)) / 2**22
        matrix = np.full((n, n), b)
        np.fill_diagonal(matrix, a + b)
        top = a + n * b
        for relative in (1e-6, 1e-9, 1e-13, 4e-16):
            for shift, sign, truth in ((a, 1.0, a), (-top, -1.0, -top)):
                near = abs(truth) * relative
                above = certified(matrix, shift + near, sign)
                assert above is None or above <= truth
                slack = 4 * n * n * EPS * (a + b + abs(truth))
                below = certified(matrix, shift - near - slack, sign)
                assert below is not None
                assert truth - near - 3 * slack <= below <= truth


def test_certificate_is_tight_and_leaves_the_matrix(proof):
    matrix = matrix_with(np.linspace(1, 2, 200))
    untouched = matrix.copy()
    proven = certified(matrix, 1.0 - 1e-12)
    assert 1.0 - 1e-9 < proven < 1.0
    assert certified(matrix, 1.0 + 1e-9) is None
    np.testing.assert_array_equal(matrix, untouched)


def test_the_residual_sees_a_wrong_factor(monkeypatch):
    # a BLAS that is off by 1e-9 leaves a factor that runs through where it must not be believed
    matrix = matrix_with(np.linspace(1, 2, 100))
    factorise = certificate.LowerTriangle.factorise

    def wrong(self):
        done = factorise(self)
        for panel in self.panels:
            panel *= 1 + 1e-9
        return done

    monkeypatch.setattr(certificate.LowerTriangle, "factorise", wrong)
    monkeypatch.setattr(certificate, "conventional_blas", lambda: False)
    _, slack = shifted_factor(visit_array(matrix), 100, 0.5)
    assert 1e-9 < slack < 1e-6


def test_residual_kernel_is_numpys():
    generator = np.random.default_rng(0)
    for shape in ((1, 1, 1), (5, 3, 20), (17, 9, 4), (8, 16, 0)):
        height, width, inner = shape
        R, P, Q = (
            generator.standard_normal(size)
            for size in ((height, width), (inner, height), (inner, width))
        )
        expected = R - P.T @ Q
        subtract_product(R, P, Q)
        np.testing.assert_allclose(R, expected, rtol=0, atol=64 * EPS * max(inner, 1))


def test_a_blas_that_is_not_known_is_not_relied_on(monkeypatch):
    from types import SimpleNamespace

    from fastgram.support import threads

    assert threads.conventional_blas()
    for names in ((), ("openblas", "else")):
        libraries = [SimpleNamespace(internal_api=name) for name in names]
        blas = SimpleNamespace(libraries=lambda found=libraries: found)
        monkeypatch.setattr(threads, "one_blas_thread", blas)
        assert not threads.conventional_blas()
