"""Hermite coefficients of a function, enclosed: c_k = E[f(√q z)·h_k(z)], z ~ N(0, 1).

h_k = He_k/√k! are the normalised Hermite polynomials, so that E[f(u)f(v)] = Σ c_k²ρᵏ for normal
u, v of variance q and correlation ρ (Mehler), and Σ c_k² = E f(√q z)² (Parseval): what is left
out after c_K is at most the ball E f² − Σ_{k≤K} c_k², times |ρ|**(K+1).

**Quadrature.** The trapezoidal rule with step h on the nodes jh, |jh| ≤ X. Let f be analytic on
|Im z| ≤ y with |f(x + it)| ≤ β₀ + β₁|x| there, a = y/√q and B = β₀ + β₁√q.

- Discretisation: moving the contour to Im z = ±a shows the error of the infinite sum to be at most
  2M/(exp(2πa/h) − 1), M a bound of ∫|F(x ± ia)|dx (Trefethen and Weideman, SIAM Review 2014,
  theorem 5.1). For F = f(√q z)h_k(z)φ(z), Cauchy–Schwarz with |φ(x + ia)| = φ(x)exp(a²/2),
  E|h_k(z + ia)|² = Σᵢ C(k, i)a²ⁱ/i! ≤ Σᵢ (a√k)²ⁱ/i!² ≤ exp(2a√k) and
  E|f(√q(z + ia))|² ≤ B² gives M = B·exp(a²/2 + a√k). For F = f²φ, M = B²·exp(a²/2).
- Truncation: |h_k(x)|exp(−x²/4) ≤ 1.0865 (Cramér; Abramowitz and Stegun 22.14.17), and for
  x ≥ X ≥ √2 the terms decrease, so the nodes left out sum to at most
  2·1.0865·∫_X^∞ Bx·exp(−x²/4)dx/√(2π) ≤ 1.74·B·exp(−X²/4), and to 2B²(X + 1/X)φ(X) for f²φ.

**Recurrence.** h_k(x_j), weighted, goes up the recurrence √(k+1)e_{k+1} = x e_k − √k e_{k−1} in
blocks: two products with a matrix of powers of the nodes yield all coefficients of a block. Balls
carried through a recurrence grow although errors do not. From k ≥ x²/2 on, therefore, the balls of
node x are replaced by their midpoints and their radii r by one number: an error of at most r in
(e_k, e_{k−1}) is at most 4r in every later e_n. Proof: T_k = e_k² + e_{k−1}² − (x/√k)e_k e_{k−1}
satisfies (k+1)T_{k+1} = kT_k + e_k² and (1 − x²/4k)e_k² ≤ T_k, hence
nT_n ≤ kT_k(n − x²/4)/(k − x²/4) ≤ 2nT_k, and e_n² ≤ 2T_n ≤ 4T_k ≤ 4(2 + √2)r² < 16r².
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from flint import arb, arb_mat, arb_poly, ctx, fmpz_poly

__all__ = ["Series", "StripFunction", "hermite_series"]

_BLOCK = 32
# A series of more terms than this is refused rather than waited for.
_MOST_TERMS = 40_000


@dataclass(frozen=True)
class StripFunction:
    """A function that is analytic on a strip about the real line, and what bounds it there.

    Proofs rest on these facts; nothing checks them.

    Attributes
    ----------
    value : callable
        The function at a real ball, `flint.arb` to `flint.arb`, at the precision of `flint.ctx`:
        the ball that it returns must hold f of every number in the ball that it is given.
    half_width : float
        y: analytic on ``|Im z| ≤ y``.
    bound : tuple of two floats
        β₀ and β₁: ``|f(x + it)| ≤ β₀ + β₁|x|`` for all real x and ``|t| ≤ y``.
    parity : {1, -1, 0}
        1 if even, −1 if odd.
    """

    value: Callable[[arb], arb]
    half_width: float
    bound: tuple[float, float]
    parity: int = 0

    def __post_init__(self) -> None:
        if not callable(self.value):
            raise TypeError("StripFunction: value must be callable")
        if not 0.0 < self.half_width < math.inf:
            raise ValueError(f"StripFunction: half_width must be above 0, not {self.half_width}")
        if len(self.bound) != 2 or not all(0.0 <= b < math.inf for b in self.bound):
            raise ValueError(f"StripFunction: bound must be two numbers ≥ 0, not {self.bound}")
        if self.parity not in (-1, 0, 1):
            raise ValueError(f"StripFunction: parity must be 1, −1 or 0, not {self.parity}")


@dataclass(frozen=True)
class Series:
    """Hermite coefficients c_0, …, c_K, what their squares miss, and the norm E f²."""

    coefficients: list[arb]
    rest: arb  # a ball whose upper end is at least Σ_{k>K} c_k²
    norm: arb


def hermite_series(function: StripFunction, variance: arb, bits: int, least: int = 0) -> Series:
    """Enclose coefficients until the rest is below about 2**-bits·E f², `least` of them or more.

    Raises
    ------
    ValueError
        If that takes too many terms.
    """
    q = variance
    scale = q.sqrt()
    width = float((arb(function.half_width) / scale).lower()) * (1.0 - 2.0**-20)
    # |c_k| falls like exp(−a√k) for the nearest singularity at height a, faster for none
    terms = max((bits * math.log(2.0) / (2.0 * width)) ** 2, float(least))
    if not terms < _MOST_TERMS:
        raise ValueError(
            f"{bits} bits need some {terms:.0g} terms of the Hermite series at variance "
            f"{float(q.mid()):.3g} (at most {_MOST_TERMS}): ask for fewer digits or scale rows down"
        )
    size = arb(function.bound[0]) + arb(function.bound[1]) * scale
    log_size = max(0.0, float(size.log().upper()))
    wanted = (bits + 12) * math.log(2.0) + log_size
    reach = math.ceil(math.sqrt(4.0 * wanted + 8.0))
    width = min(width, math.sqrt(2.0 * wanted))  # wider would need smaller steps again
    exponent = wanted + width**2 / 2.0 + width * math.sqrt(terms + 64.0) + 2.0
    # an exact binary fraction, so that the nodes are exact
    step = 2.0 * math.pi * width / exponent
    step = math.ldexp(math.floor(math.ldexp(step, 24)), -24)
    if step <= 0.0:
        raise ValueError(f"the variance {float(q.mid()):.3g} is too large for the Hermite series")
    old = ctx.prec
    ctx.prec = int(1.15 * bits) + 2 * _BLOCK + 96
    try:
        return _sum(function, q, bits, least, _Grid(arb(width), arb(step), arb(reach), size))
    finally:
        ctx.prec = old


@dataclass(frozen=True)
class _Grid:
    width: arb  # a
    step: arb  # h
    reach: arb  # X
    size: arb  # B

    def discretisation(self) -> arb:
        a = self.width
        return 2 * (a * a / 2).exp() / ((2 * arb.pi() * a / self.step).exp() - 1)

    def coefficient_error(self, k: int) -> arb:
        """Bound the quadrature's error in c_0, …, c_k."""
        edges = self.size * (self.width * arb(k).sqrt()).exp() * self.discretisation()
        truncation = arb("1.74") * self.size * (-self.reach * self.reach / 4).exp()
        return edges + truncation

    def norm_error(self) -> arb:
        X = self.reach
        density = (-X * X / 2).exp() / (2 * arb.pi()).sqrt()
        return self.size**2 * (self.discretisation() + 2 * (X + 1 / X) * density)


