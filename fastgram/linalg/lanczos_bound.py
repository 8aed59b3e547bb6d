"""The Lanczos bound: both ends of a bracket, from a block Lanczos run.

*The Lanczos bound.* Let u be a unit eigenvector at the eigenvalue λ beyond all Ritz values, and
rⱼ = uᵀQⱼ. Multiplying A Qⱼ = Qⱼ₋₁Bⱼᵀ + QⱼAⱼ + Qⱼ₊₁Bⱼ₊₁ by uᵀ gives
rⱼ₊₁Bⱼ₊₁ = rⱼ(λ − Aⱼ) − rⱼ₋₁Bⱼᵀ: all rⱼ follow from r₀, and Σ‖rⱼ‖² ≤ 1. The start block is
[Q₀, V]: b columns that are uniformly random, and any others. With r₀' the part of r₀ on Q₀,
‖r₀'‖² ≤ g(λ), the largest ‖r₀'‖²/Σ‖rⱼ‖² that any r₀ leaves itself in this recurrence at
x = λ. (‖uᵀQ‖ ≤ 1 is asked for to 1e-6, by which `fastgram.linalg.exclusion` keeps below √q: far
more than full reorthogonalisation leaves.) Whatever u is, ‖r₀'‖² follows a Beta(b/2, (n − b)/2)
law; with q its η-quantile, g(λ) ≥ q but for a chance η: λ is no further out than the outermost x
with g(x) ≥ q. For b = 1 this sharpens van Dorsselaer, Hochstenbach and van der Vorst, *Computing
probabilistic bounds for extreme eigenvalues of symmetric matrices with the Lanczos method*, SIAM J.
Matrix Anal. Appl. 22 (2000).

*The inner end.* With v = Qy, y any vector and θ any number, vᵀAv is
θ‖v‖² + vᵀQ(Ty − θy) + vᵀQₖBₖEₖᵀy + vᵀFy, F what the recurrence misses: for the extreme Ritz pair
of T as LAPACK computed it, a Rayleigh quotient of A that is proven without trust in LAPACK or in
the orthonormality of Q, whose columns need only have unit norm.

*Extra start vectors.* The event that is used, ‖uᵀQ₀‖² ≥ q, is about Q₀ and u alone. Given it, all
that follows is algebra that holds for every V and every number of passes: V may be directions known
beforehand, or made from Q₀ and from what a run found. (Directions projected *out* of Q₀ would
change its law.) For the same reason a run may go on in stages, each from the residual block of the
one before with Ritz vectors appended: r₀' follows from what u has in the residual block, through
the T of every stage, and q stays, with no second event to pay for. Beginning again from Q₀ with
Ritz vectors appended is as sound, but was tried and stalls: its polynomials start from degree 0.

*g may rise outwards.* For b = 1 it falls as x moves out; for blocks it need not. With X₀ = A₀ − x,
X₁ = A₁ − x − B₁X₀⁻¹B₁ᵀ, both positive definite below the Ritz values, and two passes of b = 2,
1/g is the least μ with (I + X₁NX₁)r = (μ − 1)Rr for some r, R = B₁X₀⁻²B₁ᵀ and N = (B₂ᵀB₂)⁻¹. Its
derivative by −x has the sign of rᵀ(I + R)X₁⁻¹((μ − 1)R − I)r where X₀ is large against X₁, with
R, r, μ, X₁ free: a sharply elongated X₁ makes it negative. `tests/linalg/test_exclusion.py` holds
such a matrix, whose g rises by half before it falls. So where g(x) = q is no bound by itself:
`fastgram.linalg.exclusion` proves ‖r₀'‖² < q for everything further out.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.elimination import Elimination
from fastgram.linalg.exclusion import Missed, proven_edge
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma

__all__ = ["EXACT", "inner_end", "outer_bound", "overlap_quantile", "start_block_overlap"]

_EPS = float(np.finfo(np.float64).eps)
EXACT = Missed(0.0)  # of a recurrence in exact arithmetic


def overlap_quantile(chance: float, block: int, n: int) -> float:
    """Return the value that ‖r₀‖² falls below with the given chance, for a random block."""
    if block >= n:
        return 1.0
    return float(betaincinv(block / 2.0, (n - block) / 2.0, chance))


def start_block_overlap(run: BlockLanczos, points: Array) -> Array:
    """Return g at points on one side of the Ritz values: the largest ‖r₀'‖²/Σ‖rⱼ‖².

    At most 1, and 1 where a point is not outside the Ritz values, or within rounding of them.
    """
    within = float(run.diagonals[0][0, 0])  # no Ritz value is beyond it on both sides
    outward = 1.0 if points[0] > within else -1.0
    root, _, _ = Elimination(run).measure(outward, points, np.ones_like(points))
    return np.minimum(root, 1.0) ** 2


def outer_bound(
    run: BlockLanczos,
    ritz: float,
    outward: float,
    quantile: float,
    spectral_scale: float,
    missed: Missed = EXACT,
) -> float:
    """Return a point beyond which no eigenvalue lies, but for the chance of the quantile.

    Parameters
    ----------
    run : BlockLanczos
    ritz : float
        The extreme Ritz value at this end.
    outward : {-1.0, 1.0}
        Which way is out.
    quantile : float
        `overlap_quantile` of the chance.
    spectral_scale : float
        The scale of the spectrum, at least the norm of T.
    missed : Missed
        Of the recurrence: a bound on the spectral norm of AQ − QT − (residual block) with
        the exact A.
    """
    return ritz + outward * proven_edge(run, ritz, outward, quantile, spectral_scale, missed)


def inner_end(run: BlockLanczos, largest: bool, missed: float) -> tuple[float, float]:
    """Return a Rayleigh quotient of A near an extreme Ritz value, and what it may be off by.

    Parameters
    ----------
    run : BlockLanczos
    largest : bool
        At which end.
    missed : float
        A bound on the spectral norm of AQ − QT − (residual block).

    Returns
    -------
    value, error : float
        λ_min ≤ value + error at the low end, λ_max ≥ value − error at the high end.
    """
    value, small, vector = run.extreme_pair(largest)
    n, columns = vector.size, small.size
    size = float(np.linalg.norm(small))
    # what combining the basis may be off by, in norm: each column of it has norm 1
    off = gamma(columns + 8) * np.sqrt(columns) * size
    length = float(np.linalg.norm(vector)) * (1.0 - gamma(n)) - off
    if length <= 0.5 * size:  # no orthonormal basis: it should not happen
        return value, np.inf
    leaving = run.leaving(small)
    lost = float(np.linalg.norm(run.residual_part(vector)))
    lost += (off + gamma(n) * length) * np.sqrt(max(leaving.size, 1))
    defect = float(np.linalg.norm(run.times_tridiagonal(small) - value * small))
    defect += gamma(run.width_of_band + 4) * run.norm * size
    error = np.sqrt(columns) * defect + lost * float(np.linalg.norm(leaving)) + missed * size
    return value, float(error / length * (1.0 + 16.0 * _EPS)) + 4.0 * _EPS * abs(value)
