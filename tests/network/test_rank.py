"""Exact zeros, each rule just inside and just outside its bound."""

from fractions import Fraction
from itertools import permutations
from math import comb

import numpy as np
import pytest

import fastgram as fg
from fastgram.network.rank import rank_bound

KINDS = ("gradient", "nngp", "ntk")


def bound(X, activation, kind="gradient", **options):
    return rank_bound(np.asarray(X, float), fg.Network(activation, **options), kind)[0]


def numerical_rank(X, activation, kind="gradient", **options):
    values = np.linalg.eigvalsh(fg.gram(X, network=fg.Network(activation, **options), kind=kind))
    return int(np.count_nonzero(values > 1e-11 * values[-1]))


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize(
    "coefficients",
    [
        [0, 1, 1],
        [1, 1, 1],
        [0, 0, 1],
        [0, 1, 0, 1],
        pytest.param([2, 0, 0, 3], marks=pytest.mark.slow),
        [0, 1],
        [1],
    ],
)
def test_polynomials_have_the_rank_of_their_monomials(kind, bias, coefficients):
    activation = fg.get_activation("polynomial", coefficients=coefficients)
    for d in (1, 2, 3) if bias == 0.0 else (1, 2):
        X = rows(40, d)
        X /= np.linalg.norm(X, axis=1)[:, None]
        X *= np.random.default_rng(1).uniform(0.5, 2, 40)[:, None]
        known = bound(X, activation, kind, bias_variance=bias)
        if known == 0:
            continue
        # rows in general position: the bound is met, so one row fewer or more decides
        X = X[: known + 3]
        assert numerical_rank(X, activation, kind, bias_variance=bias) <= known
        if known < 40 and bias == 0.0:
            assert numerical_rank(X, activation, kind) == known
        assert bound(X[:known], activation, kind, bias_variance=bias) == known
        assert bound(X[: known + 1], activation, kind, bias_variance=bias) == known


def test_three_points_on_a_line_under_a_quadratic_are_not_singular():
    X = np.array([[1.0], [2.0], [-0.5]])
    network = fg.get_activation("polynomial", coefficients=[1, 1, 1])
    assert bound(X, network, "nngp") == 3
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, network, kind="nngp"))
    assert answer.smallest.lower > 0.0
    assert bound(np.append(X, [[3.0]], axis=0), network, "nngp") == 3


def test_only_columns_that_are_exactly_zero_leave():
    X = np.zeros((30, 6))
    X[:, :3] = rows(30, 3)
    assert bound(X, "linear") == 3
    X[4, 5] = 1e-300
    assert bound(X, "linear") == 4


def test_repeated_rows_bit_for_bit():
    X = rows(20, 4)
    assert bound(X, "tanh") == 20
    X[3] = X[11]
    X[5] = X[11]
    assert bound(X, "tanh") == 18
    X[5, 0] = np.nextafter(X[5, 0], 9)
    assert bound(X, "tanh") == 19


def test_signed_zero_is_zero():
    X = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]])
    assert bound(X, "tanh") == 2


@pytest.mark.slow
def test_opposite_rows():
    X = rows(10, 4)
    X = np.concatenate([X, -X[:4]])
    assert bound(X, "tanh") == bound(X, "abs") == bound(X, "sin", "nngp") == 10
    # neither even nor odd
    assert bound(X, "elu") == bound(X, "sigmoid") == 14
    # a bias tells x from −x
    assert bound(X, "tanh", bias_variance=0.1) == 14
    X[13, 2] = np.nextafter(X[13, 2], 9)
    assert bound(X, "tanh") == 11
    assert numerical_rank(X[:13], "tanh") == 10


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("kind", ["gradient", "nngp"])
def test_pairs_of_opposite_rows_under_relu(activation, kind):
    # the odd part of the kernel is a multiple of ⟨x, y⟩
    X = fg.datasets.circle(200)
    assert 200 - bound(X, activation, kind) == 98
    assert numerical_rank(X, activation, kind) <= 102
    assert bound(X, activation, kind, bias_variance=0.3) == 200
    X = rows(5, 4)
    assert bound(np.concatenate([X, -X]), activation, kind) == 9
    assert bound(np.concatenate([X, -X[:4]]), activation, kind) == 9
    assert numerical_rank(np.concatenate([X, -X]), activation, kind) == 9


