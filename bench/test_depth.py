"""The cost of depth: L layers against one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest

import fastgram as fg
from bench.floors import in_turn

N, D = 4096, 100
KIND: Final = "ntk"
ROUNDS = 5


def told(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[0]:.3g} [{ratio[1]:.3g}, {ratio[2]:.3g}]"


def ntk_by_duals(X: Any, activation: str, depth: int) -> Any:
    """Return the NTK of a few unit rows, layer by layer, each entry of each by a quadrature."""
    covariance = tangent = X @ X.T
    for _ in range(depth):
        norms = np.sqrt(np.diag(covariance))
        q1, q2 = np.broadcast_arrays(norms[:, None] ** 2, norms**2)
        rho = np.clip(covariance / np.outer(norms, norms), -1.0, 1.0)
        np.fill_diagonal(rho, 1.0)
        covariance = fg.dual(activation, rho, q1, q2)
        tangent = covariance + tangent * fg.dual(activation, rho, q1, q2, derivative=True)
    return tangent


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("depth", [1, 3, 10, 30])
def test_depth(benchmark: Any, activation: str, depth: int) -> None:
    X = fg.datasets.sphere(N, D, 0)
    shallow, deep = fg.Network(activation), fg.Network(activation, depth=depth)
    few = X[:6]
    # relu's entries halve with each layer: agreement is relative to them
    by_duals = ntk_by_duals(few, activation, depth)
    miss = np.abs(fg.gram(few, network=deep, kind=KIND) - by_duals)
    assert np.max(miss) < 1e-10 * np.max(by_duals)
    op1, op = (fg.GramOperator(X, network, kind=KIND, memory=0) for network in (shallow, deep))
    v = np.random.default_rng(0).standard_normal(N)
    expected = fg.gram(few, X, network=deep, kind=KIND) @ v
    assert np.max(np.abs((op @ v)[:6] - expected)) < 1e-11 * np.max(np.abs(expected))

    benchmark.group = f"depth of {activation} {KIND} n={N} d={D}"
    benchmark.pedantic(lambda: op @ v, rounds=5, warmup_rounds=1)
    benchmark.extra_info["pass / pass of depth 1"] = told(
        in_turn(lambda: op @ v, lambda: op1 @ v, ROUNDS)
    )
    benchmark.extra_info["build / build of depth 1"] = told(
        in_turn(
            lambda: fg.gram(X, network=deep, kind=KIND),
            lambda: fg.gram(X, network=shallow, kind=KIND),
            ROUNDS,
        )
    )
