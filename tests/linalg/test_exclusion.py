"""Exclusion proves what it says: no interval that it excludes holds an eigenvalue."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.elimination import Elimination, stages
from fastgram.linalg.exclusion import (
    EDGE_RTOL,
    InwardWalk,
    Missed,
    excess,
    excluded_radius,
    excludes,
    far_edge,
    proven_edge,
)
from fastgram.linalg.lanczos_bound import EXACT, outer_bound, overlap_quantile, start_block_overlap

EPS = np.finfo(float).eps


def blocks(diagonals, couplings):
    """Return what the guard asks of a run, without one."""
    diagonals = [np.array(part, dtype=float) for part in diagonals]
    couplings = [np.array(part, dtype=float) for part in couplings]
    width = diagonals[0].shape[0]
    return SimpleNamespace(block=width, earlier=[], diagonals=diagonals, couplings=couplings)


def assembled(run):
    """Return T of the last stage, and the coupling to its residual block below it."""
    sizes = [part.shape[0] for part in run.diagonals]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    T = np.zeros((starts[-1], starts[-1]))
    for j, diagonal in enumerate(run.diagonals):
        here, after = slice(starts[j], starts[j + 1]), slice(starts[j + 1], None)
        T[here, here] = diagonal
        if j + 1 < len(sizes):
            after = slice(starts[j + 1], starts[j + 2])
            T[after, here], T[here, after] = run.couplings[j], run.couplings[j].T
    below = np.zeros((run.couplings[-1].shape[0], starts[-1]))
    below[:, starts[-2] :] = run.couplings[-1]
    return T, below


def rising():
    """Return blocks of two passes whose g rises by half from the Ritz value outwards, then falls.

    From the derivation in `fastgram.linalg.lanczos_bound`, at x = 0: X₀ = tI, B₁ = tR^½, so that
    R = B₁X₀⁻²B₁ᵀ; X₁ elongated across the two vectors whose product with it is to be negative;
    N = X₁⁻¹((μ − 1)R − I + c·ssᵀ)X₁⁻¹ with s normal to r, so that r is the least direction.
    """
    R, r, mu, c, t = np.diag([1.0, 23.77]), np.array([1.0, 3.712]), 2.098, 738.9, 199.0
    Y = (mu - 1.0) * R - np.eye(2)
    left, right = r + R @ r, Y @ r
    along = left / np.linalg.norm(left) - right / np.linalg.norm(right)
    along /= np.linalg.norm(along)
    across, s = np.array([-along[1], along[0]]), np.array([r[1], -r[0]])
    inverse = np.outer(along, along) + 0.05851 * np.outer(across, across)
    N = inverse @ (Y + c * np.outer(s, s)) @ inverse
    last = np.linalg.inv(np.linalg.cholesky(N))
    first = t * np.sqrt(R)
    return blocks([t * np.eye(2), np.linalg.inv(inverse) + t * R], [first, last])


def g_of(run, x):
    """Return g from M(x) = Σ PⱼPⱼᵀ, for two passes with square couplings."""
    identity = np.eye(2)
    first = (run.diagonals[0] - x * identity) @ np.linalg.inv(run.couplings[0])
    second = first @ (run.diagonals[1] - x * identity) - run.couplings[0].T
    second = second @ np.linalg.inv(run.couplings[1])
    return 1.0 / np.linalg.eigvalsh(identity + first @ first.T + second @ second.T)[0]


def test_g_can_rise_outwards_and_the_guard_sees_it():
    run = rising()
    theta = np.linalg.eigvalsh(assembled(run)[0])[0]
    distances = np.geomspace(1e-3, 200.0, 400) * theta
    values = np.array([g_of(run, theta - distance) for distance in distances])
    np.testing.assert_allclose(start_block_overlap(run, theta - distances), values, rtol=1e-9)
    lowest = np.minimum.accumulate(values)
    assert np.max(values / lowest) > 1.5
    # a level below which g begins, above which it rises, and that it crosses again further out
    rise = int(np.argmax(values / lowest))
    level = float(np.sqrt(values[rise] * lowest[rise]))
    above = np.flatnonzero(values >= level)
    assert values[0] < level
    assert above[0] > 10
    end = theta - outer_bound(run, theta, -1.0, level, 1000.0)
    assert distances[above[-1]] <= end <= 1.05 * distances[above[-1]]
    # and the same at the other end of −T
    mirrored = blocks([-part for part in run.diagonals], run.couplings)
    assert outer_bound(mirrored, -theta, 1.0, level, 1000.0) + theta == pytest.approx(end, rel=1e-9)


def random_blocks(seed):
    """Return blocks of unlike sizes and scales, some of whose couplings lose rows."""
    generator = np.random.default_rng(seed)
    size = int(generator.integers(1, 5))
    diagonals, couplings = [], []
    for _ in range(int(generator.integers(1, 6))):
        square = generator.standard_normal((size, size))
        diagonals.append((square + square.T) * 10.0 ** generator.uniform(-1, 1))
        rows = max(1, size - int(generator.integers(0, 5) == 0))
        coupling = generator.standard_normal((rows, size)) * 10.0 ** generator.uniform(-2, 1)
        couplings.append(coupling)
        size = rows
    run = blocks(diagonals, couplings)
    run.block = int(generator.integers(1, run.block + 1))
    return run


@pytest.mark.parametrize("outward", [-1.0, 1.0])
def test_measures_are_what_their_definitions_say(outward):
    for seed in range(40):
        run = random_blocks(seed)
        T, below = assembled(run)
        ritz = np.linalg.eigvalsh(T)[0 if outward < 0 else -1]
        scale = np.linalg.norm(T, 2)
        for distance in scale * np.array([1e-4, 0.1, 3.0]):
            at = np.array([distance])
            root, eta, sigma = Elimination(run).measure(outward, ritz + outward * at, at)
            H = np.linalg.inv(T - (ritz + outward * distance) * np.eye(len(T)))
            start = H[:, : run.block]
            half = np.linalg.inv(np.linalg.cholesky(np.eye(len(below)) + below @ H @ H @ below.T))
            expected = np.linalg.norm(half @ below @ start, 2)
            np.testing.assert_allclose(root, expected, rtol=1e-6)
            expected = distance * np.linalg.norm(half @ below @ H @ start, 2)
            np.testing.assert_allclose(eta, expected, rtol=1e-6)
            np.testing.assert_allclose(sigma, distance * np.linalg.norm(start, 2), rtol=1e-6)


@pytest.mark.parametrize("outward", [-1.0, 1.0])
def test_measures_go_through_stages(outward):
    for seed in range(0, 120, 3):
        parts = [random_blocks(seed), random_blocks(seed + 1), random_blocks(seed + 2)]
        entering = [parts[0].block, *(part.couplings[-1].shape[0] for part in parts[:-1])]
        if any(m > part.diagonals[0].shape[0] for m, part in zip(entering, parts, strict=True)):
            continue
        run = parts[-1]
        run.earlier = [(part.diagonals, part.couplings) for part in parts[:-1]]
        run.block = parts[0].block
        matrices = [assembled(part) for part in parts]
        ends = [np.linalg.eigvalsh(T)[0 if outward < 0 else -1] for T, _ in matrices]
        ritz = min(ends) if outward < 0 else max(ends)
        distance = 0.2 * max(np.linalg.norm(T, 2) for T, _ in matrices)
        flow, slope, expected = np.eye(run.block), np.zeros((run.block, run.block)), 0.0
        for m, (T, below) in zip(entering, matrices, strict=True):
            H = np.linalg.inv(T - (ritz + outward * distance) * np.eye(len(T)))
            expected += distance * np.linalg.norm(H[:, :m] @ flow, 2)
            expected += distance**2 * np.linalg.norm(H[:, :m] @ slope, 2)
            slope = -below @ (H @ H[:, :m] @ flow + H[:, :m] @ slope)
            flow = -below @ H[:, :m] @ flow
        half = np.linalg.inv(np.linalg.cholesky(np.eye(len(below)) + below @ H @ H @ below.T))
        at = np.array([distance])
        root, eta, sigma = Elimination(run).measure(outward, ritz + outward * at, at)
        np.testing.assert_allclose(root, np.linalg.norm(half @ flow, 2), rtol=1e-9)
        np.testing.assert_allclose(eta, distance * np.linalg.norm(half @ slope, 2), rtol=1e-9)
        np.testing.assert_allclose(sigma, expected, rtol=1e-9)


def test_a_radius_is_the_largest_that_the_lemma_excludes():
    # both forms of the lemma as they stand in its text, at the radius and just beyond it
    generator, seen = np.random.default_rng(0), set()
    for _ in range(500):
        root, eta, sigma, phi = 10.0 ** generator.uniform(-3, 0, 4)
        goal = 10.0 ** generator.uniform(-2, 1)

        def excluded(tau, root=root, eta=eta, sigma=sigma, phi=phi, goal=goal):
            plain = root * (1 + tau + phi) + (tau + phi) * sigma
            twice = (root + tau * eta) * (1 + tau + phi) + tau * (tau + phi) * sigma + phi * sigma
            return min(plain, twice) < goal

        radius = float(excluded_radius(*(np.array([x]) for x in (root, eta, sigma, phi)), goal)[0])
        seen.add((radius > 0.0, radius > 0.9))
        if radius > 0.0:
            assert excluded(radius)
        if radius < 0.9:
            assert not excluded(1.01 * max(radius, 0.0) + 1e-5)
    assert seen == {(False, False), (True, False), (True, True)}


@pytest.mark.slow
def test_everything_beyond_the_edge_is_below_the_level():
    for seed in range(60):
        run = random_blocks(seed)
        T, _ = assembled(run)
        spread = float(np.linalg.norm(T, 2))
        theta = float(np.linalg.eigvalsh(T)[0])
        for quantile in (0.3, 1e-2, 1e-5):
            end = proven_edge(run, theta, -1.0, quantile, spread, EXACT)
            assert end < np.inf
            beyond = theta - end * np.geomspace(1.0 + 1e-9, 1e3, 300)
            assert np.all(start_block_overlap(run, beyond) < quantile)
            # and no further out than it has to be, where g falls
            inside = theta - end * np.geomspace(0.5, 0.98, 30)
            if end > 1e-9 * spread:
                assert np.max(start_block_overlap(run, inside)) >= quantile


def matrix_and_run(seed, noise=0.0):
    """Return a matrix's eigenvalues and vectors, Q₀, and a run on it, often restarted."""
    generator = np.random.default_rng(seed)
    n, block = int(generator.integers(20, 50)), int(generator.integers(1, 5))
    kinds = (np.linspace(1, 2, n), np.geomspace(1e-4, 1, n), generator.uniform(0, 1, n) ** 4)
    values = np.sort(kinds[seed % 3])
    basis = np.linalg.qr(generator.standard_normal((n, n)))[0]
    matrix = (basis * values) @ basis.T
    error = generator.standard_normal((n, n))
    error = noise * (error + error.T) / np.linalg.norm(error + error.T, 2)
    matrix = (matrix + matrix.T) / 2 + error
    appended = basis[:, : seed % 4] + 0.1 if seed % 2 else None
    run = BlockLanczos(lambda V: matrix @ V, n, block, seed, appended)
    start = run._current[:, :block].copy()
    for passes in generator.integers(1, 4, size=int(generator.integers(0, 3))):
        while len(run.diagonals) < passes and not run.exhausted:
            run.advance()
        if run.columns + 2 * run.width < n:
            run.restart(2, 1)
    if not run.exhausted:
        run.advance()
    return values, basis, start, run


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-3])
def test_no_excluded_interval_holds_an_eigenvalue_that_has_the_overlap(noise):
    # the vectors are those of the matrix without the noise: `rounding` is what makes up for it
    staged = tight = 0
    for seed in range(35):
        values, basis, start, run = matrix_and_run(seed, noise)
        staged += len(stages(run)) > 1
        ritz = run.ritz_ends()
        for index, outward in ((0, -1.0), (-1, 1.0)):
            theta = ritz[index]
            inside = np.linalg.norm(start.T @ basis[:, index])
            distances = np.geomspace(1e-6, 1e2, 120)
            points = theta + outward * distances
            measures = Elimination(run).measure(outward, points, distances)
            phi = (noise + 1e-12) / distances
            taus = excluded_radius(*measures, phi, inside * (1.0 - 1e-9))
            away = np.abs(values[index] - points)
            assert np.all(taus * distances <= away)
            tight += bool(np.any(taus * distances > 0.3 * away))
            spread = float(np.max(np.abs(ritz)))
            far = far_edge(Elimination(run), spread, inside * (1.0 - 1e-9), Missed(noise + 1e-12))
            assert outward * (values[index] - theta) <= far
            edge = proven_edge(run, theta, outward, inside**2, spread, Missed(noise + 1e-12))
            assert outward * (values[index] - theta) <= edge * (1.0 + 1e-9)
            there = max(outward * (values[index] - theta), 1e-13)
            assert not excludes(run, theta, outward, there, inside**2, Missed(noise + 1e-12))
    assert staged > 10
    assert tight > 30


