"""The eigenvalues of a kernel matrix of n random unit rows in d dimensions, n and d of one size.

On the sphere κ(⟨x, y⟩) = Σ mₖPₖ(⟨x, y⟩)/Pₖ(1), mₖ = N(d, k)μₖ the part of κ(1) in harmonics of
degree k, of which there are N(d, k). The matrix of degree k is mₖ times a sample covariance of
N(d, k) features: a Marchenko–Pastur law of ratio n/N(d, k), times mₖ. The matrices of different
degrees are asymptotically free (Lu and Yau, *An equivalence principle for the spectrum of random
inner-product kernel matrices with polynomial scalings*, 2022), so that R-transforms add up: with g
the Stieltjes transform,

    z = K(g) = 1/g + Σₖ mₖ/(1 − mₖ(n/N(d, k))g).

The lower edge of the law is the largest K(g) over g < 0. Degree 0 is one large eigenvalue, left
out. As n, d → ∞ with n/d fixed only degree 1 keeps a width; what is of higher degree tends to its
sum times the identity (El Karoui, *The spectrum of kernel random matrices*, 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize_scalar

from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind

__all__ = ["ConvolvedLaw", "harmonics", "law_of_rows", "limit_distribution", "limit_law"]

_DEGREES = 8  # from there on N(d, k) is as good as infinite
_POINTS = 4000  # of the Marchenko–Pastur law


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
            lambda power: -self._inverse(-(10.0**power) / self.mean),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-10},
        )
        return -float(found.fun)

    def _inverse(self, g: float) -> float:
        return float(
            1.0 / g + self.shift + np.sum(self.masses / (1.0 - self.masses * self.ratios * g))
        )


def law_of_rows(network: Network, kind: Kind, n: int, d: int) -> ConvolvedLaw:
    """Return the law of n random unit rows in d dimensions, without degree 0."""
    eigenvalues = network.sphere_eigenvalues(d, _DEGREES, kind=kind)
    counts = np.array([float(harmonics(d, k)) for k in range(_DEGREES)])
    masses = eigenvalues * counts
    shift = float(network.kernel(1.0, kind=kind)) - float(np.sum(masses))
    return ConvolvedLaw(masses[1:], n / counts[1:], max(shift, 0.0))


def limit_law(network: Network, kind: Kind, ratio: float) -> ConvolvedLaw:
    """Return the law of n/d = ratio as both grow: of κ(1) − b₀ − b₁ and b₁XXᵀ."""
    series = network.power_series(2, kind=kind)
    shift = float(network.kernel(1.0, kind=kind)) - float(np.sum(series))
    return ConvolvedLaw(series[1:2], np.array([ratio]), shift)


def limit_distribution(law: ConvolvedLaw, x: Array) -> Array:
    """Return the part of the eigenvalues of a `limit_law` that are at most x.

    Of n rows in d dimensions XXᵀ has the Marchenko–Pastur density √((b − x)(x − a))/(2πcx) on
    [a, b] = (1 ∓ √c)², c = n/d, and for c > 1 an atom 1 − 1/c at 0.
    """
    mass, ratio = float(law.masses[0]), float(law.ratios[0])
    low, high = (1.0 - math.sqrt(ratio)) ** 2, (1.0 + math.sqrt(ratio)) ** 2
    # x = a + (b − a)sin²u: no end is singular
    u = (np.arange(_POINTS) + 0.5) * (math.pi / 2.0) / _POINTS
    at = low + (high - low) * np.sin(u) ** 2
    grown = ((high - low) * np.sin(u) * np.cos(u)) ** 2 / (math.pi * ratio * at)
    atom = max(0.0, 1.0 - 1.0 / ratio)
    below = atom + np.asarray(cumulative_trapezoid(grown, u, initial=0.0))
    where = (x - law.shift) / mass
    return np.where(where < 0.0, 0.0, np.interp(where, at, below, left=atom, right=1.0))


def harmonics(d: int, k: int) -> int:
    """Return N(d, k), the number of spherical harmonics of degree k in d dimensions."""
    return math.comb(d + k - 1, k) - (math.comb(d + k - 3, k - 2) if k >= 2 else 0)
