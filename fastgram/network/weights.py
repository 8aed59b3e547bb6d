"""The weights of a network of finite width, as one generator draws them: float64, N(0, 1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgram.network.network import Network
from fastgram.support.arrays import Array, blocks
from fastgram.support.memory import require_memory

__all__ = ["Weights", "draw_weights"]

# Numbers that are drawn at a time.
_BLOCK_VALUES = 2**21


class Weights(NamedTuple):
    """The parameters of a network, as drawn: N(0, 1), unscaled.

    Attributes
    ----------
    layers : tuple of (m, p) arrays
        Of each hidden layer; with biases, they are the last column.
    readout : (m,) array
    """

    layers: tuple[Array, ...]
    readout: Array


def draw_weights(network: Network, d: int) -> Weights:
    """Draw the parameters of a network of finite width for rows of d features.

    One `numpy.random.default_rng(seed)` draws in float64, in this order: the first layer's weights
    ``standard_normal((m, d))`` and, where its bias variance is above 0, its biases
    ``standard_normal(m)``; each further layer's ``standard_normal((m, m))`` and biases likewise;
    the readout, ``choice([-1.0, 1.0], m)`` or ``standard_normal(m)``.

    Raises
    ------
    ValueError
        If they do not fit in the memory that is free.
    """
    m = network.width
    assert m is not None
    above = network.depth - 1
    fans = [d] + [m] * above
    first, further = (v > 0.0 for v in (network.first_bias_variance, network.bias_variance))
    biases = [int(first)] + [int(further)] * above
    size = 8 * m * (sum(fans) + sum(biases) + 1)
    require_memory(f"the weights of {network.depth} layers of width {m}", size)
    generator = np.random.default_rng(network.seed)
    layers = []
    for fan, biased in zip(fans, biases, strict=True):
        layer = np.empty((m, fan + biased))
        for rows in blocks(m, max(1, _BLOCK_VALUES // fan)):
            # the same numbers as all at once, without a second array of that size
            layer[rows, :fan] = generator.standard_normal((rows.stop - rows.start, fan))
        if biased:
            layer[:, fan] = generator.standard_normal(m)
        layers.append(layer)
    if network.readout == "rademacher":
        readout = generator.choice([-1.0, 1.0], m)
    else:
        readout = generator.standard_normal(m)
    return Weights(tuple(layers), readout)
