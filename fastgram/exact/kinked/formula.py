"""The formula of an activation with kinks in ball arithmetic: one term for each kink.

Such a function is one term on the whole line and one for each kink t that counts below it,

    f(z) = r(z) + Σ_t 1[z < t]·r_t(z),   terms of r, r_t: zⁱ·exp(λz), i ∈ {0, 1},

so that E[f(u)f(v)] is a sum of truncated moments of a normal pair, `fastgram.exact.kinked.moments`.
Those take an integral each, some 10 ms an entry; of a hundred entries or a million the same fifty
integrals do, `fastgram.exact.kinked.expansions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb

from fastgram.exact.branches import Branches
from fastgram.exact.formulas import Formula, Pairs
from fastgram.exact.kinked.expansions import expanded
from fastgram.exact.kinked.moments import Piece
from fastgram.network.elementwise import SELU_ALPHA, SELU_SCALE

__all__ = ["KinkedFormula", "celu", "elu", "hard_tanh", "relu6", "selu"]


@dataclass(frozen=True)
class KinkedFormula:
    """E[f(u)f(v)] and E[f'(u)f'(v)] of a function that, like its derivative, is a sum of pieces."""

    # called for each request: constants must be balls of its precision
    function: Callable[[], tuple[Piece, ...]]
    derivative: Callable[[], tuple[Piece, ...]]
    most_variances = None
    entry_seconds = 0.012

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E φ(u)φ(v), or of the derivatives, for each pair."""
        pieces = (self.derivative if derivative else self.function)()
        return expanded(pairs, pieces, bits)

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself: the sums of the pieces that count between two kinks."""
        pieces = (self.derivative if derivative else self.function)()
        kinks: list[arb] = []
        for piece in pieces:
            if piece.kink is not None and piece.kink not in kinks:
                kinks.append(piece.kink)
        kinks.sort(key=float)
        counted = [
            [p for p in pieces if p.kink is None or p.kink > below]
            for below in (arb.neg_inf(), *kinks)
        ]
        return Branches(tuple(kinks), tuple(map(_sum, counted)))


def _sum(pieces: list[Piece]) -> Callable[[arb], arb]:
    """Return the sum of pieces as a function on the whole line."""
    lines = [piece for piece in pieces if piece.rate.is_zero()]
    curved = [piece for piece in pieces if not piece.rate.is_zero()]
    constant = sum((piece.constant for piece in lines), arb(0))
    slope = sum((piece.slope for piece in lines), arb(0))

    def function(z: arb) -> arb:
        value = constant + slope * z
        for piece in curved:
            value += (piece.constant + piece.slope * z) * (piece.rate * z).exp()
        return value

    return function


# --- the built-in activations ------------------------------------------------------------------


def relu6() -> Formula:
    """Return the formula of z clipped to [0, 6]."""
    return _clipped(0, 6)


def hard_tanh() -> Formula:
    """Return the formula of z clipped to [−1, 1]."""
    return _clipped(-1, 1)


def elu(alpha: float) -> Formula:
    """Return the formula of z above 0, alpha·(exp z − 1) below."""
    return _exponential(1.0, alpha, lambda: arb(1))


def celu(alpha: float) -> Formula:
    """Return the formula of z above 0, alpha·(exp(z/alpha) − 1) below."""
    return _exponential(1.0, alpha, lambda: 1 / arb(alpha))


def selu() -> Formula:
    """Return the formula of elu with the self-normalising alpha, times its scale."""
    return _exponential(SELU_SCALE, SELU_ALPHA, lambda: arb(1))


def _clipped(low: int, high: int) -> Formula:
    bottom, top, zero, one = arb(low), arb(high), arb(0), arb(1)  # exact, all of them
    function = (
        Piece(None, zero, top, zero),
        Piece(top, zero, -top, one),
        Piece(bottom, zero, bottom, -one),
    )
    derivative = Piece(top, zero, one, zero), Piece(bottom, zero, -one, zero)
    return KinkedFormula(lambda: function, lambda: derivative)


def _exponential(scale: float, alpha: float, rate: Callable[[], arb]) -> Formula:
    """Return the formula of scale·z above 0 and scale·alpha·(exp(rate·z) − 1) below."""
    above, zero = arb(scale), arb(0)

    def function() -> tuple[Piece, ...]:
        size = above * arb(alpha)
        return (
            Piece(None, zero, zero, above),
            Piece(zero, zero, -size, -above),
            Piece(zero, rate(), size, zero),
        )

    def derivative() -> tuple[Piece, ...]:
        return (
            Piece(None, zero, above, zero),
            Piece(zero, zero, -above, zero),
            Piece(zero, rate(), above * arb(alpha) * rate(), zero),
        )

    return KinkedFormula(function, derivative)
