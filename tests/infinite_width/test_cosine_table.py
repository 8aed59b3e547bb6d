"""Tables against the duals they are made of, against mpmath, and as the kernels evaluate them.

The tests evaluate a table in their own words (`value`), from the contract in fastgram.kernels.
"""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.cases import DEVICES, DTYPES, KINDS, RECORDS
from helpers.oracles.closed_forms import FORMS, drop
from helpers.table_values import end, fallen, value
from helpers.tolerances import DROP, EPS, FEW, STATED, TABLE, eps
from mpmath import mpf

from fastgram import Activation, Network, get_activation
from fastgram.devices.registry import as_devices
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.infinite_width.tables.cosine_table import Profile, build_table
from fastgram.kernels.contract import CELLS, CLOSE, PieceVariable
from fastgram.network.duals import careful_sum, dual_entries
from fastgram.network.integrals.double_integral import terms_of
from fastgram.network.integrals.levels import common_level
from fastgram.network.integrals.waves import duals_of_waves, is_closed

VALUES = json.loads((Path(__file__).parents[1] / "data" / "dual_values.json").read_text("utf-8"))
VARIANCES = (0.01, 1.0, 100.0)


def cases(names):
    return [
        pytest.param(
            name,
            kind,
            q,
            id=f"{name}-{kind}-{q:g}",
            marks=[pytest.mark.slow] * (q != 1.0 and name != "relu"),
        )
        for name in names
        if name != "silu"
        for kind in KINDS
        for q in VARIANCES
        if (name, kind) != ("step", "gradient") and wanted(name, kind, q)
    ]


def wanted(name, kind, q):
    """Whether to test a table: at a large variance f' is what is rough, and f no more than that.

    Other parameters than the default ones are tested at a variance of 1.
    """
    return q == 1.0 or ("(" not in name and (q < 1.0 or kind == "gradient"))


CASES = cases(RECORDS)


@functools.cache
def table_of(name, kind, q, dtype="float64"):
    return table_of_norm(Network(name), kind, float(np.sqrt(q)), dtype)


def ideal(activation, kind, theta, q1, q2=None):
    """Entries over the norms, one quadrature each, of the angle itself and not of its cosine."""
    q2 = q1 if q2 is None else q2
    full = [np.broadcast_to(q, theta.shape) for q in (q1, q2)]
    values = dual_entries(activation, kind == "gradient", theta, *full)
    return values * np.cos(theta) if kind == "gradient" else values


def ideal_at_both_ends(activation, kind, offsets, q):
    """Entries over the norms at angles off 0, and off π: one quadrature for the two."""
    derivative, deviation = kind == "gradient", np.sqrt([q])
    if is_closed(activation, deviation):
        pairs = [
            [side[0, 0] for side in duals_of_waves(activation, derivative, t, deviation, deviation)]
            for t in offsets.tolist()
        ]
    else:
        level = common_level(activation, derivative, np.array([q]))
        pairs = []
        for t in offsets[:, None]:
            parts = [terms for (terms,) in terms_of(activation, derivative, t, deviation, level)]
            pairs.append([careful_sum([terms.values[k] for terms in parts]) for k in (0, 1)])
    near, far = np.transpose(pairs)
    return (near * np.cos(offsets), -far * np.cos(offsets)) if derivative else (near, far)


def adversarial_offsets(table):
    """The end, every scale of s, both sides of every edge, the middle, and some at random."""
    s = np.array([0.0, 1e-9, 1e-7, 1e-5, 1e-3, 0.03, 0.2, 0.4, 0.6, np.sqrt(0.5)])
    s = np.concatenate([s, np.random.default_rng(11).uniform(0.0, np.sqrt(0.5), 5)])
    edges = np.sort(np.concatenate([cell_edges(table, p) for p in range(table.modes.size)]))
    # those of one side are those of the other as a rule, to a rounding
    edges = edges[np.diff(edges, prepend=0.0) > 2 * EPS * edges]
    found = [2.0 * np.arcsin(s), edges * (1.0 - 4 * EPS), edges * (1.0 + 4 * EPS)]
    return np.minimum(np.concatenate(found), np.pi / 2)  # beyond it is the other side's


def cell_edges(table, piece):
    """The angles between one cell and the next, from the nearer end."""
    step, shift, _ = table.cell_map[piece].astype(np.float64)
    v = (np.arange(table.cells.shape[2] - 1) + 0.5 - shift) / step
    return (
        np.arccos(np.abs(v))
        if table.modes[piece] == PieceVariable.FROM_NEARER
        else 2.0 * np.arcsin(v)
    )


