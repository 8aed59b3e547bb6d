"""`fastgram spectrum --checkpoint`: a folder a network, and the command that goes on."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD
from helpers.nursery import ROOT

import fastgram as fg
from fastgram.cli.reports.sweep import Checkpoints
from fastgram.cli.sweeps.cases import Case, Task
from fastgram.matrix.computed_matrix import ComputedMatrix

LANCZOS = ["--method", "lanczos", "--block", 2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept here"


@pytest.fixture
def products(monkeypatch):
    """The columns of each product of a run; a number among `ends` interrupts in its place."""
    found, multiply = [], ComputedMatrix.product_and_row_sums

    def counted(matrix, V):
        if len(found) in found.ends:
            found.ends.remove(len(found))
            raise KeyboardInterrupt
        found.append(V.shape[1])
        return multiply(matrix, V)

    class Found(list):
        ends = ()

    found = Found()
    monkeypatch.setattr(ComputedMatrix, "product_and_row_sums", counted)
    return found


def numbers(path):
    """What a JSON file says of results, but for the time they took."""
    return [{**record, "seconds": 0} for record in strict(path.read_text())]


def test_help(run):
    status, out, _ = run("spectrum", "--help")
    text = " ".join(out.replace("│", " ").split())
    assert status == 0
    assert "--checkpoint DIR Keep each pass in DIR" in text
    assert "With --checkpoint a run that was interrupted, killed or ran out of disk" in text
    assert "fastgram spectrum rows.npy -a relu --method lanczos --checkpoint run" in text


@pytest.mark.slow
@pytest.mark.parametrize("question", [LANCZOS, ["--density", "--block", 2, "--max-passes", 5]])
def test_a_sweep_is_gone_on_with(run, rows, tmp_path, folder, products, question):
    words = ["spectrum", rows, "-a", "relu", "-a", "leaky_relu(negative_slope=0.2)", *question]
    assert run(*words, "--json", tmp_path / "plain.json")[0] == 0
    whole = len(products)
    products.clear()
    products.ends = [whole - 2]
    words += ["--checkpoint", folder]
    status, out, err = run(*words, "--json", tmp_path / "out.json")
    assert status == 130
    assert "relu" in out  # the one that was done
    name = "leaky_relu-negative_slope=0.2-depth-1-infinite-"
    there = next(path for path in folder.iterdir() if path.name.startswith(name))
    command = shlex.join(map(str, ["fastgram", *words, "--json", tmp_path / "out.json"]))
    assert err.startswith("fastgram: leaky_relu(negative_slope=0.2): interrupted after ")
    assert err.endswith(f"; the same call goes on from checkpoint {there}: {command}\n")
    assert ", λ_max " in err
    products.clear()
    assert run(*shlex.split(command)[1:])[0] == 0
    assert len(products) == 2
    assert numbers(tmp_path / "out.json") == numbers(tmp_path / "plain.json")
    products.clear()
    assert run(*words)[0] == 0
    assert products == []


def test_an_interrupt_elsewhere_tells_the_command_too(run, rows, folder, answers):
    answers(KeyboardInterrupt())
    words = ["spectrum", rows, "-a", "relu", "--checkpoint", str(folder)]
    status, _, err = run(*words)
    assert status == 130
    command = shlex.join(["fastgram", *words])
    assert err == f"fastgram: relu: interrupted; the same call goes on: {command}\n"


def test_a_folder_a_network(run, rows, folder, answers):
    calls = answers(*[GOOD] * 8)
    shapes = ["--depth", 1, "--depth", 3, "--width", "infinite", "--width", 9]
    assert run("spectrum", rows, "-a", "relu", "-a", "elu", *shapes, "--checkpoint", folder)[0] == 0
    found = [options["checkpoint"] for _, options in calls]
    assert len(set(found)) == 8
    assert found[:2] == [folder / "relu-depth-1-infinite", folder / "relu-depth-1-width-9"]
    calls = answers(GOOD)
    assert run("spectrum", rows, "-a", "elu", "--depth", 3, "--checkpoint", folder)[0] == 0
    assert calls[0][1]["checkpoint"] == found[6] == folder / "elu-depth-3-infinite"


@pytest.mark.parametrize(
    "coefficients", [[0, 1, 1], [0, 1, -1], list(range(80)), list(range(1, 81))]
)
def test_names_are_those_of_files(coefficients, tmp_path):
    activation = fg.get_activation("polynomial", coefficients=coefficients)
    task = Task(np.eye(2), "x.npy", "unit", {"kind": "gradient"}, {})
    kept = Checkpoints(str(tmp_path), "", lambda case, matrix: {})
    path = kept.of(Case(task, fg.Network(activation)))
    assert path.parent == tmp_path
    assert len(path.name) < 100
    path.mkdir()
    other = fg.get_activation("polynomial", coefficients=[*coefficients, 1])
    assert path != kept.of(Case(task, fg.Network(other)))


# --- what is refused -----------------------------------------------------------------------------


@pytest.fixture
def begun(run, rows, folder):
    words = ["spectrum", rows, "-a", "relu", *LANCZOS, "--max-passes", 2, "--checkpoint", folder]
    assert run(*words)[0] == 0
    return words


def refusal(folder, told):
    name = folder / "relu-depth-1-infinite"
    return f"fastgram: error: checkpoint {name} is of a run {told}: give another folder\n"


def test_rows_that_have_changed(begun, refused, rows, folder):
    """Of a sweep too, in which another network has nothing to be refused."""
    changed = np.load(rows)
    changed[3, 1] += 1e-9
    np.save(rows, changed)
    told = refusal(folder, "on another matrix (of other rows)")
    assert refused(*begun) == told
    assert refused(*begun[:2], "-a", "tanh", *begun[2:]) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["--normalize"], "on another matrix (of other network)"),
        (["--dtype", "float32"], "on another matrix (of other dtype)"),
        (["--rows", "raw"], "on another matrix (of other rows)"),
        (["--seed", 1], "with seed = 0, not 1"),
        (["--block", 3], "with block = 2, not 3"),
    ],
)
def test_another_run(begun, refused, folder, changes, told):
    assert refused(*begun, *changes) == refusal(folder, told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checkpoint", "rows.npy"], "checkpoint must be a folder, not 'rows.npy'"),
        (["--checkpoint", ""], "checkpoint must be a folder, not ''"),
        (["--checkpoint", "run", "--method", "dense"], 'method "dense" keeps no checkpoint'),
        (["--checkpoint", "run", "--method", "arpack"], 'method "arpack" keeps no checkpoint'),
        (["--checkpoint", "run", "--exact"], "--checkpoint does not apply to --exact"),
    ],
)
def test_bad_options(words, told, refused, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told in refused("spectrum", rows, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_a_damaged_one_of_a_sweep_is_a_row_that_says_so(begun, run, folder, tmp_path):
    (folder / "relu-depth-1-infinite" / "pass-00001.npz").write_bytes(b"")
    path = tmp_path / "out.json"
    status, _, err = run(*begun, "-a", "elu", "--json", path)
    assert status == 1
    assert "pass-00001.npz is damaged" in err
    assert [record["error"] is None for record in json.loads(path.read_text())] == [False, True]
    status, _, err = run(*begun)
    assert status == 2
    assert err.count("\n") == 1


def test_a_full_disk_is_one_line(run, rows, folder, monkeypatch):
    words = ["spectrum", rows, "-a", "relu", *LANCZOS, "--checkpoint", folder]
    savez, left = np.savez, [2]

    def full(file, **arrays):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err == (
        f"fastgram: error: {folder / 'relu-depth-1-infinite'}: No space left on device; 2 passes"
        " are stored, and the same call goes on from there\n"
    )
    monkeypatch.undo()
    assert run(*words)[0] == 0


# --- as a user runs it ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_real_interrupt_and_the_command_that_it_prints(tmp_path):
    np.save(tmp_path / "rows.npy", fg.datasets.sphere(1500, 3, seed=0))
    words = ["spectrum", "rows.npy", "-a", "elu", "--method", "lanczos", "--block", "4"]
    words += ["--rtol", "1e-9", "--max-passes", "60", "--memory", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def started(*more):
        return subprocess.Popen(
            [sys.executable, "-m", "fastgram", *more],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    kept = tmp_path / "run" / "elu-depth-1-infinite"
    with started(*words, "--checkpoint", "run") as process:
        while not (kept / "pass-00003.npz").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert err.startswith("fastgram: elu: interrupted after ")
    assert err.count("\n") == 1
    command = err.rstrip("\n").rpartition(": fastgram ")[2]
    with started(*shlex.split(command), "--json", "a.json") as process:
        process.communicate(timeout=300)
    assert process.returncode == 0
    with started(*words, "--json", "b.json") as process:
        process.communicate(timeout=300)
    assert numbers(tmp_path / "a.json") == numbers(tmp_path / "b.json")
