"""Networks of finite width: against the gradients of the network itself, written out."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from helpers.tolerances import EPS, EPS32

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.finite_width import entries, factored_product
from fastgram.finite_width.entries import FiniteEntries
from fastgram.finite_width.factored_product import FactoredProduct
from fastgram.matrix.operator import matrix_of
from fastgram.network import weights
from fastgram.network.weights import draw_weights
from fastgram.support import memory

KINDS = ("gradient", "nngp", "ntk")
TWO_VALUED = ("relu", "leaky_relu", "abs", "hard_tanh", "relu6", "linear")
N, D, M = 21, 4, 70


def rows(n=N, d=D, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def network(activation="tanh", depth=1, **more):
    settings = {"width": M, "weight_variance": 1.7, "bias_variance": 0.3, "seed": 5} | more
    return fg.Network(activation, depth=depth, **settings)


# --- the oracle: one sample at a time, from the words of the definition ---------------------------


def drawn(net, d):
    """Weights, biases and readout in the order that the definition gives."""
    generator = np.random.default_rng(net.seed)
    W, b = [], []
    for layer in range(net.depth):
        W.append(generator.standard_normal((net.width, net.width if layer else d)))
        b.append(generator.standard_normal(net.width) if net.bias_variance else np.zeros(net.width))
    if net.readout == "rademacher":
        return W, b, generator.choice([-1.0, 1.0], net.width)
    return W, b, generator.standard_normal(net.width)


@functools.cache
def scale(net):
    """√(1/E φ(z)²), by a plain sum over the normal density."""
    if not net.normalize:
        return 1.0
    z = np.linspace(-14.0, 14.0, 400_001)
    density = np.exp(-z * z / 2.0) / np.sqrt(2.0 * np.pi)
    return 1.0 / np.sqrt(np.sum(density * net.activation.f(z) ** 2) * (z[1] - z[0]))


def output(net, parameters, x, number=float):
    """The output of the network at one row, with every layer's z and φ(z)."""
    W, b, a = parameters
    sw, sb = np.sqrt(number(net.weight_variance)), np.sqrt(number(net.bias_variance))
    phi, zs = [np.asarray(x, number)], []
    for layer in range(net.depth):
        fan = np.sqrt(number(net.width)) if layer else number(1)
        zs.append(sw * (W[layer].astype(number) @ phi[-1]) / fan + sb * b[layer])
        phi.append(scale(net) * net.activation.f(zs[-1]))
    return a @ phi[-1] / np.sqrt(number(net.width)), zs, phi


def gradients(net, x, number=float):
    """The gradients of the output with respect to the readout and to each layer's parameters."""
    W, _, a = parameters = drawn(net, len(x))
    sw, sb = np.sqrt(number(net.weight_variance)), np.sqrt(number(net.bias_variance))
    root = np.sqrt(number(net.width))
    _, zs, phi = output(net, parameters, x, number)
    by_layer, back = [], a / root
    for layer in reversed(range(net.depth)):
        back = back * (scale(net) * net.activation.df(zs[layer]))
        factor = sw / (root if layer else number(1))
        by_layer.insert(0, np.concatenate([np.outer(back, phi[layer]).ravel() * factor, sb * back]))
        back = factor * (W[layer].T.astype(number) @ back)
    return phi[-1] / root, by_layer


def oracle(net, kind, X, number=float):
    features = []
    for x in X:
        readout, by_layer = gradients(net, x, number)
        parts = {"nngp": [readout], "gradient": by_layer[-1:], "ntk": [readout, *by_layer]}
        features.append(np.concatenate(parts[kind]))
    J = np.array(features)
    return J @ J.T