@pytest.mark.parametrize(("name", "kind", "q"), CASES)
def test_error_against_the_dual(name, kind, q):
    table = table_of(name, kind, q)
    offsets = adversarial_offsets(table)
    exact = ideal_at_both_ends(get_activation(name), kind, offsets, q)
    for far, expected in zip((False, True), exact, strict=True):
        error = np.abs(end(table, far) - fallen(table, offsets, far) - expected)
        assert np.max(error) <= min(table.error, TABLE * table.scale)
    assert table.error <= STATED * table.scale
    assert table.scale >= np.max(np.abs(exact)) * (1.0 - 1e-3)
    assert table.scale <= np.max(np.abs(exact)) * (1.0 + TABLE)


@pytest.mark.parametrize(("name", "kind", "q"), CASES)
def test_error_against_mpmath(name, kind, q):
    """The quadrature's error is in the bound as well: 20-digit values, at 8 cosines."""
    activation, table = get_activation(name), table_of(name, kind, q)
    tested = 0
    for r in VALUES:
        same = get_activation(r["activation"], **r["parameters"]).name == activation.name
        if not same or r["derivative"] != (kind == "gradient") or not r["q1"] == r["q2"] == q:
            continue
        rho = r["rho"]
        # the angle of that very cosine: 1 ± ρ is exact near the ends
        acute = 2.0 * np.arcsin(np.sqrt((1.0 - abs(rho)) / 2.0))
        exact = mpf(r["value"]) * (mpf(rho) if kind == "gradient" else 1)
        error = abs(mpf(float(value(table, acute if rho >= 0.0 else np.pi - acute))) - exact)
        assert error <= table.error, rho
        tested += 1
    assert tested == 8


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_error_bound_holds_whatever_the_size_of_f(scale, kind):
    """A multiple of f has the multiple of its entries, to the table's relative error."""
    scaled = Activation(
        f"{scale:g}·tanh", lambda z: scale * np.tanh(z), lambda z: scale / np.cosh(z) ** 2
    )
    table = table_of_norm(Network(scaled), kind, 1.0, "float64")
    theta = np.linspace(0.0, np.pi, 25)
    exact = scale**2 * ideal(get_activation("tanh"), kind, theta, np.float64(1.0))
    error = np.abs(value(table, theta) - exact)
    assert table.error <= STATED * table.scale
    assert np.max(error) <= table.error + TABLE * scale**2 / 3


@pytest.mark.parametrize(("name", "kind", "q"), cases(FORMS))
def test_error_vanishes_at_both_ends(name, kind, q):
    """K(±1) − K(ρ) of close pairs, before the entry is rounded, against the exact chord.

    At an angle of 0.01 to a few roundings of the entry (4 of 1e-16); below that the error falls
    with the angle, to a thousandth of a rounding at 1e-8: closer than the entry can show.
    """
    table = table_of(name, kind, q)
    for theta in (1e-2, 1e-5, 1e-8):
        exact = [x / (q if kind == "gradient" else 1.0) for x in drop(name, kind, theta, q)]
        for far, expected in zip((False, True), exact, strict=True):
            allowed = EPS * table.scale * min(FEW, 1e5 * theta)
            assert abs(mpf(float(fallen(table, theta, far))) - expected) <= allowed, theta


@pytest.mark.parametrize("q", VARIANCES)
@pytest.mark.parametrize(
    ("name", "kind"),
    [("relu", "gradient"), ("leaky_relu", "gradient"), ("abs", "gradient"), ("step", "nngp")],
)
def test_close_pairs_keep_relative_digits_where_the_smallest_eigenvalue_needs_them(name, kind, q):
    """Where f' (or a step's f) jumps, K(1) − K(ρ) falls like the angle: here 1e-12 of that."""
    table = table_of(name, kind, q)
    for theta in (1e-2, 1e-5, 1e-8, 1e-12):
        exact = [x / (q if kind == "gradient" else 1.0) for x in drop(name, kind, theta, q)]
        for far, expected in zip((False, True), exact, strict=True):
            found = mpf(float(fallen(table, theta, far)))
            assert abs(found - expected) <= DROP * abs(expected), theta


def test_the_ends_are_exact(activation, kind):
    if Network(activation).is_zero(kind):
        assert activation.name == "step"
        return
    table = table_of(activation.name, kind, 1.0)
    one, minus_one = ideal(activation, kind, np.array([0.0, np.pi]), np.float64(1.0))
    assert table.at_one == pytest.approx(one, abs=2 * FEW * EPS * table.scale)
    assert table.at_minus_one == pytest.approx(minus_one, abs=2 * FEW * EPS * table.scale)
    assert value(table, 0.0) == table.at_one
    assert value(table, np.pi) == table.at_minus_one


