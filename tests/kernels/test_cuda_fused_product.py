"""Products that write no entry to memory, by the CUDA source on this machine's processor."""

import numpy as np
import pytest
from helpers.cuda_host import needs_compiler
from helpers.fused import assert_close, kernels_on_host, product, sphere, vectors

import fastgram as fg
from fastgram.infinite_width.kernel_function import middle_of_norm
from fastgram.kernels.cuda.constants import PANEL_ROWS
from fastgram.kernels.cuda.fused import product as fused_product
from fastgram.kernels.cuda.fused import unit_rows
from fastgram.kernels.cuda.fused.unit_rows import packed_rows, padded_rows
from fastgram.matrix.operator import matrix_of

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return kernels_on_host(backward=request.param)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "d", "b"),
    [
        *((1, 1, 1), (5, 3, 3), (64, 8, 8), (127, 17, 17), (128, 40, 32), (129, 3, 40)),
        *((300, 1, 8), (300, 17, 1), (300, 40, 32)),
    ],
)
@pytest.mark.parametrize("by_middle", [False, True])
def test_the_product_is_that_with_the_stored_matrix(kernels, n, d, b, by_middle):
    X, V = sphere(n, d), vectors(n, b)
    assert_close(product(kernels, X, V, by_middle=by_middle), fg.gram(X), V)


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
    A = fg.gram(X, network=network, kind=kind)
    for by_middle in (False, True):
        assert_close(product(kernels, X, V, network, kind, by_middle=by_middle), A, V)


@pytest.mark.parametrize("multiprocessors", [1, 2, 5, 100])
def test_runs_of_any_length(multiprocessors):
    X, V = sphere(600, 9), vectors(600, 5)
    assert_close(product(kernels_on_host(multiprocessors), X, V), fg.gram(X), V)


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
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("activation", ["relu", "hard_tanh", "selu"])  # of every parity
@pytest.mark.parametrize("columns", [5, 60])  # most entries outside the middle, or few
@pytest.mark.parametrize("by_middle", [False, True])
def test_close_pairs_take_the_chord_from_the_rows(kernels, activation, columns, by_middle):
    X = np.hstack([near_rows(), np.zeros((150, columns - 5))])
    if columns > 5:
        X[10:39, 10:] += sphere(29, columns - 10, seed=4)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    A = fg.gram(X, network=activation)
    found = product(kernels, X, np.eye(150), activation, by_middle=by_middle)
    scale = np.max(np.abs(A))
    # a chord from the cosine would be wrong by 1e-8, and so the entry of a kinked activation
    np.testing.assert_allclose(found, A, rtol=0.0, atol=64.0 * EPS * scale)
    np.testing.assert_array_equal(found[2, 2], found[2, 40])


def test_in_the_middle_entries_are_the_polynomial_s():
    X = sphere(64, 100)
    middle = middle_of_norm(fg.Network("relu"), "gradient", 1.0)
    rho = X @ X.T
    inside = np.abs(rho) < middle.radius
    assert np.sum(~inside) == 64
    square = rho * rho
    expected = np.polyval(middle.even[::-1], square) + rho * np.polyval(middle.odd[::-1], square)
    found, table = (
        product(kernels_on_host(), X, np.eye(64), by_middle=by_middle)
        for by_middle in (True, False)
    )
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0.0, atol=2.0 * EPS)
    assert not np.array_equal(found, table)
    np.testing.assert_array_equal(found[~inside], table[~inside])


def test_rows_of_few_dimensions_have_a_wide_middle():
    names = []
    kernels = kernels_on_host()
    launch = kernels.launch

    def note(name, *arguments):
        names.append(name)
        launch(name, *arguments)

    kernels.launch = note
    for d, activation in ((49, "relu"), (50, "relu"), (49, "selu")):
        X, V = sphere(130, d), vectors(130, 3)
        op = fg.GramOperator(X, activation)
        entries = matrix_of(op).entries
        middle = entries._middle()
        unit = packed_rows(np, entries.rows.unit)
        matrix = fused_product.Factors(unit, entries.weights, entries.table, middle)
        found = fused_product.multiply(kernels, matrix, V, range(2))
        assert_close(found, fg.gram(X, network=activation), V)
    fused = [name for name in names if name.startswith("multiply")]
    shapes = [name.removeprefix("multiply_triangle") for name in fused]
    assert shapes == ["_16_1", "_12_1", "_16_16"]


def test_both_triangles_are_one_number(kernels):
    found = product(kernels, sphere(200, 7), np.eye(200), "tanh")
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
    unit = packed_rows(np, entries.rows.unit)
    signs = np.where(np.arange(140) % 3 == 0, -1.0, 1.0)
    ones = np.ones((140, 1))
    matrix = fused_product.Factors(unit, signs, entries.table)
    found = fused_product.multiply(kernels, matrix, ones, range(2), absolute=True)
    assert_close(found, np.abs(fg.gram(sphere(140, 4), network="tanh")), ones)
    found = fused_product.multiply(kernels, matrix, ones, range(2))
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


def test_the_same_bits_whatever_runs_first_and_at_once():
    X, V = sphere(800, 12), vectors(800, 20)
    alone = product(kernels_on_host(2), X, V)
    np.testing.assert_array_equal(product(kernels_on_host(2, backward=True), X, V), alone)
    for _ in range(2):
        np.testing.assert_array_equal(product(kernels_on_host(2, at_once=4), X, V), alone)


