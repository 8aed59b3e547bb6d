"""From layer to layer: the entries of a network of any depth, as distances from an end.

Between layers 1 − ρ and 1 + ρ are carried, each a sum of squares,

    1 ∓ ρ = ½(σw² E(f(u)/α₁ ∓ f(v)/α₂)² + σb²(1/α₁ ∓ 1/α₂)²),   α² the variance of the next layer,

and never ρ itself, so that depth costs no digits of the angle near 0 and π. Entries are kept as
what they lack from their value where the rows are parallel (or opposite).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fastgram.infinite_width.layer_maps import Distances, Layer, Pairs
from fastgram.network.integrals.line_quadrature import parallel_distances
from fastgram.network.network import Network
from fastgram.network.theory.moments import variances
from fastgram.support.arrays import Array
from fastgram.support.progress import advance

__all__ = ["Evaluation", "Recursion", "Step", "recursion_of"]


@dataclass(frozen=True)
class Evaluation:
    """A function at a layer, as distances at the end and at the angles off it."""

    of: Layer
    derivative: bool
    at_end: Distances
    at_angles: Distances


@dataclass(frozen=True)
class Step:
    """A layer of a recursion: the angles of its input, (k, 1) or (k, pairs), and of its output.

    Of the last layer `after` is as `angles` is.
    """

    layer: int
    angles: Array
    after: Array
    f: Evaluation | None
    df: Evaluation | None


class Recursion:
    """Entries between rows of all pairs of norms.

    Parameters
    ----------
    network : Network
    kind : {"gradient", "nngp", "ntk"}
    norms : (m,) array
        Of augmented rows, above 0.
    """

    def __init__(self, network: Network, kind: str, norms: Array) -> None:
        self.network, self.kind, self.norms = network, kind, norms
        self.pairs = Pairs.of(norms.size)
        self.variances = variances(network, norms)
        activation, depth, inputs = network.activation, network.depth, self.variances
        self._of_f = [
            Layer(activation, False, q) if layer < depth or kind != "gradient" else None
            for layer, q in enumerate(inputs, 1)
        ]
        self._of_df = [
            Layer(activation, True, q)
            if kind == "ntk" or (kind, layer) == ("gradient", depth)
            else None
            for layer, q in enumerate(inputs, 1)
        ]
        self._ends = [self._ends_after(layer) for layer in range(1, depth)]

    @property
    def symmetry(self) -> int:
        """Return p where K(−ρ) = p·K(ρ) for certain, else 0."""
        parity = self.network.activation.parity
        no_bias = self.network.depth == 1 or self.network.bias_variance == 0.0
        return parity if parity == 1 or no_bias else 0

    def layers(self, far: bool, offsets: Array) -> Iterator[Step]:
        """Go through the layers from angles off one end: the first, 0 or, `far`, π.

        Parameters
        ----------
        far : bool
        offsets : (k,) array
            Angles from that end, in [0, π/2].
        """
        angles = (np.pi - offsets if far else offsets)[:, None]
        base = np.full(1, np.pi if far else 0.0)
        for layer, (of_f, of_df) in enumerate(zip(self._of_f, self._of_df, strict=True), 1):
            at_end, at_angles = self._evaluator(layer, far, offsets, base, angles)
            f, df = (
                None if of is None else Evaluation(of, derivative, at_end(of), at_angles(of))
                for of, derivative in ((of_f, False), (of_df, True))
            )
            before = angles
            if layer < self.network.depth:
                assert f is not None
                base, angles = self._next(layer, f.at_end), self._next(layer, f.at_angles)
            advance(layer, self.network.depth)
            yield Step(layer, before, angles, f, df)

    def distances(self, far: bool, offsets: Array) -> tuple[Array, Array]:
        """Return entries at one end, and what is missing from them at angles off that end.

        Parameters
        ----------
        far : bool
            Whether rows are opposite there, the angle π, and not parallel.
        offsets : (k,) array
            Angles from that end, in [0, π/2].

        Returns
        -------
        end : (pairs,) array
        missing : (k, pairs) array
            Entry at the end minus entry at the angle, to a rounding of itself near ρ = 1.
        """
        if far and self.symmetry:
            end, missing = self.distances(False, offsets)
            return self.symmetry * end, self.symmetry * missing
        network, kind = self.network, self.kind
        scale, bias, weight = (
            network.normalisation(),
            network.bias_variance,
            network.weight_variance,
        )
        product = self.pairs.product(self.norms)
        sigma = -product if far else product
        less_sigma = sigma * 2.0 * np.sin(offsets[:, None] / 2.0) ** 2
        tangent, less_tangent = sigma, less_sigma
        value, less, slope, less_slope = (np.zeros(1) for _ in range(4))
        for step in self.layers(far, offsets):
            if step.f is not None:
                value, less = (scale * x for x in step.f.at_angles.below(step.f.at_end))
            if step.df is not None:
                slope, less_slope = (scale * x for x in step.df.at_angles.below(step.df.at_end))
            # of a product: what is missing in the first, and in the second of what is left
            back = tangent * slope
            less_back = less_tangent * slope + (tangent - less_tangent) * less_slope
            if step.layer == network.depth:
                break
            sigma, less_sigma = weight * value + bias, weight * less
            tangent = sigma + weight * back if kind == "ntk" else sigma
            less_tangent = less_sigma + weight * less_back if kind == "ntk" else less_sigma
        if kind == "gradient":
            end, missing = back, less_back
        elif kind == "nngp":
            end, missing = value, less
        else:
            end, missing = value + back, less + less_back
        shape = offsets.size, product.size
        return np.broadcast_to(end, (1, shape[1]))[0], np.broadcast_to(missing, shape)

    @staticmethod
    def _evaluator(
        layer: int, far: bool, offsets: Array, base: Array, angles: Array
    ) -> tuple[Callable[[Layer], Distances], Callable[[Layer], Distances]]:
        """Return what takes a layer's distances at the end, and at the angles off it."""
        if layer == 1:  # there all pairs of norms have one angle
            return lambda of: of.at_end(far), lambda of: of.at_offsets(far, offsets)
        return (lambda of: of.at_angles(base), lambda of: of.at_angles(angles))

    def _ends_after(self, layer: int) -> tuple[Array, Array, Array, Array]:
        """Return 1 − ρ and 1 + ρ after a layer, where ρ was 1 before it, and where it was −1."""
        network = self.network
        before, after = self.variances[layer - 1], self.variances[layer]
        sizes = np.sqrt(after)
        first, second = self.pairs.first, self.pairs.second
        found = parallel_distances(network.activation, before, sizes, (first, second))
        gain = network.weight_variance * network.normalisation()
        # a bias adds the same to both rows
        constants = [
            0.5 * network.bias_variance * (1.0 / sizes[first] + sign / sizes[second]) ** 2
            for sign in (-1.0, 1.0)
        ]
        near, far = (gain * side + constants for side in found)
        return near[0], near[1], far[0], far[1]

    def _next(self, layer: int, at: Distances) -> Array:
        """Return the angles after a layer from the distances of its output."""
        ends = self._ends[layer - 1]
        less = np.where(at.far, ends[2], ends[0])  # 1 − ρ at the nearer end
        more = np.where(at.far, ends[3], ends[1])  # 1 + ρ there
        gain = self.network.weight_variance * self.network.normalisation()
        moved = gain * at.values / self.pairs.product(np.sqrt(self.variances[layer]))
        # the smaller of the two takes the distance, the other is what is left of 2
        smaller = np.clip(np.where(less <= more, less + moved, more - moved), 0.0, 2.0)
        larger = 2.0 - smaller
        one_minus = np.where(less <= more, smaller, larger)
        one_plus = np.where(less <= more, larger, smaller)
        return np.asarray(2.0 * np.arctan2(np.sqrt(one_minus), np.sqrt(one_plus)))


@functools.lru_cache(maxsize=2)
def recursion_of(network: Network, kind: str, norms: tuple[float, ...]) -> Recursion:
    """Return a Recursion; the last ones are kept, with what their layers have been fitted by."""
    return Recursion(network, kind, np.array(norms))
