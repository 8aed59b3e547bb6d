"""f and f' in balls: values against mpmath, balls around kinks, and kinks themselves."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.exact.built_in import formula_of

flint = pytest.importorskip("flint")
from flint import arb, ctx  # noqa: E402

from fastgram.exact.branches import Elementwise  # noqa: E402

EVERY = [*fg.activation_names(), "celu(alpha=0.7)", "leaky_relu(negative_slope=-1.0)"]


def elementwise(name, derivative):
    activation = fg.get_activation(name)
    return activation, Elementwise(
        activation, formula_of(activation).branches(derivative), derivative
    )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("derivative", [False, True])
def test_balls_hold_what_float64_has_within(name, derivative):
    """Wide balls, of either sign and around every kink, hold the values at the points in them."""
    activation, function = elementwise(name, derivative)
    f = activation.df if derivative else activation.f
    for centre in (0.0, 0.25, -0.25, 1.0, -1.0, 6.0, 5.5, -40.0, 40.0):
        for radius in (0.0, 1e-3, 0.75):
            ball = function(arb(centre, radius))
            points = centre + radius * np.linspace(-1.0, 1.0, 9)
            for value in f(points):
                slack = 1e-14 * max(1.0, abs(value))  # of float64
                assert (ball + arb(0, slack)).contains(arb(float(value)))
            assert radius > 0.0 or float(ball.rad()) <= 1e-14 * max(1.0, abs(value))


@pytest.mark.parametrize(
    ("name", "kink", "slope"),
    [("relu", 0, 0), ("abs", 0, 0), ("leaky_relu(negative_slope=-1.0)", 0, -1), ("selu", 0, None),
     ("celu", 0, 1), ("relu6", 0, 0), ("relu6", 6, 0), ("hard_tanh", 1, 0), ("hard_tanh", -1, 0)],
)  # fmt: skip
def test_on_a_kink_the_float64_definition_decides(name, kink, slope):
    with ctx.workprec(200):
        found = elementwise(name, True)[1](arb(kink))
        if slope is None:  # that of the left, without float64's rounding of the product
            product = arb(1.6732632423543772848) * arb(1.0507009873554804934)
            assert found.overlaps(product)
            assert found.rad() < 1e-50
        else:
            assert found == slope


def test_a_ball_around_a_kink_holds_both_sides_and_the_kink():
    tiny = arb(0, arb(2) ** -60)
    hull = elementwise("abs", True)[1](tiny)
    assert all(hull.contains(arb(value)) for value in (-1, 0, 1))
    assert elementwise("relu", False)[1](tiny).abs_upper() < 1e-17
    wide = elementwise("relu6", True)[1](arb(3, 4))
    assert all(wide.contains(arb(value)) for value in (0, 1))


def test_a_value_at_a_kink_that_is_no_branch_s_is_in_the_hull():
    odd = fg.Activation(
        "odd", lambda z: np.maximum(z, 0.0), lambda z: np.where(z == 0.0, 5.0, z > 0.0), kinks=[0.0]
    )
    slope = Elementwise(odd, formula_of(fg.get_activation("relu")).branches(True), True)
    assert slope(arb(0)) == 5
    assert slope(arb(0, 1e-9)).contains(arb(5))
    assert slope(arb(1, 1e-9)) == 1


def test_a_kink_that_a_thousand_bits_do_not_exclude(refuses):
    function = elementwise("relu6", True)[1]
    with ctx.workprec(2000):
        assert function(arb(6)) == 0
        assert function(arb(6) - arb(2) ** -1500) == 1
        with refuses(ValueError, "2000 bits", "kink at 6"):
            function(arb(6, arb(2) ** -1500))
