"""Exclusion: intervals without eigenvalues, from a block Lanczos run's T at a few points.

`fastgram.linalg.lanczos_bound` says what g is and why a scan of it proves nothing by itself: here
it is proven to be below one value on whole intervals. λ is an eigenvalue of A, u its unit
eigenvector, rⱼ = uᵀQⱼ, y = (r₀ … rₖ₋₁) and r₀' the part of r₀ that belongs to the random columns.
What a run misses of A Q = QT + QₖBₖEₖᵀ is F: rounding and the directions it dropped, of norm at
most f. All is written for the lower end; the upper end is the lower one of −A.

*The lemma.* Let x lie below the least Ritz value θ₁, H = (T − x)⁻¹, D = θ₁ − x = 1/‖H‖. With
T̂ the matrix T over the row BₖEₖᵀ, r(T̂ − xÎ) = (λ − x)y − uᵀF. So r − e solves the recurrence
at x, where e = (((λ − x)y − uᵀF)H, 0); with τ = |λ − x|/D and φ = f/D its norm is at most τ + φ,
and that of its random part at most (τ + φ)σ, σ = D‖HE₀‖, E₀ the random columns of the unit
matrix. Hence

    ‖r₀'‖ ≤ √g·(1 + τ + φ) + (τ + φ)σ.

Putting y = (r − e's part) + e once more into e,

    ‖r₀'‖ ≤ (√g + τη)(1 + τ + φ) + τ(τ + φ)σ + φσ,

since ‖H²E₀‖ ≤ ‖H‖‖HE₀‖; η = D·max ‖yHE₀‖/‖r‖ over the solutions r at x. Where the right-hand side
is below √q no λ at this τ has an overlap of q: one point x excludes the interval of all such λ.
What is missed may grow with the eigenvalue that is spoken of (see `Missed`): f is then taken at the
far end of the interval, which reaches no further than 2D from θ₁.

*Far out* the Schur complements Xⱼ of T − x are at least D, and ‖rⱼ₊₁‖ ≥ ‖rⱼXⱼ‖/‖Bⱼ₊₁‖, so that
1/g(x) ≥ 1 + Σⱼ Πᵢ≤ⱼ (D/‖Bᵢ‖)². That grows with D, and ends the sequence of points.

*Fewer passes.* The first passes of a stage are a run too, of the same u and F. Its least Ritz value
is no less than θ₁, and D enters as a lower bound of 1/‖H‖ alone: what it measures at x excludes the
same interval. Far out its √g is as good as 0 after a few passes, and the rest need not be gone
through.

*At a point* block elimination of T − x from the start block gives, all of it forwards, with
Dⱼ = Bⱼ₊₁Xⱼ⁻¹:

    Φⱼ₊₁ = −DⱼΦⱼ,    Sⱼ₊₁ = I + DⱼSⱼDⱼᵀ,    Xⱼ₊₁ = Aⱼ₊₁ − x − Bⱼ₊₁Xⱼ⁻¹Bⱼ₊₁ᵀ,

from Φ₀ = E₀, S₀ = I, X₀ = A₀ − x. A solution is r₀' = rₖΦₖ with ‖r‖² = rₖSₖrₖᵀ, so g = ‖Sₖ⁻¹ᐟ²Φₖ‖².
Sⱼ is Xⱼ's derivative by −x, which gives Φ's, and with it η and σ.

*Rounding.* The elimination at x is that of T + E − x, ‖E‖ ≤ e = (b + 8)·2u·‖T‖, as any Cholesky
factorisation of that band is, and T + E may stand for T where f + e stands for f. The computed
Ritz value θ is off by what rounding makes of it. That it is not too far out is not taken on trust:
the elimination at a point 4e beyond it runs through, which proves θ₁(T) to be beyond θ by no more
than 5e, and θ₁(T + E) by 6e. Points stand at θ ± (D + 6e): the D of the lemma is then no more than
θ₁(T + E) − x. What a perturbation of size e of T does to √g, η and σ is, by the lemma itself, a
factor of 1 + 2e/D to first order; they are raised by 1 + 4e/D, D being 4e at least, for all that
further roundings of the elimination do.

*Stages.* A run short of memory goes on from its residual block with Ritz vectors appended and
forgets the rest of the basis. Let t be what u has in the residual block that ends a stage. In every
stage y = −tBE_endᵀH + ((λ − x)y − uᵀF)H, and the next stage says the same of t, its own y at its
first columns E. So r₀' = tΨ + (λ − x)tΨ' + ρ by induction over the stages, with Ψ = (−BE_endᵀHE)·Ψ
of the stage before, Ψ' its derivative by x, and ‖ρ‖ ≤ τ(τ + φ)σ + φσ, where σ is the sum of
D‖HEΨ‖ + D²‖HEΨ'‖ (Ψ and Ψ' of the stage before, I and 0 at first) over the stages. Only
‖r‖ ≤ 1 in the last stage is used. The lemma holds as it stands, with this σ and Φₖ = Ψ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.special

from fastgram.linalg.elimination import Elimination, Run
from fastgram.support.arrays import Array

__all__ = ["EDGE_RTOL", "Missed", "excess", "excludes", "proven_edge"]

_EPS = float(np.finfo(np.float64).eps)
_MOST = 1024  # points in all; the edge is then where the proof has come to
# How much further out than it has to the edge may lie, relative to its distance.
EDGE_RTOL = 1.0 / 64.0
# Points ahead of which it is not known whether anything is excluded there, where τ hardly changes.
_AHEAD = 4
# τ where nothing is known of it yet, and what is counted on of it at the next point.
_FIRST_TAU, _TAU_KEPT = 0.125, 0.95
# Points in a gap at a time, and the τ that is counted on there at least.
_MANY, _LEAST_TAU = 16, 1e-3
# A √g so small, relative to √q, is as good as 0.
_NEGLIGIBLE = 1e-2
# Kept of every interval, and of what is left below √q: far more than rounding takes.
_RADIUS_KEPT, _SLACK_KEPT = 0.999, 1.0 - 1e-6


class Missed(NamedTuple):
    """A bound on ‖uᵀF‖, what a recurrence misses where it meets an eigenvector.

    It is fixed + growth·D for an eigenvalue that lies D beyond the extreme Ritz value.
    """

    fixed: float
    growth: float = 0.0

    def at(self, distance: Array) -> Array:
        """Return the bound for eigenvalues so far out."""
        return self.fixed + self.growth * distance


def excluded_radius(root: Array, eta: Array, sigma: Array, phi: Array, goal: float) -> Array:
    """Return the largest τ ≤ 1 that the lemma excludes; not positive where it excludes nothing."""
    slack_left = goal * _SLACK_KEPT - root * (1.0 + phi) - phi * sigma
    plain = slack_left / (root + sigma)
    linear = root + eta * (1.0 + phi) + phi * sigma
    square = linear**2 + 4.0 * (eta + sigma) * np.maximum(slack_left, 0.0)
    quadratic = 2.0 * slack_left / (linear + np.sqrt(square))
    best = np.maximum(plain, np.where(slack_left > 0.0, quadratic, slack_left))
    return _RADIUS_KEPT * np.minimum(best, 1.0)


def far_edge(elimination: Elimination, spectral_scale: float, goal: float, missed: Missed) -> float:
    """Return a distance beyond which the bound that grows with the distance excludes all."""
    distances = spectral_scale * np.exp2(np.arange(-60.0, 60.0, 0.25))
    logarithms = np.log(distances)[:, None]
    gained = np.zeros_like(logarithms)  # log of Π D/‖Bᵢ‖ up to the stage's start
    entered = []
    for norms in elimination.coupling_norms():
        sizes = np.cumsum(np.log(np.maximum(norms, np.finfo(np.float64).tiny)))
        entered.append(gained)
        steps = gained + logarithms * np.arange(1, sizes.size + 1) - sizes
        gained = steps[:, -1:]
    total = scipy.special.logsumexp(2.0 * np.hstack([entered[-1], steps]), axis=1)
    flows = scipy.special.logsumexp(-np.hstack(entered), axis=1)
    phi = missed.at(distances) / distances
    with np.errstate(over="ignore", invalid="ignore"):
        excluded = np.exp(-0.5 * total) * (1.0 + phi) + phi * np.exp(flows) < goal * _SLACK_KEPT
    open_ends = np.flatnonzero(~excluded)
    if open_ends.size == 0:
        return float(distances[0])
    if open_ends[-1] == distances.size - 1:
        return np.inf
    return float(distances[open_ends[-1] + 1])


def excess(
    run: Run, ritz: Array, outward: Array, distances: Array, quantile: float, missed: Missed
) -> Array:
    """Return how far exclusions are off at distances D from Ritz values: negative where they hold.

    The logarithm of what no eigenvalue there can have of the start block (its ‖r₀'‖), over what
    it has but for a small chance, √q. It falls about linearly with the passes.
    """
    points = ritz + outward * distances
    root, _, sigma = Elimination(run).measure(outward, points, distances)
    phi = missed.at(distances) / distances
    with np.errstate(divide="ignore"):
        return np.asarray(np.log((root * (1.0 + phi) + phi * sigma) / _goal(quantile)))


def excludes(
    run: Run, ritz: float, outward: float, distance: float, quantile: float, missed: Missed
) -> bool:
    """Whether no eigenvalue at this very distance from the Ritz value has an overlap of q."""
    at = np.array([distance])
    return bool(excess(run, np.array([ritz]), np.array([outward]), at, quantile, missed)[0] < 0.0)


def _goal(quantile: float) -> float:
    return float(np.sqrt(quantile)) * _SLACK_KEPT


def proven_edge(
    run: Run, ritz: float, outward: float, quantile: float, spectral_scale: float, missed: Missed
) -> float:
    """Return a distance from the Ritz value beyond which no eigenvalue has an overlap of q."""
    goal, spectral_scale = float(np.sqrt(quantile)), float(spectral_scale)
    elimination = Elimination(run)
    elimination_error = _elimination_error(run, elimination, ritz, outward, spectral_scale)
    nearest, shift = 4.0 * elimination_error, 6.0 * elimination_error
    missed = Missed(missed.fixed + elimination_error, missed.growth)
    far = far_edge(elimination, spectral_scale, goal, missed)
    if not nearest < far < np.inf:
        return float(max(nearest, far) + shift)
    walk, evaluated = InwardWalk(far, nearest), 0
    while not walk.done and evaluated < _MOST:
        distances = walk.next_points()
        root, eta, sigma = elimination.measure(
            outward, ritz + outward * (distances + shift), distances, _NEGLIGIBLE * goal
        )
        raised = 1.0 + 4.0 * elimination_error / distances
        phi = missed.at(2.0 * distances) / distances
        taus = excluded_radius(root * raised, eta * raised, sigma * raised, phi, goal)
        walk.go_on(distances, taus)
        evaluated += distances.size
    return max(walk.edge, nearest) + shift


def _elimination_error(
    run: Run, elimination: Elimination, ritz: float, outward: float, spectral_scale: float
) -> float:
    """Bound what rounding in the elimination amounts to, and a fifth of the Ritz value's error."""
    elimination_error = float((run.diagonals[0].shape[0] + 8) * _EPS * spectral_scale)
    while elimination_error < spectral_scale:
        if elimination.reaches(outward, ritz + outward * 4.0 * elimination_error):
            break
        elimination_error *= 4.0  # a Ritz value is further out
    return elimination_error


class InwardWalk:
    """The way inwards through intervals that are excluded, as far as they leave no gap.

    Attributes
    ----------
    edge : float
        All beyond it is excluded.
    """

    def __init__(self, far: float, nearest: float) -> None:
        self.edge = far
        self._nearest = nearest
        self._inside: list[tuple[float, float]] = []  # points and their τ, the outermost one last
        self._last = self._before = _FIRST_TAU  # of the points passed

    def go_on(self, points: Array, taus: Array) -> None:
        """Take points inside the edge with their τ, and walk on."""
        self._inside += zip(points.tolist(), taus.tolist(), strict=True)
        self._inside.sort()
        while self._inside:
            distance, tau = self._inside[-1]
            if tau <= 0.0 or distance * (1.0 + tau) < self.edge:
                break
            self._inside.pop()
            self.edge = min(self.edge, distance * (1.0 - tau))
            self._before, self._last = self._last, tau

    @property
    def done(self) -> bool:
        """Whether the edge lies no further out than it may."""
        inner, tau = self._inside[-1] if self._inside else (self._nearest, 0.0)
        return tau <= 0.0 and self.edge <= inner * (1.0 + EDGE_RTOL)

    def next_points(self) -> Array:
        """Return points inside the edge, as far apart as τ is expected to let them be."""
        inner, inner_tau = self._inside[-1] if self._inside else (self._nearest, 0.0)
        if inner_tau > 0.0:  # a gap between two excluded intervals
            left = float(np.log(self.edge / inner) - np.log1p(inner_tau))
            tau = max(0.5 * (self._last + inner_tau), _LEAST_TAU)
            needed = int(np.ceil(left / _across(_TAU_KEPT * tau)))
            count = min(max(needed, 1), _MANY)  # a gap may be one rounding wide
            return np.asarray(self.edge * np.exp(-left * (np.arange(count) + 0.5) / count))
        left = float(np.log(self.edge / inner))
        foreseen = min(2.0 * self._last - self._before, self._last)
        tau = max(_TAU_KEPT * foreseen, 0.5 * self._last, 0.5 * EDGE_RTOL)
        if left <= _across(tau):
            return np.array([self.edge * np.exp(-0.5 * left)])
        steady = self._last >= _TAU_KEPT * self._before
        # none further in than the gap goes: a point nearer than the nearest proves nothing
        count = min(_AHEAD if steady else 1, int(left / _across(tau)))
        return np.asarray(self.edge * np.exp(-np.log1p(tau) - _across(tau) * np.arange(count)))


def _across(tau: float) -> float:
    """Return the logarithm of how far apart the ends of an interval are."""
    return float(np.log1p(tau) - np.log1p(-tau))
