"""What `--json` writes, of every command, against the schema that comes with the package."""

from __future__ import annotations

import importlib.resources
import json

import jsonschema
import numpy as np
import pytest
from helpers.commands import strict
from helpers.extremes import GOOD, NOTHING, OPEN, ZERO
from helpers.made_up_rates import instead_of_measuring

from fastgram.cli.reports.report import SCHEMA

TEXT = (importlib.resources.files("fastgram") / "data" / "results.schema.json").read_text("utf-8")
DOCUMENT = json.loads(TEXT)
PARTS = DOCUMENT["$defs"]


@pytest.fixture(scope="module")
def valid():
    jsonschema.Draft202012Validator.check_schema(DOCUMENT)
    return jsonschema.Draft202012Validator(DOCUMENT).validate


@pytest.fixture
def table(tmp_path):
    lines = np.random.default_rng(0).standard_normal((9, 3))
    path = tmp_path / "table.csv"
    path.write_text("a,b,y\n" + "\n".join(",".join(map(str, line)) for line in lines))
    return str(path)


def described(part):
    """Return the fields that a part of the schema has, those of the matrix among them."""
    matrix = PARTS["matrix"]["properties"] if "allOf" in PARTS[part] else {}
    return set(matrix) | set(PARTS[part]["properties"])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--width", "5"], "extremes"),
        (["--density"], "density"),
        (["--exact"], "exact"),
    ],
)
def test_spectrum(words, part, run, rows, valid):
    records = strict(run("spectrum", rows, "-a", "relu", *words, "--json", "-")[1])
    valid(records)
    assert set(records[0]) == described(part)


def test_made_up_ends(run, rows, answers, valid):
    """Infinite ends, exact zeros and a failure among them."""
    answers(GOOD, OPEN, ZERO, NOTHING, ValueError("too rough"))
    names = [word for name in ("relu", "elu", "selu", "tanh", "erf") for word in ("-a", name)]
    status, out, _ = run("spectrum", rows, *names, "--json", "-")
    records = strict(out)
    assert status == 1
    valid(records)
    assert set(records[-1]) == described("failure") | {"rtol", "confidence", "seed"}


def test_train(run, table, valid):
    records = strict(run("train", table, "--label", "y", "-a", "relu", "--json", "-")[1])
    valid(records)
    assert set(records[0]) == described("curve")


def test_plans(run, rows, valid, tmp_path, monkeypatch):
    instead_of_measuring(monkeypatch, tmp_path / "cache")
    for words in (["plan", "--n", "3000", "--d", "5"], ["spectrum", rows, "--dry-run"]):
        records = strict(run(*words, "-a", "relu", "--json", "-")[1])
        valid(records)
        assert set(records[0]) == described("plan")


@pytest.mark.parametrize("change", [{"schema": 2}, {"smallest": 0.1}, {"resolved": "yes"}])
def test_it_refuses(change, run, rows, answers, valid):
    answers(GOOD)
    (record,) = strict(run("spectrum", rows, "-a", "relu", "--json", "-")[1])
    valid([record])
    with pytest.raises(jsonschema.ValidationError):
        valid([record | change])


def test_its_number():
    assert f"schema {SCHEMA}" in DOCUMENT["title"]
    numbers = [part["properties"]["schema"] for part in PARTS.values() if "schema" in str(part)]
    assert numbers
    assert all(number == {"const": SCHEMA} for number in numbers)
