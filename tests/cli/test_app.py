"""The command line: help, version and info."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram
import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.network.network import KINDS, READOUTS


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
        "images in idx files (MNIST), CIFAR's .bin or a folder; or a data set in words: sphere:",
        "Columns of DATA to take, and no others: names, numbers or ranges of them (0-3), with",
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