def close(found, expected, digits=EPS, slack=400):
    return np.max(np.abs(found - expected)) <= slack * digits * np.max(np.abs(expected))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_oracle_is_the_gradient(depth):
    """Central differences in every parameter."""
    net = network("tanh", depth, width=3)
    x = rows()[0]
    W, b, a = drawn(net, D)
    readout, by_layer = gradients(net, x)
    h = 1e-6
    for layer in range(depth):
        numeric = []
        for parameter in (W[layer], b[layer]):
            for index in np.ndindex(parameter.shape):
                ends = []
                for sign in (h, -h):
                    old = parameter[index]
                    parameter[index] = old + sign
                    ends.append(output(net, (W, b, a), x)[0])
                    parameter[index] = old
                numeric.append((ends[0] - ends[1]) / (2 * h))
        assert np.allclose(by_layer[layer], numeric, rtol=0, atol=1e-9)
    assert np.isclose(a @ readout, output(net, (W, b, a), x)[0])


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize("readout", ["rademacher", "gaussian"])
@pytest.mark.parametrize("depth", [1, 3])
def test_weights_are_drawn_in_the_stated_order(bias, readout, depth, monkeypatch):
    monkeypatch.setattr(weights, "_BLOCK_VALUES", 100)  # drawn in pieces, the same numbers
    net = network(depth=depth, bias_variance=bias, readout=readout)
    W, b, a = drawn(net, D)
    found = draw_weights(net, D)
    assert np.array_equal(found.readout, a)
    assert len(found.layers) == depth
    for layer, (own, biases) in zip(found.layers, zip(W, b, strict=True), strict=True):
        expected = np.column_stack([own, biases]) if bias else own
        assert np.array_equal(layer, expected)