def test_an_invariant_space_leaves_rounding_only():
    matrix = np.diag(np.arange(1.0, 13.0))
    run = BlockLanczos(lambda V: matrix @ V, 12, 4, 0)
    while not run.exhausted:
        run.advance()
    quantile = overlap_quantile(1e-3, 4, 12)
    assert proven_edge(run, 1.0, -1.0, quantile, 12.0, EXACT) <= 1e-11
    assert 1e-8 <= proven_edge(run, 1.0, -1.0, quantile, 12.0, Missed(1e-8)) <= 1e-6


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale):
    run = random_blocks(3)
    scaled = blocks([part * scale for part in run.diagonals], [c * scale for c in run.couplings])
    scaled.block = run.block
    theta = float(np.linalg.eigvalsh(assembled(run)[0])[0])
    one = proven_edge(run, theta, -1.0, 1e-3, 10.0, Missed(1e-9))
    other = proven_edge(scaled, theta * scale, -1.0, 1e-3, 10.0 * scale, Missed(1e-9 * scale))
    assert other == pytest.approx(one * scale, rel=1e-9)


def test_a_point_inside_proves_nothing():
    run = random_blocks(1)
    T, _ = assembled(run)
    values = np.linalg.eigvalsh(T)
    middle = np.array([0.5 * (values[0] + values[1])]) if len(values) > 1 else values
    assert Elimination(run).measure(-1.0, middle, np.ones(1))[0] == 1.0
    assert not excludes(run, values[0], -1.0, 1e-18 * abs(values[0]), 0.1, EXACT)


