"""Duals of a cos ωz + b sin ωz in closed form: where such a function swings too often for nodes.

With C∓ = E cos ω(u ∓ v) = exp(−½ω²(q₁ + q₂ ∓ 2ρ√(q₁q₂))) it is

    E f(u)f(v) = ½(a² + b²)C₋ + ½(a² − b²)C₊ = a²·½(C₋ + C₊) + b²·½(C₋ − C₊),

and f' = bω cos ωz − aω sin ωz is another such function. Differences from ρ = ±1 are taken of the
exponents.
"""

from __future__ import annotations

import math

import numpy as np

from fastgram.network.activations import Activation
from fastgram.support.arrays import Array

__all__ = [
    "amplitudes_of_wave",
    "chords_of_waves",
    "distances_of_waves",
    "duals_of_waves",
    "is_closed",
    "parallel_duals_of_waves",
    "parts_of_waves",
    "squares_of_waves",
    "weights_of_wave",
]

# ω√q beyond which the closed form is taken: exp(−2ω²q) is nothing there, and chords need no more
# nodes than those of any other activation.
_CLOSED = 4.8
_GONE = 4.4  # ω√q from which on exp(−2ω²q) is below a rounding


def is_closed(activation: Activation, deviations: Array) -> bool:
    """Whether f swings so often that expectations between these deviations have the closed form."""
    frequency = activation.frequency
    return frequency is not None and frequency * float(np.max(deviations)) > _CLOSED


def amplitudes_of_wave(activation: Activation, derivative: bool) -> tuple[float, float, float]:
    """Return a, b and ω, of f or f'."""
    assert activation.frequency is not None
    omega, zero = activation.frequency, np.zeros(1)
    a, b = float(activation.f(zero)[0]), float(activation.df(zero)[0]) / omega
    return (b * omega, -a * omega, omega) if derivative else (a, b, omega)


def weights_of_wave(activation: Activation, derivative: bool) -> tuple[float, float, float]:
    """Return ½(a² + b²), ½(a² − b²) and ω, of f or f'."""
    a, b, omega = amplitudes_of_wave(activation, derivative)
    return (a * a + b * b) / 2.0, (a * a - b * b) / 2.0, omega


def _ends(omega: float, s1: Array, s2: Array) -> tuple[Array, Array]:
    """Return the exponents of C₋ and C₊ at ρ = 1 for all pairs of standard deviations."""
    first, second = omega * s1[:, None], omega * s2
    return -0.5 * (first - second) ** 2, -0.5 * (first + second) ** 2


def parts_of_waves(x: Array, y: Array, squares: Array | float) -> tuple[Array, Array]:
    """Return ½(C₋ + C₊) and ½(C₋ − C₊) at ρ = 1 − 2·squares ≥ 0, of deviations over 1/ω.

    At −ρ the second is its negative. All digits of both are kept, however small x and y are.
    """
    near = np.exp(-0.5 * (x - y) ** 2 - 2.0 * x * y * squares)
    fallen = np.expm1(-2.0 * x * y * (1.0 - 2.0 * squares))  # C₊/C₋ − 1
    return near * (1.0 + 0.5 * fallen), -0.5 * near * fallen


def duals_of_waves(
    activation: Activation, derivative: bool, theta: float, s1: Array, s2: Array
) -> tuple[Array, Array]:
    """E f(u)f(v) at ρ = cos θ and at −ρ, for standard deviations s1 × s2, θ in [0, π/2]."""
    a, b, omega = amplitudes_of_wave(activation, derivative)
    both, apart = parts_of_waves(omega * s1[:, None], omega * s2, math.sin(theta / 2.0) ** 2)
    return a * a * both + b * b * apart, a * a * both - b * b * apart


def _turned(omega: float, theta: float, s1: Array, s2: Array) -> Array:
    return np.asarray(np.multiply.outer(omega * s1, omega * s2) * 2.0 * math.sin(theta / 2.0) ** 2)


def chords_of_waves(
    activation: Activation, derivative: bool, theta: float, s: Array
) -> tuple[Array, Array]:
    """κ(1) − κ(ρ) and κ(−1) − κ(−ρ) for ρ = cos θ ≥ 0, for all pairs of standard deviations."""
    mean, half, omega = weights_of_wave(activation, derivative)
    near, far = _ends(omega, s, s)
    turned = _turned(omega, theta, s, s)
    fallen = np.exp(near) * -np.expm1(-turned)  # C₋(1) − C₋(ρ)
    small = np.minimum(turned, 1.0)
    risen = np.where(  # C₊(ρ) − C₊(1), without overflow
        turned > 1.0, np.exp(far + turned) - np.exp(far), np.exp(far) * np.expm1(small)
    )
    return mean * fallen - half * risen, half * fallen - mean * risen


def squares_of_waves(activation: Activation, derivative: bool, variances: Array) -> Array:
    """E f(√q z)² (or of f') for each variance q."""
    a, b, omega = amplitudes_of_wave(activation, derivative)
    fallen = np.expm1(-2.0 * omega * omega * variances)
    return np.asarray(a * a * (1.0 + 0.5 * fallen) - 0.5 * b * b * fallen)


def parallel_duals_of_waves(activation: Activation, derivative: bool, variances: Array) -> Array:
    """Return E g(√q z)g(±√p z) for all pairs of variances, (2, m, m): g is f or f'."""
    s = np.sqrt(variances)
    return np.array(duals_of_waves(activation, derivative, 0.0, s, s))


def distances_of_waves(
    activation: Activation, theta: float, q: tuple[float, float], size: tuple[float, float]
) -> tuple[float, float]:
    """½E(f(u)/size₁ ∓ f(v)/size₂)², θ in [0, π]; one of the two variances is large.

    Where both are, E f² is ½(a² + b²) to a rounding and the distance an exponent's; else the two
    are far apart and nothing cancels.
    """
    mean, half, omega = weights_of_wave(activation, False)
    s = np.sqrt(np.asarray(q))
    acute = min(theta, math.pi - theta)
    squares = squares_of_waves(activation, False, np.asarray(q))
    near, far = _ends(omega, s[:1], s[1:])
    turned = _turned(omega, acute, s[:1], s[1:])
    minus, plus = (near - turned).item(), (far + turned).item()
    if theta > math.pi / 2.0:
        minus, plus = plus, minus
    parts = sorted([(minus, mean), (plus, half)])
    result = []
    for sign in (1.0, -1.0):
        # of √(E f(u)²E f(v)²) − sign·κ
        if omega * float(np.min(s)) >= _GONE:
            (low, low_weight), (high, high_weight) = parts
            less = mean - sign * high_weight
            less -= sign * (high_weight * math.expm1(high) + low_weight * math.exp(low))
        else:
            kappa = mean * math.exp(minus) + half * math.exp(plus)
            less = math.sqrt(squares[0] * squares[1]) - sign * kappa
        roots = np.sqrt(squares) / np.asarray(size)
        apart = 0.5 * float(roots[0] - roots[1]) ** 2
        # of one row with itself exponents that are gone may be all that is left, of either sign
        result.append(apart + max(less, 0.0) / (size[0] * size[1]))
    return result[0], result[1]
