"""A network of finite width: its weights, and the features whose products are its Gram entries.

With F₁ the augmented rows (√σw²·x, √σb²), of the first layer's variances, and V the weights of a
layer with its biases as a last column, a layer is z = F Vᵀ, and the next one's F is
(√(σw²/m)·φ(z), √σb²). The gradient with respect to a layer's parameters is, for each row, the outer
product of B = ∂(output)/∂z and of F: a Gram matrix of gradients is (B Bᵀ) ∘ (F Fᵀ), summed over the
layers that its kind names. The gradient with respect to the readout is φ(z)/√m of the last layer, a
`Pair` without B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgram.network.network import Network
from fastgram.network.weights import Weights
from fastgram.support.arrays import Array

__all__ = ["Features", "Pair"]

# Values of a layer that a block of rows has: a few such arrays a thread, in and near its cache.
_BLOCK_VALUES = 2**21


class Pair(NamedTuple):
    """The factors of a part of the Gram matrix: (B Bᵀ) ∘ (F Fᵀ), or F Fᵀ where B is None."""

    backward: Array | None
    forward: Array


def _width(network: Network) -> int:
    assert network.width is not None
    return network.width


@dataclass(frozen=True)
class Features:
    """A drawn network, and the features of blocks of augmented rows."""

    network: Network
    kind: str
    weights: Weights

    @property
    def width(self) -> int:
        """Neurons a layer, m."""
        return _width(self.network)

    @property
    def scale(self) -> float:
        """The factor of φ and φ': √(1/E φ²) of a normalised network, else 1."""
        return math.sqrt(self.network.normalisation())

    @property
    def layer_scale(self) -> float:
        """The factor √(σw²/m) between φ(z) and the next layer's input."""
        return math.sqrt(self.network.weight_variance / self.width)

    @property
    def columns(self) -> list[tuple[int, int]]:
        """Columns of the B (0 for none) and of the F of each pair."""
        layers = [layer.shape for layer in reversed(self.weights.layers)]
        readout = [] if self.kind == "gradient" else [(0, self.width)]
        gradients = {"nngp": [], "gradient": layers[:1], "ntk": layers}[self.kind]
        return readout + gradients

    @property
    def gradient_index(self) -> int:
        """Which pair is that of the last layer, where the kind has one."""
        return int(self.kind != "gradient")

    @property
    def block_rows(self) -> int:
        """Rows to work on at a time."""
        return min(256, max(16, _BLOCK_VALUES // self.width))

    def values(self, z: Array) -> Array:
        """Return φ(z), scaled if the network is normalised."""
        return np.asarray(self.scale * self.network.activation.f(z))

    def slopes(self, z: Array) -> Array:
        """Return φ'(z), scaled if the network is normalised."""
        return np.asarray(self.scale * self.network.activation.df(z))

    def inputs(self, values: Array) -> Array:
        """Return the F of the layer above from the values of the one below."""
        bias = self.network.bias_variance
        if bias == 0.0:
            return self.layer_scale * values
        column = np.full((values.shape[0], 1), math.sqrt(bias))
        return np.concatenate([self.layer_scale * values, column], axis=1)

    def forward(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """Return the F of every layer, and the z of every layer but the last."""
        inputs, below = [rows], []
        for layer in self.weights.layers[:-1]:
            with np.errstate(over="ignore", invalid="ignore"):
                below.append(inputs[-1] @ layer.T)
                inputs.append(self.inputs(self.values(below[-1])))
            self.require_finite(inputs[-1])
        return inputs, below

    def last_slopes(self, rows: Array) -> Array:
        """Return φ'(z)/√m of the last layer of a block of augmented rows: B without a."""
        with np.errstate(over="ignore", invalid="ignore"):  # `pairs` looks at it
            z = self.forward(rows)[0][-1] @ self.weights.layers[-1].T
            return self.slopes(z) / math.sqrt(self.width)

    def backward(self, z: Array, neurons: slice = slice(None)) -> Array:
        """Return the B of the last layer, or its columns of these neurons, from their z."""
        return self.slopes(z) * (self.weights.readout[neurons] / math.sqrt(self.width))

    def below(self, layer: int, backward: Array, z: Array) -> Array:
        """Return the B of a layer from its z and the B of the layer above it, number `layer`."""
        weights = self.weights.layers[layer][:, : self.width]
        return self.layer_scale * (backward @ weights) * self.slopes(z)

    def pairs(self, rows: Array) -> list[Pair]:
        """Return the features of a block of augmented rows.

        The readout's pair first, where the kind has one, then those of the layers from the last.

        Raises
        ------
        ValueError
            If one overflows.
        """
        inputs, below = self.forward(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            z = inputs[-1] @ self.weights.layers[-1].T
            found = []
            if self.kind != "gradient":
                found.append(Pair(None, self.values(z) / math.sqrt(self.width)))
            if self.kind != "nngp":
                found.append(Pair(self.backward(z), inputs[-1]))
            if self.kind == "ntk":
                for layer in range(self.network.depth - 1, 0, -1):
                    above = found[-1].backward
                    assert above is not None
                    backward = self.below(layer, above, below[layer - 1])
                    found.append(Pair(backward, inputs[layer - 1]))
        for pair in found:
            self.require_finite(pair.forward)
            if pair.backward is not None:
                self.require_finite(pair.backward)
        return found

    def require_finite(self, features: Array) -> None:
        """Refuse features that overflow."""
        if not np.all(np.isfinite(features)):
            name = self.network.activation.name
            raise ValueError(f"features of a network of {name} overflow: scale the rows")
