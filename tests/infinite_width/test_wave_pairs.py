"""Sines on rows of many and large norms, against their closed form in mpmath."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.oracles.deep_entries import entry, wave
from helpers.tolerances import DUAL, EPS, FEW, STATED
from mpmath import mp, mpf

import fastgram as fg
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.integrated_entries import IntegratedEntries
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.infinite_width.pairs.wave_pairs import WavePairs


def rows_of(norm):
    """Forty rows of norms a fiftieth apart, four of them close pairs."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((40, 4))
    X *= (norm * (1.0 + 0.02 * rng.random(40)) / np.linalg.norm(X, axis=1))[:, None]
    X[1] = X[0] * (1.0 + 1e-3)
    X[2] = X[0] + 1e-4 * rng.standard_normal(4)
    X[3] = 1e-3 * rng.standard_normal(4) - X[0]
    return X


def exact(x, y, kind, omega, sine):
    """An entry of sin ωz or cos ωz."""
    x, y = ([mpf(float(value)) for value in row] for row in (x, y))
    q1, q2, c = (
        mp.fsum(a * b for a, b in zip(*two, strict=True)) for two in ((x, x), (y, y), (x, y))
    )
    minus, plus = (mp.exp(-(omega**2) * (q1 + q2 + sign * 2 * c) / 2) for sign in (-1, 1))
    parts = (minus - plus) / 2, (minus + plus) / 2
    value, slope = parts if sine else parts[::-1]
    product = c * omega**2 * slope
    return {"gradient": product, "nngp": value, "ntk": value + product}[kind]


def activation_of(omega, sine):
    f, df = (np.sin, np.cos) if sine else (np.cos, lambda z: -np.sin(z))
    return fg.Activation(
        "wave", lambda z: f(omega * z), lambda z: omega * df(omega * z), frequency=omega
    )


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize(("omega", "sine"), [(1.0, True), (1.0, False), (0.75, True)])
@pytest.mark.parametrize("norm", [15.0, 2000.0])
def test_entries_are_within_what_is_stated(norm, omega, sine, kind):
    X, activation = rows_of(norm), activation_of(omega, sine)
    rows = UnitRows.of(X.copy(), np.dtype(np.float64))
    entries = entries_between(fg.Network(activation), kind, rows, rows, np.dtype(np.float64))
    assert isinstance(entries, IntegratedEntries)
    assert isinstance(entries.pairs, WavePairs)
    G = fg.gram(X, network=activation, kind=kind)
    with mp.workdps(40):
        off = [
            float(abs(exact(X[i], X[j], kind, omega, sine) - mpf(float(G[i, j]))))
            / float(entries.row_scales[i] * entries.row_scales[j])
            for i in range(8)
            for j in range(i, 8)
        ]
    assert max(off) <= entries.error
    # what the rounding of norms makes of a wave, and not much more
    assert max(off) <= 8.0 * EPS * norm


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("phase", [0.0, 1e-7, 0.7, np.pi / 2])
def test_norms_however_far_apart(phase, kind):
    """Small ones too, whose entries are small beside those of others, and a row of zeros."""
    sine, cosine_of_phase = float(np.sin(phase)), float(np.cos(phase))
    activation = fg.Activation(
        "wave",
        lambda z: sine * np.cos(z) + cosine_of_phase * np.sin(z),
        lambda z: cosine_of_phase * np.cos(z) - sine * np.sin(z),
        frequency=1.0,
    )
    X = rows_of(1.0) * np.geomspace(1e-9, 1e6, 40)[:, None]
    X[[4, 20]], X[5], X[6], X[7] = X[[20, 4]], 0.0, -X[4], X[38] * (1.0 + 1e-9)
    rows = UnitRows.of(X.copy(), np.dtype(np.float64))
    entries = entries_between(fg.Network(activation), kind, rows, rows, np.dtype(np.float64))
    assert isinstance(entries.pairs, WavePairs)
    G = fg.gram(X, network=activation, kind=kind)
    with mp.workdps(60):
        a, b = mpf(sine) ** 2, mpf(cosine_of_phase) ** 2
        for i in range(10):
            for j in range(i, 10):
                sides = (X[i], X[j])
                of_sine, of_cosine = (exact(*sides, kind, 1, which) for which in (True, False))
                wanted = b * of_sine + a * of_cosine
                allowed = entries.error * entries.row_scales[i] * entries.row_scales[j]
                assert abs(wanted - mpf(float(G[i, j]))) <= allowed, (i, j)


