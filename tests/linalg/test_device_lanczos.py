"""A Lanczos run on another device is the CPU's to rounding, and its vectors stay there."""

import numpy as np
import pytest
from helpers.matrices import matrix_with, ritz_values
from helpers.other_device import FUNCTIONS, LINALG, OtherArray, OtherDevice, kernel, transfers
from helpers.plain_request import plain_request
from helpers.stated_problem import stated
from helpers.tolerances import EPS
from scipy.sparse.linalg import aslinearoperator

from fastgram.density.spectral_density import spectral_density
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint
from fastgram.linalg.checkpoint_folder import opened

N = 300
ROUNDING = 1000 * EPS  # of couplings of size 1, some passes in
CHUNK = 8 * N * 128  # bytes of the basis that go to a device at a time

FLAT = np.linspace(1.0, 2.0, N)


def on_other(matrix, block, seed=0, appended=None, device=None, basis_bytes=None):
    multiply = kernel(lambda V: matrix @ V)
    device = device or OtherDevice()
    return BlockLanczos(multiply, len(matrix), block, seed, appended, device, basis_bytes)


def on_cpu(matrix, block, seed=0, appended=None):
    return BlockLanczos(lambda V: matrix @ V, len(matrix), block, seed, appended)


def advanced(run, passes):
    while run.passes < passes and not run.exhausted:
        run.advance()
    return run


def small_of(run):
    return [*run.diagonals, *run.couplings]


def assert_close(run, other, atol=ROUNDING):
    assert len(run.diagonals) == len(other.diagonals)
    for found, expected in zip(small_of(run), small_of(other), strict=True):
        assert isinstance(found, np.ndarray)
        # a QR leaves the signs of columns open: they hang on a rounding here and there
        np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=0, atol=atol)
    np.testing.assert_allclose(ritz_values(run), ritz_values(other), rtol=0, atol=atol)


def assert_same_bits(run, other):
    for found, expected in zip(small_of(run), small_of(other), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert run.defect == other.defect


# --- the same run -------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 6])
@pytest.mark.parametrize("appended", [None, np.eye(N)[:, :3]])
def test_the_same_as_on_the_cpu(block, appended):
    matrix = matrix_with(FLAT)
    run = on_other(matrix, block, appended=appended)
    assert run.width == block + (0 if appended is None else 3)
    advanced(run, 8)
    cpu = advanced(on_cpu(matrix, block, appended=appended), 8)
    assert isinstance(run._current, OtherArray)
    assert_close(run, cpu)
    np.testing.assert_array_equal(run.start_factor, cpu.start_factor)
    assert (run.columns, run.multiplied) == (cpu.columns, cpu.multiplied)
    assert 0.0 < run.defect < 800 * EPS  # measured, and what measuring it may round
    basis = run._basis.combine(np.eye(run.columns))
    np.testing.assert_allclose(basis.T @ basis, np.eye(run.columns), atol=100 * EPS)


def test_vectors_stay_on_the_device():
    run = advanced(on_other(matrix_with(FLAT), 4), 2)
    with transfers() as seen:
        advanced(run, 40)
        run.ritz_ends()
    # a pass is waited for once: for two blocks of T and two norms
    assert seen == [("get", (2 * 4 * 4 + 2,))] * 38
    with transfers() as seen:
        run.ritz_pairs(3, largest=True, vectors=False)
    assert seen == []


def test_the_first_pass_asks_for_the_size_of_a_product_too():
    run = on_other(matrix_with(FLAT), 4)
    with transfers() as seen:
        advanced(run, 1)
    assert seen == [("get", ()), ("get", (2 * 4 * 4 + 2,))]


def test_ritz_vectors_come_to_the_host():
    matrix = matrix_with(FLAT)
    run = advanced(on_other(matrix, 6), 12)
    # more of them than are brought at a time need more columns than that
    wide = advanced(on_other(matrix, 20), 10)
    for found, count in ((run, 3), (wide, 150)):
        for largest in (True, False):
            values, residuals, vectors = found.ritz_pairs(count, largest, vectors=True)
            assert type(vectors) is np.ndarray
            np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=100 * EPS)
            missed = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
            np.testing.assert_allclose(missed, residuals, atol=200 * EPS)


def test_a_block_that_loses_rank_drops_columns():
    matrix = matrix_with(np.concatenate([np.ones(60), np.linspace(2, 3, 5)]))
    run, cpu = (advanced(run, 40) for run in (on_other(matrix, 8), on_cpu(matrix, 8)))
    assert run.exhausted
    assert run.couplings[0].shape == (5, 8)
    assert [part.shape for part in run.couplings] == [part.shape for part in cpu.couplings]
    np.testing.assert_allclose(ritz_values(run), ritz_values(cpu), atol=200 * EPS)


def test_the_basis_can_fill_the_space():
    run = advanced(on_other(matrix_with(np.linspace(1, 2, 30)), 7), 40)
    assert run.exhausted
    np.testing.assert_allclose(ritz_values(run), np.linspace(1, 2, 30), atol=100 * EPS)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_defect_neither_over_nor_underflows(size):
    run = advanced(on_other(matrix_with(FLAT) * size, 4), 5)
    assert 0.0 < run.defect / size < 800 * EPS


def test_a_restart_is_the_same():
    matrix = matrix_with(FLAT)
    runs = on_other(matrix, 4), on_cpu(matrix, 4)
    for run in runs:
        advanced(run, 6).restart(3, 5)
        advanced(run, 10)
    assert runs[0].columns == runs[1].columns == 12 + 4 * 4
    np.testing.assert_allclose(ritz_values(runs[0]), ritz_values(runs[1]), atol=ROUNDING)
    assert len(runs[0].earlier) == 1
    assert isinstance(runs[0]._current, OtherArray)


