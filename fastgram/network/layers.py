"""The recursion over hidden layers that `Network` states, over numbers of any type.

A number may be a float, an array of entries, a series at points of a circle or an array of balls:
the recursion is one, and a class for each says how its numbers go through one layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from fastgram.network.activations import Activation

__all__ = ["LayerRecursion", "NetworkFacts"]


class NetworkFacts(Protocol):
    """What entries at infinite width depend on: a `Network`, which itself computes some of them."""

    @property
    def activation(self) -> Activation:
        """φ, not normalised."""

    @property
    def depth(self) -> int:
        """Hidden layers."""

    @property
    def width(self) -> int | None:
        """Neurons a layer; None is infinitely many."""

    @property
    def weight_variance(self) -> float:
        """σw² of all layers but the first."""

    @property
    def bias_variance(self) -> float:
        """σb² of all layers but the first."""

    @property
    def first_weight_variance(self) -> float:
        """σw² of the first layer."""

    @property
    def first_bias_variance(self) -> float:
        """σb² of the first layer."""

    @property
    def normalize(self) -> bool:
        """Whether φ is scaled."""

    def normalisation(self) -> float:
        """Return what squares of φ and φ' are multiplied by."""

    def is_zero(self, kind: str) -> bool:
        """Whether every entry is zero."""


class LayerRecursion:
    """Entries of a Gram matrix of infinite width from those of Σ⁰.

    Parameters
    ----------
    network : NetworkFacts
        A Network of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    """

    def __init__(self, network: NetworkFacts, kind: str) -> None:
        self.network, self.kind = network, kind
        self.weight: Any = network.weight_variance
        self.bias: Any = network.bias_variance

    def expectation(self, layer: int, derivative: bool, covariance: Any) -> Any:
        """Return E[φ(u)φ(v)] of a layer, 1 to L, or that of φ', from the covariance Σ below it."""
        raise NotImplementedError

    def covariance(self, layer: int, value: Any) -> Any:
        """Return Σ of a layer, σw²·E[φ(u)φ(v)] + σb², from E[φ(u)φ(v)]."""
        return self.weight * value + self.bias

    def through(self, tangent: Any, slope: Any) -> Any:
        """Return σw²·Θ·E[φ'(u)φ'(v)]: what Θ below a layer adds to that above it."""
        return self.weight * slope * tangent

    def covariances(self, first: Any) -> Iterator[Any]:
        """Yield Σ below each layer, Σ⁰ first; a layer is computed when the next is asked for."""
        yield first
        for layer in range(1, self.network.depth):
            first = self.covariance(layer, self.expectation(layer, False, first))
            yield first

    def entry(self, first: Any) -> Any:
        """Return the entry whose Σ⁰ this is.

        A layer's φ' is asked for before the layer above begins, so that a class may carry more
        than Σ from layer to layer.
        """
        depth, kind = self.network.depth, self.kind
        covariance = tangent = first
        slope = None
        for layer, covariance in enumerate(self.covariances(first), 1):
            if layer > 1 and kind == "ntk":
                tangent = covariance + self.through(tangent, slope)
            else:
                tangent = covariance
            if kind == "ntk" or (kind, layer) == ("gradient", depth):
                slope = self.expectation(layer, True, covariance)
        if kind == "gradient":
            return tangent * slope
        value = self.expectation(depth, False, covariance)
        return value if kind == "nngp" else value + tangent * slope
