"""Networks of any depth against mpmath, neural-tangents and quadratures of each layer."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.tolerances import DROP, EPS, FEW, TABLE
from mpmath import mpf

import fastgram as fg
from fastgram.infinite_width.kernel_function import (
    diagonal_entries,
    direct_entries,
    profile_of_norm,
    table_of_norm,
)
from fastgram.infinite_width.recursion import Recursion

DATA = Path(__file__).parents[1] / "data"
VALUES = json.loads((DATA / "depth_values.json").read_text("utf-8"))["records"]
TANGENTS = json.loads((DATA / "neural_tangents.json").read_text("utf-8"))
KINDS = ("gradient", "nngp", "ntk")
# What a layer adds, in roundings of the diagonal entry; a network in its chaotic phase (tanh and
# erf of weight variance 1.5) magnifies the error of an angle layer by layer.
LAYER = 24 * EPS


def network_of(record):
    names = ("depth", "weight_variance", "bias_variance")
    return fg.Network(record["activation"], **{name: record[name] for name in names})


def case(record):
    names = ("activation", "weight_variance", "bias_variance", "depth", "kind")
    identity = "-".join(str(record[name]) for name in names)
    return pytest.param(record, id=identity, marks=[pytest.mark.slow] * (not quick(record)))


def quick(record):
    """Depth 1, and of what takes longer a few: the rest is slow."""
    integrated = record["norms"] != [1.0, 1.0]
    if record["depth"] == 1 and not integrated:
        return True
    return record["activation"] == "relu" and record["depth"] <= 3


def at_angles(theta, first=1.0, second=1.0):
    """A row, and rows at these angles from it, in the plane."""
    others = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    return np.concatenate([[[first, 0.0]], second * others])


def deep_enough(record):
    """Whether to test a record at depth 10 or 100: of "ntk", at 100 for two activations.

    "ntk" is made of all layers' maps and slopes; what the other kinds make of them is tested at
    depth 1, and at 3 with biases. Of two variances the one with biases, and for relu at 10 both.
    """
    biased = record["bias_variance"] > 0.0
    if record["kind"] != "ntk":
        return record["depth"] == 1 or (record["depth"] == 3 and biased)
    name = record["activation"]
    if record["depth"] == 10:
        return biased or name == "relu"
    return record["depth"] < 10 or (name in ("relu", "tanh") and biased)


# by record and not by test: layers are fitted once for all that is asked of a network
one_norm = pytest.mark.parametrize(
    "record",
    [case(r) for r in VALUES if r["norms"] == [1.0, 1.0] and deep_enough(r)],
    scope="module",
)


@one_norm
def test_against_mpmath(record):
    """Close pairs to 1e-12 of the distance from ρ = 1, or to the rounding of so many layers."""
    theta = np.array([float(angle) for angle in record["thetas"]])
    G = fg.gram(at_angles(theta), network=network_of(record), kind=record["kind"])
    at_zero = mpf(record["at_zero"])
    rounding = (TABLE + LAYER * record["depth"]) * abs(at_zero)
    assert abs(mpf(float(G[0, 0])) - at_zero) <= rounding
    for k, exact in enumerate(record["values"]):
        error = abs(mpf(float(G[0, k + 1])) - mpf(exact))
        assert error <= DROP * abs(at_zero - mpf(exact)) + rounding, theta[k]


@one_norm
def test_distances_keep_their_digits(record):
    """Before an entry is rounded: relative to the distance itself, at angles down to 1e-8."""
    theta = np.array([float(angle) for angle in record["thetas"]])
    near = theta < 0.1
    network = network_of(record)
    norm = np.sqrt(network.weight_variance + network.bias_variance)
    augmented = network.augmented(at_angles(theta[near]))
    chords = np.linalg.norm(augmented[1:] - augmented[0], axis=1) / norm
    # a recursion of the exact angles: half the chord is known to rounding
    offsets = 2.0 * np.arcsin(chords / 2.0)
    _, missing = Recursion(network, record["kind"], np.array([norm])).distances(False, offsets)
    for distance, exact, angle in zip(
        missing[:, 0], np.array(record["drops"])[near], theta[near], strict=True
    ):
        # a chord of 1e-8 between rows of size 1 is itself known to 1e-8, relatively
        allowed = 2e-12 * record["depth"] + 4 * EPS / angle
        assert abs(mpf(float(distance)) / mpf(exact) - 1) <= allowed, angle


def few(record):
    """Whether to test a record whose entries are integrated one by one, layer by layer.

    What "gradient" and "nngp" are made of is in "ntk" too, and the way knows no activation: all of
    them are tested at depth 1, and a few, and the other kinds, deeper.
    """
    name, depth, biased = record["activation"], record["depth"], record["bias_variance"] > 0.0
    if depth == 1:
        return biased and record["kind"] == "ntk"
    if depth == 3:
        return biased and name in ("relu", "tanh")
    return depth == 10 and biased and name == "relu" and record["kind"] == "ntk"


@pytest.mark.parametrize("record", [case(r) for r in VALUES if r["norms"] != [1.0, 1.0] and few(r)])
def test_two_norms_against_mpmath(record):
    chosen = slice(None, None, 3)  # integrals, each as long as the next
    theta = np.array([float(angle) for angle in record["thetas"][chosen]])
    network, norms = network_of(record), record["norms"]
    X = at_angles(theta, *norms)
    entries = fg.gram(X[:1], X[1:], network, kind=record["kind"])[0]
    # the rounding of entries goes with the diagonal of both
    sizes = np.linalg.norm(network.augmented(X[:2]), axis=1)
    scale = np.sqrt(np.prod(diagonal_entries(network, record["kind"], sizes)))
    for k, exact in enumerate(record["values"][chosen]):
        error = abs(float(mpf(float(entries[k])) - mpf(exact)))
        assert error <= 2 * LAYER * record["depth"] * scale, theta[k]


def tangent_cases():
    """Records and kinds: what "nngp" is made of is in "ntk", at depth 10 and for free norms too.

    Rows of free norms are so few that they are integrated one by one, which knows no activation:
    relu and erf stand for all. At depth 10 one weight variance does.
    """
    for record, kind in itertools.product(TANGENTS["records"], ("nngp", "ntk")):
        if record["rows"] == "free":
            wanted = record["bias_variance"] > 0.0 and few({**record, "kind": kind})
            wanted = wanted and record["activation"] in ("relu", "erf")
        else:
            wanted = record["depth"] < 10 or (kind == "ntk" and record["weight_variance"] == 1.7)
        if wanted:
            names = ("activation", "depth", "weight_variance", "bias_variance", "rows")
            identity = "-".join([*(str(record[name]) for name in names), kind])
            quick = record["rows"] == "unit" and record["depth"] == 1
            quick = quick or (record["activation"] == "relu" and record["depth"] <= 3)
            marks = [pytest.mark.slow] * (not quick)
            yield pytest.param(record, kind, id=identity, marks=marks)


@pytest.mark.parametrize(("record", "kind"), list(tangent_cases()))
def test_against_neural_tangents(record, kind):
    # rows of free norms, so few of them, are integrated one by one: three are enough
    count = 3 if record["rows"] == "free" else 6
    X = np.array(TANGENTS["rows"][record["rows"]], dtype=np.float64)[:count]
    G = fg.gram(X, network=network_of(record), kind=kind)
    # null where neural-tangents itself is off
    theirs = np.array(record[kind], dtype=np.float64)[:count, :count]
    scales = np.sqrt(np.outer(np.diag(G), np.diag(G)))
    error = np.abs(G - theirs) / scales
    assert np.count_nonzero(np.isfinite(error)) >= X.shape[0] * (X.shape[0] - 1)
    assert np.nanmax(error) <= 1e-12


LAYERED = [
    ("relu", {}),
    ("relu", {"bias_variance": 0.3, "normalize": True}),
    ("tanh", {"weight_variance": 2.0}),
    ("gelu", {"bias_variance": 0.1}),
    ("abs", {"weight_variance": 1.2, "bias_variance": 0.2}),
    ("cos", {"normalize": True}),
    ("hard_tanh", {"weight_variance": 1.5}),
    ("step", {"bias_variance": 0.1}),
    ("polynomial", {"weight_variance": 0.3}),
    ("selu", {}),
]


def kind_and_depth(name):
    if name == "step":  # f' is 0, so that its "ntk" is its "nngp"; a deep table takes its time
        return [("nngp", 1), ("nngp", 2), ("gradient", 1), ("ntk", 1)]
    return [*((kind, 1) for kind in KINDS), ("ntk", 2), ("ntk", 4)]


def layered(name, options, kind, depth):
    quick = name == "relu" or (depth == 1 and name != "hard_tanh")
    return pytest.param(name, options, depth, kind, marks=[pytest.mark.slow] * (not quick))


@pytest.mark.parametrize(
    ("name", "options", "depth", "kind"),
    [
        layered(name, options, kind, depth)
        for name, options in LAYERED
        for kind, depth in kind_and_depth(name)
    ],
)
def test_against_quadratures_of_each_layer(name, options, depth, kind):
    """The table against a recursion that interpolates nothing, all angles, both ends."""
    network = fg.Network(name, depth=depth, **options)
    theta = np.array([0.0, 1e-6, 1e-3, 0.2, 0.9, np.pi / 2, 2.0, 3.0, np.pi - 1e-5, np.pi])
    norm = 1.3
    X = norm * at_angles(theta[1:])
    rows = network.augmented(X)
    G = fg.gram(X, network=network, kind=kind)[0]
    size = np.linalg.norm(rows, axis=1)
    near = np.linalg.norm(rows / size[:, None] - rows[0] / size[0], axis=1)
    far = np.linalg.norm(rows / size[:, None] + rows[0] / size[0], axis=1)
    angles = 2.0 * np.arctan2(near, far)
    q = np.full(angles.shape, size[0] ** 2)
    exact = direct_entries(network, kind, angles, q, q)
    scale = max(np.max(np.abs(exact)), 1e-300)
    assert np.max(np.abs(G - exact)) <= TABLE * depth * scale


@pytest.mark.parametrize("kind", KINDS)
def test_depth_one_of_all_kinds_is_made_of_duals(kind):
    X = at_angles(np.array([0.3, 1.1, 2.5]))
    rho = np.clip(X @ X.T, -1.0, 1.0)
    nngp = fg.dual("tanh", rho)
    gradient = rho * fg.dual("tanh", rho, derivative=True)
    expected = {"nngp": nngp, "gradient": gradient, "ntk": nngp + gradient}[kind]
    assert np.max(np.abs(fg.gram(X, network="tanh", kind=kind) - expected)) <= TABLE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_normalize_at_depth(name, kind):
    """With σw² = 1 and no bias the variance of rows of norm 1 stays 1 through all layers."""
    network = fg.Network(name, depth=5, normalize=True)
    G = fg.gram(at_angles(np.array([0.4])), network=network, kind=kind)
    slope = fg.dual(name, 1.0, derivative=True) / fg.dual(name, 1.0)
    diagonal = {"nngp": 1.0, "gradient": slope, "ntk": sum(slope**k for k in range(6))}[kind]
    assert np.diag(G) == pytest.approx([diagonal, diagonal], rel=LAYER * 5)


@functools.cache
def _table(name, depth, kind):
    return table_of_norm(fg.Network(name, depth=depth), kind, 1.0, "float64")


def test_one_table_whatever_the_depth():
    """What a tile costs depends on the pieces it touches and their degree: a fifth more."""
    for kind in KINDS:
        shallow, deep = _table("relu", 1, kind), _table("relu", 10, kind)
        assert deep.modes.size == shallow.modes.size
        assert deep.cells.shape[1] <= shallow.cells.shape[1] + 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        # 2⁻ᵏ after layer k, down to 2⁻¹⁰²²
        (
            {"activation": "relu", "depth": 1100},
            ["vanishes", "after layer 1023, from 2.23e-308 before it", "normalize=True"],
        ),
        # 10⁴·5000ᵏ
        (
            {"activation": "relu", "depth": 200, "weight_variance": 1e4},
            ["overflows", "after layer 83, from 2.07e+307 before it", "lower"],
        ),
        ({"activation": "polynomial", "depth": 60, "weight_variance": 1e-6}, ["vanishes", "from "]),
    ],
)
def test_a_degenerate_depth_is_refused_with_its_layer(options, words, refuses):
    with refuses(ValueError, "after layer", options["activation"], *words):
        fg.gram(at_angles(np.array([0.4])), network=fg.Network(**options))


@pytest.mark.slow
def test_a_chaotic_depth_is_held_to_what_is_stated():
    """Each layer magnifies what the rows are off by: the table says so, and is right."""
    network = fg.Network("tanh", depth=60, weight_variance=4.0)
    theta = np.array([1e-12, 1e-6, 1e-3, 0.3, 1.2])
    exact = direct_entries(network, "nngp", theta, np.ones(5), np.ones(5))
    profile = profile_of_norm(network, "nngp", 1.0)
    found = profile.at_one[0] - profile.chords(False, theta)[:, 0]
    # the other is magnified as well
    assert np.max(np.abs(found - exact)) <= 2.0 * profile.error
    table = table_of_norm(network, "nngp", 1.0, "float64")
    assert 1e-12 < table.error / table.scale < 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "bias"), [("tanh", 0.0), ("abs", 0.0), ("abs", 0.4)])
def test_opposite_rows_at_depth(name, bias, kind):
    """Odd activations without bias give odd matrices, even ones even matrices without bias."""
    X = at_angles(np.array([0.0, 0.5, 1.4]))[1:]
    network = fg.Network(name, depth=3, bias_variance=bias)
    G = fg.gram(X, -X, network, kind=kind)
    H = fg.gram(X, X, network, kind=kind)
    if bias == 0.0:
        sign = 1.0 if name == "abs" else -1.0
        assert np.max(np.abs(G - sign * H)) <= 3 * TABLE * H[0, 0]
    else:  # the bias tells a row from its opposite
        assert np.max(np.abs(G - H)) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_zero_rows_at_depth(kind):
    X = np.concatenate([np.zeros((2, 2)), at_angles(np.array([0.5]))])
    odd = fg.gram(X, network=fg.Network("tanh", depth=3), kind=kind)
    assert not np.any(odd[:2])
    # softplus is ln 2 at 0: after the first layer a zero row is a row like others
    network = fg.Network("softplus", depth=2)
    G = fg.gram(X, network=network, kind=kind)
    below = fg.Network("softplus", depth=1)
    seen = fg.gram(np.array([[np.log(2.0)]]), network=below, kind=kind)
    assert G[0, 0] == pytest.approx(seen[0, 0], rel=FEW * LAYER)
    assert G[0, 1] == pytest.approx(G[0, 0], rel=FEW * LAYER)
    assert np.linalg.eigvalsh(G)[0] > -1e-13


def test_zero_rows_of_a_deep_step_that_is_not_zero_at_zero():
    """After a layer a zero row is the constant f(0): its entries are those of that constant."""
    step = fg.Activation("step up", lambda z: 1.0 * (z >= 0.0), np.zeros_like, (0.0,), flat=True)
    X = np.concatenate([np.zeros((1, 2)), at_angles(np.array([0.5, 2.0]))])
    G = fg.gram(X, network=fg.Network(step, depth=2), kind="nngp")
    # Σ¹ of the zero row with itself is 1 and with another row E f(v) = ½; with itself that has ½
    angle = np.arccos(0.5 / np.sqrt(0.5))
    assert G[0, 0] == pytest.approx(1.0 / 2.0, abs=FEW * LAYER)
    assert G[0, 1:] == pytest.approx([(np.pi - angle) / (2 * np.pi)] * 3, abs=FEW * LAYER)


@pytest.mark.slow
def test_extremes_of_a_deep_matrix():
    """A bracket of the deep matrix holds what LAPACK says of it."""
    X = fg.datasets.sphere(300, 10, seed=3)
    op = fg.GramOperator(X, fg.Network("elu", depth=4, bias_variance=0.1), kind="ntk")
    values = np.linalg.eigvalsh(op.dense())
    for method in ("dense", "lanczos"):
        answer = fg.extreme_eigenvalues(op, method=method, rtol=1e-3)
        assert answer.smallest.lower <= values[0] * (1 + 1e-9)
        assert answer.smallest.upper >= values[0] * (1 - 1e-9)
        assert answer.largest.lower <= values[-1] * (1 + 1e-9)
        assert answer.largest.upper >= values[-1] * (1 - 1e-9)
        assert answer.converged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "kind"),
    [*(("relu", 1, kind) for kind in KINDS), ("tanh", 2, "ntk"), ("gelu", 3, "ntk")],
)
def test_wide_finite_networks_average_to_the_limit(name, depth, kind):
    """Monte Carlo: the mean over 48 networks is within five of its own standard errors."""
    X = at_angles(np.array([0.4, 1.3, 2.6]))
    options = {"depth": depth, "weight_variance": 1.5, "bias_variance": 0.2}
    limit = fg.gram(X, network=fg.Network(name, **options), kind=kind)
    samples = np.array(
        [
            fg.gram(X, network=fg.Network(name, width=512, seed=seed, **options), kind=kind)
            for seed in range(48)
        ]
    )
    error = np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    # a deep network of width m is off by about depth/m on the average, too
    bias = 2.0 * (depth - 1) / 512 * np.max(limit)
    assert np.max(error) < 0.05 * np.max(limit)
    assert np.all(np.abs(np.mean(samples, axis=0) - limit) <= 5.0 * error + bias)