def test_circle_relu_gradient_has_ninety_eight_zeros():
    values = np.linalg.eigvalsh(fg.gram(fg.datasets.circle(200), network="relu"))
    assert np.count_nonzero(values < 1e-12 * values[-1]) == 98


def test_proportional_rows_count_once_where_norms_factor_out():
    X = rows(8, 3)
    X = np.concatenate([X, 4.0 * X[:2], X[2:3] * 3.0])
    # times 3 may round: proportional only where every product was exact
    exact = all(3 * Fraction(a) == Fraction(b) for a, b in zip(X[2], X[10], strict=True))
    assert bound(X, "relu") == (8 if exact else 9)
    X[2] = [0.5, 1.25, -7.0]
    X[10] = 3.0 * X[2]
    assert bound(X, "relu") == 8
    assert bound(X, "elu") == 11
    assert bound(X, "relu", bias_variance=1.0) == 11
    assert bound(np.array([[1.0, 2.0], [3.0, 6.0], [2.0, 1.0]]), "relu") == 2
    # opposite directions are not positive multiples, but a parity makes them one
    assert bound(np.array([[1.0, 2.0], [-3.0, -6.0], [2.0, 1.0]]), "relu") == 3
    # near is not equal
    assert bound(np.array([[1.0, 2.0], [3.0, np.nextafter(6.0, 7)], [2.0, 1.0]]), "relu") == 3


def test_zero_rows():
    X = rows(6, 3)
    X[2] = 0.0
    assert bound(X, "tanh") == bound(X, "sigmoid") == bound(X, "tanh", "nngp") == 5
    assert bound(X, "sigmoid", "nngp") == bound(X, "cos", "nngp") == 6
    assert bound(X, "sigmoid", bias_variance=1.0) == 6
    assert bound(np.zeros((3, 2)), "relu") == 0


def test_step_has_no_gradient():
    assert bound(rows(5, 2), "step") == 0
    assert bound(rows(5, 2), "step", "nngp") == 5


def test_a_false_exact_zero_is_never_claimed_on_random_rows():
    for name in fg.activation_names():
        if name in ("step", "linear", "polynomial"):
            continue
        assert bound(rows(30, 3), name) == 30


# --- exact ranks: integer rows and weights, elimination modulo a prime --------------------------

PRIME = (1 << 61) - 1


def exact_rank(matrix):
    """Rank modulo a prime: never above the rank, and below it with probability about 1e-17."""
    rest = [[int(value) % PRIME for value in row] for row in matrix]
    rank = 0
    for column in range(len(rest[0])):
        pivot = next((i for i in range(rank, len(rest)) if rest[i][column]), None)
        if pivot is None:
            continue
        rest[rank], rest[pivot] = rest[pivot], rest[rank]
        top = rest[rank]
        inverse = pow(top[column], PRIME - 2, PRIME)
        for i in range(rank + 1, len(rest)):
            factor = rest[i][column] * inverse % PRIME
            if factor:
                rest[i] = [(a - factor * b) % PRIME for a, b in zip(rest[i], top, strict=True)]
        rank += 1
        if rank == len(rest):
            break
    return rank


def sign(z):
    return (z > 0) - (z < 0)


def polynomial(*coefficients):
    def f(z):
        return sum(c * z**k for k, c in enumerate(coefficients))

    def df(z):
        return sum(k * c * z ** (k - 1) for k, c in enumerate(coefficients) if k)

    return fg.get_activation("polynomial", coefficients=coefficients), f, df