@pytest.mark.parametrize(("name", "kind", "q"), [case for case in CASES if not case.marks])
def test_slope_bounds_the_derivative_in_s(name, kind, q):
    """No difference quotient on a fine grid exceeds it, and it is not far above the largest."""
    table = table_of(name, kind, q)
    s = np.linspace(0.0, np.sqrt(0.5), 1500)
    steepest = 0.0
    for sign in (1.0, -1.0):
        angles = 2.0 * np.arcsin(s)
        values = value(table, angles if sign > 0 else np.pi - angles)
        quotients = np.abs(np.diff(values)) / np.diff(s)
        steepest = max(steepest, float(np.max(quotients)))
    assert steepest <= table.slope
    assert table.slope <= 3.0 * steepest + 1e-9 * table.scale


@pytest.mark.slow
@pytest.mark.parametrize("q", VARIANCES[:2])
def test_float32_tables(activation, kind, q):
    if Network(activation).is_zero(kind):
        return
    table = table_of(activation.name, kind, q, "float32")
    for name in ("lows", "highs", "cell_map", "cells"):
        assert getattr(table, name).dtype == np.float32
    offsets = np.linspace(0.0, np.pi / 2, 16)
    exact = ideal_at_both_ends(activation, kind, offsets, q)
    for far, expected in zip((False, True), exact, strict=True):
        error = np.abs(end(table, far) - fallen(table, offsets, far) - expected)
        assert np.max(error) <= table.error
    assert table.error <= 2 * FEW * eps("float32") * table.scale
    # a table for float32 need not hold what float32 cannot show
    wide = table_of(activation.name, kind, q)
    assert table.cells.shape[1] <= wide.cells.shape[1]


@pytest.mark.parametrize(("name", "kind", "q"), CASES)
def test_the_form_that_the_kernels_are_promised(name, kind, q):
    table = table_of(name, kind, q)
    pieces = table.modes.size
    assert table.lows.shape == table.highs.shape == (pieces,)
    assert table.cell_map.shape == (pieces, 3)
    assert table.cells.shape[0] == pieces
    assert table.cells.shape[2] == CELLS[table.cells.dtype]
    assert np.array_equal(np.sort(table.modes), table.modes)
    for mode in (
        PieceVariable.FROM_ONE,
        PieceVariable.FROM_MINUS_ONE,
    ):  # without a gap, and nothing twice
        mine = [p for p in range(pieces) if table.modes[p] in (mode, PieceVariable.FROM_NEARER)]
        mine.sort(key=lambda p: table.lows[p])
        assert table.lows[mine[0]] == 0.0
        assert np.array_equal(table.lows[mine[1:]], table.highs[mine[:-1]])
        assert table.highs[mine[-1]] > 0.5


def test_normalize_scales_the_table():
    plain = table_of_norm(Network("tanh"), "nngp", 1.0, "float64")
    scaled = table_of_norm(Network("tanh", normalize=True), "nngp", 1.0, "float64")
    assert scaled.at_one == pytest.approx(1.0, abs=FEW * EPS)
    for theta in (0.1, 1.5, 3.0):
        expected = value(plain, theta) / plain.at_one
        assert value(scaled, theta) == pytest.approx(expected, abs=2 * TABLE)


def test_what_no_table_can_hold_is_refused(refuses):
    jumping = Profile(
        np.array([1.0]),
        np.array([-1.0]),
        lambda far, offsets: (-1.0 if far else 1.0) * (offsets[:, None] > 0.7),
    )
    with refuses(ValueError, "too rough a function of the cosine", "kink"):
        build_table(jumping)


# --- as a device evaluates them ------------------------------------------------------------------


def evaluate(name, cosines, rows, columns, row_scale, column_scale, table, out):
    """Fill `out` on the host, by the tile kernel of a device; it may be `cosines`."""
    device = as_devices(name)[0]
    arrays = (cosines, rows, columns, row_scale, column_scale)
    with device.context():
        tile, *others = [device.put(np.ascontiguousarray(array)) for array in arrays]
        result = tile if out is cosines else device.put(out)
        device.evaluate(tile, *others, table, result)
        out[...] = device.get(result)


