"""Densities of matrices that are off by 0.25: bounds and sums hold all they may be."""

import math

import mpmath
import numpy as np
import pytest
from helpers.stated_problem import stated
from scipy.sparse.linalg import LinearOperator

import fastgram as fg
from fastgram.bracket import Bracket
from fastgram.density import quadrature
from fastgram.density import spectral_density as density
from fastgram.density.quadrature import Envelope, envelope
from fastgram.density.rank_law import ENTROPY, MINUS_LOG, deviations, sum_bounds
from fastgram.density.spectral_density import _logarithm_scaled
from fastgram.density.sums import _mean_trace
from fastgram.eigenvalues.adapters import as_problem
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.support.rounding import gamma

EPS = float(np.finfo(np.float64).eps)

N, LOW, HIGH, SLACK = 400, 2.0, 10.0, 0.25
VALUES = np.repeat([LOW, HIGH], N // 2)


@pytest.fixture
def as_stated(monkeypatch):
    """A function: what is given from now on is off by 0.25, and stated to be."""

    def use():
        monkeypatch.setattr(
            density,
            "as_problem",
            lambda A: stated(
                as_problem(A),
                entry_error=SLACK,
                noise_floor=lambda largest, columns=1: SLACK,
            ),
        )

    return use


@pytest.fixture
def result(as_stated):
    as_stated()
    return fg.spectral_density(np.diag(VALUES), probes=8, passes=6)


def spectra():
    """Yield spectra within 0.25 of the two eigenvalues."""
    size = 0.999 * SLACK
    for low in (-size, 0.0, size):
        for high in (-size, 0.0, size):
            yield VALUES + np.repeat([low, high], N // 2)
    yield VALUES + np.resize([size, -size], N)


def test_every_eigenvalue(result):
    assert np.all(result.lower <= VALUES - 0.999 * SLACK)
    assert np.all(result.upper >= VALUES + 0.999 * SLACK)
    # the ranks well inside either half are known to little more than that
    for rank, value in ((N // 4, LOW), (3 * N // 4, HIGH)):
        assert result.lower[rank] >= value - 1.2 * SLACK
        assert result.upper[rank] <= value + 1.2 * SLACK
    for found, value in ((result.smallest, LOW), (result.largest, HIGH)):
        assert found.lower <= value - 0.999 * SLACK
        assert found.upper >= value + 0.999 * SLACK


def test_every_eigenvalue_of_a_space_that_is_spanned(as_stated):
    as_stated()
    values = np.linspace(2.0, 3.0, 24)
    result = fg.spectral_density(np.diag(values), probes=8)
    assert "span the whole space" in result.message
    assert np.all(result.lower <= values - 0.999 * SLACK)
    assert np.all(result.upper >= values + 0.999 * SLACK)


def effective_rank(values):
    parts = values / np.sum(values)
    return math.exp(-float(np.sum(parts * np.log(parts))))


def test_sums(result):
    for values in spectra():
        assert result.trace.lower <= np.sum(values) <= result.trace.upper
        logarithm = result.log_determinant
        assert logarithm.lower <= np.sum(np.log(values)) <= logarithm.upper
        rank = result.effective_rank
        assert rank.lower <= effective_rank(values) <= rank.upper


@pytest.mark.parametrize("value", [1.0, 40.0])
def test_sums_of_one_eigenvalue(as_stated, value):
    # the draw says nothing here: what is left is the error
    as_stated()
    n = 2000
    operator = LinearOperator(
        (n, n), matvec=lambda v: value * v, matmat=lambda V: value * V, dtype=np.float64
    )
    result = fg.spectral_density(operator, probes=8, passes=4)
    size = 0.999 * SLACK
    for values in (
        np.full(n, value - size),
        np.full(n, value + size),
        value + np.resize([size, -size], n),
    ):
        assert result.trace.lower <= np.sum(values) <= result.trace.upper
        logarithm = result.log_determinant
        assert logarithm.lower <= np.sum(np.log(values)) <= logarithm.upper
        rank = result.effective_rank
        assert rank.lower <= effective_rank(values) <= rank.upper


def test_the_effective_rank_where_products_alone_are_off(monkeypatch):
    # 8 products, together off by 0.25; entries and trace are exact
    most = SLACK / (gamma(2**50) * math.sqrt(8.0))
    facts = {"absolute_row_sum": lambda: most, "summands": lambda: 2**50, "least": 0.0}
    monkeypatch.setattr(density, "as_problem", lambda A: stated(as_problem(A), **facts))
    n = 1000
    result = fg.spectral_density(np.eye(n), probes=8, passes=4)
    assert result.noise_floor == pytest.approx(SLACK)
    rank = result.effective_rank
    for values in (np.ones(n), 1.0 + 0.999 * SLACK * np.resize([1, -1], n)):
        assert rank.lower <= effective_rank(values) <= rank.upper


def test_the_trace_is_rounded():
    # 2⁵³ + 5, of which a plain sum keeps nothing
    diagonal = np.array([2.0**52, 2.0**52, 1, 1, 1, 1, 1])
    assert np.sum(diagonal) == 2.0**53
    found = fg.spectral_density(np.diag(diagonal)).trace
    assert int(found.lower) <= 2**53 + 5 <= int(found.upper)
    found = fg.spectral_density(-np.diag(diagonal)).trace
    assert int(found.lower) <= -(2**53) - 5 <= int(found.upper)


@pytest.mark.parametrize("convex", [MINUS_LOG, ENTROPY], ids=["logarithm", "entropy"])
def test_sums_over_known_eigenvalues_are_rounded(convex):
    values = np.sort(np.random.default_rng(0).uniform(0.5, 1.5, 500))
    total = math.fsum(values)
    low, high = sum_bounds(convex, values, values, (total, total))
    with mpmath.workdps(40):
        each = [mpmath.mpf(value) for value in values.tolist()]
        f = [-mpmath.log(x) if convex is MINUS_LOG else x * mpmath.log(x) for x in each]
        assert low < mpmath.fsum(f) < high


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_weights_add_up_to_one_only_nearly(sign):
    n = 100
    bounds = np.full(n, 3.0), np.full(n, 3.0)
    rule = np.array([3.0]), np.array([1.0 + sign * 1900 * EPS])
    found = _mean_trace(rule, bounds, 0.0, 4, 1e-3)
    assert found.lower <= 300.0 <= found.upper
    # and where the eigenvalues are off by a quarter of 3
    bounds = np.full(n, 2.25), np.full(n, 3.75)
    above, below = deviations(*bounds, 4, 0.5)
    found = _mean_trace((np.array([3.0]), np.ones(1)), bounds, 0.75, 4, 0.5)
    assert found.lower <= n * max(2.25, 2.25 - above) * (1 + 1e-12)
    assert found.upper >= n * min(3.75, 3.75 + below) * (1 - 1e-12)


@pytest.mark.parametrize("exponent", [-1000, -333, 77, 901])
def test_logarithms_of_powers_of_two_are_rounded(exponent):
    found = _logarithm_scaled(Bracket(0.0, 0.0, 0.0, "certified"), 7, exponent)
    with mpmath.workdps(40):
        assert found.lower < 7 * exponent * mpmath.log(2) < found.upper


def test_envelopes_of_a_perturbed_matrix():
    # A = diag(0, gap), A + E turned by E = [[0, e], [e, 0]]; the probe is nearly along the first
    e, delta = 1e-4, 1e-2
    share = e / delta
    gap = 1.001 * delta
    values, vectors = np.linalg.eigh(np.array([[0.0, e], [e, gap]]))
    for angle in (-0.02, 0.02, np.pi / 2 - 0.02, np.pi / 2 + 0.02):
        probe = np.array([np.cos(angle), np.sin(angle)])
        seen = np.minimum(np.cumsum((vectors.T @ probe) ** 2), 1.0)
        of_perturbed = Envelope(values, seen, values, np.append(0.0, seen[:-1]))
        moved = of_perturbed.moved(delta, share)
        assert_within(moved, np.array([0.0, gap]), np.array([probe[0] ** 2, 1.0]))
    for shift in (-e, e):  # and one that is moved along
        of_perturbed = Envelope(
            np.array([shift]), np.ones(1), np.array([shift]), np.zeros(1)
        ).moved(delta, share)
        assert_within(of_perturbed, np.zeros(1), np.ones(1))


def assert_within(bounds, points, truth):
    """Assert that S, which is truth[i] from points[i] on and 0 before, is within the bounds."""
    for x, low in zip(bounds.lower_points, bounds.lower, strict=True):
        place = np.searchsorted(points, x, side="right")
        assert low <= np.append(0.0, truth)[place] + 1e-12
    for x, high in zip(bounds.upper_points, bounds.upper, strict=True):
        place = np.searchsorted(points, x, side="left")
        assert np.append(0.0, truth)[place] <= high + 1e-12


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("passes", [2, 9])
def test_nodes_are_rounded(sign, passes, monkeypatch):
    # LAPACK's eigenvalues off by as much as it is granted: 8·√rows roundings of the largest
    values = np.sort(np.concatenate([np.repeat([1.0, 1.5, 1e9], 20), np.geomspace(2, 3, 60)]))
    if passes == 2:
        values = np.repeat([1.0, 1e9], 60)
    run = BlockLanczos(lambda V: values[:, None] * V, 120, 4, 0)
    while run.passes < passes and not run.exhausted:
        run.advance()
    eigh, tridiagonal = quadrature.scipy.linalg.eigh, quadrature.scipy.linalg.eigh_tridiagonal

    def wrong(found, rows):
        nodes, vectors = found
        return nodes + sign * 0.9 * 8 * np.sqrt(rows) * EPS * 1e9, vectors

    class Linalg:
        @staticmethod
        def eigh(A, **options):
            return wrong(eigh(A, **options), len(A))

        @staticmethod
        def eigh_tridiagonal(*parts, **options):
            return wrong(tridiagonal(*parts, **options), 4 * passes)

    monkeypatch.setattr(quadrature.scipy, "linalg", Linalg)
    seen = envelope(run)
    monkeypatch.undo()
    start = run._basis.combine(np.eye(run.columns))[:, :4] @ run.start_factor
    measure = np.cumsum(np.sum(start**2, axis=1)) / np.sum(start**2)
    points, last = np.unique(values[::-1], return_index=True)
    assert_within(seen, points, measure[len(values) - 1 - last])
