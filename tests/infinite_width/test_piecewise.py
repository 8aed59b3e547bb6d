"""The fitter of piecewise polynomials."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from fastgram.infinite_width.piecewise import basis_at, fit, halve, points_of


def test_a_polynomial_is_found_again():
    series = np.array([[1.0, 0.0], [-2.0, 1.0], [0.5, 0.0], [0.0, -3.0]])
    points = points_of(-1.0, 1.0, 12)
    weights = 1.0 + points[:, None] ** 2
    values = chebyshev.chebval(points, series).T
    found = fit(weights * basis_at(12, 5), weights * values)
    assert found[:4] == pytest.approx(series, abs=1e-14)
    assert found[4:] == pytest.approx(0.0, abs=1e-14)


def test_points_are_within_their_interval():
    points = points_of(2.0, 3.0, 7)
    assert np.all((points > 2.0) & (points < 3.0) & (np.diff(points, append=3.0) > 0.0))
    assert points + points[::-1] == pytest.approx(5.0)


def test_intervals_are_halved_until_they_fit():
    asked = []

    def piece_of(interval):
        asked.append(interval)
        return interval if interval[1] - interval[0] <= 1.0 or interval[0] >= 2.0 else None

    def halves(interval):
        low, high = interval
        return [(low, (low + high) / 2.0), ((low + high) / 2.0, high)]

    pieces = halve([(0.0, 4.0)], piece_of, halves)
    assert sorted(pieces) == [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)]
    assert asked[0] == (0.0, 4.0)
    assert len(asked) == 5
