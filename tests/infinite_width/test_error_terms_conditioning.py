"""Large errors planted in what entries are computed from: what is stated of them holds them all.

Of functions and of factors that are off by a millionth, of quadratures and fits that are too
coarse: the entries' error is then theirs, grown by the layers, and truth is a closed form.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers.oracles.deep_entries import entry, quadratic, wave
from helpers.tolerances import EPS
from mpmath import mp, mpf

import fastgram as fg
from fastgram.infinite_width import conditioning, layer_maps
from fastgram.infinite_width.conditioning import errors_of_norm
from fastgram.infinite_width.kernel_function import profile_of_norm, row_scale
from fastgram.network import duals
from fastgram.network.integrals import line_quadrature

OFF = 1e-6
ANGLES = (0.0, 1e-9, 1e-7, 1e-5, 1e-3, 0.03, 0.2, 0.7, 1.3, 1.57)


def activation(c, a, size=1.0, rounded=None):
    """sin(cz) + a|z|, by a factor or by its roundings off."""

    def of(function):
        values = functools.partial(lambda f, z: size * f(z), function)
        if rounded is None:
            return values
        bits = np.finfo(rounded).nmant + 4

        def coarse(z):  # rounded so, without a step through that dtype, which would be refused
            fraction, exponent = np.frexp(values(z))
            return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)

        return coarse

    return fg.Activation(
        "wave",
        of(lambda z: np.sin(c * z) + a * np.abs(z)),
        of(lambda z: c * np.cos(c * z) + a * np.sign(z)),
        (0.0,) if a else (),
    )


def square(size=1.0):
    return fg.Activation("z + z²", lambda z: size * (z + z * z), lambda z: size * (1.0 + 2.0 * z))


def error_over_bound(network, kind, norm, dual, angles=ANGLES, far=False):
    """The largest error of the entries of rows of one norm, over what is stated of it."""
    profile = profile_of_norm(network, kind, norm)
    offsets = np.array(angles)
    scale = mpf(float(row_scale(network, kind, np.array([norm]))[0])) ** 2
    values = profile.end(far)[0] - profile.chords(far, offsets)[:, 0]
    exact = [
        entry(dual, network, kind, np.pi - angle if far else angle, (norm, norm)) / scale
        for angle in offsets.tolist()
    ]
    off = [abs(mpf(float(v)) - x) for v, x in zip(values, exact, strict=True)]
    return float(max(off)) / profile.error


@pytest.fixture
def functions_off(monkeypatch):
    """Let functions be off by so much, as is then taken for granted."""
    monkeypatch.setattr(conditioning, "FUNCTION_ERROR", OFF)


@pytest.fixture
def coarse_fits(monkeypatch):
    """Fit layers with polynomials of too low a degree."""
    monkeypatch.setattr(layer_maps, "_DEGREE", 7)
    monkeypatch.setattr(layer_maps, "_TOLERANCE", 1.0)


def at_level(monkeypatch, level):
    """Take quadratures of this level, whatever they miss."""
    for module in (duals, conditioning):
        monkeypatch.setattr(module, "common_level", lambda *_: level)
    monkeypatch.setattr(line_quadrature, "_level_of", lambda *_: level)


def factor_off(monkeypatch, network):
    """Put the factor of `normalize` off, and say so."""
    network.__dict__["_second_moment"] = network._second_moment * (1.0 + OFF)
    true = conditioning._response

    def response(activation, derivative, variance):
        found = true(activation, derivative, variance)
        return replace(found, values_missed=OFF / 2.0) if variance == 1.0 else found

    monkeypatch.setattr(conditioning, "_response", response)


# --- entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("depth", [1, 4])
def test_functions_that_are_off(functions_off, kind, depth):
    """Where every layer squares, an error of its variance counts twice in the next."""
    network = fg.Network(square(1.0 + OFF), depth)
    assert error_over_bound(network, kind, 1.0, quadratic) <= 1.0


@pytest.mark.parametrize("kind", ["gradient", "ntk"])
def test_linear_functions_that_are_off(functions_off, kind):
    """Slopes are off once a layer, and the covariance that they are multiplied by is too."""

    def linear(derivative, rho, q1, q2):
        return mpf(1) if derivative else mp.sqrt(q1 * q2) * rho

    size = 1.0 + OFF
    off = fg.Activation("line", lambda z: size * z, lambda z: size * np.ones_like(z))
    assert error_over_bound(fg.Network(off, 3), kind, 1.0, linear) <= 1.0


@pytest.mark.parametrize("depth", [1, 3])
def test_a_factor_that_is_off(monkeypatch, depth):
    network = fg.Network(square(), depth, weight_variance=1.7, normalize=True)
    norm = float(np.sqrt(1.7))
    factor_off(monkeypatch, network)
    assert error_over_bound(network, "nngp", norm, quadratic) <= 1.0


@pytest.mark.parametrize("far", [False, True])
def test_fits_of_too_low_a_degree(coarse_fits, far):
    network = fg.Network(activation(1.5, 0.0), 2)
    assert error_over_bound(network, "nngp", 1.0, wave(1.5, 0.0), far=far) <= 1.0


def test_a_last_layer_fitted_with_too_low_a_degree(coarse_fits):
    """Slopes with a jump are harder to fit than the angles that come into them."""
    network = fg.Network(activation(1.0, 0.5), 2)
    assert error_over_bound(network, "gradient", 1.0, wave(1.0, 0.5)) <= 1.0


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
@pytest.mark.parametrize("far", [False, True])
def test_quadratures_that_have_not_converged(monkeypatch, kind, far):
    at_level(monkeypatch, 0)
    network = fg.Network(activation(5.0, 0.0))
    assert error_over_bound(network, kind, 1.5, wave(5.0, 0.0), far=far) <= 1.0


def test_norms_that_are_off():
    """Rows of two norms that are taken for one: by a table's bound times how far they are off."""
    network = fg.Network(square(), 4)
    bound = errors_of_norm(network, "nngp", 1.0).by_norm * OFF
    true, off = (entry(quadratic, network, "nngp", 0.0, (norm, norm)) for norm in (1.0, 1.0 + OFF))
    assert float(abs(off - true) / true) <= bound


