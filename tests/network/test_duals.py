"""fg.dual against 20-digit values from mpmath, and activations of one's own."""

from __future__ import annotations

import itertools
import json
from decimal import Context, Decimal
from pathlib import Path

import numpy as np
import pytest
from helpers.oracles.make_dual_values import gauss_legendre
from helpers.tolerances import DUAL, EPS, FEW
from mpmath import mp, mpf

import fastgram as fg
from fastgram import Activation, dual, get_activation

VALUES = json.loads((Path(__file__).parents[1] / "data" / "dual_values.json").read_text("utf-8"))
EXACT = Context(prec=40)


def name_of(record):
    return get_activation(record["activation"], **record["parameters"]).name


def case_of(record):
    return f"{name_of(record)} f{'′' * record['derivative']}"


CASES = {key: list(group) for key, group in itertools.groupby(VALUES, key=case_of)}


def test_the_oracle_has_every_record_of_the_table():
    assert len(VALUES) == 1500
    assert {name_of(record) for record in VALUES} >= {
        get_activation(name).name for name in fg.activation_names()
    }
    assert {len(group) for group in CASES.values()} == {30}


def magnitude(records, q1, q2):
    """At least E|f(u)f(v)|: the root of E f(u)² E f(v)², where those are among the records."""
    squares = [
        float(r["value"])
        for q in (q1, q2)
        for r in records
        if (r["rho"], r["q1"], r["q2"]) == (1.0, q, q)
    ]
    return np.sqrt(np.prod(squares)) if len(squares) == 2 else 0.0


def columns(records, *names):
    return (np.array([r[name] for r in records]) for name in names)


@pytest.mark.parametrize("case", CASES)
def test_dual_against_mpmath(case):
    """Relative to max(1, |value|), or a rounding of the integrand where polynomials cancel."""
    records = CASES[case]
    activation = get_activation(records[0]["activation"], **records[0]["parameters"])
    misses = []
    values = dual(activation, *columns(records, "rho", "q1", "q2"), records[0]["derivative"])
    for r, value in zip(records, values, strict=True):
        exact = Decimal(r["value"])
        error = float(abs(EXACT.subtract(Decimal(float(value)), exact)))
        allowed = DUAL * max(1.0, abs(float(exact)))
        if case.startswith("polynomial"):
            allowed = max(allowed, EPS * magnitude(records, r["q1"], r["q2"]))
        if not error <= allowed:
            misses.append((r["rho"], r["q1"], r["q2"], r["value"], float(value)))
    assert misses == []


def test_broadcasting():
    rho, q1, q2 = np.array([[-0.5], [0.0], [0.3]]), np.array([1.0, 2.0, 0.5, 4.0]), 0.7
    table = dual("relu", rho, q1, q2)
    assert table.shape == (3, 4)
    assert table.dtype == np.float64
    for i, j in np.ndindex(3, 4):
        assert table[i, j] == pytest.approx(
            dual("relu", float(rho[i, 0]), float(q1[j]), q2), rel=FEW * EPS
        )
    assert dual("relu", np.zeros((2, 0))).shape == (2, 0)
    assert dual("relu", [0.1]).shape == (1,)


def test_a_scalar_for_scalars():
    for rho in (0.5, 1, np.float64(0.5), np.array(0.5), True):
        assert type(dual("relu", rho)) is np.float64


def test_real_numbers_of_any_dtype():
    exact = dual("relu", [-1.0, 0.0, 0.5])
    assert np.array_equal(dual("relu", np.array([-1.0, 0.0, 0.5], np.float32)), exact)
    assert np.array_equal(dual("relu", np.array([-1, 0, 1])), dual("relu", [-1.0, 0.0, 1.0]))
    assert dual("relu", 0.5, np.int8(4), True) == dual("relu", 0.5, 4.0, 1.0)


def test_a_variance_of_zero_is_the_value_at_zero():
    assert dual("sigmoid", 0.3, 0.0, 1.0) == pytest.approx(0.25, abs=FEW * EPS)
    assert dual("cos", 0.3, 0.0, 1.0) == pytest.approx(np.exp(-0.5), abs=FEW * EPS)
    assert dual("softplus", -1.0, 0.0, 0.0) == pytest.approx(np.log(2.0) ** 2, abs=FEW * EPS)
    assert dual("step", 0.3, 0.0, 1.0) == 0.0
    assert dual("relu6", 0.3, 0.0, 0.0) == 0.0


