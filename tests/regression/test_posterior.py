"""posterior_variance(): against dense algebra; bounds that hold and are no smaller than 0."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg

X = fg.datasets.sphere(300, 5, seed=0)
NEW = fg.datasets.sphere(40, 5, seed=1)


def exact(X, new, network, kind, ridge):
    K, between = fg.gram(X, network=network, kind=kind), fg.gram(X, new, network, kind=kind)
    prior = np.diagonal(fg.gram(new, network=network, kind=kind))
    solved = np.linalg.solve(K + np.diag(np.broadcast_to(ridge, len(X))), between)
    return prior - np.sum(between * solved, axis=0)


@pytest.mark.parametrize("way", ["auto", "nystrom"])
@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (fg.Network("relu"), "nngp"),
        (fg.Network("tanh", depth=2), "ntk"),
        (fg.Network("erf", width=60), "nngp"),
    ],
)
@pytest.mark.parametrize("ridge", [1e-2, np.linspace(1e-3, 1.0, 300)])
def test_against_dense_algebra(network, kind, ridge, way):
    op = fg.GramOperator(X, network, kind=kind, ridge=ridge)
    found = fg.posterior_variance(op, NEW, preconditioner=way)
    wanted = exact(X, NEW, network, kind, ridge)
    allowed = 1e-12 * op.trace()
    assert found.guarantee == "certified"
    assert np.all(found.lower - allowed <= wanted)
    assert np.all(wanted <= found.upper + allowed)
    assert np.max(found.upper - found.lower) <= 1e-6
    assert np.all(found.lower >= 0.0)


def test_rows_that_were_seen_are_known_to_the_noise():
    op = fg.GramOperator(X, "relu", kind="nngp", ridge=1e-6)
    found = fg.posterior_variance(op, X[:5])
    assert np.all(found.upper <= 1.01e-6)


def test_bad_input(refuses):
    op = fg.GramOperator(X, "relu", ridge=0.1)
    with refuses(TypeError, "op must be a GramOperator"):
        fg.posterior_variance(op.dense(), NEW)
    with refuses(ValueError, "X_new has rows of 3 features and X of 5"):
        fg.posterior_variance(op, NEW[:, :3])
    with refuses(ValueError, "rtol"):
        fg.posterior_variance(op, NEW, rtol=0.0)
