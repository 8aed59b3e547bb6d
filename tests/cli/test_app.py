"""The command line: what it refuses, what it reads, what it prints and writes."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import typer
from helpers.commands import in_turn, strict

import fastgram
import fastgram as fg
from fastgram.bracket import Bracket, condition_of
from fastgram.cli.extremes import show_table
from fastgram.cli.report import Task
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.results import ExtremeEigenvalues, RitzPairs
from fastgram.matrix import operator
from fastgram.network.network import KINDS, READOUTS
from fastgram.plotting import extremes, sweeps

ROOT = Path(fastgram.__file__).parent.parent
X = fg.datasets.sphere(12, 3, seed=0)

SCHEMA = {
    "activation": str,
    "smooth": bool,
    "kinks": list,
    "kind": str,
    "n": int,
    "d": int,
    "source": str,
    "columns": type(None),
    "rows": str,
    "dtype": str,
    "device": str,
    "weight_variance": float,
    "bias_variance": float,
    "normalize": bool,
    "depth": int,
    "width": type(None),
    "readout": type(None),
    "network_seed": type(None),
    "error": type(None),
    "smallest": dict,
    "largest": dict,
    "condition": dict,
    "noise_floor": float,
    "resolved": bool,
    "converged": bool,
    "rank_bound": int,
    "smallest_pairs": dict,
    "largest_pairs": dict,
    "method": str,
    "block": int,
    "passes": int,
    "seconds": float,
    "message": str,
    "rtol": float,
    "confidence": float,
    "seed": int,
    "version": str,
}


def made_up(smallest, largest=(9.0, 9.2, 9.1, "probabilistic"), **others):
    """A result whose brackets are (lower, upper, estimate, guarantee)."""
    low, high = Bracket(*smallest), Bracket(*largest)
    pairs = RitzPairs(np.array([low.estimate]), np.array([0.0]))
    resolved = low.lower > 0 or low.guarantee == "exact"
    facts = {
        "noise_floor": 1e-12,
        "resolved": resolved,
        "converged": resolved,
        "rank_bound": 12,
        "n": 12,
        "method": "lanczos",
        "block": 12,
        "passes": 5,
        "seconds": 0.25,
        "message": "stopped early",
    }
    condition = condition_of(low, high)
    return ExtremeEigenvalues(low, high, condition, pairs, pairs, **(facts | others))


GOOD = made_up((0.0134, 0.0136, 0.0135, "probabilistic"))
OPEN = made_up((-math.inf, 0.0136, 0.0135, "none"))
ZERO = made_up((0.0, 0.0, 0.0, "exact"))
NOTHING = made_up((0.0, 0.0, 0.0, "exact"), (0.0, 0.0, 0.0, "exact"))


class Operator:
    """In the place of a GramOperator: remembers what it was made of."""

    def __init__(self, X, network, **arguments):
        self.X, self.network, self.arguments = X, network, arguments


@pytest.fixture
def answers(monkeypatch):
    """Make extreme_eigenvalues answer with these, in turn; an exception is raised."""

    def arrange(*results):
        fake, calls = in_turn(*results)
        monkeypatch.setattr(operator, "GramOperator", Operator)
        monkeypatch.setattr(extreme, "extreme_eigenvalues", fake)
        return calls

    return arrange


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, X)
    return str(path)


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-a", "rellu"], "unknown activation 'rellu'; did you mean 'relu'?"),
        (["-a", "relu", "-a", "leaky_relu(slope=1)"], "no parameter 'slope'"),
        (["-a", "leaky_relu(negative_slope=0.2"], "cannot read activation"),
        (["-a", "celu(alpha=-1)"], "alpha must be above 0"),
        (["--kind", "gradiant"], "unknown kind 'gradiant'; did you mean 'gradient'?"),
        (["--kind", "laplace"], f"unknown kind 'laplace' (known: {', '.join(KINDS)})"),
        (["--depth", "0"], "depth must be at least 1, not 0"),
        (["--depth", "3", "--depth", "-2"], "depth must be at least 1, not -2"),
        (["--depth", "deep"], "'--depth'"),
        (["--depth", "1.5"], "'--depth'"),
        (["--width", "0"], "width must be an integer of at least 1 or infinite, not '0'"),
        (["--width", "infinite", "--width", "-5"], "at least 1 or infinite, not '-5'"),
        (["--width", "wide"], "width must be an integer of at least 1 or infinite, not 'wide'"),
        (["--width", "1e3"], "width must be an integer of at least 1 or infinite, not '1e3'"),
        (["--readout", "signs"], "unknown readout 'signs'"),
        (["--network-seed", "-1"], "network-seed must be at least 0, not -1"),
        (["--network-seed", "x"], "'--network-seed'"),
        (["--weight-variance", "0"], "weight_variance must be above 0"),
        (["--bias-variance", "-1"], "bias_variance must be at least 0"),
        (["--rows", "units"], "unknown rows 'units'; did you mean 'unit'?"),
        (["--rtol", "0"], "rtol must be above 0"),
        (["--rtol", "nan"], "rtol must be finite"),
        (["--rtol", "small"], "'--rtol'"),
        (["--confidence", "1"], "confidence must be below 1"),
        (["--method", "lancos"], "unknown method 'lancos'; did you mean 'lanczos'?"),
        (["--block", "0"], "block must be at least 1"),
        (["--max-passes", "0"], "max-passes must be at least 1"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--dtype", "float16"], "unknown dtype 'float16'"),
        (["--device", "gqu"], "unknown device 'gqu'; did you mean 'gpu'?"),
        (["--memory", "2X"], "memory must be a number of bytes, as in 500M or 2G, not '2X'"),
        (["--memory", "-1"], "memory must be a number of bytes"),
        (["--colour", "red"], "No such option: --colour"),
        (["--json", "no/such/folder/out.json"], "cannot write no/such/folder/out.json: No such"),
        (["--json", "."], "not a plain file"),
        (["--json", "rows.npy"], "that ending is for data"),
        (["--plot", "no/such/folder/out.png"], "cannot write no/such/folder/out.png: No such"),
        (["--plot", "out.jpg"], "out.jpg: a figure ends in one of .png, .svg, .pdf"),
    ],
)
def test_bad_options_are_one_line(refused, words, told):
    assert told in refused("spectrum", *words)


def test_an_unknown_command_is_one_line(refused):
    assert "No such command 'spectra'" in refused("spectra")


def test_memory_takes_suffixes(run, rows, answers):
    for text, number in [
        ("0", 0),
        ("1000", 1000),
        ("500M", 500 * 2**20),
        ("2g", 2 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("4 KB", 4096),
    ]:
        calls = answers(GOOD)
        assert run("spectrum", rows, "-a", "relu", "--memory", text)[0] == 0
        assert calls[0][0].arguments["memory"] == number


def test_options_reach_the_library(run, rows, answers):
    calls = answers(GOOD)
    network = ["--weight-variance", 2, "--bias-variance", 0.5, "--normalize", "--kind", "nngp"]
    network += ["--depth", 2, "--width", 50, "--readout", "gaussian", "--network-seed", 7]
    request = ["--rtol", 0.1, "--confidence", 0.9, "--method", "lanczos", "--block", 3]
    request += ["--max-passes", 7, "--seed", 4, "--dtype", "float32"]
    assert run("spectrum", rows, "-a", "leaky_relu(negative_slope=0.2)", *network, *request)[0] == 0
    op, arguments = calls[0]
    expected = fg.Network(
        "leaky_relu(negative_slope=0.2)",
        depth=2,
        width=50,
        weight_variance=2.0,
        bias_variance=0.5,
        normalize=True,
        readout="gaussian",
        seed=7,
    )
    assert op.network == expected
    assert op.arguments == {"kind": "nngp", "device": "cpu", "dtype": "float32", "memory": None}
    assert arguments == {
        "rtol": 0.1,
        "confidence": 0.9,
        "method": "lanczos",
        "block": 3,
        "max_passes": 7,
        "seed": 4,
        "progress": False,
    }


def shapes(calls):
    networks = [op.network for op, _ in calls]
    return [(network.activation.name, network.depth, network.width) for network in networks]


def test_a_sweep_is_every_combination_in_the_order_given(run, rows, answers):
    calls = answers(*[GOOD] * 12)
    words = ["-a", "tanh", "-a", "relu", "--depth", 3, "--depth", 1]
    words += ["--width", 20, "--width", "infinite", "--width", 5]
    status, out, _ = run("spectrum", rows, *words)
    assert status == 0
    assert shapes(calls) == [
        (name, depth, width)
        for name in ("tanh", "relu")
        for depth in (3, 1)
        for width in (20, None, 5)
    ]
    assert len(out.splitlines()) == 3 + 12


@pytest.mark.parametrize("method", extreme.METHODS)
def test_every_method_answers(run, rows, method):
    record = strict(run("spectrum", rows, "-a", "relu", "--method", method, "--json", "-")[1])[0]
    assert record["method"] == ("dense" if method == "auto" else method)
    assert record["smallest"]["upper"] > 0.0


def test_a_value_that_is_given_twice_is_done_once(run, rows, answers):
    calls = answers(GOOD, GOOD)
    words = ["--depth", 2, "--depth", 1, "--depth", 2, "--width", "infinite", "--width", "infinite"]
    assert run("spectrum", rows, "-a", "relu", *words)[0] == 0
    assert shapes(calls) == [("relu", 2, None), ("relu", 1, None)]


def test_one_hidden_layer_and_infinite_width_are_the_default(run, rows, answers):
    calls = answers(GOOD, GOOD)
    run("spectrum", rows, "-a", "relu")
    assert calls[0][0].network == fg.Network("relu")
    run("spectrum", rows, "-a", "relu", "--depth", 1, "--width", "infinite")
    assert calls[1][0].network == fg.Network("relu")


# --- rows --------------------------------------------------------------------------------------


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


# every case of reading a file is in test_inputs.py
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.npy", None, "x.npy: No such file or directory"),
        ("x.xls", "1,2", "x.xls: cannot tell what it holds; known endings: .npy, .npz, .csv"),
        ("x.npy", "1,2", "x.npy is not a .npy file of numbers"),
        ("x.npy", pickle.dumps([1]), "x.npy is not a .npy file of numbers"),
        ("x.npy", npy(np.array([[1, "a"]], dtype=object)), "x.npy is not a .npy file of numbers"),
        ("x.npy", npy(np.array([["a", "b"]])), "x.npy must hold real numbers, not <U1"),
        ("x.npz", pickle.dumps([1]), "x.npz is not a .npz file of numbers"),
        ("x.csv", "1,2\n3,4\n5\n", "x.csv: line 3 has 1 cell where other lines have 2"),
        ("x.csv", "a,b\n1,2\n3,four\n", "column b is not a number in line 3: 'four'; to leave it"),
        ("x.csv", "1,2\n3,nan\n", "x.csv: column 1 has no value in line 2"),
        ("x.csv", npy(np.ones((2, 2))), "x.csv is not text"),
    ],
)
def test_bad_files_are_one_line(refused, tmp_path, name, content, told):
    if content is not None:
        write(tmp_path / name, content)
    assert told in refused("spectrum", tmp_path / name)


def test_a_folder_is_no_file(refused, tmp_path):
    (tmp_path / "x.npy").mkdir()
    assert "x.npy: Is a directory" in refused("spectrum", tmp_path / "x.npy")


def test_rows_are_scaled_and_it_is_said(run, tmp_path, answers):
    path = write(tmp_path / "x.csv", "3,4\n0,2\n")
    calls = answers(GOOD)
    _, out, _ = run("spectrum", path, "-a", "relu")
    assert calls[0][0].X.tolist() == [[0.6, 0.8], [0.0, 1.0]]
    assert f"gradient Gram matrix of {path}, 2 x 2, rows scaled to norm 1, confidence" in out
    calls = answers(GOOD)
    _, out, _ = run("spectrum", path, "-a", "relu", "--rows", "raw")
    assert calls[0][0].X.tolist() == [[3.0, 4.0], [0.0, 2.0]]
    assert "rows as they are" in out


def test_a_zero_row_cannot_be_scaled(refused, run, tmp_path, monkeypatch, answers):
    path = write(tmp_path / "x.csv", "3,4\n0,0\n")
    assert f"{path}: line 2 is zero" in refused("spectrum", path)
    as_array = write(tmp_path / "x.npy", npy(np.array([[3, 4], [0, 0]])))
    assert f"{as_array}: row 1 is zero" in refused("spectrum", as_array)
    monkeypatch.undo()
    answers(GOOD)
    assert run("spectrum", path, "-a", "relu", "--rows", "raw")[0] == 0


@pytest.mark.parametrize("words", [["-a", "relu"], ["-a", "relu", "-a", "tanh"]])
def test_a_row_of_a_text_file_is_its_line_in_every_message(run, tmp_path, words):
    path = write(tmp_path / "x.csv", "# large\na,b\n3,4\n\n1e200,1\n")
    status, _, err = run("spectrum", path, "--rows", "raw", *words)
    assert status == (2 if len(words) == 2 else 1)
    assert err.count("squared norm of line 5 overflows") == len(words) // 2
    as_array = write(tmp_path / "x.npy", npy(np.array([[3, 4], [1e200, 1]])))
    assert (
        "squared norm of row 1 overflows" in run("spectrum", as_array, "--rows", "raw", *words)[2]
    )
    zero = write(tmp_path / "zero.csv", "a,b\n3,4\n0,0\n")
    err = run("spectrum", zero, "--exact", "--rows", "raw", *words)[2]
    assert "line 3 is zero and has no direction" in err


def test_what_was_taken_is_in_the_heading(run, tmp_path, answers):
    path = write(tmp_path / "x.csv", "id,wide,high,kind\n7,3,4,a\n8,0,2,b\n")
    words = ["-a", "relu", "--rows", "raw", "--drop", "id"]
    calls = answers(GOOD, GOOD, GOOD)
    out = run("spectrum", path, *words)[1]
    assert calls[0][0].X.tolist() == [[3.0, 4.0], [0.0, 2.0]]
    assert f"Gram matrix of {path}, 2 x 2, rows as they are, confidence" in out.splitlines()[0]
    assert out.splitlines()[1] == "columns wide, high; left out: id (dropped), kind (text)"
    record = strict(run("spectrum", path, *words, "--label", "wide", "--json", "-")[1])[0]
    assert calls[1][0].X.tolist() == [[4.0], [2.0]]
    assert (record["source"], record["columns"], record["d"]) == (str(path), ["high"], 1)
    run("spectrum", path, "-a", "relu", "--rows", "raw", "--columns", "2,id", "--columns", "-3")
    assert calls[2][0].X.tolist() == [[4.0, 7.0, 3.0], [2.0, 8.0, 0.0]]


def test_columns_of_the_digits_are_chosen(run, answers):
    calls = answers(GOOD)
    out = run("spectrum", "-a", "relu", "--label", "0", "--rows", "raw")[1]
    assert calls[0][0].X.tolist() == fg.datasets.digits()[:, 1:].tolist()
    assert out.splitlines()[1] == "columns 1 to 63 of 64; label 0"


@pytest.mark.parametrize("question", ["--density", "--exact"])
def test_what_was_taken_is_said_of_every_question(run, tmp_path, question):
    path = write(tmp_path / "x.csv", "a,b,kind\n3,4,x\n0,2,y\n")
    status, out, _ = run("spectrum", path, "-a", "relu", question)
    assert status == 0
    assert out.splitlines()[1] == "columns a, b; left out: kind (text)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--drop", "size"], "x.csv has no column 'size'"),
        (["--columns", "a,"], "--columns must be columns, by name or number, with commas between"),
        (["--columns", "a", "--label", "a"], "column a is in --columns and in --label"),
        (["--drop", "a,b"], "x.csv: no column is left"),
    ],
)
def test_columns_that_are_not_there_are_one_line(refused, tmp_path, words, told):
    path = write(tmp_path / "x.csv", "a,b\n3,4\n0,2\n")
    assert told in refused("spectrum", path, *words)


def test_the_digits_are_the_default(run, answers):
    calls = answers(GOOD, GOOD, GOOD, GOOD, GOOD, GOOD)
    status, out, _ = run("spectrum")
    assert status == 0
    assert "the digits, 1797 x 64" in out
    for op, _ in calls:
        assert op.X.shape == (1797, 64)
        assert np.allclose(np.linalg.norm(op.X, axis=1), 1.0, rtol=1e-15)
    names = [op.network.activation.name for op, _ in calls]
    assert names == ["relu", "elu", "selu", "tanh", "swish", "polynomial"]


# --- the table ---------------------------------------------------------------------------------


def test_a_real_run_agrees_with_lapack(run, rows, tmp_path):
    path = tmp_path / "out.json"
    status, out, err = run("spectrum", rows, "-a", "relu", "-a", "elu", "--json", path)
    assert (status, err) == (0, "")
    scaled = X / np.linalg.norm(X, axis=1, keepdims=True)
    for record in json.loads(path.read_text()):
        values = np.linalg.eigvalsh(fg.gram(scaled, network=record["activation"]))
        for end, value in (("smallest", values[0]), ("largest", values[-1])):
            assert math.isclose(record[end]["estimate"], value, rel_tol=1e-9)
            slack = 1e-12 * values[-1]
            assert record[end]["lower"] - slack <= value <= record[end]["upper"] + slack
        assert f"{record['smallest']['estimate']:.5g}"[:-1] in out


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_sweep_agrees_with_lapack(run, rows, tmp_path, kind):
    path = tmp_path / "out.json"
    words = ["-a", "tanh", "--depth", 1, "--depth", 3, "--width", 40, "--width", "infinite"]
    words += ["--bias-variance", 0.1, "--network-seed", 3, "--kind", kind]
    status, out, err = run("spectrum", rows, *words, "--json", path)
    assert (status, err) == (0, "")
    scaled = X / np.linalg.norm(X, axis=1, keepdims=True)
    records = strict(path.read_text())
    assert [(record["depth"], record["width"]) for record in records] == [
        (1, 40),
        (1, None),
        (3, 40),
        (3, None),
    ]
    for record in records:
        network = fg.Network(
            "tanh", depth=record["depth"], width=record["width"], bias_variance=0.1, seed=3
        )
        values = np.linalg.eigvalsh(fg.gram(scaled, network=network, kind=kind))
        for end, value in (("smallest", values[0]), ("largest", values[-1])):
            slack = 1e-12 * values[-1]
            assert record[end]["lower"] - slack <= value <= record[end]["upper"] + slack
    assert len({record["largest"]["estimate"] for record in records}) == 4
    assert len(out.splitlines()) >= 3 + 4


def heads(out):
    return out.splitlines()[1].split()


def test_depth_and_width_are_shown_where_they_tell(run, rows, answers):
    answers(*[GOOD] * 20)
    out = run("spectrum", rows, "-a", "relu")[1]
    assert heads(out)[:2] == ["activation", "regularity"]
    assert "norm 1, confidence 0.999" in out
    out = run("spectrum", rows, "-a", "relu", "--depth", 3)[1]
    assert heads(out)[:3] == ["activation", "depth", "regularity"]
    assert out.splitlines()[0].endswith("rows scaled to norm 1, 3 hidden layers, confidence 0.999")
    assert out.splitlines()[3].split()[:3] == ["relu", "3", "kinked"]
    out = run("spectrum", rows, "-a", "relu", "--width", 1000)[1]
    assert heads(out)[:3] == ["activation", "width", "regularity"]
    assert out.splitlines()[0].endswith("rows scaled to norm 1, width 1000, confidence 0.999")
    out = run("spectrum", rows, "-a", "relu", "--depth", 1, "--depth", 12)[1]
    assert heads(out)[:3] == ["activation", "depth", "regularity"]
    assert [line.split()[:2] for line in out.splitlines()[3:]] == [["relu", "1"], ["relu", "12"]]
    assert "hidden" not in out
    words = ["--depth", 2, "--width", 9, "--width", "infinite"]
    out = run("spectrum", rows, "-a", "relu", *words)[1]
    assert "norm 1, 2 hidden layers, confidence" in out
    assert heads(out)[:4] == ["activation", "depth", "width", "regularity"]
    assert [line.split()[:3] for line in out.splitlines()[3:]] == [
        ["relu", "2", "9"],
        ["relu", "2", "infinite"],
    ]


def test_a_note_names_the_network(run, rows, answers):
    low = made_up((0.0, 1e-12, 5e-13, "probabilistic"), message="below the floor")
    answers(GOOD, low)
    words = ["-a", "tanh", "--depth", 3, "--width", 7, "--width", "infinite"]
    out = run("spectrum", rows, *words)[1]
    assert out.splitlines()[4].split()[:4] == ["tanh", "(1)", "3", "infinite"]
    assert out.splitlines()[5] == (
        "(1) tanh, depth 3, infinite width: not resolved: below the floor"
    )


def with_nonzero(result, bracket):
    object.__setattr__(result, "smallest_nonzero", bracket)
    return result


def test_the_smallest_nonzero_eigenvalue_is_told(run, rows, answers, tmp_path):
    path = tmp_path / "out.json"
    zero = with_nonzero(made_up((0.0, 0.0, 0.0, "exact")), Bracket(0.25, 0.26, 0.255, "certified"))
    answers(GOOD, zero, with_nonzero(made_up((0.0, 0.0, 0.0, "exact")), None))
    words = ["-a", "tanh", "-a", "relu", "-a", "elu", "--json", path]
    out = run("spectrum", rows, *words)[1]
    assert out.splitlines()[6:] == [
        "(1) relu: smallest nonzero eigenvalue 0.255 in [0.25, 0.26] (certified)"
    ]
    tanh, relu, elu = strict(path.read_text())
    assert relu["smallest_nonzero"] == {
        "lower": 0.25,
        "upper": 0.26,
        "estimate": 0.255,
        "guarantee": "certified",
    }
    assert tanh["smallest_nonzero"] is None
    assert elu["smallest_nonzero"] is None


def test_a_piped_table_is_whole(run, rows, answers, monkeypatch):
    # tools that ask for colours everywhere must not get them into a file
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    name = "polynomial(coefficients=[0.0, 1.0, 0.0, 2.0])"
    answers(GOOD, made_up((0.01346050131, 0.01346050167, 0.0134605015, "certified")))
    _, out, _ = run("spectrum", rows, "-a", "relu", "-a", name)
    lines = [line.split() for line in out.splitlines()]
    assert "\x1b" not in out
    assert "…" not in out
    assert len(lines) == 5  # what was computed, the heads, a rule, two results
    heads = "activation regularity λ_min guarantee λ_max condition passes seconds"
    assert " ".join(lines[1]) == heads
    assert " ".join(lines[3]) == (
        "relu kinked at 0 0.0135 [0.0134, 0.0136] probabilistic 9.1 [9, 9.2] 674.1 5 0.2"
    )
    assert name in out
    assert "0.0134605015 [0.01346050131, 0.01346050167] certified / probabilistic" in " ".join(
        lines[4]
    )


def test_what_is_not_settled_is_marked_and_explained(run, rows, answers):
    answers(
        GOOD,
        made_up((0.0, 1e-12, 5e-13, "probabilistic"), message="below the floor [sic] :tada:"),
        made_up((0.01, 0.02, 0.015, "probabilistic"), converged=False, message="out of passes"),
        OPEN,
    )
    words = [word for name in ("relu", "tanh", "swish", "elu") for word in ("-a", name)]
    _, out, _ = run("spectrum", rows, *words)
    lines = out.splitlines()
    assert lines[3].split()[:2] == ["relu", "kinked"]
    assert [lines[k].split()[:2] for k in (4, 5, 6)] == [
        ["tanh", "(1)"],
        ["swish", "(2)"],
        ["elu", "(3)"],
    ]
    assert "> 9e+12" in lines[4]
    assert "[-inf, 0.0136]" in lines[6]
    assert lines[7:] == [
        "(1) tanh: not resolved: below the floor [sic] :tada:",
        "(2) swish: not converged: out of passes",
        "(3) elu: not resolved: stopped early",
    ]


def test_exact_zeros(run, rows):
    _, out, _ = run("spectrum", rows, "-a", "linear", "-a", "step")
    linear, step, note = out.splitlines()[3:]
    assert note.startswith("(1) linear: smallest nonzero eigenvalue")
    assert "0 (exact)" in linear
    assert "infinite" in linear
    assert step.count("0 (exact)") == 2
    assert "undefined" in step


def test_a_bracket_that_no_digits_tell_apart(run, rows, answers):
    third = 1.0 / 3.0
    answers(made_up((third, third + 1e-16, third, "certified")))
    _, out, _ = run("spectrum", rows, "-a", "relu")
    assert "0.333333 [0.333333, 0.333333]" in out


@pytest.mark.parametrize("columns", [80, 60])
def test_a_narrow_terminal_folds_and_does_not_cut(monkeypatch, capsys, columns):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    fine = made_up(
        (0.0134605013123, 0.0134605013167, 0.013460501315, "certified"),
        (1234567.25, 1345678.25, 1245678.25, "certified"),
    )
    task = Task(X, "x.npy", "unit", {"kind": "gradient"}, {"confidence": 0.999})

    def shown(activation, **shape):
        show_table(task, [fg.Network(activation, **shape)], [fine])
        out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
        assert max(map(len, out.splitlines())) <= columns
        assert "…" not in out
        words = out.split()
        for number in ("0.013460501315", "[0.0134605013123,", "0.0134605013167]", "[1.235e+06,"):
            assert number in words
        return words

    assert columns < 80 or "(negative_slope=0.25)" in shown("leaky_relu(negative_slope=0.25)")
    words = shown(fg.Activation("a" * 70, np.sinh, np.cosh))
    assert sum(len(word) for word in words if set(word) == {"a"}) == 70
    words = " ".join(shown("tanh", depth=3, width=1000))
    assert "3 hidden layers, width 1000, confidence" in words
    assert columns < 80 or "depth 3" in words


def test_a_table_has_room_for_depth_and_width(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    task = Task(X, "x.npy", "unit", {"kind": "gradient"}, {"confidence": 0.999})
    networks = [fg.Network("polynomial", depth=2, width=width) for width in (1000, None)]
    fine = made_up(
        (0.0134605013123, 0.0134605013167, 0.013460501315, "certified"),
        (1234567.25, 1345678.25, 1245678.25, "certified"),
    )
    for columns in (100, 139, 140, 163, 164, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        show_table(task, networks, [fine, fine])
        out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
        assert max(map(len, out.splitlines())) <= columns
        assert "…" not in out
        assert "0.013460501315" in out
        for word in ("depth", "width", "infinite", "1000"):
            assert word in out
        wide = "[0.0134605013123, 0.0134605013167]" in out  # on one line
        assert wide == (columns >= 164)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(run, rows, answers, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    calls = answers(GOOD, GOOD)
    _, out, err = run("spectrum", rows, "-a", "relu", "-a", "tanh")
    assert [arguments["progress"] for _, arguments in calls] == [terminal, terminal]
    assert err == ("relu (1 of 2)\ntanh (2 of 2)\n" if terminal else "")
    assert "of 2)" not in out


@pytest.mark.parametrize("terminal", [True, False])
def test_making_tables_has_a_line_where_it_takes_long(run, rows, answers, monkeypatch, terminal):
    class Slow(Operator):
        def __init__(self, *arguments, **options):
            time.sleep(0.5)
            super().__init__(*arguments, **options)

    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("fastgram.support.progress._LATE", 0.1)
    answers(GOOD)
    monkeypatch.setattr(operator, "GramOperator", Slow)
    status, _, err = run("spectrum", rows, "-a", "relu")
    assert status == 0
    assert ("tables" in err) == terminal


def test_progress_names_the_network(run, rows, answers, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    answers(*[GOOD] * 5)
    words = ["-a", "tanh", "--depth", 1, "--depth", 3, "--width", 100, "--width", "infinite"]
    assert run("spectrum", rows, *words)[2].splitlines() == [
        "tanh, depth 1, width 100 (1 of 4)",
        "tanh, depth 1, infinite width (2 of 4)",
        "tanh, depth 3, width 100 (3 of 4)",
        "tanh, depth 3, infinite width (4 of 4)",
    ]
    assert run("spectrum", rows, "-a", "relu", "--depth", 2)[2] == "relu, depth 2 (1 of 1)\n"


# --- JSON --------------------------------------------------------------------------------------


def test_the_one_pass_bound_is_in_the_json(run, rows):
    words = ("--method", "lanczos", "--block", 2, "--max-passes", 2, "--json", "-")
    _, out, _ = run("spectrum", rows, "-a", "relu", *words)
    (record,) = strict(out)
    assert 0.0 < record["one_pass_lower"] <= record["smallest"]["upper"]


def test_json_schema(run, rows):
    status, out, err = run("spectrum", rows, "-a", "elu(alpha=0.5)", "-a", "linear", "--json", "-")
    assert (status, err) == (0, "")
    records = strict(out)  # and nothing but JSON on standard output
    assert len(records) == 2
    assert records[0]["smallest_nonzero"] is None
    assert list(records[1]["smallest_nonzero"]) == ["lower", "upper", "estimate", "guarantee"]
    for record in records:
        optional = ("smallest_nonzero", "one_pass_lower")
        types = {key: type(value) for key, value in record.items() if key not in optional}
        assert types == SCHEMA
        assert record["one_pass_lower"] is None  # the dense method has no need of it
        for end in ("smallest", "largest", "condition"):
            assert list(record[end]) == ["lower", "upper", "estimate", "guarantee"]
    elu, linear = records
    assert elu["activation"] == "elu(alpha=0.5)"
    assert (elu["smooth"], elu["kinks"], linear["smooth"], linear["kinks"]) == (
        False,
        [0],
        True,
        [],
    )
    assert (elu["n"], elu["d"], elu["rows"], elu["rank_bound"]) == (12, 3, "unit", 12)
    assert (elu["kind"], elu["dtype"], elu["device"]) == ("gradient", "float64", "cpu")
    assert (elu["rtol"], elu["confidence"], elu["seed"]) == (1e-2, 0.999, 0)
    assert (elu["resolved"], elu["converged"]) == (True, True)
    assert elu["version"] == fastgram.__version__
    assert linear["rank_bound"] == 3
    assert linear["smallest"] == {"lower": 0, "upper": 0, "estimate": 0, "guarantee": "exact"}
    assert linear["condition"]["upper"] is None


def test_json_is_what_to_dict_returns(run, rows):
    scaled = X / np.linalg.norm(X, axis=1, keepdims=True)
    op = fg.GramOperator(scaled, "linear")
    for words, answer in [
        ([], fg.extreme_eigenvalues(op)),
        (["--density"], fg.spectral_density(op)),
        (["--exact"], fg.exact_extreme_eigenvalues(X, "linear")),
    ]:
        (record,) = strict(run("spectrum", rows, "-a", "linear", *words, "--json", "-")[1])
        expected = answer.to_dict()
        assert set(expected) <= set(record)
        for key in set(expected) - {"seconds", "noise_floor"}:
            assert record[key] == expected[key], key


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_is_the_json_as_a_table(run, rows, tmp_path):
    path, other = tmp_path / "out.csv", tmp_path / "out.json"
    words = ["-a", "elu(alpha=0.5)", "-a", "linear", "--csv", path, "--json", other]
    status, out, err = run("spectrum", rows, *words)
    assert (status, err) == (0, "")
    assert "elu(alpha=0.5)" in out
    lines = table(path.read_text())
    for line, record in zip(lines, strict(other.read_text()), strict=True):
        assert line["activation"] == record["activation"]
        assert line["columns"] == ""
        assert line["error"] == ""
        for end in ("smallest", "largest", "condition"):
            for key, value in record[end].items():
                assert line[f"{end}_{key}"] == ("" if value is None else str(value))
        assert line["message"] == record["message"]
    assert [line["smallest_nonzero_guarantee"] for line in lines] == ["", "certified"]
    assert "smallest_nonzero" not in lines[0]


def test_csv_goes_to_standard_output(run, rows, answers):
    answers(GOOD, ValueError("no"))
    status, out, _ = run("spectrum", rows, "-a", "relu", "-a", "tanh", "--csv", "-")
    assert status == 1
    relu, tanh = table(out)
    assert (relu["smallest_estimate"], relu["error"]) == ("0.0135", "")
    assert (tanh["smallest_estimate"], tanh["error"]) == ("", "no")


def test_csv_of_the_other_questions(run, rows):
    (line,) = table(run("spectrum", rows, "-a", "relu", "--density", "--csv", "-")[1])
    assert float(line["quantile_0.5_lower"]) <= float(line["quantile_0.5_upper"])
    assert float(line["trace_estimate"]) == pytest.approx(6.0)
    assert not any("distribution" in key for key in line)
    (line,) = table(run("spectrum", rows, "-a", "relu", "--exact", "--csv", "-")[1])
    assert float(line["smallest_digits"]) == pytest.approx(float(line["smallest_lower"]))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--json", "-", "--csv", "-"], "cannot write -: another output is there"),
        (["--json", "same", "--csv", "./same"], "cannot write ./same: another output is there"),
        (["--csv", "no/such/folder/x.csv"], "cannot write no/such/folder/x.csv: No such"),
    ],
)
def test_outputs_that_would_be_lost(refused, words, told):
    assert told in refused("spectrum", *words)


def test_data_are_not_written_over(refused, tmp_path):
    path = write(tmp_path / "x.csv", "3,4\n0,2\n")
    (tmp_path / "link.csv").symlink_to(path)
    assert "the data are there" in refused("spectrum", path, "--csv", tmp_path / "link.csv")
    assert path.read_text() == "3,4\n0,2\n"


def test_json_of_a_finite_network(run, rows, answers):
    answers(GOOD, GOOD)
    words = ["--depth", 2, "--width", 30, "--width", "infinite", "--readout", "gaussian"]
    words += ["--network-seed", 5, "--seed", 9]
    finite, infinite = strict(run("spectrum", rows, "-a", "relu", *words, "--json", "-")[1])
    keys = ("depth", "width", "readout", "network_seed", "seed")
    assert [finite[key] for key in keys] == [2, 30, "gaussian", 5, 9]
    assert [infinite[key] for key in keys] == [2, None, None, None, 9]


def test_infinite_numbers_become_null(run, rows, answers):
    answers(OPEN)
    record = strict(run("spectrum", rows, "-a", "relu", "--json", "-")[1])[0]
    assert record["smallest"] == {
        "lower": None,
        "upper": 0.0136,
        "estimate": 0.0135,
        "guarantee": "none",
    }
    assert record["condition"] is None  # λ_min may be negative


def test_what_is_done_is_not_lost(run, rows, answers, tmp_path):
    path = tmp_path / "out.json"
    path.write_text("old")
    reader = path.open()
    calls = answers(GOOD, OSError(5, "Input/output error", "disk"))
    status, out, err = run("spectrum", rows, "-a", "relu", "-a", "tanh", "--json", path)
    assert status == 2
    assert err == "fastgram: error: disk: Input/output error\n"
    assert len(calls) == 2
    assert [record["activation"] for record in strict(path.read_text())] == ["relu"]
    assert "0.0135 [0.0134, 0.0136]" in out
    with reader:  # whoever reads the old file meets no half of the new one
        assert reader.read() == "old"
    answers(GOOD, OSError(5, "Input/output error", "disk"))
    _, out, _ = run("spectrum", rows, "-a", "relu", "-a", "tanh", "--json", "-")
    assert [record["activation"] for record in strict(out)] == ["relu"]


def test_a_variance_that_vanishes_loses_no_row(run, rows):
    words = ["-a", "polynomial(coefficients=[0, 1, 1])", "--weight-variance", 1e-6]
    status, out, err = run("spectrum", rows, *words, "--depth", 60, "--depth", 1)
    assert status == 1
    assert err.count("\n") == 1
    assert err.startswith("fastgram: error: polynomial, depth 60: ")
    failed, done, *notes = out.splitlines()[3:]
    assert failed.split()[-2:] == ["smooth", "failed"]
    assert done.split()[0].startswith("polynomial")
    assert notes[0].startswith("(1) polynomial, depth 60: failed: ")


@pytest.mark.parametrize("error", [ValueError, NotImplementedError, TypeError, MemoryError])
def test_what_cannot_be_done_in_a_sweep_is_one_row(run, rows, answers, tmp_path, error):
    path = tmp_path / "out.json"
    figure = tmp_path / "out.png"
    words = ["-a", "tanh", "--depth", 1, "--depth", 90, "--depth", 2]
    calls = answers(GOOD, error("the variance vanishes\nat layer 77"), GOOD)
    status, out, err = run("spectrum", rows, *words, "--json", path, "--plot", figure)
    assert status == 1
    told = "tanh, depth 90: the variance vanishes at layer 77"
    assert err == f"fastgram: error: {told}\n"
    assert len(calls) == 3
    records = strict(path.read_text())
    assert [record["depth"] for record in records] == [1, 90, 2]
    assert [record["error"] for record in records] == [None, told[16:], None]
    assert "smallest" not in records[1]
    assert out.count("0.0135 [0.0134, 0.0136]") == 2
    assert out.splitlines()[-1] == f"(1) {told.replace(': ', ': failed: ')}"
    assert figure.exists()
    answers(GOOD, error("no"), GOOD)
    status, out, _ = run("spectrum", rows, *words, "--json", "-")
    assert (status, [record["error"] for record in strict(out)]) == (1, [None, "no", None])


def test_a_sweep_of_which_nothing_is_left_has_no_figure(run, rows, answers, tmp_path):
    answers(ValueError("no"), ValueError("neither"))
    figure = tmp_path / "out.png"
    status, out, err = run("spectrum", rows, "-a", "tanh", "-a", "relu", "--plot", figure)
    assert (status, err.count("\n")) == (1, 2)
    assert out.splitlines()[-2:] == ["(1) tanh: failed: no", "(2) relu: failed: neither"]
    assert not figure.exists()


@pytest.mark.parametrize("error", [ValueError, MemoryError])
def test_a_single_network_that_fails_is_an_error(run, rows, answers, error):
    answers(error("the variance vanishes"))
    status, out, err = run("spectrum", rows, "-a", "tanh", "--depth", 90)
    assert (status, out) == (2, "")
    assert err == "fastgram: error: the variance vanishes\n"


def test_json_is_written_after_each_result(run, rows, answers, tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    seen = []
    answers(GOOD, ZERO)
    fake = extreme.extreme_eigenvalues

    def looking(op, **arguments):
        seen.append(len(strict(path.read_text())) if path.exists() else 0)
        return fake(op, **arguments)

    monkeypatch.setattr(extreme, "extreme_eigenvalues", looking)
    run("spectrum", rows, "-a", "relu", "-a", "tanh", "--json", path)
    assert seen == [0, 1]
    assert len(strict(path.read_text())) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "rows.npy"]


def test_a_failed_write_leaves_the_old_file(run, rows, answers, tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_text("old")
    answers(GOOD)

    def full(self, *args, **kwargs):
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    status, _, err = run("spectrum", rows, "-a", "relu", "--json", path)
    assert status == 2
    assert "No space left on device" in err
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "rows.npy"]


def test_a_link_to_the_json_file_stays_a_link(run, rows, answers, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    answers(GOOD)
    run("spectrum", rows, "-a", "relu", "--json", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert len(strict((tmp_path / "real.json").read_text())) == 1


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no such device here")
def test_a_device_is_not_replaced_by_a_file(refused):
    assert "not a plain file" in refused("spectrum", "--json", "/dev/null")


def test_a_figure_is_written(run, rows, answers, tmp_path):
    answers(GOOD, ZERO)
    path = tmp_path / "out.png"
    assert run("spectrum", rows, "-a", "relu", "-a", "tanh", "--plot", path)[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ([], "plot_extremes"),
        (["--depth", 3], "plot_extremes"),
        (["--width", 30], "plot_extremes"),
        (["--depth", 1, "--depth", 3], "plot_sweep"),
        (["--width", 30, "--width", "infinite"], "plot_sweep"),
    ],
)
def test_a_sweep_is_drawn_as_lines(run, rows, answers, tmp_path, monkeypatch, words, drawn):
    calls = []
    for module, name in ((extremes, "plot_extremes"), (sweeps, "plot_sweep")):
        real = getattr(module, name)

        def noting(*args, name=name, real=real, **options):
            calls.append(name)
            return real(*args, **options)

        monkeypatch.setattr(module, name, noting)
    answers(GOOD, ZERO, GOOD, OPEN)
    path = tmp_path / "out.svg"
    assert run("spectrum", rows, "-a", "relu", "-a", "tanh", *words, "--plot", path)[0] == 0
    assert calls == [drawn]
    assert path.read_bytes().startswith(b"<?xml")


def test_no_matplotlib_is_said_before_the_work(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = refused("spectrum", "--plot", tmp_path / "out.png")
    assert "pip install 'fastgram[plot]'" in line


# --- help, info, version -----------------------------------------------------------------------


def test_help_teaches(run):
    status, out, err = run("spectrum", "--help")
    text = " ".join(out.replace("│", " ").split())
    assert (status, err) == (0, "")
    for part in [
        "brackets its smallest and largest eigenvalue",
        "a bracket [lower, upper] that holds the true value",
        "certified: proven, rounding included",
        "fastgram spectrum rows.npy -a relu -a tanh --plot spectrum.png",
        "a table of numbers, one sample a row, in .npy, .npz, .csv, .tsv, .txt, .dat, .data, and",
        "Columns of DATA to take, and no others: names or numbers, with commas between them.",
        "[default: (relu, elu, selu, tanh, swish, polynomial)]",
        "fastgram spectrum table.csv --drop id --label kind -a relu --csv results.csv",
        "fastgram spectrum -a relu -a tanh --normalize --depth 1 --depth 3 --depth 10 --plot",
        "Compare depths with --normalize",
        "a sweep: all their combinations",
        "|".join(KINDS),
        "|".join(READOUTS),
        "[default: (1)]",
        "INTEGER|infinite",
        "[default: (infinite)]",
        "[default: rademacher]",
        "certified: lanczos, then a proof by Cholesky factorisations.",
        "lanczos, with the inverse or a proof where that is cheaper.",
    ]:
        assert part in text
    for panel in ("Network", "Data", "Question", "Computation", "Output"):
        assert f"─ {panel} ─" in out


def test_help_names_every_method(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")  # room for the words side by side
    assert "|".join(extreme.METHODS) in run("spectrum", "--help")[1]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_help_lists_the_commands(run, words):
    status, out, _ = run(*words)
    assert status == 0
    assert "spectrum" in out
    assert "info" in out


def test_version(run):
    assert run("--version") == (0, f"fastgram {fastgram.__version__}\n", "")


def test_info(run):
    status, out, _ = run("info")
    assert status == 0
    for part in [f"fastgram         {fastgram.__version__}", np.__version__, "devices", "cpu"]:
        assert part in out
    for name in fg.activation_names():
        activation = fg.get_activation(name)
        assert any(
            line.split()[0] == name
            and activation.description in line
            and line.rstrip().endswith(activation.regularity)
            for line in out.splitlines()
            if line.strip()
        )


# --- the process -------------------------------------------------------------------------------


def python(*words, **options):
    """Run Python in a process of its own, in the checkout, stopping at warnings as pytest does."""
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        **options,
    )


def test_python_m_fastgram():
    done = python("-m", "fastgram", "spectrum", "missing.npy")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "fastgram: error: missing.npy: No such file or directory\n"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_parts_the_command_says_what_to_install(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; import fastgram.__main__ as m; "
    done = python("-c", code + "sys.exit(m.main(['info']))")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "the command line needs: pip install 'fastgram[cli]'\n"


def test_importing_fastgram_loads_no_optional_part():
    code = "import sys, fastgram; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = python("-c", code)
    assert done.returncode == 0
    assert not {"typer", "rich", "matplotlib", "tqdm"} & set(done.stdout.split())


def test_an_interrupt_is_quiet(run, rows, answers):
    answers(GOOD, KeyboardInterrupt())
    status, out, err = run("spectrum", rows, "-a", "relu", "-a", "tanh")
    assert (status, err) == (130, "")
    assert "0.0135 [0.0134, 0.0136]" in out


def test_an_interrupt_that_typer_passes_on_as_abort(run, rows, answers):
    answers(typer.Abort())
    assert run("spectrum", rows, "-a", "relu") == (130, "", "")


def test_an_interrupt_before_any_command(run, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastgram.__main__._run", interrupted)
    assert run("info") == (130, "", "")


def test_a_real_interrupt_is_quiet(rows):
    code = (
        "import sys, time\n"
        "from fastgram import eigen\n"
        "from fastgram.__main__ import main\n"
        "def wait(*args, **kwargs):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "eigen.extreme_eigenvalues = wait\n"
        f"sys.exit(main(['spectrum', {rows!r}, '-a', 'relu']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline() == "here\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""


def test_a_warning_is_one_line(run, rows, answers, monkeypatch):
    answers()

    def slow(*args, **kwargs):
        warnings.warn("this will\ntake long", RuntimeWarning, stacklevel=2)
        return GOOD

    monkeypatch.setattr(extreme, "extreme_eigenvalues", slow)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        status, _, err = run("spectrum", rows, "-a", "relu")
    assert status == 0
    assert err == "fastgram: warning: this will take long\n"


def test_letters_that_the_output_has_not(rows):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = python("-m", "fastgram", "info", env=environment)
    assert done.returncode == 0
    assert "relu" in done.stdout


def test_a_bug_keeps_its_traceback(run, rows, answers):
    answers(AttributeError("a bug"))
    with pytest.raises(AttributeError, match="a bug"):
        run("spectrum", rows, "-a", "relu")
