"""Brackets: what a block Lanczos run, or one Cholesky factorisation, proves of an eigenvalue.

*The Lanczos bound.* Let u be a unit eigenvector at the eigenvalue λ beyond all Ritz values, and
rⱼ = uᵀQⱼ. Multiplying A Qⱼ = Qⱼ₋₁Bⱼᵀ + QⱼAⱼ + Qⱼ₊₁Bⱼ₊₁ by uᵀ gives
rⱼ₊₁Bⱼ₊₁ = rⱼ(λ − Aⱼ) − rⱼ₋₁Bⱼᵀ: all rⱼ follow from r₀, and Σ‖rⱼ‖² ≤ 1. So
‖r₀‖² ≤ g(λ), the largest share ‖r₀‖²/Σ‖rⱼ‖² that any r₀ leaves itself in this recurrence at x = λ.
The start block being uniformly random, ‖r₀‖² follows a Beta(b/2, (n − b)/2) law whatever u is;
with q its η-quantile, g(λ) ≥ q but for a chance η: λ is no further out than the furthest x with
g(x) ≥ q. For b = 1 this sharpens van Dorsselaer, Hochstenbach and van der Vorst, *Computing
probabilistic bounds for extreme eigenvalues of symmetric matrices with the Lanczos method*, SIAM
J. Matrix Anal. Appl. 22 (2000). That g falls as x moves out has been seen always and not been
proven, so the furthest such x is looked for over the whole range, not by bisection alone.

*The certificate.* If the Cholesky factorisation of a symmetric floating-point matrix runs through,
the matrix plus a perturbation of norm at most γ·trace is positive semidefinite: Rump,
*Verification of positive definiteness*, BIT 46 (2006).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.special import betaincinv

from fastgram._lanczos import BlockLanczos

__all__ = ["certify_below", "furthest", "gamma", "rayleigh_bounds", "share", "share_quantile"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


def gamma(count: int) -> float:
    """Return γ = count·u/(1 − count·u), the relative error of a sum of `count` products."""
    rounding = count * _EPS / 2.0
    return rounding / (1.0 - rounding)


def share_quantile(chance: float, block: int, n: int) -> float:
    """Return the value that ‖r₀‖² falls below with the given chance, for a random block."""
    if block >= n:
        return 1.0
    return float(betaincinv(block / 2.0, (n - block) / 2.0, chance))


def share(run: BlockLanczos, points: Array) -> Array:
    """Return g at points outside the Ritz values: the largest ‖r₀‖²/Σ‖rⱼ‖².

    The rows of (r₀, r₁, …) are a basis of the solutions of the recurrence, kept orthonormal from
    step to step, so that nothing overflows and the slow directions are not drowned by the fast
    ones; what is left of the identity in the first block is then `first`, and g its norm squared.
    """
    size = run.diagonals[0].shape[0]
    first = np.broadcast_to(np.eye(size), (points.size, size, size))
    last = first
    before: Array | None = None
    for j, diagonal in enumerate(run.diagonals):
        step = points[:, None, None] * last - last @ diagonal
        if before is not None:
            step = step - before @ run.couplings[j - 1].T
        following = (
            step @ np.linalg.pinv(run.couplings[j]) if run.couplings[j].size else step[..., :0]
        )
        gained = [following]
        if run.dropped[j].size:
            gained.append(step @ run.dropped[j])
        identity = np.broadcast_to(np.eye(size), (points.size, size, size))
        stacked = np.concatenate([identity, *gained], axis=2).transpose(0, 2, 1)
        orthonormal = np.linalg.qr(stacked)[0]
        change = orthonormal[:, :size].transpose(0, 2, 1)
        before = change @ last
        last = orthonormal[:, size : size + following.shape[2]].transpose(0, 2, 1)
        first = change @ first
    return np.asarray(np.linalg.norm(first, 2, axis=(1, 2)) ** 2)


def furthest(
    run: BlockLanczos, ritz: float, outward: float, quantile: float, spread: float
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
        `share_quantile` of the chance.
    spread : float
        The scale of the spectrum; the search reaches from 2⁻⁶⁰ to 2²⁰ of it.
    """
    distances = spread * np.exp2(np.arange(-60.0, 21.0))
    inside = np.flatnonzero(share(run, ritz + outward * distances) >= quantile)
    if inside.size == 0:
        return ritz + outward * float(distances[0])
    if inside[-1] == distances.size - 1:
        return outward * np.inf
    low, high = distances[inside[-1]], distances[inside[-1] + 1]
    for _ in range(3):
        grid = np.linspace(low, high, 10)
        still = np.flatnonzero(share(run, ritz + outward * grid[1:-1]) >= quantile)
        cell = 0 if still.size == 0 else int(still[-1]) + 1
        low, high = grid[cell], grid[cell + 1]
    return ritz + outward * float(high)


def certify_below(A: Array, shift: float) -> float | None:
    """Return a proven lower bound of the eigenvalues of A near `shift`, or None.

    Parameters
    ----------
    A : (n, n) array
        Symmetric. It is not changed.
    shift : float
        What is tried.

    Returns
    -------
    float or None
        shift − c where the Cholesky factorisation of A − shift·I runs through, with
        c = γ/(1 − γ)·Σ|aᵢᵢ − shift| + u·max|aᵢᵢ − shift|, γ = γ(n + 2); None where it does not.

    Notes
    -----
    Holds for any order of summation and with fused multiply-adds, so for every BLAS that computes
    products in the conventional way (no Strassen) in IEEE double precision.
    """
    n = A.shape[0]
    shifted = np.array(A, order="F")
    diagonal = np.einsum("ii->i", shifted)
    diagonal -= shift
    sizes = np.abs(diagonal)
    relative = gamma(n + 2)
    slack = relative / (1.0 - relative) * float(np.sum(sizes))
    slack += _EPS * float(np.max(sizes)) + n * n * float(np.finfo(np.float64).tiny)
    _, failed = scipy.linalg.lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
    return None if failed else shift - slack * (1.0 + 4.0 * n * _EPS)


def rayleigh_bounds(A: Array, vector: Array) -> tuple[float, float]:
    """Return an interval that holds the exact Rayleigh quotient of A at a vector."""
    n = vector.size
    length = float(vector @ vector)
    value = float(vector @ (A @ vector)) / length
    size = float(np.abs(vector) @ (np.abs(A) @ np.abs(vector))) / length
    error = 2.0 * gamma(2 * n + 8) * size
    return value - error, value + error
