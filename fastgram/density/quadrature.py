"""The measure that random probes see, and its bounds from a block Lanczos run.

The probe g has the measure μ(x) = gᵀ1(A ≤ x)g, and the run, of k passes, knows it through T.

*Envelope.* Lanczos on T from E₁Re is the scalar Lanczos run of A from the column Q₀Re = g of G: its
k steps stay inside the block Krylov space. The Jacobi matrix J_k and the next coupling β_k that it
yields hold the moments of μ to degree 2k. Give J_{k+1} any last diagonal entry τ: its nodes
t₁ < … < t_{k+1} and weights wᵢ keep these moments. Let p be the polynomial of degree 2k that is 1
at t₁ … tᵢ, 0 at the nodes above, with p' = 0 at every node but tᵢ. Between such nodes p' has all
its other zeros, so p ≥ 1(· ≤ tᵢ) everywhere; with its mirror image

    Σ_{j<i} wⱼ ≤ μ((−∞, tᵢ)) ≤ μ((−∞, tᵢ]) ≤ Σ_{j≤i} wⱼ

(Chebyshev, Markov, Stieltjes; Szegő, *Orthogonal Polynomials*, 3.41). As τ runs through the reals,
tᵢ runs through all x but the zeros of p_k; a few τ, and monotonicity between them, lose little. The
gap is the Christoffel function, about 1/k of the whole where the spectrum is dense, and no bound
from moments is narrower. The like of it for the matrix measure Gᵀ1(A ≤ x)G does not hold in the
Loewner order, hence one probe at a time.

*Deflation.* A probe alone spends its degrees on eigenvalues that the block has found long since.
Let Y = QS be Ritz vectors with small residuals AY − YΘ = R. The probe is split in YYᵀg, whose
measure is known, and the rest, whose Lanczos vectors V = QZ are kept orthogonal to Y:
AV = VJ + βve_kᵀ + F, where F is the part of AV beyond the block Krylov space, measured step by
step; its last column belongs to βv. R and F being orthogonal to Y and V, some A + E has exactly
these spaces and this J with ‖E‖ ≤ e = ‖[R F]‖_F. With P and P' the projectors of A up to x and of
A + E up to x + δ, ‖P(1 − P')‖ ≤ e/δ (Davis and Kahan), so that ‖Pg‖ ≤ ‖P'g‖ + (e/δ)‖g‖, and
likewise below. What the deflated bounds say is thus moved by δ and by the share e/δ. Which and how
many Ritz vectors to take is tried; all bounds hold.

*Sums.* For resolvents, and so for −log x and x log x, which are integrals over s ≥ 0 of (x + s)⁻¹
with positive weight and a linear function, blocks do bound: E₁ᵀ(T + s)⁻¹E₁ ≤ Q₀ᵀ(A + s)⁻¹Q₀, since
T is a section of A. Eliminating all that follows block k + 1 from the full T leaves a last diagonal
X(s) that grows with s and, if A ≥ a, X(−a) ≥ D = a + B(T − a)⁻¹Bᵀ at the last block: with D in
place of X(s) the resolvent only grows (block Gauss–Radau: Zimmerling, Druskin and Simoncini,
arXiv 2407.21505). All kb nodes count here, not k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse

from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread

__all__ = ["Envelope", "block_rule", "envelope"]

_EPS = float(np.finfo(np.float64).eps)
# Last diagonal entries tried for each probe: between two nodes, the envelope stands at so many x.
_TURNS = 8
# Allowed to a sum of weights that add up to 1: they come from unit eigenvectors.
_WEIGHT_ERROR = 1000.0 * _EPS
# Of deflated bounds: the share e/δ, and δ relative to the eigenvalues at these parts of the
# spectrum, below which it blurs them; what residuals may be, relative to e. Each pair is tried.
_SHARE = 1e-4
_BLUR = 1e-3
# The shares e/δ at which rounding is taken for a perturbation e.
_ROUNDING_SHARES = (1e-2, 1e-3, 1e-5)
_PARTS = (0.0, 0.5)
_RESIDUALS = (1e-4, 1e-8)


@dataclass(frozen=True)
class Envelope:
    """Bounds of S(x) = tr Gᵀ1(A ≤ x)G/‖G‖².

    Attributes
    ----------
    lower_points, lower : (m,) arrays
        Ascending: S is at least lower[i] from lower_points[i] on.
    upper_points, upper : (k,) arrays
        Ascending: S is at most upper[i] below upper_points[i].
    """

    lower_points: Array
    lower: Array
    upper_points: Array
    upper: Array

    def mean_width(self) -> float:
        """Return the distance of the bounds, averaged over the eigenvalues."""
        points = np.unique(np.concatenate([self.lower_points, self.upper_points]))
        places = (
            np.searchsorted(x, points, "right") for x in (self.lower_points, self.upper_points)
        )
        below, above = (
            np.append(0.0, self.lower)[next(places)],
            np.append(self.upper, 1.0)[next(places)],
        )
        centre, widths = (below + above) / 2.0, above - below
        return float(np.sum((widths[1:] + widths[:-1]) / 2.0 * np.diff(centre)))

    def moved(self, distance: float, share: float) -> Envelope:
        """Return the bounds for a matrix whose projectors see that share otherwise, at most."""
        lower = 1.0 - (np.sqrt(1.0 - self.lower) + share) ** 2
        upper = (np.sqrt(self.upper) + share) ** 2
        return Envelope(self.lower_points + distance, lower, self.upper_points - distance, upper)

    def sharpened(self, other: Envelope) -> Envelope:
        """Return what both say."""
        low = np.concatenate([self.lower_points, other.lower_points])
        high = np.concatenate([self.upper_points, other.upper_points])
        rise, fall = np.argsort(low, kind="stable"), np.argsort(high, kind="stable")
        lower = np.maximum.accumulate(np.concatenate([self.lower, other.lower])[rise])
        upper = np.concatenate([self.upper, other.upper])[fall]
        upper = np.minimum.accumulate(upper[::-1])[::-1]
        return Envelope(low[rise], np.clip(lower, 0.0, 1.0), high[fall], np.clip(upper, 0.0, 1.0))


def envelope(run: BlockLanczos) -> Envelope:
    """Return bounds of S from a run of one pass or more."""
    full = _assemble(run)
    rows, order = full.shape
    with one_blas_thread():
        nodes, vectors = scipy.linalg.eigh(full[:order], check_finite=False)
        shares = np.sum((run.start_factor.T @ vectors[: run.start_factor.shape[0]]) ** 2, axis=0)
        whole = np.cumsum(shares) / np.sum(shares)
        rounding = 8.0 * float(np.sqrt(rows)) * _EPS * float(np.max(np.abs(nodes)))
        if rows == order:  # invariant: T is all there is to know of A on the probes
            return _rounded(_steps(nodes, whole, whole, 0.0), rounding)
        found = _rounded(_bounds(run, full, nodes[:0], vectors[:, :0], rounding), rounding)
        residuals = np.linalg.norm(full[order:] @ vectors, axis=0)
        best = np.argsort(residuals, kind="stable")
        sizes = np.sqrt(np.cumsum(residuals[best] ** 2))
        for part in _PARTS:
            scale = abs(float(nodes[np.searchsorted(whole, part)]))
            error = max(_SHARE * _BLUR * scale, rounding)
            counts = {int(np.searchsorted(sizes, small * error)) for small in _RESIDUALS}
            for count in sorted(counts - {0}):
                chosen = np.sort(best[:count])
                bounds = _bounds(run, full, nodes[chosen], vectors[:, chosen], error)
                found = found.sharpened(bounds.moved((error + rounding) / _SHARE, _SHARE))
    return found


def _rounded(bounds: Envelope, rounding: float) -> Envelope:
    """Return the bounds of a matrix that rounding keeps so far from the one they are of."""
    # a larger share moves them less far: each holds, and small eigenvalues stand close together
    first, *others = (bounds.moved(rounding / share, share) for share in _ROUNDING_SHARES)
    for other in others:
        first = first.sharpened(other)
    return first


def _steps(points: Array, low: Array, high: Array, before: float) -> Envelope:
    """Return the bounds low and high of S from each point to the next, as an envelope."""
    low, high = low - _WEIGHT_ERROR, np.append(before, high[:-1]) + _WEIGHT_ERROR
    return Envelope(points, np.clip(low, 0.0, 1.0), points, np.clip(high, 0.0, 1.0))


def _bounds(
    run: BlockLanczos, full: Array, values: Array, vectors: Array, error: float
) -> Envelope:
    """Return the bounds of S for a matrix within `error`, these Ritz pairs deflated."""
    rules, rest = _jacobi_matrices(run, full, vectors, error)
    total = float(np.sum(run.start_factor**2))
    seen = run.start_factor.T @ vectors[: run.start_factor.shape[0]]
    atoms = np.sum(seen**2, axis=0) / total
    points, lows, highs, before = [values], [atoms], [atoms], 0.0
    for (alpha, beta, invariant), part in zip(rules, rest / total, strict=True):
        if not alpha.size:  # next to nothing, which may stand anywhere
            before += float(part)
            continue
        x, low, high, first = _exact(alpha, beta) if invariant else _bounded(alpha, beta)
        points.append(x)
        lows.append(part * np.diff(low, prepend=0.0))
        highs.append(part * np.diff(high, prepend=first))
        before += float(part * first)
    x = np.concatenate(points)
    ascending = np.argsort(x, kind="stable")
    low = np.cumsum(np.concatenate(lows)[ascending])
    high = before + np.cumsum(np.concatenate(highs)[ascending])
    return _steps(x[ascending], low, high, before)


def _jacobi_matrices(
    run: BlockLanczos, full: Array, vectors: Array, error: float
) -> tuple[list[tuple[Array, Array, bool]], Array]:
    """Run Lanczos on T from each probe, kept orthogonal to these vectors.

    Returns
    -------
    rules : list of (diagonal, couplings, invariant)
        The Jacobi matrix of each probe with its next coupling, and whether that is nothing. It ends
        before the parts of the products that leave the basis are of norm `error` in all, and is
        empty for a probe of which nothing is left.
    rest : (b,) array
        The squared norms of what is left of the probes.
    """
    rows, order = full.shape
    sparse = scipy.sparse.csr_array(full)
    nothing = 8.0 * float(np.sqrt(rows)) * _EPS * float(np.max(np.sum(np.abs(full), axis=1)))
    probes, passes = run.start_factor.shape[1], run.passes
    start, rest, left = _deflated_probes(run, order, vectors)
    basis = np.zeros((probes, passes, order))
    basis[left, 0] = start[left] / np.sqrt(rest[left])[:, None]
    diagonals, couplings = np.zeros((probes, passes)), np.zeros((probes, passes))
    orders, invariant = np.zeros(probes, dtype=np.int64), np.zeros(probes, dtype=np.bool_)
    alive, lost = left.copy(), np.zeros(probes)
    for j in range(passes):
        product = (sparse @ basis[:, j].T).T
        image, outside = np.ascontiguousarray(product[:, :order]), product[:, order:]
        diagonals[:, j] = np.sum(image * basis[:, j], axis=1)
        known = basis[:, : j + 1]
        for _ in range(2):
            image -= (image @ vectors) @ vectors.T
            image -= (known.transpose(0, 2, 1) @ (known @ image[:, :, None]))[:, :, 0]
        inner, leaving = np.sum(image**2, axis=1), np.sum(outside**2, axis=1)
        couplings[:, j] = np.sqrt(inner + leaving)
        orders[alive] = j + 1
        invariant |= alive & (couplings[:, j] <= nothing)
        lost += leaving
        # the residuals of the vectors take at most a hundredth of the error
        alive &= (inner > nothing**2) & (lost <= 0.9 * error**2)
        if j + 1 == passes or not np.any(alive):
            break
        couplings[alive, j] = np.sqrt(inner[alive])
        basis[alive, j + 1] = image[alive] / couplings[alive, j, None]
    rules = [
        (diagonals[c, : orders[c]], couplings[c, : orders[c]], bool(invariant[c]))
        for c in range(probes)
    ]
    return rules, rest


def _deflated_probes(
    run: BlockLanczos, order: int, vectors: Array
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Return the probes without these vectors, (b, r), their squared norms, and which have any."""
    start = np.zeros((run.start_factor.shape[1], order))
    start[:, : run.start_factor.shape[0]] = run.start_factor.T
    for _ in range(2):
        start -= (start @ vectors) @ vectors.T
    rest = np.sum(start**2, axis=1)
    left = rest > (1e-10 * np.linalg.norm(run.start_factor, axis=0)) ** 2
    return start, rest, left


