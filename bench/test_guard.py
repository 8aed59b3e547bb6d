"""A guard against passes that become slow, for machines that are noisy.

Only ratios within one process are looked at, on one thread, and of the whole and of each part the
least time of several rounds: what else runs on the machine only ever adds to a time. A pass twice
as slow as its parts fails. Where a part itself becomes slow only the table is looked at.
"""

from __future__ import annotations

import pytest

from bench.parts import Case, Parts, measure

N, ROUNDS = 2048, 7
PASS_OVER_PARTS = 1.6  # 1.03 to 1.33 where no time is lost between tiles
TABLE_OVER_GEMM = 0.8  # 0.2 to 0.3: an entry of the table over one of the GEMM at d = 100


def times_of(case: Case) -> Parts:
    op = case.operator()
    return measure(op, case.vectors(), case.threads, ROUNDS)


@pytest.mark.parametrize("columns", [1, 16])
@pytest.mark.parametrize("d", [10, 100])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_pass(activation: str, dtype: str, d: int, columns: int) -> None:
    """A pass takes little longer than its parts, and the table is cheap beside a GEMM."""
    times = times_of(Case(N, d, activation, dtype=dtype, columns=columns))
    least = {name: min(seconds) for name, seconds in times.parts.items()}
    assert min(times.whole) < PASS_OVER_PARTS * sum(least.values()), times
    if d == 100:
        assert least["table"] < TABLE_OVER_GEMM * least["gemm"], times
