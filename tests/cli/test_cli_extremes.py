"""`fastgram spectrum`: the table that it prints."""

from __future__ import annotations

import json
import math
import re
import sys
import time

import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD, OPEN, Operator, X, made_up

import fastgram as fg
from fastgram.bracket import Bracket
from fastgram.cli.reports.extremes import show_table
from fastgram.cli.sweeps.cases import Case, Task
from fastgram.matrix import operator
from fastgram.network.network import KINDS
from fastgram.support import progress


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
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    fine = made_up(
        (0.0134605013123, 0.0134605013167, 0.013460501315, "certified"),
        (1234567.25, 1345678.25, 1245678.25, "certified"),
    )
    task = Task(X, "x.npy", "unit", {"kind": "gradient"}, {"confidence": 0.999})

    def shown(activation, **shape):
        show_table([Case(task, fg.Network(activation, **shape))], [fine])
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
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    task = Task(X, "x.npy", "unit", {"kind": "gradient"}, {"confidence": 0.999})
    networks = [fg.Network("polynomial", depth=2, width=width) for width in (1000, None)]
    cases = [Case(task, network) for network in networks]
    fine = made_up(
        (0.0134605013123, 0.0134605013167, 0.013460501315, "certified"),
        (1234567.25, 1345678.25, 1245678.25, "certified"),
    )
    for columns in (100, 139, 140, 163, 164, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        show_table(cases, [fine, fine])
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
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
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

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(progress, "LATE_SECONDS", 0.1)
    answers(GOOD)
    monkeypatch.setattr(operator, "GramOperator", Slow)
    status, _, err = run("spectrum", rows, "-a", "relu")
    assert status == 0
    assert ("tables" in err) == terminal


def test_progress_names_the_network(run, rows, answers, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    answers(*[GOOD] * 5)
    words = ["-a", "tanh", "--depth", 1, "--depth", 3, "--width", 100, "--width", "infinite"]
    assert run("spectrum", rows, *words)[2].splitlines() == [
        "tanh, depth 1, width 100 (1 of 4)",
        "tanh, depth 1, infinite width (2 of 4)",
        "tanh, depth 3, width 100 (3 of 4)",
        "tanh, depth 3, infinite width (4 of 4)",
    ]
    assert run("spectrum", rows, "-a", "relu", "--depth", 2)[2] == "relu, depth 2 (1 of 1)\n"