@pytest.mark.parametrize(
    "multiply", [lambda V: V * np.nan, lambda V: np.roll(V, 1, axis=0) * np.arange(len(V))[:, None]]
)
def test_refused_with_the_same_words(multiply):
    words = []
    for run in (
        BlockLanczos(multiply, 40, 2, 0),
        BlockLanczos(kernel(multiply), 40, 2, 0, device=OtherDevice()),
    ):
        with pytest.raises(ValueError, match=r"not (finite|symmetric)") as caught:
            advanced(run, 3)
        words.append(str(caught.value))
    assert words[0] == words[1]


# --- a basis that outgrows the device -----------------------------------------------------------


@pytest.mark.parametrize(("room", "chunks"), [(0, 3), (CHUNK, 2), (2 * CHUNK, 1), (3 * CHUNK, 0)])
def test_the_same_bits_wherever_a_chunk_is(room, chunks):
    matrix = matrix_with(FLAT)
    device = OtherDevice()
    whole = advanced(on_other(matrix, 20), 14)
    assert whole.spilled == 0
    run = advanced(on_other(matrix, 20, device=device, basis_bytes=room), 14)
    last = 8 * N * (N - 2 * 128)  # the third chunk is what is left of the space
    assert run.spilled == (0 if chunks == 0 else last + (chunks - 1) * CHUNK)
    assert_same_bits(run, whole)
    for largest in (True, False):
        found, expected = (r.ritz_pairs(5, largest, vectors=True) for r in (run, whole))
        np.testing.assert_array_equal(found[2], expected[2])
    run.restart(10, 20)
    whole.restart(10, 20)
    np.testing.assert_array_equal(run.record()["start"], whole.record()["start"])
    assert run.spilled == (CHUNK if room == 0 else 0)
    assert_same_bits(advanced(run, 16), advanced(whole, 16))


def test_a_chunk_at_a_time_comes_over():
    run = advanced(on_other(matrix_with(FLAT), 20, basis_bytes=CHUNK), 8)
    with transfers() as seen:
        run.advance()
    large = [(way, shape) for way, shape in seen if N in shape]
    # against what is there, columns as rows, and the new block into its place
    assert large == [("put", (180 - 128, N)), ("get", (20, N))]


@pytest.mark.parametrize(("free", "spilled"), [(2 * CHUNK, CHUNK), (2 * CHUNK - 2, 2 * CHUNK)])
def test_half_of_what_is_free_is_for_the_basis(free, spilled):
    run = on_other(matrix_with(FLAT), 20, device=OtherDevice(free))
    assert advanced(run, 9).spilled == spilled


# --- with all that is around it -----------------------------------------------------------------


def test_a_checkpoint_goes_on_on_the_other_device(tmp_path):
    matrix = matrix_with(FLAT)

    problem = as_problem(aslinearoperator(matrix))

    def steps(run, passes):
        with opened(tmp_path) as folder:
            Checkpoint.begin(folder, problem, N, run.block, 0)
            checkpoint = Checkpoint(folder, run, problem)
            for number in range(passes):
                if number == 4:
                    checkpoint.restart(2, 3)
                checkpoint.advance()
        return run

    first = steps(on_cpu(matrix, 4), 3)
    there = steps(on_other(matrix, 4), 7)  # three from the folder, and a restart
    whole = steps(on_cpu(matrix, 4), 9)  # seven from the folder
    for found, expected in zip(there.earlier[0][0], first.diagonals, strict=False):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(whole.diagonals, there.diagonals, strict=False):
        np.testing.assert_array_equal(found, expected)
    alone = advanced(on_cpu(matrix, 4), 4)
    alone.restart(2, 3)
    advanced(alone, 9)
    np.testing.assert_allclose(ritz_values(whole), ritz_values(alone), atol=ROUNDING)
    other = on_other(matrix + 0.1 * np.eye(N), 4)
    with pytest.raises(ValueError, match="run on another matrix"):
        steps(other, 1)


def problem_pair(matrix):
    """Return the problem on the CPU and on the other device."""
    problem = as_problem(matrix)
    multiply = kernel(problem.multiply)
    return problem, stated(problem, multiply=multiply, device=OtherDevice())


def assert_same_bracket(found, expected):
    for name in ("lower", "upper", "estimate"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


@pytest.mark.slow
def test_the_same_brackets():
    problem, other = problem_pair(matrix_with(np.geomspace(1e-2, 1.0, N)))
    request = plain_request(k=2, vectors=True, dense_limit=0, basis_bytes=8 * N * 100)
    found, expected = run_lanczos(other, request), run_lanczos(problem, request)
    assert_same_bracket(found.smallest, expected.smallest)
    assert_same_bracket(found.largest, expected.largest)
    assert found.passes == expected.passes
    assert type(found.largest_pairs.vectors) is np.ndarray


def test_the_same_density(monkeypatch):
    matrix = matrix_with(FLAT)
    _, other = problem_pair(matrix)
    expected = spectral_density(matrix, probes=4, passes=12)
    monkeypatch.setattr("fastgram.density.spectral_density.as_problem", lambda A: other)
    found = spectral_density(matrix, probes=4, passes=12)
    assert_same_bracket(found.smallest, expected.smallest)
    assert_same_bracket(found.trace, expected.trace)
    np.testing.assert_allclose(found.lower, expected.lower, rtol=1e-9)
    np.testing.assert_allclose(found.nodes, expected.nodes, rtol=1e-9)


def test_what_the_test_device_offers_cupy_has():
    cupy = pytest.importorskip("cupy")
    assert [name for name in FUNCTIONS.split() if not hasattr(cupy, name)] == []
    assert [name for name in LINALG if not hasattr(cupy.linalg, name)] == []
