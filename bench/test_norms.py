"""A pass over rows of many norms against one over rows of one norm, the same directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgram as fg
from bench.floors import in_turn
from bench.test_tiles import told


@pytest.mark.parametrize("n", [4096, 16384])
@pytest.mark.parametrize("spread", [3.0, 100.0])
@pytest.mark.parametrize("name", ["elu", "tanh"])
def test_pass_over_many_norms(benchmark: Any, name: str, spread: float, n: int) -> None:
    X = fg.datasets.sphere(n, 100, 0)
    rng = np.random.default_rng(1)
    norms = np.exp(rng.uniform(-0.5, 0.5, n) * np.log(spread))
    free = fg.GramOperator(X * norms[:, None], name, memory=0)
    equal = fg.GramOperator(X, name, memory=0)
    v = rng.standard_normal((n, 1))
    # a few entries against the same rows taken alone, which are integrated one by one
    few = fg.gram(X[:16] * norms[:16, None], network=name)
    unit = np.zeros((n, 16))
    unit[:16] = np.eye(16)
    assert np.max(np.abs((free @ unit)[:16] - few)) < 1e-12 * np.max(few)

    def many_norms() -> None:
        free @ v

    benchmark.group = f"pass over many norms n={n} {name} spread={spread:g}"
    benchmark.pedantic(many_norms, rounds=3, warmup_rounds=1)
    benchmark.extra_info["/ pass over one norm"] = told(in_turn(many_norms, lambda: equal @ v, 5))
