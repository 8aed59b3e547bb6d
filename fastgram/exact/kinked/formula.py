"""Activations with kinks in ball arithmetic: elu, selu, celu, and clipped ones.

Such a function is one term on the whole line and one for each kink t that counts below it,

    f(z) = r(z) + Σ_t 1[z < t]·r_t(z),   terms of r, r_t: zⁱ·exp(λz), i ∈ {0, 1},

so that E[f(u)f(v)] is a sum of truncated moments E[uⁱ exp(au)·vʲ exp(bv); u < s, v < t] of a
normal pair of variances q₁, q₂ and covariance c. exp(au + bv) only shifts the pair (Cameron and
Martin): the mean becomes (aq₁ + bc, ac + bq₂), and a factor exp(g), g = ½(a²q₁ + 2abc + b²q₂), is
left. Of a standard pair (U, V) of correlation ρ, truncated at h and k, moments follow from
P = Φ₂(h, k; ρ) by parts (Rosenbaum, J. R. Stat. Soc. B 1961); with h' = (h − ρk)/√(1 − ρ²) and
k' = (k − ρh)/√(1 − ρ²),

    E[U]  = −φ(h)Φ(k') − ρφ(k)Φ(h'),
    E[UV] = ρP − ρhφ(h)Φ(k') − ρkφ(k)Φ(h') + (1 − ρ²)φ₂(h, k; ρ).

**Φ₂**, the one thing that is integrated: dΦ₂/dρ is the density at (h, k) (Plackett, Biometrika
1954), and Φ₂ vanishes at ρ = −1 where h + k ≤ 0. With ρ = sin θ

    exp(g)·Φ₂ = (1/2π)∫ exp(g − ½(h² + k² − 2hk sin θ)/cos²θ) dθ,   θ from −π/2 to asin ρ,

where nothing cancels, however large g is; where h + k > 0 (and g is 0, or small), Φ₂ = Φ(h) − Φ(−k)
+ Φ₂(−h, −k). The exponent is −½(h + k)²/cos²θ + hk/(1 − sin θ) for θ < 0, and −½(h − k)²/cos²θ −
hk/(1 + sin θ) above, each free of 0/0 at its own end. Nearer to −π/2 than some δ it is at
most exp(g + |hk| − ½(h + k)²/δ²), and left out. The rest is analytic; `flint.acb.integral` encloses
it, by Gauss–Legendre rules with error bounds from values on ellipses.

An entry takes two to four integrals, some 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from flint import acb, arb

from fastgram.exact.formulas import Formula, Pairs
from fastgram.network.elementwise import SELU_ALPHA, SELU_SCALE

__all__ = ["KinkedFormula", "Piece", "celu", "elu", "hard_tanh", "relu6", "selu"]


class Piece(NamedTuple):
    """(constant + slope·z)·exp(rate·z) below a kink; on the whole line where the kink is None."""

    kink: arb | None
    rate: arb
    constant: arb
    slope: arb


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
        roots = [variance.sqrt() for variance in pairs.variances]
        values = []
        for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
            deviations = roots[a], roots[b]
            cosine, covariance = pairs.cosines[i], pairs.covariances[i]
            values.append(_Pair(deviations, cosine, covariance, a == b, bits).product(pieces))
        return values


class _Pair:
    """A normal pair of these standard deviations, correlation and covariance."""

    def __init__(
        self, deviations: tuple[arb, arb], cosine: arb, covariance: arb, alike: bool, bits: int
    ) -> None:
        self._deviations, self._cosine, self._covariance = deviations, cosine, covariance
        self._alike = alike  # of one variance: what is exchanged is the same
        self._bits = bits + 16
        self._tolerance = arb(2) ** -self._bits
        self._opposite = (1 - cosine) * (1 + cosine)
        self._end = 1 if cosine == 1 else -1 if cosine == -1 else 0
        self._angle = arb.atan2(cosine, self._opposite.sqrt()) if not self._end else arb(0)

    def product(self, pieces: tuple[Piece, ...]) -> arb:
        """Return E[f(u)f(v)] of a function in pieces."""
        total = arb(0)
        for k, left in enumerate(pieces):
            for right in pieces[: k + 1] if self._alike else pieces:
                twice = 2 if self._alike and right is not left else 1
                total += twice * self._moment(left, right)
        return total

    def _moment(self, left: Piece, right: Piece) -> arb:
        """Return E of a piece of u times one of v."""
        (p, q), c = self._deviations, self._covariance
        s, t, a, b = left.kink, right.kink, left.rate, right.rate
        means = a * p * p + b * c, a * c + b * q * q
        growth = (a * means[0] + b * means[1]) / 2
        h = None if s is None else (s - means[0]) / p
        k = None if t is None else (t - means[1]) / q
        # where h and k are one number, or each other's negative, no rounding may tell them apart
        sign = 0
        if self._alike and s is not None and t is not None:
            if left is right:
                k, sign = h, 1
            elif s == -t and a == b == 0:
                sign = -1
        chance, first, second, both = self._standard(h, k, sign, growth)
        # of (constant + slope·(mean + pU)) times the same of v
        low, high = left.constant + left.slope * means[0], left.slope * p
        other, steep = right.constant + right.slope * means[1], right.slope * q
        return low * (other * chance + steep * second) + high * (other * first + steep * both)

    def _standard(
        self, h: arb | None, k: arb | None, sign: int, growth: arb
    ) -> tuple[arb, arb, arb, arb]:
        """Return exp(growth) times P, E U, E V and E UV of the standard pair at U < h, V < k.

        None is no limit; `sign` is 1 where h = k, −1 where h = −k.
        """
        rho, factor = self._cosine, growth.exp()
        if h is None and k is None:
            return factor, arb(0), arb(0), factor * rho
        if h is None or k is None:
            edge = h if k is None else k
            assert edge is not None
            chance, density = factor * _normal(edge), factor * _density(edge)
            own, across = -density, -rho * density
            first, second = (own, across) if k is None else (across, own)
            return chance, first, second, rho * (chance - edge * density)
        if self._end:
            chance, first, second, both = self._on_a_line(h, k)
            return factor * chance, factor * first, factor * second, factor * both
        chance = self._orthant(h, k, sign, growth)
        root = self._opposite.sqrt()
        at_h = factor * _density(h) * _normal((k - rho * h) / root)
        at_k = factor * _density(k) * _normal((h - rho * k) / root)
        square = h * h - 2 * rho * h * k + k * k
        corner = root / (2 * arb.pi()) * (growth - square / (2 * self._opposite)).exp()
        both = rho * (chance - h * at_h - k * at_k) + corner
        return chance, -at_h - rho * at_k, -at_k - rho * at_h, both

    def _on_a_line(self, h: arb, k: arb) -> tuple[arb, arb, arb, arb]:
        """Return the same where V = ±U."""
        if self._end > 0:
            top = h.min(k)
            chance, density = _normal(top), _density(top)
            return chance, -density, -density, chance - top * density
        bottom = (-k).min(h)  # an empty interval where −k is above h
        chance = _normal(h) - _normal(bottom)
        first = _density(bottom) - _density(h)
        square = chance - h * _density(h) + bottom * _density(bottom)
        return chance, first, -first, -square

    def _orthant(self, h: arb, k: arb, sign: int, growth: arb) -> arb:
        """Return exp(growth)·Φ₂(h, k; ρ)."""
        if h == 0 and k == 0:
            return growth.exp() * (self._angle / arb.pi() + arb(1) / 2) / 2
        if sign < 0 or h + k < 0:
            return self._integral(h, k, sign, growth) / (2 * arb.pi())
        # of the opposite quadrant, which is the smaller
        rest = self._integral(-h, -k, sign, arb(0)) / (2 * arb.pi())
        return growth.exp() * (_normal(h) - _normal(-k) + rest)

    def _integral(self, h: arb, k: arb, sign: int, growth: arb) -> arb:
        """Return the integral from −π/2 to asin ρ, where h + k ≤ 0, times exp(growth)."""
        start, left_out = -arb.pi() / 2, arb(0)
        if sign >= 0:
            # up to here cos²θ is at most cut², and the integrand at most exp(−enough)
            enough = self._bits * arb.const_log2()
            cut = (-(h + k) / (2 * (enough + abs(h * k) + abs(growth))).sqrt()).min(arb(1))
            cut = arb(cut.lower())
            start, left_out = start + cut, arb(0, 1) * cut * (-enough).exp()
        total = left_out
        for below in (True, False):
            first, last = (start, self._angle.min(arb(0))) if below else (arb(0), self._angle)
            if last <= first:
                continue
            total += self._part(h, k, sign, growth, below, first, last)
        return total

    def _part(
        self, h: arb, k: arb, sign: int, growth: arb, below: bool, first: arb, last: arb
    ) -> arb:
        turn = -1 if below else 1
        difference = h - turn * k
        apart = arb(0) if sign == turn else difference * difference / 2
        product = turn * h * k

        def integrand(theta: acb, _: bool) -> acb:
            sine, cosine = theta.sin(), theta.cos()
            exponent = growth - product / (1 + turn * sine)
            if not apart.is_zero():
                exponent -= apart / (cosine * cosine)
            return exponent.exp()

        return acb.integral(
            integrand, acb(first), acb(last), abs_tol=self._tolerance, rel_tol=self._tolerance
        ).real


def _density(z: arb) -> arb:
    return (-z * z / 2).exp() / (2 * arb.pi()).sqrt()


def _normal(z: arb) -> arb:
    return (-z / arb(2).sqrt()).erfc() / 2


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
