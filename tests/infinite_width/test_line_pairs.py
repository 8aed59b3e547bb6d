"""Lines with kinks and steps on rows of any norms: against mpmath, and what is stated of errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers.oracles.kinked_duals import dual_of_lines
from helpers.tolerances import EPS
from mpmath import mp

import fastgram as fg
from fastgram.infinite_width.integrated_entries import IntegratedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries, direct_entries
from fastgram.infinite_width.pairs import line_layers, line_pairs
from fastgram.infinite_width.pairs.line_pairs import LinePairs
from fastgram.matrix.operator import matrix_of
from fastgram.network.lines import lines_of

STAIRS = fg.Activation(
    "stairs", lambda z: (z > -0.5) + 2.0 * (z > 1.0), np.zeros_like, kinks=(-0.5, 1.0), flat=True
)
# f left of all kinks, kinks, jumps of f' and jumps of f
FORMS = {
    "hard_tanh": ((0, -1), (-1, 1), (1, -1), (0, 0)),
    "relu6": ((0, 0), (0, 6), (1, -1), (0, 0)),
    "stairs": ((0, 0), (-0.5, 1), (0, 0), (1, 2)),
}
# angles and two norms: from near a kink to far off it, and close pairs of both kinds
PLACES = [
    (1.9, 3.0, 20.0),
    (0.4, 0.3, 0.9),
    (1.2, 1000.0, 700.0),
    (2.9, 50.0, 51.0),
    (0.03, 50.0, 50.4),
    (1e-3, 1.0, 1.001),
    (3.14, 0.7, 0.6999),
    (1.3, 5.0, 0.8),
]


def activation_of(name):
    return STAIRS if name == "stairs" else fg.get_activation(name)


def pairs_of(network, kind, norms, columns):
    return LinePairs(network, kind, lines_of(network.activation), norms, columns)


def at(theta):
    theta = np.asarray(theta)
    far = theta > np.pi / 2.0
    return np.sin(np.where(far, np.pi - theta, theta) / 2.0) ** 2, far


def exact_entry(name, kind, theta, one, two):
    left, kinks, slopes, jumps = FORMS[name]
    pair = mp.mpf(theta), (one, two)
    slope = dual_of_lines((0, left[0]), kinks, (0, 0), slopes, *pair)
    product = mp.mpf(one) * mp.mpf(two) * mp.cos(mp.mpf(theta))
    if kind == "gradient":
        return product * slope
    value = dual_of_lines(left, kinks, slopes, jumps, *pair)
    return value if kind == "nngp" else value + product * slope


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "nngp"])  # of which "ntk" is the sum
@pytest.mark.parametrize("name", FORMS)
def test_one_layer_against_mpmath(name, kind):
    network = fg.Network(activation_of(name))
    if network.is_zero(kind):
        return
    # a second each, in mpmath: a quarter of them for each network, all of them together
    first = 2 * list(FORMS).index(name) + (kind == "nngp")
    for theta, one, two in PLACES[first % 4 :: 4]:
        norms = np.array([one, two])
        pairs = pairs_of(network, kind, norms[:1], norms[1:])
        squares, far = at([theta])
        found = pairs.values(np.zeros(1, int), np.zeros(1, int), squares, far)[0]
        scale = float(np.sqrt(np.prod(diagonal_entries(network, kind, norms))))
        with mp.workdps(20):
            off = abs(float(found - exact_entry(name, kind, theta, one, two))) / scale
        # the angle goes in as s², rounded
        assert off <= pairs.error + 2.0 * EPS * pairs.slope
        assert off <= 64 * EPS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth", "bias"), [("relu6", 2, 0.1), ("hard_tanh", 3, 0.2)])
def test_deeper_layers_against_quadratures(name, depth, bias, kind):
    network = fg.Network(activation_of(name), depth=depth, bias_variance=bias)
    if network.is_zero(kind):
        return
    norms = np.array([0.8, 0.81, 2.0])
    first, second = np.array([0, 0, 0, 1, 2]), np.array([1, 1, 0, 2, 2])
    theta = np.array([1e-5, 0.8, 1e-4, 2.5, np.pi - 1e-3])
    pairs = pairs_of(network, kind, norms, norms)
    found = pairs.values(first, second, *at(theta))
    exact = direct_entries(network, kind, theta, norms[first] ** 2, norms[second] ** 2)
    scale = np.sqrt(diagonal_entries(network, kind, norms))
    assert np.all(np.abs(found - exact) <= pairs.error * scale[first] * scale[second])


@pytest.mark.parametrize("name", ["relu6", "hard_tanh"])
def test_what_is_missing_from_the_diagonal_keeps_its_digits(name):
    """Each kink takes exp(−κ²/(2q))θ/2π of E f'f', and cos θ its part of the product of rows."""
    network, norm = fg.Network(name), 1.3
    pairs = pairs_of(network, "gradient", np.array([norm]), np.array([norm]))
    s, zeros, near = np.array([1e-3, 1e-6]), np.zeros(2, int), np.zeros(2, bool)
    found = pairs.values(zeros, zeros, s**2, near)
    end = pairs.values(zeros, zeros, np.zeros(2), near)
    low, high = (kink / norm for kink in network.activation.kinks)
    slope = float(mp.ncdf(high) - mp.ncdf(low))
    assert end[0] == pytest.approx(norm**2 * slope, rel=8 * EPS)
    fall = 2.0 * s * (np.exp(-0.5 * low**2) + np.exp(-0.5 * high**2)) / (2.0 * np.pi)
    fall = norm**2 * (2.0 * s * s * slope + (1.0 - 2.0 * s * s) * fall)
    assert end - found == pytest.approx(fall, rel=1e-6, abs=4 * EPS)


@pytest.mark.parametrize(
    ("name", "norm", "far"), [("hard_tanh", 0.74, 0), ("hard_tanh", 0.74, 1), ("relu6", 0.75, 0)]
)
def test_close_pairs_of_near_norms_in_deeper_layers(name, norm, far):
    """Between kinks that nearly meet moments cancel: what is left was a distance of 1e-9."""
    network = fg.Network(name, 2, bias_variance=0.0 if far else 0.1)
    norms = norm * np.array([1.0, 1.0 + 4.5e-12, 1.0 + 1e-6, 1.01, 1.06])
    pairs = pairs_of(network, "gradient", norms[:1], norms)
    s = np.array([1e-12, 4.5e-10, 1e-7])
    second, which = (places.ravel() for places in np.indices((norms.size, s.size)))
    first, turned = np.zeros(second.size, int), np.full(second.size, bool(far))
    found = pairs.values(first, second, s[which] ** 2, turned)
    near = direct_entries(
        network, "gradient", 2.0 * np.arcsin(s[which]), norms[first] ** 2, norms[second] ** 2
    )
    exact = -near if far else near  # of an odd function, whose derivative is even
    scale = np.sqrt(diagonal_entries(network, "gradient", norms))
    off = np.max(np.abs(found - exact) / (scale[first] * scale[second]))
    assert off <= min(pairs.error, 64 * EPS)


def test_rows_of_variance_0():
    """They are constants: of a network with biases a zero row is none, without them it is."""
    network = fg.Network(STAIRS)
    norms = np.array([0.0, 2.0])
    pairs = pairs_of(network, "nngp", norms, norms)
    first, second = np.array([0, 0]), np.array([0, 1])
    found = pairs.values(first, second, np.full(2, 0.5), np.zeros(2, bool))
    mean = 1.0 - 0.4012936743170763 + 2.0 * 0.3085375387259869  # Φ(−1/4), 1 − Φ(1/2)
    assert found == pytest.approx([1.0, mean], rel=8 * EPS)


def test_many_rows_go_pair_by_pair_and_nothing_is_said():
    X = fg.datasets.sphere(500, 4, seed=0) * np.geomspace(0.5, 50.0, 500)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        op = fg.GramOperator(X, "hard_tanh")
    entries = matrix_of(op).entries
    assert isinstance(entries, IntegratedEntries)
    assert isinstance(entries.pairs, LinePairs)
    G = op.dense()
    assert np.array_equal(G, G.T)
    assert np.array_equal(np.diagonal(G), op.diagonal())
    assert np.linalg.eigvalsh(G)[0] >= -op.noise_floor


def test_rules_that_are_off(monkeypatch):
    """Weights off by a millionth, and said: what is stated of entries holds them."""
    off = 1e-6
    rule = line_layers.corner_rule()
    monkeypatch.setattr(
        line_layers, "corner_rule", lambda: rule._replace(weights=rule.weights * (1.0 + off))
    )
    network, norms = fg.Network("relu6"), np.array([4.0, 7.0])
    squares, far = at([0.5, 2.0])
    places = np.array([0, 0]), np.array([1, 1])
    wrong = pairs_of(network, "gradient", norms, norms).values(*places, squares, far)
    monkeypatch.undo()
    monkeypatch.setattr(line_pairs, "_CORNER", off)
    pairs = pairs_of(network, "gradient", norms, norms)
    scale = np.sqrt(np.prod(diagonal_entries(network, "gradient", norms)))
    error = np.abs(wrong - pairs.values(*places, squares, far)) / scale
    assert 0.01 * off <= np.max(error) <= pairs.error


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
def test_norms_that_are_off(kind):
    network, off = fg.Network("hard_tanh"), 1e-6
    norms = np.array([0.7, 3.0])
    pairs, moved = (
        pairs_of(network, kind, norms * (1.0 + size), norms * (1.0 - size)) for size in (0.0, off)
    )
    first, second = np.indices((2, 2)).reshape(2, -1)
    scale = np.sqrt(diagonal_entries(network, kind, norms))
    for theta in (0.0, 1e-3, 0.4, 2.0, np.pi):
        squares, far = at(np.full(4, theta))
        change = moved.values(first, second, squares, far) - pairs.values(
            first, second, squares, far
        )
        assert np.all(np.abs(change) <= pairs.by_norm * off * scale[first] * scale[second])


def test_a_symmetric_activation_needs_half_of_the_corners():
    products = line_layers.products_of(lines_of(fg.get_activation("hard_tanh")))
    assert products.tolist() == [[[2.0, -2.0], [0.0, 0.0]], [[-2.0, 2.0], [0.0, 0.0]]]
