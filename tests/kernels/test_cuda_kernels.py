"""The CUDA kernels, compiled for this machine's processor, against the oracle and the CPU's tiles.

The threads of a block run in both orders: a missing barrier gives wrong entries in one of them.
"""

from __future__ import annotations

import functools
import gc
import threading

import numpy as np
import pytest
from helpers.cases import DTYPES
from helpers.cuda_host import host_kernels, needs_compiler
from helpers.tolerances import FEW, TABLE, eps, reference

import fastgram as fg
from fastgram import Network
from fastgram.devices.scratch import RowFactors
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.infinite_width.separable_table import separate
from fastgram.kernels import reference as naive
from fastgram.kernels.contract import CELLS, CLOSE, PieceVariable, Table
from fastgram.kernels.cpu import bit_products
from fastgram.kernels.cpu import evaluate as cpu
from fastgram.kernels.cuda.launch import Kernels

NEARER, ONE, MINUS_ONE, COSINE = PieceVariable

pytestmark = needs_compiler

QUICK = ("relu", "tanh", "hard_tanh", "step")
# A kernel sees a table, of whatever kind.
CASES = [
    pytest.param(*case, marks=[pytest.mark.slow] * (case[0] not in QUICK))
    for case in [
        *((name, 1, "gradient") for name in fg.activation_names() if name != "step"),
        *((name, 1, "nngp") for name in QUICK),
        ("relu", 30, "ntk"),
        ("tanh", 3, "ntk"),
        ("hard_tanh", 2, "nngp"),
    ]
]


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return host_kernels(request.param)


@functools.cache
def table_of(name, depth, kind, dtype):
    return table_of_norm(Network(name, depth=depth), kind, 1.0, dtype)


