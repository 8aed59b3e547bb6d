"""Kernel regression: solve() against SciPy's cg on one operator, and scikit-learn with the build.

All answers are held to the same residual first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse.linalg import cg

import fastgram as fg

Rows = npt.NDArray[np.float64]
RTOL = 1e-6


def sphere(n: int) -> Rows:
    return fg.datasets.sphere(n, 20, 0)


def patches(n: int) -> Rows:
    """8 × 8 patches of scikit-learn's two photographs, of norm 1."""
    datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(0)
    images = [image.mean(axis=2) for image in datasets.load_sample_images().images]
    found = np.empty((n, 64))
    for k in range(n):
        image = images[k % 2]
        i, j = (int(rng.integers(0, size - 8)) for size in image.shape)
        found[k] = image[i : i + 8, j : j + 8].ravel()
    found -= found.mean(axis=1, keepdims=True)
    found += 1e-3 * rng.standard_normal(found.shape)
    rows: Rows = found / np.linalg.norm(found, axis=1, keepdims=True)
    return rows


@pytest.mark.parametrize("data", [sphere, patches])
@pytest.mark.parametrize("n", [4096, 20_000])
@pytest.mark.parametrize("columns", [1, 10])
def test_ridge_regression(
    benchmark: Any, data: Callable[[int], Rows], n: int, columns: int
) -> None:
    X, network = data(n), fg.Network("relu", depth=3)
    Y = np.random.default_rng(1).standard_normal((n, columns))
    plain = fg.GramOperator(X, network, kind="ntk")
    op = plain.with_ridge(1e-3 * float(np.max(plain.diagonal())))
    passes: list[int] = []

    def ours() -> Rows:
        op.forget()
        answer = fg.solve(op, Y, rtol=RTOL)
        passes.append(answer.passes)
        return answer.x

    def scipy() -> Rows:
        op.forget()
        return np.stack([cg(op, y, rtol=RTOL)[0] for y in Y.T], axis=1)

    def dense() -> Rows:
        from sklearn.kernel_ridge import KernelRidge

        G = fg.gram(X, network=network, kind="ntk")
        model = KernelRidge(alpha=float(np.max(op.ridge)), kernel="precomputed").fit(G, Y)
        return np.asarray(model.dual_coef_).reshape(n, columns)

    ways = {"ours": ours, "scipy cg": scipy} | ({"scikit-learn": dense} if n <= 20_000 else {})
    seconds: dict[str, float] = {}
    for name, way in ways.items():
        start = time.perf_counter()
        x = way()
        seconds[name] = time.perf_counter() - start
        residuals = np.linalg.norm(Y - op @ x, axis=0) / np.linalg.norm(Y, axis=0)
        assert np.max(residuals) <= 2.0 * RTOL, name
    benchmark.group = f"ridge regression n={n} {data.__name__} columns={columns}"
    benchmark.pedantic(ours, rounds=1)
    benchmark.extra_info["passes"] = passes[-1]
    for name in ways:
        if name != "ours":
            benchmark.extra_info[f"/ {name}"] = f"{seconds['ours'] / seconds[name]:.2f}"
