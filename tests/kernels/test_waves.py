"""A layer of sines and cosines, pair by pair, against fifty digits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.tolerances import EPS
from mpmath import mp, mpf

from fastgram.kernels.cpu.pairs.waves import rows_of_waves, waves_of_pairs


def deviations():
    """Pairs at, and beside, every size at which a formula takes over from another."""
    sizes = [1e-7, 3e-3, 0.4, 1.0, 1.3, 200.0, 1e6]
    beside = [0.0, 1e-13, 1e-6, 0.3, 1.1]
    pairs = [(x, x * (1.0 + part)) for x, part in itertools.product(sizes, beside)]
    pairs += [(x, x + part) for x, part in itertools.product(sizes, (1e-3, 0.8))]
    pairs += [(0.0, x) for x in (0.0, 0.5, 5.0)]
    return pairs + [pair[::-1] for pair in pairs]


def exact(x, y, square, far, a, b):
    """E f(u)f(v), the roots of E f(u)² and E f(v)², and half chords, over roots of a² and b²."""
    x, y, square, a, b = map(mpf, (x, y, square, a, b))
    rho = (1 - 2 * square) * (-1 if far else 1)

    def mean(first, second, rho):
        minus, plus = (
            mp.exp(-(first**2 + second**2) / 2 + sign * first * second * rho) for sign in (1, -1)
        )
        return a * (minus + plus) / 2 + b * (minus - plus) / 2

    return mean(x, y, rho), mean(x, x, 1), mean(y, y, 1)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.0, 1.0), (0.36, 0.64)])
def test_values_and_distances(a, b):
    norms = deviations()
    s = np.array([0.0, 1e-12, 1e-6, 0.02, 0.7])
    cases = list(itertools.product(norms, s, (False, True)))
    x, y = (np.array([case[0][side] for case in cases]) for side in (0, 1))
    squares = np.array([case[1] for case in cases]) ** 2
    far = np.array([case[2] for case in cases])
    with mp.workdps(50):
        ideal = [
            exact(*case, a, b) for case in zip(x, y, squares.tolist(), far.tolist(), strict=True)
        ]
        roots = [tuple(mp.sqrt(part) for part in case[1:]) for case in ideal]
        left, right = (np.array([float(pair[side]) or 1.0 for pair in roots]) for side in (0, 1))
        out = np.empty((x.size, 5))
        places = np.arange(x.size)
        rows = rows_of_waves(x, left), rows_of_waves(y, right)
        waves_of_pairs(places, places, squares, far, *rows, (a, b), (b, a), True, out)
        for n, (value, one, two) in enumerate(ideal):
            assert abs(out[n, 1] - value) <= 4 * EPS * mp.sqrt(one * two), cases[n]
            slope, one_slope, two_slope = exact(x[n], y[n], squares[n], bool(far[n]), b, a)
            assert abs(out[n, 0] - slope) <= 4 * EPS * mp.sqrt(one_slope * two_slope), cases[n]
            for place, sign in ((3, -1), (4, 1)):
                first, second = mpf(left[n]), mpf(right[n])
                wanted = one / first**2 / 2 + two / second**2 / 2 + sign * value / first / second
                off = mp.sqrt(mpf(out[n, place]) / 2) - mp.sqrt(max(wanted, 0) / 2)
                assert abs(off) <= 4 * EPS, (cases[n], place)


def test_the_largest_norms_are_no_exception():
    rows = rows_of_waves(np.array([1e154, 1e154 * (1.0 + EPS)]), np.full(2, np.sqrt(0.5)))
    pair, out = np.array([0, 0]), np.empty((2, 5))
    squares, far = np.array([0.0, 0.3]), np.zeros(2, dtype=bool)
    of_f, of_df = (0.0, 1.0), (1.0, 0.0)
    waves_of_pairs(pair, pair, squares, far, rows, rows, of_f, of_df, True, out)
    assert out[:, 1].tolist() == [0.5, 0.0]
    assert out[:, 3] == pytest.approx([0.0, 1.0])
