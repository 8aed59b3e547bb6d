"""Entries between rows of several norms as functions of the angle: what separated tables hold.

By the recursion over layers, whose integrals take one kink, at 0; lines with kinks elsewhere by
their normal integrals.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.kernel_function import diagonal_entries, profile_of_norms
from fastgram.infinite_width.piecewise import Profile
from fastgram.network.lines import Lines, lines_of
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["errors_of_profile", "profile_between_norms", "widest_range"]

_KINKED_END = 0.99
_TINY = float(np.finfo(np.float64).tiny)


def widest_range(network: Network) -> float:
    """Return the |ρ| up to which tables may be made; 2 for all, beyond rounding too.

    With kinks away from 0 entries depend on the larger of the two norms, or the smaller, at ρ = ±1.
    """
    return 2.0 if _lines_off_zero(network) is None else _KINKED_END


def profile_between_norms(network: Network, kind: str, norms: Array) -> Profile:
    """Return entries over the roots of diagonal ones, a function for each pair of norms.

    Parameters
    ----------
    network : Network
        Of infinite width; kinks away from 0 are those of lines.
    kind : {"gradient", "nngp", "ntk"}
    norms : (m,) array
        Of augmented rows, above 0.
    """
    scales = np.sqrt(diagonal_entries(network, kind, norms))
    lines = _lines_off_zero(network)
    if lines is None:
        return profile_of_norms(network, kind, norms, scales)
    return _profile_of_lines(network, kind, lines, norms, scales)


def errors_of_profile(network: Network, kind: str, norms: Array) -> tuple[float, float]:
    """Bound the errors of values, and what relative errors of the norms add, times these errors.

    `norms`, above 0, stand for all that are taken.
    """
    lines = _lines_off_zero(network)
    if lines is None:
        stated = errors_between_norms(network, kind, norms)
        return stated.base, stated.by_norm
    from fastgram.infinite_width.pairs.line_pairs import LinePairs  # compiled: when needed

    pairs = LinePairs(network, kind, lines, norms, norms)
    return pairs.error, pairs.by_norm


def _lines_off_zero(network: Network) -> Lines | None:
    """Return the lines of an activation that has a kink away from 0."""
    return lines_of(network.activation) if any(network.activation.kinks) else None


def _profile_of_lines(
    network: Network, kind: str, lines: Lines, norms: Array, scales: Array
) -> Profile:
    """Return the same by normal integrals; chords are no more accurate near 0 than the ends."""
    from fastgram.infinite_width.pairs.line_layers import LineLayers  # compiled: when needed

    layers = LineLayers(network, kind, lines, norms, norms)
    first, second = np.triu_indices(norms.size)
    # entries over scales that underflow are no numbers that a table could hold
    divisor = np.maximum(scales[first] * scales[second], _TINY)

    def entries(far: bool, offsets: Array) -> Array:
        angle, pair = np.indices((offsets.size, first.size)).reshape(2, -1)
        squares = np.sin(offsets / 2.0)[angle] ** 2
        values = layers.values(first[pair], second[pair], squares, np.full(angle.size, far))
        return np.asarray(values.reshape(offsets.size, first.size) / divisor)

    ends = [entries(far, np.zeros(1))[0] for far in (False, True)]

    def chords(far: bool, offsets: Array) -> Array:
        return np.asarray(ends[far] - entries(far, offsets))

    return Profile(ends[0], ends[1], chords, network.depth)
