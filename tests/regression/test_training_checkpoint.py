"""training_curve(checkpoint=): a killed run goes on to the same bits; another's is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.linalg.checkpoint_folder import CheckpointFolder, opened
from fastgram.linalg.systems.scalar_lanczos import ScalarLanczos
from fastgram.matrix.computed_matrix import ComputedMatrix
from fastgram.regression.stored_passes import StoredPasses

STEPS = [1, 100, 10_000]
SMALL, LARGE = 200, 2100  # λ_max by a decomposition; by passes of its own
RNG = np.random.default_rng(0)


class Killed(Exception):
    pass


@pytest.fixture
def products(monkeypatch):
    """The products of a run; the one of the number `ends` is killed instead."""
    multiply = ComputedMatrix.product_and_row_sums

    class Found(list):
        ends = -1

    found = Found()

    def counted(matrix, V):
        if len(found) == found.ends:
            raise Killed
        found.append(V.shape[1])
        return multiply(matrix, V)

    monkeypatch.setattr(ComputedMatrix, "product_and_row_sums", counted)
    return found


def operator(n):
    return fg.GramOperator(fg.datasets.sphere(n, 8, seed=0), "relu", kind="ntk")


def labels(n):
    return np.random.default_rng(1).standard_normal((n, 2))


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("lower", "upper", "estimate", "flow_lower", "flow_upper", "step_size")
    )


@pytest.mark.parametrize("n", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bits(n, products, tmp_path):
    whole = fg.training_curve(operator(n), labels(n), STEPS)
    count = len(products)
    assert count == whole.passes
    done = 0
    for killed_at in (1, count // 2, count - 1):
        products.clear()
        products.ends = killed_at - done
        with pytest.raises(Killed):
            fg.training_curve(operator(n), labels(n), STEPS, checkpoint=tmp_path / "c")
        done = killed_at
    products.clear()
    products.ends = -1
    answer = fg.training_curve(operator(n), labels(n), STEPS, checkpoint=tmp_path / "c")
    assert len(products) == 1
    assert same(answer, whole)
    assert answer.passes == whole.passes
    products.clear()
    other = {"steps": [7], "step_size": 1e-3}
    again = fg.training_curve(operator(n), labels(n), **other, checkpoint=tmp_path / "c")
    assert products == []
    assert again.lower[0] <= fg.training_curve(operator(n), labels(n), **other).upper[0]


def test_somebody_elses_operator_goes_on_and_another_is_refused(tmp_path, refuses):
    A = np.diag(np.geomspace(1e-2, 1.0, 60))
    y = RNG.standard_normal(60)
    whole = fg.training_curve(aslinearoperator(A), y, STEPS)
    few = fg.training_curve(aslinearoperator(A), y, STEPS, max_passes=3, checkpoint=tmp_path)
    assert few.passes < whole.passes
    answer = fg.training_curve(aslinearoperator(A), y, STEPS, checkpoint=tmp_path)
    assert same(answer, whole)
    with refuses(ValueError, "on another matrix", "give another folder"):
        fg.training_curve(aslinearoperator(1.5 * A), y, STEPS, checkpoint=tmp_path)


def test_passes_from_y_are_told_from_those_of_another_matrix(tmp_path, refuses):
    """Where what is stored of λ_max does not tell: it may have been deleted."""
    A = np.diag(np.geomspace(1e-2, 1.0, 60))
    fg.training_curve(aslinearoperator(A), np.ones(60), STEPS, max_passes=3, checkpoint=tmp_path)
    shutil.rmtree(tmp_path / "extremes")
    with refuses(ValueError, "on another matrix", "give another folder"):
        fg.training_curve(aslinearoperator(1.5 * A), np.ones(60), STEPS, checkpoint=tmp_path)


def test_a_pass_of_another_kind_is_no_pass_from_y(tmp_path, refuses):
    problem = as_problem(operator(SMALL))
    with opened(tmp_path / "c") as folder:
        folder.begin({"n": SMALL})
        folder.append({"diagonal": np.eye(2)})
        passes = StoredPasses(ScalarLanczos(problem.multiply, labels(SMALL)), problem, folder, 0)
        with refuses(ValueError, "on another matrix"):
            passes.advance()


def test_where_nothing_can_be_written_no_pass_is_done_and_lost(stored, products, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CheckpointFolder, "check_writable", full)
    with pytest.raises(OSError, match="No space"):
        fg.training_curve(operator(SMALL), labels(SMALL), STEPS, checkpoint=stored)
    assert products == []


def test_an_interrupted_run_says_how_it_goes_on(products, tmp_path, monkeypatch):
    products.ends = 2
    monkeypatch.setitem(globals(), "Killed", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt) as told:
        fg.training_curve(operator(SMALL), labels(SMALL), STEPS, checkpoint=tmp_path / "c")
    assert "interrupted after 2 passes" in str(told.value)
    assert f"goes on from checkpoint {tmp_path / 'c'}" in str(told.value)


@pytest.fixture
def stored(tmp_path):
    fg.training_curve(operator(SMALL), labels(SMALL), STEPS, checkpoint=tmp_path, max_passes=3)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": labels(SMALL) + 1e-9}, ["with y = sha256", "give another folder"]),
        ({"seed": 1}, ["with seed = 0, not 1"]),
        ({"A": fg.GramOperator(operator(SMALL).dense(), "relu")}, ["on another matrix"]),
    ],
)
def test_another_run_is_refused_before_a_product(stored, products, changes, words, refuses):
    arguments = {"A": operator(SMALL), "y": labels(SMALL), "steps": STEPS, **changes}
    with refuses(ValueError, *words):
        fg.training_curve(**arguments, checkpoint=stored)
    assert products == []


def test_what_is_damaged_or_of_another_kind_is_refused(stored, refuses):
    path = stored / "pass-00001.npz"
    path.write_bytes(path.read_bytes().replace(b"alpha", b"alphb"))
    with refuses(ValueError, "pass-00001.npz is damaged"):
        fg.training_curve(operator(SMALL), labels(SMALL), STEPS, checkpoint=stored)
    with refuses(ValueError, "is of a run of another kind"):
        fg.solve(operator(SMALL).with_ridge(0.1), labels(SMALL), checkpoint=stored)
    with refuses(TypeError, "checkpoint must be a path"):
        fg.training_curve(operator(SMALL), labels(SMALL), STEPS, checkpoint=3)
