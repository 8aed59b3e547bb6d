"""Rows in digits and cosines of them by 8-bit products, to the bit and against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from helpers.cuda_host import launcher, needs_compiler
from helpers.eight_bit import (
    SCHEMES,
    SOURCE,
    cosines_of,
    digits_of,
    packed,
    sums_of,
    unpacked,
)
from helpers.fused import sphere

from fastgram.kernels.cuda.fused.unit_rows import chunk_count, cosine_error, packed_rows

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps
of_schemes = pytest.mark.parametrize("scheme", SCHEMES, ids=str)


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def either(request):
    """Threads in ascending or in descending order."""
    return launcher(SOURCE, request.param)


@pytest.fixture
def launch():
    return launcher(SOURCE)


def made(launch, scheme, digits, width=None):
    """Cosines of rows in digits with the first of them, by the kernel."""
    sides, height, chunks = packed(digits)
    width = width or height
    out = np.full((height, width), np.nan)
    given = [sides, np.int64(height), np.int64(chunks), np.int64(width), out]
    slices, last = scheme
    shared = (128 + 64) * 32 * slices  # bytes of a chunk: rows and columns
    launch(f"cosines_{slices}_{last}", height // 128, 256, shared, given)
    n = digits.shape[1]
    return out[:n, : min(n, width)]


def near_rows(d):
    """Rows that are equal, opposite, zero, one coordinate, and nearly so."""
    X = sphere(40, d, seed=5)
    X[1], X[2], X[3] = X[0], -X[0], 0.0
    X[4], X[5] = np.eye(1, d)[0], -np.eye(1, d)[0]
    X[6] = X[0] + 1e-9 * X[7]
    X[6] /= np.linalg.norm(X[6])
    X[8] = 1.0 / np.sqrt(d)
    X[9] = np.where(np.arange(d) % 2 == 0, X[8], -X[8])
    return X


@of_schemes
@pytest.mark.parametrize("d", [1, 3, 8, 33, 100])
def test_rows_are_sliced_to_the_bit(scheme, d, launch):
    X = np.vstack([near_rows(d), sphere(100, d)])
    slices, chunks = scheme[0], chunk_count(d)
    unit = packed_rows(np, X)
    digits = np.full((2, 256 * chunks * 32 * slices // 8), 2**63, dtype=np.uint64)
    sizes = [np.int64(256), np.int64(unit.shape[2]), np.int64(chunks)]
    launch("slice_{}_{}".format(*scheme), 2, 256, 0, [unit, *sizes, digits])
    expected = np.zeros((slices, 256, chunks * 32), dtype=np.int8)
    expected[:, : len(X), :d] = digits_of(X, slices)
    for side in unpacked(digits, slices, 256, chunks):
        np.testing.assert_array_equal(side, expected)


@of_schemes
@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 3), (129, 10), (70, 100)])
def test_cosines_are_the_integers_to_the_bit(scheme, n, d, either):
    digits = digits_of(sphere(n, d), scheme[0])
    found = made(either, scheme, digits)
    np.testing.assert_array_equal(found, cosines_of(sums_of(digits, digits, scheme[1])))


@of_schemes
@pytest.mark.parametrize("d", [1, 32, 100])
def test_digits_of_any_size(scheme, d, launch):
    """No row of norm 1 has them: sums are exact modulo 2⁶⁴, whatever bytes come."""
    digits = np.random.default_rng(d).integers(-128, 128, (scheme[0], 70, d), dtype=np.int8)
    digits[:, 0], digits[:, 1], digits[:, 2] = -128, 127, 0
    digits[:, 3], digits[:, 69] = np.where(np.arange(d) % 2 == 0, -128, 127), -1
    found = made(launch, scheme, digits)
    np.testing.assert_array_equal(found, cosines_of(sums_of(digits, digits, scheme[1])))


@pytest.mark.slow
def test_cosines_of_long_rows(launch):
    digits = digits_of(sphere(40, 784), 7)
    found = made(launch, (7, 9), digits, width=64)
    np.testing.assert_array_equal(found, cosines_of(sums_of(digits, digits, 9)))


@pytest.mark.slow
def test_more_columns_than_one_sum_of_32_bits_holds(launch):
    d = 19_000  # 7·d·128² > 2³¹
    digits = np.full((7, 3, d), -128, dtype=np.int8)
    digits[0] = [[0], [0], [1]]
    digits[:, 1] = 127 * np.random.default_rng(0).choice([-1, 1], (7, d))
    found = made(launch, (7, 9), digits, width=64)
    np.testing.assert_array_equal(found, cosines_of(sums_of(digits, digits, 9)))


@of_schemes
@pytest.mark.parametrize("d", [1, 2, 3, 10, 100, pytest.param(784, marks=pytest.mark.slow)])
def test_cosines_are_within_their_error(scheme, d, launch):
    X = near_rows(d)
    found = made(launch, scheme, digits_of(X, scheme[0]), width=64)
    exact = [[Fraction(x) for x in row] for row in X]
    worst = 0
    for i in (0, 2, 6, 8, 11):
        for j in range(0, len(X), 1 if d <= 100 else 4):
            cosine = sum(x * y for x, y in zip(exact[i], exact[j], strict=True))
            if abs(cosine) < 1 - Fraction(1, 2**20):  # nearer ones are taken from the rows
                worst = max(worst, abs(Fraction(float(found[i, j])) - cosine))
    assert worst <= cosine_error(d, *scheme)


@pytest.mark.parametrize("scheme", [(7, 8), (6, 8), (6, 7)], ids=str)
def test_the_error_is_what_fewer_products_leave(scheme, launch):
    """Of rows whose digits are as large as they may be, and that are rounded by nearly half."""
    d = 96
    X = np.full((2, d), 6.0 / 64.0 + sum(127.0 * 2.0 ** (2 - 8 * i) for i in range(2, 8)))
    X[1] *= -1.0
    found = made(launch, scheme, digits_of(X, scheme[0]), width=64)
    off = abs(Fraction(float(found[0, 0])) - d * Fraction(X[0, 0]) ** 2)
    assert 0.9 * cosine_error(d, *scheme) < off <= cosine_error(d, *scheme)


def test_all_products_state_no_more_than_float64():
    # in one dimension all pairs are close, and their cosines count for nothing
    for d in (2, 3, 4, 5, 10, 32, 33, 100, 784, 3072, 10**5):
        assert cosine_error(d) <= d * EPS / 2.0
    errors = [cosine_error(100, *scheme) for scheme in SCHEMES]
    assert errors == sorted(errors)
    np.testing.assert_allclose(errors, [7.2e-16, 3.4e-14, 1.6e-13, 7.3e-12], rtol=0.05)
