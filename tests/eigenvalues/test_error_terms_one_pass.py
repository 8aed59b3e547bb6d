"""Large errors planted in the one-pass bound: how far down discs reach is never less than said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastgram as fg
from fastgram.devices.unit_rows import UnitRows
from fastgram.eigenvalues import one_pass_bound as module
from fastgram.eigenvalues.one_pass_bound import _Remainders, _remainders_of
from fastgram.infinite_width.entries import Entries

OFF = 1e-6
N, ORDER = 24, 1
SQUARE = fg.Activation("z|z|", lambda z: z * np.abs(z), lambda z: 2.0 * np.abs(z), (0.0,))


def remainders(X, network="relu"):
    op = fg.GramOperator(X, network)
    found = _remainders_of(op)
    assert found is not None
    return found


def reached(found):
    """How far down the discs are said to reach, everything subtracted."""
    discs, slack = found.discs(ORDER)
    return discs - slack


def assert_no_further(found, true):
    """Of relu the remainder is above 0 everywhere; `true` has no planted error."""
    assert np.all(reached(found) <= true + 1e-11)


@pytest.fixture
def sphere():
    return fg.datasets.sphere(N, 30, 0)


def lowered(table, by):
    """A table whose entries are so much too low, but for the one on the diagonal."""
    cells = table.cells.copy()
    cells[:, 1] -= by
    return replace(table, cells=cells, at_one=table.at_one + by)


def test_a_table_of_the_remainder_that_is_off(sphere, monkeypatch):
    found = remainders(sphere)
    true, table = found.discs(ORDER)[0], found.table(ORDER)
    off = replace(lowered(table, OFF), error=table.error + OFF)
    monkeypatch.setattr(_Remainders, "table", lambda *_: off)
    assert_no_further(found, true)


def test_entries_that_are_off_for_their_norms(sphere, monkeypatch):
    """What entries are off by beyond their table is what the remainders' norms are off by too."""
    found = remainders(sphere)
    true, off = found.discs(ORDER)[0], lowered(found.table(ORDER), OFF)
    found.entries.error += OFF
    monkeypatch.setattr(_Remainders, "table", lambda *_: off)
    assert_no_further(found, true)


def test_sums_that_are_off(sphere, monkeypatch):
    """By what so many additions may be, in the worst order."""
    found = remainders(sphere)
    true, sums = found.discs(ORDER)[0], _Remainders._sums
    monkeypatch.setattr(module, "gamma", lambda count: count * OFF)
    monkeypatch.setattr(
        _Remainders, "_sums", lambda self, *given: sums(self, *given) * (1.0 - N * OFF)
    )
    assert_no_further(found, true)


@pytest.mark.parametrize(("network", "power"), [("relu", 1), (SQUARE, 2)])
def test_row_scales_that_are_off(sphere, monkeypatch, network, power):
    found = remainders(sphere, network)
    true = found.discs(ORDER)[0]
    assert np.max(true) > 0.0
    monkeypatch.setattr(Entries, "weight_error", lambda _: OFF)
    found.entries.row_scales = found.entries.row_scales * (1.0 + OFF) ** power
    assert_no_further(found, true)


def test_rows_that_are_off(monkeypatch):
    """Too short by a millionth, and as close as products decide how close."""
    X = np.concatenate([np.ones((N, 1)), 0.0637 * np.eye(N)], axis=1)
    true = remainders(X).discs(ORDER)[0]
    of = UnitRows.of
    monkeypatch.setattr(UnitRows, "unit_error", OFF)
    monkeypatch.setattr(
        UnitRows, "of", lambda *given: replace(of(*given), unit=of(*given).unit * (1.0 - OFF))
    )
    assert_no_further(remainders(X), true)
