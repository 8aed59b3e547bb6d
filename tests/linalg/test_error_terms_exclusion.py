"""The guard with a T, a Ritz value and a recurrence that are off by a large, stated error."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

from fastgram.linalg.elimination import Elimination
from fastgram.linalg.exclusion import EDGE_RTOL, Missed, proven_edge
from fastgram.linalg.lanczos_bound import outer_bound

EPS = float(np.finfo(np.float64).eps)


def tridiagonal(seed, scale=1.0):
    """Return diagonals, and couplings of which the last leads to the residual block."""
    generator = np.random.default_rng(seed)
    k = int(generator.integers(1, 6))
    return generator.standard_normal(k), scale * 10.0 ** generator.uniform(-2, 0.5, k)


def run_of(alphas, betas):
    diagonals, couplings = ([np.array([[x]]) for x in part] for part in (alphas, betas))
    return SimpleNamespace(block=1, earlier=[], diagonals=diagonals, couplings=couplings)


def least_of(alphas, betas):
    T = np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)
    return float(np.linalg.eigvalsh(T)[0])


def share_at(alphas, betas, x):
    """Return r₀²/Σrⱼ² of the recurrence at x."""
    before, last, total = 0.0, 1.0, 1.0
    previous = 0.0
    for alpha, beta in zip(alphas, betas, strict=True):
        before, last = last, ((x - alpha) * last - previous * before) / beta
        previous = beta
        total += last * last
    return 1.0 / total


def outermost_overlap(alphas, betas, quantile):
    """Return the least x ≤ θ₁ with an overlap of the quantile: for one column it only falls."""
    theta = least_of(alphas, betas)

    def above(t):
        return np.log(share_at(alphas, betas, theta - np.exp(t)) / quantile)

    return theta - np.exp(scipy.optimize.brentq(above, -30.0, 12.0)) if above(-30.0) > 0 else theta


QUANTILES = (0.9, 0.5, 0.1, 1e-2, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("own", [1e-3, 3e-2])
def test_rounding_of_the_elimination_and_of_the_ritz_value(own):
    # the T that counts is off by nearly `own` in norm from the one given: its diagonals, or its
    # couplings, are all off one way; and the Ritz value by as much as 3.9 times it
    near = []
    for seed in range(15):
        alphas, betas = tridiagonal(seed)
        off = np.zeros(len(betas))
        off[:-1] = 0.49 * own
        for given in ((alphas + 0.99 * own, betas), (alphas, betas - off)):
            if np.any(given[1] <= 0.0):
                continue
            for quantile, error in itertools.product((0.5, 1e-2, 1e-6), (0.0, 3.9)):
                truth = outermost_overlap(alphas, betas, quantile)
                ritz = least_of(*given) + error * own
                spread = own / (9 * EPS)
                edge = proven_edge(run_of(*given), ritz, -1.0, quantile, spread, Missed(0.0))
                assert ritz - edge <= truth
                near.append((truth - (ritz - edge)) / own)
    assert min(near) < 20.0  # and not by being idly wide


@pytest.mark.parametrize("own", [1e-3, 3e-2])
def test_rounding_of_what_is_measured_at_points(own, monkeypatch):
    # √g, η and σ are too small by nearly 4·own/D each, beside a T and a Ritz value that are off
    measure = Elimination.measure

    def rounded(elimination, outward, points, distances, negligible=0.0):
        found = measure(elimination, outward, points, distances, negligible)
        return tuple(part / (1.0 + 3.9 * own / distances) for part in found)

    monkeypatch.setattr(Elimination, "measure", rounded)
    for seed, quantile, error in itertools.product((6, 9, 11, 14), (0.9, 0.5, 1e-2), (0.0, 3.9)):
        alphas, betas = tridiagonal(seed)
        truth = outermost_overlap(alphas, betas, quantile)
        given = alphas + 0.99 * own, betas
        ritz = least_of(*given) + error * own
        edge = proven_edge(run_of(*given), ritz, -1.0, quantile, own / (9 * EPS), Missed(0.0))
        assert ritz - edge <= truth


@pytest.mark.parametrize("growth", [0.0, 0.01])
@pytest.mark.parametrize("fixed", [0.0, 1e-3, 3e-2])
def test_what_the_recurrence_misses(fixed, growth):
    # λ where u has all that is missed against it: (λ − α)·r₀ = β·r₁ ± ‖uᵀF‖, one pass
    for beta in (1e-3, 1e-2, 0.1, 1.0):
        for quantile in QUANTILES:
            if growth > 0.5 * np.sqrt(quantile):
                continue  # nothing far out can be excluded

            def short(distance, beta=beta, quantile=quantile):
                # of the least r₁ that the quantile asks for, with ‖y‖ and r₁ adding up to 1
                missed = fixed + growth * distance
                least = max(distance * np.sqrt(quantile) - missed, 0.0) / beta
                return quantile + least**2 - 1.0

            truth = scipy.optimize.brentq(short, 1e-12, 1e6)
            run = run_of([0.5], [beta])
            edge = proven_edge(run, 0.5, -1.0, quantile, 2.0, Missed(fixed, growth))
            assert edge >= truth
            end = outer_bound(run, 0.5, 1.0, quantile, 2.0, Missed(fixed, growth))
            assert end >= 0.5 + truth


def test_rounding_of_the_elimination_counts_as_what_the_recurrence_misses():
    # a coupling so small that what is missed decides how far out the edge is: e/√q about
    for own, quantile in itertools.product((1e-6, 1e-3), (1e-2, 1e-4)):
        run, quiet = run_of([0.5], [0.01 * own]), 1e-9 * own / (9 * EPS)
        rounded = proven_edge(run, 0.5, -1.0, quantile, own / (9 * EPS), Missed(0.0))
        missed = proven_edge(run, 0.5, -1.0, quantile, quiet, Missed(own))
        assert missed > 3.0 * proven_edge(run, 0.5, -1.0, quantile, quiet, Missed(0.1 * own))
        assert rounded >= missed / (1.0 + EDGE_RTOL)


@pytest.mark.slow
def test_a_ritz_value_that_is_not_the_last_one():
    # LAPACK's word for the extreme one is not taken
    for seed in range(15):
        alphas, betas = tridiagonal(seed)
        if len(alphas) == 1:
            continue
        inner = least_of(alphas, betas) + 0.3
        for quantile in QUANTILES:
            truth = outermost_overlap(alphas, betas, quantile)
            edge = proven_edge(run_of(alphas, betas), inner, -1.0, quantile, 10.0, Missed(0.0))
            assert inner - edge <= truth
