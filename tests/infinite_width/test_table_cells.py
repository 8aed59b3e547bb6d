"""Cells of tables, all at a time, against fits and derivatives of one of them in NumPy's words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.tolerances import EPS, STATED
from numpy.polynomial import chebyshev

from fastgram import Network
from fastgram.infinite_width.conditioning import _errors, _response_at
from fastgram.infinite_width.kernel_function import profile_of_norm, table_of_norm
from fastgram.infinite_width.layer_maps import _series
from fastgram.infinite_width.piecewise import Profile
from fastgram.infinite_width.recursion import recursion_of
from fastgram.infinite_width.tables.cells import Cells, sample
from fastgram.infinite_width.tables.cosine_table import build_table
from fastgram.kernels.contract import PieceVariable
from fastgram.network.integrals import chords, levels

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
    assert cells.misses_of(degree) == pytest.approx(cells.misses[:, degree], abs=8 * EPS)


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


def test_pieces_of_a_large_norm_are_found_together():
    """A look at the profile takes longer than its samples."""
    looks, profile = [], profile_of_norm(Network("softplus"), "gradient", 1e4)

    def chords(far, offsets):
        looks.append(offsets.size)
        return profile.chords(far, offsets)

    table = build_table(replace(profile, chords=chords))
    assert table.modes.size >= 9
    assert len(looks) <= 14
    # each as wide as may be: none fits with the next one inwards
    inner = np.sort(table.highs[table.modes == PieceVariable.FROM_ONE])
    assert inner[1:] == pytest.approx(64.0 * inner[:-1])


@pytest.mark.parametrize("name", ["tanh", "mish", "softplus", "elu"])
@pytest.mark.parametrize("norm", [10.0, 777.0, 3e3, 6.1e3])
def test_errors_are_found_by_the_levels_and_chords_of_the_fit(name, norm):
    """At norms whose squares round to no power of 2, and a little above and below one."""
    for part in (levels._level, chords._prepared, recursion_of, _series, _errors, _response_at):
        part.cache_clear()
    profile_of_norm(Network(name), "gradient", norm).chords(False, np.ones(1))
    assert levels._level.cache_info().misses == 1
    assert chords._prepared.cache_info().misses == 1


@pytest.mark.parametrize("norm", [10.0, 1e3, 3e3])
@pytest.mark.parametrize("name", ["erf", "sin", "sigmoid"])
def test_the_stated_error_at_large_norms(name, norm):
    """What least squares rounded was 8e-15 of it, twice, before fits were refined."""
    table = table_of_norm(Network(name), "gradient", norm, "float64")
    assert table.error <= STATED * table.scale
