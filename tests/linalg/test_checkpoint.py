"""Appended directions and restarts: the same brackets, whatever is appended, in less memory."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.special
from helpers.matrices import matrix_and_vectors
from helpers.plain_request import plain_request
from scipy.sparse.linalg import LinearOperator

from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint
from fastgram.linalg.checkpoint_folder import opened
from fastgram.linalg.exclusion import Missed
from fastgram.linalg.lanczos_bound import outer_bound, overlap_quantile
from fastgram.linalg.start_block import augment, random_columns

EPS = np.finfo(float).eps


def test_random_columns_stay_as_they_are():
    start, factor = random_columns(50, 3, 7)
    plain = BlockLanczos(lambda V: V, 50, 3, 7)
    appended = BlockLanczos(lambda V: V, 50, 3, 7, np.eye(50)[:, :4])
    np.testing.assert_array_equal(plain._current, start)
    np.testing.assert_array_equal(appended._current[:, :3], start)
    np.testing.assert_array_equal(plain.start_factor, factor)
    assert appended._current.shape == (50, 7)
    assert appended.block == 3


@pytest.mark.parametrize(("n", "block"), [(31, 1), (32, 1), (96, 3), (20_000, 3)])
def test_random_columns_are_those_of_a_normal_block(n, block, monkeypatch):
    start, factor = random_columns(n, block, 7)
    np.testing.assert_allclose(start.T @ start, np.eye(block), atol=8 * EPS)
    assert np.all(np.tril(factor, -1) == 0.0)
    normal = start @ factor
    expected = np.linalg.svd(normal, full_matrices=False)[0]  # of the same span
    np.testing.assert_allclose(start @ (start.T @ expected), expected, atol=1e-14)
    # and standard normal, as the law of the overlaps has it: as many as are below each quantile
    uniform = np.sort(scipy.special.ndtr(normal.ravel()))
    apart = np.max(np.abs(uniform - (np.arange(uniform.size) + 0.5) / uniform.size))
    assert apart * np.sqrt(uniform.size) < 1.7  # Kolmogorov's statistic, of a chance of 1 %
    for threads in (1, 3):
        monkeypatch.setattr("fastgram.support.threads.thread_count", lambda count=threads: count)
        np.testing.assert_array_equal(random_columns(n, block, 7)[0], start)


@pytest.mark.parametrize(
    ("vectors", "added"),
    [
        (np.eye(12)[:, :3] * 1e-30, 3),
        (np.zeros((12, 2)), 0),
        (np.ones((12, 5)), 1),
        (np.eye(12), 8),
        (np.empty((12, 0)), 0),
    ],
)
def test_appended_directions_are_orthonormal(vectors, added):
    start, _ = random_columns(12, 4, 0)
    block = augment(start, vectors)
    assert block.shape == (12, 4 + added)
    np.testing.assert_allclose(block.T @ block, np.eye(4 + added), atol=20 * EPS)
    np.testing.assert_array_equal(block[:, :4], start)
    np.testing.assert_allclose(vectors, block @ (block.T @ vectors), atol=1e-13)
    dependent = augment(start, np.hstack([start, vectors]))
    assert dependent.shape == block.shape


def adversaries(basis, start, matrix):
    """Yield what might be thought to spoil the law of the random columns."""
    known = basis[:, [0, 1, -1]]
    yield None
    yield known
    yield known - start @ (start.T @ known)
    yield basis[:, 1:4]  # all but what is looked for
    yield matrix @ start
    yield np.linalg.eigh(matrix)[1][:, :2] + 1e-3 * start[:, :1]


@pytest.mark.slow
@pytest.mark.parametrize("chance", [0.1, 1e-3])
def test_brackets_hold_as_often_as_promised(chance):
    runs = missed = 0
    for seed in range(40):
        generator = np.random.default_rng([seed, 5])
        n, block = int(generator.integers(30, 61)), int(generator.integers(1, 5))
        kinds = (
            np.linspace(1, 2, n),
            np.geomspace(1e-6, 1, n),
            np.r_[1.0, 1.0 + 1e-3, generator.uniform(1.1, 2, n - 2)],
            generator.standard_normal(n),
        )
        values = np.sort(kinds[seed % 4])
        matrix, basis = matrix_and_vectors(values, seed)
        start, _ = random_columns(n, block, seed)
        quantile = overlap_quantile(chance, block, n)
        for which, appended in enumerate(adversaries(basis, start, matrix)):
            if which not in (seed % 6, (seed + 3) % 6):
                continue
            run = BlockLanczos(lambda V, A=matrix: A @ V, n, block, seed, appended)
            for passes in generator.integers(1, 5, size=1 + seed % 2):
                if run.diagonals and not run.exhausted:
                    run.restart(1, 1)
                while len(run.diagonals) < passes and not run.exhausted:
                    run.advance()
            ritz = run.ritz_ends()
            spread = float(np.max(np.abs(ritz)))
            for index, outward in ((0, -1.0), (-1, 1.0)):
                end = outer_bound(run, ritz[index], outward, quantile, spread, Missed(1e-13))
                miss = outward * (values[index] - end) > 0.0
                runs, missed = runs + 1, missed + miss
                if miss:  # only by the event that has this chance
                    assert np.sum((start.T @ basis[:, index]) ** 2) < quantile
    allowed = chance * runs
    assert missed <= allowed + 4.0 * np.sqrt(allowed)
    assert runs > 130


FLAT = np.linspace(1, 2, 300)
HIGH = np.r_[1.0, np.linspace(1.5, 300, 299)]
ENDS = np.r_[np.geomspace(0.05, 1, 20), np.linspace(1, 2, 270), np.geomspace(2, 100, 10)]


@pytest.mark.parametrize(
    ("values", "part"), [(FLAT, 0.5), (FLAT, 0.4), (HIGH, 0.5), (HIGH, 0.4), (ENDS, 0.75)]
)
def test_a_run_short_of_memory_finds_the_same(values, part):
    matrix, _ = matrix_and_vectors(values)
    widest = []

    def multiply(V):
        widest.append(V.shape[1])
        return matrix @ V

    problem = as_problem(matrix)
    problem.multiply = multiply
    plain = run_lanczos(problem, plain_request())
    columns = int(part * 4 * (plain.passes + 1))
    widest.clear()
    answer = run_lanczos(problem, plain_request(basis_bytes=8 * 300 * columns))
    for end, other, value in (
        (answer.smallest, plain.smallest, values[0]),
        (answer.largest, plain.largest, values[-1]),
    ):
        assert end.lower <= value <= end.upper
        assert end.within(1e-2)
        assert max(end.lower, other.lower) <= min(end.upper, other.upper)
    assert answer.passes == len(widest)
    assert max(widest) > 4  # it did restart
    assert plain.passes < answer.passes <= 3 * plain.passes


@pytest.mark.slow
def test_the_basis_keeps_to_its_room(monkeypatch):
    matrix, _ = matrix_and_vectors(HIGH)
    seen = []
    original = BlockLanczos.advance

    def advance(self):
        original(self)
        seen.append(self.columns)

    monkeypatch.setattr(BlockLanczos, "advance", advance)
    run_lanczos(as_problem(matrix), plain_request(basis_bytes=8 * 300 * 60))
    assert 50 < max(seen) <= 60


def test_ritz_vectors_outlive_a_restart():
    matrix, basis = matrix_and_vectors(HIGH)
    answer = run_lanczos(
        as_problem(matrix), plain_request(basis_bytes=8 * 300 * 60, k=3, vectors=True)
    )
    pairs = answer.largest_pairs
    np.testing.assert_allclose(pairs.values, HIGH[:-4:-1], rtol=1e-3)
    assert np.all(np.abs(np.sum(pairs.vectors * basis[:, :-4:-1], axis=0)) > 0.99)
    residuals = np.linalg.norm(matrix @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
    np.testing.assert_allclose(pairs.residuals, residuals, rtol=1e-6, atol=1e-13)


def test_too_little_room_is_refused_before_any_product():
    def never(V):
        raise AssertionError("multiplied")

    problem = as_problem(LinearOperator((300, 300), matvec=never, matmat=never, dtype=float))
    with pytest.raises(ValueError, match="room for 24 vectors, 57600 bytes, not 1000"):
        run_lanczos(problem, plain_request(basis_bytes=1000))


@pytest.mark.slow
def test_a_killed_run_goes_on_through_its_restarts(tmp_path):
    matrix, _ = matrix_and_vectors(HIGH)
    calls = []

    def multiply(V):
        calls.append(V.shape[1])
        if len(calls) == limit:
            raise KeyboardInterrupt
        return matrix @ V

    problem = as_problem(matrix)
    problem.multiply = multiply
    asked = plain_request(basis_bytes=8 * 300 * 60)
    limit = 0
    whole = run_lanczos(problem, asked)
    for name, limit in (("before", 8), ("after", whole.passes - 2)):
        calls.clear()
        with opened(tmp_path / name) as folder, pytest.raises(KeyboardInterrupt):
            run_lanczos(problem, replace(asked, checkpoint=folder))
        done = limit - 1
        calls.clear()
        limit = 0
        with opened(tmp_path / name) as folder:
            answer = run_lanczos(problem, replace(asked, checkpoint=folder))
        assert answer == whole
        assert len(calls) == whole.passes - done
    with opened(tmp_path / "after") as folder:
        other = plain_request(basis_bytes=8 * 300 * 100, checkpoint=folder)
        with pytest.raises(ValueError, match="other room for its basis"):
            run_lanczos(problem, other)


def test_a_checkpoint_of_another_start_block_is_refused(tmp_path):
    problem = as_problem(np.eye(40))
    with opened(tmp_path) as folder:
        Checkpoint.begin(folder, problem, 40, 3, 0)
        Checkpoint(folder, BlockLanczos(lambda V: V, 40, 3, 0), problem).advance()
        appended = BlockLanczos(lambda V: V, 40, 3, 0, np.eye(40)[:, :2])
        with pytest.raises(ValueError, match="columns of the start block = 3, not 5"):
            Checkpoint(folder, appended, problem)
        with pytest.raises(ValueError, match="with other random columns"):
            Checkpoint(folder, BlockLanczos(lambda V: V, 40, 3, 1), problem)


@pytest.mark.slow
def test_appended_directions_save_passes_and_change_no_promise():
    # ten small eigenvalues near each other: without their vectors, the run has to find them
    values = np.r_[1e-3 * np.linspace(1, 1.5, 10), np.linspace(1, 2, 190)]
    matrix, basis = matrix_and_vectors(values)
    quantile = overlap_quantile(1e-3, 2, 200)
    passes = []
    for appended in (None, basis[:, :10]):
        run = BlockLanczos(lambda V: matrix @ V, 200, 2, 0, appended)
        end = -np.inf
        while not end > 0.9e-3:
            run.advance()
            end = outer_bound(run, run.ritz_ends()[0], -1.0, quantile, 2.0, Missed(1e-14))
        assert end <= 1e-3
        passes.append(run.passes)
    assert passes[1] < 0.7 * passes[0]
