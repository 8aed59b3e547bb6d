"""λ_min and λ_max to 1 % at n = 4096: fastgram against scipy's solvers and LAPACK."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, lobpcg

import fastgram as fg

N = 4096
RTOL = 1e-2
# Products with a vector after which a solver that has not converged is stopped.
PASS_LIMIT = 1500


class _Counted:
    """A Gram operator that counts the columns it has multiplied."""

    def __init__(self, op: Any) -> None:
        self.columns = 0
        self.calls = 0

        def multiply(V: Any) -> Any:
            self.calls += 1
            self.columns += 1 if V.ndim == 1 else V.shape[1]
            return op @ V

        self.operator = LinearOperator(op.shape, matvec=multiply, matmat=multiply, dtype=float)


def by_eigsh(counted: _Counted, which: str) -> float | None:
    try:
        values = eigsh(
            counted.operator, k=1, which=which, tol=RTOL, maxiter=PASS_LIMIT // 20,
            return_eigenvectors=False, v0=np.random.default_rng(0).standard_normal(N),
        )  # fmt: skip
    except ArpackNoConvergence:
        return None
    return float(values[0])


def by_lobpcg(counted: _Counted, largest: bool, scale: float) -> float:
    start = np.random.default_rng(0).standard_normal((N, 4))
    values, _ = lobpcg(
        counted.operator, start, largest=largest, tol=RTOL * scale, maxiter=PASS_LIMIT // 4
    )
    return float(values[0])


@pytest.mark.filterwarnings("ignore:Exited:UserWarning")  # lobpcg's word for not converged
@pytest.mark.parametrize("d", [100, 10])
def test_extremes(benchmark: Any, d: int) -> None:
    X = fg.datasets.sphere(N, d, 0)
    truth = np.linalg.eigvalsh(fg.gram(X, network="relu"))

    def ours() -> Any:
        return fg.extreme_eigenvalues(fg.GramOperator(X, "relu"), rtol=RTOL, method="lanczos")

    answer = ours()
    assert answer.converged
    for bracket, value in ((answer.smallest, truth[0]), (answer.largest, truth[-1])):
        assert bracket.lower <= value <= bracket.upper
    benchmark.group = f"extremes n={N} d={d}"
    benchmark.pedantic(ours, rounds=3, warmup_rounds=0)
    own = benchmark.stats.stats.median
    benchmark.extra_info["fastgram"] = f"{own:.2f} s, {answer.passes} passes, bracket {RTOL:.0%}"

    def solve(name: str, run: Callable[[_Counted], float | None], value: float) -> None:
        counted = _Counted(fg.GramOperator(X, "relu"))
        start = time.perf_counter()
        found = run(counted)
        seconds = time.perf_counter() - start
        error = "not converged" if found is None else f"error {abs(found - value) / value:.1e}"
        benchmark.extra_info[name] = (
            f"{seconds:.2f} s, {counted.calls} passes, {error}, ours / it {own / seconds:.2f}"
        )

    solve("eigsh LA", lambda counted: by_eigsh(counted, "LA"), truth[-1])
    solve("eigsh SA", lambda counted: by_eigsh(counted, "SA"), truth[0])
    solve("lobpcg largest", lambda counted: by_lobpcg(counted, True, truth[-1]), truth[-1])
    solve("lobpcg smallest", lambda counted: by_lobpcg(counted, False, truth[0]), truth[0])
    solve(
        "LAPACK eigvalsh with the build",
        lambda _: float(np.linalg.eigvalsh(fg.gram(X, network="relu"))[0]),
        truth[0],
    )
