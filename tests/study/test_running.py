"""A part from case to case: nothing twice, nothing lost, and an error is one row's."""

from __future__ import annotations

import json

import pytest
from helpers.invented_part import InventedPart

from fastgram import study
from fastgram.study import running
from fastgram.study.result import expected_text
from fastgram.study.running import run_part
from fastgram.study.settings import Settings
from fastgram.study.table import read_table


def go(part, folder, size="quick", seeds=1, tell=None):
    return run_part(part, size, seeds, Settings(), folder, False, tell)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = go(InventedPart(), None)
    assert len(result.rows) == 6
    assert [verdict.word for verdict in result.verdicts] == ["holds", "holds"]
    assert result.seen == "6 rows were seen."
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_computes_nothing(tmp_path):
    first, second = InventedPart(), InventedPart()
    go(first, tmp_path / "out")
    files = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {path.suffix for path in files} == {".csv", ".json", ".png", ".svg", ".html"}
    result = go(second, tmp_path / "out")
    assert (len(first.computed), second.computed) == (6, [])
    assert len(result.rows) == 6
    again = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert again.keys() == files.keys()
    assert all(again[path] == files[path] for path in files if path.suffix != ".png")


def test_a_larger_size_takes_what_is_there(tmp_path):
    go(InventedPart(), tmp_path)
    larger = InventedPart()
    result = go(larger, tmp_path, size="default", seeds=2)
    assert len(result.rows) == 16
    assert len(larger.computed) == 10
    assert [row.case for row in result.rows] == larger.cases("default", 2)
    assert sum(not row.resolved for row in result.rows) == 2


def stop_at(count, error):
    """Raise an error at one of the cases."""
    seen = []

    def before(case):
        seen.append(case)
        if len(seen) == count:
            raise error

    return before


def test_an_interrupt_loses_one_row(tmp_path):
    with pytest.raises(KeyboardInterrupt, match=r"invented: interrupted with 3 of 6 left; .* kept"):
        go(InventedPart(stop_at(4, KeyboardInterrupt)), tmp_path)
    assert len(read_table(InventedPart(), tmp_path / "invented.csv")) == 3
    rest = InventedPart()
    assert len(go(rest, tmp_path).rows) == 6
    assert len(rest.computed) == 3


def test_an_error_is_of_its_row(tmp_path):
    broken = InventedPart(stop_at(2, MemoryError("too\nlarge by far")))
    result = go(broken, tmp_path)
    assert len(result.rows) == 5
    assert [row.error for row in result.failures] == ["too large by far"]
    told = json.loads((tmp_path / "invented.json").read_text("utf-8"))
    assert told["failures"][0]["error"] == "too large by far"
    assert "too large by far" in (tmp_path / "index.html").read_text("utf-8")
    again = InventedPart()
    assert len(go(again, tmp_path).rows) == 6
    assert len(again.computed) == 1


def test_where_every_case_fails(tmp_path):
    def fail(case):
        raise ImportError("pip install 'fastgram[exact]'")

    result = go(InventedPart(fail), tmp_path)
    assert (list(result.rows), list(result.verdicts)) == ([], [])
    assert not (tmp_path / "invented.svg").exists()
    assert "fastgram[exact]" in (tmp_path / "index.html").read_text("utf-8")


def test_a_bug_is_no_row(tmp_path):
    with pytest.raises(ZeroDivisionError):
        go(InventedPart(stop_at(3, ZeroDivisionError())), tmp_path)
    assert len(read_table(InventedPart(), tmp_path / "invented.csv")) == 2


def test_what_a_part_leaves(tmp_path):
    result = go(InventedPart(), tmp_path)
    told = json.loads((tmp_path / "invented.json").read_text("utf-8"))
    assert told == result.to_dict()
    assert told["verdicts"][0] == {
        "name": "slope, relu",
        "expected": 1.0,
        "measured": pytest.approx(1.0),
        "tolerance": 0.05,
        "word": "holds",
        "text": "the slope of relu",
    }
    assert told["claim"] == "Somebody claims that λ_min falls with δ."
    assert told["derivation"].split("\n\n") == ["relu: δ/2π.", "tanh: δ²/8."]
    assert set(told["versions"]) >= {"fastgram", "python", "numpy", "scipy", "numba"}
    assert "holds: slope, relu: 1, expected 1 ± 0.05" in str(result)
    assert "6 rows were seen." in result._repr_html_()


@pytest.mark.parametrize(
    ("expected", "tolerance", "told"),
    [(-1.0, 0.05, "-1 ± 0.05"), (0.0, "exactly", "0"), ("at most 0", 3.0, "at most 0")],
)
def test_expectations_in_words(expected, tolerance, told):
    assert expected_text(expected, tolerance) == told


def test_what_was_set_aside_is_told(tmp_path):
    go(InventedPart(), tmp_path)
    told = []
    go(type("Second", (InventedPart,), {"definition": 2})(), tmp_path, tell=told.append)
    assert len(told) == 1
    assert "another definition" in told[0]


def test_two_at_a_time_are_refused(tmp_path, refuses):
    def begin_another(case):
        with refuses(ValueError, "another process is writing it"):
            go(InventedPart(), tmp_path)

    go(InventedPart(begin_another), tmp_path)


def test_run(monkeypatch, tmp_path, refuses):
    monkeypatch.setattr(running, "load_part", lambda name: InventedPart())
    result = study.run("invented", out=str(tmp_path), size="quick", seeds=2)
    assert len(result.rows) == 12
    assert result.plot(tmp_path / "own.svg").axes
    with refuses(ValueError, "unknown size 'large'", "quick, default, full"):
        study.run("invented", size="large")
    with refuses(ValueError, "seeds", "1"):
        study.run("invented", seeds=0)
    with refuses(ValueError, "device"):
        study.run("invented", device="tpu")
    with refuses(ValueError, ".jpeg"):
        result.plot("figure.jpeg")


def test_an_unknown_part(refuses):
    with refuses(ValueError, "unknown part 'circel'"):
        study.run("circel")
