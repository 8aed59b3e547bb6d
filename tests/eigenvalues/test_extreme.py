"""extreme_eigenvalues against spectra that are known: prescribed, circulant, or LAPACK's."""

from typing import get_args

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.matrix.computed_matrix import ComputedMatrix
from fastgram.support.literals import AnsweringMethod

EPS = np.finfo(float).eps


def with_spectrum(values, seed):
    """Return a symmetric matrix with these eigenvalues to rounding, and that rounding."""
    generator = np.random.default_rng([seed, 1])
    n = len(values)
    basis = np.linalg.qr(generator.standard_normal((n, n)))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2, 4 * n * EPS * np.max(np.abs(values))


def spectra(n, seed):
    generator = np.random.default_rng([seed, 2])
    bulk = generator.uniform(1, 2, n - 4)
    yield "outliers", np.concatenate([[1e-3, 2e-3], bulk, [10, 20]])
    yield "decay", np.geomspace(1e-9, 1, n)
    cluster = 1e-3 * (1 + 1e-6 * np.arange(5))
    yield "cluster", np.concatenate([cluster, generator.uniform(0.1, 1, n - 5)])
    yield "multiple", np.repeat(generator.uniform(0.1, 1, n // 4 + 1), 4)[:n]
    yield "zeros", np.concatenate([np.zeros(3), generator.uniform(0.5, 1, n - 3)])
    yield "constant", 1 + 1e-9 * generator.standard_normal(n)
    yield "flat edge", np.linspace(0.01, 1, n) ** 2
    yield "indefinite", generator.uniform(-1, 1, n)


def assert_holds(answer, values, slack, where=""):
    low, high = np.min(values), np.max(values)
    assert answer.smallest.lower - slack <= low <= answer.smallest.upper + slack, where
    assert answer.largest.lower - slack <= high <= answer.largest.upper + slack, where
    for bracket in (answer.smallest, answer.largest):
        assert bracket.lower <= bracket.estimate <= bracket.upper, where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "seeds"),
    [(40, 1), (121, 1)],
)
def test_no_bracket_misses(n, seeds):
    # some fifty brackets at 0.999, none missing the truth
    count = 0
    for seed in range(seeds):
        for name, values in spectra(n, seed):
            matrix, slack = with_spectrum(values, seed)
            for block in (1, 4, 16):
                answer = fg.extreme_eigenvalues(
                    matrix, method="lanczos", block=block, seed=seed, rtol=0.05
                )
                assert_holds(answer, values, slack, f"{name}, seed {seed}, block {block}")
                assert answer.converged or name in ("zeros", "decay"), name
                count += 1
    assert count == seeds * 8 * 3


@pytest.mark.slow
def test_coverage_is_at_least_what_is_asked_for():
    # λ_min's bracket alone may miss half of 1 − confidence; a wide rtol stops as soon as it may
    misses = runs = 0
    for seed in range(100):
        values = np.concatenate([[0.5], np.random.default_rng(seed).uniform(1, 2, 79)])
        matrix, slack = with_spectrum(values, seed)
        answer = fg.extreme_eigenvalues(
            matrix, method="lanczos", block=1, seed=seed, rtol=0.6, confidence=0.5
        )
        inside = answer.smallest.lower - slack <= 0.5 <= answer.smallest.upper + slack
        misses += not inside
        runs += 1
    # 25 % of misses are allowed; 40 % would be 4 standard deviations above
    assert misses <= 0.4 * runs
    assert misses > 0, "confidence 0.5 never missed: does it reach the brackets?"


def test_data_from_the_seed_of_the_call_does_no_harm():
    # the lowest eigenvector is orthogonal to what default_rng(seed) would draw as a start block
    for seed in range(4):
        n, block = 200, 8
        drawn = np.random.default_rng(seed).standard_normal((n, block))
        others = np.random.default_rng(99).standard_normal((n, n - block))
        basis = np.linalg.qr(np.concatenate([drawn, others], axis=1))[0]
        values = np.concatenate([np.linspace(1, 2, n - 1), [0.1]])
        matrix = (basis * values) @ basis.T
        matrix = (matrix + matrix.T) / 2
        answer = fg.extreme_eigenvalues(
            matrix, method="lanczos", block=block, seed=seed, max_passes=6, rtol=0.5
        )
        assert_holds(answer, values, 1e-12)


@pytest.mark.parametrize("method", ["dense", "lanczos", "arpack"])
def test_methods_agree(method):
    X = fg.datasets.sphere(300, 6, 3)
    for network in ("relu", "tanh", "elu"):
        op = fg.GramOperator(X, network)
        values = np.linalg.eigvalsh(op.dense())
        answer = fg.extreme_eigenvalues(op, method=method)
        assert answer.method == method
        assert_holds(answer, values, 1e-12)
        assert answer.converged
        assert answer.resolved
        expected = "probabilistic" if method == "lanczos" else "certified"
        assert answer.smallest.guarantee == answer.largest.guarantee == expected
        ratio = values[-1] / values[0]
        assert answer.condition.lower <= ratio * (1 + 1e-9)
        assert answer.condition.upper >= ratio * (1 - 1e-9)