def _exact(alpha: Array, beta: Array) -> tuple[Array, Array, Array, float]:
    """Return nodes and the measure of a probe whose Krylov space is invariant."""
    nodes, weights = _rule(alpha, beta[:-1])
    whole = np.cumsum(weights)
    return nodes, whole, whole, 0.0


def _bounded(alpha: Array, beta: Array) -> tuple[Array, Array, Array, float]:
    """Return points, bounds from each point to the next, and the upper bound before the first."""
    angles = np.pi * (np.arange(_TURNS) + 0.5) / _TURNS
    points, lows, highs = [], [], []
    for last in alpha[-1] + 2.0 * beta[-1] / np.tan(angles):
        nodes, weights = _rule(np.append(alpha, last), beta)
        whole = np.cumsum(weights)
        points.append(nodes)
        lows.append(whole - weights)
        highs.append(whole)
    x = np.concatenate(points)
    ascending = np.argsort(x, kind="stable")
    low = np.maximum.accumulate(np.concatenate(lows)[ascending])
    high = np.minimum.accumulate(np.concatenate(highs)[ascending][::-1])[::-1]
    return x[ascending], low, np.append(high[1:], 1.0), float(high[0])


def _rule(alpha: Array, beta: Array) -> tuple[Array, Array]:
    if alpha.size == 1:
        return alpha, np.ones(1)
    nodes, vectors = scipy.linalg.eigh_tridiagonal(alpha, beta, check_finite=False)
    return nodes, vectors[0] ** 2


