"""Data sets: exact symmetries, laws of the random ones, separation against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from threadpoolctl import threadpool_info, threadpool_limits

from fastgram import datasets
from fastgram.datasets import circle, digits, separation, smoothed, sphere, subspace
from fastgram.datasets.nearest_pair import NearestPair

EPS = np.finfo(np.float64).eps


def same_bits(a, b):
    return np.array_equal(
        np.ascontiguousarray(a).view(np.uint64), np.ascontiguousarray(b).view(np.uint64)
    )


def true_separation(X):
    """The separation in exact arithmetic up to one square root, pair by pair."""
    rows = [[Fraction(float(v)) for v in row] for row in X]
    squares = [
        min(
            sum((a - b) ** 2 for a, b in zip(x, y, strict=True)),
            sum((a + b) ** 2 for a, b in zip(x, y, strict=True)),
        )
        for i, x in enumerate(rows)
        for y in rows[:i]
    ]
    least = min(squares)
    scale = Fraction(2) ** (2 * 1100)  # the integer root of a huge multiple: no underflow
    return float(Fraction(math.isqrt(int(least * scale)), 2**1100))


def test_public_names():
    assert sorted(datasets.__all__) == [
        "circle",
        "digits",
        "from_words",
        "patches",
        "separation",
        "smoothed",
        "sphere",
        "subspace",
    ]


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: sphere(7, 5, 0), (7, 5)),
        (lambda: sphere(np.int64(1), np.uint8(1), np.int32(3)), (1, 1)),
        (lambda: circle(7), (7, 2)),
        (lambda: subspace(7, 5, 3, 0), (7, 5)),
        (lambda: smoothed(np.eye(5)[:, ::-1], 0.1, 0), (5, 5)),
        (lambda: digits(), (1797, 64)),
    ],
)
def test_arrays_are_contiguous_float64(make, shape):
    X = make()
    assert X.shape == shape
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert X.flags.writeable
    assert same_bits(X, make())


# --- sphere, subspace ------------------------------------------------------------------------


def test_sphere_is_normalised_normals():
    Z = np.random.default_rng(5).standard_normal((50, 7))
    expected = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    np.testing.assert_allclose(sphere(50, 7, 5), expected, rtol=4 * EPS)
    assert not np.allclose(sphere(50, 7, 5), sphere(50, 7, 6))


def test_sphere_of_one_dimension_is_plus_and_minus_one():
    assert set(sphere(100, 1, 0).ravel().tolist()) == {-1.0, 1.0}


def test_sphere_is_uniform():
    X = sphere(20_000, 3, 1)
    assert np.abs(np.linalg.norm(X, axis=1) - 1).max() <= 4 * EPS
    # Archimedes: on the sphere in R^3 the projection on any axis is uniform on [-1, 1].
    for axis in (*np.eye(3), np.array([1, 1, 1]) / np.sqrt(3), np.array([0.6, -0.8, 0])):
        assert scipy.stats.kstest(X @ axis, scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_subspace_is_a_padded_sphere():
    X = subspace(40, 9, 4, seed=3)
    assert same_bits(X[:, :4], sphere(40, 4, 3))
    assert same_bits(X[:, 4:], np.zeros((40, 5)))
    assert np.linalg.matrix_rank(X) == 4
    assert same_bits(subspace(40, 9, 9, seed=3), sphere(40, 9, 3))


# --- circle ----------------------------------------------------------------------------------

SIZES = [1, 2, 3, 4, 5, 8, 12, 16, 24, 100, 101, 102]


@pytest.mark.parametrize("n", SIZES)
def test_circle_symmetries_are_exact(n):
    X = circle(n)
    k = np.arange(n)
    assert not np.signbit(X[X == 0]).any()
    # + 0.0: the mirror image of 0.0 is 0.0
    assert same_bits(X[-k % n], X * [1, -1] + 0.0)
    if n % 2 == 0:
        assert same_bits(X[(k + n // 2) % n], -X + 0.0)
        assert same_bits(X[(n // 2 - k) % n], X * [-1, 1] + 0.0)
    if n % 4 == 0:
        assert same_bits(X[(k + n // 4) % n], X[:, ::-1] * [-1, 1] + 0.0)
        assert same_bits(X[(n // 4 - k) % n], X[:, ::-1])


@pytest.mark.parametrize("n", SIZES)
def test_circle_exact_values(n):
    X = circle(n)
    exact = {(0, 1): (1, 0), (1, 4): (0, 1), (1, 2): (-1, 0), (3, 4): (0, -1)}
    for (a, b), point in exact.items():
        if a * n % b == 0:
            assert X[a * n // b].tolist() == list(point)
    if n % 12 == 0:
        assert X[n // 12, 1] == 0.5
        assert X[n // 6, 0] == 0.5
    if n % 8 == 0:
        assert X[n // 8].tolist() == [math.sqrt(0.5)] * 2


@pytest.mark.parametrize("n", [*SIZES, 219, 695, 1_000_003])
def test_circle_is_rounded_once_or_twice(n):
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.prec = 120
    X = circle(n)
    indices = range(n) if n < 1000 else [1, 2, n // 8, n // 3, n // 2, n // 2 + 1, n - 2, n - 1]
    for k in indices:
        for value, true in zip(
            X[k], (mp.cos(2 * mp.pi * k / n), mp.sin(2 * mp.pi * k / n)), strict=True
        ):
            if abs(true) < 1e-30:
                assert value == 0
            else:
                assert abs(mp.mpf(float(value)) - true) <= 1.01 * float(np.spacing(abs(value)))


# --- smoothed --------------------------------------------------------------------------------


def test_smoothed_noise_has_the_stated_size():
    n, d, sigma = 4000, 50, 0.1
    X = np.zeros((n, d))
    X[:, 0] = 1
    Y = smoothed(X, sigma, seed=0)
    assert np.abs(np.linalg.norm(Y, axis=1) - 1).max() <= 4 * EPS
    # Undo the rescaling by the quotient: g_j / (1 + g_0).
    noise = Y[:, 1:] / Y[:, :1]
    assert noise.std() == pytest.approx(sigma / math.sqrt(d), rel=0.01)
    assert abs(noise.mean()) < 1e-4
    assert same_bits(Y, smoothed(X, sigma, 0))
    assert not np.allclose(Y, smoothed(X, sigma, 1))


def test_smoothed_noise_owes_nothing_to_data_of_the_same_seed():
    X = sphere(300, 20, seed=4)
    nearly_noise = smoothed(X, 1e6, seed=4)
    cosines = np.einsum("ij,ij->i", X, nearly_noise)
    assert abs(cosines.mean()) < 5 / math.sqrt(300 * 20)


def test_smoothed_without_noise_only_rescales():
    X = np.array([[3, 4], [-5, 12]])
    X.flags.writeable = False
    np.testing.assert_allclose(smoothed(X, 0, 0), [[0.6, 0.8], [-5 / 13, 12 / 13]], rtol=2 * EPS)
    assert X.tolist() == [[3, 4], [-5, 12]]
    extreme = np.array([[3e300, 4e300], [3e-300, 4e-300], [5e-324, 0]])
    np.testing.assert_allclose(
        smoothed(extreme, 0, 0), [[0.6, 0.8], [0.6, 0.8], [1, 0]], rtol=4 * EPS
    )
    assert extreme[0, 0] == 3e300


# --- digits ----------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    assert same_bits(digits(), sklearn_datasets.load_digits().data)


def test_digits_come_with_their_labels():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    X, y = digits(return_X_y=True)
    assert same_bits(X, digits())
    assert y.dtype == np.int64
    assert np.array_equal(y, sklearn_datasets.load_digits().target)
    with pytest.raises(TypeError, match="return_X_y must be True or False, not 'yes'"):
        digits(return_X_y="yes")


def test_digits_are_whole_numbers_and_distinct():
    X = digits()
    assert X.min() == 0
    assert X.max() == 16
    assert (X % 1 == 0).all()
    directions = {tuple(row // np.gcd.reduce(row)) for row in X.astype(int)}
    assert len(directions) == 1797
    assert separation(X) == pytest.approx(math.sqrt(28), rel=EPS)


# --- separation ------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3, 30])
def test_separation_against_exact_arithmetic(d):
    rng = np.random.default_rng(d)
    for n in (2, 3, 17):
        X = rng.standard_normal((n, d)) * 10.0 ** rng.integers(-3, 3, (n, 1))
        assert separation(X) == pytest.approx(true_separation(X), rel=4 * EPS, abs=0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("pair", [(0, 1), (511, 512), (3, 1050), (600, 601), (1098, 1099)])
@pytest.mark.parametrize("gap", [1e-3, 1e-9, 1e-15])
def test_separation_of_a_planted_pair(pair, sign, gap):
    X = sphere(1100, 40, 0)
    i, j = pair
    step = np.random.default_rng(1).standard_normal(40)
    X[j] = sign * (X[i] + gap * step / np.linalg.norm(step))
    expected = true_separation(X[[i, j]])
    assert expected == pytest.approx(gap, rel=0.5)
    assert separation(X) == pytest.approx(expected, rel=8 * EPS, abs=0)


def test_separation_of_many_pairs_that_products_cannot_tell_apart():
    rng = np.random.default_rng(2)
    X = sphere(1200, 25, 0)
    order = rng.permutation(1200)[:600]
    gaps = np.full(300, 1e-8)
    gaps[217] = 0.99e-8
    step = sphere(300, 25, 7)
    X[order[300:]] = rng.choice([-1, 1], (300, 1)) * (X[order[:300]] + gaps[:, None] * step)
    expected = min(true_separation(X[[order[k], order[300 + k]]]) for k in range(300))
    assert expected < 0.9901e-8
    assert separation(X) == pytest.approx(expected, rel=8 * EPS, abs=0)


@pytest.mark.parametrize("seed", range(6))
def test_separation_of_a_crowd(seed):
    crowd = sphere(1, 8, 0) + 1e-10 * np.random.default_rng(seed).standard_normal((25, 8))
    assert separation(crowd) == pytest.approx(true_separation(crowd), rel=8 * EPS, abs=0)


def test_separation_of_a_crowd_in_many_dimensions():
    X = sphere(1, 2000, 0) + 1e-10 * np.random.default_rng(0).standard_normal((40, 2000))
    pairs = [(i, j) for i in range(40) for j in range(i)]
    expected = min(np.linalg.norm(X[i] - X[j]) for i, j in pairs)
    assert separation(X) == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.slow
def test_separation_where_products_underflow():
    for seed in range(40):
        X = np.vstack([np.eye(1, 3), 2e-161 * sphere(20, 3, seed)])
        assert separation(X) == pytest.approx(true_separation(X), rel=8 * EPS, abs=0), seed


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_separation_does_not_depend_on_blocks(block):
    X = sphere(22, 5, 0)
    X[19] = X[4] + 1e-9
    assert NearestPair(X, block).distance() == separation(X)


@pytest.mark.parametrize("sign", [1, -1])
def test_separation_of_equal_or_opposite_rows_is_zero(sign):
    X = sphere(1300, 10, 0)
    X[1111] = sign * X[17]
    assert separation(X) == 0.0
    assert separation(circle(10)) == 0.0
    assert separation(np.zeros((2, 3))) == 0.0


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, 0.0], [1.0, 1e-200]],
        [[1.0, 0.0], [1.0, 5e-324]],
        [[1e200, 1.0], [1e200, -2.0], [1e-200, 3e-200], [1e-200, 3.5e-200]],
        [[1e308, 0.0], [0.0, 1e308]],
        [[1e-320, 0.0], [0.0, 2e-320], [1.0, 1.0]],
    ],
)
def test_separation_of_tiny_and_huge_rows(X):
    assert separation(X) == pytest.approx(true_separation(X), rel=4 * EPS, abs=0)


@pytest.mark.parametrize("block", [2, 512])
def test_separation_beyond_float64_is_infinite(block):
    opposite = np.array([[1.7e308] * 4, [1.7e308, 1.7e308, -1.7e308, -1.7e308]])
    for X in (np.eye(5) * 1.7e308, opposite):
        assert NearestPair(X, block).distance() == separation(X) == math.inf


def test_separation_of_the_circle():
    # Odd n: the nearest opposite of a neighbour is half a step away.
    assert separation(circle(1001)) == pytest.approx(2 * math.sin(math.pi / 2002), rel=1e-12)


def test_separation_takes_rows_as_they_are():
    X = sphere(50, 6, 0)
    assert separation(4 * X) == 4 * separation(X)
    single = X.astype(np.float32)
    assert separation(single) == separation(single.astype(np.float64))
    assert separation(X[::-1, ::-1]) == pytest.approx(separation(X), rel=4 * EPS)
    assert separation([[3, 0], [0, 4]]) == 5.0
    assert isinstance(separation(X), float)


def test_separation_leaves_blas_threads_as_they_were():
    with threadpool_limits(2, user_api="blas"):
        before = threadpool_info()
        separation(sphere(10, 3, 0))
        assert threadpool_info() == before


# --- bad input -------------------------------------------------------------------------------

NAN_ROWS = np.ones((5, 2))
NAN_ROWS[3, 1] = math.nan


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sphere(2.5, 3, 0), TypeError, "n must be an integer, not 2.5"),
        (lambda: sphere(True, 3, 0), TypeError, "n must be an integer"),
        (lambda: sphere(np.True_, 3, 0), TypeError, "n must be an integer"),
        (lambda: sphere(3, "4", 0), TypeError, "d must be an integer, not '4'"),
        (lambda: sphere(3, 0, 0), ValueError, "d must be at least 1, not 0"),
        (lambda: sphere(3, 3, -1), ValueError, "seed must be at least 0, not -1"),
        (lambda: sphere(3, 3, None), TypeError, "seed must be an integer, not None"),
        (lambda: circle(0), ValueError, "n must be at least 1, not 0"),
        (lambda: circle(4.0), TypeError, "n must be an integer, not 4.0"),
        (lambda: subspace(3, 4, 5, 0), ValueError, "dim must be at most d = 4, not 5"),
        (lambda: subspace(3, 4, 0, 0), ValueError, "dim must be at least 1, not 0"),
        (lambda: smoothed(np.eye(2), -0.1, 0), ValueError, "sigma must be .* not -0.1"),
        (lambda: smoothed(np.eye(2), math.nan, 0), ValueError, "sigma must be .* not nan"),
        (lambda: smoothed(np.eye(2), math.inf, 0), ValueError, "sigma must be .* not inf"),
        (lambda: smoothed(np.eye(2), "much", 0), TypeError, "sigma must be a .*number, not 'much'"),
        (lambda: smoothed(np.eye(2), 1j, 0), TypeError, "sigma must be a .*number, not 1j"),
        (lambda: smoothed(np.eye(2), 0.1, 0.5), TypeError, "seed must be an integer, not 0.5"),
        (lambda: smoothed(np.diag([1, 0]), 0, 0), ValueError, "row 1 is zero"),
        (lambda: smoothed(np.eye(2), 1.7e308, 0), ValueError, "row . overflows"),
        (lambda: smoothed(NAN_ROWS, 0.1, 0), ValueError, "X .* row 3"),
        (lambda: separation(NAN_ROWS), ValueError, "X .* row 3"),
        (lambda: separation([[1.0, math.inf]]), ValueError, "X .* row 0"),
        (lambda: separation([1.0, 2.0]), ValueError, r"X .* shape \(2,\)"),
        (lambda: separation(np.ones((3, 0))), ValueError, r"X .* shape \(3, 0\)"),
        (lambda: separation([[1.0, 2.0]]), ValueError, "at least 2 rows, X has 1"),
        (lambda: separation([[1.0], [1.0, 2.0]]), ValueError, "X .* rows"),
        (lambda: separation(np.eye(2) * 1j), TypeError, "X .* complex"),
        (lambda: separation([["a"], ["b"]]), TypeError, "X must hold real numbers"),
        (lambda: separation(scipy.sparse.eye_array(3)), TypeError, "X is sparse"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