def test_digits_relu_has_its_known_extremes():
    X = fg.datasets.digits()
    op = fg.GramOperator(X / np.linalg.norm(X, axis=1)[:, None], "relu")
    answer = fg.extreme_eigenvalues(op)
    assert answer.method == "dense"
    assert answer.smallest.guarantee == "certified"
    assert answer.smallest.estimate == pytest.approx(0.01346050157, abs=1e-11)
    assert answer.largest.estimate == pytest.approx(468.029, abs=1e-3)
    lanczos = fg.extreme_eigenvalues(op, method="lanczos")
    assert lanczos.converged
    assert lanczos.passes <= 33  # 30 in the design's table for b = 16, and a tenth
    assert_holds(lanczos, [answer.smallest.estimate, answer.largest.estimate], 1e-9)


def circulant_spectrum(n, network):
    points = fg.datasets.circle(n)
    return np.fft.fft(fg.gram(points[:1], points, network=network)[0]).real


@pytest.mark.slow
@pytest.mark.parametrize("network", ["relu", "abs"])
def test_circle_is_circulant(network):
    n = 2101
    values = circulant_spectrum(n, network)
    op = fg.GramOperator(fg.datasets.circle(n), network, memory=0)
    answer = fg.extreme_eigenvalues(op, rtol=0.05)
    assert answer.method == "lanczos"
    assert answer.converged
    assert answer.resolved
    assert_holds(answer, values, 1e-12)


def test_below_the_noise_floor_is_never_a_number():
    # tanh in two dimensions: λ_min falls off exponentially in n
    for method, n in (("dense", 301), ("lanczos", 2501)):
        answer = fg.extreme_eigenvalues(
            fg.GramOperator(fg.datasets.circle(n), "tanh"), method=method
        )
        assert not answer.resolved
        assert not answer.converged
        assert answer.smallest.lower == 0.0 < answer.smallest.upper < 1e-8
        assert "below the noise floor" in answer.message
        assert answer.condition.upper == np.inf


def test_float32_tiles_hide_small_eigenvalues_and_say_so():
    X = fg.datasets.sphere(400, 3, 0)
    truth = np.linalg.eigvalsh(fg.gram(X, network="swish"))
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, "swish", dtype="float32"))
    assert_holds(answer, truth, 1e-12)
    assert not answer.resolved
    assert answer.noise_floor > 400 * 6e-8 * 0.1


def test_max_passes_returns_what_there_is():
    X = fg.datasets.sphere(2100, 3, 0)
    op = fg.GramOperator(X, "relu")
    answer = fg.extreme_eigenvalues(op, method="lanczos", max_passes=8)
    assert answer.passes == 8
    assert not answer.converged
    assert "max_passes = 8" in answer.message
    tight = fg.extreme_eigenvalues(op)
    assert answer.smallest.lower <= tight.smallest.lower
    assert tight.smallest.upper <= answer.smallest.upper + tight.noise_floor


def test_default_block_depends_on_n_alone():
    blocks = [extreme.default_block(n) for n in (1, 9, 100, 4000, 30_000, 100_000, 1_000_000)]
    assert blocks == sorted(blocks)
    assert all(8 <= block <= 32 for block in blocks[2:])


@pytest.mark.slow
def test_same_call_same_answer():
    X = fg.datasets.sphere(2100, 20, 0)
    first, second = (
        fg.extreme_eigenvalues(fg.GramOperator(X, "elu", memory=memory), rtol=0.1)
        for memory in (0, 20_000_000)
    )
    assert first.smallest == second.smallest
    assert first.largest == second.largest
    other = fg.extreme_eigenvalues(fg.GramOperator(X, "elu"), rtol=0.1, seed=1)
    assert other.smallest.estimate != first.smallest.estimate


@pytest.mark.parametrize("method", ["dense", "lanczos", "arpack"])
def test_ritz_pairs(method):
    X = fg.datasets.sphere(250, 8, 0)
    matrix = fg.gram(X, network="gelu")
    answer = fg.extreme_eigenvalues(matrix, method=method, k=3, vectors=True)
    for pairs, ordered in (
        (answer.smallest_pairs, np.diff(answer.smallest_pairs.values) >= 0),
        (answer.largest_pairs, np.diff(answer.largest_pairs.values) <= 0),
    ):
        assert pairs.values.shape == pairs.residuals.shape == (3,)
        assert pairs.vectors.shape == (250, 3)
        assert np.all(ordered)
        residual = matrix @ pairs.vectors - pairs.vectors * pairs.values
        size = np.max(np.abs(pairs.values))
        np.testing.assert_allclose(
            np.linalg.norm(residual, axis=0), pairs.residuals, atol=1e-11 * max(size, 1)
        )
        np.testing.assert_allclose(pairs.vectors.T @ pairs.vectors, np.eye(3), atol=1e-10)
    plain = fg.extreme_eigenvalues(matrix, method=method)
    assert plain.smallest_pairs.vectors is None
    assert plain.smallest_pairs.values.shape == (1,)