@pytest.mark.slow
def test_norms_that_tell_rows_apart():
    """Two parallel rows in a chaotic network: whatever little tells them apart grows and grows."""
    network = fg.Network(activation(3.0, 0.5), 5, weight_variance=2.0)
    bound = errors_of_norm(network, "gradient", 1.0).by_norm * 1e-12
    true, off = (
        entry(wave(3.0, 0.5), network, "gradient", 0.0, (mpf(1) + e, mpf(1) - e))
        for e in (mpf(0), mpf(10) ** -12)
    )
    assert float(abs(off - true) / true) <= bound


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 3])
def test_an_odd_function_that_is_not_declared_as_odd(depth):
    """Opposite rows stay opposite, by quadratures that do not know: what is stated stays small."""
    network = fg.Network(activation(1.5, 0.0), depth)
    assert profile_of_norm(network, "nngp", 1.0).error <= 1000 * EPS
    assert error_over_bound(network, "nngp", 1.0, wave(1.5, 0.0), far=True) <= 1.0


# --- chords --------------------------------------------------------------------------------------


def chords_over_bound(network, dual, norms=None, far=False):
    """The largest error of the chords that come into the last layer, over what is stated of it."""
    recursion = conditioning.recursion_of(network, "nngp", (1.0,))
    follower = conditioning._Follower(recursion, far, norms is not None, False)
    follower.run()
    offsets = 2.0 * np.arcsin(conditioning._CHORDS)
    *_, last = recursion.layers(far, offsets)
    bound = follower._chord * (1.0 if norms is None else OFF / conditioning._OF_NORMS)
    found = conditioning.half_chords(last.angles)
    ratios = []
    for offset, value, allowed in zip(offsets.tolist(), found, bound, strict=True):
        theta = np.pi - offset if far else offset
        rho = correlation(dual, network, theta, norms or (1.0, 1.0))
        exact = mp.sqrt((1 - abs(rho)) / 2)
        ratios.append(float(abs(mpf(float(value)) - exact)) / allowed)
    return max(ratios)


