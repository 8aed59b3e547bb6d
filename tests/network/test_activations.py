"""The table of activations: every record's facts against definitions that share nothing with it."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from fractions import Fraction

import numpy as np
import pytest
from helpers.cases import RECORDS
from helpers.oracles.make_dual_values import all_cases
from helpers.tolerances import EPS, FEW
from mpmath import mp, mpf
from numpy.polynomial import chebyshev

import fastgram as fg
from fastgram import Activation, activation_names, get_activation

ORACLES = {
    f"{case.name} {case.parameters or ''} f{'′' * derivative}": (case, derivative)
    for case in all_cases()
    for derivative in (False, True)
}
# multiples of 1/8, so that a kink of the table is met exactly, and points between them
GRID = np.concatenate([np.linspace(-8.0, 8.0, 129), np.random.default_rng(7).uniform(-9, 9, 60)])


def test_every_record_has_an_oracle():
    known = {case.name for case in all_cases()}
    assert set(activation_names()) - known == {"silu"}


@pytest.mark.parametrize("name", ORACLES)
def test_f_and_its_derivative_against_their_definitions(name):
    """To a few roundings of the value and of its argument, far into the tails."""
    case, derivative = ORACLES[name]
    activation = get_activation(case.name, **case.parameters)
    points = [-40.0, -20.5, -9.3, -6.1, -2.1, -1.0625, -0.9, -0.2, -1e-3]
    points += [1e-9, 0.3, 0.8, 1.7, 5.1, 6.4, 12.3, 30.0]
    exact_f = case.df if derivative else case.f
    values = (activation.df if derivative else activation.f)(np.array(points))
    for point, value in zip(points, values, strict=True):
        exact, slope = exact_f(mpf(point)), abs(mp.diff(exact_f, mpf(point)))
        allowed = 2 * FEW * EPS * (abs(exact) + abs(point) * slope) + 1e-305  # underflow
        assert abs(mpf(float(value)) - exact) <= allowed, point


@pytest.mark.parametrize("name", ["softplus", "swish", "mish"])
def test_what_is_a_line_far_out_is_one_as_far_as_numbers_reach(name):
    z = 10.0 ** np.arange(3.0, 309.0)
    activation = get_activation(name)
    assert np.array_equal(activation.f(z), z)
    assert np.array_equal(activation.df(z), np.ones_like(z))
    for function in (activation.f, activation.df):
        assert np.all(function(-z) == 0.0)


def slope_by_interpolation(f, at):
    """f' at points: the derivative of an interpolant at 13 Chebyshev nodes within 0.1.

    The nearest singularity of a smooth record (swish with beta = 3: π/3) is more than ten times
    that far, so truncation is below 1e-15; rounding of the values is multiplied by about 100.
    """
    nodes = chebyshev.chebpts1(13)
    values = f(at[:, None] + 0.1 * nodes)
    series = np.linalg.solve(chebyshev.chebvander(nodes, 12), values.T)
    return chebyshev.chebval(0.0, chebyshev.chebder(series)) / 0.1


def test_df_is_the_derivative_of_f(activation):
    points = np.array([z for z in GRID if all(abs(z - k) > 0.1 for k in activation.kinks)])
    slope = slope_by_interpolation(activation.f, points)
    allowed = 1000 * EPS * np.maximum(1.0, np.abs(activation.f(points)))
    assert np.all(np.abs(slope - activation.df(points)) <= allowed)


def jump(activation, z):
    """The largest jump at z of f, f' and f'', from values within 3e-5 on either side."""
    h = 1e-5
    jumps = []
    for function in (activation.f, activation.df):
        left, right = (function(z + side * h * np.array([1.0, 2.0, 3.0])) for side in (-1.0, 1.0))
        # extrapolated to z; and one-sided slopes
        jumps.append(abs((2 * left[0] - left[1]) - (2 * right[0] - right[1])))
        jumps.append(abs((right[1] - right[0]) - (left[0] - left[1])) / h)
    return max(jumps)


