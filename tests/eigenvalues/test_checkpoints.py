"""Runs that go on: tightened, through every phase, and with all that their brackets need."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.plain_request import plain_request
from helpers.stated_problem import stated
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.gram_problem import GramProblem
from fastgram.eigenvalues.methods import certified, inverse
from fastgram.eigenvalues.methods.findings import kept
from fastgram.eigenvalues.problem import ProblemSource
from fastgram.eigenvalues.request import Until
from fastgram.linalg.checkpoint import Checkpoint
from fastgram.linalg.checkpoint_folder import opened

X = fg.datasets.sphere(300, 4, seed=0)
# Passes close its brackets quickly, or not at all.
EASY, HARD = np.linspace(1, 3, 120), np.geomspace(1e-4, 1, 120)


@pytest.fixture(autouse=True)
def _passes_only(monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 0)


class Counting(ProblemSource):
    """An array whose products are counted, as `extreme_eigenvalues` takes it."""

    def __init__(self, values):
        self.matrix, self.columns = matrix_with(values), []

    def symmetric_problem(self):
        problem = extreme.as_problem(self.matrix)
        multiply = problem.multiply

        def counted(V):
            self.columns.append(V.shape[1])
            return multiply(V)

        return stated(problem, multiply=counted)


def same(answer, other):
    """Whether two answers have the same numbers, whatever they say of them."""
    names = ("smallest", "largest", "noise_floor", "passes", "method", "smallest_pairs")
    return all(
        np.array_equal(str(getattr(answer, name)), str(getattr(other, name))) for name in names
    ) and all(
        getattr(answer, end).lower == getattr(other, end).lower
        and getattr(answer, end).upper == getattr(other, end).upper
        for end in ("smallest", "largest")
    )


def ask(matrix, folder=None, **options):
    return fg.extreme_eigenvalues(matrix, **{"block": 4, **options}, checkpoint=folder)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lanczos", "auto", "certified"])
@pytest.mark.parametrize("values", [EASY, HARD], ids=["easy", "hard"])
def test_a_finished_run_is_tightened(values, method, tmp_path):
    first, plain, again = Counting(values), Counting(values), Counting(values)
    loose = ask(first, tmp_path, method=method, rtol=0.1)
    expected = ask(plain, method=method, rtol=1e-4)
    tight = ask(again, tmp_path, method=method, rtol=1e-4)
    assert same(tight, expected)
    assert tight.passes >= loose.passes
    assert len(again.columns) <= len(plain.columns) - loose.passes
    again.columns.clear()
    assert str(ask(again, tmp_path, method=method, rtol=1e-4)) == str(tight)
    assert 4 not in again.columns
    assert same(ask(again, tmp_path, method=method, rtol=0.1), loose)


@pytest.mark.slow
def test_other_passes_pairs_and_methods_of_the_same_run(tmp_path):
    for options in (
        {"method": "lanczos", "max_passes": 7},
        {"method": "lanczos", "max_passes": 12, "k": 3, "vectors": True},
        {"method": "certified", "rtol": 0.1},
        {"method": "lanczos", "max_passes": 3},
        {"method": "auto", "rtol": 1e-3, "k": 2, "confidence": 0.9},
    ):
        found = ask(Counting(EASY), tmp_path, **options)
        expected = ask(Counting(EASY), **options)
        assert same(found, expected)
        if options.get("vectors"):
            for pairs in ("smallest_pairs", "largest_pairs"):
                vectors = getattr(found, pairs).vectors
                np.testing.assert_array_equal(vectors, getattr(expected, pairs).vectors)


def test_a_time_limit_leaves_nothing_unread(tmp_path):
    ask(Counting(HARD), tmp_path, method="lanczos", max_passes=9)
    answer = ask(Counting(HARD), tmp_path, method="lanczos", time_limit=1e-9)
    assert answer.passes == 9
    assert "stopped at time_limit" in answer.message
    options = {"probes": 4, "passes": 20, "time_limit": 1e-9}
    assert fg.spectral_density(Counting(HARD), **options, checkpoint=tmp_path).passes == 9
    assert fg.spectral_density(Counting(HARD), **options).passes == 1


# --- factorisations ------------------------------------------------------------------------------


def never(*arguments):
    raise AssertionError("factorised")


@pytest.mark.parametrize("method", ["auto", "certified"])
def test_what_a_factorisation_has_found_is_read_back(method, tmp_path, monkeypatch):
    whole = ask(Counting(HARD), tmp_path, method=method, rtol=1e-3)
    assert "the matrix was factorised" in whole.message
    assert "anew" not in whole.message
    monkeypatch.setattr(inverse, "shifted_factor", never)
    monkeypatch.setattr(certified, "certify_below", never)
    again = Counting(HARD)
    answer = ask(again, tmp_path, method=method, rtol=1e-3)
    assert (str(answer), answer.smallest) == (str(whole), whole.smallest)
    assert again.columns == [1]  # the quotient at the vector that was found
    with pytest.raises(AssertionError, match="factorised"):
        ask(Counting(HARD), tmp_path, method=method, rtol=1e-4)


@pytest.mark.slow
def test_a_factorisation_for_more_pairs_is_another(tmp_path):
    ask(Counting(HARD), tmp_path, rtol=1e-3)
    answer = ask(Counting(HARD), tmp_path, rtol=1e-3, k=3)
    assert same(answer, ask(Counting(HARD), rtol=1e-3, k=3))
    assert answer.smallest_pairs.values.shape == (3,)


@pytest.mark.slow
def test_a_finding_that_is_damaged_or_of_another_question(tmp_path, refuses):
    for rtol in (1e-1, 1e-3):
        ask(Counting(HARD), tmp_path, rtol=rtol)
    one, other = tmp_path.glob("inverse-*.npz")
    whole = one.read_bytes(), other.read_bytes()
    one.write_bytes(whole[1])
    other.write_bytes(whole[0])
    with refuses(ValueError, str(tmp_path / "inverse-"), "is damaged, cut short or not of this"):
        ask(Counting(HARD), tmp_path, rtol=1e-3)
    for path, text in zip((one, other), whole, strict=True):
        path.write_bytes(text[:-100] + b"0" + text[-99:])
    with refuses(ValueError, str(tmp_path / "inverse-"), "is damaged, cut short or not of this"):
        ask(Counting(HARD), tmp_path, rtol=1e-3)


def interrupted(*arguments):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_an_inverse_that_was_ended_begins_anew_and_says_so(tmp_path, monkeypatch):
    whole = ask(Counting(HARD), rtol=1e-3)
    with monkeypatch.context() as patch:
        patch.setattr(inverse, "shifted_factor", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            ask(Counting(HARD), tmp_path / "run", rtol=1e-3)
    told = str(caught.value)
    assert told.startswith(f"interrupted in a factorisation after {whole.passes} passes; λ_min ")
    assert ", λ_max " in told
    assert told.endswith(
        f"; the same call goes on from checkpoint {tmp_path / 'run'}, with the factorisation from"
        " its beginning"
    )
    answer = ask(Counting(HARD), tmp_path / "run", rtol=1e-3)
    assert same(answer, whole)
    words = "; the factorisation was made anew, for a checkpoint keeps none"
    assert answer.message.replace(words, "") == whole.message != answer.message


def test_a_certificate_that_was_ended(tmp_path, monkeypatch):
    whole = ask(Counting(EASY), method="certified")
    certify, calls = certified.certify_below, []

    def second(*arguments):
        calls.append(arguments)
        return certify(*arguments) if len(calls) != 2 else interrupted()

    monkeypatch.setattr(certified, "certify_below", second)
    with pytest.raises(KeyboardInterrupt, match="interrupted in a factorisation after"):
        ask(Counting(EASY), tmp_path, method="certified")
    again = Counting(EASY)
    assert same(ask(again, tmp_path, method="certified"), whole)
    assert 4 not in again.columns
    assert len(calls) == 3  # the first one was kept


def test_an_inverse_without_a_factorisation_is_remembered(tmp_path, monkeypatch):
    matrix = Counting(HARD)
    monkeypatch.setattr(inverse, "shifted_factor", lambda *arguments: (None, 1e-9))
    first = ask(matrix, tmp_path, rtol=1e-3)
    assert "no factorisation near λ_min ran through" in first.message
    monkeypatch.setattr(inverse, "shifted_factor", never)
    assert str(ask(matrix, tmp_path, rtol=1e-3)) == str(first)


def test_what_a_time_limit_cut_short_is_not_kept(tmp_path):
    problem = extreme.as_problem(matrix_with(HARD))
    found = {"x": np.ones(1)}
    with opened(tmp_path) as folder:
        Checkpoint.begin(folder, problem, 120, 4, 0)
        late = plain_request(checkpoint=folder, until=Until(time_limit=1e-9))
        on_time = plain_request(checkpoint=folder)
        assert kept(problem, late, "inverse", (1.0,), lambda: found) == found
        assert kept(problem, on_time, "inverse", (2.0,), lambda: found) == found
        assert kept(problem, on_time, "inverse", (1.0,), dict) == {}
        assert kept(problem, on_time, "inverse", (2.0,), never) == found


# --- what products find out ----------------------------------------------------------------------


def test_what_a_product_rounds_is_that_of_the_passes(tmp_path):
    """One column is multiplied by tiles here, a block by factors, which round otherwise."""

    def op():
        return fg.GramOperator(X, fg.Network("relu", width=50, seed=0), kind="nngp")

    assert (op().multiplication(1), op().multiplication(32)) == ("tiles", "factored")
    options = {"method": "lanczos", "block": 32, "rtol": 1e-3}
    whole = fg.extreme_eigenvalues(op(), **options)
    for passes in (1, 2, None, None):
        answer = fg.extreme_eigenvalues(op(), **options, max_passes=passes, checkpoint=tmp_path)
    assert same(answer, whole)


@pytest.mark.parametrize(
    ("place", "fact"), [(0, "entry_error"), (1, "absolute_row_sum"), (2, "summands")]
)
def test_errors_of_an_earlier_process_are_not_forgotten(place, fact):
    """Another device, or way to multiply, may have been further off than this one."""
    problem = GramProblem(fg.GramOperator(X, "relu"))
    problem.multiply(np.ones((300, 2)))
    learned = problem.learned()
    asked = learned.copy()
    asked[place] *= 1000.0
    fresh = GramProblem(fg.GramOperator(X, "relu"))
    for step in range(3):
        if step:
            fresh.multiply(np.ones((300, 2)))
        fresh.recall(asked if step < 2 else learned)
        assert np.array_equal(fresh.learned(), asked)
        found = getattr(fresh, fact)
        assert (found() if callable(found) else found) == asked[place]


def test_less_error_of_an_earlier_process_changes_nothing():
    """Nor is it forgotten what products of this one are off by, that nothing was recalled for."""
    problem = GramProblem(fg.GramOperator(X, "relu"))
    problem.multiply(np.ones((300, 2)))
    learned = problem.learned()
    problem.recall(learned / 1000.0)
    assert np.array_equal(problem.learned(), learned)


def test_the_start_block_comes_from_the_checkpoint(tmp_path):
    """Close pairs are not looked for again."""
    values = np.r_[1e-3, np.linspace(1, 2, 99)]
    extra = np.random.default_rng(0).standard_normal((100, 2))

    class Source(ProblemSource):
        def __init__(self, find):
            self.find = find

        def symmetric_problem(self):
            problem = extreme.as_problem(matrix_with(values))
            return stated(problem, extra_start_vectors=self.find)

    first, other = Source(lambda count: extra), Source(never)
    whole = ask(first, method="lanczos", rtol=1e-6)
    density = fg.spectral_density(first, probes=4, passes=6)
    ask(first, tmp_path, method="lanczos", max_passes=3)
    assert same(ask(other, tmp_path, method="lanczos", rtol=1e-6), whole)
    again = fg.spectral_density(other, probes=4, passes=6, checkpoint=tmp_path)
    np.testing.assert_array_equal(again.lower, density.lower)


# --- which matrix it is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (fg.GramOperator(X * (1 + 1e-15), "relu"), "rows"),
        (fg.GramOperator(X, "elu"), "network"),
        (fg.GramOperator(X, fg.Network("relu", depth=2)), "network"),
        (fg.GramOperator(X, "relu", kind="ntk"), "kind"),
        (fg.GramOperator(X, "relu", dtype="float32"), "dtype"),
        (fg.GramOperator(X + 0.0, "tanh", kind="nngp"), "network and kind"),
        (fg.GramOperator(X, "relu", ridge=0.5), "ridge"),
        (fg.GramOperator(X, "relu", ridge=np.linspace(0.0, 1.0, 300)), "ridge"),
        (fg.gram(X), "entries and scale"),
        (aslinearoperator(fg.gram(X)), ""),
    ],
)
def test_another_matrix(other, told, tmp_path, refuses):
    op = fg.GramOperator(X, "relu")
    ask(op, tmp_path, method="lanczos", max_passes=1)
    words = f" (of other {told})" if told else ""
    with refuses(ValueError, f"checkpoint {tmp_path} is of a run on another matrix{words}: give"):
        ask(other, tmp_path, method="lanczos")
    with refuses(ValueError, "on another matrix"):
        fg.spectral_density(other, probes=4, checkpoint=tmp_path)


@pytest.mark.slow
def test_a_ridge_is_gone_on_with(tmp_path, refuses):
    rows = np.linspace(0.5, 1.0, 300)
    for ridge in (0.25, rows):
        op, folder = fg.GramOperator(X, "relu", ridge=ridge), tmp_path / str(np.ndim(ridge))
        whole = ask(op, method="lanczos", rtol=1e-3)
        ask(fg.GramOperator(X, "relu", ridge=ridge), folder, method="lanczos", max_passes=3)
        assert same(ask(op, folder, method="lanczos", rtol=1e-3), whole)
    with refuses(ValueError, "on another matrix (of other ridge)"):
        ask(fg.GramOperator(X, "relu", ridge=rows[::-1]), tmp_path / "1", method="lanczos")


def test_another_operator_of_somebody_else_is_seen_by_a_product(tmp_path, refuses):
    matrix = matrix_with(EASY)
    ask(aslinearoperator(matrix), tmp_path, method="lanczos", max_passes=2)
    with refuses(ValueError, f"checkpoint {tmp_path} is of a run on another matrix: give"):
        ask(aslinearoperator(matrix + 1e-6 * np.eye(120)), tmp_path, method="lanczos")
    ask(aslinearoperator(matrix), tmp_path, method="lanczos")


@pytest.mark.parametrize("method", ["dense", "arpack"])
def test_methods_that_keep_none(method, tmp_path, refuses):
    with refuses(ValueError, f'method "{method}" keeps no checkpoint'):
        ask(matrix_with(EASY), tmp_path / "run", method=method)
    assert not (tmp_path / "run").exists()


def test_dense_by_auto_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 2048)
    assert "dense keeps no checkpoint" in ask(np.eye(3), tmp_path / "run").message
    assert "checkpoint" not in ask(np.eye(3)).message