def pair_of_rows(theta, dtype):
    """One row against rows at these angles from it, in the plane, and their exact angles."""
    x = np.array([[1.0, 0.0]], dtype)
    y = np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(dtype)
    exact = np.arctan2(y[:, 1].astype(np.float64), y[:, 0].astype(np.float64))
    return x, y, exact


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [1, 512, 513, 1029])
@pytest.mark.parametrize(("name", "kind"), [("relu", "gradient"), ("hard_tanh", "nngp")])
def test_the_kernel_evaluates_the_table(name, kind, count, device, dtype):
    """Chunks of any length, every piece in one chunk, close pairs included."""
    table = table_of(name, kind, 1.0, dtype)
    rng = np.random.default_rng(count)
    theta = rng.uniform(0.0, np.pi, count)
    special = [0.0, 1e-9, 1e-4, np.pi, np.pi - 1e-5, np.pi / 2]
    theta[: min(count, 6)] = special[: min(count, 6)]
    x, y, exact = pair_of_rows(rng.permutation(theta), dtype)
    row_scale, column_scale = np.array([0.5], dtype), rng.uniform(1, 2, count).astype(dtype)
    out = np.full((1, count), np.nan, dtype)
    evaluate(device, x @ y.T, x, y, row_scale, column_scale, table, out)
    expected = value(table, exact) * column_scale.astype(np.float64) / 2
    rounding = 2 * FEW * eps(dtype) * table.scale + table.slope * eps(dtype) / np.sqrt(
        CLOSE[np.dtype(dtype)]
    )
    assert np.max(np.abs(out[0] - expected)) <= rounding


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("degree", [0, 1, 2, 11, 30])
def test_any_degree_and_every_cell(degree, device, dtype):
    """Coefficients at random, one column a cell, in place, rows that end within a vector."""
    exact = table_of("relu", "gradient", 1.0, dtype)
    rng = np.random.default_rng(degree)
    cells = rng.standard_normal((1, 3 + degree, CELLS[np.dtype(dtype)])).astype(dtype)
    table = replace(exact, cells=cells)
    rho = rng.uniform(-0.9, 0.9, (3, 157)).astype(dtype)
    rows, columns = rng.standard_normal((3, 2)).astype(dtype), rng.standard_normal((157, 2))
    ones = np.ones(157, dtype)
    out = rho.copy()
    evaluate(device, out, rows, columns.astype(dtype), ones[:3], ones, table, out)
    step, shift, scale = table.cell_map[0].astype(np.float64)
    rho = rho.astype(np.float64)
    s = np.sqrt((1.0 - np.abs(rho)) / 2.0)
    place = step * rho + shift
    cell = np.rint(place).astype(int)
    t = scale * s + cells[0, 0][cell]
    total = np.zeros_like(s)
    for coefficients in cells[0, 2:]:
        total = total * t + coefficients[cell]
    expected = cells[0, 1][cell] - s * total
    sure = np.abs(place - np.floor(place) - 0.5) > 1e-5  # where rounding does not choose the cell
    assert np.unique(cell).size == cells.shape[2]
    size = np.max(np.abs(t)) ** degree * (degree + 3)
    assert np.allclose(out[sure], expected[sure], rtol=0.0, atol=60 * eps(dtype) * size)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_close_pairs_take_the_chord_from_the_rows(device, sign):
    """At an angle of 1e-8 the cosine is ±1 in float64 and knows nothing."""
    table = table_of("relu", "gradient", 1.0)
    theta = np.array([1e-3, 1e-5, 1e-7, 1e-8, 1e-10])
    x, y, exact = pair_of_rows(theta, np.float64)
    y = sign * y
    ones, out = np.ones(5), np.empty((1, 5))
    evaluate(device, x @ y.T, x, y, ones[:1], ones, table, out)
    end = 0 if sign > 0 else 1
    expected = [float((mpf(0.5), mpf(0))[end] - drop("relu", "gradient", t, 1)[end]) for t in exact]
    assert np.max(np.abs(out[0] - expected)) <= 2 * EPS * table.scale


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tile_into_either_dtype(device, dtype):
    table = table_of("tanh", "nngp", 1.0, dtype)
    x, y, _ = pair_of_rows(np.linspace(0.0, 3.0, 30), dtype)
    ones = np.ones(30, dtype)
    cosines = x @ y.T
    outs = [np.empty((1, 30), other) for other in DTYPES]
    for out in outs:
        evaluate(device, cosines, x, y, ones[:1], ones, table, out)
    assert np.allclose(*outs, rtol=0.0, atol=eps("float32"))
    assert np.array_equal(cosines, x @ y.T)  # not written into
