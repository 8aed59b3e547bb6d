"""Entries of a cos ωz + b sin ωz pair by pair, in closed form: one layer, rows of any norms.

With x and y the norms of two rows times ω, and s half the chord to the nearer end,

    C∓ = E cos ω(u ∓ v) = exp(−½(x − y)² − 2xys²) and the same times exp(−2xy(1 − 2s²))

at that end, and exchanged at the other: see `fastgram.network.integrals.waves`. An entry is a²
times their mean and b² times half their difference, whose digits `expm1` keeps where norms are
small. As a function of two norms it has the width 1 however large they are, and no table of few
nodes follows it.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.pairs.protocol import Mask, Places
from fastgram.network.integrals.waves import amplitudes_of_wave, parts_of_waves
from fastgram.network.network import Network
from fastgram.support.arrays import Array

__all__ = ["WavePairs"]

_EPS = float(np.finfo(np.float64).eps)
# Of two rows the roots of E f² have a product of 0.43·(a² + b²·min(1, x)·min(1, y)) at least; an
# entry, with what it changes by, is bounded by such a sum. This is one over the other.
_OVER = 1.0 / 0.43
_ROUNDING = 16.0 * _EPS  # of exponentials whose exponents are off by roundings of themselves


class WavePairs:
    """Entries between rows of any norms: `PairEntries`.

    Parameters
    ----------
    network : Network
        Of one layer, of infinite width, its activation with a frequency.
    kind : {"gradient", "nngp", "ntk"}
    row_norms, column_norms : arrays
        Of augmented rows.
    """

    flops = 100.0

    def __init__(self, network: Network, kind: str, row_norms: Array, column_norms: Array) -> None:
        activation = network.activation
        self._kind, self._norms = kind, (row_norms, column_norms)
        self._omega = float(activation.frequency or 0.0)
        scale = network.normalisation()
        self._of_f, self._of_df = (  # a² and b²
            (scale * a * a, scale * b * b)
            for a, b, _ in (amplitudes_of_wave(activation, of_df) for of_df in (False, True))
        )
        most = self._omega * float(max(row_norms.max(), column_norms.max()))
        # |d| exp(−d²/2) is at most 0.61 and t exp(−t) at most 0.37; x and y are rounded for ω ≠ 1
        by_norm = 1.25 * most + 6.0
        self.by_norm = _OVER * by_norm + 2.0
        self.error = _OVER * (_ROUNDING + (0.0 if self._omega == 1.0 else by_norm * _EPS))
        # of exp(−2xys²) in s: at most 2√(xy/e), and that of the rows' product beside it
        self.slope = _OVER * (1.25 * most + 3.0) + 3.0

    def values(self, first: Places, second: Places, squares: Array, far: Mask) -> Array:
        """Return the entries of pairs: see `PairEntries`."""
        left, right = self._norms[0][first], self._norms[1][second]
        both, apart = parts_of_waves(self._omega * left, self._omega * right, squares)
        apart = np.where(far, -apart, apart)
        value = self._of_f[0] * both + self._of_f[1] * apart
        if self._kind == "nngp":
            return np.asarray(value)
        slope = self._of_df[0] * both + self._of_df[1] * apart
        product = left * right * np.where(far, 2.0 * squares - 1.0, 1.0 - 2.0 * squares)
        return np.asarray(product * slope + (value if self._kind == "ntk" else 0.0))
