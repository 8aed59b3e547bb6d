"""Truncated moments of a normal pair, in balls or in power series of balls.

Of a pair of variances q₁, q₂ and covariance c, E[uⁱ exp(au)·vʲ exp(bv); u < s, v < t]: exp(au + bv)
only shifts the pair (Cameron and Martin): the mean becomes (aq₁ + bc, ac + bq₂), and a factor
exp(g), g = ½(a²q₁ + 2abc + b²q₂), is left. Of a standard pair (U, V) of correlation ρ, truncated at
h and k, moments follow from P = Φ₂(h, k; ρ) by parts (Rosenbaum, J. R. Stat. Soc. B 1961); with
h' = (h − ρk)/√(1 − ρ²) and k' = (k − ρh)/√(1 − ρ²),

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

**In series** of t, ρ = ρ₀ + t, everything else is explicit, and Φ₂ is its value at ρ₀ and the
integral of

    dΦ₂/dt = φ₂(h, k; ρ) + φ(h)Φ(k')·dh/dt + φ(k)Φ(h')·dk/dt,

for h and k move with the covariance where a or b is not 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flint import acb, arb, arb_series

__all__ = ["BallPair", "NormalPair", "Piece", "SeriesPair"]

Number = Any  # arb, or arb_series: whichever the correlation is


class Piece(NamedTuple):
    """(constant + slope·z)·exp(rate·z) below a kink; on the whole line where the kink is None."""

    kink: arb | None
    rate: arb
    constant: arb
    slope: arb


class NormalPair:
    """A normal pair of these standard deviations, correlation and covariance.

    `alike`: of one variance, and what is exchanged is the same.
    """

    def __init__(
        self, deviations: tuple[arb, arb], cosine: Number, covariance: Number, alike: bool
    ) -> None:
        self._deviations, self._cosine, self._covariance = deviations, cosine, covariance
        self._alike = alike
        self._opposite = (1 - cosine) * (1 + cosine)

    def product(self, pieces: tuple[Piece, ...]) -> Number:
        """Return E[f(u)f(v)] of a function in pieces."""
        total = arb(0)
        for k, left in enumerate(pieces):
            for right in pieces[: k + 1] if self._alike else pieces:
                twice = 2 if self._alike and right is not left else 1
                total = total + twice * self._moment(left, right)
        return total

    def _moment(self, left: Piece, right: Piece) -> Number:
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
        self, h: Number | None, k: Number | None, sign: int, growth: Number
    ) -> tuple[Number, Number, Number, Number]:
        """Return exp(growth) times P, E U, E V and E UV of the standard pair at U < h, V < k.

        None is no limit; `sign` is 1 where h = k, −1 where h = −k.
        """
        rho = self._cosine
        if h is None and k is None:
            factor = growth.exp()
            return factor, arb(0), arb(0), factor * rho
        if h is None or k is None:
            edge = h if k is None else k
            factor = growth.exp()
            chance, density = factor * _normal(edge), factor * _density(edge)
            own, across = -density, -rho * density
            first, second = (own, across) if k is None else (across, own)
            return chance, first, second, rho * (chance - edge * density)
        chance = self.chance(h, k, sign, growth)
        at_h, at_k, corner = self._edges(h, k, growth)
        both = rho * (chance - h * at_h - k * at_k) + corner * self._opposite
        return chance, -at_h - rho * at_k, -at_k - rho * at_h, both

    def _edges(self, h: Number, k: Number, growth: Number) -> tuple[Number, Number, Number]:
        """Return exp(growth) times φ(h)Φ(k'), φ(k)Φ(h') and φ₂(h, k; ρ)."""
        rho, root = self._cosine, self._opposite.sqrt()
        normal = (2 * arb.pi()).sqrt()
        at_h = (growth - h * h / 2).exp() / normal * _normal((k - rho * h) / root)
        at_k = (growth - k * k / 2).exp() / normal * _normal((h - rho * k) / root)
        square = h * h - 2 * rho * h * k + k * k
        corner = (growth - square / (2 * self._opposite)).exp() / (2 * arb.pi() * root)
        return at_h, at_k, corner

    def chance(self, h: Number, k: Number, sign: int, growth: Number) -> Number:
        """Return exp(growth)·Φ₂(h, k; ρ)."""
        raise NotImplementedError


class SeriesPair(NormalPair):
    """The pairs of correlation ρ₀ + t, as power series in t.

    Parameters
    ----------
    centre : BallPair
        At ρ₀.
    deviations, alike
        As of `NormalPair`.
    cosine : arb
        ρ₀, not ±1.
    terms : int
        How many terms of the series count.
    """

    def __init__(
        self, centre: BallPair, deviations: tuple[arb, arb], cosine: arb, alike: bool, terms: int
    ) -> None:
        scale = deviations[0] * deviations[1]
        shifted = arb_series([cosine, 1], prec=terms)
        moved = arb_series([scale * cosine, scale], prec=terms)
        super().__init__(deviations, shifted, moved, alike)
        self._centre = centre

    def chance(self, h: Number, k: Number, sign: int, growth: Number) -> Number:
        """Return exp(growth)·Φ₂(h, k; ρ), from its value at ρ₀ and its derivative."""
        start = growth[0]
        constant = self._centre.chance(h[0], k[0], sign, start)
        at_h, at_k, corner = self._edges(h, k, start)
        slope = corner + at_h * h.derivative() + at_k * k.derivative()
        return (growth - start).exp() * (constant + slope.integral())


class BallPair(NormalPair):
    """A pair whose correlation is a ball, exact where it is ±1."""

    def __init__(
        self, deviations: tuple[arb, arb], cosine: arb, covariance: arb, alike: bool, bits: int
    ) -> None:
        super().__init__(deviations, cosine, covariance, alike)
        self._bits = bits + 16
        self._tolerance = arb(2) ** -self._bits
        self._end = 1 if cosine == 1 else -1 if cosine == -1 else 0
        self._angle = arb.atan2(cosine, self._opposite.sqrt()) if not self._end else arb(0)

    def _standard(
        self, h: arb | None, k: arb | None, sign: int, growth: arb
    ) -> tuple[arb, arb, arb, arb]:
        if not self._end or h is None or k is None:
            return super()._standard(h, k, sign, growth)
        factor = growth.exp()
        chance, first, second, both = self._on_a_line(h, k)
        return factor * chance, factor * first, factor * second, factor * both

    def _on_a_line(self, h: arb, k: arb) -> tuple[arb, arb, arb, arb]:
        """Return P, E U, E V and E UV where V = ±U."""
        if self._end > 0:
            top = h.min(k)
            chance, density = _normal(top), _density(top)
            return chance, -density, -density, chance - top * density
        bottom = (-k).min(h)  # an empty interval where −k is above h
        chance = _normal(h) - _normal(bottom)
        first = _density(bottom) - _density(h)
        square = chance - h * _density(h) + bottom * _density(bottom)
        return chance, first, -first, -square

    def chance(self, h: arb, k: arb, sign: int, growth: arb) -> arb:
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
