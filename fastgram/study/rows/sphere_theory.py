"""The eigenvalues of a kernel matrix of n random unit rows in d dimensions, n and d of one size.

On the sphere κ(⟨x, y⟩) = Σ mₖPₖ(⟨x, y⟩)/Pₖ(1), mₖ = N(d, k)μₖ the part of κ(1) in harmonics of degree
k, of which there are N(d, k). The matrix of degree k is mₖ times a sample covariance of N(d, k)
features: a Marchenko–Pastur law of ratio n/N(d, k), times mₖ. The matrices of different degrees are
asymptotically free (Lu and Yau, *An equivalence principle for the spectrum of random inner-product
kernel matrices with polynomial scalings*, 2022), so that R-transforms add up: with g the Stieltjes
transform,

    z = K(g) = 1/g + Σₖ mₖ/(1 − mₖ(n/N(d, k))g).

The lower edge of the law is the largest K(g) over g < 0. Degree 0 is one large eigenvalue, left
out. As n, d → ∞ with n/d fixed only degree 1 keeps a width; what is of higher degree tends to its
sum times the identity (El Karoui, *The spectrum of kernel random matrices*, 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize_scalar

from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind

__all__ = ["ConvolvedLaw", "law_of_rows", "limit_law"]

_DEGREES = 8  # from there on N(d, k) is as good as infinite
_SMOOTHING = 1e-3  # imaginary part at which densities are taken, in units of the mean
_COOLING = 60  # steps from a large imaginary part down to that one


@dataclass(frozen=True)
class ConvolvedLaw:
    """The free sum of Marchenko–Pastur laws and of a multiple of the identity.

    Attributes
    ----------
    masses, ratios : (k,) arrays
        The mean of each law, and its n/N.
    shift : float
        The multiple of the identity.
    """

    masses: Array
    ratios: Array
    shift: float

    @property
    def mean(self) -> float:
        """The mean eigenvalue."""
        return float(np.sum(self.masses) + self.shift)

    def edge(self) -> float:
        """Return the lower end of the law's support, an atom there included."""
        low, high = -12.0, 12.0  # powers of ten of −g·mean
        found = minimize_scalar(
            lambda power: -float(self._inverse(-(10.0**power) / self.mean).real),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-10},
        )
        return -float(found.fun)

    def distribution(self, x: Array) -> Array:
        """Return the part of the eigenvalues that are at most x, ascending and evenly spaced."""
        z = x + 1j * _SMOOTHING * self.mean
        height = 1e4 * self.mean
        g = 1.0 / (x + 1j * height)
        for tall in np.geomspace(height, _SMOOTHING * self.mean, _COOLING):
            z = x + 1j * tall
            for _ in range(4):
                g = g - (self._inverse(g) - z) / self._slope(g)
        density = np.maximum(-g.imag / math.pi, 0.0)
        return np.asarray(cumulative_trapezoid(density, x, initial=0.0))

    def _inverse(self, g: npt.ArrayLike) -> npt.NDArray[np.complex128]:
        at = np.asarray(g, dtype=np.complex128)
        total = 1.0 / at + self.shift
        for mass, ratio in zip(self.masses, self.ratios, strict=True):
            total = total + mass / (1.0 - mass * ratio * at)
        return np.asarray(total)

    def _slope(self, g: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
        total = -1.0 / g**2
        for mass, ratio in zip(self.masses, self.ratios, strict=True):
            total = total + mass**2 * ratio / (1.0 - mass * ratio * g) ** 2
        return np.asarray(total)


def law_of_rows(network: Network, kind: Kind, n: int, d: int) -> ConvolvedLaw:
    """Return the law of n random unit rows in d dimensions, the large eigenvalue of degree 0 apart."""
    eigenvalues = network.sphere_eigenvalues(d, _DEGREES, kind=kind)
    counts = np.array([float(_harmonics(d, k)) for k in range(_DEGREES)])
    masses = eigenvalues * counts
    shift = float(network.kernel(1.0, kind=kind)) - float(np.sum(masses))
    return ConvolvedLaw(masses[1:], n / counts[1:], max(shift, 0.0))


def limit_law(network: Network, kind: Kind, ratio: float) -> ConvolvedLaw:
    """Return the law of n/d = ratio as both grow: of κ(1) − b₀ − b₁ and b₁XXᵀ."""
    series = network.power_series(2, kind=kind)
    shift = float(network.kernel(1.0, kind=kind)) - float(np.sum(series))
    return ConvolvedLaw(series[1:2], np.array([ratio]), shift)


def _harmonics(d: int, k: int) -> int:
    return math.comb(d + k - 1, k) - (math.comb(d + k - 3, k - 2) if k >= 2 else 0)
