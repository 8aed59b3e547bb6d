"""A ridge on the diagonal of a Gram operator: of all that it does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from helpers.tolerances import EPS

import fastgram as fg
from fastgram.matrix.operator import matrix_of

N = 500  # more than a tile
X = fg.datasets.sphere(N, 5, seed=0)
RIDGES = [0.25, np.linspace(0.1, 1.0, N)]
NETWORKS = [(fg.Network("relu"), "ntk"), (fg.Network("tanh", width=40), "gradient")]


def ridged(G, ridge):
    return G + np.diag(np.broadcast_to(ridge, len(G)))


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize(("network", "kind"), NETWORKS)
def test_products_and_entries(network, kind, ridge, device):
    op = fg.GramOperator(X, network, kind=kind, ridge=ridge, device=device)
    wanted = ridged(fg.gram(X, network=network, kind=kind, device=device), ridge)
    assert np.array_equal(op.dense(), wanted)
    assert np.array_equal(op.rows(slice(390, 400)), wanted[390:400])
    assert op.diagonal() == pytest.approx(np.diagonal(wanted), rel=4 * EPS)
    assert op.trace() == pytest.approx(np.trace(wanted), rel=N * EPS)
    V = np.random.default_rng(0).standard_normal((N, 3))
    allowed = 8 * N * EPS * np.max(np.abs(wanted) @ np.abs(V))
    for product in (op @ V, op.T @ V, (op @ (V + 1j * V)).imag):
        assert np.max(np.abs(product - wanted @ V)) <= allowed
    assert (op @ V[:, 0]).shape == (N,)
    found = np.zeros((N, N))
    op.visit(lambda i, j, block: found.__setitem__((i, j), block))
    assert np.array_equal(np.tril(found), np.tril(wanted))


def test_operators_of_one_matrix_share_what_is_computed():
    op = fg.GramOperator(X, "tanh")
    one = np.ones((N, 1))
    product = op @ one
    kept = matrix_of(op).cache.tiles
    assert kept
    other = op.with_ridge(0.5)
    assert matrix_of(other).cache.tiles is kept
    assert np.max(np.abs(other @ one - product - 0.5)) <= 4 * EPS * np.max(product)
    # tiles that are kept are those of the matrix without
    other.visit(lambda i, j, block: block.fill(0.0))
    assert np.array_equal(op @ one, product)
    assert np.array_equal(other.with_ridge(0.0) @ one, product)
    assert (op.ridge, other.ridge, other.with_ridge(2).ridge) == (0.0, 0.5, 2.0)


@pytest.mark.parametrize("ridge", RIDGES)
def test_it_is_pickled_and_shown(ridge):
    op = fg.GramOperator(X, "relu", ridge=ridge)
    again = pickle.loads(pickle.dumps(op))
    assert np.array_equal(again.dense(), op.dense())
    words = "+ 0.25·I" if isinstance(ridge, float) else "+ a diagonal"
    assert words in repr(again)
    assert words in again._repr_html_()
    assert "·I" not in repr(op.with_ridge(0.0))


def test_rows_of_its_own_cannot_be_written_to():
    ridge = np.ones(N)
    op = fg.GramOperator(X, "relu", ridge=ridge)
    ridge[:] = 7.0
    assert op.ridge[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        op.ridge[0] = 2.0


def test_float32_tiles_take_it_in_float64():
    op = fg.GramOperator(X, "relu", ridge=1e-9, dtype="float32")
    plain = op.with_ridge(0.0)
    one = np.ones(N)
    assert op @ one - plain @ one == pytest.approx(1e-9, rel=1e-4)


@pytest.mark.parametrize(
    ("ridge", "error", "words"),
    [
        (-1.0, ValueError, ["ridge", "at least 0", "-1"]),
        (np.nan, ValueError, ["ridge", "finite"]),
        ("1", TypeError, ["ridge", "number"]),
        (np.ones(3), ValueError, ["ridge", "(3,)", "500"]),
        (np.r_[np.ones(N - 1), -2.0], ValueError, ["ridge", "row 499", "-2"]),
        (np.r_[np.ones(N - 1), np.inf], ValueError, ["ridge", "row 499", "inf"]),
        (np.ones(N, dtype=complex), TypeError, ["ridge"]),
    ],
)
def test_what_is_no_ridge(ridge, error, words, refuses):
    with refuses(error, *words):
        fg.GramOperator(X, "relu", ridge=ridge)
    with refuses(error, *words):
        fg.GramOperator(X, "relu").with_ridge(ridge)


def test_a_rectangle_has_no_diagonal(refuses):
    with refuses(ValueError, "ridge", "Y"):
        fg.GramOperator(X, "relu", Y=X[:9], ridge=1.0)
    with refuses(ValueError, "symmetric", "Y"):
        fg.GramOperator(X, "relu", Y=X[:9]).with_ridge(1.0)
