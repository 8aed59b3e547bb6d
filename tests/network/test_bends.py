"""Beyond where an activation bends no panels are graded, and the integrals are what they were."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.tolerances import EPS
from scipy.special import erf, expit, ndtr, owens_t

import fastgram as fg
from fastgram.network.integrals.bends import bend_of, common_bend
from fastgram.network.integrals.double_integral import terms_of


def shifted_erf(shift):
    return fg.Activation(
        "shifted_erf",
        lambda z: erf(z - shift),
        lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-((z - shift) ** 2)),
    )


def dual_of_shifted_erf(shift, rho, q):
    """By Owen's T function."""
    h = math.sqrt(2.0) * shift / math.sqrt(1.0 + 2.0 * q)
    slope = np.sqrt((1.0 + 2.0 * q * (1.0 - rho)) / (1.0 + 2.0 * q * (1.0 + rho)))
    both_below = ndtr(h) - 2.0 * owens_t(h, slope)
    return 1.0 - 4.0 * ndtr(h) + 4.0 * both_below


@pytest.mark.parametrize(
    ("name", "from_to"),
    [
        ("tanh", (17.0, 40.0)),
        ("softplus", (30.0, 70.0)),
        ("gelu", (7.0, 20.0)),
        ("elu", (30.0, 70.0)),
        ("relu6", (0.0, 0.0)),
        ("polynomial", (0.0, 0.0)),
        ("sin", (np.inf, np.inf)),
    ],
)
@pytest.mark.parametrize("deviation", [1e2, 1e4, 1e12])
def test_where_they_bend(name, from_to, deviation):
    assert from_to[0] <= bend_of(fg.get_activation(name), deviation) <= from_to[1]


def test_bends_and_kinks_away_from_0():
    soft_step = fg.Activation(
        "soft_step", lambda z: expit(z - 200.0), lambda z: expit(z - 200.0) * expit(200.0 - z)
    )
    assert 200.0 <= bend_of(soft_step, 1e4) <= 700.0
    shifted = fg.Activation(
        "shifted", lambda z: np.maximum(z - 200.0, 0.0), lambda z: (z > 200.0) * 1.0, kinks=(200.0,)
    )
    assert bend_of(shifted, 1e4) == 0.0
    # what it is in a narrow density decides
    assert common_bend(soft_step, np.array([1.0, 1e4])) == np.inf
    assert common_bend(soft_step, np.array([1e4, 1e5])) >= 200.0 / 1e4


def test_what_is_nearly_a_jump_bends():
    steep = fg.Activation(
        "steep", lambda z: np.tanh(1e4 * z), lambda z: 1e4 * (1.0 - np.tanh(1e4 * z) ** 2)
    )
    assert 0.0 < bend_of(steep, 1e3) <= 2.0


def test_work_does_not_grow_with_the_norm():
    def nodes(norm):
        parts = terms_of(fg.get_activation("softplus"), True, np.ones(1), np.array([norm]), 2)
        return sum(terms.weight.size for (terms,) in parts)

    assert nodes(1e12) <= 1.3 * nodes(1e3)


def test_angles_share_what_is_computed():
    counted = []

    def f(z):
        counted.append(z.size)
        return np.tanh(z)

    activation = fg.Activation("counted", f, lambda z: 1.0 - np.tanh(z) ** 2)
    angles, deviations = np.array([0.04, 0.4, 1.0, np.pi / 2.0]), np.array([100.0])

    def work(theta):
        counted.clear()
        parts = list(terms_of(activation, False, theta, deviations, 2))
        return sum(counted), [
            sum(part[k].chords[0].sum() for part in parts) for k in range(theta.size)
        ]

    one_by_one = [work(angles[k : k + 1]) for k in range(angles.size)]
    size, together = work(angles)
    assert size <= 0.6 * sum(count for count, _ in one_by_one)
    assert together == pytest.approx([chord for _, (chord,) in one_by_one], rel=0.0, abs=16 * EPS)


@pytest.mark.parametrize("shift", [0.5, 1.0])
@pytest.mark.parametrize("norm", [4.0, 30.0, 1e3, 1e4, 1e7])
def test_against_owens_function(shift, norm):
    rho = np.array([-1.0, -0.999999, -0.9, -0.3, 0.0, 0.4, 0.99, 1.0 - 1e-9, 1.0])
    found = fg.dual(shifted_erf(shift), rho, norm**2, norm**2)
    expected = dual_of_shifted_erf(shift, rho, norm**2)
    assert found == pytest.approx(expected, rel=0.0, abs=2e-14)
