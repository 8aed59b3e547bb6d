"""A fused product of rows on the sphere, by whichever kernels, and what it is held against."""

import numpy as np

import fastgram as fg
from fastgram.infinite_width.kernel_function import middle_of_norm
from fastgram.kernels.cuda.fused import product as fused_product
from fastgram.kernels.cuda.fused.unit_rows import packed_rows
from fastgram.kernels.cuda.launch import Kernels
from fastgram.matrix.operator import matrix_of
from helpers.cuda_host import launcher, whole_source

__all__ = ["assert_close", "assert_column", "kernels_on_host", "product", "sphere", "vectors"]

EPS = np.finfo(np.float64).eps


class _Poisoned:
    """NumPy, with bits in memory that nobody wrote to: as a number NaN, as a digit −1."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def empty(shape, dtype):
        return np.frombuffer(b"\xff" * 8 * int(np.prod(shape)), dtype).reshape(shape).copy()


def kernels_on_host(multiprocessors=3, backward=False, at_once=1, variants=()):
    """All kernels by this machine's processor, and which variants are in use."""
    kernels = Kernels(_Poisoned(), launcher(whole_source(), backward, at_once), multiprocessors)
    kernels.variants.update(variants)
    return kernels


def sphere(n, d, seed=0):
    rows = np.random.default_rng([seed, n, d]).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(n, b, seed=1):
    return np.random.default_rng([seed, n, b]).standard_normal((n, b))


def product(
    kernels, X, V, network="relu", kind="gradient", panels=None, absolute=False, by_middle=True
):
    """Of all panels, or some; by the middle where there is one, or by the table."""
    entries = matrix_of(fg.GramOperator(X, network, kind=kind)).entries
    unit = packed_rows(np, entries.rows.unit)
    panels = range(fused_product.panel_count(len(X))) if panels is None else panels
    wide = X.shape[1] < 50
    middle = middle_of_norm(entries.network, kind, 1.0, wide) if by_middle else None
    matrix = fused_product.Factors(unit, entries.weights, entries.table, middle)
    return fused_product.multiply(kernels, matrix, V, panels, absolute)


def assert_close(found, A, V):
    """The entries differ by roundings, and the sums by as many as they have steps at most."""
    assert found.shape == V.shape
    bound = np.max(np.sum(np.abs(A), axis=1)) * np.max(np.abs(V))
    # a polynomial of the middle is off by a dozen roundings of the largest entry
    bound += 2.0 * np.max(np.abs(A)) * np.max(np.sum(np.abs(V), axis=0))
    np.testing.assert_allclose(found, A @ V, rtol=0.0, atol=8.0 * EPS * bound)


def assert_column(kernels, place):
    """A unit vector gives a column: every entry is where it belongs, and nothing else."""
    X, V = sphere(300, 9), np.zeros((300, 1))
    V[place] = 1.0
    found = product(kernels, X, V)
    np.testing.assert_allclose(found[:, 0], fg.gram(X)[:, place], rtol=0.0, atol=16.0 * EPS)