def _assemble(run: BlockLanczos) -> Array:
    """Return T with the coupling to the residual block below it."""
    sizes = [run.diagonals[0].shape[0], *(coupling.shape[0] for coupling in run.couplings)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    full = np.zeros((starts[-1], starts[-2]))
    for j, (diagonal, coupling) in enumerate(zip(run.diagonals, run.couplings, strict=True)):
        here, after = slice(starts[j], starts[j + 1]), slice(starts[j + 1], starts[j + 2])
        full[here, here] = diagonal
        full[after, here] = coupling
        if j + 1 < run.passes:
            full[here, after] = coupling.T
    return full


def block_rule(run: BlockLanczos, below: float | None = None) -> tuple[Array, Array]:
    """Return nodes, ascending, and weights, which add up to 1, of the block quadrature.

    Parameters
    ----------
    run : BlockLanczos
    below : float, optional
        A point that A lies above, for the Gauss–Radau rule; None for the Gauss rule.

    Raises
    ------
    numpy.linalg.LinAlgError
        If T does not lie above the point.
    """
    full = _assemble(run)
    rows, order = full.shape
    with one_blas_thread():
        if below is None or rows == order:
            square = full[:order]
        else:
            square = np.zeros((rows, rows))
            square[:, :order] = full
            square[:order, order:] = full[order:].T
            shifted = full[:order] - below * np.eye(order)
            factor = scipy.linalg.cho_factor(shifted, lower=True, check_finite=False)
            half = scipy.linalg.cho_solve(factor, full[order:].T, check_finite=False)
            last = full[order:] @ half
            square[order:, order:] = (last + last.T) / 2.0 + below * np.eye(rows - order)
        nodes, vectors = scipy.linalg.eigh(square, overwrite_a=True, check_finite=False)
        seen = run.start_factor.T @ vectors[: run.start_factor.shape[0]]
    weights = np.sum(seen**2, axis=0)
    return nodes, weights / np.sum(weights)