def test_exchanging_the_variances(activation):
    for rho in (-0.8, 0.3):
        first = dual(activation, rho, 0.3, 2.0)
        assert dual(activation, rho, 2.0, 0.3) == pytest.approx(first, abs=DUAL)


def test_a_record_is_what_its_name_says():
    for name in ("leaky_relu(negative_slope=0.3)", get_activation("leaky_relu(negative_slope=.3)")):
        assert dual(name, 0.0) == pytest.approx(0.49 / (2 * np.pi), abs=FEW * EPS)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("relu", 1.0 + 2 * EPS), ValueError, ["rho must lie in [-1, 1]"]),
        (("relu", [-0.5, -1.5]), ValueError, ["rho must lie in [-1, 1]"]),
        (("relu", np.nan), ValueError, ["rho must lie in [-1, 1]"]),
        (("relu", 0.5, -1.0), ValueError, ["q1 must be a finite variance"]),
        (("relu", 0.5, np.inf), ValueError, ["q1 must be a finite variance"]),
        (("relu", 0.5, 1.0, [1.0, np.nan]), ValueError, ["q2 must be a finite variance"]),
        (("relu", 0.5j), TypeError, ["rho"]),
        (("relu", "half"), TypeError, ["rho"]),
        (("relu", 0.5, None), TypeError, ["q1 must hold real numbers"]),
        (("relu", [0.1, 0.2], [1.0, 2.0, 3.0]), ValueError, ["shape"]),
        (("tanj", 0.5), ValueError, ["did you mean 'tanh'?"]),
        ((np.tanh, 0.5), TypeError, ["an activation is a name or an Activation"]),
    ],
)
def test_bad_arguments(arguments, error, words, refuses):
    with refuses(error, *words):
        dual(*arguments)


# --- activations of one's own --------------------------------------------------------------------


def hinge(kink, declared=True):
    return Activation(
        f"hinge at {kink}",
        lambda z: np.maximum(z - kink, 0.0),
        lambda z: (z > kink).astype(float),
        kinks=(kink,) if declared else (),
    )


@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("kink", [0.7, -1.3, 1e-3, 3.0])
def test_an_undeclared_kink_is_refused(kink, derivative, refuses):
    with refuses(ValueError, f"'hinge at {kink}'", "kinks=", "variances 1 and 1"):
        dual(hinge(kink, declared=False), 0.3, derivative=derivative)
    declared = dual(hinge(kink), 0.3, derivative=derivative)
    assert np.isfinite(declared)


@pytest.mark.slow
@pytest.mark.parametrize("kink", [0.7, 12.0])
def test_a_kink_of_the_second_derivative_alone(kink):
    """Refused, or right without being declared: never wrong."""

    def softened(kinks):
        return Activation(
            "softened",
            lambda z: np.maximum(z - kink, 0.0) ** 3,
            lambda z: 3.0 * np.maximum(z - kink, 0.0) ** 2,
            kinks=kinks,
        )

    declared = dual(softened((kink,)), 0.3)
    undeclared, message = declared, "kinks="
    try:
        undeclared = dual(softened(()), 0.3)
    except ValueError as error:
        message = str(error)
    assert "kinks=" in message
    assert undeclared == pytest.approx(declared, abs=DUAL * max(1.0, declared))


@pytest.mark.slow
def test_one_that_grows_too_fast_is_refused(refuses):
    gaussian = Activation("exp(z²)", lambda z: np.exp(z * z), lambda z: 2 * z * np.exp(z * z))
    for variance in (1.0, 4.0):
        with refuses(ValueError, "'exp(z²)'", "variance"):
            dual(gaussian, 0.5, variance, variance)
    with refuses(ValueError, "is not finite", "grow more slowly"):
        dual(gaussian, 0.5, 4.0, 4.0)
    # where the integral exists, E exp(u² + v²) = det(I − 2Σ)^(−1/2)
    assert dual(gaussian, 0.3, 0.1, 0.1) == pytest.approx((0.8**2 - 0.06**2) ** -0.5, rel=DUAL)
    exponential = Activation("exp", np.exp, np.exp)
    with refuses(ValueError, "'exp'", "lower the variance"):
        dual(exponential, 0.5, 100.0, 100.0)
    for q in (0.1, 1.0, 4.0):
        assert dual(exponential, 0.3, q, q) == pytest.approx(np.exp(1.3 * q), rel=DUAL)


def test_one_that_is_not_finite_is_refused(refuses):
    with np.errstate(divide="ignore"), refuses(ValueError, "is not finite"):
        dual(Activation("nan", lambda z: np.full_like(z, np.nan), np.zeros_like), 0.5)


