"""Activations with kinks in ball arithmetic: elu, selu, celu and clipped ones, in closed form but one.

Such a function is one term on the whole line and one for each kink t that counts below it,

    f(z) = r(z) + Σ_t 1[z < t]·r_t(z),   terms of r, r_t: zⁱ·exp(λz), i ∈ {0, 1},

so that E[f(u)f(v)] is a sum of truncated moments E[uⁱ exp(au)·vʲ exp(bv); u < s, v < t] of a normal
pair of variances q₁, q₂ and covariance c. exp(au + bv) only shifts the pair (Cameron and Martin): the
mean becomes (aq₁ + bc, ac + bq₂), and the factor exp(½(a²q₁ + 2abc + b²q₂)) is left. Of a standard
pair (U, V) of correlation ρ, truncated at h and k, moments follow from P = Φ₂(h, k; ρ) by parts
(Rosenbaum, J. R. Stat. Soc. B 1961); with h' = (h − ρk)/√(1 − ρ²), k' = (k − ρh)/√(1 − ρ²),

    E[U]  = −φ(h)Φ(k') − ρφ(k)Φ(h'),
    E[UV] = ρP − ρhφ(h)Φ(k') − ρkφ(k)Φ(h') + (1 − ρ²)φ₂(h, k; ρ).

**Φ₂**, the one thing that is integrated: dΦ₂/dρ is the density at (h, k) (Plackett, Biometrika 1954),
and with ρ = sin θ

    Φ₂ = Φ(h)Φ(k) + (1/2π)∫₀^{asin ρ} exp(−½(h² + k² − 2hk sin θ)/cos²θ) dθ.

The exponent is written as −½(h ∓ k)²/cos²θ ∓ hk/(1 ± sin θ), the upper signs for ρ > 0: at the end
θ = ±π/2 that ρ is near to, it is then free of 0/0. The integrand is analytic but there and at the
other end; `flint.acb.integral` encloses the integral, by Gauss–Legendre rules with error bounds from
values on ellipses, bisecting towards the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import acb, arb

from fastgram.exact.formulas import Formula, Pairs
from fastgram.network.elementwise import SELU_ALPHA, SELU_SCALE

__all__ = ["KinkedFormula", "PiecewiseTerms", "Term", "celu", "elu", "hard_tanh", "relu6", "selu"]


@dataclass(frozen=True)
class Term:
    """coefficient·z**power·exp(rate·z), power 0 or 1."""

    coefficient: arb
    power: int = 0
    rate: arb = arb(0)


@dataclass(frozen=True)
class PiecewiseTerms:
    """A function: terms of the whole line, and for each kink those that count below it."""

    whole: tuple[Term, ...]
    below: tuple[tuple[arb, tuple[Term, ...]], ...]

    def pieces(self) -> list[tuple[arb | None, Term]]:
        """Return every term with the kink that it counts below; None is the whole line."""
        found: list[tuple[arb | None, Term]] = [(None, term) for term in self.whole]
        return found + [(kink, term) for kink, terms in self.below for term in terms]


@dataclass(frozen=True)
class KinkedFormula:
    """E[f(u)f(v)] and E[f'(u)f'(v)] of a function with kinks, by truncated normal moments."""

    function: PiecewiseTerms
    derivative: PiecewiseTerms
    most_variances = None

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E f(u)f(v), or of the derivatives, for each pair."""
        pieces = (self.derivative if derivative else self.function).pieces()
        roots = [variance.sqrt() for variance in pairs.variances]
        values = []
        for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
            pair = _Pair((roots[a], roots[b]), pairs.cosines[i], pairs.covariances[i], a == b, bits)
            values.append(pair.product(pieces))
        return values


