"""The table on disk: rows come back as they were, and a crash costs the last line at most."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.invented_part import InventedPart

from fastgram.study.part import Case, Row
from fastgram.study.settings import Settings
from fastgram.study.table import Table, columns_of, read_table


class OfWords(InventedPart):
    parameters = ("delta", "place", "count")


@pytest.fixture
def part():
    return InventedPart()


@pytest.fixture
def written(part, tmp_path):
    """A table with six rows, and its path."""
    path = tmp_path / "invented.csv"
    table = Table(part, path)
    for case in part.cases("quick", 1):
        table.append(part.compute(case, Settings()))
    return path


def test_columns(part):
    words = "data seed n d activation kind depth lower upper guarantee resolved seconds delta trace"
    assert columns_of(part)[:14] == words.split()


def test_rows_come_back(part, written):
    found = read_table(part, written)
    assert [row.case for row in found] == part.cases("quick", 1)
    assert found == [part.compute(case, Settings()) for case in part.cases("quick", 1)]


def test_values_of_every_type_come_back(tmp_path):
    parameters = {"delta": np.float64(1e-6), "place": 'in, "quotes"\nor not', "count": np.int64(3)}
    case = Case("circle:n=11", None, 11, 2, "leaky_relu(negative_slope=0.2)", "ntk", 3, parameters)
    row = Row(case, -math.inf, 5e-324, "none", False, 1.0, {"trace": math.nan})
    Table(OfWords(), tmp_path / "t.csv").append(row)
    (found,) = read_table(OfWords(), tmp_path / "t.csv")
    assert found.case.key == case.key
    assert [type(found.case.parameters[name]) for name in OfWords.parameters] == [float, str, int]
    assert (found.lower, found.upper, found.guarantee) == (-math.inf, 5e-324, "none")
    assert math.isnan(found.values["trace"])


def test_any_cut_of_the_last_line_costs_that_row_alone(part, written):
    whole = written.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    rows = read_table(part, written)
    for end in range(start + 1, len(whole), 3):
        written.write_bytes(whole[:end])
        found = Table(part, written).rows
        assert list(found.values()) == rows[:-1], end
        assert written.read_bytes().endswith(b"\n")
        Table(part, written).append(rows[-1])
        assert read_table(part, written)[-1] == rows[-1]


def test_another_broken_line_is_refused(part, written, refuses):
    lines = written.read_text("utf-8").splitlines(keepends=True)
    lines[2] = lines[2][:20] + "\n"
    written.write_text("".join(lines), "utf-8")
    with refuses(ValueError, "invented.csv, row 2", "cells"):
        Table(part, written)


@pytest.mark.parametrize("damage", [b'"', b"a" * 200_000])
def test_a_line_that_swallows_others_is_refused(part, written, refuses, damage):
    """A stray quote would make one cell of all that follows it, which a last line may be."""
    whole = written.read_bytes()
    lines = whole.splitlines(keepends=True)
    rows = read_table(part, written)
    written.write_bytes(b"".join([*lines[:2], damage + lines[2], *lines[3:]]))
    with refuses(ValueError, "invented.csv, line 3"):
        Table(part, written)
    written.write_bytes(b"".join([*lines[:-1], damage + lines[-1]]))
    assert list(Table(part, written).rows.values()) == rows[:-1]


def test_a_row_with_an_error_is_computed_again(part, written):
    rows = read_table(part, written)
    failed = Row(part.cases("full", 1)[0], -math.inf, math.inf, "none", False, 0.0, {}, "too\nbig")
    Table(part, written).append(failed)
    assert read_table(part, written)[-1].error == "too big"
    assert list(Table(part, written).rows.values()) == rows
    assert read_table(part, written) == rows


@pytest.mark.parametrize("change", [{"definition": 2}, {"values": ("trace", "width")}])
def test_another_definition_is_set_aside(part, written, change):
    before = written.read_bytes()
    other = type("Other", (InventedPart,), change)()
    table = Table(other, written)
    assert table.rows == {}
    assert "invented-earlier-1.csv" in table.told
    assert (written.parent / "invented-earlier-1.csv").read_bytes() == before
    assert Table(part, written).rows == {}  # and back again: no name is written over
    assert (written.parent / "invented-earlier-1.csv").read_bytes() == before


def test_what_is_no_table_stays(part, tmp_path, refuses):
    path = tmp_path / "invented.csv"
    path.write_text("a,b\n1,2\n", "utf-8")
    with refuses(ValueError, "invented.csv", "not a table of the study"):
        Table(part, path)
    assert path.read_text("utf-8") == "a,b\n1,2\n"


def test_what_has_no_column_is_refused(part, tmp_path, refuses):
    case = Case("pair", 0, 9, 3, "relu", "gradient", 1, {"sigma": 0.1})
    with refuses(ValueError, "parameter 'sigma'", "delta"):
        Table(part, tmp_path / "t.csv").append(Row(case, 0.0, 1.0, "none", False, 0.0))
