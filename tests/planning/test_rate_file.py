"""Rates that are kept in the cache folder: as they should be, damaged, old, in no folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastgram as fg
from fastgram.planning import rate_file
from fastgram.planning.rate_file import RateFile

ALL = ["of_machine", "of_vectors", "of_entries"]


def plan(**changes):
    return fg.plan(3000, 20, "relu", **changes)


def test_rates_are_measured_once(measured, cache):
    first = plan()
    assert measured == ALL
    assert first.remarks == ()
    content = json.loads(cache.read_text())
    assert content["fastgram"] == fg.__version__
    assert len(content["rates"]) == 3
    assert sorted(cache.parent.iterdir()) == [cache]
    second = plan()
    assert measured == ALL
    assert second.rates == first.rates


def test_measure_anew(measured):
    plan()
    plan(measure=True)
    assert measured == [*ALL, *ALL]


def test_what_rates_are_of(measured):
    """Entries by d, dtype and table; vectors by the block; the rest of the machine."""
    plan()
    del measured[:]
    fg.plan(9000, 20, "relu")
    assert measured == []
    fg.plan(3000, 21, "relu")
    plan(dtype="float32")
    fg.plan(3000, 20, "hard_tanh")
    assert measured == ["of_entries"] * 3
    plan(block=8)
    assert measured[3:] == ["of_vectors", "of_entries"]


def test_threads_are_others(measured, monkeypatch):
    plan()
    del measured[:]
    monkeypatch.setattr("fastgram.planning.rates.thread_count", lambda: 64)
    plan()
    assert measured == ALL


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"fastgram": "0.1.0"}',
        b'{"fastgram": "0.1.0", "rates": {"a": 1}}',
        b'{"fastgram": "0.1.0", "rates": {"a": {"entries": "1"}}}',
        b'{"fastgram": "0.1.0", "rates": {"a": {"entries": NaN}}}',
        b'{"fastgram": "0.1.0", "rates": {"a": {"entries": true}}}',
        b'{"fastgram": "0.1.0", "rates": {"a": {"entries": -1.0}}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file(content, measured, cache):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    found = plan()
    assert measured == ALL
    assert found.remarks == (f"{cache} is damaged: its rates are measured anew",)
    assert plan().remarks == ()
    assert measured == ALL


def test_a_file_of_another_version(measured, cache):
    plan()
    content = json.loads(cache.read_text())
    cache.write_text(json.dumps(content | {"fastgram": "0.0.9"}))
    found = plan()
    assert measured == [*ALL, *ALL]
    assert found.remarks == (f"{cache} is of fastgram 0.0.9: its rates are measured anew",)
    assert json.loads(cache.read_text())["fastgram"] == fg.__version__


def test_a_rate_that_is_missing_is_measured(measured, cache):
    plan()
    content = json.loads(cache.read_text())
    for part in content["rates"].values():
        part.pop("entries", None)
    cache.write_text(json.dumps(content))
    plan()
    assert measured == [*ALL, "of_entries"]


def test_a_folder_that_cannot_be_written_to(measured, cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file in the way")
    found = plan()
    assert measured == ALL
    assert len(found.remarks) == 2  # of reading and of writing
    assert f"the measured rates cannot be kept in {cache}: " in found.remarks[-1]


def test_no_home(measured, monkeypatch):
    def nowhere():
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(rate_file.Path, "home", nowhere)
    found = plan()
    assert found.remarks == ("there is no home folder to keep the measured rates in",)


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_where_it_is_without_a_variable(given, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setattr(rate_file.Path, "home", lambda: Path("/home/somebody"))
    assert RateFile.read().folder == Path("/home/somebody/.cache/fastgram")