# an activation, and its f and f' on integers, f up to a factor
INTEGER = {
    "relu": ("relu", lambda z: max(z, 0), lambda z: int(z > 0)),
    "abs": ("abs", abs, sign),
    "step": ("step", lambda z: int(z > 0), lambda z: 0),
    "leaky_relu": (
        "leaky_relu(negative_slope=0.5)",
        lambda z: max(2 * z, z),
        lambda z: 2 if z > 0 else 1,
    ),
    "hard_tanh": ("hard_tanh", lambda z: min(max(z, -1), 1), lambda z: int(-1 < z < 1)),
    "relu6": ("relu6", lambda z: min(max(z, 0), 6), lambda z: int(0 < z < 6)),
    "squared_relu": (
        fg.Activation(
            "squared_relu", lambda z: np.maximum(z, 0.0) ** 2, lambda z: 2 * np.maximum(z, 0.0)
        ),
        lambda z: max(z, 0) ** 2,
        lambda z: 2 * max(z, 0),
    ),
    # f' of an even function, but not odd at 0
    "abs_from_the_right": (
        fg.Activation("a", np.abs, lambda z: np.where(z >= 0, 1.0, -1.0), (0.0,), parity=1),
        abs,
        lambda z: 1 if z >= 0 else -1,
    ),
    "z": polynomial(0, 1),
    "1": polynomial(1),
    "0": polynomial(0),
    "1+z": polynomial(1, 1),
    "z+z2": polynomial(0, 1, 1),
    "1+z+z2": polynomial(1, 1, 1),
    "z2": polynomial(0, 0, 1),
    "1+z2": polynomial(1, 0, 1),
    "z3": polynomial(0, 0, 0, 1),
    "z+z3": polynomial(0, 1, 0, 1),
    "2+3z3": polynomial(2, 0, 0, 3),
    "z2+z4": polynomial(0, 0, 1, 0, 1),
    "quartic": polynomial(1, 2, 1, -3, 1),
}


def integers(random, shape, size):
    return random.integers(-size, size + 1, shape).astype(object)


def features(X, name, kind, depth, width, bias, random, size=10**6):
    """Features of a finite network with integer weights of at most `size`, blocks up to factors."""
    _, f, df = INTEGER[name]
    f, df = np.frompyfunc(f, 1, 1), np.frompyfunc(df, 1, 1)
    ones = np.ones((len(X), 1), dtype=object)
    forward, preactivations, weights = [np.asarray(X).astype(object)], [], []
    for _ in range(depth):
        weights.append(integers(random, (width, forward[-1].shape[1]), size))
        shift = integers(random, width, size) if bias else 0
        preactivations.append(forward[-1] @ weights[-1].T + shift)
        forward.append(f(preactivations[-1]))
    if kind == "nngp":
        return forward[-1]
    backward = random.choice(np.array([-1, 1], dtype=object), width) * df(preactivations[-1])
    blocks = [forward[-1]] if kind == "ntk" else []
    for layer in range(depth - 1, -1, -1):
        below = np.concatenate([forward[layer], ones], axis=1) if bias else forward[layer]
        blocks.append((backward[:, :, None] * below[:, None, :]).reshape(len(X), -1))
        if kind == "gradient" or layer == 0:
            break
        backward = (backward @ weights[layer]) * df(preactivations[layer - 1])
    return np.concatenate(blocks, axis=1)


def structured_rows(random, n, d):
    """Integer rows, some of them multiples of others (0, ±1, ±2, ±3), a column sometimes zero."""
    X = random.integers(-9, 10, (n, d))
    for i in range(1, n):
        if random.random() < 0.4:
            X[i] = random.integers(-3, 4) * X[random.integers(i)]
    if d > 1 and random.random() < 0.2:
        X[:, 0] = 0
    return X


@pytest.mark.parametrize("name", INTEGER)
def test_no_false_zero_at_finite_width(name):
    random = np.random.default_rng(list(INTEGER).index(name))
    for trial in range(90):
        n, d, width = (int(k) for k in random.integers(1, [20, 5, 5]))
        depth, bias = 1 + trial % 3, float(random.integers(2))
        kind = KINDS[int(random.integers(3))]
        X = structured_rows(random, n, d)
        # small weights meet w·x = 0, other kinks and neurons without an output all the time
        size = int(random.choice([1, 3, 10**6]))
        options = {"depth": depth, "width": width, "bias_variance": bias}
        known = bound(X, INTEGER[name][0], kind, **options)
        assert known >= exact_rank(features(X, name, kind, depth, width, bias, random, size))


