"""Kinked activations in balls: duals against mpmath, spectra on the circle against their transform."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

import fastgram as fg
from fastgram.exact.built_in import formula_of

flint = pytest.importorskip("flint")
from flint import arb, ctx  # noqa: E402

from fastgram.exact.formulas import Pairs  # noqa: E402

KINKED = ("relu6", "elu", "selu", "celu", "hard_tanh")
VALUES = json.loads((Path(__file__).parents[1] / "data" / "dual_values.json").read_text("utf-8"))
BITS = 128
PLACES = 20  # digits of the stored values


def enclosed(name, parameters, q1, q2, rho, derivative):
    """Return the ball of E[f(u)f(v)]; equal variances are one."""
    variances = [arb(q1)] if q1 == q2 else [arb(q1), arb(q2)]
    covariance = arb(rho) * (arb(q1) * arb(q2)).sqrt()
    pairs = Pairs(variances, [0], [len(variances) - 1], [arb(rho)], [covariance])
    formula = formula_of(fg.get_activation(name, **parameters))
    return formula.expectations(pairs, derivative, BITS)[0]


@pytest.mark.parametrize("name", KINKED)
def test_duals_to_the_digits_that_are_stored(name):
    cases = [case for case in VALUES if case["activation"] == name]
    assert len(cases) > 20
    with ctx.workprec(BITS + 64):
        for case in cases:
            arguments = (case[key] for key in ("q1", "q2", "rho", "derivative"))
            found = enclosed(name, case["parameters"], *arguments)
            value = arb(case["value"])
            assert abs(found - value) < 10 * abs(value) * arb(10) ** -PLACES + arb(10) ** -30
            assert found.rad() < arb(2) ** -(BITS - 64)


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("far", [1e-4, 1e-12, 1e-24])
@pytest.mark.parametrize("sign", [1, -1])
def test_near_the_ends_the_dual_tends_to_that_of_equal_and_opposite_rows(
    name, derivative, far, sign
):
    """Within what κ may change from the end on: its slope there, or the root's where f' jumps."""
    with ctx.workprec(BITS + 128):
        at_end = enclosed(name, {}, 1.0, 1.0, arb(sign), derivative)
        near = enclosed(name, {}, 1.0, 1.0, sign * (1 - arb(far)), derivative)
        assert near.rad() < 1e-30
        slope = 1.2 * arb(far).sqrt() * arb(2).sqrt() if derivative else 1.3 * arb(far)
        assert abs(near - at_end) < slope


def test_unequal_variances_are_symmetric_and_large_ones_lose_nothing():
    with ctx.workprec(BITS + 64):
        for name in KINKED:
            one = enclosed(name, {}, 0.25, 900.0, -0.7, False)
            other = enclosed(name, {}, 900.0, 0.25, -0.7, False)
            assert one.overlaps(other)
            assert one.rad() < 1e-24


def transform_of(name, n, kind):
    """Return the eigenvalues of the circulant matrix of n even points, by mpmath's quadrature."""
    activation = {
        "elu": (lambda z: z if z > 0 else mpmath.expm1(z), lambda z: 1 if z > 0 else mpmath.exp(z)),
        "hard_tanh": (lambda z: min(max(z, -1), 1), lambda z: 1 if abs(z) < 1 else 0),
    }[name]
    f = activation[1 if kind == "gradient" else 0]
    kinks = [-1, 1] if name == "hard_tanh" else [0]

    def dual(rho):
        # by the conditional mean: u given, v = ρu + √(1 − ρ²)w
        root = mpmath.sqrt((1 - rho) * (1 + rho))

        def weight(z):
            return mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)

        def inner(u):
            if root == 0:
                return f(rho * u)
            edges = [(kink - rho * u) / root for kink in kinks]
            places = [-12, *sorted(edge for edge in edges if -12 < edge < 12), 12]
            return mpmath.quad(lambda w: f(rho * u + root * w) * weight(w), places)

        return mpmath.quad(lambda u: f(u) * inner(u) * weight(u), [-12, *kinks, 12])

    cosines = [mpmath.cos(2 * mpmath.pi * j / n) for j in range(n // 2 + 1)]
    half = [dual(rho) * (rho if kind == "gradient" else 1) for rho in cosines]
    return [
        half[0]
        + 2 * sum(half[j] * mpmath.cos(2 * mpmath.pi * j * k / n) for j in range(1, n // 2 + 1))
        for k in range(n)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("elu", "gradient"), ("elu", "nngp"), ("hard_tanh", "nngp")]
)
def test_the_spectrum_of_even_points_on_the_circle(name, kind):
    n = 7
    with mpmath.workdps(15):
        values = transform_of(name, n, kind)
    answer = fg.exact_extreme_eigenvalues(fg.datasets.circle(n), name, kind=kind)
    for digits, value in (
        (answer.smallest_digits, min(values)),
        (answer.largest_digits, max(values)),
    ):
        # rows in float64 are on the circle to a rounding
        assert float(digits) == pytest.approx(float(value), rel=2e-10)


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("name", KINKED)
def test_floating_point_brackets_hold_what_is_proven(name, kind):
    X = fg.datasets.sphere(9, 3, seed=5)
    network = fg.Network(name, depth=2, bias_variance=0.1)
    proven = fg.exact_extreme_eigenvalues(X, network, kind=kind, rows="raw")
    found = fg.extreme_eigenvalues(fg.GramOperator(X, network, kind=kind))
    for end in ("smallest", "largest"):
        true, bracket = getattr(proven, end), getattr(found, end)
        assert true.guarantee == "certified"
        assert bracket.lower <= true.lower
        assert true.upper <= bracket.upper


def test_fifteen_digits_of_elu_on_thirteen_points():
    answer = fg.exact_extreme_eigenvalues(fg.datasets.circle(13), "elu")
    assert answer.smallest.guarantee == "certified"
    assert len(answer.smallest_digits.replace(".", "").partition("e")[0].lstrip("0")) == 15
    assert np.isclose(answer.smallest.lower, answer.smallest.upper, rtol=1e-15)
