"""A pass over rows of many norms under kinks away from 0, against one over rows of one norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgram as fg
from bench.floors import in_turn
from bench.test_tiles import told
from fastgram.support.literals import Kind


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
@pytest.mark.parametrize("name", ["hard_tanh", "relu6"])
def test_pass_over_many_norms_with_kinks(benchmark: Any, name: str, kind: Kind) -> None:
    n = 2048
    X = fg.datasets.sphere(n, 100, 0)
    rng = np.random.default_rng(1)
    norms = np.exp(rng.uniform(-0.5, 0.5, n) * np.log(3.0))
    free = fg.GramOperator(X * norms[:, None], name, kind=kind, memory=0)
    equal = fg.GramOperator(X, name, kind=kind, memory=0)
    v = rng.standard_normal((n, 1))
    # a few entries against quadratures
    product = (X[0] @ X[1:5].T) * norms[0] * norms[1:5]
    cosines, q = X[0] @ X[1:5].T, norms[:5] ** 2
    exact = fg.dual(name, cosines, q[0], q[1:], derivative=kind == "gradient")
    exact = exact * product if kind == "gradient" else exact
    found = (free @ np.eye(n)[:, :1])[1:5, 0]
    assert np.max(np.abs(found - exact)) < 1e-13 * np.max(free.diagonal())

    def many_norms() -> None:
        free @ v

    benchmark.group = f"pass over many norms with kinks n={n} {name} {kind}"
    benchmark.pedantic(many_norms, rounds=3, warmup_rounds=1)
    benchmark.extra_info["/ pass over one norm"] = told(in_turn(many_norms, lambda: equal @ v, 5))