@pytest.mark.parametrize("name", INTEGER)
def test_no_false_zero_at_infinite_width(name):
    # a wide network has the rank of the kernel, where there are enough neurons for these rows
    random = np.random.default_rng(list(INTEGER).index(name))
    for trial in range(40):
        n, d = (int(k) for k in random.integers(1, [9, 4]))
        bias = float(random.integers(2))
        depth, kind = 1 + trial % 2, KINDS[int(random.integers(3))]
        X = structured_rows(random, n, d)
        known = bound(X, INTEGER[name][0], kind, depth=depth, bias_variance=bias)
        assert known >= exact_rank(features(X, name, kind, depth, 16, bias, random))


# --- finite width ------------------------------------------------------------------------------


def general_rows(n, d, seed=0):
    return np.random.default_rng(seed).integers(-1000, 1001, (n, d))


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("bias", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_finite_network_has_the_rank_of_its_features(kind, bias, depth):
    width, d = 3, 4
    first, another = width * (d + bias), width * (width + bias)
    expected = {
        "gradient": first if depth == 1 else another,
        "nngp": width,
        "ntk": first + (depth - 1) * another + width,
    }[kind]
    options = {"depth": depth, "width": width, "bias_variance": 0.5 * bias}
    X = general_rows(expected + 2, d)
    assert bound(X, "sigmoid", kind, **options) == expected
    assert bound(X[:expected], "sigmoid", kind, **options) == expected
    assert bound(X[: expected + 1], "sigmoid", kind, **options) == expected
    assert bound(X[: expected - 1], "sigmoid", kind, **options) == expected - 1
    # met: enough monomials that only the number of features limits the rank
    random = np.random.default_rng(0)
    assert exact_rank(features(X, "quartic", kind, depth, width, bias, random)) == expected
    assert bound(X, INTEGER["quartic"][0], kind, **options) == expected
    # a bound on what gram computes
    assert numerical_rank(X / 1000, "tanh", kind, **options) <= expected


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("bias", [0, 1])
def test_neurons_of_a_homogeneous_activation_can_be_rescaled(depth, bias):
    width, d = 2, 3
    weights = width * (d + bias) + (depth - 1) * width * (width + bias) + width
    options = {"depth": depth, "width": width, "bias_variance": 0.5 * bias}
    X = general_rows(60, d, seed=3)
    assert bound(X, "tanh", "ntk", **options) == weights
    expected = weights - depth * width
    assert bound(X, "leaky_relu", "ntk", **options) == expected
    assert bound(X[: expected + 1], "leaky_relu", "ntk", **options) == expected
    # leaky: no neuron is dead, and each is on different sides on different rows
    ranks = [
        exact_rank(
            features(X, "leaky_relu", "ntk", depth, width, bias, np.random.default_rng(seed), 1000)
        )
        for seed in range(20)
    ]
    assert max(ranks) == expected


def test_finite_width_counts_columns_that_are_not_zero_and_distinct_rows():
    X = np.zeros((30, 6))
    X[:, :3] = rows(30, 3)
    options = {"width": 4}
    assert bound(X, "tanh", **options) == 12
    assert bound(X, "tanh", bias_variance=1.0, **options) == 16
    X[4, 5] = 1e-300
    assert bound(X, "tanh", **options) == 16
    # repeated rows count until the weights do
    X[11:] = X[0]
    assert bound(X, "tanh", **options) == 11
    X[11, 0] = np.nextafter(X[11, 0], 9)
    assert bound(X, "tanh", **options) == 12


@pytest.mark.parametrize("width", [3, None])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_flat_activations_keep_the_readout_alone(depth, width):
    X = rows(5, 3)
    options = {"depth": depth, "width": width}
    assert bound(X, "step", "gradient", **options) == 0
    assert bound(X, "step", "ntk", **options) == bound(X, "step", "nngp", **options)
    assert bound(X, "step", "ntk", **options) == (width or 5)
    assert bound(X, fg.get_activation("polynomial", coefficients=[2]), "ntk", **options) == 1


# --- polynomials through layers ----------------------------------------------------------------


@pytest.mark.parametrize("bias", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "depth", "d", "expected"),
    [
        ("z", 3, 4, 4),
        ("z+z2", 2, 1, 4),
        ("z+z2", 2, 2, 2 + 3 + 4 + 5),
        ("z2", 2, 2, 5),
        ("z2", 3, 2, 9),
        ("z3", 2, 2, 10),
        ("z+z3", 2, 1, 5),  # degrees 1, 3, 5, 7, 9
        ("z2+z4", 2, 1, 7),  # degrees 4, 6, …, 16
        ("1+z2", 2, 2, 1 + 3 + 5),
        ("2+3z3", 2, 1, 4),  # degrees 0, 3, 6, 9
    ],
)
def test_polynomials_through_layers(name, depth, d, expected, kind, bias):
    activation, _, _ = INTEGER[name]
    degree = max(activation.powers) ** depth
    if bias:
        expected = comb(d + degree, degree)
    X = general_rows(expected + 2, d)
    options = {"depth": depth, "bias_variance": 0.5 * bias}
    assert bound(X, activation, kind, **options) == expected
    assert bound(X[: expected + 1], activation, kind, **options) == expected
    assert bound(X[:expected], activation, kind, **options) == expected
    # exactly the rank that a network of many neurons has, so the limit has it too
    wide = features(
        X, name, kind, depth, 60 if kind == "nngp" else 12, bias, np.random.default_rng(1)
    )
    assert exact_rank(wide) == expected
    # and no less than any finite network's
    assert bound(X, activation, kind, width=60, **options) <= expected


