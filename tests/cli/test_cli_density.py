"""`fastgram spectrum --density`: what it refuses, computes, prints, writes and draws."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest
from helpers.commands import in_turn, strict
from helpers.extremes import Operator
from helpers.tolerances import EPS
from matplotlib.figure import Figure

import fastgram as fg
from fastgram.bracket import Bracket
from fastgram.cli.reports.density import DENSITY
from fastgram.cli.sweeps.cases import Case, Task
from fastgram.density import spectral_density
from fastgram.density.results import SpectralDensity
from fastgram.matrix import operator
from fastgram.plotting.densities import plot_densities

N = 40
X = fg.datasets.sphere(N, 5, seed=0)

KEYS = [
    "smallest",
    "largest",
    "trace",
    "log_determinant",
    "effective_rank",
    "confidence",
    "rank_bound",
    "block",
    "passes",
    "noise_floor",
    "seconds",
    "message",
    "quantiles",
    "cumulative_distribution",
    "seed",
    "version",
]
ENDS = ["lower", "upper", "estimate", "guarantee"]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, X)
    return str(path)


@pytest.fixture
def answers(monkeypatch):
    """Make spectral_density answer with these, in turn; an exception is raised."""

    def arrange(*results):
        fake, calls = in_turn(*results)
        monkeypatch.setattr(operator, "GramOperator", Operator)
        monkeypatch.setattr(spectral_density, "spectral_density", fake)
        return calls

    return arrange


def made_up(**others):
    """A result with bounds that six digits do not tell from nothing."""
    estimates = np.geomspace(1e-5, 1e3, 2 * N)
    exact = Bracket(-math.inf, -math.inf, -math.inf, "exact")
    facts = {
        "lower": estimates / 1.0123456,
        "upper": estimates * 1.0123456,
        "estimates": estimates,
        "nodes": estimates,
        "weights": np.full(2 * N, 0.5 / N),
        "smallest": Bracket(1.1234e-5, 1.1235e-5, 1.12345e-5, "probabilistic"),
        "largest": Bracket(900.0, 1100.0, 1000.0, "probabilistic"),
        "trace": Bracket(1234.5, 1235.5, 1235.0, "certified"),
        "log_determinant": exact,
        "effective_rank": None,
        "confidence": 0.999,
        "n": 2 * N,
        "rank_bound": 2 * N,
        "block": 16,
        "passes": 7,
        "noise_floor": 1e-13,
        "seconds": 0.25,
        "message": "7 passes with 16 probes",
    }
    return SpectralDensity(**(facts | others))


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rtol", 1e-2], "--rtol does not apply to --density"),  # its default, but given
        (["--method", "auto"], "--method does not apply to --density"),
        (["--rtol", 0.1, "--method", "dense"], "--rtol and --method do not apply to --density"),
        (["--digits", 15], "--digits does not apply without --exact"),
        (["--exact"], "--density and --exact are different questions: ask one at a time"),
        (["--block", 0], "block must be at least 1"),
        (["--block", N + 1], f"block must be at most the number of rows, {N}, not {N + 1}"),
        (["--max-passes", 0], "max-passes must be at least 1"),
        (["--confidence", 1], "confidence must be below 1"),
        (["--device", "gqu"], "unknown device 'gqu'"),
        (["--memory", "much"], "memory must be a number of bytes"),
        (["--plot", "out.jpg"], "out.jpg: a figure ends in one of"),
        (["--density=yes"], "--density"),
    ],
)
def test_bad_options_are_one_line(refused, rows, words, told):
    assert told in refused("spectrum", rows, "--density", *words)


def test_options_reach_the_library(run, rows, answers):
    calls = answers(made_up())
    words = ["--confidence", 0.9, "--seed", 4, "--block", 3, "--max-passes", 7, "--memory", "1M"]
    words += ["--dtype", "float32", "--kind", "ntk", "--depth", 2, "--width", 20]
    assert run("spectrum", rows, "--density", "-a", "elu", *words)[0] == 0
    op, arguments = calls[0]
    assert arguments == {
        "probes": 3,
        "passes": 7,
        "confidence": 0.9,
        "seed": 4,
        "progress": False,
    }
    assert np.allclose(op.X, X, rtol=4 * EPS)
    assert op.network == fg.Network("elu", depth=2, width=20)
    assert op.arguments == {"kind": "ntk", "device": "cpu", "dtype": "float32", "memory": 2**20}


def test_progress_is_for_terminals(run, rows, answers, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    calls = answers(made_up(), made_up())
    _, _, err = run("spectrum", rows, "--density", "-a", "relu", "-a", "tanh")
    assert [arguments["progress"] for _, arguments in calls] == [True, True]
    assert err == "relu (1 of 2)\ntanh (2 of 2)\n"


# --- results -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--block", 4, "--max-passes", 5]])
def test_a_real_run_agrees_with_lapack(run, rows, tmp_path, words):
    path = tmp_path / "out.json"
    names = ["-a", "relu", "-a", "tanh", "--depth", 1, "--depth", 3]
    status, _, err = run("spectrum", rows, "--density", *names, *words, "--json", path)
    assert (status, err) == (0, "")
    records = strict(path.read_text())
    assert [(record["activation"], record["depth"]) for record in records] == [
        ("relu", 1),
        ("relu", 3),
        ("tanh", 1),
        ("tanh", 3),
    ]
    scaled = X / np.linalg.norm(X, axis=1, keepdims=True)
    for record in records:
        network = fg.Network(record["activation"], depth=record["depth"])
        values = np.linalg.eigvalsh(fg.gram(scaled, network=network))
        slack = 64 * N * EPS * values[-1]

        def holds(bracket, value, slack=slack):
            lower = -math.inf if bracket["lower"] is None else bracket["lower"]
            assert lower - slack <= value <= bracket["upper"] + slack
            assert lower <= bracket["estimate"] <= bracket["upper"]

        holds(record["smallest"], values[0])
        holds(record["largest"], values[-1])
        holds(record["trace"], values.sum(), N * slack)
        holds(record["log_determinant"], np.log(values).sum(), N * slack / values[0])
        shares = values / values.sum()
        holds(record["effective_rank"], np.exp(-shares @ np.log(shares)), N * slack)
        for quantile in record["quantiles"]:
            holds(quantile, values[math.ceil(quantile["p"] * N - 1e-9) - 1])
        points = record["cumulative_distribution"]
        assert len(points) <= 200
        for point in points:
            assert point["lower"] <= np.mean(values <= point["x"] + slack)
            assert point["upper"] >= np.mean(values <= point["x"] - slack)
        assert [point["x"] for point in points] == sorted({point["x"] for point in points})


def test_json_schema(run, rows, answers):
    extremes = run("spectrum", rows, "-a", "relu", "--json", "-")[1]
    answers(made_up(), made_up(smallest=Bracket(-math.inf, -1.0, -2.0, "probabilistic")))
    fields = list(strict(extremes)[0])
    head = fields[: fields.index("error") + 1]
    status, out, _ = run("spectrum", rows, "--density", "-a", "relu", "-a", "elu", "--json", "-")
    assert status == 0
    relu, elu = strict(out)
    for record in (relu, elu):
        assert list(record) == head + KEYS
        for key in ("smallest", "largest", "trace", "log_determinant"):
            assert list(record[key]) == ENDS
        assert record["effective_rank"] is None
        assert record["log_determinant"] == {
            "lower": None,
            "upper": None,
            "estimate": None,
            "guarantee": "exact",
        }
        for quantile in record["quantiles"]:
            assert list(quantile) == ["p", *ENDS]
        for point in record["cumulative_distribution"]:
            assert list(point) == ["x", "lower", "estimate", "upper"]
            assert 0.0 <= point["lower"] <= point["estimate"] <= point["upper"] <= 1.0
        assert (record["block"], record["passes"], record["noise_floor"]) == (16, 7, 1e-13)
        assert (record["confidence"], record["seed"]) == (0.999, 0)
    assert elu["smallest"]["lower"] is None
    assert 0.5 in [quantile["p"] for quantile in relu["quantiles"]]


def test_a_large_distribution_is_thinned_and_keeps_its_ends():
    estimates = np.geomspace(1e-3, 1.0, 5000)
    lower, upper = 0.9 * estimates, 1.1 * estimates
    lower[0], upper[-1] = -np.inf, np.inf
    result = made_up(lower=lower, upper=upper, estimates=estimates, n=5000)
    points = result.to_dict()["cumulative_distribution"]
    assert 150 < len(points) <= 200
    assert points[0]["estimate"] < 1e-3
    assert points[-1]["x"] < math.inf
    assert points[-1]["estimate"] == 1.0
    for point in points:
        assert point["lower"] == np.mean(upper <= point["x"])
        assert point["upper"] == np.mean(lower <= point["x"])


def test_the_table(run, rows, answers):
    answers(made_up(), made_up(effective_rank=Bracket(3.0, 3.5, 3.25, "probabilistic")))
    words = ["-a", "relu", "-a", "tanh", "--depth", 2]
    status, out, _ = run("spectrum", rows, "--density", *words, "--confidence", 0.99)
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == (
        f"spectrum of the gradient Gram matrix of {rows}, {N} x 5, rows scaled to norm 1,"
        " 2 hidden layers, confidence 0.99"
    )
    assert " ".join(lines[1].split()) == (
        "activation depth λ_min 10 % median 90 % λ_max trace log-determinant effective rank"
        " passes seconds"
    )
    first, second = (" ".join(line.split()) for line in lines[3:5])
    assert first.startswith("relu (1) 2 1.12345e-05 [1.1234e-05, 1.1235e-05] ")
    assert " 1e+03 [900, 1.1e+03] 1235 [1234.5, 1235.5] " in first
    assert first.endswith("] -inf (exact) undefined 7 0.2")
    assert second.endswith(" 3.25 [3, 3.5] 7 0.2")
    assert lines[5:] == [
        "(1) relu, depth 2: 7 passes with 16 probes",
        "(2) tanh, depth 2: 7 passes with 16 probes",
    ]


@pytest.mark.parametrize("columns", [60, 80, 120, 300])
def test_a_narrow_terminal_shows_every_number_whole(monkeypatch, capsys, columns):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    task = Task(X, "x.npy", "unit", {"kind": "gradient"}, {"confidence": 0.999})
    networks = [fg.Network("leaky_relu(negative_slope=0.25)", depth=k) for k in (1, 3)]
    DENSITY.show([Case(task, network) for network in networks], [made_up(), made_up()])
    out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out
    words = out.split()
    for word in ("[1.1234e-05,", "1.1235e-05]", "[900,", "1.1e+03]", "λ_min", "log-determinant"):
        assert word in words
    assert (len(out.splitlines()) < 10) == (columns == 300)  # else a line a number


def test_what_is_done_is_not_lost(run, rows, answers, tmp_path):
    path = tmp_path / "out.json"
    words = ["spectrum", rows, "--density", "-a", "relu", "-a", "tanh", "--json", path]
    answers(made_up(), OSError(28, "No space left on device", "disk"))
    status, out, err = run(*words)
    assert (status, err) == (2, "fastgram: error: disk: No space left on device\n")
    assert "1.12345e-05" in out
    assert [record["activation"] for record in strict(path.read_text())] == ["relu"]
    answers(made_up(), KeyboardInterrupt())
    status, out, err = run(*words)
    assert (status, err) == (130, "")
    assert "1.12345e-05" in out


@pytest.mark.slow
def test_one_that_fails_does_not_keep_the_others(run, rows, answers, tmp_path):
    path, figure = tmp_path / "out.json", tmp_path / "out.svg"
    words = ["-a", "gelu", "-a", "relu", "--depth", 3, "--depth", 30]
    answers(made_up(), ValueError("the variance vanishes"), made_up(), made_up())
    status, out, err = run("spectrum", rows, "--density", *words, "--json", path, "--plot", figure)
    assert (status, err) == (1, "fastgram: error: gelu, depth 30: the variance vanishes\n")
    assert "(2) gelu, depth 30: failed: the variance vanishes" in out.splitlines()
    records = strict(path.read_text())
    assert [record["error"] for record in records] == [None, "the variance vanishes", None, None]
    assert [("trace" in record) for record in records] == [True, False, True, True]
    assert figure.exists()


# --- the figure --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_figure_is_written(run, rows, tmp_path):
    path = tmp_path / "out.svg"
    words = ["-a", "relu", "-a", "linear", "--depth", 1, "--depth", 2, "--plot", path]
    assert run("spectrum", rows, "--density", *words)[0] == 0
    assert path.read_bytes().startswith(b"<?xml")


def drawn(results, smooth):
    axes = Figure().add_subplot()
    labels = [f"network {k}" for k in range(len(results))]
    assert plot_densities(labels, results, axes, "a title", smooth=smooth) is axes
    return axes


def test_a_curve_and_a_band_a_network():
    results = [made_up(), made_up(), made_up(noise_floor=1e-3, confidence=0.999)]
    axes = drawn(results, [True, False, True])
    bands = [c for c in axes.collections if type(c).__name__.endswith("PolyCollection")]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(axes.lines) == 3
    assert len(bands) == 3
    assert len({line.get_color() for line in axes.lines}) == 3
    assert texts == ["network 0", "network 1", "network 2", "bounds, 99.9 %", "noise floor"]
    assert axes.get_xscale() == "log"
    assert axes.get_title(loc="left") == "a title"
    for line, result in zip(axes.lines, results, strict=True):
        x, y = line.get_data()
        assert np.array_equal(x[1:-1], np.maximum(result.estimates, x[0]))
        assert np.allclose(y[1:-1], np.arange(1, 2 * N + 1) / (2 * N))


def test_negative_eigenvalues_are_drawn_on_a_linear_axis():
    low = np.linspace(-2.0, 3.0, 2 * N)
    ends = Bracket(-2.1, -1.9, -2.0, "probabilistic"), Bracket(3.0, 3.1, 3.0, "probabilistic")
    result = made_up(
        lower=low - 0.1, upper=low + 0.1, estimates=low, smallest=ends[0], largest=ends[1]
    )
    axes = drawn([made_up(), result], [True, True])
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] < -2.1
    assert axes.get_xlim()[1] > 1000.0


def test_many_lines_are_told_apart():
    axes = drawn([made_up()] * 12, [True] * 12)
    styles = {(line.get_color(), str(line._dash_pattern)) for line in axes.lines}
    assert len(styles) == 12


def test_bad_figures_are_refused(refuses, tmp_path):
    with refuses(ValueError, "one label, result and smooth each: 1, 2, 2"):
        plot_densities(["a"], [made_up()] * 2, tmp_path / "x.png", "", smooth=[True, True])
    with refuses(ValueError, "a figure ends in one of"):
        plot_densities(["a"], [made_up()], tmp_path / "x.gif", "", smooth=[True])


def test_help_teaches(run):
    text = " ".join(run("spectrum", "--help")[1].replace("│", " ").split())
    assert "--density bounds all eigenvalues instead" in text
    assert "fastgram spectrum rows.npy --density -a relu -a tanh --plot spectrum.svg" in text
