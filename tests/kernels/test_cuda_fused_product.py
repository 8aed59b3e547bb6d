"""Products that write no entry to memory, by the CUDA source on this machine's processor."""

import numpy as np
import pytest
from helpers.cuda_host import launcher, needs_compiler
from helpers.fused import assert_close, product, sphere, vectors

import fastgram as fg
from fastgram.kernels.cuda import fused_product
from fastgram.kernels.cuda.constants import PANEL_ROWS
from fastgram.kernels.cuda.launch import Kernels, source
from fastgram.matrix.operator import matrix_of

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps


class _Poisoned:
    """NumPy, with NaN in memory that nobody wrote to."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def empty(shape, dtype):
        return np.full(shape, np.nan, dtype)


def kernels_of(multiprocessors=3, backward=False):
    return Kernels(_Poisoned(), launcher(source(), backward), multiprocessors)


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return kernels_of(backward=request.param)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "d", "b"),
    [
        *((1, 1, 1), (5, 3, 3), (64, 8, 8), (127, 17, 17), (128, 40, 32), (129, 3, 40)),
        *((300, 1, 8), (300, 17, 1), (300, 40, 32)),
    ],
)
def test_the_product_is_that_with_the_stored_matrix(kernels, n, d, b):
    X, V = sphere(n, d), vectors(n, b)
    assert_close(product(kernels, X, V), fg.gram(X), V)


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (fg.Network("tanh"), "gradient"),
        (fg.Network("tanh"), "nngp"),
        (fg.Network("hard_tanh"), "gradient"),  # a table of several pieces
        (fg.Network("relu", depth=3), "ntk"),
    ],
)
@pytest.mark.parametrize("d", [2, 17])
def test_any_table(kernels, network, kind, d):
    X, V = sphere(150, d), vectors(150, 8)
    assert_close(product(kernels, X, V, network, kind), fg.gram(X, network=network, kind=kind), V)


@pytest.mark.parametrize("multiprocessors", [1, 2, 5, 100])
def test_runs_of_any_length(multiprocessors):
    X, V = sphere(600, 9), vectors(600, 5)
    assert_close(product(kernels_of(multiprocessors), X, V), fg.gram(X), V)


def test_rows_of_several_norms_are_weighed(kernels):
    X, V = sphere(140, 6), vectors(140, 7)
    X *= np.random.default_rng(2).uniform(0.1, 30.0, (140, 1))
    X[[3, 139]] = 0.0
    found = product(kernels, X, V)
    assert_close(found, fg.gram(X), V)
    assert np.all(found[[3, 139]] == 0.0)


def near_rows():
    """Equal, opposite and nearly equal rows, some far apart and some side by side."""
    X = sphere(150, 5, seed=3)
    X[40], X[100], X[101], X[149] = X[2], -X[2], X[77], -X[77]
    X[3] = X[2] + 1e-9 * X[5]
    X[130] = X[2] - 3e-7 * X[6]
    X[131] = -X[78] + 1e-8 * X[7]
    X[120] = X[9] + 0.0885 * X[8]  # s² at the edge of what is close
    return X


@pytest.mark.parametrize("activation", ["relu", "hard_tanh"])
def test_close_pairs_take_the_chord_from_the_rows(kernels, activation):
    X = near_rows()
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    A = fg.gram(X, network=activation)
    found = product(kernels, X, np.eye(150), activation)
    scale = np.max(np.abs(A))
    # a chord from the cosine would be wrong by 1e-8, and so the entry of a kinked activation
    np.testing.assert_allclose(found, A, rtol=0.0, atol=64.0 * EPS * scale)
    np.testing.assert_array_equal(found[2, 2], found[2, 40])


def test_both_triangles_are_one_number(kernels):
    weights = fused_product.padded_weights(np.ones(200))
    entries = matrix_of(fg.GramOperator(sphere(200, 7), "tanh")).entries
    unit = fused_product.padded_rows(entries.rows.unit)
    found = fused_product.multiply(kernels, unit, weights, entries.table, np.eye(200), range(2))
    np.testing.assert_array_equal(found, found.T)


def test_absolute_values(kernels):
    X, V = sphere(140, 4), np.ones((140, 1))
    A = fg.gram(X, network="tanh")
    assert np.any(A < 0.0)
    found = product(kernels, X, V, "tanh", absolute=True)
    assert_close(found, np.abs(A), V)
    assert not np.allclose(found, product(kernels, X, V, "tanh"))


def test_absolute_values_where_weights_are_negative(kernels):
    entries = matrix_of(fg.GramOperator(sphere(140, 4), "tanh")).entries
    unit = fused_product.padded_rows(entries.rows.unit)
    signs = np.where(np.arange(140) % 3 == 0, -1.0, 1.0)
    weights, ones = fused_product.padded_weights(signs), np.ones((140, 1))
    found = fused_product.multiply(
        kernels, unit, weights, entries.table, ones, range(2), absolute=True
    )
    assert_close(found, np.abs(fg.gram(sphere(140, 4), network="tanh")), ones)
    found = fused_product.multiply(kernels, unit, weights, entries.table, ones, range(2))
    assert_close(found, signs[:, None] * fg.gram(sphere(140, 4), network="tanh") * signs, ones)


def test_panels_dealt_out_add_up_to_the_same(kernels):
    X, V = sphere(450, 5), vectors(450, 9)
    parts = [product(kernels, X, V, panels=range(k, 4, 2)) for k in (0, 1)]
    assert_close(parts[0] + parts[1], fg.gram(X), V)
    assert np.all(product(kernels, X, V, panels=range(0)) == 0.0)


def test_a_panel_is_its_part_of_the_upper_triangle_twice(kernels):
    X = sphere(300, 5)
    A, found = fg.gram(X), product(kernels, X, np.eye(300), panels=range(1, 2))
    own = np.arange(300) // PANEL_ROWS
    smaller = np.minimum(own[:, None], own)
    np.testing.assert_allclose(found, np.where(smaller == 1, A, 0.0), rtol=0.0, atol=16.0 * EPS)
    assert np.all(found[smaller != 1] == 0.0)


def test_the_same_bits_whatever_runs_first():
    X, V = sphere(300, 12), vectors(300, 32)
    found = [product(kernels_of(backward=order), X, V) for order in (False, True, False)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_groups_of_columns_do_not_depend_on_each_other(kernels):
    X, V = sphere(130, 6), vectors(130, 40)
    together = product(kernels, X, V)
    np.testing.assert_array_equal(together[:, 32:], product(kernels, X, V[:, 32:]))


def test_padding():
    rows = fused_product.padded_rows(np.ones((129, 9)))
    assert rows.shape == (256, 16)
    assert rows.sum() == 129 * 9
    assert fused_product.padded_rows(np.ones((128, 8), np.float32)).dtype == np.float32
    weights = fused_product.padded_weights(np.ones(129, np.float32))
    assert weights.shape == (256,)
    assert weights.dtype == np.float64
    assert [fused_product.panel_count(n) for n in (1, 128, 129)] == [1, 1, 2]


@pytest.mark.parametrize("multiprocessors", [1, 3])
def test_additions_bound_the_rounding_of_sums(multiprocessors):
    # equal rows: every entry is 1/2, and only sums are rounded
    n = 700
    X, V = np.ones((n, 1)), np.full((n, 1), 1.0 / 3.0)
    found = product(kernels_of(multiprocessors), X, V)
    bound = fused_product.summands(n, multiprocessors) * EPS / 2.0
    np.testing.assert_allclose(found, n / 6.0, rtol=bound)
    # a tile has 64 columns, a block a run of tiles, and an entry all panels above its own
    runs = -(-fused_product.panel_count(n) * 2 // (2 * multiprocessors))
    assert fused_product.summands(n, multiprocessors) >= 64 * runs + fused_product.panel_count(n)


def test_fewer_columns_at_once_where_shared_memory_is_short():
    kernels, table = kernels_of(), matrix_of(fg.GramOperator(sphere(140, 6), "relu")).entries.table
    X, V = sphere(140, 6), vectors(140, 30)
    expected = product(kernels, X, V)
    widths = []
    launch = kernels.launch

    def note(name, grid, block, shared, arguments):
        assert shared <= kernels.shared_bytes
        if name == "multiply_panel":
            widths.append(int(arguments[8]))  # groups of 8
        launch(name, grid, block, shared, arguments)

    kernels.launch = note
    for room, wide in ((72, 4), (64, 3), (48, 1)):
        kernels.shared_bytes = room * 1024
        assert fused_product.fits(kernels, table)
        np.testing.assert_allclose(product(kernels, X, V), expected, rtol=0.0, atol=1e-13)
        assert max(widths) == wide
        widths.clear()
    kernels.shared_bytes = 32 * 1024
    assert not fused_product.fits(kernels, table)
    single = matrix_of(fg.GramOperator(X, "relu", dtype="float32")).entries.table
    assert not fused_product.fits(kernels_of(), single)
    kernels.shared_bytes = 72 * 1024
    kernels.tensor_cores = False
    assert not fused_product.fits(kernels, table)
