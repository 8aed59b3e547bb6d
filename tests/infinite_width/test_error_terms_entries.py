"""Large errors planted in rows, norms, products and tables: what is stated of entries holds them.

Rows and norms are off by a millionth and say so, tables are of too few nodes or too low a degree;
truth is a closed form of the rows as they were.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from helpers.oracles.closed_forms import FORMS, pair_entry
from mpmath import mp

import fastgram as fg
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width import conditioning, entry_choice, separable_table
from fastgram.infinite_width.entries import TabledEntries
from fastgram.infinite_width.integrated_entries import IntegratedEntries, SeparatedEntries
from fastgram.infinite_width.kernel_function import profile_of_norm
from fastgram.infinite_width.pairs import norm_nodes
from fastgram.infinite_width.piecewise import POWERS
from fastgram.infinite_width.tables import cosine_table
from fastgram.infinite_width.tables.cells import Cells, rounding_of
from fastgram.kernels.contract import CLOSE
from fastgram.matrix.operator import matrix_of
from fastgram.network import duals

OFF = 1e-6
EPS = float(np.finfo(np.float64).eps)
EPS32 = float(np.finfo(np.float32).eps)


def fresh(name, size=1.0):
    """An activation of its own, so that no table of it is kept; by a factor off."""
    known = fg.get_activation(name)
    if size == 1.0:
        return replace(known)
    return replace(known, f=lambda z: size * known.f(z), df=lambda z: size * known.df(z))


def turned(cosines, norms):
    """Rows at these cosines from the first one, and of these norms, in three dimensions."""
    rho = np.concatenate([[1.0], cosines])
    rows = np.stack([rho, np.sqrt(1.0 - rho * rho), np.zeros_like(rho)], axis=1)
    return rows * np.broadcast_to(norms, rho.shape)[:, None]


def over_bound(op, X, name, rows=None):
    """The largest error of some entries over what is stated of them."""
    A, entries = op.dense(), matrix_of(op).entries
    bound = entries.error * np.outer(entries.row_scales, entries.row_scales)
    worst = 0.0
    for i in range(len(X)) if rows is None else rows:
        for j in range(len(X)):
            off = abs(mp.mpf(float(A[i, j])) - pair_entry(name, op.kind, X[i], X[j]))
            worst = max(worst, float(off) / bound[i, j])
    return worst


def put_off(monkeypatch, part, error):
    """Let a part of unit rows be too large by a millionth, and say so."""
    of = UnitRows.of

    def worse(*given):
        rows = of(*given)
        return replace(rows, **{part: getattr(rows, part) * (1.0 + OFF)})

    monkeypatch.setattr(UnitRows, error, OFF)
    monkeypatch.setattr(UnitRows, "of", worse)


@pytest.fixture
def rows_off(monkeypatch):
    put_off(monkeypatch, "unit", "unit_error")


@pytest.fixture
def norms_off(monkeypatch):
    put_off(monkeypatch, "norms", "norm_error")


# as close as products decide how close, and further
COSINES = np.array([1.0 - 2.02 * CLOSE[np.dtype(np.float64)], 0.9, 0.5, 0.0, -0.7])
MANY = np.concatenate([COSINES, np.cos(np.linspace(0.3, 3.0, 30))])
NORMS = np.linspace(1.0, 1.15, 36)
# one table for all norms, tables of two norms, and entries integrated one by one
WAYS = {
    "table": ("relu", turned(COSINES, 1.0)),
    "one norm": ("erf", turned(COSINES, 1.0)),
    "separated": ("erf", turned(MANY, NORMS)),
    "direct": ("erf", turned(COSINES, NORMS[:6])),
}


def operator(way, kind="nngp", size=1.0):
    name, X = WAYS[way]
    op = fg.GramOperator(X, fg.Network(fresh(name, size)), kind=kind)
    classes = {"separated": SeparatedEntries, "direct": IntegratedEntries}
    assert type(matrix_of(op).entries) is classes.get(way, TabledEntries)
    return op, X, name


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_are_off(rows_off, way):
    op, X, name = operator(way, "gradient")
    assert over_bound(op, X, name, rows=(0, 1)) <= 1.0


@pytest.mark.parametrize("way", ["table", "separated", "direct"])
def test_norms_that_are_off(norms_off, way):
    op, X, name = operator(way, "gradient")
    assert over_bound(op, X, name, rows=(0, 1)) <= 1.0


def test_norms_that_are_taken_for_one(monkeypatch):
    monkeypatch.setattr(entry_choice, "_ONE_NORM", 1e-5)
    X = turned(COSINES, 1.0 + OFF * np.array([-1.0, 1.0, -1.0, 1.0, -1.0, -1.0]))
    op = fg.GramOperator(X, fg.Network(fresh("erf")), kind="gradient")
    assert matrix_of(op).entries.table is not None
    assert over_bound(op, X, "erf") <= 1.0


@pytest.mark.parametrize("way", WAYS)
def test_functions_that_are_off(monkeypatch, way):
    monkeypatch.setattr(conditioning, "FUNCTION_ERROR", OFF)
    op, X, name = operator(way, size=1.0 + OFF)
    assert over_bound(op, X, name, rows=(0, 1)) <= 1.0


def test_sums_of_many_products(monkeypatch):
    """Inner products of long rows, as far off as additions in the worst order."""
    d = 4096
    true = UnitRows.cosines

    def cosines(self, i, columns, j, out):
        true(self, i, columns, j, out)
        out += 0.9 * d * EPS / 2.0

    monkeypatch.setattr(UnitRows, "cosines", cosines)
    X = np.concatenate([turned(COSINES, 1.0), np.zeros((6, d - 3))], axis=1)
    op = fg.GramOperator(X, fg.Network(fresh("relu")), kind="gradient")
    assert over_bound(op, X[:, :3], "relu", rows=(0, 1)) <= 1.0


def test_the_error_of_the_whole_matrix(monkeypatch):
    """All rows nearly one: errors of one sign add up in the largest eigenvalue."""
    monkeypatch.setattr(conditioning, "FUNCTION_ERROR", OFF)
    X = turned(np.cos(np.linspace(1e-5, 1e-4, 19)), 1.0)
    op = fg.GramOperator(X, fg.Network(fresh("erf", 1.0 + OFF)), kind="nngp")
    exact = fg.exact_extreme_eigenvalues(X, "erf", kind="nngp", rows="raw").largest.estimate
    for method in ("dense", "lanczos"):
        found = fg.extreme_eigenvalues(op, method=method, rtol=1e-3).largest
        assert found.lower <= float(exact) <= found.upper
    assert float(exact) * (1.0 + 1.9 * OFF) <= np.linalg.eigvalsh(op.dense())[-1]


def test_entries_that_underflow():
    """Of rows of norm 1e-170 nothing is left, and the largest eigenvalue is not 0."""
    op = fg.GramOperator(1e-170 * np.eye(3), "abs", kind="nngp")
    assert not np.any(op.dense())
    exact = Fraction(10) ** -340
    assert Fraction(matrix_of(op).entries.norm_error) >= exact
    assert fg.extreme_eigenvalues(op).largest.upper > 0.0


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["table", "one norm"])
def test_tables_of_too_low_a_degree(monkeypatch, way):
    monkeypatch.setitem(cosine_table._TOLERANCE, np.dtype(np.float64), 1e-4)
    name = WAYS[way][0]
    X = turned(np.cos(np.linspace(0.01, 3.13, 150)), 1.0)
    op = fg.GramOperator(X, fg.Network(fresh(name)), kind="gradient")
    assert over_bound(op, X, name, rows=(0,)) <= 1.0


@pytest.mark.slow
def test_tables_of_too_few_norms(monkeypatch):
    """Between the probes too."""
    monkeypatch.setattr(norm_nodes, "_COUNTS", (4,))
    for module in (norm_nodes, separable_table):
        monkeypatch.setattr(module, "WORST", 0.1)
    X = turned(np.cos(np.linspace(0.1, 3.0, 35)), np.geomspace(0.9, 2.5, 36))
    op = fg.GramOperator(X, fg.Network(fresh("erf")), kind="gradient")
    assert over_bound(op, X, "erf") <= 1.0


@pytest.mark.parametrize("degree", [1, 7, 15])
def test_rounding_of_a_cell(degree):
    """A cell of one Chebyshev polynomial in float32, where powers of t cancel, at many points."""
    series = np.zeros(degree + 1)
    series[-1] = 1.0
    power = POWERS[: degree + 1, : degree + 1] @ series
    sides = (np.array([x]) for x in (0.0, 1.0, 0.3))
    of = Cells(*sides, np.ones((1, 1)), np.zeros((1, 1)))
    cell = np.concatenate([[-1.0, 0.3], power[::-1]]).astype(np.float32)
    (measured,) = rounding_of(cell[:, None], 2.0, of, series[None])
    s = np.random.default_rng(0).uniform(0.0, 1.0, 4000).astype(np.float32)
    t = np.float32(2.0) * s + cell[0]
    total = np.zeros_like(s)
    for coefficient in cell[2:]:
        total = total * t + coefficient
    exact = 0.3 - s * np.cos(degree * np.arccos(2.0 * s.astype(np.float64) - 1.0))
    worst = np.max(np.abs((cell[1] - s * total).astype(np.float64) - exact))
    assert 0.2 * worst <= measured / 2.0 <= worst
    assert worst <= 2.0 * measured


def test_roundings_of_a_cell_are_stated_for_one_table(monkeypatch):
    """Those of the worst cell, twice, beside whatever else a table is off by."""

    def one_is_off(*cells):
        return 1e-3 * (np.arange(8) == 5)

    monkeypatch.setattr(cosine_table, "rounding_of", one_is_off)
    profile = profile_of_norm(fg.Network("relu"), "gradient", 1.0)
    assert cosine_table.build_table(profile, "float64").error >= 2e-3


def test_careful_sums_keep_what_plain_ones_lose():
    parts = np.array([1e16, 1.0, -1e16, 1.0])
    terms = np.zeros(64)
    terms[:4] = parts
    assert duals.careful_sum([terms]) == 2.0
    # of many, of which some are added after they are folded: 1e16 + 1 in one place
    many = np.zeros(2**13 + 1)
    many[[0, 4096, 300, 1, 2**13]] = [1e16, 1.0, 1.0, -1e16, 1.0]
    assert duals.careful_sum([many[:4096], many[4096:]]) == 3.0


def test_closed_forms_are_here():
    assert {name for name, _ in WAYS.values()} <= set(FORMS)