@functools.cache
def tile(dtype, height=37, width=53, d=5):
    """Cosines, rows and columns with weights; equal, opposite and nearly equal ones; zeros last."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((height, d)), rng.standard_normal((width, d))
    y[0], y[1] = x[0], -x[1]
    for k, size in enumerate(np.geomspace(1e-14, 0.3, 20)):
        y[2 + k] = (-1) ** k * (x[2] + size * rng.standard_normal(d))
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    x[-1] = y[-1] = 0.0
    scales = rng.random(height) + 0.5, rng.random(width) + 0.5
    scales[0][-1] = scales[1][-1] = 0.0
    x, y = x.astype(dtype), y.astype(dtype)
    return x @ y.T, x, y, *(scale.astype(dtype) for scale in scales)


def evaluated(evaluate, arguments, table, dtype=None, in_place=False):
    cosines = arguments[0].copy()
    out = cosines if in_place else np.full(cosines.shape, np.nan, dtype or cosines.dtype)
    evaluate(cosines, *arguments[1:], table, out)
    assert in_place or np.array_equal(cosines, arguments[0])
    return out


def allowed(arguments, table):
    """A few roundings of the largest entry of each pair of weights."""
    return FEW * eps(arguments[0].dtype) * table.scale * np.outer(*arguments[3:])


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "depth", "kind"), CASES)
def test_against_the_cpu(name, depth, kind, dtype, kernels):
    table, arguments = table_of(name, depth, kind, dtype), tile(dtype)
    found = evaluated(kernels.evaluate, arguments, table)
    assert np.all(
        np.abs(found - evaluated(cpu.evaluate, arguments, table)) <= allowed(arguments, table)
    )
    assert np.array_equal(evaluated(kernels.evaluate, arguments, table, in_place=True), found)


def test_tables_of_many_pieces_against_the_cpu(dtype, kernels):
    """Numbers at random on three pieces at either end and one between them."""
    assert table_of("hard_tanh", 1, "gradient", "float64").modes.tolist() == [0, 1, 2]
    rng, kind = np.random.default_rng(3), np.dtype(dtype)
    s = np.array([np.sqrt(0.125), 0.0, 0.1, 0.2, 0.0, 0.1, 0.2]), [1.0, 0.1, 0.2, np.sqrt(0.125)]
    lows, highs = s[0], np.array([*s[1], *s[1][1:]])
    steps = CELLS[kind] / np.array([1.5, *(highs - lows)[1:]])
    starts = np.array([-0.75, *lows[1:]])
    table = Table(
        modes=np.array([NEARER, *[ONE] * 3, *[MINUS_ONE] * 3]),
        lows=(lows**2).astype(kind),
        highs=(highs**2).astype(kind),
        cell_map=np.stack([steps, -starts * steps - 0.5, steps], axis=1).astype(kind),
        cells=rng.standard_normal((7, 5, CELLS[kind])).astype(kind),
        at_one=0.0, at_minus_one=0.0, scale=1e4, error=0.0, slope=0.0,
    )  # fmt: skip
    arguments = tile(dtype)
    square = 0.5 - 0.5 * np.abs(arguments[0])
    for low, high in zip(table.lows, table.highs, strict=True):
        assert np.any((low <= square) & (square < high))
    found = evaluated(kernels.evaluate, arguments, table)
    error = np.abs(found - evaluated(cpu.evaluate, arguments, table))
    assert np.all(error <= allowed(arguments, table))


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in naive.CLOSED_FORMS if case != ("step", "gradient")]
)
def test_against_the_reference(name, kind, dtype, kernels):
    """Rows of length 1 that are equal, opposite, or far from both."""
    angles = np.pi * (np.arange(16) + 0.25) / 16
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    x, y = rows.astype(dtype), np.concatenate([rows, -rows]).astype(dtype)
    table = table_of(name, 1, kind, dtype)
    arguments = x @ y.T, x, y, np.ones(16, dtype), np.ones(32, dtype)
    wanted = naive.gram(rows, np.concatenate([rows, -rows]), naive.CLOSED_FORMS[name, kind])
    # of s, from a product of 2 numbers and from rounded rows
    chord = 2.0 * eps(dtype) / np.sqrt(CLOSE[np.dtype(dtype)])
    bound = table.error + table.slope * chord + reference(2) * table.scale
    assert np.max(np.abs(evaluated(kernels.evaluate, arguments, table) - wanted)) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "depth", "kind"), CASES[::3] + CASES[-3:])
def test_every_cell_against_the_contract(name, depth, kind, dtype, kernels):
    """One row and a fan of others, at all angles; the entries in the words of the contract."""
    table = table_of(name, depth, kind, dtype)
    s = np.concatenate([np.geomspace(1e-9, 0.1, 40), np.linspace(0.0, np.sqrt(0.5), 1500)])
    theta = np.concatenate([2.0 * np.arcsin(s), np.pi - 2.0 * np.arcsin(s)])
    y = np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(dtype)
    x = np.array([[1.0, 0.0]], dtype)
    arguments = x @ y.T, x, y, np.ones(1, dtype), np.ones(theta.size, dtype)
    found = evaluated(kernels.evaluate, arguments, table)[0]

    rho = arguments[0][0].astype(np.float64)
    square = 0.5 - 0.5 * np.abs(rho)
    close = square < CLOSE[np.dtype(dtype)]
    difference = x.astype(np.float64) - np.where(rho < 0.0, -1.0, 1.0)[:, None] * y
    square[close] = 0.25 * np.sum(difference**2, axis=1)[close]
    wanted, visited = np.full(theta.size, np.nan), 0
    for p, mode in enumerate(table.modes):
        side = (mode == NEARER) | ((rho < 0.0) == (mode == PieceVariable.FROM_MINUS_ONE))
        here = side & (table.lows[p] <= square) & (square < table.highs[p])
        chord, (step, shift, slope) = np.sqrt(square[here]), table.cell_map[p].astype(np.float64)
        counted = step * (rho[here] if mode == NEARER else chord) + shift
        cells = table.cells[p].astype(np.float64)
        cell = np.clip(np.rint(counted), 0, cells.shape[1] - 1).astype(int)
        polynomial = np.zeros(chord.size)
        for coefficients in cells[2:]:
            polynomial = polynomial * (slope * chord + cells[0, cell]) + coefficients[cell]
        wanted[here] = cells[1, cell] - chord * polynomial
        visited += np.unique(cell).size
    assert visited == table.modes.size * table.cells.shape[2]
    # where the rounding of a cosine decides between two cells, these differ by less than the table
    close_to = 2 * TABLE * table.scale + 2.0 * table.slope * eps(dtype) * (dtype == "float32")
    assert np.max(np.abs(found - wanted)) <= FEW * eps(dtype) * table.scale + close_to


def test_the_diagonal_is_exact(dtype, kernels):
    table, (_, x, _, weights, _) = table_of("relu", 1, "gradient", dtype), tile(dtype)
    x, weights = x[:-1], weights[:-1]
    found = evaluated(kernels.evaluate, (x @ x.T, x, x, weights, weights), table)
    assert np.array_equal(np.diag(found), x.dtype.type(table.at_one) * (weights * weights))
    found = evaluated(kernels.evaluate, (x @ -x.T, x, -x, weights, weights), table)
    assert np.array_equal(np.diag(found), x.dtype.type(table.at_minus_one) * (weights * weights))


def test_cosines_that_rounding_put_beyond_one(dtype, kernels):
    table, (_, x, _, weights, _) = table_of("tanh", 1, "nngp", dtype), tile(dtype)
    beyond = (1.0 + FEW * eps(dtype)) * np.ones((36, 36), dtype)
    found = evaluated(kernels.evaluate, (beyond, x[:36], x[:36], weights[:36], weights[:36]), table)
    assert np.all(np.isfinite(found))
    assert np.diag(found) == pytest.approx(table.at_one * weights[:36] ** 2, rel=FEW * eps(dtype))


def test_where_the_rows_decide(dtype, kernels):
    """Equal rows, and cosines on both sides of the limit that are not theirs."""
    table, ones = table_of("relu", 1, "nngp", dtype), np.ones(2, dtype)
    x, limit = np.ones((2, 1), dtype), CLOSE[np.dtype(dtype)]
    cosines = (1.0 - 2.0 * limit * np.array([[0.99, 1.01], [1.01, 0.99]])).astype(dtype)
    for sign, value in ((1, table.at_one), (-1, table.at_minus_one)):
        found = evaluated(kernels.evaluate, (sign * cosines, x, sign * x, ones, ones), table)
        assert np.array_equal(np.diag(found), np.full(2, value, dtype))
        assert np.all(np.abs(found[[0, 1], [1, 0]] - value) > 1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1024), (2, 1025), (40, 3), (0, 5), (5, 0)])
def test_any_shape_and_either_dtype_of_the_result(shape, dtype, kernels):
    table = table_of("relu", 1, "gradient", dtype)
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((n, 3)) for n in shape)
    x, y = ((z / np.linalg.norm(z, axis=1, keepdims=True)).astype(dtype) for z in (x, y))
    arguments = x @ y.T, x, y, np.ones(shape[0], dtype), np.ones(shape[1], dtype)
    found = evaluated(kernels.evaluate, arguments, table)
    assert np.all(
        np.abs(found - evaluated(cpu.evaluate, arguments, table)) <= allowed(arguments, table)
    )
    for other in DTYPES:
        assert np.array_equal(
            evaluated(kernels.evaluate, arguments, table, other), found.astype(other)
        )


@pytest.mark.slow
@pytest.mark.parametrize("out", DTYPES)
def test_a_table_that_shared_memory_does_not_hold(dtype, out):
    staged = host_kernels()
    small = Kernels(staged.xp, staged.launch, staged.multiprocessors, shared_bytes=100)
    table = table_of("hard_tanh", 2, "nngp", dtype)
    one, other = (evaluated(k.evaluate, tile(dtype), table, out) for k in (staged, small))
    assert np.array_equal(one, other)


# --- separable pieces -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [pytest.param("tanh", "gradient", marks=pytest.mark.slow), ("elu", "ntk")]
)
def test_separable_pieces_against_the_cpu(name, kind, dtype, kernels):
    """Each alone, and only where it holds; together they fill the tile."""
    cosines, x, y, *weights = tile(dtype)
    norms = [np.geomspace(0.6, 1.8, z.shape[0]) for z in (x, y)]
    separated = separate(Network(name), kind, 0.6, 1.8, np.dtype(dtype))
    rows = [separated.chebyshev_rows(norm) for norm in norms]
    pieces = separated.pieces_for(cosines, *rows, RowFactors())
    assert {piece.mode for piece in pieces} == {
        PieceVariable.FROM_ONE,
        PieceVariable.FROM_MINUS_ONE,
        PieceVariable.IN_COSINE,
    }
    filled = np.zeros(cosines.shape, bool)
    for piece in pieces:
        for out_dtype in DTYPES:
            arguments = cosines, x, y, *weights
            found = evaluated(kernels.evaluate, arguments, piece, out_dtype)
            wanted = evaluated(cpu.evaluate, arguments, piece, out_dtype)
            here = (cosines < piece.top) & (cosines >= piece.bottom)
            assert np.array_equal(np.isnan(found), ~here)
            terms = 1.0 + np.max(np.abs(piece.bases), axis=0) @ np.max(
                np.abs(piece.weights), axis=1
            )
            bound = FEW * len(piece.horner_lengths) * eps(dtype) * terms * np.outer(*weights)
            assert np.all(np.abs(found - wanted)[here] <= bound[here])
        assert not np.any(filled & here)
        filled |= here
    assert np.all(filled)


# --- counts of bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 64, 300, 1300])
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 70), (0, 70)), ((3, 4), (60, 70)), ((5, 70), (1, 2))]
)
def test_counts_against_the_cpu(m, rows, columns, dtype, kernels):
    ones = [np.random.default_rng(seed).random((70, m)) < 0.5 for seed in (0, 1)]
    packed = [bit_products.pack(z) for z in ones]
    numbers = [np.count_nonzero(z, axis=1).astype(float) for z in ones]
    weights = 0.25 * m, -0.75, 2.25
    results = []
    for count in (bit_products.products, kernels.count):
        out = np.full((rows[1] - rows[0], columns[1] - columns[0]), np.nan, dtype)
        count(packed[0], rows, packed[1], columns, *numbers, weights, out)
        results.append(out)
    assert np.max(np.abs(results[0] - results[1])) <= FEW * eps(dtype) * 3 * m


# --- Kernels --------------------------------------------------------------------------------------


def test_a_packed_table_lives_as_long_as_its_table():
    kernels = Kernels(np, lambda *launch: None, 3)
    table = table_of_norm(Network("relu"), "gradient", 1.0, "float64")
    copy = type(table)(**vars(table))
    first = kernels.packed(copy)[0]
    assert kernels.packed(copy)[0] is first
    assert kernels.packed(table)[0] is not first
    del copy
    gc.collect()
    assert len(kernels._tables) == 1


def test_threads_may_launch_at_once(kernels):
    table, arguments = table_of("relu", 1, "gradient", "float64"), tile("float64")
    alone = evaluated(kernels.evaluate, arguments, table)
    equal = []

    def work():
        for _ in range(20):
            equal.append(np.array_equal(evaluated(kernels.evaluate, arguments, table), alone))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert equal == [True] * 60
