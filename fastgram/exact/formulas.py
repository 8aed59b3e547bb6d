"""Activations in ball arithmetic: formulas that enclose E[f(u)f(v)] and E[f'(u)f'(v)].

A built-in activation's formula is made of its family's parameters by a function below, as
`fastgram.exact.built_in` says; one of a user's own returns its formula from `ball`. Every formula
answers `expectations`, and for networks of finite width has f and f' themselves as `branches`;
balls hold the exact value whatever the precision of `flint.ctx` is.

- `StripFormula`: analytic on a strip about the real line; Hermite coefficients enclosed by a
  trapezoidal rule with a proven error (`fastgram.exact.hermite`). tanh, sigmoid, softplus, swish,
  gelu, mish, and a user's own.
- `PolynomialFormula`: Hermite coefficients in closed form, and nothing left out.
- `HomogeneousFormula`: right·z**p above 0 and left·z**p below, p = 0 or 1: the ReLU family. Arcsine
  kernels (Cho and Saul, NeurIPS 2009).

erf, sin and cos are in `fastgram.exact.closed_forms`, elu, relu6 and their like in
`fastgram.exact.kinked`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flint import arb, arb_poly

from fastgram.exact.branches import Branches
from fastgram.exact.hermite import Series, StripFunction, hermite_series, series_values

__all__ = ["Formula", "HomogeneousFormula", "Pairs", "StripFormula"]


@dataclass(frozen=True)
class Pairs:
    """Normal pairs (u, v): one per entry.

    Attributes
    ----------
    variances : list of arb
        The distinct ones.
    first, second : list of int
        Which variance u and v have.
    cosines, covariances : list of arb
        ρ, exact where it is ±1, and E uv.
    """

    variances: list[arb]
    first: list[int]
    second: list[int]
    cosines: list[arb]
    covariances: list[arb]


class Formula(Protocol):
    """The formula of an activation, as its `ball()` returns it."""

    @property
    def most_variances(self) -> int | None:
        """How many distinct variances are affordable; None where any number is."""

    @property
    def entry_seconds(self) -> float:
        """Seconds of one processor core for an entry by itself, at depth 1."""

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E[f(u)f(v)], or that of f', of each pair, to about 2**-bits of its scale."""

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself."""


class _SeriesFormula:
    """Values of Σ c_k(q₁)c_k(q₂)ρᵏ, from `_series`."""

    most_variances = 8
    entry_seconds = 0.0

    def _series(self, derivative: bool, variance: arb, bits: int, least: int) -> Series:
        raise NotImplementedError

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E φ(u)φ(v), or of the derivatives, for each pair."""
        # the largest variance has the longest series, and products need all of one length
        series: dict[int, Series] = {}
        least = 0
        for a in sorted(range(len(pairs.variances)), key=lambda a: -float(pairs.variances[a])):
            series[a] = self._series(derivative, pairs.variances[a], bits, least)
            least = max(least, len(series[a].coefficients))
        groups: dict[tuple[int, int], list[int]] = {}
        values = [arb(0)] * len(pairs.cosines)
        for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
            if a == b and pairs.cosines[i] == 1:
                values[i] = series[a].norm
            else:
                groups.setdefault((min(a, b), max(a, b)), []).append(i)
        for (a, b), members in groups.items():
            cosines = [pairs.cosines[i] for i in members]
            found = series_values(series[a], series[b], cosines, bits)
            for i, value in zip(members, found, strict=True):
                values[i] = value
        return values