def test_degrees_in_a_gradient_leave_out_the_constant_of_the_last_layer():
    activation = INTEGER["1+z+z2"][0]
    X = np.array([[1.0], [2.0], [-0.5], [3.0]])
    assert bound(X, activation, "gradient") == 2
    assert bound(X, activation, "nngp") == bound(X, activation, "ntk") == 3
    # below the last layer it is there, so that products with it are of degree 0 too
    X = np.arange(1.0, 8.0)[:, None]
    assert bound(X, activation, "gradient", depth=2) == 5
    assert bound(X, activation, "nngp", depth=2) == 5


def test_a_finite_linear_network_sees_no_more_dimensions_than_its_first_layer_has_neurons():
    X = general_rows(30, 5)
    options = {"depth": 2, "width": 3}
    assert bound(X, "linear", "gradient", **options) == 3
    assert bound(X, "linear", "ntk", **options) == 5
    assert bound(X, "linear", "gradient", bias_variance=1.0, **options) == 4
    for kind, bias in (("gradient", 0), ("ntk", 0), ("gradient", 1)):
        exact = exact_rank(features(X, "z", kind, 2, 3, bias, np.random.default_rng(0)))
        assert exact == bound(X, "linear", kind, bias_variance=float(bias), **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("d", [1, 2, 5, 700])
@pytest.mark.parametrize("depth", [5, 1000])
def test_astronomical_degrees_claim_nothing_and_cost_nothing(kind, bias, d, depth):
    X = rows(200, d)
    for coefficients in ([0, 1, 1], [1, 0, 1], [0] * 60 + [1, 0, 1]):
        activation = fg.get_activation("polynomial", coefficients=coefficients)
        known = bound(X, activation, kind, depth=depth, bias_variance=bias)
        assert known == 200 or (depth, d) == (5, 1)
    assert bound(X, "linear", kind, depth=depth) == min(d, 200)
    cube = fg.get_activation("polynomial", coefficients=[0, 0, 0, 1])
    assert bound(X, cube, kind, depth=depth) == (1 if d == 1 else 200)


# --- rows that belong together, in deeper and finite networks ----------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("width", [None, 50])
def test_classes_of_rows_of_every_kind_depth_and_width(kind, depth, width):
    options = {"depth": depth, "width": width}
    # rows of one norm, no two of them parallel, whose products with 3 are exact
    X = np.array(list(permutations([0.25, 0.5, 0.75, 1.0])))[::2][:9]
    opposite, longer = np.concatenate([X, -X[:3]]), np.concatenate([X, 4.0 * X[:3]])
    equal, zero = np.concatenate([X, X[:3]]), np.concatenate([X, np.zeros((1, 4))])
    for name, Y, expected in [
        ("tanh", opposite, 9),
        ("abs", opposite, 9),
        ("elu", opposite, 12),
        ("relu", longer, 9),
        ("elu", longer, 12),
        ("abs", np.concatenate([longer, -3.0 * longer]), 9),
        ("elu", equal, 9),
        ("tanh", zero, 9),
        ("relu", zero, 9),
        ("softplus", zero, 9 if kind == "gradient" and depth == 1 else 10),
    ]:
        assert bound(Y, name, kind, **options) == expected
        assert bound(Y, name, kind, bias_variance=0.5, **options) == (
            9 if name == "elu" and Y is equal else len(Y)
        )
        if name in ("abs", "relu") or Y is opposite:  # no table over norms to build
            assert numerical_rank(Y, name, kind, **options) <= expected
    # one unit in the last place apart is another row
    for Y in (equal, opposite, longer):
        Y[-1, 0] = np.nextafter(Y[-1, 0], 9.0)
    assert bound(equal, "elu", kind, **options) == 10
    assert bound(opposite, "tanh", kind, **options) == 10
    assert bound(longer, "relu", kind, **options) == 10


def test_pairs_under_relu_where_the_kernel_splits():
    X = fg.datasets.circle(200)
    for kind in ("gradient", "nngp", "ntk"):
        assert bound(X, "relu", kind) == 102
        # a layer above mixes the parts
        assert bound(X, "relu", kind, depth=2) == 200
    assert numerical_rank(X, "relu", "ntk") <= 102
    # at finite width f splits, f' is a matter of convention at w·x = 0
    assert bound(X, "relu", "nngp", width=500) == 102
    assert bound(X, "relu", "gradient", width=500) == bound(X, "relu", "ntk", width=500) == 200
    assert bound(X, "relu", "nngp", width=500, depth=2) == 200
    # pairs are of directions: −3x is opposite to x
    X = general_rows(8, 2)
    X = np.concatenate([X, -3.0 * X])
    assert bound(X, "relu") == 10
    assert bound(X, "relu", width=500) == 16
    # the step is a constant plus an odd function
    assert bound(X, "step", "nngp") == bound(X, "step", "ntk") == 9
    assert bound(X, "step", "nngp", width=500) == bound(X, "step", "nngp", depth=2) == 16
    assert bound(X[[0, 1, 8]], "step", "nngp") == 3


def test_a_convention_at_a_kink_matters_at_finite_width_alone():
    activation = INTEGER["abs_from_the_right"][0]
    X = general_rows(6, 3)
    X = np.concatenate([X, -X])
    assert bound(X, activation) == 6
    assert bound(X, activation, width=50) == 12
    # homogeneous of power 2, where f' is not 0 at 0 as declared
    activation = fg.Activation("b", lambda z: z * np.abs(z), lambda z: 2 * np.abs(z) + (z == 0))
    X = np.concatenate([X[:6], 2.0 * X[:6]])
    assert bound(X, activation) == 6
    assert bound(X, activation, width=50) == 12


def test_constants_keep_zero_rows():
    constant = fg.get_activation("polynomial", coefficients=[1])
    box = fg.Activation("box", np.ones_like, np.zeros_like, flat=True)
    for X in (np.zeros((4, 2)), np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [-1.0, 3.0]])):
        assert bound(X, constant, "nngp") == 1
        assert 1 <= bound(X, box, "nngp") <= 3


def test_reasons_say_what_the_fact_is():
    def reason(X, activation, kind="gradient", **options):
        return rank_bound(np.asarray(X, float), fg.Network(activation, **options), kind)[1]

    X = general_rows(60, 4)
    assert reason(X, "tanh", width=3) == (
        "a network of width 3 in 4 columns that are not all zero has 12 weights in its hidden layer"
    )
    assert "15 weights and biases" in reason(X, "tanh", width=3, bias_variance=1.0)
    assert "9 weights in its last hidden layer" in reason(X, "tanh", width=3, depth=2)
    assert "3 neurons in its last hidden layer" in reason(X, "tanh", "nngp", width=3, depth=2)
    assert "24 weights" in reason(X, "tanh", "ntk", width=3, depth=2)
    assert "6 of them redundant" in reason(X, "relu", "ntk", width=3, depth=2)
    assert reason(X[:, :3], "polynomial", depth=2) == (
        "polynomial composed 2 times has 34 monomials in 3 columns that are not all zero"
    )
    assert reason(X, "linear", depth=2, width=3).endswith("in the 3 neurons of its first layer")
    assert reason(X, "tanh") == reason(X[:12], "tanh", width=3) == ""
