"""Eigenvalues on the circle from Fourier coefficients, and these from the transform of φ'.

Let g be φ' less its mean, ĝ its Fourier transform and h = |ĝ|; each g here is even or odd, so that
ĝ is real or imaginary. For a normal pair with correlation cos θ

    E g(u)g(v) = (1/4π²)∬ĝ(ω)ĝ(ω')exp(−(ω² + ω'² + 2ωω'cos θ)/2)dωdω',

and as exp(x·cos θ) has the Fourier coefficients Iₘ(x), modified Bessel functions, those of
E g(u)g(v) are, for m of g's parity (the others are 0),

    c(m) = (1/π²)∫∫h(ω)h(ω')exp(−(ω − ω')²/2)·exp(−ωω')Iₘ(ωω')dωdω',   ω, ω' > 0:

an integral of a positive function, which tells an eigenvalue of 1e-170 as well as one of 1e-2. The
entries of kind "gradient" are cos θ·E φ'φ', their coefficients C(k) = ½c(k − 1) + ½c(k + 1), and
half of the squared mean more for k = ±1. The eigenvalues of n equally spaced points are
n·Σ C(k) over k ≡ j (mod n), one for each j.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ive

from fastgram.support.arrays import Array

__all__ = ["DERIVATIVES", "SmoothDerivative", "coefficient", "smallest_on_circle"]

# The trapezoidal rule of an analytic function that vanishes at both ends: these steps tell ten
# digits from m = 6 on, of widths of about 1 in either direction.
_STEP, _ACROSS_STEP, _ACROSS = 0.2, 0.5, 9.0


@dataclass(frozen=True)
class SmoothDerivative:
    """A smooth φ' in terms of g = φ' − E φ'.

    Attributes
    ----------
    transform : callable
        h(ω) = |∫g(z)exp(−iωz)dz| of ω > 0.
    parity : {1, -1}
        1 if g is even, −1 if it is odd.
    """

    transform: Callable[[Array], Array]
    parity: int


def _over_sinh(x: Array) -> Array:
    """Return x/sinh x, 0 where it underflows."""
    decay: Array = np.exp(-x)
    return 2.0 * x * decay / -np.expm1(-2.0 * x)


def _of_tanh(w: Array) -> Array:
    return 2.0 * _over_sinh(0.5 * np.pi * w)


def _of_swish(w: Array) -> Array:
    # φ'' = 2σ' + zσ'', of transform A − ωA' with A = πω/sinh πω that of σ'; and g' = φ''
    x = np.pi * w
    return _over_sinh(x) * x / np.tanh(x) / w


# erf: φ' = 2exp(−z²)/√π. gelu: φ'' = (2 − z²)φ(z) with the normal density φ.
DERIVATIVES = {
    "erf": SmoothDerivative(lambda w: 2.0 * np.exp(-0.25 * w**2), 1),
    "gelu": SmoothDerivative(lambda w: (1.0 + w**2) * np.exp(-0.5 * w**2) / w, -1),
    "tanh": SmoothDerivative(_of_tanh, 1),
    "swish": SmoothDerivative(_of_swish, -1),
}


def coefficient(derivative: SmoothDerivative, m: int) -> float:
    """Return c(m), m at least 6, by the trapezoidal rule over ω ± ω'."""
    if (m % 2 == 0) != (derivative.parity == 1):
        return 0.0
    # the last factor is about exp(−m²/2x): below x = m²/1400 nothing is left, and h ends the rest
    s = np.arange(1, math.ceil((40.0 + 2.0 * math.sqrt(m)) / _STEP)) * _STEP
    t = np.arange(0.0, _ACROSS, _ACROSS_STEP)
    first, second = s[:, None] + t / 2.0, s[:, None] - t / 2.0
    inside = (first > 0.0) & (second > 0.0)
    first, second = np.where(inside, first, 1.0), np.where(inside, second, 1.0)
    values = derivative.transform(first) * derivative.transform(second)
    values *= np.exp(-(t**2) / 2.0) * ive(m, first * second) * inside
    either_sign = 2.0 * values[:, 1:].sum() + values[:, 0].sum()
    return float(either_sign) * _STEP * _ACROSS_STEP / math.pi**2


def smallest_on_circle(activation: str, n: int) -> float:
    """Return λ_min of n equally spaced points, n odd and at least 11, kind "gradient".

    Of an odd activation φ' is even and C(k) lives on odd k. As n is odd, each class of k modulo n
    has odd members, 2n apart, and that of 0 has the most remote ones, ±n: λ_min = 2nC(n). Where g
    is odd C(k) lives on even k and on ±1; the class of n − 1 has −1 in it, so that the next one
    is the least: λ_min = n(C(n − 3) + C(n + 3)). What else is in the class, C(3n), is left out:
    less than 1e-6 of it.
    """
    derivative = DERIVATIVES[activation]
    middle = (n, n) if derivative.parity == 1 else (n - 3, n + 3)
    terms = [coefficient(derivative, k + side) for k in middle for side in (-1, 1)]
    return n * 0.5 * math.fsum(terms)
