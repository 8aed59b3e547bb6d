"""Orthonormal columns by the CUDA kernel, against NumPy's Householder transformations."""

import numpy as np
import pytest
from helpers.cuda_host import host_kernels, needs_compiler

from fastgram.kernels.cuda.cholesky_qr import cholesky_qr

EPS = np.finfo(np.float64).eps

pytestmark = needs_compiler


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return host_kernels(request.param)


def block(rows, columns, condition=3.0, seed=0):
    """Singular values from 1 to 1 over the condition, in random directions."""
    normal = np.random.default_rng(seed).standard_normal
    left, right = (np.linalg.qr(normal(shape))[0] for shape in ((rows, columns), (columns,) * 2))
    return (left * np.geomspace(1.0, 1.0 / condition, columns)) @ right


@pytest.mark.parametrize("columns", [1, 2, 8, 33])
@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100])
def test_columns_are_orthonormal_and_the_triangle_is_theirs(columns, scale, kernels):
    X = scale * block(500, columns, condition=128.0)
    found, triangle = cholesky_qr(kernels, X)
    np.testing.assert_allclose(found.T @ found, np.eye(columns), rtol=0, atol=20 * EPS)
    np.testing.assert_array_equal(triangle, np.triu(triangle))
    missed = np.linalg.norm(found @ triangle - X) / np.linalg.norm(X)
    assert missed <= 128 * 20 * EPS
    by_householder = np.linalg.qr(X)[1]
    by_householder *= np.sign(np.diag(by_householder))[:, None]
    np.testing.assert_allclose(triangle, by_householder, rtol=0, atol=1e4 * EPS * scale)


@pytest.mark.parametrize(
    "X",
    [
        block(50, 4) * [1, 1, 0, 1],
        np.full((50, 3), np.nan),
        1e200 * block(50, 4),
        1e-170 * block(50, 4),
    ],
)
def test_what_has_no_factor_is_nan_throughout(X, kernels):
    with np.errstate(all="ignore"):
        found, triangle = cholesky_qr(kernels, X)
    assert np.all(np.isnan(found))
    assert np.all(np.isnan(triangle))


def test_columns_that_are_nearly_dependent_are_told_by_the_triangle(kernels):
    """A run asks for singular values above 1/128 of the largest."""
    for condition in 10.0 ** np.arange(3, 17):
        with np.errstate(all="ignore"):
            _, triangle = cholesky_qr(kernels, block(200, 5, condition))
        if np.all(np.isfinite(triangle)):
            sizes = np.linalg.svd(triangle, compute_uv=False)
            assert sizes[-1] <= sizes[0] / 500.0
