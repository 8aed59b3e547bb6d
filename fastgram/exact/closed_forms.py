"""erf, sin and cos in ball arithmetic: E[f(u)f(v)] in closed form (Williams, NeurIPS 1996)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb

from fastgram.exact.branches import Branches
from fastgram.exact.formulas import Formula, Pairs

__all__ = ["ClosedFormula", "cosine", "error_function", "sine"]


@dataclass(frozen=True)
class ClosedFormula:
    """E[f(u)f(v)] and E[f'(u)f'(v)] as functions of the variances and the covariance; f and f'."""

    function: Callable[[arb, arb, arb], arb]
    derivative: Callable[[arb, arb, arb], arb]
    value: Callable[[arb], arb]
    slope: Callable[[arb], arb]
    most_variances = None
    entry_seconds = 0.0

    def expectations(self, pairs: Pairs, derivative: bool, bits: int) -> list[arb]:
        """Enclose E φ(u)φ(v), or of the derivatives, for each pair."""
        formula = self.derivative if derivative else self.function
        return [
            formula(pairs.variances[i], pairs.variances[j], covariance)
            for i, j, covariance in zip(pairs.first, pairs.second, pairs.covariances, strict=True)
        ]

    def branches(self, derivative: bool) -> Branches:
        """Return f, or f', itself: one branch."""
        return Branches((), (self.slope if derivative else self.value,))


def error_function() -> Formula:
    """Return the formula of erf."""

    def function(q1: arb, q2: arb, c: arb) -> arb:
        both = (1 + 2 * q1) * (1 + 2 * q2)
        # asin x = atan2(x, √(1 − x²)), and both ≥ 1 + 4c²
        return 2 / arb.pi() * arb.atan2(2 * c, (both - 4 * c * c).sqrt())

    def derivative(q1: arb, q2: arb, c: arb) -> arb:
        both: arb = (1 + 2 * q1) * (1 + 2 * q2)
        return 4 / arb.pi() / (both - 4 * c * c).sqrt()

    def slope(z: arb) -> arb:
        return 2 * (-z * z).exp() / arb.pi().sqrt()

    return ClosedFormula(function, derivative, arb.erf, slope)


def _damped_sinh(q1: arb, q2: arb, c: arb) -> arb:
    return (-(q1 + q2) / 2).exp() * c.sinh()


def _damped_cosh(q1: arb, q2: arb, c: arb) -> arb:
    return (-(q1 + q2) / 2).exp() * c.cosh()


def sine() -> Formula:
    """Return the formula of sin."""
    return ClosedFormula(_damped_sinh, _damped_cosh, arb.sin, arb.cos)


def cosine() -> Formula:
    """Return the formula of cos."""
    return ClosedFormula(_damped_cosh, _damped_sinh, arb.cos, lambda z: -z.sin())