def correlation(dual, network, theta, norms):
    """Of the inputs of the last layer of a network without biases."""
    q1, q2 = (mpf(norm) ** 2 for norm in norms)
    rho, one = mp.cos(mpf(theta)), mpf(1)
    factor = 1 / dual(False, one, one, one) if network.normalize else one
    for _ in range(network.depth - 1):
        both = [dual(False, *of) for of in ((rho, q1, q2), (one, q1, q1), (one, q2, q2))]
        value, q1, q2 = (network.weight_variance * factor * x for x in both)
        rho = value / mp.sqrt(q1 * q2)
    return rho


@pytest.mark.slow
def test_chords_of_functions_that_are_rounded(monkeypatch):
    """Of rows as close as the rounding the roundings are all that there is."""
    at_level(monkeypatch, 2)
    monkeypatch.setattr(layer_maps, "_TOLERANCE", 1.0)
    monkeypatch.setattr(conditioning, "FUNCTION_ERROR", 2.0**-28.3)  # the mean square
    rounded = activation(2.0, 0.0, rounded=np.float32)
    assert chords_over_bound(fg.Network(rounded, 2), wave(2.0, 0.0)) <= 1.0


@pytest.mark.parametrize("far", [False, True])
def test_chords_by_quadratures_that_have_not_converged(monkeypatch, far):
    at_level(monkeypatch, 0)
    assert chords_over_bound(fg.Network(activation(3.0, 0.0), 2), wave(3.0, 0.0), far=far) <= 1.0


def test_chords_by_double_integrals_that_have_not_converged(monkeypatch):
    """Where those of a line, and so the ends, are as good as ever."""
    for module in (duals, conditioning):
        monkeypatch.setattr(module, "common_level", lambda *_: 0)
    assert chords_over_bound(fg.Network(activation(4.0, 0.0), 2), wave(4.0, 0.0)) <= 1.0


def test_chords_of_a_ripple_that_is_off(functions_off):
    """Of close rows it is all that is told apart, and no finer quadrature shows that it is off."""
    height, size = 0.02, 0.02 + 0.9 * OFF

    def ripple(derivative, rho, q1, q2):
        parts = [(mpf(1), mpf(0.3)), (mpf(height), mpf(5))]
        total = mpf(0)
        for (a, b), (c, d) in itertools.product(parts, parts):
            damped = a * c * mp.exp(-(b * b * q1 + d * d * q2) / 2)
            r = b * d * rho * mp.sqrt(q1 * q2)
            total += damped * (b * d * mp.cosh(r) if derivative else mp.sinh(r))
        return total

    rippled = fg.Activation(
        "ripple",
        lambda z: np.sin(0.3 * z) + size * np.sin(5.0 * z),
        lambda z: 0.3 * np.cos(0.3 * z) + 5.0 * size * np.cos(5.0 * z),
    )
    assert chords_over_bound(fg.Network(rippled, 2), ripple) <= 1.0


@pytest.mark.slow
def test_chords_by_fits_of_too_low_a_degree(coarse_fits):
    network = fg.Network(activation(1.5, 0.0), 3)
    assert chords_over_bound(network, wave(1.5, 0.0)) <= 1.0


def test_chords_after_a_variance_that_is_off(monkeypatch):
    network = fg.Network(activation(2.0, 0.0), 4, weight_variance=1.3, normalize=True)
    factor_off(monkeypatch, network)
    assert chords_over_bound(network, wave(2.0, 0.0)) <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 3])
def test_chords_between_two_norms(depth):
    network = fg.Network(activation(2.0, 0.0), depth)
    assert chords_over_bound(network, wave(2.0, 0.0), (1.0 + OFF, 1.0 - OFF)) <= 1.0


def test_chords_that_are_0_beside_large_errors_of_theirs():
    """Where f is z but for a jump far out, rows as close as roundings have one direction."""

    def jump(derivative):
        return lambda z: np.where(z < 1.0, 1.0 if derivative else z, 0.0 if derivative else 0.3)

    network = fg.Network(fg.Activation("jump", jump(False), jump(True), (1.0,)), 2)
    for step in range(-8, 9):
        errors = errors_of_norm(network, "gradient", 0.01 * (1.0 + 32.0 * EPS * step))
        assert errors.base < 1e-6
        assert errors.by_norm < 100.0
