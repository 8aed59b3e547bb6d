"""The spectral density: each bound is what its derivation says, and holds against dense spectra."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg
from helpers.commands import strict
from helpers.matrices import matrix_and_vectors
from matplotlib.figure import Figure

import fastgram as fg
from fastgram.density.quadrature import _assemble, _jacobi_matrices, block_rule, envelope
from fastgram.density.rank_law import (
    ENTROPY,
    MINUS_LOG,
    deviations,
    rank_law,
    sum_bounds,
)
from fastgram.density.spectral_density import MOST_PASSES, spectral_density
from fastgram.linalg.block_lanczos import BlockLanczos

EPS = np.finfo(float).eps

SPECTRA = {
    "even": np.linspace(1.0, 2.0, 240),
    "decades": np.geomspace(1e-6, 1.0, 240),
    "spikes": np.concatenate([np.geomspace(0.1, 1.0, 220), [5.0] * 6, np.geomspace(10, 90, 14)]),
    "gap": np.concatenate([np.linspace(0.1, 0.2, 100), np.linspace(3.0, 4.0, 140)]),
    "repeated": np.concatenate([np.full(100, 0.5), np.full(100, 1.0), np.full(40, 3.0)]),
}


def run_on(matrix, block, passes, seed=0):
    run = BlockLanczos(lambda V: matrix @ V, matrix.shape[0], block, seed)
    while run.passes < passes and not run.exhausted:
        run.advance()
    return run


def seen_by(run, basis):
    """Return the part of ‖G‖² along each eigenvector, from the start block itself."""
    probes = run._basis.combine(np.eye(run.block)) @ run.start_factor
    return np.sum((basis.T @ probes) ** 2, axis=1) / np.sum(probes**2)


def holds(result, values):
    slack = 4.0 * EPS * values.size * np.max(np.abs(values))
    return bool(np.all(result.lower <= values + slack) and np.all(values - slack <= result.upper))


def entropy_rank(values):
    parts = values[values > 0] / np.sum(values[values > 0])
    return math.exp(-float(np.sum(parts * np.log(parts))))


# --- what the run proves of the probes ------------------------------------------------------------


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize(("block", "passes"), [(1, 6), (1, 40), (3, 12), (8, 5), (8, 20)])
def test_envelope_holds_what_the_probes_see(name, block, passes):
    values = np.sort(SPECTRA[name])
    matrix, basis = matrix_and_vectors(values)
    run = run_on(matrix, block, passes)
    seen = envelope(run)
    slack = 1e-12 * values[-1]
    # between the eigenvalues, where S is known whatever way repeated ones are ordered
    distinct = np.unique(values)
    points = np.concatenate([(distinct[1:] + distinct[:-1]) / 2.0, distinct + 1e-3 * slack])
    measure = seen_by(run, basis)
    truth = np.array([np.sum(measure[values <= x + slack]) for x in points])
    places = np.searchsorted(seen.lower_points, points - slack, side="right")
    assert np.all(np.append(0.0, seen.lower)[places] <= truth + 1e-10)
    below = np.array([np.sum(measure[values <= x - slack]) for x in points])
    places = np.searchsorted(seen.upper_points, points - 2.0 * slack, side="right")
    assert np.all(below <= np.append(seen.upper, 1.0)[places] + 1e-10)
    assert np.all(np.diff(seen.lower) >= 0.0)
    assert np.all(np.diff(seen.upper) >= 0.0)


def test_envelope_narrows_like_one_over_the_passes():
    matrix, _ = matrix_and_vectors(np.linspace(1.0, 2.0, 1000))
    widths = [envelope(run_on(matrix, 2, passes)).mean_width() for passes in (10, 20, 40)]
    for passes, width in zip((10, 20, 40), widths, strict=True):
        assert 1.2 / passes < width < 1.46 / passes


def test_deflation_spares_the_probes_what_the_block_has_found():
    # fifty eigenvalues apart from the rest: a probe alone would need fifty passes for them
    values = np.concatenate([np.linspace(1.0, 2.0, 950), np.geomspace(10.0, 1e4, 50)])
    matrix, _ = matrix_and_vectors(values)
    assert envelope(run_on(matrix, 8, 30)).mean_width() < 3.0 / 20


@pytest.mark.parametrize("passes", [20, 30])
def test_deflated_probes_keep_their_moments(passes):
    values = np.concatenate([np.linspace(1.0, 2.0, 350), np.geomspace(10.0, 1e4, 50)])
    matrix, basis = matrix_and_vectors(values)
    run = run_on(matrix, 8, passes)
    full = _assemble(run)
    order = full.shape[1]
    vectors = np.linalg.eigh(full[:order])[1]
    converged = vectors[:, np.linalg.norm(full[order:] @ vectors, axis=0) < 1e-11]
    assert converged.shape[1] >= 50
    rules, rest = _jacobi_matrices(run, full, converged, 1e-9)
    krylov = run._basis.combine(np.eye(run._basis.columns))[:, :order]
    probes = krylov[:, :8] @ run.start_factor
    probes -= krylov @ (converged @ (converged.T @ (krylov.T @ probes)))
    np.testing.assert_allclose(rest, np.sum(probes**2, axis=0), rtol=1e-10)
    bulk = values < 2.5
    measures = (basis.T @ probes)[bulk] ** 2 / rest
    for (alpha, beta, invariant), measure in zip(rules, measures.T, strict=True):
        assert not invariant
        # a probe ends where its vectors leave what the block has seen
        assert 5 < alpha.size < passes
        nodes, first = scipy.linalg.eigh_tridiagonal(alpha, beta[:-1])
        degrees = np.arange(2 * alpha.size)[:, None]
        quadrature = np.cos(degrees * np.arccos(np.clip(2.0 * nodes - 3.0, -1.0, 1.0)))
        truth = np.cos(degrees * np.arccos(np.clip(2.0 * values[bulk] - 3.0, -1.0, 1.0)))
        np.testing.assert_allclose(quadrature @ first[0] ** 2, truth @ measure, atol=1e-9)


@pytest.mark.parametrize("name", ["even", "decades", "spikes", "gap"])
def test_block_rules_enclose_logarithm_and_entropy(name):
    values = np.sort(SPECTRA[name])
    matrix, basis = matrix_and_vectors(values)
    run = run_on(matrix, 4, 12)
    measure = seen_by(run, basis)
    gauss, radau = block_rule(run), block_rule(run, 0.9 * values[0])
    assert radau[0][0] == pytest.approx(0.9 * values[0], rel=1e-6)
    for rule in (gauss, radau):
        assert np.sum(rule[1]) == pytest.approx(1.0, abs=1e-13)
    logarithm = float(measure @ np.log(values))
    assert radau[1] @ np.log(radau[0]) <= logarithm + 1e-12
    assert logarithm <= gauss[1] @ np.log(gauss[0]) + 1e-12
    entropy = float(measure @ (values * np.log(values)))
    size = 1e-12 * values[-1]
    assert gauss[1] @ ENTROPY.value(gauss[0]) <= entropy + size
    assert entropy <= radau[1] @ ENTROPY.value(radau[0]) + size


# --- what that proves of the eigenvalues ----------------------------------------------------------


def test_law_of_the_ranks_keeps_its_chance():
    n, block, chance = 60, 3, 0.2
    law = rank_law(n, block, chance)
    assert np.all(np.diff(law.ranks) > 0)
    assert 1 <= law.ranks[0] <= law.ranks[-1] <= n - 1
    generator = np.random.default_rng(5)
    missed = alone = 0
    for _ in range(2000):
        parts = np.cumsum(generator.chisquare(block, n))
        shares = parts[law.ranks - 1] / parts[-1]
        inside = (law.lower <= shares) & (shares <= law.upper)
        missed += not np.all(inside)
        alone += not inside[law.ranks.size // 2]
    assert missed <= 2000 * chance
    # the union bound is not far off: the parts are of so many correlated ranks
    assert missed >= 2000 * chance / 20
    assert alone <= 5 * 2000 * chance / law.ranks.size + 10


@pytest.mark.parametrize("convex", [MINUS_LOG, ENTROPY], ids=["logarithm", "entropy"])
def test_sum_bounds_hold_and_use_the_trace(convex):
    generator = np.random.default_rng(2)
    for _ in range(50):
        values = np.sort(10.0 ** generator.uniform(-3, 2, 40))
        lower = np.maximum.accumulate(values * generator.uniform(0.2, 1.0, 40))
        upper = np.minimum.accumulate((values * generator.uniform(1.0, 5.0, 40))[::-1])[::-1]
        lower = np.minimum(lower, values)
        truth, total = float(np.sum(convex.value(values))), float(np.sum(values))
        low, high = sum_bounds(convex, lower, upper, (total, total))
        assert low <= truth <= high
        free = sum_bounds(convex, lower, upper, (float(np.sum(lower)), float(np.sum(upper))))
        assert free[0] <= low + 1e-9
        assert high <= free[1] + 1e-9
    # two numbers between 1 and 3 that add up to 4: (2, 2) and (1, 3) are the extremes
    low, high = sum_bounds(convex, np.array([1.0, 1.0]), np.array([3.0, 3.0]), (4.0, 4.0))
    assert low == pytest.approx(2 * float(convex.value(np.array(2.0))), abs=1e-6)
    at_ends = float(convex.value(np.array(1.0)) + convex.value(np.array(3.0)))
    assert high == pytest.approx(at_ends, abs=1e-6)


def test_deviations_of_weighted_means():
    numbers = np.log(np.geomspace(1e-4, 1.0, 50))
    chance, degrees = 0.05, 4
    above, below = deviations(numbers, numbers, degrees, chance)
    weights = np.random.default_rng(1).chisquare(degrees, (20000, 50))
    means = weights @ numbers / np.sum(weights, axis=1) - np.mean(numbers)
    assert np.mean(means > above) <= chance
    assert np.mean(means < -below) <= chance
    assert np.mean(means > above / 3.0) > chance / 5.0  # not idly wide


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECTRA)
def test_coverage_of_all_bounds_together(name):
    values = np.sort(SPECTRA[name])
    matrix, _ = matrix_and_vectors(values)
    trace, logarithm = float(np.sum(values)), float(np.sum(np.log(values)))
    rank = entropy_rank(values)
    held = runs = 0
    for seed in range(4):
        for block, passes in ((2, 8), (4, 15), (8, 4)):
            result = spectral_density(
                matrix, probes=block, passes=passes, confidence=0.9, seed=seed
            )
            sums = (
                (result.trace, trace),
                (result.log_determinant, logarithm),
                (result.effective_rank, rank),
            )
            within = all(b.lower - 1e-9 * abs(x) <= x <= b.upper + 1e-9 * abs(x) for b, x in sums)
            held += holds(result, values) and within
            runs += 1
            assert np.all(result.lower <= result.estimates)
            assert np.all(result.estimates <= result.upper)
    assert held >= 0.9 * runs


@pytest.mark.slow
def test_trace_of_an_operator_is_estimated_within_its_bracket():
    values = SPECTRA["spikes"]
    matrix, _ = matrix_and_vectors(values)
    operator = scipy.sparse.linalg.aslinearoperator(matrix)
    truth = float(np.sum(values))
    held = 0
    for seed in range(12):
        result = spectral_density(operator, probes=8, passes=20, confidence=0.9, seed=seed)
        assert result.trace.guarantee == "probabilistic"
        assert result.effective_rank.lower <= entropy_rank(values) <= result.effective_rank.upper
        held += result.trace.lower <= truth <= result.trace.upper
    assert held >= 11
    assert 0.0 < result.trace.width < 2.0 * truth


# --- Gram matrices against LAPACK -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "d", "n", "passes", "widest"),
    [
        *((name, d, 600, 20, 0.35) for name in ("relu", "tanh") for d in (10, 100)),
        pytest.param("relu", 10, 1000, None, 0.09, marks=pytest.mark.slow),
        pytest.param("tanh", 100, 1000, None, 0.09, marks=pytest.mark.slow),
    ],
)
def test_gram_matrices_against_dense_spectra(activation, d, n, passes, widest):
    operator = fg.GramOperator(fg.datasets.sphere(n, d, 0), activation)
    values = np.linalg.eigvalsh(operator.dense())
    result = spectral_density(operator, passes=passes)
    assert holds(result, values)
    lower, estimate, upper = result.cdf(values)
    truth = np.arange(1, n + 1) / n
    slack = result.noise_floor
    assert np.all(result.cdf(values - slack)[0] <= truth)
    assert np.all(truth <= result.cdf(values + slack)[2])
    assert np.mean(upper - lower) < widest
    assert np.max(np.abs(estimate - truth)) < 0.12
    assert result.trace.guarantee == "certified"
    assert abs(result.trace.estimate - np.sum(values)) <= 1e-10 * np.sum(values)
    logarithm = float(np.sum(np.log(values)))
    assert result.log_determinant.lower <= logarithm <= result.log_determinant.upper
    assert result.effective_rank.lower <= entropy_rank(values) <= result.effective_rank.upper
    assert result.smallest.lower <= values[0] <= result.smallest.upper
    assert result.largest.lower <= values[-1] <= result.largest.upper
    middle = result.quantile(0.5)
    assert middle.lower <= values[n // 2 - 1] <= middle.upper
    assert result.passes <= (passes or MOST_PASSES)


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_small_matrices_are_known_whole(n):
    values = np.linspace(1.0, 3.0, n)
    matrix, _ = matrix_and_vectors(values)
    result = spectral_density(matrix)
    np.testing.assert_allclose(result.lower, values, atol=1e-12)
    np.testing.assert_allclose(result.upper, values, atol=1e-12)
    assert "known but for rounding" in result.message
    assert result.log_determinant.estimate == pytest.approx(float(np.sum(np.log(values))))
    assert result.effective_rank.estimate == pytest.approx(entropy_rank(values))
    assert result.log_determinant.width < 1e-9


def test_identity_and_few_distinct_values():
    result = spectral_density(np.eye(50), probes=2)
    assert result.passes == 1
    np.testing.assert_allclose(result.lower, 1.0, atol=1e-11)
    np.testing.assert_allclose(result.upper, 1.0, atol=1e-11)
    assert result.effective_rank.estimate == pytest.approx(50.0)


def test_repeated_rows_are_exact_zeros():
    rows = fg.datasets.sphere(60, 5, 0)
    operator = fg.GramOperator(np.concatenate([rows, rows[:25]]), "relu")
    values = np.linalg.eigvalsh(operator.dense())
    result = spectral_density(operator, probes=3, passes=10)
    assert np.all(result.lower[:25] == 0.0)
    assert np.all(result.upper[:25] == 0.0)
    assert holds(result, values)
    assert result.smallest.guarantee == "exact"
    assert result.log_determinant.estimate == -math.inf
    assert result.log_determinant.guarantee == "exact"
    assert "25 eigenvalues or more are exact zeros" in result.message
    assert result.count(0.0, 0.0).lower >= 25
    assert result.effective_rank.lower <= entropy_rank(values) <= result.effective_rank.upper


def test_indefinite_matrices_have_no_logarithm():
    values = np.linspace(-1.0, 2.0, 150)
    matrix, _ = matrix_and_vectors(values)
    result = spectral_density(matrix, probes=4, passes=15)
    assert holds(result, values)
    assert result.log_determinant is None
    assert result.effective_rank is None
    assert result.count(-np.inf, 0.0).lower <= 50 <= result.count(-np.inf, 0.0).upper
    assert "log-determinant" not in str(result)


def test_what_is_below_the_noise_floor_is_said_to_be():
    values = np.concatenate([np.full(30, 1e-20), np.linspace(1.0, 2.0, 90)])
    matrix, _ = matrix_and_vectors(values)
    result = spectral_density(matrix, probes=4)
    assert holds(result, values)
    assert result.log_determinant.lower == -math.inf
    assert result.log_determinant.guarantee == "none"
    assert "noise floor" in result.message


def test_zero_matrix():
    result = spectral_density(np.zeros((4, 4)))
    assert result.passes == 0
    assert np.all(result.upper == 0.0)
    assert result.trace.estimate == 0.0
    assert result.effective_rank is None
    assert "exactly zero" in str(result)


def test_scale_is_of_no_account():
    matrix, _ = matrix_and_vectors(SPECTRA["spikes"])
    plain, scaled = (spectral_density(s * matrix, probes=4, passes=12) for s in (1.0, 2.0**-40))
    np.testing.assert_allclose(scaled.upper * 2.0**40, plain.upper, rtol=1e-6)
    assert scaled.effective_rank.lower == pytest.approx(plain.effective_rank.lower, rel=1e-4)


# --- the result ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    matrix, _ = matrix_and_vectors(SPECTRA["spikes"])
    return spectral_density(matrix, probes=4, passes=20)


def test_quantiles_and_counts_of_arrays(result):
    parts = np.array([[0.1, 0.5, 0.9], [0.25, 1.0, 1e-9]])
    several = result.quantile(parts)
    assert several.lower.shape == several.upper.shape == several.estimate.shape == (2, 3)
    for row in range(2):
        for column in range(3):
            assert several[row, column] == result.quantile(parts[row, column])
    assert list(result.quantile([0.5, 0.9])) == [result.quantile(0.5), result.quantile(0.9)]
    edges = np.array([-np.inf, 0.2, 1.0, 20.0, np.inf])
    counts = result.count(edges[:-1], edges[1:])
    assert list(counts) == [
        result.count(low, high) for low, high in itertools.pairwise(edges.tolist())
    ]
    upto = result.count(-np.inf, edges)
    assert len(upto) == 5
    assert upto[1:3].upper.tolist() == [result.count(-np.inf, x).upper for x in (0.2, 1.0)]
    assert np.all((counts.lower <= counts.estimate) & (counts.estimate <= counts.upper))
    assert str(result.quantile([0.5])) == str(result.quantile(0.5))
    for single in (0.5, np.float64(0.5), np.float32(0.5), np.array(0.5), Fraction(1, 2)):
        assert result.quantile(single) == result.quantile(0.5)
    assert result.count(np.int64(0), np.array(3)) == result.count(0.0, 3.0)
    assert isinstance(result.quantile(np.array(0.5)), fg.Bracket)
    strict(json.dumps(several.to_dict(), allow_nan=False))


def test_a_density_as_a_dict(result):
    found = strict(json.dumps(result.to_dict(), allow_nan=False))
    assert found["n"] == result.n
    assert found["smallest"] == result.smallest.to_dict()
    assert [part["p"] for part in found["quantiles"]][4] == 0.5
    assert found["quantiles"][4]["lower"] == result.quantile(0.5).lower
    assert found["cumulative_distribution"][-1]["upper"] == 1.0


def test_cdf_quantile_and_count_agree(result):
    values = np.sort(SPECTRA["spikes"])
    for x in (0.05, 0.5, 2.0, 5.0, 50.0, 1e3):
        lower, estimate, upper = result.cdf(x)
        assert 0.0 <= lower <= estimate <= upper <= 1.0
        assert lower <= np.mean(values <= x + 1e-10)
        assert np.mean(values <= x - 1e-10) <= upper
    for p in (0.01, 0.5, 1.0):
        bracket = result.quantile(p)
        assert bracket.lower <= values[math.ceil(p * 240) - 1] <= bracket.upper + 1e-10
    whole = result.count(-np.inf, np.inf)
    assert (whole.lower, whole.estimate, whole.upper) == (240, 240, 240)
    inner = result.count(0.2, 20.0)
    assert inner.lower <= np.count_nonzero((values >= 0.2) & (values <= 20.0)) <= inner.upper
    assert result.count(200.0, 300.0).upper == 0
    assert result.cdf([[0.1, 0.2]])[0].shape == (1, 2)
    assert np.sum(result.weights) == pytest.approx(1.0)


def test_words(result):
    lines = str(result).split("\n")
    assert len(lines) == 2
    for word in ("240 eigenvalues", "median", "trace", "log-determinant", "effective rank"):
        assert word in lines[0]
    assert "20 passes with 4 probes" in lines[1]
    assert "more passes would" in lines[1]


@pytest.mark.slow
def test_same_seed_same_answer():
    matrix, _ = matrix_and_vectors(SPECTRA["decades"])
    first, again, other = (spectral_density(matrix, probes=3, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.lower, again.lower)
    assert np.array_equal(first.upper, again.upper)
    assert first.log_determinant == again.log_determinant
    assert first.message == again.message
    assert not np.array_equal(first.upper, other.upper)


@pytest.mark.slow
def test_checkpoint_is_shared_with_the_extremes(tmp_path):
    matrix, _ = matrix_and_vectors(SPECTRA["decades"])
    columns = []

    def multiply(V):
        columns.append(V.shape[1])
        return matrix @ V

    operator = scipy.sparse.linalg.LinearOperator(
        matrix.shape, matvec=multiply, matmat=multiply, dtype=float
    )
    ends = fg.extreme_eigenvalues(
        operator, method="lanczos", block=4, max_passes=12, checkpoint=tmp_path
    )
    assert columns == [4] * 12
    columns.clear()
    shared = spectral_density(operator, probes=4, passes=15, checkpoint=tmp_path)
    assert columns == [1, 4, 4, 4]  # one vector to recognise the matrix by, then what is new
    alone = spectral_density(operator, probes=4, passes=15)
    assert np.array_equal(shared.lower, alone.lower)
    assert np.array_equal(shared.upper, alone.upper)
    same = spectral_density(operator, probes=4, passes=12, checkpoint=tmp_path)
    assert same.smallest.upper == pytest.approx(ends.smallest.upper, rel=1e-12)
    assert same.largest.lower == pytest.approx(ends.largest.lower, rel=1e-12)
    columns.clear()
    fg.extreme_eigenvalues(operator, method="lanczos", block=4, max_passes=15, checkpoint=tmp_path)
    assert 4 not in columns


# --- figures ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_plot_returns_axes_and_writes(result, tmp_path):
    axes = Figure().add_subplot()
    assert result.plot(ax=axes) is axes
    assert axes.get_xscale() == "log"
    line = axes.lines[0]
    assert np.all(np.diff(line.get_ydata()) >= 0.0)
    np.testing.assert_array_equal(line.get_xdata()[1:-1], result.estimates)
    assert axes.collections  # the bounds
    result.plot(tmp_path / "density.png")
    assert (tmp_path / "density.png").stat().st_size > 1000


def test_plot_of_an_indefinite_matrix_is_linear(refuses, tmp_path):
    matrix, _ = matrix_and_vectors(np.linspace(-1.0, 1.0, 60))
    negative = spectral_density(matrix, probes=4, passes=6)
    assert negative.plot(ax=Figure().add_subplot()).get_xscale() == "linear"
    with refuses(ValueError, ".gif", ".png"):
        negative.plot(tmp_path / "density.gif")


def test_plot_marks_what_the_floor_hides():
    values = np.concatenate([np.full(30, 1e-20), np.linspace(1.0, 2.0, 90)])
    hidden = spectral_density(matrix_and_vectors(values)[0], probes=4)
    axes = hidden.plot(ax=Figure().add_subplot())
    assert "noise floor" in [text.get_text() for text in axes.get_legend().get_texts()]
    assert spectral_density(np.zeros((3, 3))).plot(ax=axes) is axes


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"probes": 0}, ValueError, ("probes", "at least 1")),
        ({"probes": 7}, ValueError, ("probes", "6", "7")),
        ({"probes": 1.5}, TypeError, ("probes",)),
        ({"passes": 0}, ValueError, ("passes", "at least 1")),
        ({"confidence": 1.0}, ValueError, ("confidence", "below 1")),
        ({"confidence": 0}, ValueError, ("confidence", "above 0")),
        ({"seed": -1}, ValueError, ("seed",)),
        ({"checkpoint": 3}, TypeError, ("checkpoint", "path")),
    ],
)
def test_bad_arguments(refuses, arguments, error, words):
    with refuses(error, *words):
        spectral_density(np.eye(6), **arguments)


def test_bad_questions(refuses, result):
    with refuses(ValueError, "p must", "1"):
        result.quantile(1.5)
    with refuses(ValueError, "p must", "0"):
        result.quantile(0.0)
    with refuses(ValueError, "low", "high"):
        result.count(2.0, 1.0)
    with refuses(ValueError, "p must", "1", "not 1.5"):
        result.quantile([0.5, 1.5])
    with refuses(TypeError, "p must be a number or an array of numbers", "'half'"):
        result.quantile("half")
    with refuses(ValueError, "low must be at most high", "3", "2"):
        result.count([0.0, 3.0], [1.0, 2.0])
    with refuses(ValueError, "one shape", "(2,)", "(3,)"):
        result.count([0.0, 3.0], [1.0, 2.0, 3.0])
    for wrong in (lambda: result.count(np.nan, 1.0), lambda: result.quantile([0.5, np.nan])):
        with refuses(ValueError, "nan"):
            wrong()
    with refuses(ValueError, "nan"):
        result.cdf([0.0, np.nan])


def test_too_much_memory_is_refused_before_any_product(refuses):
    def multiply(V):
        raise AssertionError("multiplied")

    n = 10**7
    operator = scipy.sparse.linalg.LinearOperator((n, n), matvec=multiply, dtype=float)
    with refuses(ValueError, "memory", "passes"):
        spectral_density(operator, probes=1000, passes=10000)
