"""Exact zeros, each rule just inside and just outside its bound."""

from fractions import Fraction

import numpy as np
import pytest

import fastgram as fg
from fastgram._rank import rank_bound


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
    "coefficients", [[0, 1, 1], [1, 1, 1], [0, 0, 1], [0, 1, 0, 1], [2, 0, 0, 3], [0, 1], [1]]
)
def test_polynomials_have_the_rank_of_their_monomials(kind, bias, coefficients):
    activation = fg.get_activation("polynomial", coefficients=coefficients)
    for d in (1, 2, 3):
        X = rows(40, d)
        X /= np.linalg.norm(X, axis=1)[:, None]
        X *= np.random.default_rng(1).uniform(0.5, 2, 40)[:, None]
        known = bound(X, activation, kind, bias_variance=bias)
        if known == 0:
            continue
        # rows in general position: the bound is met, so one row fewer or more decides
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
