"""Variants of the fused product, by the CUDA source on this machine's processor."""

import numpy as np
import pytest
from helpers.cuda_host import launcher, needs_compiler, variants_source
from helpers.fused import assert_close, product, sphere, vectors

import fastgram as fg
from fastgram.infinite_width.kernel_function import middle_of_norm
from fastgram.kernels.cuda import fused_product
from fastgram.kernels.cuda import launch as gpu
from fastgram.kernels.cuda.launch import Kernels
from fastgram.kernels.cuda.variants import VARIANTS, Variant, triangle
from fastgram.matrix.operator import matrix_of

pytestmark = [needs_compiler, pytest.mark.slow]  # each shape of a product is compiled

EPS = np.finfo(np.float64).eps
SOME = {name: VARIANTS[name] for name in ("middle", "one-launch")}
SOME["both"] = Variant(middle=True, one_launch=True)


def kernels_of(variant, multiprocessors=3, backward=False, at_once=1):
    return Kernels(
        np, launcher(variants_source(), backward, at_once, "-O1"), multiprocessors, variant=variant
    )


@pytest.mark.parametrize("variant", SOME.values(), ids=list(SOME))
@pytest.mark.parametrize(("n", "d", "b"), [(5, 3, 3), (300, 17, 9), (450, 2, 1)])
def test_the_product_is_that_with_the_stored_matrix(variant, n, d, b):
    X, V = sphere(n, d), vectors(n, b)
    assert_close(product(kernels_of(variant), X, V), fg.gram(X), V)


def near_rows():
    """Equal, opposite and nearly equal rows, some far apart and some side by side."""
    X = sphere(150, 5, seed=3)
    X[40], X[100], X[101], X[149] = X[2], -X[2], X[77], -X[77]
    X[3] = X[2] + 1e-9 * X[5]
    X[130] = X[2] - 3e-7 * X[6]
    X[120] = X[9] + 0.0885 * X[8]  # s² at the edge of what is close
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("network", "absolute"), [("relu", False), ("hard_tanh", True), ("selu", False)]
)  # of every parity
def test_entries_outside_the_middle_are_the_table_s(network, absolute):
    X = near_rows()
    A = fg.gram(X, network=network)
    A = np.abs(A) if absolute else A
    for name in ("middle", "both"):
        found = product(kernels_of(SOME[name]), X, np.eye(150), network, absolute=absolute)
        # a chord from the cosine would be wrong by 1e-8, and so the entry of a kinked activation
        np.testing.assert_allclose(found, A, rtol=0.0, atol=64.0 * EPS * np.max(np.abs(A)))
        np.testing.assert_array_equal(found, found.T)


def test_in_the_middle_entries_are_the_polynomial_s():
    X = sphere(64, 100)
    middle = middle_of_norm(fg.Network("relu"), "gradient", 1.0)
    rho = X @ X.T
    inside = np.abs(rho) < middle.radius
    assert np.sum(~inside) == 64
    square = rho * rho
    expected = np.polyval(middle.even[::-1], square) + rho * np.polyval(middle.odd[::-1], square)
    found, table = (
        product(kernels_of(variant), X, np.eye(64)) for variant in (SOME["middle"], Variant())
    )
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0.0, atol=2.0 * EPS)
    assert not np.array_equal(found, table)
    np.testing.assert_array_equal(found[~inside], table[~inside])


def test_without_a_polynomial_all_entries_are_looked_up():
    X, V = sphere(140, 4), vectors(140, 3)
    assert middle_of_norm(fg.Network("softplus"), "ntk", 1.0) is None
    for name in ("middle", "both"):
        found = product(kernels_of(SOME[name]), X, V, "softplus", "ntk")
        assert_close(found, fg.gram(X, network="softplus", kind="ntk"), V)


@pytest.mark.parametrize("panels", [range(0), range(1, 2), range(1, 7, 2), range(0, 7, 3)])
@pytest.mark.parametrize(("multiprocessors", "items"), [(1, 1), (2, 1), (100, 8)])
def test_one_launch_over_some_panels(panels, multiprocessors, items, monkeypatch):
    monkeypatch.setattr(triangle, "_ITEMS_A_BLOCK", items)  # runs of 8, 8 and 2 tiles
    X, V = sphere(800, 1), vectors(800, 1)
    of_panels, of_triangle = (
        product(kernels_of(variant, multiprocessors), X, V, panels=panels)
        for variant in (Variant(), SOME["one-launch"])
    )
    np.testing.assert_allclose(of_triangle, of_panels, rtol=0.0, atol=1e-12)
    assert np.any(of_triangle) == (len(panels) > 0)


@pytest.mark.parametrize("items", [1, 8])
def test_the_same_bits_whatever_runs_first_and_at_once(items, monkeypatch):
    monkeypatch.setattr(triangle, "_ITEMS_A_BLOCK", items)
    X, V = sphere(800, 6), vectors(800, 9)
    variant = SOME["one-launch"]
    alone = product(kernels_of(variant, 2), X, V)
    np.testing.assert_array_equal(product(kernels_of(variant, 2, backward=True), X, V), alone)
    for _ in range(2):
        np.testing.assert_array_equal(product(kernels_of(variant, 2, at_once=4), X, V), alone)


@pytest.mark.parametrize("multiprocessors", [1, 3])
def test_additions_bound_the_rounding_of_sums(multiprocessors):
    # equal rows: every entry is 1/2, and only sums are rounded
    n, variant = 700, SOME["one-launch"]
    found = product(kernels_of(variant, multiprocessors), np.ones((n, 1)), np.full((n, 1), 1 / 3))
    bound = fused_product.summands(n, multiprocessors, variant) * EPS / 2.0
    np.testing.assert_allclose(found, n / 6.0, rtol=bound)
    # of its panel: a run of one square, and 6 items; of columns: the 32 rows of a warp,
    # three other warps, and 6 panels; 4 of weights
    assert fused_product.summands(n, multiprocessors, variant) >= 2 * 64 + 6 + 32 + 3 + 6 + 4


def test_shared_memory_is_what_a_variant_takes():
    X, V = sphere(140, 6), vectors(140, 32)
    for variant, more in ((SOME["one-launch"], 24), (Variant(), 0)):
        kernels, asked = kernels_of(variant), []
        launch = kernels.launch

        def note(name, grid, block, shared, arguments, launch=launch, asked=asked):
            asked.append(shared)
            launch(name, grid, block, shared, arguments)

        kernels.launch = note
        product(kernels, X, V)
        table = matrix_of(fg.GramOperator(X, "relu")).entries.table
        numbers = 3 * 1536 + 128 * 32 + gpu.packed_numbers(table)
        assert asked[0] == 8 * numbers + more
    deep = Kernels(np, None, 3, variant=VARIANTS["deep"])
    deep.shared_bytes = 8 * (6 * 1536 + 128 * 8 + gpu.packed_numbers(table)) - 1
    assert not fused_product.fits(deep, table)
    deep.shared_bytes += 1
    assert fused_product.fits(deep, table)
