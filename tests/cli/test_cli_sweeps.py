"""Sweeps over data in words, kinds and variances: what is computed, shown, written and drawn."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD, X

import fastgram as fg
from fastgram.plotting import extremes, sweeps

SPHERES = ["sphere:n=5,d=3", "sphere:n=9,d=3"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def header(out):
    return out.splitlines()[1].split()


# --- data in words -------------------------------------------------------------------------------


def test_data_in_words(run, answers):
    calls = answers(GOOD)
    status, out, err = run("spectrum", "smoothed:n=7,d=4,dim=2,sigma=0.5", "-a", "relu")
    assert (status, err) == (0, "")
    taken = "smoothed:n=7,d=4,dim=2,sigma=0.5,seed=0"
    assert f"of the gradient Gram matrix of {taken}, 7 x 4, rows scaled to norm 1" in out
    assert header(out) == [
        *("activation", "regularity", "λ_min", "guarantee"),
        *("λ_max", "condition", "passes", "seconds"),
    ]
    rows = fg.datasets.smoothed(fg.datasets.subspace(7, 4, 2, seed=0), 0.5, seed=0)
    assert np.allclose(calls[0][0].X, rows, rtol=1e-15)
    answers(GOOD)
    [record] = strict(run("spectrum", taken, "-a", "relu", "--json", "-")[1])
    assert record["source"] == taken
    facts = {"d": 4, "dim": 2, "sigma": 0.5, "data_seed": 0}
    assert {key: record[key] for key in facts} == facts


def test_columns_of_data_in_words(run, answers):
    calls = answers(GOOD)
    assert run("spectrum", "sphere:n=7,d=4", "--drop", "0", "-a", "relu", "--rows", "raw")[0] == 0
    assert np.array_equal(calls[0][0].X, fg.datasets.sphere(7, 4, seed=0)[:, 1:])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sphre:n=5,d=3"], "unknown data set 'sphre'; did you mean 'sphere'?"),
        (["sphere:n=5"], "sphere needs d, as in sphere:n=1000,d=10,seed=0"),
        (["sphere:n=5,d=x"], "sphere: d must be an integer, not 'x'"),
        (["subspace:n=5,d=3,dim=4"], "subspace:n=5,d=3,dim=4,seed=0: dim must be at most d = 3"),
        (["spheres"], "'spheres': there is no such file, and no data set of that name (sphere:n="),
        ([""], "'': there is no such file, and no data set of that name (sphere:n="),
        (["circle:n=5", "tanh"], "no data set of that name (an activation is -a tanh)"),
        (["no.npy", "circle"], "circle needs n"),  # before a file is looked for
    ],
)
def test_bad_words_are_one_line(refused, words, told):
    assert told in refused("spectrum", *words, "-a", "relu")


def test_words_mean_the_same_in_every_folder(run, refused, answers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").write_text("1 2\n")
    calls = answers(GOOD)
    assert run("spectrum", "digits", "-a", "relu")[0] == 0
    assert calls[0][0].X.shape == (1797, 64)
    assert "cannot tell what it holds" in refused("spectrum", "./digits", "-a", "relu")


def test_a_matrix_of_data_in_words_is_stored(run, tmp_path):
    status, out, _ = run("gram", "circle:n=9", tmp_path / "K.npy", "-a", "linear")
    assert status == 0
    assert "the gradient Gram matrix of circle:n=9, 9 x 2" in out
    circle = fg.datasets.circle(9)
    assert np.allclose(np.load(tmp_path / "K.npy"), circle @ circle.T, atol=1e-15)


def test_the_digits_in_words_bring_their_labels(run, refused, monkeypatch):
    found = []
    monkeypatch.setattr("fastgram.cli.train.run_sweep", lambda _, cases, *rest: found.append(cases))
    run("train", "digits", "-a", "relu")
    run("train", "-a", "relu")
    named, default = (cases[0].task for (cases) in found)
    assert np.array_equal(named.outputs, default.outputs)
    assert named.outputs.shape == (1797, 10)
    line = refused("train", "circle:n=9", "-a", "relu")
    assert "circle:n=9: what is to be learnt is missing: --label COLUMN" in line


def test_a_plan_of_data(run, rows, monkeypatch):
    calls = []

    def plan(*arguments, **options):
        calls.append(arguments[:2])
        raise ValueError("enough")

    monkeypatch.setattr("fastgram.planning.plan.plan", plan)
    run("plan", f"sphere:n={10**9},d=50")  # of which no row is made
    run("plan", rows)
    assert calls == [(10**9, 50), X.shape]


# --- several of everything -----------------------------------------------------------------------


def test_all_combinations_in_order(run, answers):
    calls = answers(*[GOOD] * 16)
    words = ["-a", "tanh", "-a", "relu", "--kind", "ntk", "--kind", "nngp", "--kind", "ntk"]
    variances = ["--weight-variance", 2, "--weight-variance", 1]
    status, out, _ = run("spectrum", *SPHERES, *words, *variances)
    assert status == 0
    found = [
        (op.network.activation.name, op.network.weight_variance, len(op.X), op.arguments["kind"])
        for op, _ in calls
    ]
    assert found == [
        (name, variance, n, kind)
        for name in ("tanh", "relu")
        for variance in (2.0, 1.0)
        for n in (5, 9)
        for kind in ("ntk", "nngp")
    ]
    title, columns, _, first = out.splitlines()[:4]
    assert "of the ntk and nngp Gram matrix of sphere:d=3,seed=0, rows scaled to norm 1" in title
    assert columns.split()[:5] == ["activation", "kind", "n", "σw²", "regularity"]
    assert first.split()[:4] == ["tanh", "ntk", "5", "2"]


@pytest.mark.parametrize(
    ("option", "column", "attribute"),
    [
        ("--weight-variance", "σw²", "weight_variance"),
        ("--bias-variance", "σb²", "bias_variance"),
        ("--input-weight-variance", "input σw²", "input_weight_variance"),
        ("--input-bias-variance", "input σb²", "input_bias_variance"),
    ],
)
def test_every_variance_is_swept(run, rows, answers, option, column, attribute):
    calls = answers(GOOD, GOOD)
    _, out, _ = run("spectrum", rows, "-a", "relu", option, 0.5, option, 0.25)
    assert [getattr(op.network, attribute) for op, _ in calls] == [0.5, 0.25]
    assert f" {column} " in out.splitlines()[1]


def test_data_of_other_kinds_have_a_column_each(run, rows, answers):
    answers(*[GOOD] * 3)
    data = ["subspace:n=5,d=4,dim=2", "smoothed:n=5,d=4,dim=2,sigma=0.1,seed=3", rows]
    _, out, _ = run("spectrum", *data, "-a", "relu")
    lines = out.splitlines()
    assert "Gram matrix of 3 data sets, rows scaled to norm 1" in lines[0]
    assert lines[1].split()[:8] == [
        *("activation", "data", "n", "d", "dim", "σ", "data", "seed"),
    ]
    cells = [line.split() for line in lines[3:]]
    assert cells[0][:6] == ["relu", "subspace", "5", "4", "2", "0"]
    assert cells[1][:7] == ["relu", "smoothed", "5", "4", "2", "0.1", "3"]
    assert cells[2][:4] == ["relu", rows, "12", "3"]


@pytest.mark.parametrize("question", ["--density", "--exact"])
def test_other_questions_tell_what_varies(run, question):
    words = ["circle:n=7", "circle:n=9", "-a", "linear", "--kind", "nngp", "--kind", "gradient"]
    status, out, err = run("spectrum", *words, question)
    assert (status, err) == (0, "")
    assert out.splitlines()[1].split()[:3] == ["activation", "kind", "n"]
    assert "(4) linear, gradient, n 9: " in out


def test_what_fails_is_a_row(run, answers):
    answers(GOOD, ValueError("no such thing"))
    status, out, err = run("spectrum", *SPHERES, "-a", "relu", "--csv", "-")
    assert (status, err) == (1, "fastgram: error: relu, n 9: no such thing\n")
    good, bad = csv.DictReader(io.StringIO(out))
    assert (good["source"], good["error"]) == ("sphere:n=5,d=3,seed=0", "")
    assert (bad["n"], bad["error"], bad["smallest_lower"]) == ("9", "no such thing", "")


def test_a_line_of_a_file_is_that_of_its_own(run, tmp_path):
    names = [tmp_path / "a.csv", tmp_path / "b.csv"]
    names[0].write_text("1,2\n3,4\n")
    names[1].write_text("a,b\n1,2\n1e200,3\n")
    _, out, _ = run("spectrum", *names, "-a", "linear", "--rows", "raw")
    assert f"(1) linear, {names[1]}: failed: " in out
    assert "line 3" in out


def test_data_that_are_given_twice_are_taken_once(run, answers):
    calls = answers(GOOD)
    assert run("spectrum", "sphere:n=5,d=3", "sphere:d=3,n=5,seed=0", "-a", "relu")[0] == 0
    assert len(calls) == 1


def test_a_network_of_two_names_is_taken_once(run, answers):
    calls = answers(GOOD)
    assert run("spectrum", "sphere:n=5,d=3", "-a", "swish", "-a", "silu")[0] == 0
    assert len(calls) == 1


def test_numbers_that_differ_are_told_apart(run, answers):
    answers(GOOD, GOOD, GOOD)
    values = ["1.0000001", "1.0000002", "1e300"]
    options = [word for value in values for word in ("--weight-variance", value)]
    _, out, _ = run("spectrum", "sphere:n=5,d=3", "-a", "relu", *options)
    assert [line.split()[1] for line in out.splitlines()[3:6]] == [
        "1.0000001",
        "1.0000002",
        "1e+300",
    ]


def test_curves_of_networks_that_are_nearly_the_same_are_drawn(run, tmp_path):
    np.save(
        tmp_path / "rows.npy", np.column_stack([fg.datasets.sphere(9, 3, seed=1), np.arange(9)])
    )
    words = ["--label", "3", "-a", "linear", "--steps", 3, "--plot", tmp_path / "curves.svg"]
    variances = ["--weight-variance", "1.0000001", "--weight-variance", "1.0000002"]
    status, _, err = run("train", tmp_path / "rows.npy", *words, *variances)
    assert (status, err) == (0, "")


def test_progress_names_the_case(run, answers, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    answers(GOOD, GOOD)
    _, _, err = run("spectrum", *SPHERES, "-a", "relu")
    assert err == "relu, n 5 (1 of 2)\nrelu, n 9 (2 of 2)\n"


def test_training_on_several_data(run, tmp_path):
    files = []
    for n in (20, 30):
        files.append(tmp_path / f"{n}.npy")
        np.save(files[-1], np.column_stack([fg.datasets.sphere(n, 3, seed=1), np.arange(n) % 2]))
    words = ["--label", "3", "-a", "linear", "--kind", "ntk", "--kind", "nngp", "--steps", 3]
    status, out, _ = run("train", *files, *words, "--json", "-")
    assert status == 0
    found = [(record["n"], record["kind"], record["initial_loss"]) for record in strict(out)]
    assert found == [(n, kind, pytest.approx(n / 4)) for n in (20, 30) for kind in ("ntk", "nngp")]


# --- folders of checkpoints ----------------------------------------------------------------------


def test_a_folder_a_case(run, rows, answers, tmp_path):
    folder = tmp_path / "kept"
    calls = answers(*[GOOD] * 12)
    data = [*SPHERES, rows]
    sweep = ["--kind", "gradient", "--kind", "ntk", "--bias-variance", 0, "--bias-variance", 0.5]
    assert run("spectrum", *data, "-a", "relu", *sweep, "--checkpoint", folder)[0] == 0
    found = [options["checkpoint"] for _, options in calls]
    assert len(set(found)) == 12
    assert found[0] == folder / "sphere-n=5-d=3-seed=0-relu-depth-1-infinite"
    assert found[1] == folder / "sphere-n=5-d=3-seed=0-relu-depth-1-infinite-ntk"
    ends = "-relu-depth-1-infinite-ntk-bias-variance-0.5"
    assert found[9] == folder / f"sphere-n=9-d=3-seed=0{ends}"
    assert found[10].name.startswith("-")  # the path of the file
    calls = answers(GOOD)  # alone it is the same folder
    words = ["--kind", "ntk", "--bias-variance", 0.5, "--checkpoint", folder]
    assert run("spectrum", "sphere:d=3,n=9", "-a", "relu", *words)[0] == 0
    assert calls[0][1]["checkpoint"] == found[9]


# --- figures -------------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch):
    """What is given to the figures."""
    calls = []
    for module, name in ((extremes, "plot_extremes"), (sweeps, "plot_sweep")):

        def noting(*arguments, name=name, **options):
            calls.append((name, *arguments))

        monkeypatch.setattr(module, name, noting)
    return calls


def test_numbers_are_drawn_as_lines(run, answers, drawn, tmp_path):
    answers(*[GOOD] * 4)
    kinds = ["--kind", "ntk", "--kind", "nngp"]
    run("spectrum", *SPHERES, "-a", "relu", *kinds, "--plot", tmp_path / "x.png")
    [(name, activations, swept, results, _, title)] = drawn
    assert name == "plot_sweep"
    assert [activation.name for activation in activations] == ["relu"] * 4
    assert len(results) == 4
    assert [(one.name, one.values, one.is_magnitude) for one in swept] == [
        ("kind", ["ntk", "nngp"] * 2, False),
        ("n", [5, 5, 9, 9], True),
    ]
    assert title == "ntk and nngp Gram matrix of sphere:d=3,seed=0, rows scaled to norm 1"


def test_seeds_are_lines_and_no_axis(run, answers, drawn, tmp_path):
    answers(*[GOOD] * 6)
    words = [f"sphere:n={n},d=3,seed={seed}" for n in (5, 9) for seed in (0, 1, 2)]
    run("spectrum", *words, "-a", "relu", "--plot", tmp_path / "x.png")
    swept = {one.name: one.is_magnitude for one in drawn[0][2]}
    assert swept == {"n": True, "data seed": False}


def test_kinds_alone_stand_side_by_side(run, rows, answers, drawn, tmp_path):
    answers(*[GOOD] * 2)
    words = ["--kind", "ntk", "--kind", "nngp", "--plot", tmp_path / "x.png"]
    run("spectrum", rows, "-a", "relu", *words)
    [(name, names, *_)] = drawn
    assert (name, names) == ("plot_extremes", ["relu, ntk", "relu, nngp"])
