"""`fastgram spectrum --exact`: what it refuses, computes, prints, writes and draws."""

from __future__ import annotations

import math
import re
import sys
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from helpers.commands import in_turn, strict

import fastgram as fg
from fastgram.bracket import Bracket
from fastgram.cli.reports.exact import EXACT
from fastgram.cli.sweeps.cases import Case, Task
from fastgram.exact import built_in, solve
from fastgram.exact.results import ExactEigenvalues
from fastgram.support import memory

N = 7
CIRCLE = fg.datasets.circle(N)

KEYS = [
    "smallest",
    "largest",
    "condition",
    "smallest_digits",
    "largest_digits",
    "condition_digits",
    "rank_bound",
    "precision",
    "seconds",
    "message",
    "digits",
    "version",
]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, CIRCLE)
    return str(path)


@pytest.fixture
def answers(monkeypatch):
    """Make exact_extreme_eigenvalues answer with these, in turn; an exception is raised."""

    def arrange(*results):
        fake, calls = in_turn(*results)
        monkeypatch.setattr(solve, "exact_extreme_eigenvalues", fake)
        return calls

    return arrange


def made_up(**others):
    ends = {"lower": 2.25e-40, "upper": 2.26e-40, "estimate": 2.255e-40}
    facts = {
        "smallest": Bracket(**ends, guarantee="certified"),
        "largest": Bracket(1.5, 1.6, 1.55, "certified"),
        "condition": Bracket(6e39, 7e39, 6.5e39, "certified"),
        "smallest_digits": "2.25468667494000e-40",
        "largest_digits": "1.55000000000001",
        "condition_digits": "6.50000000000001e39",
        "rank_bound": N,
        "n": N,
        "precision": 256,
        "seconds": 0.25,
        "message": "every digit is proven",
    }
    return ExactEigenvalues(**(facts | others))


OPEN = made_up(
    smallest=Bracket(0.0, 1e-60, 0.0, "certified"),
    smallest_digits="",
    condition=Bracket(1.5e60, math.inf, 1.5e60, "certified"),
    condition_digits="",
    message="λ_min is not resolved",
)


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rtol", 1e-2], "--rtol does not apply to --exact"),  # its default, but given
        (["--method", "dense"], "--method does not apply to --exact"),
        (["--block", 4], "--block does not apply to --exact"),
        (["--max-passes", 4], "--max-passes does not apply to --exact"),
        (["--confidence", 0.9], "--confidence does not apply to --exact"),
        (["--dtype", "float64"], "--dtype does not apply to --exact"),
        (["--device", "cpu"], "--device does not apply to --exact"),
        (["--memory", "1G"], "--memory does not apply to --exact"),
        (["--seed", 0, "--rtol", 1], "--rtol and --seed do not apply to --exact"),
        (["--density"], "--density and --exact are different questions"),
        (["--digits", 0], "digits must be at least 1, not 0"),
        (["--digits", 1001], "digits must be at most 1000, not 1001"),
        (["--digits", "many"], "'--digits'"),
        (["--width", 0], "width must be an integer of at least 1 or infinite, not '0'"),
        (["--width", 10**9], "exact eigenvalues of 7 rows"),
        (["--kind", "laplace"], "unknown kind 'laplace'"),
        (["--json", "no/such/folder/out.json"], "cannot write"),
    ],
)
def test_bad_options_are_one_line(refused, rows, words, told):
    assert told in refused("spectrum", rows, "--exact", *words)


def test_digits_are_for_exact(refused, rows):
    assert "--digits does not apply without --exact" in refused("spectrum", rows, "--digits", 15)


def test_what_does_not_fit_is_refused(refused, tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.ones((2001, 2)))
    line = refused("spectrum", path, "--exact")
    assert f"--exact takes at most 2000 rows, and {path} has 2001" in line
    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    assert "exact eigenvalues of 1797 rows" in refused("spectrum", "--exact")  # the digits


def test_long_work_is_announced(run, answers, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10**12)
    answers(made_up(), made_up())
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        status, _, err = run("spectrum", "--exact", "-a", "relu")
    assert status == 0
    assert err == (
        "fastgram: warning: --exact with 1797 rows takes about 7 minutes or more a network, and"
        " 5.2 GB of memory\n"
    )