def test_a_constant():
    two = Activation("two", lambda z: np.full_like(z, 2.0), np.zeros_like)
    rho = np.array([-1.0, -0.4, 0.0, 0.99, 1.0])
    assert np.allclose(dual(two, rho, 0.1, 30.0), 4.0, rtol=0.0, atol=4 * DUAL)
    assert np.array_equal(dual(two, rho, derivative=True), np.zeros(5))


def test_a_function_that_returns_a_scalar():
    two = Activation("two", lambda z: 2.0, lambda z: 0.0)
    assert dual(two, 0.3) == pytest.approx(4.0, rel=DUAL)


@pytest.mark.slow
def test_one_of_your_own_equal_to_a_record():
    mine = Activation("mine", lambda z: np.maximum(z, 0.0), lambda z: 1.0 * (z > 0.0), [0.0])
    clip = Activation("mine", lambda z: np.clip(z, -1, 1), lambda z: 1.0 * (abs(z) < 1), [-1, 1])
    for own, name in ((mine, "relu"), (clip, "hard_tanh")):
        for derivative in (False, True):
            rho = np.array([-1.0, -0.3, 0.2, 0.999, 1.0])
            expected = dual(name, rho, 1.3, 0.4, derivative)
            assert np.allclose(dual(own, rho, 1.3, 0.4, derivative), expected, rtol=0, atol=DUAL)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_a_multiple_is_exact_relative_to_its_size(scale):
    """The promise is relative to max(1, |value|): large values keep their digits."""
    big = Activation("big", lambda z: scale * np.tanh(z), lambda z: scale / np.cosh(z) ** 2)
    for rho in (-0.5, 0.5, 1.0):
        expected = scale**2 * dual("tanh", rho)
        assert dual(big, rho) == pytest.approx(expected, abs=DUAL * max(1.0, abs(expected)))


def nested_mean(f, kink, rho, q1, q2):
    """E[f(u)f(v)] in mpmath: Gauss-Legendre in x, and for each node in y, split at the kink."""
    s1, s2, s = mp.sqrt(q1), mp.sqrt(q2), mp.sqrt(1 - rho * rho)
    legendre = gauss_legendre(16)

    def rule(cut):
        cuts = sorted({mpf(z) for z in range(-9, 10, 2)} | ({cut} if abs(cut) < 9 else set()))
        for low, high in itertools.pairwise(cuts):
            half = (high - low) / 2
            for node, weight in legendre:
                z = (low + high) / 2 + half * node
                yield z, half * weight * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)

    total = mpf(0)
    for x, weight in rule(kink / s1):
        inner = mp.fsum(w * f(s2 * (rho * x + s * y)) for y, w in rule((kink / s2 - rho * x) / s))
        total += weight * f(s1 * x) * inner
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("derivative", "point"),
    [
        (False, (0.5, 1.0, 1.0)),
        pytest.param(True, (-0.75, 2.0, 0.5), marks=pytest.mark.slow),
    ],
)
def test_a_kink_away_from_zero_against_mpmath(derivative, point):
    """A hinge at 0.7 upon a sine, by a quadrature that knows f and the kink alone."""
    activation = Activation(
        "hinge and sine",
        lambda z: np.maximum(z - 0.7, 0.0) + 0.3 * np.sin(2.0 * z),
        lambda z: (z > 0.7) + 0.6 * np.cos(2.0 * z),
        kinks=[0.7],
    )
    kink = mpf(0.7)

    def f(z):
        if derivative:
            return (1 if z > kink else 0) + mpf(0.6) * mp.cos(2 * z)
        return max(z - kink, mpf(0)) + mpf(0.3) * mp.sin(2 * z)

    with mp.workdps(22):
        exact = nested_mean(f, kink, *map(mpf, point))
        error = abs(mpf(float(dual(activation, *point, derivative=derivative))) - exact)
    assert error <= DUAL * max(1, abs(exact))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "derivative"), [("tanh", True), ("sigmoid", True), ("erf", True)])
def test_what_is_narrower_than_any_panel_is_not_taken_for_zero(name, derivative):
    """At a variance of 1e30 E f'² is ∫f'² times the density at 0."""
    integral = {"tanh": 4.0 / 3.0, "sigmoid": 1.0 / 6.0, "erf": 2.0 * np.sqrt(2.0 / np.pi)}[name]
    value = fg.dual(name, 1.0, 1e30, 1e30, derivative)
    assert value == pytest.approx(integral / (1e15 * np.sqrt(2.0 * np.pi)), rel=DUAL)