def test_any_symmetric_operator():
    values = np.linspace(1, 5, 90)
    matrix, slack = with_spectrum(values, 0)
    answer = fg.extreme_eigenvalues(aslinearoperator(matrix), rtol=1e-3)
    assert answer.method == "lanczos"
    assert_holds(answer, values, slack)
    assert answer.converged


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("method", ["auto", "dense", "lanczos"])
def test_tiny_matrices(n, method):
    values = np.arange(1.0, n + 1)
    answer = fg.extreme_eigenvalues(np.diag(values), method=method)
    assert_holds(answer, values, 0.0)
    assert answer.converged


@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_special_matrices(method):
    n = 60
    low_rank = np.ones((n, n))
    for matrix, values in (
        (np.eye(n), [1, 1]),
        (-np.eye(n), [-1, -1]),
        (low_rank, [0, n]),
        (np.diag(np.r_[np.zeros(n - 1), 1e-200]), [0, 1e-200]),
        (1e200 * np.eye(n), [1e200, 1e200]),
    ):
        answer = fg.extreme_eigenvalues(matrix, method=method)
        assert_holds(answer, values, 0.0)
    zero = fg.extreme_eigenvalues(np.zeros((n, n)), method=method)
    assert zero.smallest.guarantee == zero.largest.guarantee == "exact"
    assert zero.rank_bound == 0
    assert zero.converged
    assert zero.resolved


def test_step_gradient_is_the_zero_matrix():
    answer = fg.extreme_eigenvalues(fg.GramOperator(fg.datasets.sphere(50, 3, 0), "step"))
    assert answer.largest.estimate == 0.0
    assert answer.largest.guarantee == "exact"
    assert "derivative of step is zero" in answer.message


def test_exact_zero_from_duplicate_rows():
    X = fg.datasets.sphere(60, 5, 0)
    X[7] = X[3]
    for method in ("dense", "lanczos"):
        answer = fg.extreme_eigenvalues(fg.GramOperator(X, "tanh"), method=method)
        assert answer.smallest.guarantee == "exact"
        assert answer.smallest.estimate == 0.0
        assert answer.resolved
        assert answer.converged
        assert answer.rank_bound == 59
        assert "1 repeated rows" in answer.message
        truth = np.linalg.eigvalsh(fg.gram(X, network="tanh"))
        assert answer.largest.lower <= truth[-1] + 1e-12
        assert answer.largest.upper >= truth[-1] - 1e-12


@pytest.mark.parametrize("n", [5, 2100])
def test_the_zero_matrix_names_a_method_that_is_one(n):
    answer = fg.extreme_eigenvalues(fg.GramOperator(np.zeros((n, 3)), "relu"))
    assert answer.method in get_args(AnsweringMethod)


def test_arpack_without_a_proof_promises_nothing(monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 10)
    X = fg.datasets.sphere(200, 10, 0)
    op = fg.GramOperator(X, "relu")
    truth = np.linalg.eigvalsh(op.dense())
    answer = fg.extreme_eigenvalues(op, method="arpack")
    assert answer.smallest.guarantee == answer.largest.guarantee == "none"
    assert answer.smallest.upper == pytest.approx(truth[0], rel=1e-3)
    assert answer.largest.lower == pytest.approx(truth[-1], rel=1e-3)
    assert_holds(answer, truth, 1e-12)
    assert not answer.converged
    assert not answer.resolved
    short = fg.extreme_eigenvalues(op, method="arpack", max_passes=5)
    assert "out of passes" in short.message
    assert short.passes == 5
    assert_holds(short, truth, 1e-12)