def test_points_at_both_ends_are_measured_together():
    for seed in range(20):
        run = random_blocks(seed)
        ritz = np.linalg.eigvalsh(assembled(run)[0])[[0, -1]]
        outward = np.array([-1.0, 1.0])
        distances = np.array([0.3, 0.7]) * (ritz[1] - ritz[0] + 1.0)
        together = Elimination(run).measure(outward, ritz + outward * distances, distances)
        for k in range(2):
            at = distances[k : k + 1]
            alone = Elimination(run).measure(float(outward[k]), ritz[k] + outward[k] * at, at)
            for found, expected in zip(together, alone, strict=True):
                np.testing.assert_allclose(found[k], expected[0], rtol=1e-12)


def test_an_excess_is_negative_where_the_lemma_excludes():
    signs = set()
    for seed in range(60):
        run, quantile, missed = random_blocks(seed), 0.1, Missed(1e-3, 0.01)
        low = np.linalg.eigvalsh(assembled(run)[0])[:1]
        at = 10.0 ** np.random.default_rng(seed).uniform(-2, 2, 1)
        found = Elimination(run).measure(-1.0, low - at, at)
        radius = excluded_radius(*found, missed.at(at) / at, np.sqrt(quantile))
        left = excess(run, low, np.array([-1.0]), at, quantile, missed)
        assert (left[0] < 0.0) == (radius[0] > 0.0)
        signs.add(bool(left[0] < 0.0))
    assert signs == {True, False}


