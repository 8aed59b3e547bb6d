"""Chords of all angles at once, against double integrals of one angle a level finer."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import EPS

from fastgram import get_activation
from fastgram.network.duals import careful_chords, chords_at
from fastgram.network.integrals.double_integral import terms_of
from fastgram.network.integrals.levels import common_level
from fastgram.network.integrals.line_quadrature import mean_squares


@pytest.mark.parametrize("variance", [1e-6, 1.0, 1e4, 1e8])
@pytest.mark.parametrize(
    ("name", "derivative"), [("tanh", True), ("elu", False), ("relu6", True), ("step", False)]
)
def test_all_angles_at_once(name, derivative, variance):
    activation, q = get_activation(name), np.array([variance])
    level = common_level(activation, derivative, q)
    s = np.append(np.geomspace(1e-3 / max(variance, 1.0) ** 0.5, 0.5, 4), np.sqrt(0.5))
    theta = 2.0 * np.arcsin(s)
    found = chords_at(activation, derivative, theta, q, level)[..., 0]
    size = float(mean_squares(activation, derivative, q)[0])
    for angle, both in zip(theta.tolist(), found.T, strict=True):
        exact = careful_chords(activation, derivative, np.array([angle]), variance, level + 1)[:, 0]
        assert both == pytest.approx(exact, rel=0.0, abs=8 * EPS * size)


def test_an_angle_of_zero_has_none():
    found = chords_at(get_activation("relu"), True, np.array([0.0, 0.1]), np.ones(1))
    assert np.array_equal(found[:, 0], np.zeros((2, 1)))
    assert np.all(found[0, 1] > 0.0)


@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_sizes_are_no_less_than_what_is_summed(name):
    rounded = 1.0 + 8 * EPS
    for (terms,) in terms_of(get_activation(name), False, np.array([0.7]), np.array([1.0, 3.0]), 1):
        both, first, second = terms.chord_sizes
        assert np.all(np.abs(terms.chords) <= both * rounded)
        assert np.all(np.abs(terms.values) <= terms.value_sizes * rounded)
        assert both == pytest.approx(np.sqrt(first * second))