@dataclass(frozen=True)
class StripFormula(_SeriesFormula):
    """The formula that an activation of one's own has: f and f', both real on the real line.

    Attributes
    ----------
    function : StripFunction
        f.
    derivative : StripFunction
        f'.

    Examples
    --------
    exp(−z²/2), of modulus at most exp(1/2) < 1.7 on ``|Im z| ≤ 1``, and its derivative:

    >>> import numpy as np, fastgram as fg
    >>> from fastgram.exact import StripFormula, StripFunction
    >>> def ball():
    ...     f = StripFunction(lambda z: (-z * z / 2).exp(), 1.0, (1.7, 0.0), parity=1)
    ...     df = StripFunction(lambda z: -z * (-z * z / 2).exp(), 1.0, (1.7, 1.7), parity=-1)
    ...     return StripFormula(f, df)
    >>> gaussian = fg.Activation(
    ...     "gaussian", lambda z: np.exp(-z * z / 2), lambda z: -z * np.exp(-z * z / 2), ball=ball
    ... )
    """

    function: StripFunction
    derivative: StripFunction

    def _series(self, derivative: bool, variance: arb, bits: int, least: int) -> Series:
        function = self.derivative if derivative else self.function
        return hermite_series(function, variance, bits, least)

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself: one branch."""
        return Branches((), ((self.derivative if derivative else self.function).value,))


@dataclass(frozen=True)
class PolynomialFormula(_SeriesFormula):
    """Σ coefficients[k]·z**k, ascending, the coefficients exact float64 numbers."""

    coefficients: tuple[float, ...]

    def _ascending(self, derivative: bool) -> list[arb]:
        """Return the coefficients of f or f'."""
        ascending = [arb(c) for c in self.coefficients]
        if derivative:
            return [k * c for k, c in enumerate(ascending)][1:] or [arb(0)]
        return ascending

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself: one branch."""
        return Branches((), (arb_poly(self._ascending(derivative)),))

    def _series(self, derivative: bool, variance: arb, bits: int, least: int) -> Series:
        ascending = self._ascending(derivative)
        found = [arb(0)] * len(ascending)
        for k, a in enumerate(ascending):
            # z^k = Σ_i k!/(2^i i!(k−2i)!)·He_{k−2i}, He_j = √j!·h_j
            for i in range(k // 2 + 1):
                j = k - 2 * i
                count = math.factorial(k) // (2**i * math.factorial(i) * math.factorial(j))
                found[j] += a * count * arb(math.factorial(j)).sqrt() * variance.sqrt() ** k
        return Series(found, arb(0), sum((c * c for c in found), arb(0)))


@dataclass(frozen=True)
class HomogeneousFormula:
    """f(z) = right·z**power above 0 and left·z**power below, power 0 or 1."""

    power: int
    right: float
    left: float
    most_variances = None
    entry_seconds = 0.0

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E φ(u)φ(v), or of the derivatives, for each pair."""
        if derivative and self.power == 0:
            return [arb(0)] * len(pairs.cosines)
        # f = a z + b|z|, or a + b sign z; E[sign u sign v] = (2/π)asin ρ
        a, b = (arb(self.right) + self.left) / 2, (arb(self.right) - self.left) / 2
        a, b = a * a, b * b * 2 / arb.pi()
        values = []
        for i, cosine in enumerate(pairs.cosines):
            sine = ((1 - cosine) * (1 + cosine)).nonnegative_part().sqrt()
            arc = arb.atan2(cosine, sine)
            if derivative or self.power == 0:
                values.append(a + b * arc)
                continue
            # E|u||v| = √(q₁q₂)·(2/π)(√(1 − ρ²) + ρ·asin ρ)
            q1, q2 = pairs.variances[pairs.first[i]], pairs.variances[pairs.second[i]]
            size = q1 if q1 is q2 else (q1 * q2).sqrt()
            values.append(size * (a * cosine + b * (sine + cosine * arc)))
        return values

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself on both sides of 0."""
        slopes = [arb(self.left), arb(self.right)]
        if derivative and self.power == 0:
            slopes = [arb(0), arb(0)]
        coefficients = [[arb(0), a] if self.power and not derivative else [a] for a in slopes]
        return Branches((arb(0),), tuple(arb_poly(row) for row in coefficients))


# --- the built-in activations ------------------------------------------------------------------


def relu() -> Formula:
    """Return the formula of max(z, 0)."""
    return HomogeneousFormula(1, 1.0, 0.0)


def leaky_relu(negative_slope: float) -> Formula:
    """Return the formula of z above 0, negative_slope·z below."""
    return HomogeneousFormula(1, 1.0, negative_slope)


def absolute_value() -> Formula:
    """Return the formula of |z|."""
    return HomogeneousFormula(1, 1.0, -1.0)


def step() -> Formula:
    """Return the formula of 1 above 0, 0 below."""
    return HomogeneousFormula(0, 1.0, 0.0)


def identity() -> Formula:
    """Return the formula of z."""
    return PolynomialFormula((0.0, 1.0))


def polynomial(coefficients: Sequence[float]) -> Formula:
    """Return the formula of a polynomial with ascending coefficients."""
    degree = max((k for k, c in enumerate(coefficients) if c != 0.0), default=0)
    return PolynomialFormula(tuple(coefficients[: degree + 1]))


# The logistic function s(z) = 1/(1 + exp(−z)) has its poles at ±πi. On |Im z| ≤ 3 its modulus is
# at most 1/sin 3 < 7.1: 1 + exp(−z) is as far from 0 as −1 is from a ray at 3 radians.
_HEIGHT, _LOGISTIC = 3.0, 7.1


def _logistic(z: arb) -> arb:
    return 1 / (1 + (-z).exp())


def _hill(z: arb) -> arb:
    """s(z)s(−z), the logistic function's derivative, free of cancellation."""
    decay = (-abs(z)).exp()
    return decay / (1 + decay) ** 2


