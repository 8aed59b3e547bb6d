"""The product with one vector by a kernel of its own, on this machine's processor.

It differs from the other in how entries are multiplied, and in nothing before that: what both do
is tested in test_cuda_fused_product.py.
"""

import functools

import numpy as np
import pytest
from helpers.cuda_host import needs_compiler
from helpers.fused import assert_close, assert_column, kernels_on_host, product, sphere, vectors

import fastgram as fg
from fastgram.kernels.cuda.fused import product as fused_product

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps


kernels_of = functools.partial(kernels_on_host, variants=("one_vector",))


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return kernels_of(backward=request.param)


def names_of(kernels):
    """Note the products that are launched from now on."""
    names, launch = [], kernels.launch

    def note(name, *arguments):
        if name.startswith("multiply"):
            names.append(name)
        launch(name, *arguments)

    kernels.launch = note
    return names


def test_it_is_taken_for_one_vector_where_it_is_asked_for():
    X = sphere(130, 60)
    for variants, columns, expected in (
        (("one_vector",), 1, "multiply_vector_12_1"),
        (("one_vector",), 2, "multiply_triangle_12_1"),
        ((), 1, "multiply_triangle_12_1"),
    ):
        kernels = kernels_of(variants=variants)
        names = names_of(kernels)
        product(kernels, X, vectors(130, columns))
        assert names == [expected]


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 3), (64, 8), (127, 17), (129, 3), (300, 60)])
@pytest.mark.parametrize("by_middle", [False, True])
def test_the_product_is_that_with_the_stored_matrix(kernels, n, d, by_middle):
    X, V = sphere(n, d), vectors(n, 1)
    assert_close(product(kernels, X, V, by_middle=by_middle), fg.gram(X), V)


@pytest.mark.parametrize("place", [0, 31, 32, 63, 64, 100, 127, 128, 190, 255, 299])
def test_each_column_of_the_matrix(place):
    assert_column(kernels_of(), place)


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (fg.Network("tanh"), "gradient"),
        (fg.Network("sigmoid"), "nngp"),
        (fg.Network("hard_tanh"), "gradient"),  # a table of several pieces
        (fg.Network("selu"), "ntk"),
    ],
)
@pytest.mark.parametrize("d", [2, 17])
def test_any_table(kernels, network, kind, d):
    X, V = sphere(150, d), vectors(150, 1)
    A = fg.gram(X, network=network, kind=kind)
    for by_middle in (False, True):
        assert_close(product(kernels, X, V, network, kind, by_middle=by_middle), A, V)


@pytest.mark.parametrize("multiprocessors", [1, 2, 5, 100])
def test_runs_of_any_length(multiprocessors):
    X, V = sphere(600, 9), vectors(600, 1)
    assert_close(product(kernels_of(multiprocessors), X, V), fg.gram(X), V)


def test_absolute_values(kernels):
    X, V = sphere(140, 4), np.ones((140, 1))
    found = product(kernels, X, V, "tanh", absolute=True)
    assert_close(found, np.abs(fg.gram(X, network="tanh")), V)
    assert not np.allclose(found, product(kernels, X, V, "tanh"))


def test_panels_dealt_out_add_up_to_the_same(kernels):
    X, V = sphere(450, 5), vectors(450, 1)
    parts = [product(kernels, X, V, panels=range(k, 4, 2)) for k in (0, 1)]
    assert_close(parts[0] + parts[1], fg.gram(X), V)
    assert np.all(product(kernels, X, V, panels=range(0)) == 0.0)


def test_the_same_bits_whatever_runs_first_and_at_once():
    X, V = sphere(800, 12), vectors(800, 1)
    alone = product(kernels_of(2), X, V)
    np.testing.assert_array_equal(product(kernels_of(2, backward=True), X, V), alone)
    for _ in range(2):
        np.testing.assert_array_equal(product(kernels_of(2, at_once=4), X, V), alone)


@pytest.mark.parametrize("size", [1e308, 1.0, 1e-320, 0.0])
def test_a_vector_of_any_size(kernels, size):
    X, V = sphere(200, 6), vectors(200, 1)
    A, V = fg.gram(X), V / np.max(np.abs(V)) / 200.0 * size
    scale = np.max(np.abs(A)) * size
    assert np.all(np.abs(product(kernels, X, V) - A @ V) <= 20.0 * EPS * scale + 2.0**-1070)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_makes_it_not_finite(bad):
    X, V = sphere(140, 4), vectors(140, 1)
    V[77] = bad
    assert np.all(np.isnan(product(kernels_of(), X, V)))


@pytest.mark.parametrize("multiprocessors", [1, 3])
def test_additions_bound_the_rounding_of_sums(multiprocessors):
    # equal rows: every entry is 1/2, and only sums are rounded
    n = 2000
    X, V = np.ones((n, 1)), np.full((n, 1), 1.0 / 3.0)
    found = product(kernels_of(multiprocessors), X, V)
    np.testing.assert_allclose(found, n / 6.0, rtol=fused_product.SUMMANDS * EPS / 2.0)


def test_it_takes_no_more_shared_memory_than_the_other():
    shared = {}
    for variants in ((), ("one_vector",)):
        kernels = kernels_of(variants=variants)
        launch = kernels.launch

        def note(name, grid, block, bytes_, arguments, launch=launch, variants=variants):
            if name.startswith("multiply"):
                shared[variants] = bytes_
            launch(name, grid, block, bytes_, arguments)

        kernels.launch = note
        product(kernels, sphere(130, 6), vectors(130, 1))
    assert shared["one_vector",] == shared[()] - 8 * 8 * 128
