"""Passes to a 1 % bracket at n = 2000, by block size and by what is appended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgram as fg
from bench.passes import close_pairs, count_passes, data

N = 2000


@pytest.mark.parametrize("name", ["sphere 100", "sphere 10", "sphere 3", "patches"])
def test_passes(benchmark: Any, name: str) -> None:
    X = data(name, N)
    A = fg.gram(X, network="relu")
    benchmark.group = f"passes n={N} {name}"
    cases: dict[str, tuple[int, Any]] = {
        "b = 8": (8, None),
        "b = 16": (16, None),
        "b = 32": (32, None),
        "b = 16 and 16 close pairs": (16, close_pairs(X, 16)),
        "b = 16 and the ones": (16, np.ones((N, 1))),
    }
    for what, (block, appended) in cases.items():
        passes, columns = count_passes(A, block, appended)
        benchmark.extra_info[what] = f"{passes} passes, {columns} columns"
    benchmark.pedantic(count_passes, args=(A, 16), rounds=1)