def hyperbolic_tangent() -> Formula:
    """Return the formula of tanh(z) = 2s(2z) − 1."""
    half, peak = _HEIGHT / 2, 4.0 * _LOGISTIC**2
    return StripFormula(
        StripFunction(lambda z: z.tanh(), half, (2.0 * _LOGISTIC + 1.0, 0.0), -1),
        StripFunction(lambda z: 4 * _hill(2 * z), half, (peak, 0.0), 1),
    )


def sigmoid() -> Formula:
    """Return the formula of s."""
    return StripFormula(
        StripFunction(_logistic, _HEIGHT, (_LOGISTIC, 0.0)),
        StripFunction(_hill, _HEIGHT, (_LOGISTIC**2, 0.0), 1),
    )


def softplus() -> Formula:
    """Return the formula of log(1 + exp z), at most |x| + log 2 + 3·max|s| on the strip."""

    def function(z: arb) -> arb:
        return (-abs(z)).exp().log1p() + (z + abs(z)) / 2

    return StripFormula(
        StripFunction(function, _HEIGHT, (0.7 + _HEIGHT * _LOGISTIC, 1.0)),
        StripFunction(_logistic, _HEIGHT, (_LOGISTIC, 0.0)),
    )


def swish(beta: float) -> Formula:
    """Return the formula of z·s(βz)."""
    if beta == 0.0:
        return PolynomialFormula((0.0, 0.5))
    height, slope = _HEIGHT / abs(beta) * (1.0 - 2.0**-50), arb(beta)

    def derivative(z: arb) -> arb:
        return _logistic(slope * z) + slope * z * _hill(slope * z)

    # |z| ≤ |x| + height, and |s(βz)| ≤ 7.1
    rise = abs(beta) * _LOGISTIC**2 * (1.0 + 2.0**-50)
    return StripFormula(
        StripFunction(
            lambda z: z * _logistic(slope * z), height, (height * _LOGISTIC * 1.01, _LOGISTIC)
        ),
        StripFunction(derivative, height, (_LOGISTIC + rise * height * 1.01, rise)),
    )


def gelu() -> Formula:
    """Return the formula of zΦ(z).

    With density φ, |φ(x + iy)| = φ(x)exp(y²/2) ≤ 0.4·exp(2) < 3 and |Φ(x + iy)| ≤ 1 + 2·3 = 7 on
    |y| ≤ 2.
    """

    def normal(z: arb) -> arb:
        return (-z / arb(2).sqrt()).erfc() / 2

    def derivative(z: arb) -> arb:
        return normal(z) + z * (-z * z / 2).exp() / (2 * arb.pi()).sqrt()

    return StripFormula(
        StripFunction(lambda z: z * normal(z), 2.0, (14.0, 7.0)),
        StripFunction(derivative, 2.0, (13.0, 3.0)),
    )


def mish() -> Formula:
    """Return the formula of z·R, R = tanh(softplus(z)) = 1 − 2/((w + 1)² + 1) with w = exp z.

    The poles are at log √2 ± 3πi/4. On |Im z| ≤ 3/2, with t = |w| and w in the right half plane,
    |w + 1 ± i| ≥ 1 and one of the two is at least √2 (at least |Re w + 1| ≥ 1 each, and the
    imaginary parts ±1 differ in sign from that of w at most once), so |R| ≤ 1 + √2 < 2.5. Its
    derivative in z is 4w(w + 1)/((w + 1)² + 1)²: |w| ≤ |w + 1| and |(w + 1)² + 1| is at least 1.4
    and at least |w + 1|² − 1, so that with v = |w + 1|² it is at most 4v/max(1.4, v − 1)² ≤ 5.
    """

    def ratio(z: arb) -> tuple[arb, arb]:
        # in exp(−|z|), so that nothing overflows or cancels; where z may be of either sign it is
        # near 0, and exp z is as good
        if z >= 0:
            decay = (-z).exp()
            below = 1 + 2 * decay + 2 * decay * decay
            return (1 + 2 * decay) / below, 4 * decay**2 * (1 + decay) / below**2
        decay = z.exp()
        below = decay * decay + 2 * decay + 2
        return decay * (decay + 2) / below, 4 * decay * (decay + 1) / below**2

    def derivative(z: arb) -> arb:
        R, slope = ratio(z)
        return R + z * slope

    return StripFormula(
        StripFunction(lambda z: z * ratio(z)[0], 1.5, (1.5 * 2.5, 2.5)),
        StripFunction(derivative, 1.5, (2.5 + 1.5 * 5.0, 5.0)),
    )
