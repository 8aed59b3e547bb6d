"""Kinked activations in balls: duals against mpmath, spectra against brackets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastgram as fg
from fastgram.exact.built_in import formula_of

flint = pytest.importorskip("flint")
from flint import arb, ctx  # noqa: E402

from fastgram.exact.formulas import Pairs  # noqa: E402

KINKED = ("relu6", "elu", "selu", "celu", "hard_tanh")
# With constants that are not exact in 53 bits.
INEXACT = ("selu", "celu(alpha=0.7)", "elu(alpha=0.3)")
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
    cases = [case for case in VALUES if case["activation"] == name][::2]
    assert len(cases) > 10
    with ctx.workprec(BITS + 64):
        for case in cases:
            arguments = (case[key] for key in ("q1", "q2", "rho", "derivative"))
            found = enclosed(name, case["parameters"], *arguments)
            value = arb(case["value"])
            assert abs(found - value) < 10 * abs(value) * arb(10) ** -PLACES + arb(10) ** -30
            assert found.rad() < arb(2) ** -(BITS - 64)


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("far", [1e-4, 1e-24])
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


@pytest.mark.parametrize("name", INEXACT)
def test_constants_are_as_precise_as_what_is_asked_for(name):
    formula = formula_of(fg.get_activation(name))  # made at whatever precision there is
    pairs = Pairs([arb(1)], [0], [0], [arb(0.5)], [arb(0.5)])
    for bits in (128, 512):
        with ctx.workprec(bits + 64):
            for derivative in (False, True):
                assert formula.expectations(pairs, derivative, bits)[0].rad() < arb(2) ** -bits


def test_unequal_variances_are_symmetric_and_large_ones_lose_nothing():
    with ctx.workprec(BITS + 64):
        for name in KINKED:
            one = enclosed(name, {}, 0.25, 900.0, -0.7, False)
            other = enclosed(name, {}, 900.0, 0.25, -0.7, False)
            assert one.overlaps(other)
            assert one.rad() < 1e-24


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("name", KINKED)
def test_floating_point_brackets_hold_what_is_proven(name, kind):
    X = np.array([[3.0, 4.0], [5.0, 0.0], [0.0, 5.0], [4.0, -3.0]]) / 4.0  # of one norm, exactly
    network = fg.Network(name, depth=2 if "elu" in name else 1, bias_variance=0.125)
    proven = fg.exact_extreme_eigenvalues(X, network, kind=kind, rows="raw")
    found = fg.extreme_eigenvalues(fg.GramOperator(X, network, kind=kind))
    for end in ("smallest", "largest"):
        true, bracket = getattr(proven, end), getattr(found, end)
        assert true.guarantee == "certified"
        assert bracket.lower <= true.upper
        assert true.lower <= bracket.upper
        assert true.width < 1e-14 * true.upper


@pytest.mark.parametrize("n", [13, pytest.param(61, marks=pytest.mark.slow)])
def test_fifteen_digits_of_elu_on_the_circle(n):
    X = fg.datasets.circle(n)
    answer = fg.exact_extreme_eigenvalues(X, "elu")
    assert answer.smallest.guarantee == "certified"
    assert len(answer.smallest_digits.replace(".", "").partition("e")[0].lstrip("0")) == 15
    assert np.isclose(answer.smallest.lower, answer.smallest.upper, rtol=1e-15)
    bracket = fg.extreme_eigenvalues(fg.GramOperator(X, "elu")).smallest
    assert bracket.lower <= answer.smallest.lower <= bracket.upper


def test_entries_that_are_no_numbers_at_first_take_more_bits():
    """Rows so near that a distance's ball holds 0 in a deeper layer, where its root is taken."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((3, 6)) * 0.6
    X[1] = X[0] + 1e-11 * rng.standard_normal(6)
    network = fg.Network("hard_tanh", depth=3)
    exact = fg.exact_extreme_eigenvalues(X, network, kind="gradient", rows="raw")
    found = fg.extreme_eigenvalues(fg.GramOperator(X, network, kind="gradient"))
    assert exact.smallest.lower > 0.0
    assert found.smallest.lower <= exact.smallest.lower
    assert exact.smallest.upper <= found.smallest.upper
