"""Bounds of the eigenvalues λ₁ ≤ … ≤ λₙ, and of sums over them, from what random probes saw.

*Law of the ranks.* G is n × b standard normal, so for the projector P on the N lowest eigenvectors
S_N = ‖PG‖²/‖G‖² follows a Beta(bN/2, b(n − N)/2) law, exactly, whatever A is; and it grows with N.
At m ranks, S_N stays between two quantiles of chance/2m each but for `chance` in all. Where an
upper bound of S(x) is below the lower quantile of rank N, fewer than N eigenvalues are ≤ x, and
λ_N > x; where a lower bound is above the upper quantile, λ_{N+1} ≤ x. Ranks between are bounded by
their neighbours. The ranks stand evenly in arcsin √(N/n), on which the deviation of S is constant.

*Interlacing.* T is a section of A of order r: λᵢ ≤ θᵢ and λ_{n−r+i} ≥ θᵢ, without any chance.

*Sums.* With lᵢ ≤ λᵢ ≤ uᵢ for all i and T₁ ≤ Σλᵢ ≤ T₂, for convex f and every number β

    Σ f(λᵢ) ≤ Σ max over {lᵢ, uᵢ} of (f − βx) + max(βT₁, βT₂),   and likewise below,

of which the best β is taken. The quadrature says the rest: the mean of f(λ) under the law above,
ρ = tr Gᵀf(A)G/‖G‖² = Σ fᵢχᵢ²/Σ χᵢ² with χᵢ² of b degrees, exceeds the true mean f̄ by ε only if
Σ aᵢ(χᵢ² − b) ≥ nbε, aᵢ = fᵢ − f̄ − ε; that has a chance of at most exp(−t) where
nbε = 2√(bt(V + nε²)) + 2t(M − ε), V = Σ(fᵢ − f̄)² and M = max fᵢ − f̄. The bounds of the λᵢ bound V
and M. For aᵢ ≥ 0 that is Laurent and Massart (Ann. Statist. 28, 2000, Lemma 1); it holds for both
signs, a one-sided M in place of their maximum: the logarithm of E exp(sa(χ₁² − 1)) is
−sa − ½log(1 − 2sa), which is at most s²a²/(1 − 2sa) for 0 ≤ 2sa < 1, as they show, and at most s²a²
for a < 0, since log(1 + y) ≥ y − y²/2 for y = −2sa ≥ 0. Added up, all of them give no more than
bs²Σaᵢ²/(1 − 2sM) for a sum whose largest aᵢ is M − ε ≥ 0, and from there their proof goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize
from scipy.special import betaincinv

from fastgram.density.quadrature import Envelope
from fastgram.support.arrays import Array

__all__ = [
    "ENTROPY",
    "MINUS_LOG",
    "Convex",
    "RankLaw",
    "deviations",
    "eigenvalue_bounds",
    "rank_law",
    "sum_bounds",
]

# Of quantiles, relative: far more than scipy's error, far less than they are apart.
_QUANTILE_ERROR = 1e-9
# Of sums of n numbers, relative to the sum of their sizes.
_SUM_ERROR = 256.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class RankLaw:
    """Ranks N, ascending, between 1 and n − 1, and quantiles that all S_N keep between."""

    ranks: npt.NDArray[np.int64]
    lower: Array
    upper: Array
    n: int

    def mean_width(self) -> float:
        """Return the distance of the quantiles, averaged over the ranks."""
        if self.ranks.size == 0:
            return 0.0
        gaps = np.diff(self.ranks, prepend=0, append=self.n)
        share = (gaps[:-1] + gaps[1:]) / (2.0 * self.n)
        return float(np.sum(share * (self.upper - self.lower)) + np.sum(gaps**2) / self.n**2)


def rank_law(n: int, block: int, chance: float) -> RankLaw:
    """Return quantiles that S keeps between, but for the chance, at ranks that make them narrow."""
    # in arcsin √(N/n): the deviation is near 1/√(2nb), the ranks are π/2m apart
    counts = np.exp2(np.arange(3.0, 17.0))
    widths = np.sqrt(2.0 * np.log(2.0 * counts / chance))
    best = int(np.argmin(widths / math.sqrt(2.0 * n * block) + np.pi / (2.0 * counts)))
    angles = np.linspace(0.0, np.pi / 2.0, int(counts[best]) + 1)
    inner = np.unique(np.rint(n * np.sin(angles) ** 2).astype(np.int64))
    ranks = inner[(inner > 0) & (inner < n)]
    if ranks.size == 0:
        return RankLaw(ranks, np.empty(0), np.empty(0), n)
    failure_probability = chance / (2.0 * ranks.size)
    below, above = block * ranks / 2.0, block * (n - ranks) / 2.0
    lower = betaincinv(below, above, failure_probability) * (1.0 - _QUANTILE_ERROR)
    upper = 1.0 - betaincinv(above, below, failure_probability) * (1.0 - _QUANTILE_ERROR)
    return RankLaw(ranks, lower, upper, n)


def eigenvalue_bounds(
    seen: Envelope, law: RankLaw, ritz: Array, slack: float, ends: tuple[float, float]
) -> tuple[Array, Array]:
    """Return lower and upper bounds of all eigenvalues, ascending, (n,) each.

    Parameters
    ----------
    seen : Envelope
    law : RankLaw
    ritz : (r,) array
        The eigenvalues of T, ascending.
    slack : float
        By how much the eigenvalues that the run saw are off.
    ends : (float, float)
        The ends that the spectrum lies between.
    """
    n = law.n
    low, high = np.full(n, ends[0]), np.full(n, ends[1])
    low[n - ritz.size :] = np.clip(ritz - slack, *ends)
    high[: ritz.size] = np.clip(ritz + slack, *ends)
    if ritz.size == n:  # the law has nothing to add
        return low, high
    lower, upper = low.copy(), high.copy()
    # λ_N > x wherever S(x) ≤ U < q
    places = np.searchsorted(seen.upper, law.lower)
    stands = np.append(-np.inf, seen.upper_points)[places] - slack
    lower[law.ranks - 1] = np.maximum(lower[law.ranks - 1], stands)
    # λ_{N+1} ≤ x from the first point where S(x) ≥ L > q
    places = np.searchsorted(seen.lower, law.upper, side="right")
    stands = np.append(seen.lower_points, np.inf)[places] + slack
    upper[law.ranks] = np.minimum(upper[law.ranks], stands)
    lower = np.minimum(np.maximum.accumulate(lower), ends[1])
    upper = np.maximum(np.minimum.accumulate(upper[::-1])[::-1], ends[0])
    # crossed, they show the draw to be one of the few that the law leaves out
    return (lower, upper) if np.all(lower <= upper) else (low, high)


@dataclass(frozen=True)
class Convex:
    """A convex function: its values, its slope, and where the slope has a given value."""

    value: Callable[[Array], Array]
    slope: Callable[[float], float]
    level: Callable[[float], float]


def _entropy(x: Array) -> Array:
    return np.asarray(x * np.log(np.where(x > 0.0, x, 1.0)))


def _inverse_slope(slope: float) -> float:
    return -1.0 / slope if slope < 0.0 else math.inf


MINUS_LOG = Convex(lambda x: -np.log(x), lambda x: -1.0 / x, _inverse_slope)
ENTROPY = Convex(_entropy, lambda x: math.log(x) + 1.0, lambda slope: math.exp(slope - 1.0))


def sum_bounds(
    f: Convex, lower: Array, upper: Array, total: tuple[float, float]
) -> tuple[float, float]:
    """Return bounds of Σ f(λᵢ) from bounds of each λᵢ and of Σ λᵢ.

    Parameters
    ----------
    f : Convex
    lower, upper : (n,) arrays
        Nonnegative; positive for a function that has no value at 0.
    total : (float, float)
    """
    with np.errstate(divide="ignore"):
        at_lower, at_upper = f.value(lower), f.value(upper)
    plain = float(np.sum(upper)) + max(map(abs, total))

    def above(slope: float) -> float:
        parts = np.maximum(at_lower - slope * lower, at_upper - slope * upper)
        size = float(np.sum(np.abs(parts))) + abs(slope) * plain
        return float(np.sum(parts)) + max(slope * end for end in total) + _SUM_ERROR * size

    def below(slope: float) -> float:
        least = f.value(np.clip(f.level(slope), lower, upper))
        parts = least - slope * np.clip(f.level(slope), lower, upper)
        size = float(np.sum(np.abs(least))) + abs(slope) * plain
        return float(np.sum(parts)) + min(slope * end for end in total) - _SUM_ERROR * size

    # any slope does; the best is one that f has somewhere on the spectrum
    top = float(upper[-1])
    where = math.log(max(float(lower[0]), 1e-18 * top)), math.log(top)

    def best(objective: Callable[[float], float]) -> float:
        if not where[0] < where[1]:
            return 0.0
        found = scipy.optimize.minimize_scalar(
            lambda position: objective(f.slope(math.exp(position))),
            bounds=where,
            method="bounded",
            options={"xatol": 1e-9},
        )
        return float(f.slope(math.exp(found.x)))

    highest = math.inf if not np.all(np.isfinite(at_lower)) else min(above(0.0), above(best(above)))
    return max(below(0.0), below(best(lambda slope: -below(slope)))), highest


def deviations(lower: Array, upper: Array, degrees: int, chance: float) -> tuple[float, float]:
    """Return by how much a weighted mean of n numbers may be above, and below, their plain mean.

    The weights are independent χ² of so many degrees, divided by their sum; each way fails with
    the chance.

    Parameters
    ----------
    lower, upper : (n,) arrays
        Bounds of the numbers.
    degrees : int
    chance : float
    """
    n = lower.size
    t = -math.log(chance)
    # the mean makes Σ(fᵢ − c)² least: any c will do
    centre = float(np.mean(lower) + np.mean(upper)) / 2.0
    variance = float(np.sum(np.maximum((lower - centre) ** 2, (upper - centre) ** 2)))
    most_above = float(np.max(upper) - np.mean(lower))
    most_below = float(np.mean(upper) - np.min(lower))

    def solve(most: float) -> float:
        # nbε = 2√(bt(V + nε²)) + 2t(M − ε), a quadratic in ε
        slope, constant = n * degrees + 2.0 * t, 2.0 * t * most
        leading = slope**2 - 4.0 * degrees * t * n
        rest = constant**2 - 4.0 * degrees * t * variance
        return (slope * constant + math.sqrt((slope * constant) ** 2 - leading * rest)) / leading

    return solve(most_above), solve(most_below)
