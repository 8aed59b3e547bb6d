"""A pass over rows of many norms under kinks away from 0, against one over rows of one norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastgram as fg
from bench.floors import in_turn
from bench.test_tiles import told
from fastgram.support.literals import Kind

Rows = npt.NDArray[np.float64]
N = 2048


def factor_three(d: int) -> Rows:
    """Return rows with norms within a factor of 3."""
    norms = np.exp(np.random.default_rng(1).uniform(-0.5, 0.5, N) * np.log(3.0))
    rows: Rows = fg.datasets.sphere(N, d, 0) * norms[:, None]
    return rows


def normal(d: int) -> Rows:
    """Return rows of N(0, 1) numbers."""
    return np.random.default_rng(1).standard_normal((N, d))


def digits(d: int) -> Rows:
    """Return the digits as they come: norms 47 to 77, whatever d."""
    return fg.datasets.digits()


CASES = [(factor_three, 100), (normal, 3), (normal, 10), (normal, 100), (digits, 64)]


@pytest.mark.parametrize("kind", ["gradient", "nngp"])
@pytest.mark.parametrize("name", ["hard_tanh", "relu6"])
@pytest.mark.parametrize(("data", "d"), CASES, ids=lambda part: getattr(part, "__name__", part))
def test_pass_over_many_norms_with_kinks(
    benchmark: Any, data: Callable[[int], Rows], d: int, name: str, kind: Kind
) -> None:
    X = data(d)
    norms = np.linalg.norm(X, axis=1)
    unit = X / norms[:, None]
    n = len(X)
    free = fg.GramOperator(X, name, kind=kind, memory=0)
    equal = fg.GramOperator(unit * np.median(norms), name, kind=kind, memory=0)
    v = np.random.default_rng(1).standard_normal((n, 1))
    # a few entries against quadratures
    cosines, q = unit[0] @ unit[1:5].T, norms[:5] ** 2
    exact = fg.dual(name, cosines, q[0], q[1:], derivative=kind == "gradient")
    exact = exact * cosines * norms[0] * norms[1:5] if kind == "gradient" else exact
    found = (free @ np.eye(n)[:, :1])[1:5, 0]
    assert np.max(np.abs(found - exact)) < 1e-13 * np.max(free.diagonal())

    def many_norms() -> None:
        free @ v

    benchmark.group = f"pass over many norms with kinks n={n} d={d} {data.__name__} {name} {kind}"
    benchmark.pedantic(many_norms, rounds=3, warmup_rounds=1)
    benchmark.extra_info["/ pass over one norm"] = told(in_turn(many_norms, lambda: equal @ v, 5))
