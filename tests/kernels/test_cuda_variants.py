"""Variants of the fused product, by the CUDA source on this machine's processor."""

import functools
from pathlib import Path

import numpy as np
import pytest
from helpers.cuda_host import launcher, needs_compiler

import fastgram as fg
from fastgram.infinite_width.cosine_table import build_middle
from fastgram.infinite_width.kernel_function import middle_of_norm, profile_of_norm, table_of_norm
from fastgram.kernels.contract import MIDDLE_TERMS
from fastgram.kernels.cuda import constants, fused_product
from fastgram.kernels.cuda import launch as gpu
from fastgram.kernels.cuda.launch import Kernels
from fastgram.kernels.cuda.variants import VARIANTS, Variant
from fastgram.matrix.operator import matrix_of

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps
SOME = {name: VARIANTS[name] for name in ("middle", "one-launch")}
SOME["both"] = Variant(middle=True, one_launch=True)


@functools.cache
def text():
    """Return all variants' kernels, and nothing else: compiled once, and sooner than all."""
    names = [name for name in gpu.SOURCES if name in ("device.cuh", "table.cuh") or "fused" in name]
    own = ("middle", "panel_by_middle", "triangle", "triangle_by_middle")
    names += [f"variants/{name}.cuh" for name in own]
    folder = Path(gpu.__file__).parent
    return constants.text() + "".join((folder / name).read_text("utf-8") for name in names)


def kernels_of(variant, multiprocessors=3, backward=False, at_once=1):
    return Kernels(np, launcher(text(), backward, at_once), multiprocessors, variant=variant)


def sphere(n, d, seed=0):
    rows = np.random.default_rng([seed, n, d]).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(n, b, seed=1):
    return np.random.default_rng([seed, n, b]).standard_normal((n, b))


def product(kernels, X, V, network="relu", kind="gradient", panels=None, absolute=False):
    entries = matrix_of(fg.GramOperator(X, network, kind=kind)).entries
    unit = fused_product.padded_rows(entries.rows.unit)
    weights = fused_product.padded_weights(entries.weights)
    panels = range(fused_product.panel_count(len(X))) if panels is None else panels
    middle = middle_of_norm(entries.network, kind, 1.0)
    return fused_product.multiply(
        kernels, unit, weights, entries.table, V, panels, absolute, middle
    )


def assert_close(found, A, V):
    bound = np.max(np.sum(np.abs(A), axis=1)) * np.max(np.abs(V))
    np.testing.assert_allclose(found, A @ V, rtol=0.0, atol=16.0 * EPS * bound)


@pytest.mark.parametrize("variant", SOME.values(), ids=list(SOME))
@pytest.mark.parametrize("n, d, b", [(5, 3, 3), (300, 17, 9), (450, 2, 1)])
def test_the_product_is_that_with_the_stored_matrix(variant, n, d, b):
    X, V = sphere(n, d), vectors(n, b)
    assert_close(product(kernels_of(variant), X, V), fg.gram(X), V)
