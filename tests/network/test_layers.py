"""The recursion over layers, over rational numbers and a dual that is written down."""

from __future__ import annotations

from fractions import Fraction

import pytest

import fastgram as fg
from fastgram.network.layers import LayerRecursion

WEIGHT, BIAS, FIRST = Fraction(3, 2), Fraction(1, 4), Fraction(2, 3)


class Squares(LayerRecursion):
    """E φφ = Σ² in layer 1 and one more each layer, E φ'φ' = 2Σ; and which were asked for."""

    def __init__(self, kind, depth):
        super().__init__(fg.Network("tanh", depth, weight_variance=1.5, bias_variance=0.25), kind)
        self.weight, self.bias, self.asked = WEIGHT, BIAS, []

    def expectation(self, layer, derivative, covariance):
        self.asked.append((layer, derivative))
        return 2 * covariance if derivative else covariance**2 + (layer - 1)


def by_hand(kind, depth):
    """Σ and Θ as `Network` states them, layer by layer."""
    sigma = theta = FIRST
    for layer in range(1, depth):
        slope = 2 * sigma
        sigma = WEIGHT * (sigma**2 + (layer - 1)) + BIAS
        theta = sigma + WEIGHT * theta * slope
    value, slope = sigma**2 + (depth - 1), 2 * sigma
    return {"gradient": sigma * slope, "nngp": value, "ntk": value + theta * slope}[kind]


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
def test_an_entry_is_that_of_the_definition(kind, depth):
    recursion = Squares(kind, depth)
    assert recursion.entry(FIRST) == by_hand(kind, depth)
    # nothing is computed twice, and no derivative that the kind has no use for
    assert len(set(recursion.asked)) == len(recursion.asked)
    derivatives = {layer for layer, derivative in recursion.asked if derivative}
    wanted = {"gradient": {depth}, "nngp": set(), "ntk": set(range(1, depth + 1))}[kind]
    assert derivatives == wanted


def test_covariances_come_one_by_one():
    recursion = Squares("nngp", 3)
    inputs = recursion.covariances(FIRST)
    assert next(inputs) == FIRST
    assert recursion.asked == []
    second = WEIGHT * FIRST**2 + BIAS
    assert list(inputs) == [second, WEIGHT * (second**2 + 1) + BIAS]
