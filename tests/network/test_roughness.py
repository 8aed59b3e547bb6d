"""Why no quadrature converges: the reason that is given is the true one."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg


def swings(z):
    return z * np.sin(5.0 * z)


def swings_slope(z):
    return np.sin(5.0 * z) + 5.0 * z * np.cos(5.0 * z)


def three(z):
    return np.abs(z - 1.0) + np.abs(z + 2.0) + np.abs(z - 0.125)


def three_slope(z):
    return np.sign(z - 1.0) + np.sign(z + 2.0) + np.sign(z - 0.125)


def power(z):
    return np.abs(z) ** 1.5


def power_slope(z):
    return 1.5 * np.sign(z) * np.sqrt(np.abs(z))


def curved(z):
    return np.maximum(z - 0.7, 0.0) ** 2


def curved_slope(z):
    return 2.0 * np.maximum(z - 0.7, 0.0)


def noisy(z):
    return (np.tanh(z) + 1e6) - 1e6


def noisy_slope(z):
    return (1.0 / np.cosh(np.clip(z, -300.0, 300.0)) ** 2 + 1e6) - 1e6


@pytest.mark.parametrize("norm", [1.0, 60.0])
def test_kinks_that_are_not_declared_are_found(norm, refuses):
    three_kinks = fg.Activation("three", three, three_slope)
    with refuses(ValueError, "'three'", "kinks at z = 0.125", "declare every kink in kinks="):
        fg.gram(norm * np.eye(3), network=three_kinks)
    declared = fg.Activation("three", three, three_slope, kinks=(0.125, 1.0))
    with refuses(ValueError, "f' has a kink at z = -2", "declare every kink"):
        fg.gram(norm * np.eye(3), network=declared)
    every = fg.Activation("three", three, three_slope, kinks=(-2.0, 0.125, 1.0))
    assert np.all(np.isfinite(fg.gram(norm * np.eye(3), network=every)))


def test_a_kink_of_the_slope_is_found(refuses):
    with refuses(ValueError, "f' has a kink at z = 0.7: declare every kink"):
        fg.gram(np.eye(3), network=fg.Activation("curved", curved, curved_slope))


@pytest.mark.parametrize("norm", [10.0, 1e4])
def test_what_swings_too_often_has_no_kink_to_be_declared(norm, refuses):
    swinging = fg.Activation("swinging", swings, swings_slope)
    with refuses(
        ValueError, "'swinging'", "converge: f swings or bends too often", "scale the rows"
    ):
        fg.gram(norm * np.eye(3), network=swinging)
    assert np.all(np.isfinite(fg.gram(np.eye(3), network=swinging)))


def test_a_root_at_a_kink_is_no_kink_to_be_declared(refuses):
    rooted = fg.Activation("rooted", power, power_slope, kinks=(0.0,))
    with refuses(ValueError, "derivatives without a bound toward z = 0", "smooth up to its kinks"):
        fg.gram(np.eye(3), network=rooted)


def test_values_that_lack_digits_are_told(refuses):
    with refuses(ValueError, "off by more than a few roundings", "all digits"):
        fg.gram(np.eye(3), network=fg.Activation("noisy", noisy, noisy_slope))


def test_what_grows_too_fast_is_told(refuses):
    with refuses(
        ValueError, "f' grows too fast for a standard deviation of 1", "lower the variance"
    ):
        fg.gram(10.0 * np.eye(3), network=fg.Activation("growing", np.exp, np.exp))


def test_a_bend_too_sharp_is_told(refuses):
    steep, steep_slope = (
        lambda z: np.tanh(3e5 * (z - 0.7)),
        lambda z: 3e5 / np.cosh(np.clip(3e5 * (z - 0.7), -300.0, 300.0)) ** 2,
    )
    with refuses(ValueError, "bends sharply near z = 0.7", "declare it in kinks="):
        fg.gram(np.eye(3), network=fg.Activation("steep", steep, steep_slope))
