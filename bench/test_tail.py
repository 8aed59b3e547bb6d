"""The one-pass lower bound against an ordinary pass: what a proof costs beside a product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgram as fg
from bench.floors import in_turn
from fastgram.eigenvalues.one_pass_bound import one_pass_bound

# Activation, and the least share of the truth that the bound must be worth on a sphere, d = 100.
SHARES = {"relu": 0.5, "tanh": 0.3}


def told(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


@pytest.mark.parametrize("n", [4096, 16384])
@pytest.mark.parametrize("d", [10, 100])
@pytest.mark.parametrize("activation", SHARES)
def test_bound(benchmark: Any, n: int, d: int, activation: str) -> None:
    few = fg.GramOperator(fg.datasets.sphere(1024, 100, 0), activation)
    truth = float(np.linalg.eigvalsh(few.dense())[0])
    proven = one_pass_bound(few)
    assert proven is not None
    assert SHARES[activation] * truth < proven.lower <= truth

    op = fg.GramOperator(fg.datasets.sphere(n, d, 0), activation, memory=0)
    V = np.random.default_rng(0).standard_normal((n, 16))
    # an upper end of the truth: the Rayleigh quotient of the vectors at hand
    found = one_pass_bound(op)
    assert found is not None
    assert found.lower <= float(np.min(np.sum(V * (op @ V), axis=0) / np.sum(V * V, axis=0)))

    benchmark.group = f"one-pass bound {activation} n={n} d={d}"
    benchmark.pedantic(lambda: one_pass_bound(op), rounds=3, warmup_rounds=1)
    benchmark.extra_info["bound / pass b=16"] = told(
        in_turn(lambda: one_pass_bound(op), lambda: op @ V)
    )
    order = found.order
    benchmark.extra_info["with the order known / pass b=16"] = told(
        in_turn(lambda: one_pass_bound(op, order), lambda: op @ V)
    )
