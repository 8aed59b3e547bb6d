"""`fastgram spectrum`: the files that it writes, and what is left where it fails."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD, OPEN, ZERO, X

import fastgram
import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.plotting import extremes, sweeps

SCHEMA = {
    "schema": int,
    "activation": str,
    "smooth": bool,
    "kinks": list,
    "kind": str,
    "n": int,
    "d": int,
    "source": str,
    "dim": type(None),
    "sigma": type(None),
    "data_seed": type(None),
    "columns": type(None),
    "rows": str,
    "dtype": str,
    "device": str,
    "weight_variance": float,
    "bias_variance": float,
    "input_weight_variance": type(None),
    "input_bias_variance": type(None),
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


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_results_are_a_table(library):
    tables = pytest.importorskip(library)
    table = tables.json_normalize([{"d": 3, **GOOD.to_dict()}, {"d": 4, **ZERO.to_dict()}])
    assert list(table["d"]) == [3, 4]
    assert list(table["smallest.lower"]) == [GOOD.smallest.lower, 0.0]
    assert list(table["largest.guarantee"]) == ["probabilistic"] * 2


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
    path = tmp_path / "x.csv"
    path.write_text("3,4\n0,2\n")
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


@pytest.mark.slow
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
