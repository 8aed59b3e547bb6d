"""Sines on rows of many and large norms, against their closed form in mpmath."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.oracles.deep_entries import entry
from helpers.tolerances import DUAL, EPS, FEW, STATED
from mpmath import mp, mpf

import fastgram as fg
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entry_choice import entries_between
from fastgram.infinite_width.integrated_entries import IntegratedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries, table_of_norm
from fastgram.infinite_width.pairs.wave_pairs import WavePairs
from fastgram.matrix.operator import matrix_of


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


def wave_of(phase, omega):
    """Sine ahead by a phase; and the squares of the amplitudes of cosine and sine."""
    a, b = float(np.sin(phase)), float(np.cos(phase))
    activation = fg.Activation(
        "wave",
        lambda z: a * np.cos(omega * z) + b * np.sin(omega * z),
        lambda z: omega * (b * np.cos(omega * z) - a * np.sin(omega * z)),
        frequency=omega,
    )
    return activation, mpf(a) ** 2, mpf(b) ** 2


def deep_dual(a, b, omega):
    """The duals of a wave, from the squares of its amplitudes."""

    def dual(derivative, rho, q1, q2):
        root = mp.sqrt(q1 * q2) * rho
        minus, plus = (
            mp.exp(-(mpf(omega) ** 2) * (q1 + q2 - sign * 2 * root) / 2) for sign in (1, -1)
        )
        cosine, sine = (minus + plus) / 2, (minus - plus) / 2
        return mpf(omega) ** 2 * (b * cosine + a * sine) if derivative else a * cosine + b * sine

    return dual


def exact_deep(x, y, network, kind, dual):
    x, y = ([mpf(float(value)) for value in row] for row in (x, y))
    weight, bias = map(mpf, (network.first_weight_variance, network.first_bias_variance))
    q1, q2, c = (
        weight * mp.fsum(a * b for a, b in zip(*two, strict=True)) + bias
        for two in ((x, x), (y, y), (x, y))
    )
    theta = mp.acos(max(min(c / mp.sqrt(q1 * q2), mpf(1)), mpf(-1)))
    return entry(dual, network, kind, theta, (mp.sqrt(q1), mp.sqrt(q2)))


DEEP = [
    ("gradient", 0.7, 1.0, 200.0, fg.Network("sin", bias_variance=0.1)),
    ("ntk", 0.0, 1.0, 300.0, fg.Network("sin", depth=3, weight_variance=0.02, bias_variance=0.1)),
    ("ntk", 0.0, 3.0, 9e4, fg.Network("sin", depth=2, weight_variance=50.0, bias_variance=2.0)),
    ("gradient", 0.7, 1.0, 2e3, fg.Network("sin", depth=3, normalize=True, weight_variance=2.0)),
    ("nngp", np.pi / 2, 0.75, 15.0, fg.Network("sin", depth=4, bias_variance=0.1)),
    ("ntk", np.pi / 2, 1.0, 1e-3, fg.Network("sin", depth=2, weight_variance=30.0)),
    ("ntk", 1e-7, 1.0, 1e-5, fg.Network("sin", depth=3, normalize=True)),
]


@pytest.mark.parametrize(("kind", "phase", "omega", "norm", "network"), DEEP)
def test_deep_entries_are_within_what_is_stated(kind, phase, omega, norm, network):
    """Rows as near each other as a wave is narrow; some of norms far apart, and opposite ones."""
    activation, a, b = wave_of(phase, omega)
    network = network.replace(activation=activation)
    X = rows_of(norm)
    X[4], X[5], X[6] = X[0] * (1.0 + 1.0 / norm), X[7] * 1e-4, -X[8] * (1.0 + 0.3 / norm)
    rows = UnitRows.of(network.augmented(X), np.dtype(np.float64))
    entries = entries_between(network, kind, rows, rows, np.dtype(np.float64))
    assert isinstance(entries.pairs, WavePairs)
    G, dual = fg.gram(X, network=network, kind=kind), deep_dual(a, b, omega)
    worst = 0.0
    with mp.workdps(50):
        for i in range(10):
            for j in range(i, 10):
                off = abs(exact_deep(X[i], X[j], network, kind, dual) - mpf(float(G[i, j])))
                worst = max(worst, off / (entries.row_scales[i] * entries.row_scales[j]))
    assert worst <= entries.error
    # what roundings of norms make of a wave of norms so large, and of layers that stretch
    assert worst <= 10.0 * entries.pairs.by_norm * EPS
    assert entries.pairs.error <= 1e-2 * entries.pairs.by_norm


@pytest.mark.parametrize(("kind", "phase", "omega", "norm", "network"), DEEP)
def test_what_is_off_below_moves_entries_by_no_more_than_is_stated(
    kind, phase, omega, norm, network
):
    network = network.replace(activation=wave_of(phase, omega)[0])
    rng = np.random.default_rng(1)
    norms = norm * np.exp(np.sort(rng.normal(size=300)) / max(norm, 1.0))
    first, second = (rng.integers(0, norms.size, 4000) for _ in range(2))
    near = rng.random(first.size) < 0.5
    second[near] = np.minimum(first[near] + 1, norms.size - 1)
    s = np.minimum(rng.random(first.size) / max(norm * omega, 1.5), 0.7)
    far = rng.random(first.size) < 0.3
    scales = np.sqrt(diagonal_entries(network, kind, norms))
    pairs = WavePairs(network, kind, norms, norms)

    def entries(of, s):
        return of.values(first, second, s * s, far) / (scales[first] * scales[second])

    plain, step = entries(pairs, s), 1e-4 / max(norm * omega * 50.0, 1.0)
    by_norm = 0.0
    for sign in (1.0, -1.0):
        moved = WavePairs(network, kind, norms * (1.0 + step), norms * (1.0 + sign * step))
        by_norm = max(by_norm, np.max(np.abs(entries(moved, s) - plain)) / step)
    slope = np.max(np.abs(entries(pairs, s + step / 10.0) - plain)) / (step / 10.0)
    assert by_norm <= 1.001 * pairs.by_norm
    assert slope <= 1.001 * pairs.slope
    if norm > 1.0:  # and not much less: where waves swing
        assert by_norm >= 1e-2 * pairs.by_norm
        assert slope >= 1e-2 * pairs.slope


def test_many_rows_of_two_layers_are_never_integrated_one_by_one():
    X = fg.datasets.sphere(600, 5, seed=0) * np.geomspace(1.0, 1e4, 600)[:, None]
    op = fg.GramOperator(X, fg.Network("sin", depth=2), kind="ntk")
    assert isinstance(matrix_of(op).entries.pairs, WavePairs)
    assert np.all(np.isfinite(op @ np.ones(600)))


@pytest.mark.parametrize("omega", [0.75, 1.0, 1.3, 3.0])
def test_rows_of_one_norm_where_the_closed_form_takes_over(omega):
    """Levels are found at powers of 2: a variance beside one must not be taken for swinging."""
    unit = fg.datasets.sphere(60, 3, seed=0)
    activation = activation_of(omega, True)
    for deviation in (4.1, 4.3, 5.6, 5.7, 6.0, 6.1, 7.0, 7.9, 8.0, 8.1, 11.4):
        X = deviation / omega * unit
        op = fg.GramOperator(X, activation, kind="nngp")
        less, more = (
            np.sum((X[:, None] - sign * X) ** 2, axis=-1) * omega**2 for sign in (1.0, -1.0)
        )
        off = np.abs(op.dense() - (np.exp(-0.5 * less) - np.exp(-0.5 * more)) / 2.0)
        assert np.max(off) <= matrix_of(op).entries.error, deviation


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


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
@pytest.mark.parametrize("size", [0.5, 4.0, 4.8])
def test_a_high_frequency_at_small_norms_is_a_sine_like_any_other(kind, size):
    """Entries are those of sin z at norms ω times as large; they were refused."""
    omega = 2.0**13
    fast = fg.Activation(
        "fast", lambda z: np.sin(omega * z), lambda z: omega * np.cos(omega * z), frequency=omega
    )
    X = size * fg.datasets.sphere(5, 3, seed=0)
    found = fg.gram(X / omega, network=fast, kind=kind)
    exact = fg.gram(X, network="sin", kind=kind)
    assert np.max(np.abs(found - exact)) <= 1e-13 * np.max(np.abs(exact))
