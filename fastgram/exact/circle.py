"""The smallest eigenvalue of equally spaced points on a circle, by the Fourier transform of a row.

Their Gram matrix is a circulant: its eigenvalues are λⱼ = Σₘ κ(cos 2πm/n)·cos(2πjm/n), j = 0, …,
n − 1, of which λⱼ = λₙ₋ⱼ. Entries are enclosed once for each distance, and no matrix is made: n may
be some thousands, and λ_min far below what float64 sees.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from flint import acb, acb_poly, arb, ctx

from fastgram.bracket import Bracket
from fastgram.exact.built_in import formula_of
from fastgram.exact.entries import Geometry, gram_balls
from fastgram.exact.results import as_fraction, outward_bracket
from fastgram.network.network import Network, as_network

__all__ = ["proven_on_circle"]


def proven_on_circle(n: int, network: str | Network, kind: str, bits: int) -> Bracket:
    """Enclose λ_min of n points that are equally spaced exactly, which no rounded rows are.

    Parameters
    ----------
    n : int
    network : str or Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    bits : int
        To which entries are enclosed, relative to κ(1).

    Returns
    -------
    Bracket
        Certified; its lower end is 0 where λ_min is not told from 0.
    """
    known, half = as_network(network), n // 2 + 1
    with ctx.workprec(bits + 64):
        entries = _entries([(arb(2 * m) / n).cos_pi() for m in range(half)], known, kind, bits)
        row = [entries[min(m, n - m)] for m in range(n)]
        eigenvalues = _transformed(row, half)
        lower = min(as_fraction(one.lower()) for one in eigenvalues)
        upper = min(as_fraction(one.upper()) for one in eigenvalues)
    return outward_bracket(max(lower, Fraction(0)), upper)


def _transformed(row: list[arb], count: int) -> list[arb]:
    """Enclose the real parts of the first numbers of a row's Fourier transform.

    As a product of polynomials (Bluestein): 2jm = j² + m² − (j − m)².
    """
    n = len(row)
    turns = [acb(arb(k) / n).exp_pi_i() for k in range(2 * n)]
    chirp = [turns[k * k % (2 * n)] for k in range(n)]
    first = acb_poly([entry * turn for entry, turn in zip(row, chirp, strict=True)])
    around = [chirp[abs(k)].conjugate() for k in range(1 - n, count)]
    product = first * acb_poly(around)
    return [(product[j + n - 1] * chirp[j]).real for j in range(count)]


def _entries(cosines: list[arb], network: Network, kind: str, bits: int) -> list[arb]:
    """Enclose the entries of unit rows with these cosines, as a square that holds them in turn."""
    count = len(cosines)
    side = math.isqrt(count - 1) + 1
    index = np.minimum(np.arange(side * side), count - 1).reshape(side, side)
    zeros = [0] * count
    geometry = Geometry(index, zeros, zeros, lambda: [arb(1)], lambda: cosines)
    square = gram_balls(geometry, network, kind, formula_of(network.activation), bits)
    return [square[place // side, place % side] for place in range(count)]