def test_the_seed_decides():
    X = rows()
    first, again, other = (fg.gram(X, network=network(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


# --- entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("readout", ["rademacher", "gaussian"])
@pytest.mark.parametrize("name", ["relu", "tanh", "hard_tanh"])
def test_entries(kind, depth, bias, readout, name):
    net = network(name, depth, bias_variance=bias, readout=readout)
    X = rows()
    G = fg.gram(X, network=net, kind=kind)
    expected = oracle(net, kind, X)
    assert close(G, expected)
    assert np.array_equal(G, G.T)
    op = fg.GramOperator(X, net, kind=kind)
    assert close(op.diagonal(), np.diag(expected))
    assert close(op.trace(), np.trace(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_every_activation(kind, activation):
    if activation.flat and kind == "gradient":
        pytest.skip("refused")
    X = rows() / 2.0
    net = network(activation, 2, width=20)
    expected = oracle(net, kind, X)
    assert close(fg.gram(X, network=net, kind=kind), expected)
    product = matrix_of(fg.GramOperator(X, net, kind=kind)).entries.factors.multiply(np.eye(N))
    assert close(product, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_normalized(kind, depth, name):
    net = network(name, depth, normalize=True)
    X = rows()
    # the oracle's scale is a plain sum
    assert close(fg.gram(X, network=net, kind=kind), oracle(net, kind, X), 1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_between_two_sets_of_rows(kind, depth, name, dtype):
    net = network(name, depth)
    X, Y = rows()[:9], rows()[9:]
    expected = oracle(net, kind, rows())[:9, 9:]
    found = fg.gram(X, Y, network=net, kind=kind, dtype=dtype)
    assert found.dtype == np.dtype(dtype)
    assert close(found, expected, np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_float32(kind, depth, name):
    net = network(name, depth)
    X = rows()
    op = fg.GramOperator(X, net, kind=kind, dtype="float32")
    expected = oracle(net, kind, X)
    assert op.dense().dtype == np.float32
    assert close(op.dense(), expected, EPS32)
    V = np.random.default_rng(0).standard_normal((N, 2))
    assert close(op @ V, expected @ V, EPS32)


def test_rows_that_are_one():
    net = network("relu", 2)
    X = rows()[:1]
    for kind in KINDS:
        assert close(fg.gram(X, network=net, kind=kind), oracle(net, kind, X))


@pytest.mark.parametrize("size", [5, 8, 64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_tiles_and_threads(size, kind, name, tiles):
    net = network(name, 2)
    X = rows()
    reference = oracle(net, kind, X)
    V = np.random.default_rng(0).standard_normal((N, 3))
    results = []
    for threads in (1, 2, 3):
        tiles(size, threads)
        op = fg.GramOperator(X, net, kind=kind)
        assert op.multiplication(3) == "tiles"
        results.append((op.dense(), op @ V))
    for dense, product in results:
        assert np.array_equal(dense, results[0][0])
        assert np.array_equal(product, results[0][1])
        assert close(dense, reference)
        assert close(product, reference @ V)


# --- bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TWO_VALUED)
@pytest.mark.parametrize("m", [63, 64, 300])
def test_two_valued_derivatives_are_counted(name, m, dtype):
    net = network(name, width=m)
    op = fg.GramOperator(rows(), net, dtype=dtype)
    assert matrix_of(op).entries.two_values is not None
    assert matrix_of(op).entries.row_side.bits is not None
    assert close(op.dense(), oracle(net, "gradient", rows()), np.finfo(dtype).eps)
    assert matrix_of(op).entries.row_side.pairs[0][0] is None  # no array of n·m


@pytest.mark.parametrize(
    ("name", "more"), [("tanh", {}), ("elu", {}), ("relu", {"readout": "gaussian"})]
)
def test_others_are_not(name, more):
    op = fg.GramOperator(rows(), network(name, **more))
    assert matrix_of(op).entries.two_values is None
    op.dense()
    assert matrix_of(op).entries.row_side.bits is None


@pytest.mark.parametrize("zero_row", [0, 100])
def test_a_third_value_at_a_kink(zero_row):
    """The derivative of abs is 0 at 0, where all neurons of a zero row are."""
    X = rows(101)
    X[zero_row] = 0.0
    net = network("abs", bias_variance=0.0)
    op = fg.GramOperator(X, net)
    assert (matrix_of(op).entries._likely_values is None) == (zero_row < 64)
    assert matrix_of(op).entries.two_values is None
    assert close(op.dense(), oracle(net, "gradient", X))
    assert np.all(op.dense()[zero_row] == 0.0)


def test_a_third_value_in_the_other_rows():
    X, Y = rows(), np.zeros((2, D))
    net = network("abs", bias_variance=0.0)
    assert np.array_equal(fg.gram(X, Y, network=net), np.zeros((N, 2)))


# --- products by factors --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("readout", ["rademacher", "gaussian"])
def test_products_by_factors(kind, depth, readout, monkeypatch):
    # blocks that do not divide n, m, d or the number of vectors
    monkeypatch.setattr(type(CPU), "row_block", 8)
    monkeypatch.setattr(factored_product, "_WIDE", 6)
    net = network("elu", depth, readout=readout)
    X = rows()
    factored = matrix_of(fg.GramOperator(X, net, kind=kind)).entries.factors
    expected = oracle(net, kind, X)
    for columns in (1, 3, 40):
        V = np.random.default_rng(0).standard_normal((N, columns))
        found = factored.multiply(V, threads=1)
        assert close(found, expected @ V)
        for threads in (2, 3, 5):
            assert np.array_equal(factored.multiply(V, threads=threads), found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
def test_absolute_factors(kind, depth):
    X = rows()
    op = fg.GramOperator(X, network("tanh", depth), kind=kind)
    sums = matrix_of(op).entries.factors.multiply(np.ones((N, 1)), absolute=True)[:, 0]
    pairs = matrix_of(op).entries.features.pairs(matrix_of(op).entries.row_side.rows)
    expected = np.zeros((N, N))
    for backward, forward in pairs:
        part = np.abs(forward) @ np.abs(forward).T
        expected += part if backward is None else part * (np.abs(backward) @ np.abs(backward).T)
    assert close(sums, np.sum(expected, axis=1))
    assert np.all(sums >= np.sum(np.abs(op.dense()), axis=1) * (1 - 1e-12))


def test_no_array_of_neurons_by_rows_is_made(monkeypatch):
    """A network of one hidden layer holds its rows, and 32 columns of B a thread at the least."""
    made = []
    empty = np.empty

    def counting(shape, *args, **kwargs):
        made.append(int(np.prod(shape)))
        return empty(shape, *args, **kwargs)

    n, m = 300, 3000
    op = fg.GramOperator(rows(n), network("relu", width=m))
    V = rows(n, 2)
    monkeypatch.setattr(factored_product, "_NEURON_BYTES", 1)
    monkeypatch.setattr(np, "empty", counting)
    matrix_of(op).entries.factors.multiply(V)
    assert max(made) <= 32 * n


# --- the choice -----------------------------------------------------------------------------------


def choice(n, m, d, columns, kind="gradient", activation="tanh", depth=1, **options):
    net = network(activation, depth, width=m, bias_variance=0.0)
    return fg.GramOperator(np.ones((n, d)), net, kind=kind, **options).multiplication(columns)


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        ("factored", {"n": 100_000, "m": 10_000, "d": 50, "columns": 1}),
        ("factored", {"n": 100_000, "m": 10_000, "d": 50, "columns": 16}),
        ("factored", {"n": 100_000, "m": 1000, "d": 50, "columns": 32, "activation": "relu"}),
        ("factored", {"n": 20_000, "m": 50, "d": 5, "columns": 16}),
        ("factored", {"n": 50_000, "m": 500, "d": 100, "columns": 16, "kind": "nngp"}),
        ("tiles", {"n": 1000, "m": 10_000, "d": 50, "columns": 16}),
        ("tiles", {"n": 4096, "m": 1000, "d": 100, "columns": 16}),
        # tiles that are not kept cost n²(m + d), or n²(m/50 + d) from bits
        ("factored", {"n": 4096, "m": 1000, "d": 10, "columns": 1, "memory": 0}),
        ("tiles", {"n": 4096, "m": 1000, "d": 784, "columns": 16, "memory": 0}),
        (
            "tiles",
            {"n": 4096, "m": 1000, "d": 50, "columns": 4, "memory": 0, "activation": "relu"},
        ),
        ("factored", {"n": 4096, "m": 1000, "d": 50, "columns": 4, "memory": 0}),
    ],
)
def test_the_cheaper_way(expected, arguments, monkeypatch):
    assert choice(**arguments) == expected
    monkeypatch.setattr(weights, "require_memory", lambda *_: None)
    monkeypatch.setattr(memory, "free_memory", lambda: 10**15)
    assert choice(**arguments) == expected


def test_features_that_no_machine_should_hold_are_left_to_factors(monkeypatch):
    monkeypatch.setattr(entries, "_MOST_FEATURE_BYTES", 1000)
    assert choice(200, 100, 30, 16) == "factored"


def test_infinite_width_is_multiplied_by_tiles():
    op = fg.GramOperator(rows(), "relu")
    assert op.multiplication(1) == "tiles"
    assert matrix_of(op).multiplication_note(1) == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["relu", "tanh"])
@pytest.mark.parametrize("way", ["factored", "tiles"])
def test_eigenvalues(kind, name, way, monkeypatch):
    cost = 0.0 if way == "tiles" else np.inf
    monkeypatch.setattr(FiniteEntries, "_tile_flops", lambda *_: cost)
    X = rows(60, 8)
    op = fg.GramOperator(X, network(name, width=400), kind=kind)
    exact = np.linalg.eigvalsh(op.dense())
    answer = fg.extreme_eigenvalues(op, method="lanczos", block=4)
    assert answer.resolved
    assert answer.converged
    for bracket, value in ((answer.smallest, exact[0]), (answer.largest, exact[-1])):
        assert bracket.lower <= value <= bracket.upper
    words = "products by factors" if way == "factored" else "products by tiles"
    assert words in answer.message
    if way == "factored" and kind == "gradient":
        assert "(4nmd operations a column)" in answer.message
    if way == "tiles" and name == "relu" and kind == "gradient":
        assert "counted from bits" in answer.message
    certified = fg.extreme_eigenvalues(op, method="dense")
    assert certified.smallest.guarantee == "certified"
    assert certified.smallest.lower <= exact[0] <= certified.smallest.upper
    assert "products" not in certified.message


def test_noise_goes_with_the_way(monkeypatch):
    """Row sums and additions are those of the products that were made."""
    op = fg.GramOperator(rows(), network(width=2000))
    V = rows(N, 2)
    by_tiles = matrix_of(op).product_and_row_sums(V)
    sums, additions = matrix_of(op).absolute_row_sums, matrix_of(op).summands
    assert close(sums, np.sum(np.abs(op.dense()), axis=1))
    factored = FactoredProduct(matrix_of(op).entries.factors, CPU, 1.0)
    monkeypatch.setattr(FiniteEntries, "plan", lambda *_: factored)
    assert close(matrix_of(op).product_and_row_sums(V), by_tiles)
    assert np.all(matrix_of(op).absolute_row_sums > sums)
    assert matrix_of(op).summands == matrix_of(op).entries.factors.summands() > additions


# --- errors of entries ----------------------------------------------------------------------------


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no longer floats here")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["relu", "tanh", "abs"])
def test_error_of_the_entries(kind, depth, name, dtype):
    X = rows()
    net = network(name, depth)
    op = fg.GramOperator(X, net, kind=kind, dtype=dtype)
    ideal = oracle(net, kind, X, np.longdouble)
    miss = np.linalg.norm((op.dense() - ideal).astype(float))
    bound = matrix_of(op).entries.norm_error
    assert miss <= bound
    # m or d products an entry, and what further layers make of the first one's z
    assert bound <= 20.0**depth * (M + D + 100) * np.finfo(dtype).eps * np.trace(ideal)


def test_a_neuron_on_a_kink_counts_with_its_jump():
    net = network("relu", bias_variance=0.0, width=50)
    X = rows(10, 2)
    calm = matrix_of(fg.GramOperator(X, net)).entries.norm_error
    w = draw_weights(net, 2).layers[0][7]
    X[3] = [1.0, -w[0] / w[1]]  # z of neuron 7 is a rounding: its side cannot be told
    torn = matrix_of(fg.GramOperator(X, net)).entries.norm_error
    assert torn > 1e-3 > 1e3 * calm


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["step", "polynomial(coefficients=[2.0])"])
def test_a_matrix_of_zeros(name, refuses):
    net = network(name)
    for make in (fg.GramOperator, lambda X, net: fg.gram(X, network=net)):
        with refuses(ValueError, "the derivative of", net.activation.name, "is zero"):
            make(rows(), net)
    assert close(fg.gram(rows(), network=net, kind="ntk"), oracle(net, "nngp", rows()))


def test_memory_for_weights(refuses, monkeypatch):
    with refuses(ValueError, "the weights of 3 layers of width 10000000", "1,600,000", "are free"):
        fg.gram(rows(), network=fg.Network("relu", depth=3, width=10**7))


def test_memory_for_features(refuses, monkeypatch):
    op = fg.GramOperator(rows(), network("tanh"))
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000)
    words = f"{8 * N * (M + D + 1):,} bytes", "10,000 are free", "products by factors"
    with refuses(ValueError, f"features of {N} rows at width {M}", *words):
        op.dense()
    assert close(
        matrix_of(op).entries.factors.multiply(np.eye(N)), oracle(op.network, "gradient", rows())
    )


def test_memory_for_bits(refuses, monkeypatch):
    op = fg.GramOperator(rows(), network("relu"))
    monkeypatch.setattr(memory, "free_memory", lambda: 100)
    with refuses(ValueError, f"bits of {N} rows at width {M}", "100 are free"):
        op.dense()


@pytest.mark.parametrize(("kind", "arrays"), [("gradient", 1), ("ntk", 5)])
def test_memory_for_factors_of_deep_networks(kind, arrays, refuses, monkeypatch):
    op = fg.GramOperator(rows(), network("tanh", 3, bias_variance=0.0), kind=kind)
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    # F of the last layer; with "ntk" B of the two below it too, and F of the second
    need = 8 * N * M * {"gradient": 1, "ntk": 4}[kind]
    with refuses(ValueError, f"{need:,} bytes", "1,000 are free"):
        matrix_of(op).entries.factors.multiply(np.eye(N))


def test_rows_that_overflow(refuses):
    X = rows()
    X[2] *= 1e200
    with refuses(ValueError, "X: the squared norm of row 2 overflows"):
        fg.gram(X, network=network())
    net = network("polynomial(coefficients=[0.0, 0.0, 0.0, 0.0, 1.0])", 2)
    X[2] *= 1e-100
    with refuses(ValueError, "overflow"):
        fg.gram(X, network=net)
    with refuses(ValueError, "overflow"):
        matrix_of(fg.GramOperator(X, net)).entries.factors.multiply(np.eye(N))
    with refuses(ValueError, "entries overflow in float32"):
        fg.gram(
            rows() * 1e8,
            network=network("polynomial(coefficients=[0.0, 0.0, 0.0, 0.0, 0.0, 1.0])"),
            dtype="float32",
        )


# --- convergence ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "depth", "seeds"),
    [
        ("relu", "gradient", 1, 24),
        pytest.param("tanh", "gradient", 1, 24, marks=pytest.mark.slow),
        pytest.param("gelu", "nngp", 1, 24, marks=pytest.mark.slow),
        pytest.param("relu", "ntk", 1, 24, marks=pytest.mark.slow),
        pytest.param("tanh", "ntk", 2, 8, marks=pytest.mark.slow),
    ],
)
def test_wide_networks_tend_to_the_infinite_one(name, kind, depth, seeds):
    """Like 1/√m, over three decades of m, or two and a half."""
    X = rows(6, 3)
    settings = {"depth": depth, "weight_variance": 1.3, "bias_variance": 0.2}
    limit = fg.gram(X, network=fg.Network(name, **settings), kind=kind)
    widths = [10, 32, 100, 316, 1000, 3162, 10_000]
    if depth > 1:
        del widths[-1]  # weights of m² numbers
    errors = []
    for width in widths:
        few = (2 if depth > 1 else 8) if width > 3000 else seeds  # the widest take the longest
        misses = [
            np.linalg.norm(
                fg.gram(X, network=fg.Network(name, width=width, seed=seed, **settings), kind=kind)
                - limit
            )
            for seed in range(few)
        ]
        errors.append(np.mean(misses))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert 0.35 <= -slope <= 0.65
