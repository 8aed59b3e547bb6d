"""The operations that costs are made of, against operations that are counted."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.eigenvalues.methods import costs
from fastgram.linalg import packed_cholesky
from fastgram.linalg.basis import krylov_basis
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.tile_cache import bytes_of_all
from fastgram.matrix.traversal import each_tile


class Counting:
    """A consumer that counts the numbers of the tiles that it is handed."""

    dtype = np.dtype(np.float64)

    def __init__(self):
        self.count = 0

    def begin(self, device, i):
        return None

    def take(self, device, i, j, tile, row):
        self.count += tile.size

    def add(self, j, part):
        pass

    def end(self, i, row):
        pass


@pytest.mark.parametrize("n", [1, 200, 384, 1000])
def test_entries_are_those_of_the_tiles(n):
    matrix = matrix_of(fg.GramOperator(fg.datasets.sphere(n, 3, 0), "relu"))
    counting = Counting()
    each_tile(matrix.entries, counting, threads=1)
    assert bytes_of_all(n) == 8 * counting.count
    # tiles on the diagonal are whole
    assert costs.entry_count(n) <= counting.count <= costs.entry_count(n) + n * 384 / 2
    assert costs.kept_bytes(n) == 8 * costs.entry_count(n)


def test_orthogonalisation(monkeypatch):
    """Two products with every column of the basis before, and as much again where it is needed.

    It is counted as if it always were: what else a pass does with vectors is not counted.
    """
    n, block, passes, flops = 300, 4, 9, []
    orthogonalise = krylov_basis.Basis.orthogonalise

    def counted(basis, vectors):
        flops.append(2 * 2 * n * basis.columns * vectors.shape[1])
        orthogonalise(basis, vectors)

    monkeypatch.setattr(krylov_basis.Basis, "orthogonalise", counted)
    diagonal = np.linspace(1.0, 2.0, n)[:, None]
    run = BlockLanczos(lambda V: diagonal * V, n, block, 0)
    for _ in range(passes):
        run.advance()
    assert 2 * sum(flops) == costs.orthogonal_flops(n, block, passes)


def test_a_factorisation(monkeypatch):
    """Multiplications and additions of the tiles' products, solves and factorisations."""
    n, panel, flops = 512, 32, []
    tile = packed_cholesky._Factorisation._tile

    def counted(work, i, k):
        rows, before = panel, panel * k
        columns = panel
        if i == k:
            flops.append(before * columns * columns + columns**3 / 3)  # half of it is used
        else:
            flops.append(2 * rows * before * columns + rows * columns**2)
        return tile(work, i, k)

    monkeypatch.setattr(packed_cholesky._Factorisation, "_tile", counted)
    triangle = LowerTriangle(n, panel)
    triangle.set_diagonal(np.ones(n))
    assert triangle.factorise(threads=1)
    assert sum(flops) == pytest.approx(costs.factorisation_flops(n), rel=3 * panel / n)


def test_products():
    n, block = 100, 3
    A, V = np.ones((n, n)), np.ones((n, block))
    additions = multiplications = sum(A.shape[1] for _ in range(n) for _ in range(block))
    assert costs.tile_flops(n, block) == additions + multiplications
    assert (A @ V).shape == V.shape
