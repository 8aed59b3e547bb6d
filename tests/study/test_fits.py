"""Laws through brackets: any values within them have slopes within the range that is told."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastgram.study.fits import fit_line, fit_power, judged, judged_slope

X = np.array([1.0, 2.0, 4.0, 5.0])
MIDDLE = np.array([3.0, 5.1, 9.0, 10.8])
HALF = np.array([0.1, 0.02, 0.3, 0.05])


def slopes_of(values, weights):
    """Slopes by NumPy's least squares, whose weights multiply residuals before the square."""
    return np.polyfit(X, values, 1, w=np.sqrt(weights))


def test_the_slope_and_its_range():
    weights = 1.0 / (HALF**2 + np.mean(HALF**2))
    found = fit_line(X, MIDDLE - HALF, MIDDLE + HALF)
    assert [found.slope, found.intercept] == pytest.approx(slopes_of(MIDDLE, weights), rel=1e-12)
    corners = [
        slopes_of(MIDDLE + np.array(signs) * HALF, weights)[0]
        for signs in itertools.product((-1.0, 1.0), repeat=4)
    ]
    assert [found.lowest, found.highest] == pytest.approx([min(corners), max(corners)], rel=1e-12)


def test_powers():
    power = fit_power(X, 7.0 * X**-2.5, 7.0 * X**-2.5)
    assert (power.slope, np.exp(power.intercept)) == pytest.approx((-2.5, 7.0), rel=1e-12)


def test_two_points():
    found = fit_line([0.0, 1.0], [0.0, 1.0], [0.0, 1.2])
    assert (found.lowest, found.highest) == pytest.approx((1.0, 1.2))


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (lambda: fit_line([1.0], [1.0], [1.0]), "two different places"),
        (lambda: fit_line([1.0, 1.0], [1.0, 2.0], [1.0, 2.0]), "two different places"),
        (lambda: fit_line([1.0, 2.0], [1.0, 2.0], [1.0, np.inf]), "finite ends"),
        (lambda: fit_power([1.0, 2.0], [0.0, 1.0], [1.0, 1.0]), "leave unresolved rows out"),
    ],
)
def test_what_is_no_fit(fit, words, refuses):
    with refuses(ValueError, words):
        fit()


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ((0.95, 1.05), "holds"),
        ((1.0, 1.11), "cannot be said"),
        ((0.5, 1.5), "cannot be said"),
        ((1.11, 1.2), "does not hold"),
        ((0.5, 0.89), "does not hold"),
        ((np.nan, np.nan), "cannot be said"),
    ],
)
def test_verdicts(ends, word):
    found = judged("constant", ends, 1.0, 0.1, "because")
    assert found.word == word
    assert (found.name, found.expected, found.tolerance, found.text) == (
        "constant",
        1.0,
        0.1,
        "because",
    )
    assert found.measured == pytest.approx(sum(ends) / 2.0, nan_ok=True)


def test_a_wide_bracket_leaves_a_slope_open():
    narrow = fit_power([1.0, 10.0], [1.0, 0.1], [1.01, 0.101])
    wide = fit_power([1.0, 10.0], [0.5, 0.05], [1.0, 0.1])
    assert judged_slope("slope", narrow, -1.0, 0.05, "").word == "holds"
    assert judged_slope("slope", wide, -1.0, 0.05, "").word == "cannot be said"
    assert judged_slope("slope", narrow, -1.0, 0.05, "").measured == narrow.slope
