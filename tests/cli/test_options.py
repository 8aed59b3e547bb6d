"""The command line: the options it refuses and the rows it takes."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD

import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.network.network import KINDS

# --- options -------------------------------------------------------------------------------------


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
        (["--input-weight-variance", "0"], "input_weight_variance must be above 0"),
        (["--input-bias-variance", "-1"], "input_bias_variance must be at least 0"),
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
    network += ["--input-weight-variance", 3, "--input-bias-variance", 0.25]
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
        input_weight_variance=3.0,
        input_bias_variance=0.25,
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


# --- rows ----------------------------------------------------------------------------------------


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


def test_a_folder_without_images(refused, tmp_path):
    (tmp_path / "x.npy").mkdir()
    assert "x.npy holds no images" in refused("spectrum", tmp_path / "x.npy")


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