def cosine(derivative, rho, q1, q2):
    """The duals of cos z."""
    product, damping = mp.sqrt(q1 * q2) * rho, mp.exp(-(q1 + q2) / 2)
    return damping * (mp.sinh(product) if derivative else mp.cosh(product))


@pytest.mark.parametrize(("name", "dual"), [("sin", wave(1.0, 0.0)), ("cos", cosine)])
@pytest.mark.parametrize("kind", ["nngp", "ntk"])
@pytest.mark.parametrize("norm", [15.0, 200.0])
def test_deep_networks(norm, kind, name, dual):
    """Where a first layer swings, what comes out of it goes into layers that do not."""
    X = rows_of(norm)[[0, 1, 4, 5, 6, 0]]
    network = fg.Network(name, depth=3, bias_variance=0.1)
    G = fg.gram(X, network=network.replace(bias_variance=0.0), kind=kind)
    assert np.all(np.isfinite(fg.gram(X, network=network, kind=kind)))
    with mp.workdps(40):
        for i in range(6):
            for j in range(i + 1):
                x, y = ([mpf(float(v)) for v in row] for row in (X[i], X[j]))
                q1, q2, c = (
                    mp.fsum(a * b for a, b in zip(*two, strict=True))
                    for two in ((x, x), (y, y), (x, y))
                )
                theta = mp.acos(min(c / mp.sqrt(q1 * q2), mpf(1)))
                plain = network.replace(bias_variance=0.0)
                wanted = entry(dual, plain, kind, theta, (mp.sqrt(q1), mp.sqrt(q2)))
                assert float(abs(wanted - mpf(float(G[i, j])))) <= 100.0 * EPS * norm**2


@pytest.mark.parametrize(("omega", "sine"), [(1.0, True), (1.0, False), (3.0, True), (0.3, False)])
@pytest.mark.parametrize("swing", [4.3, 4.75, 5.5, 7.0, 7.9, 8.5])
def test_one_norm_around_where_the_closed_form_begins(swing, omega, sine):
    """On nodes, and at the level of nodes that a variance rounded up has none of."""
    activation, q = activation_of(omega, sine), (swing / omega) ** 2
    theta = np.array([0.0, 1e-3, 0.1, 0.5, 1.2, np.pi / 2, 2.5])
    both = (np.exp(-((omega**2) * q) * (1.0 + side * np.cos(theta))) for side in (-1.0, 1.0))
    minus, plus = both
    expected = (minus - plus if sine else minus + plus) / 2.0
    assert fg.dual(activation, np.cos(theta), q, q) == pytest.approx(expected, abs=DUAL)
    table = table_of_norm(fg.Network(activation), "nngp", float(np.sqrt(q)), "float64")
    assert table.error <= STATED * table.scale
    X = np.sqrt(q) * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    G = fg.gram(X, network=activation, kind="nngp")
    # the angles of rounded rows are off by a few roundings, too
    assert np.max(np.abs(G[0] - expected)) <= table.error + FEW * EPS * swing


def test_a_frequency_that_is_none_is_refused(refuses):
    with refuses(ValueError, "'square'", "not a·cos ωz + b·sin ωz", "ω = 2"):
        fg.Activation("square", np.square, lambda z: 2.0 * z, frequency=2.0)
    with refuses(ValueError, "'wave'", "frequency must be above 0, not -1"):
        fg.Activation("wave", np.sin, np.cos, frequency=-1.0)


def test_large_norms_give_no_warning_and_a_bracket():
    X = rows_of(60.0)
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, "sin"), rtol=1e-6)
    dense = np.linalg.eigvalsh(fg.gram(X, network="sin"))
    assert answer.largest.lower <= dense[-1] * (1.0 + 1e-9)
    assert dense[-1] * (1.0 - 1e-9) <= answer.largest.upper
