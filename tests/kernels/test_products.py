"""The loops that multiply tiles, against NumPy, and the vectors they are made of.

They are compiled for any processor, with 512 bits or without; where they are not used BLAS is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers.cases import DTYPES
from helpers.tolerances import eps

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.devices.unit_rows import UnitRows
from fastgram.kernels.cpu import llvm_vectors, products
from fastgram.kernels.cpu.transpose import mirror, transpose
from fastgram.matrix.operator import matrix_of

TILE = 64


def packed(X, monkeypatch):
    monkeypatch.setattr(products, "has_avx512", lambda: True)
    return products.pack(X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 2, 7, 255, 256, 257, 600])
@pytest.mark.parametrize("n", [1, 5, 64, 131])
def test_products_of_rows(n, d, dtype, monkeypatch):
    """Every tile of a matrix, the last ones smaller, and lengths around one block of steps."""
    rng = np.random.default_rng(n + d)
    X, Y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((70, d)).astype(dtype)
    a, b = packed(X, monkeypatch), packed(Y, monkeypatch)
    assert a.shape[1:] == (d, products.panel(np.dtype(dtype)))
    for i in range(0, n, TILE):
        for j in range(0, 70, TILE):
            x, y = X[i : i + TILE].astype(np.float64), Y[j : j + TILE].astype(np.float64)
            out = np.full((len(x), len(y)), np.nan, dtype)
            products.multiply_rows(a, i, b, j, out)
            allowed = (d + 2) * eps(dtype) * (np.abs(x) @ np.abs(y).T)
            assert np.all(np.abs(out - x @ y.T) <= allowed)


def test_without_wide_registers_nothing_is_packed(monkeypatch):
    monkeypatch.setattr(products, "has_avx512", lambda: False)
    assert products.pack(np.ones((3, 2))) is None


@pytest.mark.parametrize("columns", [8, 16, 24, 40])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (9, 31), (31, 9), (96, 64)])
def test_a_tile_and_its_transpose_times_blocks(shape, columns):
    rng = np.random.default_rng(columns)
    tile = rng.standard_normal(shape)
    x, y = rng.standard_normal((shape[1], columns)), rng.standard_normal((shape[0], columns))
    row, part = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    expected = row + tile @ x, part + tile.T @ y
    products.multiply_block(tile, x, y, row, part)
    assert np.allclose(row, expected[0], rtol=0.0, atol=1e-13 * sum(shape))
    assert np.allclose(part, expected[1], rtol=0.0, atol=1e-13 * sum(shape))


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("columns", [1, 2, 8, 13, 16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_products_with_a_matrix(columns, order, wide, monkeypatch):
    """By loops of our own and by BLAS, whatever the number of columns and their layout."""
    monkeypatch.setattr(llvm_vectors, "has_avx512", lambda: wide)
    monkeypatch.setattr(products, "has_avx512", lambda: wide)
    X = fg.datasets.sphere(900, 6, 3)
    op = fg.GramOperator(X, "tanh", memory=0)
    V = np.asarray(np.random.default_rng(1).standard_normal((900, columns)), order=order)
    before = V.copy()
    assert np.allclose(op @ V, fg.gram(X, network="tanh") @ V, rtol=0.0, atol=1e-12)
    assert np.array_equal(V, before)
    assert (matrix_of(op).entries.rows.packed is None) == (not wide)


def test_the_way_of_multiplying(monkeypatch):
    tile, x = np.ones((40, 40)), np.ones((40, 13))
    used = []
    monkeypatch.setattr(products, "multiply_block", lambda *arguments: used.append(arguments))
    for wide in (True, False):
        monkeypatch.setattr(llvm_vectors, "has_avx512", lambda wide=wide: wide)
        CPU.multiplier(13)(tile, x, x, np.zeros((40, 13)), np.zeros((40, 13)))
        assert bool(used) == wide
        used.clear()


def test_rows_are_packed_once(monkeypatch):
    calls = []
    monkeypatch.setattr(products, "pack", lambda rows: calls.append(1) or rows)
    rows = UnitRows.of(np.eye(3), np.dtype(np.float64))
    assert rows.packed is rows.packed
    assert len(calls) == 1


@pytest.mark.parametrize("n", [1, 2, 16, 17, 61])
def test_mirror(n):
    tile = np.random.default_rng(n).standard_normal((n, n))
    upper = np.triu(tile)
    mirror(tile)
    assert np.array_equal(tile, upper + np.triu(upper, 1).T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (8, 16), (16, 16), (33, 50), (64, 31)])
def test_transpose(shape, dtype):
    tile = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    out = np.full((70, 80), np.nan, dtype)
    transpose(tile, out, 5, 3)
    assert np.array_equal(out[3 : 3 + shape[1], 5 : 5 + shape[0]], tile.T)
    assert np.count_nonzero(~np.isnan(out)) == tile.size  # and nothing else was written


PROGRAM = """
import sys, numpy as np, fastgram as fg
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.kernels.cpu import llvm_vectors
from fastgram.kernels.cpu.evaluate import _pieces, _squares
print(llvm_vectors.has_avx512())
columns = fg.datasets.circle(128)
for dtype in sys.argv[1:]:
    rows = columns.astype(dtype)
    cosines, ones, one = rows @ rows[5], np.ones(128, dtype), rows.dtype.type(1.0)
    squares, part, found = (np.empty(128, dtype) for _ in range(3))
    blocks = {"float64": 4, "float32": 2}[dtype]
    _squares(cosines, rows[5], rows, 0, one / 50, squares, blocks)
    for network in ("relu", "hard_tanh"):
        t = table_of_norm(fg.Network(network), "gradient", 1.0, dtype)
        _pieces(
            cosines, squares, blocks, t.modes, t.lows, t.highs, t.cell_map, t.cells, one, ones,
            part, found,
        )
        print(*(float(x).hex() for x in found[::13]))
"""
PROCESSORS = {
    "host": {},
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"},
    "plain": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}


@pytest.mark.slow
@pytest.mark.skipif(
    "avx2" not in llvm_vectors.features(llvm_vectors.cpu_target.target_context), reason="needs AVX2"
)
def test_all_processors_look_up_the_same(tmp_path):
    """One permutation, two, or a load a lane: the entries agree to the last digits.

    A load a lane is the same for either dtype.
    """

    def run(name, settings):  # all of them at a time: each compiles for seconds
        own_cache = {"NUMBA_CACHE_DIR": str(tmp_path / name)} if settings else {}
        environment = {**os.environ, **settings, **own_cache}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *(DTYPES[:1] if name == "plain" else DTYPES)],
            env=environment,
            capture_output=True,
            text=True,
        )

    found = {}
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(run, PROCESSORS, PROCESSORS.values()))
    for name, done in zip(PROCESSORS, runs, strict=True):
        assert done.returncode == 0, done.stderr
        wide, *lines = done.stdout.splitlines()
        assert name == "host" or wide == "False"
        found[name] = [[float.fromhex(word) for word in line.split()] for line in lines]
    assert [len(found[name]) for name in PROCESSORS] == [4, 4, 2]
    for name in ("AVX2", "plain"):
        for k, (one, other) in enumerate(zip(found["host"], found[name], strict=False)):
            rounding = eps("float64" if k < 2 else "float32")
            assert np.allclose(one, other, rtol=0.0, atol=32 * rounding), (name, k)
