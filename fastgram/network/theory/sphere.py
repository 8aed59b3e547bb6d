"""Eigenvalues of the kernel on the sphere, by degree: Funk–Hecke, from the kernel's power series.

With κ(t) = Σ bₙtⁿ and the uniform probability measure on S^{d−1} the eigenvalue of degree k is

    μₖ = E κ(t)Pₖ(t) = Σₙ bₙ αₙₖ,   αₙₖ = E tⁿPₖ(t) > 0 for n = k, k + 2, …,

Pₖ the Legendre polynomial in d dimensions with Pₖ(1) = 1, t a coordinate of a random point. Every
term is positive, so that μₖ keeps its relative digits however small it is. Under a smooth
activation the bₙ fall faster than any power, and the sum ends. Under a kinked one they fall like a
power, n^{−ν−1} with ν half an odd number, as long as its kinks are at 0: what is even and odd in t
is as smooth as (1 − t²)^ν and t(1 − t²)^ν, whose bₙ are known. A sum of these with the exponents ν,
ν + 1, … is fitted to the last half of the bₙ and stands for all that follow.

With a kink at c ≠ 0 the bₙ swing like cos(2c√n/√q) and no fit goes on with them: the expectation is
then a quadrature over the angle, whose error is one of κ(1). So it is where f jumps, at depth 2 and
more: a jump makes of a chord its root, and the kernel begins with a root of the angle.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgram.network.integrals.quadrature import gauss_legendre
from fastgram.support.arrays import Array

__all__ = ["eigenvalues_by_quadrature", "eigenvalues_of_series"]

Expand = Callable[[int], Array]  # from a count to so many bₙ
Kernel = Callable[[Array], Array]

_FIRST, _MOST = 1024, 4096  # coefficients that are tried
_AGREEMENT, _REFUSED = 1e-10, 1e-8  # relative, of two counts
_SEEN = 1e-30  # of κ(1): what noise in aₖ² of a smooth activation leaves to see
_FITTED = 6  # exponents
_SUMMED = 8  # times as many terms as are given are added one by one, and twice degree²
_INVERSE_POWERS = 8  # for what follows them
_SMOOTH = 8.0  # exponent from which on a decay is taken for faster than any power
_NOISE = float(np.finfo(np.float64).eps) ** 2  # of κ(1), in bₙ
_PHASE, _NODES = 8.0, 24  # of a quadrature: widths of panels by degrees, and their nodes
_TINY = float(np.finfo(np.float64).tiny)


def eigenvalues_of_series(expand: Expand, d: int, count: int, kinked: bool) -> Array:
    """Return μ₀, …, μ of degree count − 1, (count,).

    Parameters
    ----------
    expand : callable
        From a number to so many coefficients bₙ of the kernel.
    d : int
        At least 2.
    count : int
    kinked : bool
        Whether coefficients fall like a power.

    Raises
    ------
    ValueError
        If 4096 coefficients do not tell an eigenvalue to 1e-8 of itself, or `count` is above 512.
    """
    if 8 * count > _MOST:
        raise ValueError(f"count must be at most {_MOST // 8}, not {count}: a series tells no more")
    size = max(_FIRST, 2 ** math.ceil(math.log2(8 * count)))
    while True:
        series = expand(size)
        found = _of_series(series, d, count, kinked)
        before = _of_series(series[: size // 2], d, count, kinked)
        floor = _TINY if kinked else _SEEN / _AGREEMENT * float(np.sum(series))
        change = np.abs(found - before) / np.maximum(found, max(floor, _TINY))
        worst = float(np.max(np.where(np.isfinite(found), change, np.inf)))
        if worst <= _AGREEMENT or (size >= _MOST and worst <= _REFUSED):
            return found
        if size >= _MOST:
            degree = int(np.argmax(np.where(np.isfinite(found), change, np.inf)))
            raise ValueError(
                f"the eigenvalue of degree {degree} on the sphere in {d} dimensions is not told by"
                f" {size} coefficients of the kernel: ask for fewer, or for a kernel that is less"
                " peaked (a lower depth or smaller variances)"
            )
        size *= 2


def eigenvalues_by_quadrature(kernel: Kernel, d: int, count: int, graded: int) -> Array:
    """Return the same to 1e-14 of κ(1), for a kernel that is smooth between −1 and 1.

    Parameters
    ----------
    kernel : callable
        Of cosines, (k,) arrays.
    d, count : int
    graded : int
        How many panels of the angle are halved toward either end.
    """
    near = 2.0 ** np.arange(-float(graded), 0.0)
    whole = np.linspace(0.0, np.pi, 2 + math.ceil(count * np.pi / _PHASE))
    cuts = np.unique(np.concatenate([whole, near, np.pi - near]))
    nodes, weights = gauss_legendre(_NODES)
    half = np.diff(cuts)[:, None] / 2.0
    angles = (cuts[:-1, None] + half * (1.0 + nodes)).ravel()
    cosines = np.cos(angles)
    density = (half * weights).ravel() * np.sin(angles) ** (d - 2)
    density /= np.sum(density)
    weighted = density * kernel(cosines)
    result, before, current = np.empty(count), np.zeros_like(cosines), np.ones_like(cosines)
    for k in range(count):
        result[k] = weighted @ current
        following = (2 * k + d - 2) * cosines * current - k * before
        before, current = current, following / (k + d - 2) if k + d > 2 else cosines
    return result


def _of_series(series: Array, d: int, count: int, kinked: bool) -> Array:
    result = np.zeros(count)
    for parity in (0, 1):
        coefficients = series[parity::2]
        result[parity::2] = _summed(coefficients, d, parity, result[parity::2].size)
        if kinked:
            result[parity::2] += _remainders(coefficients, d, parity, result[parity::2].size)
        elif not _ended(coefficients, float(np.sum(series))):
            result[parity::2] = np.nan
    return result


def _summed(coefficients: Array, d: int, parity: int, degrees: int) -> Array:
    """Return Σ bₙαₙₖ over the n of one parity that are given, for the degrees of that parity."""
    result = np.zeros(degrees)
    for place, weights in enumerate(_weights(coefficients.size, d, parity, degrees)):
        result[place] = coefficients[place:] @ weights
    return result


@functools.lru_cache(maxsize=8)
def _weights(count: int, d: int, parity: int, degrees: int) -> list[Array]:
    """Return αₙₖ for n = k, k + 2, …, of each degree k of one parity."""
    found, first = [], 1.0 / d if parity else 1.0
    for place in range(min(degrees, count)):
        k = 2.0 * place + parity
        n = k + 2.0 * np.arange(count - place - 1)
        ratios = (n + 2.0) * (n + 1.0) / ((n + 2.0 - k) * (n + k + d))
        found.append(first * np.cumprod(np.concatenate([[1.0], ratios])))
        first *= (k + 1.0) * (k + 2.0) / ((2.0 * k + d) * (2.0 * k + 2.0 + d))
    return found


def _ended(coefficients: Array, total: float) -> bool:
    """Whether what follows the coefficients is no more than noise, or falls like no power."""
    half = coefficients.size // 2
    last, middle = (float(np.max(coefficients[k - 8 : k])) for k in (coefficients.size, half))
    if last <= _NOISE * total:
        return True
    return bool(middle / last >= 2.0**_SMOOTH)


# --- what follows the coefficients of a kinked kernel ---------------------------------------------


def _remainders(coefficients: Array, d: int, parity: int, degrees: int) -> Array:
    """Return Σ bₙαₙₖ over the n of one parity that are not given, by the fit of those that are."""
    half = coefficients.size // 2
    if not np.any(coefficients[half:]):
        return np.zeros(degrees)
    middle, last = (float(np.mean(coefficients[k - half // 8 : k])) for k in (half, 2 * half))
    exponent = math.log2(middle / last) if last > 0.0 else np.inf
    if exponent > _SMOOTH:  # nothing that matters, or no power yet
        return np.full(degrees, 0.0 if exponent > 2.0 * _SMOOTH else np.nan)
    exponents = max(round(exponent - 1.5), 0) + 0.5 + np.arange(_FITTED)
    terms = [_terms(nu, coefficients.size + 1) for nu in exponents.tolist()]
    columns = np.array([term[half:-1] / terms[0][half:-1] for term in terms]).T
    sizes = np.max(np.abs(columns), axis=0)
    wanted = coefficients[half:] / terms[0][half:-1]
    factors = np.linalg.lstsq(columns / sizes, wanted, rcond=None)[0] / sizes
    result = np.zeros(degrees)
    for place, weights in enumerate(_weights(coefficients.size + 1, d, parity, degrees)):
        for nu, factor, term in zip(exponents.tolist(), factors, terms, strict=True):
            rest = _Rest(nu, d, parity, 2 * place + parity, coefficients.size)
            result[place] += factor * term[-1] * weights[-1] * rest.over_first()
    return result


def _terms(nu: float, count: int) -> Array:
    """Return the coefficients of (1 − x)^ν, (count,)."""
    m = np.arange(count - 1.0)
    return np.cumprod(np.concatenate([[1.0], (m - nu) / (m + 1.0)]))


@dataclass(frozen=True)
class _Rest:
    """Terms of the eigenvalue of (1 − t²)^ν, or t(1 − t²)^ν, from the m-th on: n = 2m + parity.

    From one to the next they change by 1 − δ(m), δ rational and about (ν + (d + 1)/2)/m.
    """

    nu: float
    d: int
    parity: int
    degree: int
    start: int

    def over_first(self) -> float:
        """Return the sum of all these terms over the first of them."""
        last = max(_SUMMED * self.start, 2 * self.degree**2)
        ratios = 1.0 - self._fall(np.arange(float(self.start), float(last)))
        terms = np.cumprod(np.concatenate([[1.0], ratios]))
        return float(np.sum(terms[:-1]) + terms[-1] * self._beyond(float(last)))

    def _fall(self, m: Array) -> Array:
        """Return δ(m)."""
        low, high = (self.parity - self.degree) / 2.0, (self.parity + self.degree + self.d) / 2.0
        rise = self.d / 2.0 + 0.5 + self.nu
        constant = (1.0 + low) * high + self.nu * (0.5 + self.parity)
        return np.asarray((rise * m + constant) / ((m + 1.0 + low) * (m + high)))

    def _beyond(self, m: float) -> float:
        """Return g(m), the sum from the m-th term on over that term: m by a polynomial in 1/m.

        g(m) − (1 − δ(m))g(m + 1) = 1 at as many m as there are coefficients.
        """
        at = m * np.exp2(np.arange(_INVERSE_POWERS))[:, None]
        powers = 1.0 - np.arange(_INVERSE_POWERS)
        grown = np.expm1(powers * np.log1p(1.0 / at))  # ((m + 1)/m)^power − 1
        scaled = (at / m) ** powers
        equations = scaled * (self._fall(at) * (1.0 + grown) - grown)
        return float(np.sum(np.linalg.solve(equations, np.ones(_INVERSE_POWERS))))
