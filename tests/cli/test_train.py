"""`fastgram train`: labels of every kind, tables, files and what is refused."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

import fastgram as fg
from fastgram.matrix.computed_matrix import ComputedMatrix

N = 60
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 4))


def table(path, labels, header="a,b,c,d,kind"):
    lines = [header]
    lines += [
        ",".join([*(f"{value:.17g}" for value in row), str(label)])
        for row, label in zip(X, labels, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def words(tmp_path):
    return table(tmp_path / "table.csv", np.where(X[:, 0] > 0.0, "yes", "no"))


def one_hot(labels):
    outputs = (labels[:, None] == np.unique(labels)).astype(np.float64)
    return outputs - outputs.mean(axis=0)


def test_classes_in_words(words, run):
    status, out, err = run(
        "train", words, "--label", "kind", "-a", "relu", "-a", "tanh", "--steps", 5, "--json", "-"
    )
    assert (status, err) == (0, "")
    first, second = json.loads(out)
    assert (first["activation"], second["activation"]) == ("relu", "tanh")
    assert first["kind"] == "ntk"
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    y = one_hot(X[:, 0] > 0.0)
    curve = fg.training_curve(fg.GramOperator(rows, "relu", kind="ntk"), y, [5])
    assert first["estimate"] == pytest.approx(curve.estimate.tolist(), rel=1e-6)
    assert first["initial_loss"] == pytest.approx(0.5 * np.sum(y * y), rel=1e-12)
    assert [part["p"] for part in first["steps_to"]] == [0.1, 0.01, 0.001]


def test_labels_whose_squares_overflow(tmp_path, run):
    """The losses are beyond float64, and the table is of what is left of the first."""
    plain, huge = (
        table(tmp_path / f"{size}.csv", (X @ [1.0, 2.0, 0.0, 0.5]) * 2.0**size) for size in (0, 660)
    )
    tables = []
    for path in (plain, huge):
        status, out, err = run("train", path, "--label", "kind", "-a", "relu", "--steps", 5)
        assert (status, err) == (0, "")
        tables.append([word for word in out.split() if "." in word and "csv" not in word][:3])
    assert tables[0] == tables[1]
    status, out, _ = run("train", huge, "--label", "kind", "-a", "relu", "--json", "-")
    assert status == 0
    assert json.loads(out)[0]["initial_loss"] is None


@pytest.mark.slow
def test_numbers_are_one_output(tmp_path, run):
    path = table(tmp_path / "table.csv", X @ [1.0, 2.0, 0.0, 0.5])
    status, out, _ = run(
        "train", path, "--label", "kind", "-a", "elu", "--json", "-", "--rows", "raw"
    )
    assert status == 0
    (found,) = json.loads(out)
    y = X @ [1.0, 2.0, 0.0, 0.5]
    assert found["initial_loss"] == pytest.approx(0.5 * np.sum((y - y.mean()) ** 2), rel=1e-9)


def test_labels_of_an_array(tmp_path, run):
    np.save(tmp_path / "rows.npy", np.column_stack([X, np.arange(N) % 3]))
    status, out, _ = run("train", tmp_path / "rows.npy", "--label", "-1", "-a", "relu")
    assert status == 0
    assert "3 classes, an output each" in out
    assert "label 4" in out
    assert "steps to 1 %" in out


@pytest.mark.slow
def test_the_digits_bring_their_labels(run, tmp_path):
    files = tmp_path / "c.csv", tmp_path / "c.png"
    status, out, _ = run(
        "train", "-a", "relu", "--kind", "nngp", "--csv", files[0], "--plot", files[1], "--steps", 3
    )
    assert status == 0
    assert "10 classes" in out
    assert "steps_to_0.1_lower" in files[0].read_text("utf-8")
    assert files[1].stat().st_size > 1000


def test_beyond_two_over_the_largest_eigenvalue(words, run):
    status, out, _ = run("train", words, "--label", "kind", "-a", "relu", "--step-size", 1e3)
    assert status == 0
    assert "the loss grows" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "what is to be learnt is missing: --label COLUMN"),
        (["--label", "size"], "no column 'size'"),
        (["--label", "kind", "--steps", "-1"], "steps must be at least 0"),
        (["--label", "kind", "--step-size", "0"], "step-size must be above 0"),
        (["--label", "kind", "--rtol", "0"], "rtol must be above 0"),
    ],
)
def test_refused(arguments, told, words, refused):
    assert told in refused("train", words, "-a", "relu", *arguments)


def test_classes_that_memory_does_not_hold_are_not_begun(tmp_path, refused, monkeypatch):
    monkeypatch.setattr("fastgram.support.memory.free_memory", lambda: 8 * N * N)
    path = table(tmp_path / "a.csv", [f"row {k}" for k in range(N)])
    told = refused("train", path, "--label", "kind")
    assert "a.csv: 60 classes, an output each: 86,400 bytes of memory are needed" in told


def test_labels_with_gaps_and_of_one_kind(tmp_path, refused):
    path = table(tmp_path / "a.csv", ["yes", "", *["no"] * (N - 2)])
    assert "line 3 has no label" in refused("train", path, "--label", "kind")
    path = table(tmp_path / "b.csv", ["yes"] * N)
    assert "all labels are alike" in refused("train", path, "--label", "kind")


def told_numbers(path):
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in json.loads(path.read_text("utf-8"))
    ]


def test_an_interrupted_run_and_the_command_that_goes_on(words, run, tmp_path, monkeypatch):
    multiply, done = ComputedMatrix.product_and_row_sums, []

    def interrupted(matrix, V):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(V.shape[1])
        return multiply(matrix, V)

    monkeypatch.setattr(ComputedMatrix, "product_and_row_sums", interrupted)
    begin = ["train", words, "--label", "kind", "-a", "elu", "--json"]
    there = tmp_path / "kept here"
    status, out, err = run(*begin, tmp_path / "a.json", "--checkpoint", there)
    assert (status, out) == (130, "")
    command = shlex.join(map(str, ["fastgram", *begin, tmp_path / "a.json", "--checkpoint", there]))
    folder = there / "elu-depth-1-infinite-ntk"
    assert err == (
        "fastgram: elu: interrupted after 4 passes; the same call goes on from checkpoint"
        f" {folder}: {command}\n"
    )
    monkeypatch.undo()
    assert run(*shlex.split(command)[1:])[0] == 0
    assert run(*begin, tmp_path / "b.json")[0] == 0
    assert told_numbers(tmp_path / "a.json") == told_numbers(tmp_path / "b.json")


@pytest.fixture
def begin(words, run, tmp_path):
    words = ["train", words, "--label", "kind", "-a", "relu", "--checkpoint", tmp_path / "run"]
    assert run(*words)[0] == 0
    return words


def test_the_checkpoint_of_others_is_refused(begin, words, refused, tmp_path):
    assert "with seed = 0, not 1: give another folder" in refused(*begin, "--seed", 1)
    table(words, np.where(X[:, 1] > 0.0, "yes", "no"))
    assert "with y = sha256" in refused(*begin)
    path = tmp_path / "run" / "relu-depth-1-infinite-ntk" / "run.json"
    path.write_text("{", "utf-8")
    assert "run.json is damaged" in refused(*begin)
    assert "checkpoint must be a folder" in refused(*begin[:-1], words)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cluster", "here"], "tcp://host:8786, not 'here'"),
        (["--cluster", "local:2", "--device", "gpu"], "--device does not apply with --cluster"),
        (["--cluster-config", "x.yaml"], "--cluster-config does not apply without --cluster"),
    ],
)
def test_a_cluster_that_cannot_be(arguments, told, words, refused):
    assert told in refused("train", words, "--label", "kind", *arguments)
