"""Rows of matrices: the brackets are the library's, by the case's kind."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.study.measuring import bracketed_row, proven_row
from fastgram.study.part import Case
from fastgram.study.settings import Settings

X = fg.datasets.circle(7)
CASE = Case("circle:n=7", None, 7, 2, "relu", "nngp", 2)
NETWORK = fg.Network("relu", depth=2)


def test_a_bracketed_row():
    row = bracketed_row(CASE, X, NETWORK, Settings(), {"trace": 1.0}, method="dense")
    least = np.linalg.eigvalsh(fg.gram(X, network=NETWORK, kind="nngp"))[0]
    assert row.lower <= least * (1 + 1e-9)
    assert row.upper >= least * (1 - 1e-9)
    assert row.upper - row.lower < 1e-9
    assert (row.guarantee, row.resolved, row.values) == ("certified", True, {"trace": 1.0})
    assert row.seconds > 0.0
    assert row.case is CASE


def test_a_proven_row_is_within_it():
    row, proven = bracketed_row(CASE, X, NETWORK, Settings()), proven_row(CASE, X, NETWORK)
    assert max(row.lower, proven.lower) <= min(row.upper, proven.upper)
    assert proven.upper - proven.lower < 1e-4 * proven.upper
    assert proven.resolved


def test_what_is_not_resolved():
    case = Case("circle:n=41", None, 41, 2, "tanh", "gradient", 1)
    row = bracketed_row(case, fg.datasets.circle(41), "tanh", Settings())
    assert not row.resolved
    assert row.lower <= 0.0 < row.upper
    assert proven_row(case, fg.datasets.circle(41), "tanh").resolved


def test_an_exact_zero():
    case = Case("circle:n=7", None, 7, 2, "linear", "gradient", 1)
    for row in (bracketed_row(case, X, "linear", Settings()), proven_row(case, X, "linear")):
        assert (row.lower, row.upper, row.guarantee, row.resolved) == (0.0, 0.0, "exact", True)


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
def test_kinds(kind):
    op = Settings().operator(X, "tanh", kind)
    assert op.dense() == pytest.approx(fg.gram(X, network="tanh", kind=kind), rel=1e-13)