def _sum(function: StripFunction, q: arb, bits: int, least: int, grid: _Grid) -> Series:
    parity, scale = function.parity, q.sqrt()
    last = int(float((grid.reach / grid.step).upper())) + 1
    nodes = [grid.step * j for j in range(0 if parity else -last, last + 1)]
    heights = [function.value(scale * x) for x in nodes]
    root = grid.step / (2 * arb.pi()).sqrt()
    weights = [root * (-x * x / 2).exp() for x in nodes]
    if parity:  # the other half is a mirror image
        weights = [weights[0], *(2 * weight for weight in weights[1:])]
    present = [weight * height for weight, height in zip(weights, heights, strict=True)]
    norm = sum((p * height for p, height in zip(present, heights, strict=True)), arb(0))
    norm = _widened(norm, grid.norm_error())
    # the recurrence, block by block
    powers = arb_mat([_powers(x, _BLOCK) for x in nodes])
    transposed = powers.transpose()
    previous = [arb(0)] * len(nodes)
    slack = arb(0)
    coefficients: list[arb] = []
    rest, target = norm, norm * arb(2) ** -bits
    wrong = {1: 1, -1: 0}.get(parity)
    k = 0
    while k < least or not rest.mid() < target:
        if k >= _MOST_TERMS:
            raise ValueError(f"{bits} bits are not reached by {k} terms of the Hermite series")
        step = _Block(k)
        moments = transposed * arb_mat([[e, d] for e, d in zip(present, previous, strict=True)])
        error = slack + grid.coefficient_error(k + _BLOCK)
        for degree, value in enumerate(step.values(moments), start=k):
            c = arb(0) if degree % 2 == wrong else _widened(value, error)
            coefficients.append(c)
            rest = rest - c * c
        # rounding of the coefficients is all that is left: more terms would not help
        if k >= least and rest.mid() < 2 * rest.rad():
            break
        present, previous = step.advance(powers, present, previous)
        k += _BLOCK
        slack = slack + _settle(k, nodes, present, previous)
    return Series(coefficients, rest, norm)


def _settle(k: int, nodes: list[arb], present: list[arb], previous: list[arb]) -> arb:
    """Make the balls of nodes with x² ≤ 2k points; return what that may change later on."""
    reach = math.sqrt(2.0 * k) * (1.0 - 1e-9)
    lost = arb(0)
    for j, x in enumerate(nodes):
        if abs(float(x)) <= reach:
            lost += max(present[j].rad(), previous[j].rad())
            present[j], previous[j] = present[j].mid(), previous[j].mid()
    return 4 * lost