@pytest.mark.slow
def test_checkpoint_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    X = fg.datasets.sphere(400, 10, 0)
    op = fg.GramOperator(X, "relu")
    folder = tmp_path / "run"
    whole = fg.extreme_eigenvalues(op, method="lanczos")
    fg.extreme_eigenvalues(op, method="lanczos", max_passes=4, checkpoint=folder)
    assert len(list(folder.glob("pass-*.npz"))) == 4
    (folder / "pass-00004.npz.partial").write_bytes(b"killed here")
    products, multiply = [], ComputedMatrix.product_and_row_sums

    def counted(matrix, V):
        products.append(V.shape[1])
        return multiply(matrix, V)

    monkeypatch.setattr(ComputedMatrix, "product_and_row_sums", counted)
    op = fg.GramOperator(X, "relu")
    fg.extreme_eigenvalues(op, method="lanczos", max_passes=4, checkpoint=folder)
    assert products == []  # it is known by its rows and network
    fg.extreme_eigenvalues(op, method="lanczos", max_passes=6, checkpoint=folder)
    assert products == [16, 16]
    assert len(list(folder.glob("pass-*"))) == 6
    resumed = fg.extreme_eigenvalues(op, method="lanczos", checkpoint=folder)
    assert resumed.smallest == whole.smallest
    assert resumed.largest == whole.largest
    assert resumed.passes == whole.passes
    with pytest.raises(ValueError, match="another matrix"):
        fg.extreme_eigenvalues(fg.GramOperator(X, "abs"), method="lanczos", checkpoint=folder)
    with pytest.raises(ValueError, match="seed = 0, not 3"):
        fg.extreme_eigenvalues(op, method="lanczos", seed=3, checkpoint=folder)
    (folder / "pass-00000.npz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="is damaged"):
        fg.extreme_eigenvalues(op, method="lanczos", checkpoint=folder)


def test_printed_answer_is_two_lines():
    answer = fg.extreme_eigenvalues(np.diag([1.0, 2.0, 4.0]))
    lines = str(answer).splitlines()
    assert len(lines) == 2
    assert "certified" in lines[0]
    assert "dense" in lines[1]


SQUARE = np.eye(4)


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "words"),
    [
        ([np.ones((3, 4))], {}, ValueError, "square, not of shape"),
        ([np.ones(3)], {}, ValueError, "square"),
        ([np.array([[1.0, 2.0], [0.0, 1.0]])], {}, ValueError, r"not symmetric: entries \(0, 1\)"),
        ([np.full((2, 2), np.nan)], {}, ValueError, "not finite"),
        ([SQUARE * 1j], {}, TypeError, "complex"),
        ([np.array([["a", "b"], ["b", "a"]])], {}, TypeError, "real numbers"),
        ([np.empty((0, 0))], {}, ValueError, "empty"),
        ([[[1.0], [1.0, 2.0]]], {}, ValueError, "ragged"),
        ([SQUARE], {"rtol": 0.0}, ValueError, "rtol must be above 0"),
        ([SQUARE], {"rtol": -1.0}, ValueError, "rtol must be above 0"),
        ([SQUARE], {"rtol": np.nan}, ValueError, "rtol must be finite"),
        ([SQUARE], {"confidence": 0.0}, ValueError, "confidence must be above 0"),
        ([SQUARE], {"confidence": 1.0}, ValueError, "confidence must be below 1"),
        ([SQUARE], {"method": "lancos"}, ValueError, "did you mean 'lanczos'"),
        ([SQUARE], {"block": 0}, ValueError, "block must be at least 1"),
        ([SQUARE], {"block": 2.5}, TypeError, "block must be an integer"),
        ([SQUARE], {"k": 0}, ValueError, "k must be at least 1"),
        ([SQUARE], {"k": 5}, ValueError, "k must be at most"),
        ([SQUARE], {"vectors": 1}, TypeError, "vectors must be True or False"),
        ([SQUARE], {"max_passes": 0}, ValueError, "max_passes"),
        ([SQUARE], {"seed": -1}, ValueError, "seed"),
        ([SQUARE], {"checkpoint": 3}, TypeError, "checkpoint must be a path"),
        ([aslinearoperator(SQUARE)], {"method": "dense"}, ValueError, "dense method needs"),
        ([aslinearoperator(np.ones((2, 3)))], {}, ValueError, "square"),
        ([aslinearoperator(np.triu(np.ones((4, 4))))], {}, ValueError, "not symmetric"),
        ([aslinearoperator(SQUARE * 1j)], {}, TypeError, "complex"),
        ([SQUARE], {"method": "arpack", "k": 4}, ValueError, "k below the order"),
    ],
)
def test_bad_input_gets_one_line(arguments, keywords, error, words):
    with pytest.raises(error, match=words) as caught:
        fg.extreme_eigenvalues(*arguments, **keywords)
    assert "\n" not in str(caught.value)


def test_what_is_nearly_a_multiple_of_the_identity():
    """LAPACK's drivers for a few eigenvalues find none of some of these."""
    rng = np.random.default_rng(0)
    for n in range(1, 16):
        basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
        A = (basis * 0.7) @ basis.T
        answer = fg.extreme_eigenvalues((A + A.T) / 2.0)
        for end in (answer.smallest, answer.largest):
            assert end.lower - 1e-15 <= 0.7 <= end.upper + 1e-15
            assert end.width < 1e-13
