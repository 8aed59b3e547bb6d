"""Cells of tables, all at a time, against fits and derivatives of one of them in NumPy's words."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import EPS, STATED
from numpy.polynomial import chebyshev

from fastgram import Network
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.infinite_width.piecewise import Profile
from fastgram.infinite_width.tables.cells import Cells, sample

EDGES = [(False, 0.0, 0.2), (True, 0.1, 0.4), (False, 0.3, 0.31)]


def drop(far, offsets):
    s = np.sin(offsets / 2.0)
    return (np.exp(-s) - 1.0 if far else s * np.sqrt(0.01 + s * s))[:, None]


@pytest.fixture(scope="module")
def cells() -> Cells:
    return sample(Profile(np.array([2.0]), np.array([-1.0]), drop), EDGES, 28)


def test_samples_are_slopes_from_the_nearer_end(cells):
    assert np.array_equal(cells.bases, [2.0, -1.0, 2.0])
    for k, (far, low, high) in enumerate(EDGES):
        s = cells.s[k]
        assert low < s[0] < s[-1] < high
        assert cells.samples[k] == pytest.approx(drop(far, 2.0 * np.arcsin(s))[:, 0] / s)


@pytest.mark.parametrize("degree", [0, 3, 9])
def test_fits_of_every_degree_by_one_factorisation(cells, degree):
    series, errors = cells.fit(degree)
    for k, (_, low, high) in enumerate(EDGES):
        s = cells.s[k]
        t = (2.0 * s - low - high) / (high - low)
        weighted = s[:, None] * chebyshev.chebvander(t, degree)
        expected = np.linalg.lstsq(weighted, s * cells.samples[k], rcond=None)[0]
        assert series[k] == pytest.approx(expected, abs=100 * EPS)
        missed = np.max(np.abs(weighted @ expected - s * cells.samples[k]))
        assert errors[k] == pytest.approx(missed, rel=1e-6, abs=8 * EPS)
        assert cells.misses[k, degree] == pytest.approx(missed, rel=1e-6, abs=8 * EPS)


def test_slopes_are_of_s_times_the_polynomial(cells):
    series, _ = cells.fit(5)
    steepest = 0.0
    for k, (_, low, high) in enumerate(EDGES):
        s = np.linspace(low, high, 2001)
        product = s * chebyshev.chebval((2.0 * s - low - high) / (high - low), series[k])
        steepest = max(steepest, np.max(np.abs(np.diff(product) / np.diff(s))))
    assert steepest <= cells.slope(series) <= 1.3 * steepest


@pytest.mark.parametrize(("name", "most"), [("tanh", 11), ("relu6", 11), ("elu", 9)])
def test_pieces_at_a_large_norm_are_few(name, most):
    """Each costs a tile time: eight cells of one reach from an s to eight times that."""
    table = table_of_norm(Network(name), "gradient", 1e4, "float64")
    assert table.modes.size <= most


@pytest.mark.parametrize("norm", [10.0, 1e3])
@pytest.mark.parametrize("name", ["erf", "sin", "sigmoid"])
def test_the_stated_error_at_large_norms(name, norm):
    """What least squares rounded was 8e-15 of it, twice, before fits were refined."""
    table = table_of_norm(Network(name), "gradient", norm, "float64")
    assert table.error <= STATED * table.scale
