"""Corners of bivariate normal integrals against mpmath, over sizes of kinks and of angles."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.oracles.kinked_duals import corner
from helpers.tolerances import EPS
from mpmath import mp

from fastgram.infinite_width.pairs.corner_rule import corner_rule
from fastgram.kernels.cpu.pairs.kinks import NEAR_ZERO, half_chord_squares
from fastgram.kernels.cpu.pairs.kinks import _corner as compiled_corner

# (a, b, tan θ/2): kinks near 0 and not, alike and not, at angles from tiny to right
CORNERS = [
    (0.0, 0.02, 0.7),
    (0.0, 1.3, 0.2),
    (0.02, 0.0201, 1.0),
    (0.02, -0.03, 1.0),
    (0.02, 0.02, 1e-3),
    (0.003, 0.0029, 1.4e-5),
    (0.9, 0.95, 0.5),
    (-0.3, -0.32, 1e-7),
    (0.33, -0.05, 0.68),
    (1.2, 1.2072, 3e-5),
    (2.1, 2.1, 1.0),
    (-1.4, 0.3, 0.6),
    (3.2, 2.9, 0.14),
    (5.4, 5.4, 1.0),
    (6.0, 0.7, 0.9),
    (0.5, 4.0, 1e-3),
]
ALLOWED = 48 * EPS  # `_CORNER` of fastgram.infinite_width.pairs.line_pairs


@pytest.mark.parametrize(("a", "b", "x"), CORNERS)
def test_corners_against_mpmath(a, b, x):
    first, second, taken, linear = compiled_corner(a, b, x, corner_rule())
    mp.dps = 30
    exact, exact_second, at_zero, second_at_zero = corner(a, b, x)
    largest, outer = max(abs(a), abs(b)), (a * a + b * b) / 4.0
    assert bool(taken) == (outer < NEAR_ZERO)
    if taken:
        exact, exact_second = exact - at_zero, exact_second - second_at_zero
    size = x * np.exp(-outer)
    if taken == 1:
        size = min(x, largest)
    if taken == 2:
        exact += abs(mp.mpf(a) - mp.mpf(b)) / mp.sqrt(8 * mp.pi)
        assert linear == pytest.approx(abs(a - b) / np.sqrt(8.0 * np.pi), rel=4 * EPS)
        size = min(x, largest**2 / x)
    assert abs(first - exact) <= ALLOWED * size / 2.0
    assert abs(second - exact_second) <= ALLOWED * x * x * size / 2.0


def test_all_ways_to_take_a_corner_are_here():
    ways = {compiled_corner(*given, corner_rule())[2] for given in CORNERS}
    assert ways == {0, 1, 2}


def test_the_rule_is_made_once_and_never_changed():
    rule = corner_rule()
    assert corner_rule() is rule
    assert np.sum(rule.weights) == pytest.approx(1.0, abs=4 * EPS)
    with pytest.raises(ValueError, match="read-only"):
        rule.gaps[0] = 0.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_half_chords_of_close_pairs_come_from_the_rows(dtype):
    angle = np.array([1e-6, 0.9])
    rows = np.array([[1.0, 0.0]], dtype=dtype)
    columns = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(dtype)
    columns = np.concatenate([columns, -columns])
    places = np.zeros(4, np.int64), np.arange(4)
    cosines = (rows @ columns.T)[0]
    squares = half_chord_squares(cosines, rows, columns, *places, 2.0**-9)
    exact = np.sin(np.tile(angle, 2) / 2.0) ** 2
    unit = float(np.finfo(dtype).eps)
    assert np.max(np.abs(squares - exact) / exact) <= 4 * unit / 0.01