def test_columns_of_any_size(kernels):
    """Each is scaled by itself: none is rounded more for what another is."""
    X, V = sphere(200, 6), vectors(200, 7)
    A, sizes = fg.gram(X), np.array([1e308, 1.0, 1e-200, 1e-320, 0.0, 2.0**-1060, 1e-30])
    V = V / np.max(np.abs(V), axis=0) * sizes
    found = product(kernels, X, V / 200.0)
    scale = np.max(np.abs(A)) * sizes
    assert np.all(np.abs(found - A @ (V / 200.0)) <= 20.0 * EPS * scale + 2.0**-1070)
    assert np.all(found[:, 4] == 0.0)


def test_numbers_of_any_size_in_a_column(kernels):
    X, V = sphere(200, 6), vectors(200, 2) * 10.0 ** np.linspace(-40.0, 0.0, 200)[:, None]
    assert_close(product(kernels, X, V), fg.gram(X), V)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_makes_its_column_not_finite(kernels, bad):
    X, V = sphere(140, 4), vectors(140, 9)
    expected = product(kernels, X, V)
    V[77, 3] = bad
    found = product(kernels, X, V)
    assert np.all(np.isnan(found[:, 3]))
    others = np.arange(9) != 3
    np.testing.assert_array_equal(found[:, others], expected[:, others])


def test_groups_of_columns_do_not_depend_on_each_other(kernels):
    X, V = sphere(130, 6), vectors(130, 40)
    together = product(kernels, X, V)
    np.testing.assert_array_equal(together[:, 32:], product(kernels, X, V[:, 32:]))


def test_padding():
    rows = padded_rows(np, np.ones((129, 9)))
    assert rows.shape == (129, 16)
    assert rows.sum() == 129 * 9
    assert padded_rows(np, np.ones((128, 8), np.float32)).dtype == np.float32
    assert [fused_product.panel_count(n) for n in (1, 128, 129)] == [1, 1, 2]


@pytest.mark.parametrize("block", [128, 512 * 128])
def test_rows_are_packed_as_lanes_take_them(block, monkeypatch):
    monkeypatch.setattr(unit_rows, "_BLOCK", block)  # rows at a time
    X = np.random.default_rng(0).standard_normal((150, 11))
    packed = packed_rows(np, X)
    assert packed.shape == (2, 4, 2, 512)
    left, right = packed.reshape(2, 4, 2, 8, 32, 2)
    filled = np.zeros((256, 16))
    filled[:150, :11] = X
    for row, column in np.random.default_rng(1).integers(0, (256, 16), (200, 2)):
        (block64, in_block), (slab, of_slab) = divmod(row, 64), divmod(column, 8)
        half, t = divmod(of_slab, 4)
        g = row % 8
        assert right[block64, slab, in_block // 8, 4 * g + t, half] == filled[row, column]
        part = in_block // 16 * 2 + half
        lower = in_block % 16 // 8
        assert left[block64, slab, part, 4 * g + t, lower] == filled[row, column]


@pytest.mark.parametrize("multiprocessors", [1, 3])
def test_additions_bound_the_rounding_of_sums(multiprocessors):
    # equal rows: every entry is 1/2, and only sums are rounded
    n = 2000
    X, V = np.ones((n, 1)), np.full((n, 1), 1.0 / 3.0)
    found = product(kernels_on_host(multiprocessors), X, V)
    np.testing.assert_allclose(found, n / 6.0, rtol=fused_product.SUMMANDS * EPS / 2.0)
    # a run has up to 8 tiles of 64 columns, and all between blocks is exact
    assert fused_product.SUMMANDS >= 8 * 64 + 4


def test_fewer_columns_at_once_where_shared_memory_is_short():
    kernels, table = (
        kernels_on_host(),
        matrix_of(fg.GramOperator(sphere(140, 6), "relu")).entries.table,
    )
    X, V = sphere(140, 6), vectors(140, 30)
    expected = product(kernels, X, V)
    widths = []
    launch = kernels.launch

    def note(name, grid, block, shared, arguments):
        assert shared <= kernels.shared_bytes
        if name.startswith("multiply_triangle"):
            widths.append(int(arguments[-2]))  # groups of 8
        launch(name, grid, block, shared, arguments)

    kernels.launch = note
    for room, wide in ((99, 4), (92, 3), (83, 2)):
        kernels.shared_bytes = room * 1024
        assert fused_product.fits(kernels, table)
        np.testing.assert_allclose(product(kernels, X, V), expected, rtol=0.0, atol=1e-13)
        assert max(widths) == wide
        widths.clear()
    kernels.shared_bytes = 80 * 1024
    assert not fused_product.fits(kernels, table)
    single = matrix_of(fg.GramOperator(X, "relu", dtype="float32")).entries.table
    assert not fused_product.fits(kernels_on_host(), single)
    kernels.shared_bytes = 99 * 1024
    kernels.tensor_cores = False
    assert not fused_product.fits(kernels, table)


@pytest.mark.parametrize("n", [130, 131])
@pytest.mark.parametrize("offset", [0, 1])
def test_a_matrix_is_written_wherever_its_memory_begins(kernels, n, offset):
    """Pairs of numbers are written at once where they are on a multiple of their 16 bytes."""
    X, memory = sphere(n, 5), np.full(n * n + 4, np.nan)
    start = offset + memory.ctypes.data // 8 % 2
    out = memory[start : start + n * n].reshape(n, n)
    entries = matrix_of(fg.GramOperator(X, "relu")).entries
    unit = packed_rows(np, entries.rows.unit)
    matrix = fused_product.Factors(unit, entries.weights, entries.table)
    fused_product.build(kernels, matrix, out)
    np.testing.assert_allclose(out, fg.gram(X), rtol=0.0, atol=8.0 * EPS)
    assert np.isnan(memory[:start]).all()
    assert np.isnan(memory[start + n * n :]).all()
