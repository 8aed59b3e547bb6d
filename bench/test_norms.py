"""A pass over rows of many norms against one over rows of one norm, the same directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastgram as fg
from bench.floors import in_turn
from bench.test_tiles import told
from fastgram import Network

Rows = npt.NDArray[np.float64]


def timed(benchmark: Any, network: Network, X: Rows, norms: Rows, case: str) -> None:
    """Time a pass over rows X, of norm 1, that are scaled to these norms."""
    scaled = X * norms[:, None]
    free = fg.GramOperator(scaled, network, memory=0)
    equal = fg.GramOperator(X, network, memory=0)
    n = len(X)
    v = np.random.default_rng(1).standard_normal((n, 1))
    # a few entries against the same rows taken alone, which are integrated one by one
    few = fg.gram(scaled[:16], network=network)
    unit = np.zeros((n, 16))
    unit[:16] = np.eye(16)
    assert np.max(np.abs((free @ unit)[:16] - few)) < 1e-12 * np.max(few)

    def many_norms() -> None:
        free @ v

    benchmark.group = f"pass over many norms n={n} {case}"
    benchmark.pedantic(many_norms, rounds=3, warmup_rounds=1)
    benchmark.extra_info["/ pass over one norm"] = told(in_turn(many_norms, lambda: equal @ v, 5))


@pytest.mark.parametrize("n", [4096, 16384])
@pytest.mark.parametrize("spread", [3.0, 100.0])
@pytest.mark.parametrize("name", ["elu", "tanh"])
def test_pass_over_many_norms(benchmark: Any, name: str, spread: float, n: int) -> None:
    X = fg.datasets.sphere(n, 100, 0)
    norms = np.exp(np.random.default_rng(1).uniform(-0.5, 0.5, n) * np.log(spread))
    timed(benchmark, Network(name), X, norms, f"{name} spread={spread:g}")


# Norms over a decade: four standard deviations of their logarithm.
@pytest.mark.parametrize("norms", ["normal", "lognormal"])
@pytest.mark.parametrize("d", [3, 10, 100])
@pytest.mark.parametrize(("name", "depth"), [("elu", 1), ("tanh", 1), ("gelu", 1), ("tanh", 3)])
def test_pass_in_few_dimensions(benchmark: Any, name: str, depth: int, d: int, norms: str) -> None:
    """Rows of N(0, 1) as they come, or of lognormal norms; the bar is 3."""
    rng, n = np.random.default_rng(2), 8192
    X = rng.standard_normal((n, d))
    lengths = np.linalg.norm(X, axis=1)
    sizes = lengths if norms == "normal" else np.exp(rng.standard_normal(n) * np.log(10.0) / 4.0)
    timed(
        benchmark,
        Network(name, depth=depth),
        X / lengths[:, None],
        sizes,
        f"{name} depth={depth} d={d} {norms}",
    )
