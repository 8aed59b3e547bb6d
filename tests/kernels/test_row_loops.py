"""Loops over rows, against NumPy's whole arrays."""

import numpy as np
import pytest

from fastgram.kernels.cpu.rows.alike import sizes_along
from fastgram.kernels.cpu.rows.near import fill_keys, nearest_in_order, scale_to_float32
from fastgram.kernels.cpu.rows.unit import scale_to_one

EPS = np.finfo(float).eps


def rows(n, d, seed=0):
    """Of norms from 1e-300 to 1e300, and one of zeros."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.exp(rng.uniform(-690, 690, (n, 1)))
    X[n // 2] = 0.0
    return X


def long_norms(X):
    """In extended precision, of a wider range of exponents."""
    return np.sqrt(np.sum(np.square(X.astype(np.longdouble)), axis=1))


@pytest.mark.parametrize("d", [1, 2, 7, 100])
def test_rows_of_norm_one(d):
    X = rows(40, d)
    unit, norms = np.empty_like(X), np.empty(40)
    scale_to_one(X, unit, norms)
    expected = long_norms(X)
    np.testing.assert_allclose(norms, expected.astype(float), rtol=6 * EPS)
    divisor = np.where(expected > 0, expected, 1)[:, None]
    np.testing.assert_allclose(unit, (X / divisor).astype(float), rtol=8 * EPS)
    narrow = np.empty(X.shape, np.float32)
    scale_to_one(X, narrow, norms)
    np.testing.assert_array_equal(narrow, unit.astype(np.float32))


def test_a_norm_that_overflows_is_infinite():
    norms = np.empty(1)
    scale_to_one(np.full((1, 4), 1.5e308), np.empty((1, 4)), norms)
    assert norms[0] == np.inf


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sizes_along_a_vector_and_columns(dtype):
    X = np.random.default_rng(1).standard_normal((30, 9)).astype(dtype)
    X[4], X[:, 3] = 0.0, 0.0
    X[7] = -2.0 * X[6]
    weights = np.random.default_rng(2).standard_normal(9)
    sizes, used = np.empty(30), np.zeros(9, dtype=bool)
    sizes_along(X, weights, sizes, used)
    wide = X.astype(float)
    lengths = np.linalg.norm(wide, axis=1)
    lengths[4] = 1.0
    expected = np.abs(wide @ weights) / lengths
    expected[4] = -1.0
    np.testing.assert_allclose(sizes, expected, rtol=0, atol=30 * EPS * np.linalg.norm(weights))
    assert sizes[7] == sizes[6]
    assert used.tolist() == [column != 3 for column in range(9)]


def test_unit_rows_in_single_precision():
    X = rows(40, 12)
    unit = np.empty(X.shape, np.float32)
    scale_to_float32(X, unit)
    lengths = long_norms(X)
    lengths[20] = 1
    expected = (X / lengths[:, None]).astype(float)
    np.testing.assert_allclose(unit, expected, rtol=0, atol=4 * np.finfo(np.float32).eps)


def key(signs, along, top, row, row_bits):
    """By Python's integers."""
    bits = 64 - len(signs) - row_bits
    line = int((along / top + 1.0) * (2.0 ** (bits - 1) - 1.0))
    return (int("".join("01"[int(sign)] for sign in signs), 2) << bits | line) << row_bits | row


def test_numbers_by_which_rows_are_ordered():
    n, planes, orders, first, row_bits = 20, 5, 3, 4, 6
    rng = np.random.default_rng(0)
    projections = rng.standard_normal((n, orders * planes + 8)).astype(np.float32)
    tops = np.full(orders, 10.0)
    keys, turned = np.zeros((orders, 30), np.uint64), np.zeros(30, np.uint8)
    fill_keys(projections, planes, tops, first, row_bits, keys, turned)
    for i in range(n):
        for order in range(orders):
            signs = projections[i, order * planes : (order + 1) * planes] > 0.0
            along, turns = float(projections[i, orders * planes + order]), not signs[-1]
            if turns:
                signs, along = ~signs, -along
            expected = key(signs, along, 10.0, first + i, row_bits)
            assert int(keys[order, first + i]) == expected
            assert turned[first + i] >> order & 1 == turns


@pytest.mark.parametrize(("n", "following", "count"), [(700, 4, 60), (300, 2, 10**4), (2, 4, 3)])
def test_the_nearest_of_an_order(n, following, count):
    rng = np.random.default_rng(n)
    sketch = rng.standard_normal((n, 16)).astype(np.float32)
    turned = rng.integers(0, 2, n).astype(np.uint8) << np.uint8(3)
    order, row_bits = rng.permutation(n), 10
    keys = np.arange(n, dtype=np.uint64) << np.uint64(row_bits) | order.astype(np.uint64)
    squares, pairs = np.empty(count, np.float32), np.empty((count, 2), np.intp)
    found = nearest_in_order(sketch, keys, row_bits, turned, 3, following, squares, pairs)
    signed = np.where(turned > 0, -1.0, 1.0)[:, None] * sketch.astype(float)
    expected = {}
    for k in range(1, following + 1):
        for i, j in zip(order[:-k], order[k:], strict=True):
            expected[min(i, j), max(i, j)] = np.sum((signed[i] - signed[j]) ** 2)
    nearest = sorted(expected, key=expected.get)[:count]
    assert found == len(nearest)
    assert {tuple(pair) for pair in pairs[:found].tolist()} == set(nearest)
    np.testing.assert_allclose(
        np.sort(squares[:found]), sorted(expected.values())[:count], rtol=1e-5
    )