class _Pair:
    """A normal pair of these standard deviations, correlation and covariance."""

    def __init__(
        self, roots: tuple[arb, arb], cosine: arb, covariance: arb, alike: bool, bits: int
    ) -> None:
        self._roots, self._cosine, self._covariance = roots, cosine, covariance
        self._alike = alike  # of one variance: what is exchanged is the same
        self._bits = bits + 16
        self._tolerance = arb(2) ** -self._bits
        self._opposite = (1 - cosine) * (1 + cosine)
        self._end = 1 if cosine == 1 else -1 if cosine == -1 else 0
        self._angle = arb.atan2(cosine, self._opposite.sqrt()) if not self._end else arb(0)

    def product(self, pieces: list[tuple[arb | None, Term]]) -> arb:
        """Return E[f(u)f(v)] of a function in pieces."""
        total = arb(0)
        for k, left in enumerate(pieces):
            for right in pieces[: k + 1] if self._alike else pieces:
                twice = 2 if self._alike and right is not left else 1
                total += twice * self._moment(left, right)
        return total

    def _moment(self, left: tuple[arb | None, Term], right: tuple[arb | None, Term]) -> arb:
        """Return E of one term of u times one of v, each below its kink."""
        (s, one), (t, other) = left, right
        (p, q), c = self._roots, self._covariance
        a, b = one.rate, other.rate
        means = a * p * p + b * c, a * c + b * q * q
        growth = (a * means[0] + b * means[1]) / 2
        h = None if s is None else (s - means[0]) / p
        k = None if t is None else (t - means[1]) / q
        # where h and k are one number, or each other's negative, no rounding may tell them apart
        sign = 0
        if self._alike and s is not None and t is not None:
            if s == t and a == b:
                k, sign = h, 1
            elif s == -t and a == b == 0:
                sign = -1
        chance, first, second, both = self._standard(h, k, sign, growth, one.power + other.power)
        # (m + pU)ⁱ·(n + qV)ʲ
        value = chance
        if one.power and other.power:
            value = means[0] * (means[1] * chance + q * second) + p * (means[1] * first + q * both)
        elif one.power:
            value = means[0] * chance + p * first
        elif other.power:
            value = means[1] * chance + q * second
        return one.coefficient * other.coefficient * value

    def _standard(
        self, h: arb | None, k: arb | None, sign: int, growth: arb, powers: int
    ) -> tuple[arb, arb, arb, arb]:
        """Return exp(growth) times P, E U, E V and E UV of the standard pair at U < h, V < k.

        None is no limit; `sign` is 1 where h = k, −1 where h = −k. Without powers only the first
        is asked for.
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
        if not powers:
            return chance, arb(0), arb(0), arb(0)
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
        apart = arb(0) if sign == turn else (h - turn * k) ** 2 / 2
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
    return _exponential(arb(1), arb(alpha), arb(1))


def celu(alpha: float) -> Formula:
    """Return the formula of z above 0, alpha·(exp(z/alpha) − 1) below."""
    return _exponential(arb(1), arb(alpha), 1 / arb(alpha))


def selu() -> Formula:
    """Return the formula of elu with the self-normalising alpha, times its scale."""
    return _exponential(arb(SELU_SCALE), arb(SELU_ALPHA), arb(1))


def _clipped(low: int, high: int) -> Formula:
    bottom, top, one = arb(low), arb(high), arb(1)
    return KinkedFormula(
        PiecewiseTerms(
            (Term(top),),
            ((top, (Term(one, 1), Term(-top))), (bottom, (Term(-one, 1), Term(bottom)))),
        ),
        PiecewiseTerms((), ((top, (Term(one),)), (bottom, (Term(-one),)))),
    )


def _exponential(above: arb, alpha: arb, rate: arb) -> Formula:
    """Return the formula of above·z above 0 and above·alpha·(exp(rate·z) − 1) below."""
    size, kink = above * alpha, arb(0)
    below = (Term(size, 0, rate), Term(-size), Term(-above, 1))
    return KinkedFormula(
        PiecewiseTerms((Term(above, 1),), ((kink, below),)),
        PiecewiseTerms((Term(above),), ((kink, (Term(size * rate, 0, rate), Term(-above))),)),
    )