def test_rows_that_have_no_direction_are_refused(refused, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("3,4\n0,0\n")
    assert "line 2 is zero" in refused("spectrum", path, "--exact")


def test_many_norms_are_refused_where_each_takes_a_series(refused, run, tmp_path, rows):
    path = tmp_path / "x.npy"
    np.save(path, CIRCLE.repeat(2, axis=0) * np.arange(1.0, 2 * N + 1.0)[:, None])
    words = ["--exact", "-a", "tanh", "-a", "swish", "--rows", "raw"]
    assert "tanh takes a series for each" in refused("spectrum", path, *words)


def test_without_python_flint_it_says_what_to_install(refused, rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    assert "pip install 'fastgram[exact]'" in refused("spectrum", rows, "--exact")


@pytest.mark.parametrize("scaling", ["unit", "raw"])
def test_options_reach_the_library(run, tmp_path, answers, scaling):
    path = tmp_path / "x.csv"
    path.write_text("3,4\n0,2\n")  # taken as they are: ball arithmetic scales them itself
    calls = answers(made_up())
    words = ["--kind", "ntk", "--depth", 2, "--rows", scaling, "--digits", 20]
    words += ["--weight-variance", 2, "--bias-variance", 0.5, "--normalize"]
    assert run("spectrum", path, "--exact", "-a", "relu", *words)[0] == 0
    X, network, arguments = calls[0]
    assert X.tolist() == [[3.0, 4.0], [0.0, 2.0]]
    assert network == fg.Network(
        "relu", depth=2, weight_variance=2.0, bias_variance=0.5, normalize=True
    )
    assert arguments == {"kind": "ntk", "rows": scaling, "digits": 20, "progress": False}


def test_the_default_activations_are_the_same(run, rows, answers):
    calls = answers(*[made_up()] * 6)
    assert run("spectrum", rows, "--exact")[0] == 0
    names = [network.activation.name for _, network, _ in calls]
    assert names == ["relu", "elu", "selu", "tanh", "swish", "polynomial"]


def test_progress_is_for_terminals(run, rows, answers, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    calls = answers(made_up())
    _, _, err = run("spectrum", rows, "--exact", "-a", "relu")
    assert calls[0][2]["progress"]
    assert err == "relu (1 of 1)\n"


# --- results -----------------------------------------------------------------------------------


def circulant(digits):
    """The extreme eigenvalues of the ReLU's gradient Gram matrix at the regular polygon."""
    with mpmath.workdps(digits + 10):
        angles = [2 * mpmath.pi * mpmath.mpf(min(k, N - k)) / N for k in range(N)]
        first = [mpmath.cos(t) * (mpmath.pi - t) / (2 * mpmath.pi) for t in angles]
        values = [
            sum(first[k] * mpmath.cos(2 * mpmath.pi * j * k / N) for k in range(N))
            for j in range(N)
        ]
        return min(values), max(values)


def test_a_real_run_agrees_with_the_circulant(run, rows, tmp_path):
    path = tmp_path / "out.json"
    status, out, err = run("spectrum", rows, "--exact", "-a", "relu", "-a", "tanh", "--json", path)
    assert (status, err) == (0, "")
    relu, tanh = strict(path.read_text())
    for word, value in zip(("smallest", "largest"), circulant(15), strict=True):
        # the polygon's corners are rounded to float64
        assert math.isclose(float(relu[f"{word}_digits"]), value, rel_tol=1e-13)
    values = np.linalg.eigvalsh(fg.gram(CIRCLE, network="tanh"))
    assert math.isclose(float(tanh["smallest_digits"]), values[0], rel_tol=1e-9)
    for record in (relu, tanh):
        for word in ("smallest", "largest", "condition"):
            digits, bracket = record[f"{word}_digits"], record[word]
            assert len(digits.partition("e")[0].replace(".", "")) == 15
            assert digits in out
            last = Fraction(10) ** (math.floor(math.log10(bracket["lower"])) - 14)
            assert Fraction(bracket["lower"]) - last <= Fraction(digits)
            assert Fraction(digits) <= Fraction(bracket["upper"]) + last


def test_json_schema(run, rows, answers):
    answers(made_up(), OPEN)
    extremes = run("spectrum", rows, "-a", "relu", "--json", "-")[1]
    fields = list(strict(extremes)[0])
    head = fields[: fields.index("error") + 1]
    out = run("spectrum", rows, "--exact", "-a", "relu", "-a", "tanh", "--json", "-")[1]
    relu, tanh = strict(out)
    for record in (relu, tanh):
        assert list(record) == head + KEYS
        assert (record["dtype"], record["device"], record["digits"]) == (None, None, 15)
        assert list(record["smallest"]) == ["lower", "upper", "estimate", "guarantee"]
    assert relu["smallest_digits"] == "2.25468667494000e-40"
    assert tanh["smallest_digits"] is None
    assert tanh["condition_digits"] is None
    assert tanh["condition"]["upper"] is None


def test_the_table(run, rows, answers):
    zero = made_up(smallest_digits="0", condition_digits="inf", message="an exact zero")
    nothing = made_up(smallest_digits="0", largest_digits="0", condition_digits="inf", message="0!")
    answers(made_up(), OPEN, zero, nothing)
    words = [word for name in ("relu", "tanh", "swish", "erf") for word in ("-a", name)]
    status, out, err = run("spectrum", rows, "--exact", *words)
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == (
        f"λ_min and λ_max of the gradient Gram matrix of {rows}, {N} x 2, rows scaled to norm 1,"
        " 15 proven digits"
    )
    assert lines[1] == "activation λ_min λ_max condition bits seconds"
    assert lines[3:] == [
        "relu 2.25468667494000e-40 1.55000000000001 6.50000000000001e39 256 0.2",
        "tanh (1) at most 1e-60 1.55000000000001 above 1.5e+60 256 0.2",
        "swish (2) 0 (exact) 1.55000000000001 infinite 256 0.2",
        "erf (3) 0 (exact) 0 (exact) undefined 256 0.2",
        "(1) tanh: λ_min is not resolved",
        "(2) swish: an exact zero",
        "(3) erf: 0!",
    ]


@pytest.mark.parametrize("digits", [15, 1000])
def test_a_piped_table_is_whole(run, rows, answers, digits):
    number = "1." + "3" * (digits - 1)
    words = {f"{word}_digits": number for word in ("smallest", "largest", "condition")}
    answers(made_up(**words))
    out = run("spectrum", rows, "--exact", "-a", "relu", "--digits", digits)[1]
    assert out.splitlines()[3].split().count(number) == 3
    assert len(out.splitlines()) == 4


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_cuts_no_digit(monkeypatch, capsys, columns):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    network = fg.Network("leaky_relu(negative_slope=0.25)", depth=3)

    def shown(digits, result):
        task = Task(CIRCLE, "x.npy", "unit", {"kind": "gradient"}, {"digits": digits})
        EXACT.show([Case(task, network)], [result])
        out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
        assert max(map(len, out.splitlines())) <= columns
        assert "…" not in out
        return out

    words = shown(15, made_up()).split()
    for number in ("2.25468667494000e-40", "1.55000000000001", "6.50000000000001e39"):
        assert number in words
    long = shown(200, made_up(smallest_digits="1." + "8" * 199))
    assert "".join(long.split()).count("8") == 199  # folded, where there is no room


def test_what_is_done_is_not_lost(run, rows, answers, tmp_path):
    path = tmp_path / "out.json"
    words = ["spectrum", rows, "--exact", "-a", "relu", "-a", "tanh", "--json", path]
    answers(made_up(), OSError(28, "No space left on device", "flint"))
    status, out, err = run(*words)
    assert (status, err) == (2, "fastgram: error: flint: No space left on device\n")
    assert "2.25468667494000e-40" in out
    assert [record["activation"] for record in strict(path.read_text())] == ["relu"]
    answers(made_up(), KeyboardInterrupt())
    status, out, err = run(*words)
    assert (status, err) == (130, "")
    assert "2.25468667494000e-40" in out


def test_one_that_fails_does_not_keep_the_others(run, rows, answers, tmp_path, monkeypatch):
    path, figure = tmp_path / "out.json", tmp_path / "out.png"
    calls = answers(made_up(), ValueError("too many\nterms"), made_up())
    words = ["-a", "tanh", "-a", "elu", "-a", "erf", "-a", "relu", "--json", path, "--plot", figure]
    monkeypatch.delitem(built_in._FORMULAS, "elu")
    status, out, err = run("spectrum", rows, "--exact", *words)
    assert status == 1
    assert [network.activation.name for _, network, _ in calls] == ["tanh", "erf", "relu"]
    elu, erf = err.splitlines()
    assert elu.startswith("fastgram: error: elu: elu has no formula in ball arithmetic")
    assert erf == "fastgram: error: erf: too many terms"
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[3:7]] == ["tanh", "elu", "erf", "relu"]
    assert lines[4].split() == ["elu", "(1)", "failed"]
    assert lines[7].startswith("(1) elu: failed: elu has no formula in ball arithmetic")
    assert lines[8] == "(2) erf: failed: too many terms"
    reasons = [record["error"] for record in strict(path.read_text())]
    assert reasons[0] is reasons[3] is None
    assert reasons[2] == "too many terms"
    assert figure.exists()


def test_finite_widths_reach_the_library(run, rows, answers):
    calls = answers(made_up(), made_up(), made_up())
    words = ["--width", "infinite", "--width", 3, "--width", 5, "--depth", 2]
    words += ["--readout", "gaussian", "--network-seed", 4]
    status, out, err = run("spectrum", rows, "--exact", "-a", "relu", *words)
    assert (status, err) == (0, "")
    others = {"depth": 2, "readout": "gaussian", "seed": 4}
    found = [network for _, network, _ in calls]
    assert found == [fg.Network("relu", width=m, **others) for m in (None, 3, 5)]
    assert [line.split()[2] for line in out.splitlines()[-3:]] == ["infinite", "3", "5"]


def test_a_width_that_does_not_fit_is_one_row(run, rows, answers, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    answers(made_up())
    words = ["--width", "infinite", "--width", 10**7, "--depth", 2]
    status, out, _ = run("spectrum", rows, "--exact", "-a", "relu", *words)
    assert status == 1
    assert "failed: exact eigenvalues of 7 rows" in out


def test_a_real_run_at_finite_width_agrees_with_float64(run, rows, tmp_path):
    path = tmp_path / "out.json"
    words = ["--width", 3, "--width", 40, "--json", path]
    status, _, err = run("spectrum", rows, "--exact", "-a", "tanh", *words)
    assert (status, err) == (0, "")
    few, many = strict(path.read_text())
    assert few["smallest_digits"] == "0"  # of 6 weights
    assert "6 weights" in few["message"]
    values = np.linalg.eigvalsh(fg.gram(CIRCLE, network=fg.Network("tanh", width=40)))
    assert math.isclose(float(many["smallest_digits"]), values[0], rel_tol=1e-9)
    assert math.isclose(float(many["largest_digits"]), values[-1], rel_tol=1e-12)


@pytest.mark.parametrize("depths", [[], ["--depth", 1, "--depth", 2]])
def test_a_figure_is_written(run, rows, answers, tmp_path, depths):
    zero = made_up(smallest=Bracket(0.0, 0.0, 0.0, "exact"), smallest_digits="0")
    answers(made_up(), OPEN, zero, made_up())
    path = tmp_path / "out.png"
    words = ["-a", "relu", "-a", "tanh", *depths, "--plot", path]
    assert run("spectrum", rows, "--exact", *words)[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_help_teaches(run):
    text = " ".join(run("spectrum", "--help")[1].replace("│", " ").split())
    assert "--exact proves decimal digits of λ_min and λ_max instead" in text
    assert "any depth, infinite width or one of --width with its weights as drawn" in text
    assert "It needs pip install 'fastgram[exact]'." in text
    assert "fastgram spectrum circle.csv --exact --digits 30 -a relu -a tanh" in text
