"""Entries of a cos ωz + b sin ωz pair by pair, in closed form layer after layer, and their errors.

With x the deviation of a layer's input times ω, a row of direction v becomes the function f(xw·v/ω)
of a normal w. It moves, relatively to its root mean square F, by no more than √χ times as much as
v does, and by H for a relative error of x,

    F²χ = x²(b²·E cos² xz + a²·E sin² xz),      F²H² = x²·E z²(b cos xz − a sin xz)²,

z normal. So does a normalised row of the next layer, with a bias or without, α² its mean square in
place of F². Of two such rows half the distance, s', is moved by half of what two norms move either
by, and by no more than √χ times an error of half the chord s below: with ρ' = κ(ρ) their cosine,

    s'² ≥ ½(κ(1) − |κ(ρ)|) ≥ s²·κ'(|ρ|),    |ds'/ds| = |κ'(ρ)|·s/s' ≤ √κ'(|ρ|) ≤ √χ,

for of two norms κ(1), the cosine of parallel rows, is at most 1, and κ is convex above 0. α takes
over x²|a² − b²|exp(−2x²)/α² of a relative error of x. All of it is to first order.

As a function of two norms an entry has the width 1 however large they are, and no table of few
nodes follows it.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.pairs.pair_recursion import deviations_with_next, entries_of_pairs
from fastgram.infinite_width.pairs.protocol import Mask, Places
from fastgram.kernels.cpu.pairs.waves import rows_of_waves, waves_of_pairs
from fastgram.network.integrals.waves import amplitudes_of_wave
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["WavePairs"]

_EPS = float(np.finfo(np.float64).eps)
# A layer's own: of values over both F, of half chords, and of deviations. Against fifty digits the
# first two are 2.1 and 1.8 roundings; sizes and a normalisation add a few.
_OF_VALUES, _OF_CHORDS, _OF_DEVIATIONS = 16.0 * _EPS, 8.0 * _EPS, 8.0 * _EPS
# A unit vector turns by an angle of 2Δs/√(1 − s²) where half a chord grows by Δs; s² is at most ½.
_TURN = 2.0 * np.sqrt(2.0)
_LARGE = 30.0  # x, beyond which exp(−2x²) is 0
_TINY = float(np.finfo(np.float64).tiny)


class WavePairs:
    """Entries between rows of any norms: `PairEntries`, and the `PairLayers` that they go through.

    Parameters
    ----------
    network : Network
        Of infinite width, its activation with a frequency.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.
    """

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        self.network, self.kind = network, kind
        self.row_norms, self.column_norms = row_norms, column_norms
        self._omega = float(network.activation.frequency or 0.0)
        self._of_f, self._of_df = (
            (a * a, b * b)
            for a, b, _ in (amplitudes_of_wave(network.activation, part) for part in (False, True))
        )
        layers = deviations_with_next(network, row_norms, column_norms)
        self._sizes = [sizes for _, sizes in layers]
        self._sides = [
            tuple(
                rows_of_waves(self._omega * deviations, of_next)
                for deviations, of_next in zip(inputs, sizes, strict=True)
            )
            for inputs, sizes in layers
        ]
        self.flops = 1e3 * network.depth
        self.error, self.by_norm, self.slope = self._bounds().tolist()

    def sizes(self, layer: int) -> tuple[Array, Array]:
        """Return the deviations of the next layer's inputs."""
        return self._sizes[layer - 1]

    def through(
        self, layer: int, first: Places, second: Places, squares: Array, far: Mask
    ) -> Array:
        """Return what a layer makes of pairs; nothing is missing, as distances are of the angle."""
        out = np.empty((first.size, 5))
        distances = layer < self.network.depth
        waves_of_pairs(
            first, second, squares, far, *self._sides[layer - 1],
            self._of_f, self._of_df, distances, out,
        )  # fmt: skip
        return out

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs: see `PairEntries`."""
        return entries_of_pairs(self, first, second, squares, far)

    def _bounds(self) -> Array:
        """Return `error`, `by_norm` and `slope`: what is off, and what two errors add to it."""
        own, of_norm, of_chord = np.eye(3)
        gain = self.network.weight_variance * self.network.normalisation()
        deviation = of_norm + own * (0.0 if self._omega == 1.0 else _EPS)
        chord = of_chord
        covariance = 2.0 * deviation + _TURN * chord + _OF_VALUES * own
        tangent = covariance
        for layer in range(self.network.depth):
            x = np.unique(np.concatenate([side[:, 0] for side in self._sides[layer]]))
            x = x[x > 0.0]
            value, slope = (
                2.0 * moves * deviation + _TURN * turns * chord + _OF_VALUES * own
                for turns, moves in (_sensitivities(x, part) for part in (self._of_f, self._of_df))
            )
            last = tangent if self.kind == "ntk" else covariance
            if layer == self.network.depth - 1:
                break
            after = gain * _mean_squares(x, self._of_f) + self.network.bias_variance
            turns, moves = _sensitivities(x, self._of_f, after / gain)
            chord = turns * chord + moves * deviation + _OF_CHORDS * own
            a, b = self._of_f
            faded = np.exp(-2.0 * np.minimum(x, _LARGE) ** 2)
            kept = gain * np.minimum(x, _LARGE) ** 2 * abs(a - b) * faded / after
            deviation = float(np.max(kept)) * deviation + _OF_DEVIATIONS * own
            covariance = value
            tangent = np.maximum(covariance, tangent + slope)
        product = last + slope
        ends = {"gradient": product, "nngp": value, "ntk": np.maximum(value, product)}
        return np.asarray(ends[self.kind])


def _mean_squares(x: Array, amplitudes: tuple[float, float]) -> Array:
    """Return F² from the squares of the amplitudes of cosine and sine."""
    a, b = amplitudes
    fallen = np.expm1(-2.0 * np.minimum(x, _LARGE) ** 2)
    return np.asarray(a * (1.0 + 0.5 * fallen) - 0.5 * b * fallen)


def _sensitivities(
    x: Array, amplitudes: tuple[float, float], squares: Array | None = None
) -> tuple[float, float]:
    """Return √χ and H, the largest of all x; over the roots of F², or of other squares."""
    a, b = amplitudes
    squares = _mean_squares(x, amplitudes) if squares is None else squares
    twice = 2.0 * np.minimum(x, _LARGE) ** 2
    # E z² cos 2xz = (1 − 4x²)exp(−2x²), and what it lacks from 1
    risen = -np.expm1(-twice) + 2.0 * twice * np.exp(-twice)
    with np.errstate(over="ignore"):
        over = x * x / np.maximum(squares, _TINY)
    turns = over * _mean_squares(x, (b, a))
    moves = over * 0.5 * (b * (2.0 - risen) + a * risen)
    return float(np.sqrt(np.max(turns))), float(np.sqrt(np.max(moves)))
