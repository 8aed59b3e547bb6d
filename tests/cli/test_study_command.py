"""`fastgram study`: words, folders, interrupts and exit codes, on an invented part."""

from __future__ import annotations

import shlex

import pytest
from helpers.invented_part import InventedPart

from fastgram.study import catalogue


@pytest.fixture
def invented(monkeypatch, tmp_path):
    """Make the study one of an invented part, in an empty folder; return the parts that ran."""
    parts = []
    known = catalogue.load_part

    def load(name):
        if name != "invented":
            return known(name)
        parts.append(InventedPart())
        return parts[-1]

    monkeypatch.setattr(catalogue, "load_part", load)
    monkeypatch.setattr(catalogue, "part_names", lambda: ("invented",))
    monkeypatch.chdir(tmp_path)
    return parts


def test_all_parts(invented, run, tmp_path):
    status, out, err = run("study", "--quick", "--seeds", 2)
    assert (status, err) == (0, "")
    assert "slope, relu" in out
    assert out.count("holds") == 2
    assert "the slope of" not in out
    assert "12 matrices, 2 verdicts: 2 hold: study/index.html" in out
    names = {path.name for path in (tmp_path / "study").iterdir()}
    endings = (".csv", ".json", ".png", ".svg")
    assert names == {"index.html", *(f"invented{ending}" for ending in endings)}
    assert run("study", "--quick", "--seeds", 2)[0] == 0
    assert [len(part.computed) for part in invented] == [12, 0]


def test_a_verdict_that_fails_is_no_failure(invented, run, monkeypatch):
    monkeypatch.setattr(InventedPart, "verdicts", failing(InventedPart.verdicts))
    status, out, _ = run("study", "invented", "--quick", "--seeds", 1, "--out", "there")
    assert status == 0
    assert out.count("does not hold") == 2
    assert "invented, slope, relu: the slope of relu\n" in out
    assert "2 verdicts: 2 do not" in out


def failing(verdicts):
    import dataclasses

    return lambda part, rows: [
        dataclasses.replace(one, word="does not hold") for one in verdicts(part, rows)
    ]


def test_a_failed_matrix_is_told_once(invented, run, monkeypatch):
    def fail(part, case, settings):
        raise MemoryError("there is no room")

    monkeypatch.setattr(InventedPart, "compute", fail)
    status, out, err = run("study", "--quick", "--seeds", 1)
    assert status == 1
    assert err == "fastgram: error: invented: 6 of 6 matrices: there is no room\n"
    assert "0 matrices, no verdicts" in out


def test_an_interrupt_says_how_to_go_on(invented, run, monkeypatch, tmp_path):
    compute = InventedPart.compute

    def stop(part, case, settings):
        if len(part.computed) == 2:
            raise KeyboardInterrupt
        return compute(part, case, settings)

    monkeypatch.setattr(InventedPart, "compute", stop)
    words = ["study", "invented", "--quick", "--seeds", "1", "--out", "a folder"]
    status, out, err = run(*words)
    assert (status, out) == (130, "")
    assert "interrupted with 4 of 6 left" in err
    assert f"to go on: {shlex.join(['fastgram', *words])}" in err
    monkeypatch.setattr(InventedPart, "compute", compute)
    assert run(*words)[0] == 0
    assert [len(part.computed) for part in invented] == [2, 4]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "unknown part 'nothing'"),
        (["--quick", "--full"], "--quick and --full"),
        (["--seeds", "0"], "seeds"),
        (["--device", "tpu"], "device"),
        (["--cluster", "six"], "cluster must be local:N"),
        (["--out", "file"], "--out must be a folder"),
        (["--out", ""], "--out must be a folder, and is empty"),
        (["--quick", "--out", "no/such/folder"], "no/such/folder: No such file or directory"),
    ],
)
def test_what_is_refused(invented, refused, tmp_path, words, told):
    (tmp_path / "file").touch()
    assert told in refused("study", *words)
    assert not any(part.computed for part in invented)