def test_kinks_are_where_f_or_its_derivative_jumps(activation):
    assert activation.kinks == tuple(sorted(set(activation.kinks)))
    for z in GRID:
        if z in activation.kinks:
            assert jump(activation, z) > 0.05, z
        else:
            assert jump(activation, z) < 0.002, z
    assert all(kink in GRID for kink in activation.kinks)
    assert activation.smooth == (not activation.kinks)
    assert activation.regularity == (
        "smooth"
        if activation.smooth
        else "kinked at " + ", ".join(f"{kink:g}" for kink in activation.kinks)
    )


def test_parity_is_exact(activation):
    points = np.random.default_rng(3).standard_cauchy(2000)
    right, left = activation.f(points), activation.f(-points)
    if activation.parity:
        assert np.array_equal(left, activation.parity * right)
        assert np.array_equal(
            activation.df(-points), -activation.parity * activation.df(points)
        ) or not np.any(activation.df(points))
    else:
        assert not np.allclose(left, right, rtol=1e-3)
        assert not np.allclose(left, -right, rtol=1e-3)


@pytest.mark.parametrize(
    ("coefficients", "powers", "parity"),
    [
        ([0, 1, 1], (1, 2), 0),
        ([0, 1], (1,), -1),
        ([0, 1, 0, 0], (1,), -1),
        ([0, 0, 3], (2,), 1),
        ([1, 0, 3], (0, 2), 1),
        ([0, -1, 0, 2, 0, 5], (1, 3, 5), -1),
        ([0, 2, 0, 0, 1], (1, 4), 0),
        ([2], (0,), 1),
    ],
)
def test_powers_of_a_polynomial_are_exact(coefficients, powers, parity):
    record = get_activation("polynomial", coefficients=coefficients)
    assert record.powers == powers
    assert record.parity == parity
    # the same from the function: integer values determine integer coefficients exactly
    count = len(coefficients) + 2
    values = record.f(np.arange(count, dtype=float))
    assert exponents(values) == powers
    slopes = record.df(np.arange(count, dtype=float))
    assert exponents(slopes) == tuple(k - 1 for k in powers if k)


def exponents(values):
    """The exponents of the polynomial through (k, values[k]), by Newton's differences, exactly."""
    differences = [Fraction(float(v)) for v in values]
    newton = []
    while differences:
        newton.append(differences[0])
        differences = [b - a for a, b in itertools.pairwise(differences)]
    total = [Fraction(0)] * len(newton)
    basis = [Fraction(1)]  # binomial(z, k), ascending
    for k, coefficient in enumerate(newton):
        for power, value in enumerate(basis):
            total[power] += coefficient * value
        shifted = [Fraction(0), *basis]
        basis = [(a - k * b) / (k + 1) for a, b in zip(shifted, [*basis, Fraction(0)], strict=True)]
    return tuple(power for power, value in enumerate(total) if value)


def test_only_polynomials_have_powers(activation):
    polynomial = activation.name.startswith(("polynomial", "linear"))
    assert (activation.powers is not None) == polynomial


def test_the_zero_polynomial_has_no_power():
    zero = get_activation("polynomial", coefficients=[0.0, 0.0])
    assert zero.powers == ()
    assert not np.any(zero.f(GRID))
    assert not np.any(zero.df(GRID))


HOMOGENEITY = {
    "relu": 1,
    "leaky_relu": 1,
    "leaky_relu(negative_slope=0.3)": 1,
    "leaky_relu(negative_slope=-2.0)": 1,
    "abs": 1,
    "linear": 1,
    "step": 0,
    "elu(alpha=0.0)": 1,
    "polynomial(coefficients=[0, 0, 1])": 2,
    "polynomial(coefficients=[0, 0, 0, -2])": 3,
    "polynomial(coefficients=[3])": 0,
    "polynomial": None,
    "polynomial(coefficients=[1, 1])": None,
    "polynomial(coefficients=[0, 1, 1e-9])": None,
    "swish(beta=1e9)": None,
    "celu(alpha=1e-9)": None,
}


@pytest.mark.parametrize("name", sorted({*RECORDS, *HOMOGENEITY}))
def test_homogeneity(name):
    record = get_activation(name)
    assert record.homogeneity == HOMOGENEITY.get(name)
    if record.homogeneity is not None:
        points = np.random.default_rng(5).standard_normal(50)
        for factor in (2.0**-60, 0.7, 1e5):
            expected = factor**record.homogeneity * record.f(points)
            assert np.allclose(record.f(factor * points), expected, rtol=FEW * EPS, atol=0.0)


