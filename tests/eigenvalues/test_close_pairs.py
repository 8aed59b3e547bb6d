"""Close pairs: the ones that a dense matrix shows, and what they save."""

import numpy as np
import pytest

import fastgram as fg
from fastgram.eigenvalues import extreme, gram_problem
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.close_pairs import close_pairs


def some_rows(n=500):
    X = fg.datasets.sphere(n, 6, 3)
    X[7] = X[400] + 1e-4 * X[3]
    X[90] = -X[91] + 1e-3 * X[5]
    X[11] = X[450]  # equal to the last bit
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def test_the_closest_pairs_are_found():
    op = fg.GramOperator(some_rows(), "abs")
    vectors = close_pairs(op, 3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-15)
    pairs = {tuple(np.flatnonzero(column)) for column in vectors.T}
    assert pairs == {(7, 400), (90, 91), (11, 450)}
    # their quotients are the least eigenvalues of their minors
    A = op.dense()
    for column in vectors.T:
        i, j = np.flatnonzero(column)
        minor = np.linalg.eigvalsh(A[np.ix_([i, j], [i, j])])
        assert column @ A @ column == pytest.approx(minor[0], abs=1e-14)


def test_no_row_is_in_two_pairs_and_far_ones_are_left():
    X = np.repeat(fg.datasets.sphere(3, 40, 0), 3, axis=0)  # three rows three times
    vectors = close_pairs(fg.GramOperator(X, "relu"), 9)
    assert vectors.shape == (9, 3)
    assert np.max(np.count_nonzero(vectors, axis=1)) == 1
    assert close_pairs(fg.GramOperator(fg.datasets.sphere(50, 200, 0), "relu"), 4) is None
    assert close_pairs(fg.GramOperator(X[:1], "relu"), 4) is None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_on_any_threads_and_whatever_is_kept(dtype, monkeypatch):
    X = fg.datasets.sphere(900, 3, 0)
    found = []
    for threads, memory in ((1, 0), (2, None), (3, 1_000_000)):
        monkeypatch.setattr("fastgram.support.threads.thread_count", lambda count=threads: count)
        found.append(close_pairs(fg.GramOperator(X, "relu", dtype=dtype, memory=memory), 8))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_only_kinked_activations_have_them_appended():
    X = some_rows()
    assert as_problem(fg.GramOperator(X, "tanh")).extra_start_vectors(4) is None
    assert as_problem(np.eye(3)).extra_start_vectors(4) is None
    assert as_problem(fg.GramOperator(X, "relu")).extra_start_vectors(0) is None
    finite = fg.GramOperator(fg.datasets.sphere(3000, 6, 3), fg.Network("relu", width=5), memory=0)
    assert finite.multiplication(4) == "factored"
    assert as_problem(finite).extra_start_vectors(4) is None


@pytest.mark.slow
def test_they_save_passes_and_the_bracket_holds(monkeypatch):
    X = fg.datasets.sphere(800, 3, 0)
    op = fg.GramOperator(X, "relu")
    truth = np.linalg.eigvalsh(op.dense())[0]
    answers = []
    for appended in (True, False):
        if not appended:
            monkeypatch.setattr(gram_problem, "close_pairs", lambda op, count: None)
        answers.append(fg.extreme_eigenvalues(op, method="lanczos", block=8))
        assert answers[-1].smallest.lower <= truth <= answers[-1].smallest.upper
    assert answers[0].passes < 0.75 * answers[1].passes


def test_a_matrix_known_to_be_singular_needs_none(monkeypatch):
    monkeypatch.setattr(gram_problem, "close_pairs", lambda op, count: 1 / 0)
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 0)
    X = np.repeat(fg.datasets.sphere(30, 5, 0), 2, axis=0)
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, "relu"), method="lanczos", block=4)
    assert answer.smallest.guarantee == "exact"
