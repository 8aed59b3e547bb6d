"""Expectations at many correlations from Taylor series about few.

κ(ρ) = E[f(u)f(v)] = Σ c_k c'_k ρᵏ with the Hermite coefficients of either variance (Mehler), so
that |κ(z)| ≤ M = √(E f(u)²·E f(v)²) on the whole complex unit disc (Cauchy and Schwarz). About ρ₀
its Taylor coefficients are then at most M/Rᵏ, R = 1 − |ρ₀|, and what N terms leave out at ρ₀ + t is
at most M·xᴺ/(1 − x), x = |t|/R. Correlations are sorted and cut into groups of x ≤ 1/4: up to
1 − |ρ| = 10⁻⁶ these are no more than fifty-five, however many correlations there are; and the
narrower a group the fewer terms: nearly equal ones take two or three.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from flint import arb, arb_poly, ctx

from fastgram.exact.formulas import Pairs
from fastgram.exact.kinked.moments import BallPair, Piece, SeriesPair

__all__ = ["expanded"]

# The largest x of a group.
_REACH = arb(1) / 4
# A series costs up to twice what an entry does by itself.
_FEWEST = 2
# Bits that a term of a series may lose.
_BITS_A_TERM = 2
# More than the rounding of a float.
_ROUNDED_UP = 1.0 + 2.0**-40


def expanded(pairs: Pairs, pieces: tuple[Piece, ...], bits: int) -> list[arb]:
    """Enclose E[f(u)f(v)] of each pair, f a sum of pieces, to about 2**-bits of its scale."""
    family = _Family(pairs, pieces, bits)
    members: dict[tuple[int, int], list[int]] = {}
    values: list[arb] = [arb(0)] * len(pairs.cosines)
    for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        members.setdefault((min(a, b), max(a, b)), []).append(i)
    for (a, b), indices in members.items():
        for group in _groups(indices, pairs.cosines):
            found = family.together(a, b, group) if len(group.members) >= _FEWEST else None
            for place, i in enumerate(group.members):
                values[i] = family.alone(i) if found is None else found[place]
    return values


class _Group(NamedTuple):
    """Pairs whose correlations are within about a quarter of 1 − |centre| of the centre."""

    members: list[int]
    centre: arb


def _groups(indices: list[int], cosines: list[arb]) -> list[_Group]:
    """Cut the pairs of two variances into groups of neighbours."""
    ordered = sorted(indices, key=lambda i: cosines[i].mid())
    groups: list[_Group] = []
    start = 0
    while start < len(ordered):
        end = start + 1
        group = _Group(ordered[start:end], cosines[ordered[start]].mid())
        # the furthest that can be joined, by bisection over sizes that double
        step = 1
        while step:
            stop = min(end + step, len(ordered))
            wider = _group(ordered[start:stop], cosines) if stop > end else None
            if wider is not None:
                group, end, step = wider, stop, 2 * step
            else:
                step //= 2
        groups.append(group)
        start = end
    return groups


def _group(members: list[int], cosines: list[arb]) -> _Group | None:
    """Return a group of sorted neighbours, None where they are too far from each other."""
    low, high = cosines[members[0]].mid(), cosines[members[-1]].mid()
    centre = ((low + high) / 2).mid()
    near = high - centre < _REACH * (1 - abs(centre))
    return _Group(members, centre) if near else None


class _Family:
    """Expectations of one function, by themselves and together."""

    def __init__(self, pairs: Pairs, pieces: tuple[Piece, ...], bits: int) -> None:
        self._pairs, self._pieces, self._bits = pairs, pieces, bits
        self._roots = [variance.sqrt() for variance in pairs.variances]
        self._norms: dict[int, arb] = {}

    def alone(self, i: int) -> arb:
        """Return that of one pair."""
        pairs = self._pairs
        a, b = pairs.first[i], pairs.second[i]
        deviations = self._roots[a], self._roots[b]
        cosine, covariance = pairs.cosines[i], pairs.covariances[i]
        pair = BallPair(deviations, cosine, covariance, a == b, self._bits)
        return pair.product(self._pieces)

    def together(self, a: int, b: int, group: _Group) -> list[arb] | None:
        """Return those of a group by one series; None where that keeps too few digits."""
        shifts = [self._pairs.cosines[i] - group.centre for i in group.members]
        room = 1 - abs(group.centre)
        sizes = [float((abs(t) / room).abs_upper()) for t in shifts]
        reach = _ROUNDED_UP * max(2.0**-self._bits, *sizes)
        if not reach < 0.5:  # balls as wide as that
            return None
        terms = math.ceil((self._bits + 4) / -math.log2(reach))
        bound = (self._norm(a) * self._norm(b)).sqrt()
        before = ctx.cap
        with ctx.workprec(ctx.prec + _BITS_A_TERM * terms):
            ctx.cap = terms
            try:
                series = self._series(a, b, group.centre, terms)
            finally:
                ctx.cap = before
        power, lost = arb(1), arb(0)
        for coefficient in series:
            lost += coefficient.rad() * power
            power *= arb(reach) * room
        left_out = bound * arb(reach) ** terms / (1 - arb(reach))
        if not lost < bound * arb(2) ** -self._bits:
            return None
        polynomial, rest = arb_poly(series), arb(0, left_out.abs_upper())
        return [polynomial(t) + rest for t in shifts]

    def _series(self, a: int, b: int, centre: arb, terms: int) -> list[arb]:
        deviations = self._roots[a], self._roots[b]
        covariance = deviations[0] * deviations[1] * centre
        # to the precision of the coefficients that follow
        pair = BallPair(deviations, centre, covariance, a == b, self._bits)
        series = SeriesPair(pair, deviations, centre, a == b, terms)
        coefficients: list[arb] = series.product(self._pieces).coeffs()
        return coefficients

    def _norm(self, a: int) -> arb:
        """Return E f(u)² of a variance."""
        if a not in self._norms:
            root = self._roots[a]
            pair = BallPair((root, root), arb(1), self._pairs.variances[a], True, self._bits)
            self._norms[a] = pair.product(self._pieces)
        return self._norms[a]
