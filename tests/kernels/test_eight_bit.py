"""The fused product with cosines from 8-bit tensor cores, on this machine's processor.

It differs from the other in how cosines come, and in nothing after that: what both do is tested in
test_cuda_fused_product.py, and the cosines in test_digits.py.
"""

import functools

import numpy as np
import pytest
from helpers.cuda_host import needs_compiler
from helpers.fused import assert_close, assert_column, kernels_on_host, product, sphere, vectors

import fastgram as fg

pytestmark = needs_compiler

EPS = np.finfo(np.float64).eps


kernels_of = functools.partial(kernels_on_host, variants=("eight_bit",))


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def kernels(request):
    return kernels_of(backward=request.param)


def launches_of(kernels):
    """Note what is launched from now on: names, grids and bytes of shared memory."""
    launches, launch = [], kernels.launch

    def note(name, grid, block, shared, arguments):
        launches.append((name, grid, shared))
        launch(name, grid, block, shared, arguments)

    kernels.launch = note
    return launches


def test_it_is_taken_where_it_is_asked_for():
    X = sphere(130, 60)
    for variants, columns, expected in (
        (("eight_bit",), 1, ["slice_rows", "multiply_eight_bit_12_1"]),
        (("eight_bit",), 9, ["slice_rows", "multiply_eight_bit_12_1"]),
        (("eight_bit", "one_vector"), 1, ["slice_rows", "multiply_vector_12_1"]),
        ((), 1, ["multiply_triangle_12_1"]),
    ):
        kernels = kernels_of(variants=variants)
        launches = launches_of(kernels)
        product(kernels, X, vectors(130, columns))
        names = [name for name, *_ in launches]
        assert [name for name in names if name not in ("make_fragments", "read_sums")] == expected


@pytest.mark.parametrize(
    ("n", "d", "b"),
    [
        *((1, 1, 1), (5, 3, 3), (64, 8, 8), (127, 17, 17), (129, 3, 1)),
        pytest.param(129, 3, 40, marks=pytest.mark.slow),
        pytest.param(300, 60, 32, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("by_middle", [False, True])
def test_the_product_is_that_with_the_stored_matrix(kernels, n, d, b, by_middle):
    X, V = sphere(n, d), vectors(n, b)
    assert_close(product(kernels, X, V, by_middle=by_middle), fg.gram(X), V)


@pytest.mark.parametrize("place", [0, 31, 32, 63, 64, 100, 127, 128, 190, 255, 299])
def test_each_column_of_the_matrix(place):
    assert_column(kernels_of(), place)


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (fg.Network("sigmoid"), "nngp"),
        (fg.Network("hard_tanh"), "gradient"),  # a table of several pieces
        (fg.Network("selu"), "ntk"),
    ],
)
def test_any_table(network, kind):
    X, V = sphere(150, 17), vectors(150, 8)
    A = fg.gram(X, network=network, kind=kind)
    for by_middle in (False, True):
        assert_close(product(kernels_of(), X, V, network, kind, by_middle=by_middle), A, V)


def test_close_pairs_take_the_chord_from_the_rows():
    X = sphere(150, 5, seed=3)
    X[40], X[100], X[101], X[149] = X[2], -X[2], X[77], -X[77]
    X[3], X[130] = X[2] + 1e-9 * X[5], X[2] - 3e-7 * X[6]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    chosen = [2, 3, 40, 77, 100, 101, 130, 149]
    A, V = fg.gram(X), np.eye(150)[:, chosen]
    for by_middle in (False, True):
        found = product(kernels_of(), X, V, by_middle=by_middle)
        np.testing.assert_allclose(found, A[:, chosen], rtol=0.0, atol=64.0 * EPS * np.max(A))
        np.testing.assert_array_equal(found[2, 0], found[2, 2])


def test_rows_of_several_norms_are_weighed(kernels):
    X, V = sphere(140, 6), vectors(140, 7)
    X *= np.random.default_rng(2).uniform(0.1, 30.0, (140, 1))
    X[[3, 139]] = 0.0
    found = product(kernels, X, V)
    assert_close(found, fg.gram(X), V)
    assert np.all(found[[3, 139]] == 0.0)


def test_both_triangles_are_one_number():
    chosen = [0, 37, 64, 70, 127, 128, 140, 169]
    found = product(kernels_of(), sphere(170, 7), np.eye(170)[:, chosen], "tanh")[chosen]
    np.testing.assert_array_equal(found, found.T)


def test_absolute_values():
    X, V = sphere(140, 4), np.ones((140, 1))
    found = product(kernels_of(), X, V, "tanh", absolute=True)
    assert_close(found, np.abs(fg.gram(X, network="tanh")), V)


@pytest.mark.parametrize("multiprocessors", [1, 2, 100])
def test_runs_of_any_length(multiprocessors):
    X, V = sphere(600, 9), vectors(600, 1)
    assert_close(product(kernels_of(multiprocessors), X, V), fg.gram(X), V)


def test_panels_dealt_out_add_up_to_the_same():
    X, V, kernels = sphere(450, 5), vectors(450, 1), kernels_of()
    parts = [product(kernels, X, V, panels=range(k, 4, 2)) for k in (0, 1)]
    assert_close(parts[0] + parts[1], fg.gram(X), V)
    assert np.all(product(kernels, X, V, panels=range(0)) == 0.0)


@pytest.mark.slow
def test_the_same_bits_whatever_runs_first_and_at_once():
    X, V = sphere(600, 40), vectors(600, 9)
    alone = product(kernels_of(2), X, V)
    np.testing.assert_array_equal(product(kernels_of(2, backward=True), X, V), alone)
    np.testing.assert_array_equal(product(kernels_of(2, at_once=4), X, V), alone)


def test_one_block_a_multiprocessor_in_as_much_shared_memory():
    X, V, launches = sphere(140, 6), vectors(140, 20), {}
    for variants in ((), ("eight_bit",)):
        kernels = kernels_of(variants=variants)
        launches[variants] = launches_of(kernels)
        product(kernels, X, V)
    (one,), (other,) = (
        [given for name, *given in noted if name.startswith("multiply")]
        for noted in launches.values()
    )
    assert one == [6, other[1]]
    assert other[0] == 3
