"""Products counted from bits: against the plain sums, for any length and any part of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import EPS, FEW, eps

from fastgram.kernels.cpu import bit_products


def ones(n, m, seed=0):
    return np.random.default_rng(seed).random((n, m)) < 0.5


def formula(m, low, high):
    return low * low * m, low * (high - low), (high - low) ** 2


def counted(x, rows, y, columns, low, high, dtype="float64"):
    out = np.full((rows[1] - rows[0], columns[1] - columns[0]), np.nan, dtype)
    each = [np.count_nonzero(z, axis=1).astype(float) for z in (x, y)]
    weights = formula(x.shape[1], low, high)
    bit_products.products(
        bit_products.pack(x), rows, bit_products.pack(y), columns, *each, weights, out
    )
    return out


@pytest.mark.parametrize("m", [1, 7, 63, 64, 65, 128, 255, 256, 257, 1000])
def test_packing(m):
    x = ones(5, m)
    packed = bit_products.pack(x)
    assert packed.dtype == np.uint64
    assert packed.shape == (bit_products.words(m), 5)
    assert packed.flags.c_contiguous
    assert bit_products.words(m) % 4 == 0
    assert 0 <= bit_products.words(m) * bit_products.WORD - m < 4 * bit_products.WORD
    counts = [sum(int(word).bit_count() for word in row) for row in packed.T]
    assert counts == np.count_nonzero(x, axis=1).tolist()


@pytest.mark.parametrize("m", [1, 63, 64, 65, 300, 1000])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.01, 1.0), (1.0, 1.0)])
def test_against_the_sums(m, low, high, dtype):
    x, y = ones(11, m), ones(9, m, seed=1)
    values = [np.where(z, high, low) for z in (x, y)]
    expected = values[0] @ values[1].T
    found = counted(x, (0, 11), y, (0, 9), low, high, dtype)
    assert found.dtype == np.dtype(dtype)
    assert np.all(np.abs(found - expected) <= (m + FEW) * EPS * m + eps(dtype) * np.abs(expected))


def test_counts_are_exact():
    x = ones(6, 100_000)
    found = counted(x, (0, 6), x, (0, 6), 0.0, 1.0)
    assert np.array_equal(found, x.astype(int) @ x.astype(int).T)


@pytest.mark.parametrize("rows", [(0, 1), (1, 4), (2, 6), (3, 12), (0, 13)])
@pytest.mark.parametrize("columns", [(0, 1), (5, 6), (1, 10), (0, 17)])
def test_any_part_of_the_rows(rows, columns):
    x, y = ones(13, 130), ones(17, 130, seed=1)
    whole = counted(x, (0, 13), y, (0, 17), 0.5, 2.0)
    part = counted(x, rows, y, columns, 0.5, 2.0)
    assert np.array_equal(part, whole[slice(*rows), slice(*columns)])


def test_all_and_none():
    full, empty = np.ones((4, 70), bool), np.zeros((4, 70), bool)
    assert np.all(counted(full, (0, 4), full, (0, 4), 0.0, 1.0) == 70)
    assert np.all(counted(full, (0, 4), empty, (0, 4), 0.0, 1.0) == 0)
    assert np.all(counted(empty, (0, 4), empty, (0, 4), -1.0, 1.0) == 70)
