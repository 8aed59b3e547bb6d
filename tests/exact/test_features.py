"""Finite width in balls: entries against differences of the network in mpmath, and float64's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mpmath import mp, mpf

import fastgram as fg
from fastgram.exact.built_in import formula_of
from fastgram.finite_width.entries import FiniteEntries

flint = pytest.importorskip("flint")
from flint import arb, ctx  # noqa: E402

from fastgram.exact.features import DrawnNetwork  # noqa: E402

KINDS = ("gradient", "nngp", "ntk")
X = np.array([[0.5, -1.25], [2.0, 0.75], [-0.3, 0.1], [1.0, 1.0]])
ALPHA, SCALE = mpf(1.6732632423543772), mpf(1.0507009873554805)  # as float64 has them
FUNCTIONS = {
    "relu": lambda z: max(z, mpf(0)),
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "selu": lambda z: SCALE * (z if z > 0 else ALPHA * mp.expm1(z)),
    "leaky_relu": lambda z: z if z > 0 else mpf(0.01) * z,
    "celu(alpha=0.7)": lambda z: z if z > 0 else mpf(0.7) * mp.expm1(z / mpf(0.7)),
    "relu6": lambda z: min(max(z, mpf(0)), mpf(6)),
    "hard_tanh": lambda z: min(max(z, mpf(-1)), mpf(1)),
    "tanh": mp.tanh,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "swish(beta=2.0)": lambda z: z / (1 + mp.exp(-2 * z)),
    "gelu": lambda z: z * mp.ncdf(z),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "erf": mp.erf,
    "sin": mp.sin,
    "cos": mp.cos,
    "abs": abs,
    "polynomial(coefficients=[0.5, 0.0, 1.0, 0.25])": lambda z: mpf(0.5) + z**2 + z**3 / 4,
}


class Network:
    """A network of finite width in mpmath, by its definition; gradients are differences."""

    def __init__(self, net, d, moment=1):
        random, m = np.random.default_rng(net.seed), net.width
        biased = net.bias_variance > 0
        self.layers = []
        for fan in [d] + [m] * (net.depth - 1):
            drawn = random.standard_normal((m, fan))
            biases = random.standard_normal(m) if biased else np.zeros(m)
            self.layers.append([list(map(mpf, row)) for row in np.c_[drawn, biases].tolist()])
        gaussian = net.readout == "gaussian"
        drawn = random.standard_normal(m) if gaussian else random.choice([-1.0, 1.0], m)
        self.readout = list(map(mpf, drawn.tolist()))
        self.width, self.biased = m, biased
        self.weight, self.bias = mp.sqrt(mpf(net.weight_variance)), mp.sqrt(mpf(net.bias_variance))
        f = FUNCTIONS[net.activation.name]
        self.f = lambda z: f(z) / mp.sqrt(moment)

    def hidden(self, x):
        values, divisor = list(x), mpf(1)
        for layer in self.layers:
            inputs = [self.weight * v / divisor for v in values] + [self.bias]
            z = [mp.fsum(w * v for w, v in zip(row, inputs, strict=True)) for row in layer]
            values, divisor = [self.f(value) for value in z], mp.sqrt(self.width)
        return values

    def output(self, x):
        return mp.fsum(a * v for a, v in zip(self.readout, self.hidden(x), strict=True)) / mp.sqrt(
            self.width
        )

    def gradient(self, x, kind):
        """The gradient by central differences of 1e-30, right to 1e-60 where no kink is so near."""
        step = mpf(10) ** -30
        layers = self.layers if kind == "ntk" else self.layers[-1:]
        rows = [row for layer in layers for row in layer]
        rows += [self.readout] if kind == "ntk" else []
        found = []
        for row in rows:
            last = len(row) - (0 if row is self.readout or self.biased else 1)
            for k in range(last):
                kept, ends = row[k], []
                for sign in (1, -1):
                    row[k] = kept + sign * step
                    ends.append(self.output(x))
                row[k] = kept
                found.append((ends[0] - ends[1]) / (2 * step))
        return found

    def gram(self, rows, kind):
        if kind == "nngp":
            features = [[v / mp.sqrt(self.width) for v in self.hidden(x)] for x in rows]
        else:
            features = [self.gradient(x, kind) for x in rows]
        return [[mp.fdot(a, b) for b in features] for a in features]


def balls(rows, net, kind, bits=160, unit=False):
    with ctx.workprec(bits + 64):
        return DrawnNetwork(rows, unit, net, kind, formula_of(net.activation)).gram(bits)


def middle(A):
    n = A.nrows()
    return np.array([float(entry.mid()) for entry in A.entries()]).reshape(n, n)


def widest(A):
    return max(float(entry.rad()) for entry in A.entries())


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("depth", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_entries_against_differences(name, depth):
    net = fg.Network(name, depth=depth, width=3, seed=5, weight_variance=1.5, bias_variance=0.25)
    with mp.workdps(110), ctx.workprec(300):
        rows = [list(map(mpf, row)) for row in X.tolist()]
        for kind in KINDS:
            expected = Network(net, 2).gram(rows, kind)
            A = balls(X, net, kind, 200)
            assert widest(A) < 1e-50 * abs(middle(A)).max()
            for i, j in itertools.product(range(4), range(4)):
                gap = abs(A[i, j].mid() - arb(mp.nstr(expected[i][j], 70)))
                assert gap < 1e-50 * abs(middle(A)).max()


def test_unit_rows_and_normalisation_against_differences():
    net = fg.Network("relu", 2, 3, normalize=True, readout="gaussian", seed=1)  # E φ² = 1/2
    with mp.workdps(110), ctx.workprec(300):
        norms = [mp.sqrt(mp.fsum(mpf(v) ** 2 for v in row)) for row in X.tolist()]
        rows = [[mpf(v) / norm for v in row] for row, norm in zip(X.tolist(), norms, strict=True)]
        expected = Network(net, 2, moment=mpf(1) / 2).gram(rows, "ntk")
        A = balls(X, net, "ntk", 200, unit=True)
        for i, j in itertools.product(range(4), range(4)):
            assert abs(A[i, j].mid() - arb(mp.nstr(expected[i][j], 70))) < 1e-50


def test_eigenvalues_to_the_digits_that_are_asked_for():
    net = fg.Network("tanh", width=2, seed=3)
    rows = X[:3]
    answer = fg.exact_extreme_eigenvalues(rows, net, rows="raw", digits=30)
    with mp.workdps(80):
        A = mp.matrix(
            Network(net, 2).gram([list(map(mpf, row)) for row in rows.tolist()], "gradient")
        )
        values = sorted(mp.eigsy(A, eigvals_only=True))
        for value, digits in (
            (values[0], answer.smallest_digits),
            (values[-1], answer.largest_digits),
        ):
            assert abs(mpf(digits) - value) < mpf(10) ** -29 * value
    assert answer.smallest.guarantee == answer.largest.guarantee == "certified"
    assert answer.smallest.lower < answer.smallest.upper < answer.largest.lower


DEEP = {"depth": 3, "bias_variance": 0.3, "normalize": True}
DEEP_ONES = ("relu", "erf", "sigmoid", "selu", "hard_tanh", "step", "polynomial")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in fg.activation_names()), *((name, DEEP) for name in DEEP_ONES)],
)
def test_float64_is_within_its_stated_error(name, options):
    rows = np.random.default_rng(0).standard_normal((9, 4))
    rows[3], rows[4] = 0.0, -rows[2]  # a row on every kink at 0, and opposite ones
    for readout, kind in (*(("rademacher", kind) for kind in KINDS), ("gaussian", "ntk")):
        net = fg.Network(name, width=6, seed=2, readout=readout, **options)
        if net.is_zero(kind):
            continue
        A = balls(rows, net, kind)
        found = fg.gram(rows, network=net, kind=kind)
        stated = FiniteEntries.of(net, kind, rows, None, np.dtype(np.float64)).norm_error
        assert np.linalg.norm(found - middle(A), 2) <= stated
        assert widest(A) < 1e-40 * np.max(np.abs(found))


@pytest.mark.parametrize("name", ["relu", "abs", "leaky_relu(negative_slope=-1.0)", "elu", "step"])
def test_a_zero_row_is_on_the_kink_and_float64_says_what_that_is(name):
    rows = np.vstack([X, np.zeros(2)])
    for depth, kind in itertools.product((1, 2), ("nngp", "ntk")):
        net = fg.Network(name, depth=depth, width=4, seed=0)
        A = balls(rows, net, kind)
        assert widest(A) < 1e-40
        expected = fg.gram(rows, network=net, kind=kind)
        assert np.allclose(middle(A), expected, rtol=1e-13, atol=1e-13)
    answer = fg.exact_extreme_eigenvalues(rows, fg.Network("relu", width=9), rows="raw")
    assert answer.smallest_digits == "0"  # the zero row's features are 0
    assert "1 zero rows" in answer.message


def test_a_layer_without_an_active_neuron():
    net = fg.Network("relu", depth=3, width=1, seed=1)
    A = balls(X, net, "ntk")
    assert np.allclose(middle(A), fg.gram(X, network=net, kind="ntk"), rtol=1e-13, atol=0)
    assert np.any(middle(A) == 0.0)
    assert widest(A) < 1e-40


@pytest.mark.parametrize(
    ("options", "kind", "rank", "told"),
    [
        ({"width": 2}, "gradient", 4, "4 weights in its hidden layer"),
        ({"width": 3}, "nngp", 3, "3 neurons in its last hidden layer"),
        ({"width": 2, "depth": 2}, "gradient", 4, "4 weights in its last hidden layer"),
        ({"width": 1, "bias_variance": 1.0}, "ntk", 4, "4 weights and biases"),
    ],
)
@pytest.mark.parametrize("rows", ["unit", "raw"])
def test_fewer_parameters_than_rows_are_an_exact_zero(options, kind, rank, told, rows):
    Z = np.vstack([X, 0.5 * X[:1] + X[1:2]])
    answer = fg.exact_extreme_eigenvalues(Z, fg.Network("tanh", **options), kind, rows)
    assert answer.rank_bound == rank
    assert answer.smallest_digits == "0"
    assert answer.smallest.guarantee == "exact"
    assert told in answer.message
    with ctx.workprec(400):  # it is no more than a number of the arithmetic's
        A = balls(Z, fg.Network("tanh", **options), kind, 300, rows == "unit")
        values = np.linalg.eigvalsh(middle(A))
    assert np.sum(np.abs(values) > 1e-12 * values[-1]) == rank


def test_what_is_allowed_at_finite_width_alone():
    rows = np.random.default_rng(1).standard_normal((12, 2)) * np.arange(1, 13)[:, None]
    answer = fg.exact_extreme_eigenvalues(rows, fg.Network("gelu", width=8, seed=4), rows="raw")
    assert answer.smallest_digits  # of any number of norms
    bracket = fg.extreme_eigenvalues(fg.GramOperator(rows, fg.Network("gelu", width=8, seed=4)))
    for end in ("smallest", "largest"):
        true, found = getattr(answer, end), getattr(bracket, end)
        assert found.lower <= true.lower <= true.upper <= found.upper
