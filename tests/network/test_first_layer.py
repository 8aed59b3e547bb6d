"""Variances of the first layer that differ from the others', and arguments of a network as data."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from helpers.tolerances import EPS, TABLE

import fastgram as fg
from fastgram.network.network import KINDS
from fastgram.network.rank import rank_bound, rank_bound_on_sphere

FIRST = {"input_weight_variance": 0.6, "input_bias_variance": 0.3}
CASES = {
    "both": {"weight_variance": 1.7, "bias_variance": 0.2, **FIRST},
    "a bias in the first layer alone": {"input_bias_variance": 0.4},
    "a bias in all layers but the first": {"bias_variance": 0.4, "input_bias_variance": 0.0},
    "weights": {"weight_variance": 2.0, "input_weight_variance": 0.5},
}


def rows(n=12, d=4, seed=1):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1)[:, None] * np.linspace(0.5, 1.5, n)[:, None]


def erf_gram(X, depth, kind, first, further):
    """Layer by layer in closed form, with the variances of each layer written out."""
    sigma = first[0] * X @ X.T + first[1]
    tangent = sigma.copy()
    for layer in range(1, depth + 1):
        q = 1.0 + 2.0 * np.diagonal(sigma)
        product = np.multiply.outer(q, q)
        value = 2.0 / np.pi * np.arcsin(2.0 * sigma / np.sqrt(product))
        slope = 4.0 / np.pi / np.sqrt(product - 4.0 * sigma**2)
        if layer == depth:
            gradient = (tangent if kind == "ntk" else sigma) * slope
            return {"nngp": value, "gradient": gradient, "ntk": value + gradient}[kind]
        sigma = further[0] * value + further[1]
        tangent = sigma + further[0] * tangent * slope
    raise AssertionError


def variances(options):
    weight, bias = options.get("weight_variance", 1.0), options.get("bias_variance", 0.0)
    first = (
        options.get("input_weight_variance", weight),
        options.get("input_bias_variance", bias),
    )
    return first, (weight, bias)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "kind"),
    [
        *((name, 1, kind) for name in sorted(CASES) for kind in KINDS),
        ("both", 3, "ntk"),
        ("a bias in all layers but the first", 3, "ntk"),
    ],
)
def test_infinite_width(name, depth, kind):
    X = rows(5)  # an integral for each pair
    wanted = erf_gram(X, depth, kind, *variances(CASES[name]))
    found = fg.gram(X, network=fg.Network("erf", depth, **CASES[name]), kind=kind)
    assert np.max(np.abs(found - wanted)) <= 4 * TABLE * np.max(wanted)


def backpropagated(X, network):
    """Gradients of the output with respect to all parameters, a row for each of X, and last φ.

    Parameters as `Network` says they are drawn: biases where a layer has them.
    """
    rng, m, d = np.random.default_rng(network.seed), network.width, X.shape[1]
    first, further = variances(network.get_params_given())
    layers = []
    for layer in range(network.depth):
        weight, bias = further if layer else first
        W = rng.standard_normal((m, m if layer else d))
        layers.append((W, rng.standard_normal(m) if bias > 0.0 else np.zeros(m), weight, bias))
    readout = rng.choice([-1.0, 1.0], m)
    gradients, values = [], []
    for x in X:
        inputs, z = [x], []
        for layer, (W, b, weight, bias) in enumerate(layers):
            fan = m if layer else 1
            z.append(np.sqrt(weight / fan) * W @ inputs[-1] + np.sqrt(bias) * b)
            inputs.append(np.tanh(z[-1]))
        parts, back = [inputs[-1] / np.sqrt(m)], readout / np.sqrt(m)
        for layer in reversed(range(network.depth)):
            W, _, weight, bias = layers[layer]
            fan = m if layer else 1
            back = back / np.cosh(z[layer]) ** 2
            parts.append(np.sqrt(weight / fan) * np.outer(back, inputs[layer]).ravel())
            parts.append(np.sqrt(bias) * back)
            back = np.sqrt(weight / fan) * W.T @ back
        gradients.append(np.concatenate(parts))
        values.append(inputs[-1])
    return np.array(gradients), np.array(values)


class Given(fg.Network):
    """A network that gives its options without those that are None."""

    def get_params_given(self):
        return {k: v for k, v in self.get_params().items() if v is not None}


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", sorted(CASES))
def test_finite_width(name, depth):
    X, net = rows(6, 3), Given("tanh", depth, 7, seed=5, **CASES[name])
    gradients, values = backpropagated(X, net)
    m = net.width
    found = fg.gram(X, network=net, kind="ntk")
    np.testing.assert_allclose(found, gradients @ gradients.T, rtol=200 * EPS, atol=200 * EPS)
    np.testing.assert_allclose(
        fg.gram(X, network=net, kind="nngp"), values @ values.T / m, rtol=0, atol=200 * EPS
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_exact_mode(name):
    pytest.importorskip("flint")
    X = rows(6, 3)
    wanted = np.linalg.eigvalsh(erf_gram(X, 2, "ntk", *variances(CASES[name])))
    network = fg.Network("erf", 2, **CASES[name])
    found = fg.exact_extreme_eigenvalues(X, network, kind="ntk", rows="raw")
    assert found.smallest.estimate == pytest.approx(wanted[0], abs=1e-14 * wanted[-1])
    assert found.largest.estimate == pytest.approx(wanted[-1], rel=1e-13)


@pytest.mark.parametrize("name", sorted(CASES))
def test_exact_mode_of_finite_width(name):
    pytest.importorskip("flint")
    X, net = rows(5, 3), Given("tanh", 2, 6, seed=5, **CASES[name])
    gradients, _ = backpropagated(X, net)
    wanted = np.linalg.eigvalsh(gradients @ gradients.T)
    found = fg.exact_extreme_eigenvalues(X, net, kind="ntk", rows="raw")
    assert found.smallest.estimate == pytest.approx(wanted[0], abs=1e-14 * wanted[-1])
    assert found.largest.estimate == pytest.approx(wanted[-1], rel=1e-13)


# --- exact facts ----------------------------------------------------------------------------------


def test_norms_factor_out_with_a_bias_in_the_first_layer_alone():
    assert fg.Network("relu", 3, input_bias_variance=0.5).homogeneity() == 1
    assert fg.Network("relu", 3, bias_variance=0.5, input_bias_variance=0.0).homogeneity() is None
    assert fg.Network("relu", 1, bias_variance=0.5, input_bias_variance=0.0).homogeneity() == 1


@pytest.mark.parametrize("width", [None, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_opposite_rows_under_an_even_activation_with_biases_above(kind, width):
    half = np.random.default_rng(3).standard_normal((7, 5))
    half /= np.linalg.norm(half, axis=1)[:, None]
    X = np.concatenate([half, -half])
    net = fg.Network("cos", 2, width, bias_variance=0.4, input_bias_variance=0.0)
    assert rank_bound(X, net, kind)[0] <= 7
    values = np.linalg.eigvalsh(fg.gram(X, network=net, kind=kind))
    assert np.max(np.abs(values[:7])) <= 1e-13 * values[-1] < values[7]
    for other in (net.replace(input_bias_variance=None), net.replace(activation="sin")):
        values = np.linalg.eigvalsh(fg.gram(X, network=other, kind=kind))
        if width is None:
            assert rank_bound(X, other, kind)[0] == 14
            assert values[0] > 1e-12 * values[-1]
        assert rank_bound(X, other, kind)[0] >= np.count_nonzero(values > 1e-12 * values[-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [None, 40])
@pytest.mark.parametrize("first", [0.0, 0.3])
@pytest.mark.parametrize("further", [0.0, 0.3])
def test_ranks_of_polynomials(further, first, width, kind):
    """z² composed twice in 2 columns: degree 4 alone, and with biases all even ones, or all."""
    options = {"bias_variance": further, "input_bias_variance": first, "width": width}
    net = fg.Network("polynomial(coefficients=[0, 0, 1])", 2, **options)
    X = rows(17, 2, seed=4)
    values = np.linalg.eigvalsh(fg.gram(X, network=net, kind=kind))
    rank = np.count_nonzero(values > 1e-13 * values[-1])
    bound = rank_bound(X, net, kind)[0]
    assert rank <= bound
    assert bound == {(0.0, 0.0): 5, (0.3, 0.0): 9, (0.0, 0.3): 15, (0.3, 0.3): 15}[further, first]
    if width is None:
        assert rank == bound


@pytest.mark.parametrize("first", [0.0, 0.5])
@pytest.mark.parametrize("further", [0.0, 0.5])
def test_ranks_of_narrow_networks(further, first):
    X = rows(60, 3)
    net = fg.Network("erf", 2, 4, bias_variance=further, input_bias_variance=first)
    columns = 4 * (3 + (first > 0.0)) + 4 * (4 + (further > 0.0)) + 4
    bound, reason = rank_bound(X, net, "ntk")
    assert bound == columns
    assert ("biases" in reason) == (first + further > 0.0)
    values = np.linalg.eigvalsh(fg.gram(X, network=net, kind="ntk"))
    assert np.count_nonzero(values > 1e-13 * values[-1]) <= columns


@pytest.mark.slow
def test_zero_rows():
    X = np.concatenate([np.zeros((1, 3)), rows(5, 3)])
    above = fg.Network("tanh", 2, bias_variance=0.5, input_bias_variance=0.0)
    none = fg.Network("tanh", 2)
    assert rank_bound(X, none, "nngp")[0] == 5
    assert rank_bound(X, above, "nngp")[0] == 6
    values = np.linalg.eigvalsh(fg.gram(X, network=above, kind="nngp"))
    assert values[1] > 1e-12


def test_on_the_sphere_a_bias_of_the_first_layer_counts():
    X = rows(40, 3)
    name = "polynomial(coefficients=[0, 0, 1])"
    with_bias = fg.Network(name, input_bias_variance=0.5)
    without = fg.Network(name, bias_variance=0.5, input_bias_variance=0.0)
    assert rank_bound_on_sphere(X, without, "nngp")[0] == 6
    assert rank_bound_on_sphere(X, with_bias, "nngp")[0] == 9


# --- as data --------------------------------------------------------------------------------------


def test_a_network_is_its_arguments():
    net = fg.Network("elu", 2, 30, 1.5, 0.1, True, "gaussian", 3, 0.5, 0.0)
    assert net.get_params() == {
        "activation": fg.get_activation("elu"),
        "depth": 2,
        "width": 30,
        "weight_variance": 1.5,
        "bias_variance": 0.1,
        "normalize": True,
        "readout": "gaussian",
        "seed": 3,
        "input_weight_variance": 0.5,
        "input_bias_variance": 0.0,
    }
    assert fg.Network(**net.get_params()) == net
    assert pickle.loads(pickle.dumps(net)) == net
    assert hash(fg.Network(**net.get_params())) == hash(net)
    assert eval(repr(net), {"Network": fg.Network}) == net
    assert net != net.replace(input_bias_variance=None)
    text = (
        "elu, depth 2, width 30, weight variance 1.5, bias variance 0.1, input weight variance 0.5"
    )
    assert str(net).startswith(f"{text}, input bias variance 0, normalized")
    assert "input weight variance" in net._repr_html_()
    assert "input" not in fg.Network("elu")._repr_html_() + str(fg.Network("elu"))


def test_replace():
    net = fg.Network("relu", 3, weight_variance=2.0)
    assert net.replace() == net
    assert net.replace(activation="tanh", depth=1) == fg.Network("tanh", weight_variance=2.0)
    assert net.first_weight_variance == 2.0  # it follows the others
    assert net.replace(weight_variance=3.0).first_weight_variance == 3.0
    kept = net.replace(input_weight_variance=1.0).replace(weight_variance=3.0)
    assert kept.first_weight_variance == 1.0
    assert net == fg.Network("relu", 3, weight_variance=2.0)  # unchanged


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"input_weight_variance": 0.0}, ValueError, "input_weight_variance must be above 0"),
        ({"input_bias_variance": -1.0}, ValueError, "input_bias_variance must be at least 0"),
        ({"input_bias_variance": np.nan}, ValueError, "input_bias_variance must be finite"),
        ({"input_weight_variance": "1"}, TypeError, "input_weight_variance must be a number"),
        ({"depht": 2}, TypeError, "a Network has no argument 'depht'; did you mean 'depth'?"),
        ({"depth": 0}, ValueError, "depth must be at least 1"),
    ],
)
def test_bad_arguments(options, error, told):
    with pytest.raises(error) as caught:
        fg.Network("relu").replace(**options)
    assert told in str(caught.value)


@pytest.mark.slow
def test_what_is_stored_says_them(tmp_path):
    path = tmp_path / "K.npy"
    net = fg.Network("erf", 2, input_bias_variance=0.25)
    fg.store_gram(path, rows(20), net)
    told = json.loads((tmp_path / "K.npy.json").read_text("utf-8"))["network"]
    assert (told["input_weight_variance"], told["input_bias_variance"]) == (None, 0.25)
    with pytest.raises(ValueError, match="give another name"):
        fg.store_gram(path, rows(20), net.replace(input_bias_variance=0.5))
