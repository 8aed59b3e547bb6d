"""`fastgram plan` and `fastgram spectrum --dry-run`."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers.extremes import X
from helpers.made_up_rates import instead_of_measuring

import fastgram as fg
from fastgram.matrix import computed_matrix, products
from fastgram.planning import plan as planning


@pytest.fixture
def measured(tmp_path, monkeypatch):
    return instead_of_measuring(monkeypatch, tmp_path / "cache")


def test_help(run):
    status, out, err = run("plan", "--help")
    text = " ".join(out.replace("│", " ").split())
    assert (status, err) == (0, "")
    for part in [
        "Say what the extreme eigenvalues of a Gram matrix would take, by each way there is.",
        "Nothing of the matrix is computed.",
        "fastgram plan --n 1000000 --d 784",
        "Rows, all of one norm.",
        "[default: (relu)]",
        "Measure the rates of this machine anew.",
    ]:
        assert part in text
    assert "Several times" not in text
    assert "--dry-run" in run("spectrum", "--help")[1]


def test_a_table(run, measured):
    words = "--n 1000000 --d 784 -a tanh --workers 8 --passes 50"
    status, out, err = run("plan", *words.split())
    assert (status, err) == (0, "")
    plan = fg.plan(1_000_000, 784, "tanh", workers=8, passes=50)
    lines = out.splitlines()
    assert lines[0] == plan.title == "gradient Gram matrix of tanh, 1000000 x 784, float64"
    table = lines[3 : 3 + len(plan.ways)]
    for line, way in zip(table, plan.ways, strict=True):
        assert line.split("  ")[0].strip() == way.name + " (auto)" * (way.name == plan.auto)
        # but for figures: what memory is free changes from one moment to the next
        assert re.sub(r"[\d.,]+", "", way.why_not.split(";")[0])[:8] in re.sub(r"[\d.,]+", "", line)
    assert lines[3 + len(plan.ways)].startswith(f"auto takes: {plan.auto}, ")
    assert "8 workers like this machine" in out


def test_json(run, measured, tmp_path):
    words = "--n 3000 --d 5 -a elu --depth 2 --kind ntk --dtype float32 --memory 1G --block 8"
    more = "--rtol 0.1 --bias-variance 0.5"
    status, out, err = run("plan", *words.split(), *more.split(), "--json", "-")
    assert (status, err) == (0, "")
    plan = fg.plan(
        3000, 5, fg.Network("elu", depth=2, bias_variance=0.5), kind="ntk", dtype="float32",
        memory=2**30, block=8, rtol=0.1,
    )  # fmt: skip
    [found] = json.loads(out)
    changing = {"schema", "free_memory_bytes", "free_disk_bytes", "assumptions", "ways"}
    for key in found.keys() - changing:
        assert found[key] == plan.to_dict()[key]
    assert [way["name"] for way in found["ways"]] == [way.name for way in plan.ways]
    path = tmp_path / "plan.json"
    status, out, _ = run("plan", *words.split(), *more.split(), "--json", path)
    assert status == 0
    assert out
    assert json.loads(path.read_text())[0]["auto"] == found["auto"]


def test_remarks_are_printed(run, measured, tmp_path):
    kept = tmp_path / "cache" / "fastgram" / "rates.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{")
    _, out, _ = run("plan", "--n", "3000", "--d", "5")
    assert f"{kept} is damaged: its rates are measured anew" in out
    before = list(measured)
    run("plan", "--n", "3000", "--d", "5")
    assert measured == before
    run("plan", "--n", "3000", "--d", "5", "--measure")
    assert measured == 2 * before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a plan is for DATA, or for --n rows of --d features: give either"),
        (["--n", "10"], "a plan is for DATA, or for --n rows of --d features: give either"),
        (["circle:n=9", "--n", "10"], "--n and --d are those of circle:n=9: give either"),
        (["circle:m=9"], "circle has no 'm' (known: n)"),
        (["--n", "0", "--d", "3"], "n must be at least 1, not 0"),
        (["--n", "10", "--d", "0"], "d must be at least 1, not 0"),
        (["--n", "1e6", "--d", "3"], "'--n'"),
        (["--n", "10", "--d", "3", "--memory", "12 XB"], "memory must be a number of bytes"),
        (["--n", "10", "--d", "3", "--workers", "0"], "workers must be at least 1"),
        (["--n", "10", "--d", "3", "--bandwidth", "-1"], "bandwidth must be above 0"),
        (["--n", "10", "--d", "3", "--passes", "0"], "passes must be at least 1"),
        (["--n", "10", "--d", "3", "-a", "relu", "-a", "elu"], "--activation is given 2 times"),
        (["--n", "10", "--d", "3", "-a", "rellu"], "did you mean 'relu'"),
        (["--n", "10", "--d", "3", "--kind", "ntkk"], "unknown kind"),
        (["--n", "10", "--d", "3", "--device", "gpu"], "a plan needs the device's rates"),
        (["--n", "10", "--d", "3", "--device", "gqu"], "did you mean 'gpu'"),
        (["--n", "10", "--d", "3", "--json", "rows.npy"], "that ending is for data"),
        (["--n", "10", "--d", "3", "--json", "no/such.json"], "cannot write no/such.json"),
    ],
)
def test_bad_input(words, told, refused, measured, monkeypatch):
    monkeypatch.setattr("fastgram.devices.registry.gpus", lambda: ((), "there is none"))
    assert told in refused("plan", *words)
    assert measured == []


# --- the case at hand -----------------------------------------------------------------------------


@pytest.fixture
def no_work(monkeypatch):
    """Refuse every traversal."""

    def traverse(*_, **__):
        raise AssertionError("work was started")

    for module in (computed_matrix, products):
        monkeypatch.setattr(module, "each_tile", traverse)


def test_a_dry_run_computes_no_entry(run, rows, measured, no_work):
    words = ["-a", "relu", "-a", "tanh", "--width", "infinite", "--width", "9"]
    status, out, err = run("spectrum", rows, *words, "--dry-run")
    assert (status, err) == (0, "")
    n, d = X.shape
    titles = [line for line in out.splitlines() if line.startswith("gradient Gram matrix of")]
    assert len(titles) == 4
    assert titles[0] == f"gradient Gram matrix of relu, {n} x {d}, float64"
    assert out.count("(auto)") == 4


def test_a_dry_run_of_given_passes(run, rows, measured):
    words = ["--max-passes", "7", "--block", "4", "--memory", "0", "--kind", "ntk", "--json", "-"]
    status, out, _ = run("spectrum", rows, "-a", "elu", "--dry-run", *words)
    assert status == 0
    [found] = json.loads(out)
    assert (found["n"], found["block"], found["kind"], found["auto"]) == (len(X), 4, "ntk", "dense")
    passes = {way["name"]: way["most_passes"] for way in found["ways"]}
    assert passes["recomputed"] == passes["kept"] == 7


def test_a_dry_run_says_what_a_run_does(run, rows, measured, monkeypatch):
    monkeypatch.setattr("fastgram.eigenvalues.extreme.DENSE_LIMIT", 3)
    words = [rows, "-a", "elu", "--memory", "0", "--json", "-"]
    [planned] = json.loads(run("spectrum", *words, "--dry-run")[1])
    [done] = json.loads(run("spectrum", *words)[1])
    assert planned["auto"] == "recomputed"
    assert done["method"] == "lanczos"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--exact"], "--dry-run plans no --exact"),
        (["--density"], "leave --density out"),
        (["--method", "dense"], "--method does not apply to --dry-run"),
        (["--seed", "1", "--confidence", "0.9"], "--confidence and --seed do not apply"),
        (["--checkpoint", "run"], "--checkpoint does not apply to --dry-run"),
        (["--csv", "out.csv"], "--csv does not apply to --dry-run"),
        (["--plot", "out.png"], "--plot does not apply to --dry-run"),
        (["--block", "0"], "block must be at least 1"),
    ],
)
def test_what_a_dry_run_has_no_answer_to(words, told, refused, rows, measured):
    assert told in refused("spectrum", rows, "--dry-run", *words)


def test_a_row_of_a_text_file_is_its_line(run, tmp_path, measured):
    table = tmp_path / "rows.csv"
    table.write_text("a,b\n1,2\n1e200,3\n")
    status, _, err = run("spectrum", table, "-a", "relu", "--rows", "raw", "--dry-run")
    assert status == 2
    assert "line 3 overflows" in err


def test_many_norms(run, tmp_path, measured):
    path = tmp_path / "rows.npy"
    np.save(path, X * np.linspace(1.0, 2.0, len(X))[:, None])
    status, out, _ = run("spectrum", path, "-a", "tanh", "--rows", "raw", "--dry-run")
    assert status == 0
    assert "the rows are taken to have one norm" not in out
    assert planning.plan_of(fg.GramOperator(X, "tanh")).n == len(X)