def excluded_but_for(islands):
    """Return τ of points that are as far from the nearest island, but for what a proof may lose."""

    def taus(distances):
        apart = [
            np.where(distances < low, low - distances, np.maximum(distances - high, 0.0))
            for low, high in islands
        ]
        return np.minimum(0.7 * np.min(apart, axis=0) / distances, 0.3)

    return taus


@pytest.mark.parametrize("islands", [[(0.0, 1.0)], [(0.0, 1.0), (7.0, 7.001)], [(0.0, 1e-7)]])
def test_a_walk_ends_at_the_outermost_island_and_not_far_beyond(islands):
    taus, walk, evaluated = excluded_but_for(islands), InwardWalk(1e4, 1e-6), 0
    covered = []
    while not walk.done:
        points = walk.next_points()
        assert np.all((points > 1e-6) & (points < walk.edge))
        found = taus(points)
        covered += [(x * (1 - t), x * (1 + t)) for x, t in zip(points, found, strict=True) if t > 0]
        walk.go_on(points, found)
        evaluated += points.size
    outermost = max(high for _, high in islands)
    assert outermost <= walk.edge <= max(outermost, 1e-6) * (1.0 + EDGE_RTOL) * (1.0 + 1e-12)
    # what is beyond the edge is covered by the intervals, without a gap
    reached = 1e4
    for low, high in sorted(covered, key=lambda interval: -interval[1]):
        if high >= reached:
            reached = min(reached, low)
    assert reached <= walk.edge
    assert evaluated <= 90


def test_no_point_is_nearer_than_the_nearest():
    taus = excluded_but_for([(0.0, 1e-9)])  # all of it is excluded
    for far in np.geomspace(1.1e-6, 1e-3, 200):
        walk = InwardWalk(far, 1e-6)
        while not walk.done:
            points = walk.next_points()
            assert np.all((points >= 1e-6) & (points < walk.edge))
            walk.go_on(points, taus(points))