def test_homogeneity_of_your_own():
    hinge = Activation("hinge", lambda z: np.maximum(z - 1.0, 0.0), lambda z: 1.0 * (z > 1), (1,))
    assert hinge.homogeneity is None
    square = Activation(
        "relu squared",
        lambda z: np.maximum(z, 0.0) ** 2,
        lambda z: 2.0 * np.maximum(z, 0.0),
        (0.0,),
    )
    assert square.homogeneity == 2


@pytest.mark.parametrize("base", ["polynomial(coefficients=[0.0])", "relu", "abs"])
def test_a_narrow_bump_is_not_homogeneous(base):
    """Entries of a bump on its own were exactly 0, and of relu and a bump those of relu."""
    known = get_activation(base)

    def f(z):
        return known.f(z) + np.exp(-((100.0 * (z + 30.0) / 3.0) ** 2))

    def df(z):
        x = 100.0 * (z + 30.0) / 3.0
        return known.df(z) - 200.0 / 3.0 * x * np.exp(-x * x)

    assert known.homogeneity in (0, 1)
    assert Activation("bump", f, df, kinks=known.kinks).homogeneity is None


def test_an_activation_that_overflows_is_not_homogeneous_and_says_nothing():
    assert Activation("exp", np.exp, np.exp).homogeneity is None


def test_names():
    names = activation_names()
    assert isinstance(names, tuple)
    assert len(set(names)) == len(names)
    assert names[-1] == "silu"
    for name in names:
        assert get_activation(name).name == ("swish" if name == "silu" else name)
        assert get_activation(name).description
    assert get_activation("silu") is get_activation("swish")
    assert get_activation("silu(beta=2)") is get_activation("swish", beta=2.0)
    assert get_activation(" relu ").name == "relu"


def test_a_name_gives_one_object_whatever_it_is_written_like():
    slope = get_activation("leaky_relu", negative_slope=0.2)
    assert slope.name == "leaky_relu(negative_slope=0.2)"
    assert get_activation("leaky_relu(negative_slope=0.2)") is slope
    assert get_activation(slope.name) is slope
    assert get_activation(slope) is slope
    assert get_activation("leaky_relu(negative_slope=0.01)").name == "leaky_relu"
    cubic = get_activation("polynomial", coefficients=np.array([0, 1, 0, 2]))
    assert get_activation(cubic.name) is cubic
    assert cubic.name == "polynomial(coefficients=[0.0, 1.0, 0.0, 2.0])"


def test_parameters_reach_the_function():
    z = np.array([-2.0, -0.5, 0.0, 1.5])
    relu = np.maximum(z, 0.0)
    assert np.array_equal(get_activation("leaky_relu", negative_slope=0.2).f(z)[:2], 0.2 * z[:2])
    assert np.allclose(get_activation("elu", alpha=0.5).f(z), relu + 0.5 * np.expm1(z - relu))
    assert np.allclose(get_activation("celu", alpha=2).f(z), relu + 2 * np.expm1((z - relu) / 2))
    assert np.allclose(get_activation("swish", beta=3).f(z), z / (1 + np.exp(-3 * z)))
    assert np.allclose(get_activation("polynomial", coefficients=[2, 0, 1]).f(z), 2 + z * z)


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("rellu", "relu"), ("RELU6", "relu6"), ("hardtanh", "hard_tanh")]
)
def test_an_unknown_name_suggests_the_nearest(wrong, nearest, refuses):
    with refuses(ValueError, repr(wrong), f"did you mean {nearest!r}?", "known: relu, "):
        get_activation(wrong)


def test_a_name_like_no_other_lists_the_known_ones(refuses):
    with refuses(ValueError, "known: relu, leaky_relu, ", "silu") as _:
        get_activation("qqqq")


