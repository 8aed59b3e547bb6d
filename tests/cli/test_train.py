"""`fastgram train`: labels of every kind, tables, files and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastgram as fg

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