class _Block:
    """h_{k+l} = (P_l h_k − √k R_l h_{k−1})/√((k+1)…(k+l)) with integer polynomials P_l, R_l."""

    def __init__(self, k: int) -> None:
        x = fmpz_poly([0, 1])
        P, R = [fmpz_poly([1]), x], [fmpz_poly([0]), fmpz_poly([1])]
        for m in range(1, _BLOCK):
            P.append(x * P[m] - (k + m) * P[m - 1])
            R.append(x * R[m] - (k + m) * R[m - 1])
        root = arb(k).sqrt()
        scales = [arb(1)]
        for m in range(1, _BLOCK + 1):
            scales.append(scales[-1] / arb(k + m).sqrt())
        self._P = [_row(p, scale) for p, scale in zip(P, scales, strict=True)]
        self._R = [_row(r, -root * scale) for r, scale in zip(R, scales, strict=True)]

    def values(self, moments: arb_mat) -> list[arb]:
        """Return the sums of weights·h_{k+l}, l < _BLOCK, from those of powers·h_k and ·h_{k−1}."""
        columns = moments.tolist()
        first = arb_mat(self._P[:-1]) * arb_mat([[row[0]] for row in columns])
        second = arb_mat(self._R[:-1]) * arb_mat([[row[1]] for row in columns])
        return [entry for row in (first + second).tolist() for entry in row]

    def advance(
        self, powers: arb_mat, present: list[arb], previous: list[arb]
    ) -> tuple[list[arb], list[arb]]:
        rows = [self._P[-1], self._R[-1], self._P[-2], self._R[-2]]
        factors = (powers * arb_mat(rows).transpose()).tolist()
        pairs = list(zip(factors, present, previous, strict=True))
        return [f[0] * e + f[1] * d for f, e, d in pairs], [
            f[2] * e + f[3] * d for f, e, d in pairs
        ]


def _row(polynomial: fmpz_poly, scale: arb) -> list[arb]:
    row = [arb(int(c)) * scale for c in polynomial.coeffs()]
    return row + [arb(0)] * (_BLOCK + 1 - len(row))


def _powers(x: arb, degree: int) -> list[arb]:
    row = [arb(1)]
    for _ in range(degree):
        row.append(row[-1] * x)
    return row


def _widened(value: arb, error: arb) -> arb:
    """Return the ball with at least this much added to its radius."""
    return value + arb(0, error.abs_upper())


# --- values of the series ----------------------------------------------------------------------

# Short series do for small |ρ|: points are sorted into these classes.
_CLASSES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)


def series_values(first: Series, second: Series, cosines: list[arb], bits: int) -> list[arb]:
    """Enclose Σ c_k c'_k ρᵏ at each ρ in [−1, 1], to about 2**-bits of √(E f²·E f'²)."""
    terms = min(len(first.coefficients), len(second.coefficients))
    same = first is second
    products = [
        c * d for c, d in zip(first.coefficients[:terms], second.coefficients[:terms], strict=True)
    ]
    rests = _rests(first, terms)
    if not same:
        rests = [(a * b).sqrt() for a, b in zip(rests, _rests(second, terms), strict=True)]
    size = (first.norm * second.norm).sqrt()
    logs = [_log2(rest / size) if size > 0 else -math.inf for rest in rests]
    odd = all(c.is_zero() for c in products[0::2])
    even = all(c.is_zero() for c in products[1::2])
    values: list[arb] = [arb(0)] * len(cosines)
    sizes = [abs(float(c.mid())) for c in cosines]
    low = -1.0
    for high in _CLASSES:
        top = math.inf if high == 1.0 else high
        members = [i for i, s in enumerate(sizes) if low < s <= top]
        low = high
        if not members:
            continue
        bound = arb(high) * (1 + arb(2) ** -40) if high < 1.0 else arb(1)
        slope = _log2(bound)
        kept = next((k for k in range(terms) if logs[k] + k * slope < -bits), terms)
        error = arb(0, (rests[kept] * bound**kept).abs_upper())
        if odd or even:
            start = int(odd)
            polynomial = arb_poly(products[start:kept:2])
            for i in members:
                value = polynomial(cosines[i] * cosines[i])
                values[i] = (value * cosines[i] if odd else value) + error
        else:
            polynomial = arb_poly(products[:kept])
            for i in members:
                values[i] = polynomial(cosines[i]) + error
    return values


def _rests(series: Series, terms: int) -> list[arb]:
    """Return upper bounds of Σ_{j≥k} c_j², k = 0, …, terms."""
    rest = sum((c * c for c in series.coefficients[terms:]), arb(0)) + _positive(series.rest)
    rests = [rest]
    for c in reversed(series.coefficients[:terms]):
        rests.append((rests[-1] + c * c).upper())
    return rests[::-1]


def _positive(ball: arb) -> arb:
    upper = ball.upper()
    return upper if upper > 0 else arb(0)


def _log2(ball: arb) -> float:
    """Round up the logarithm of a nonnegative ball's upper end, which may underflow a float."""
    upper = ball.abs_upper()
    if upper.is_zero():
        return -math.inf
    return float((upper.log() / arb(2).log()).upper()) + 1e-9