@pytest.mark.parametrize(
    ("name", "parameters", "error", "words"),
    [
        ("relu", {"alpha": 1.0}, TypeError, ["'alpha'", "it has: none"]),
        ("elu", {"beta": 1.0}, TypeError, ["'beta'", "it has: alpha"]),
        ("elu(beta=1)", {}, TypeError, ["'beta'", "it has: alpha"]),
        ("elu(alpha=1)", {"alpha": 2}, TypeError, ["alpha is given twice"]),
        ("elu", {"alpha": np.inf}, ValueError, ["alpha must be finite"]),
        ("elu", {"alpha": np.nan}, ValueError, ["alpha must be finite"]),
        ("elu", {"alpha": "much"}, TypeError, ["alpha must be a number", "'much'"]),
        ("elu", {"alpha": None}, TypeError, ["alpha must be a number"]),
        ("celu", {"alpha": 0.0}, ValueError, ["alpha must be above 0"]),
        ("celu", {"alpha": -1.0}, ValueError, ["alpha must be above 0"]),
        ("polynomial", {"coefficients": []}, ValueError, ["one or more finite coefficients"]),
        ("polynomial", {"coefficients": [1, np.nan]}, ValueError, ["finite coefficients"]),
        ("polynomial", {"coefficients": 3}, TypeError, ["must be a list of numbers"]),
        ("polynomial", {"coefficients": ["a"]}, TypeError, ["must be a list of numbers"]),
        ("elu(", {}, ValueError, ["write name(parameter=value, ...)"]),
        ("elu(1.0)", {}, ValueError, ["write name(parameter=value, ...)"]),
        ("elu(alpha=open())", {}, ValueError, ["write name(parameter=value, ...)"]),
        ("elu(alpha=1)(alpha=1)", {}, ValueError, ["write name(parameter=value, ...)"]),
        ("", {}, ValueError, ["unknown activation ''"]),
        (7, {}, TypeError, ["not int"]),
        (None, {}, TypeError, ["not NoneType"]),
    ],
)
def test_bad_names_and_parameters(name, parameters, error, words, refuses):
    with refuses(error, *words):
        get_activation(name, **parameters)


def test_an_activation_takes_no_parameters(refuses):
    with refuses(TypeError, "'tanh' is an Activation already"):
        get_activation(get_activation("tanh"), alpha=1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("", np.sin, np.cos), TypeError, ["non-empty string"]),
        ((3, np.sin, np.cos), TypeError, ["non-empty string"]),
        (("a", 1.0, np.cos), TypeError, ["'a'", "f must be callable"]),
        (("a", np.sin, None), TypeError, ["'a'", "df must be callable"]),
        (("a", np.sin, np.cos, 0.5), TypeError, ["kinks must be numbers"]),
        (("a", np.sin, np.cos, ["x"]), TypeError, ["kinks must be numbers"]),
        (("a", np.sin, np.cos, [np.inf]), ValueError, ["kinks must be finite"]),
        (("a", np.sin, np.cos, [np.nan]), ValueError, ["kinks must be finite"]),
    ],
)
def test_bad_activations(arguments, error, words, refuses):
    with refuses(error, *words):
        Activation(*arguments)


def test_kinks_are_sorted_and_told_once():
    kinked = Activation("a", np.sin, np.cos, kinks=[2, -1.0, 2.0])
    assert kinked.kinks == (-1.0, 2.0)
    assert kinked.regularity == "kinked at -1, 2"
    assert not kinked.smooth


def test_facts_are_not_guessed():
    """Parity and powers are facts: an activation of your own has none unless it says so."""
    cube = Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    assert cube.parity == 0
    assert cube.powers is None


def test_an_activation_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_activation("relu").parity = 1


def test_pickle(activation):
    copy = pickle.loads(pickle.dumps(activation))
    assert copy.name == activation.name
    assert copy.kinks == activation.kinks
    assert copy.parity == activation.parity
    assert copy.powers == activation.powers
    assert np.array_equal(copy.f(GRID), activation.f(GRID))
    assert np.array_equal(copy.df(GRID), activation.df(GRID))
    assert copy.homogeneity == activation.homogeneity


def test_str_says_what_it_is():
    assert str(get_activation("relu")) == "relu: rectified linear unit, max(z, 0) (kinked at 0)"
    assert str(fg.Activation("a", np.sin, np.cos)) == "a (smooth)"
