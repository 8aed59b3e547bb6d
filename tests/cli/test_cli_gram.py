"""`fastgram gram`: matrices on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.extremes import X
from helpers.stored import BLOCKS

import fastgram as fg
from fastgram.storage import store


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(store, "side_of", lambda n, ending: -(-n // 4))


@pytest.fixture
def unit():
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.slow
def test_help(run):
    status, out, err = run("gram", "--help")
    text = " ".join(out.replace("│", " ").split())
    assert (status, err) == (0, "")
    for part in [
        "Store a Gram matrix on disk.",
        "goes on where it was by the same command",
        "fastgram gram rows.npy K.npy -a elu",
        "a file.npy, file.h5 or folder.zarr",
        "float64|float32",
    ]:
        assert part in text
    assert "Several times" not in text


def test_a_matrix(run, rows, unit, tmp_path):
    path = tmp_path / "K.npy"
    status, out, err = run("gram", rows, path, "-a", "elu")
    n, d = X.shape
    title = f"the gradient Gram matrix of {rows}, {n} x {d}, rows scaled to norm 1, elu\n"
    assert (status, out) == (0, title)
    assert err.startswith(f"fastgram: {path}: {n} x {n} float64, ")
    assert err.count("\n") == 1
    assert np.allclose(np.load(path), fg.gram(unit, network="elu"), rtol=0, atol=1e-14)
    status, out, err = run("gram", rows, path, "-a", "elu")
    assert (status, err.split(", ")[-1]) == (0, "is stored already\n")


def test_a_stored_matrix_is_no_samples(run, rows, tmp_path):
    path = tmp_path / "K.npy"
    assert run("gram", rows, path, "-a", "elu")[0] == 0
    status, out, err = run("spectrum", path, "-a", "relu")
    assert (status, out) == (2, "")
    assert f"{path}: a Gram matrix that fastgram has stored, and no samples" in err
    assert f"fastgram.open_gram('{path}')" in err
    for beside in ("{}", "not JSON"):  # and somebody else's file beside rows is none of ours
        Path(f"{rows}.json").write_text(beside)
        assert run("spectrum", rows, "-a", "relu")[0] == 0


def test_every_option(run, rows, tmp_path):
    path = tmp_path / "K.npy"
    words = "-a tanh --depth 2 --width 9 --kind ntk --weight-variance 2 --bias-variance 0.5"
    more = "--normalize --readout gaussian --network-seed 3 --rows raw --dtype float32"
    assert run("gram", rows, path, *words.split(), *more.split())[0] == 0
    network = fg.Network(
        "tanh", 2, 9, weight_variance=2, bias_variance=0.5, normalize=True, readout="gaussian",
        seed=3,
    )  # fmt: skip
    exact = fg.gram(X, network=network, kind="ntk", dtype="float32")
    assert np.load(path).dtype == np.float32
    assert np.allclose(np.load(path), exact, rtol=1e-4)


def test_columns_are_told(run, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("id,a,b\n1,0.5,0.25\n2,1,0.125\n")
    status, out, _ = run("gram", table, tmp_path / "K.npy", "-a", "relu", "--drop", "id")
    assert status == 0
    assert "id" in out.splitlines()[1]
    assert np.load(tmp_path / "K.npy").shape == (2, 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["K.dat", "-a", "elu"], "the ending must be .npy, .h5 or .zarr"),
        (["K.npy"], "Missing option '--activation'"),
        (["K.npy", "-a", "elu", "-a", "relu"], "--activation is given 2 times"),
        (["K.npy", "-a", "elu", "--depth", "1", "--depth", "2"], "--depth is given 2 times"),
        (["K.npy", "-a", "ely"], "did you mean 'elu'"),
        (["K.npy", "-a", "elu", "--kind", "ntkk"], "unknown kind"),
        (["K.npy", "-a", "elu", "--dtype", "int"], "unknown dtype"),
        (["K.npy", "-a", "elu", "--rows", "row"], "unknown rows"),
        (["nowhere/K.npy", "-a", "elu"], "No such file or directory"),
    ],
)
def test_bad_input(words, told, refused, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert told in refused("gram", rows, *words)
    assert sorted(tmp_path.iterdir()) == before


def test_another_matrix_is_refused(run, refused, rows, tmp_path):
    path = tmp_path / "K.npy"
    run("gram", rows, path, "-a", "elu")
    line = refused("gram", rows, path, "-a", "relu")
    assert line == f"fastgram: error: {path} is a matrix of another network: give another name\n"
    assert "of other rows" in refused("gram", rows, path, "-a", "elu", "--rows", "raw")
    np.save(rows, X + 1.0)
    assert "of other rows" in refused("gram", rows, path, "-a", "elu")
    assert "was not stored by fastgram" in refused("gram", rows, rows, "-a", "elu")


def test_an_error_names_the_line_of_a_file(refused, tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("a,b\n1,2\n1e200,3\n")
    words = "gram", table, tmp_path / "K.npy", "-a", "relu", "--rows", "raw"
    assert "line 3 overflows" in refused(*words)


def test_an_interrupt_says_how_to_go_on(run, rows, tmp_path, small_blocks, monkeypatch):
    path, left = tmp_path / "K here.npy", [3]
    write = store.write_block

    def interrupted(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(*arguments)

    monkeypatch.setattr(store, "write_block", interrupted)
    words = "gram", rows, path, "-a", "leaky_relu(negative_slope=0.2)"
    status, _, err = run(*words)
    assert status == 130
    assert err.splitlines()[-1] == (
        f"fastgram: {path}: 3 of {BLOCKS} blocks are stored, and the same call goes on from there:"
        f" fastgram gram {rows} '{path}' -a 'leaky_relu(negative_slope=0.2)'"
    )
    monkeypatch.setattr(store, "write_block", write)
    status, _, err = run(*words)
    assert status == 0
    assert f"; 3 of {BLOCKS} blocks are stored" in err.splitlines()[0]


@pytest.mark.slow
def test_a_killed_command_goes_on(rows, tmp_path, unit):
    """In a process of its own, as a user runs it."""
    path = tmp_path / "K.npy"
    words = [sys.executable, "-m", "fastgram", "gram", rows, str(path), "-a", "elu"]
    root = Path(fg.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    first = subprocess.Popen(words, env=environment, cwd=root, stdout=subprocess.DEVNULL)
    first.kill()
    first.wait()
    done = subprocess.run(words, env=environment, cwd=root, capture_output=True, check=False)
    assert done.returncode == 0
    assert np.allclose(np.load(path), fg.gram(unit, network="elu"), rtol=0, atol=1e-14)
