"""Passes of block Lanczos to a bracket: by block size, and with directions appended.

``python -m bench.passes [N]`` prints the tables; passes and columns are counted, nothing is timed.
``python -m bench.passes large`` counts passes to 10 % at n = 262 144, on a diagonal matrix with
about the spectrum of relu on the sphere in 100 dimensions (minutes, and 3 GB).
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

import fastgram as fg
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.exclusion import Missed, excludes
from fastgram.linalg.lanczos_bound import overlap_quantile

RTOL, CHANCE = 1e-2, 5e-4
BLOCKS = (8, 16, 32, 64)


def patches(n: int) -> Any:
    """Return n grey 8 × 8 patches of scikit-learn's two photographs, of norm 1, no two the same."""
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(0)
    rows = []
    for image in load_sample_images().images:
        grey = np.mean(image, axis=2)
        for _ in range(n):
            i, j = (int(generator.integers(0, size - 8)) for size in grey.shape)
            rows.append(grey[i : i + 8, j : j + 8].ravel())
    unit = np.array([row / np.linalg.norm(row) for row in rows if np.any(row)])
    distinct = np.sort(np.unique(unit, axis=0, return_index=True)[1])
    return unit[np.random.default_rng(1).permutation(distinct)[:n]]


def data(name: str, n: int) -> Any:
    """Return unit rows: "sphere 3", "digits" (1797 of them) or "patches"."""
    if name == "patches":
        return patches(n)
    if name == "digits":
        rows = fg.datasets.digits()
        return rows / np.linalg.norm(rows, axis=1)[:, None]
    return fg.datasets.sphere(n, int(name.split()[1]), 0)


def close_pairs(X: Any, count: int) -> Any:
    """Return (e_i ∓ e_j)/√2 of the pairs of rows that are nearest to equal or opposite."""
    cosines = X @ X.T
    np.fill_diagonal(cosines, 0.0)
    upper = np.abs(np.triu(cosines))
    nearest = np.argpartition(upper, -count, axis=None)[-count:]
    vectors = np.zeros((len(X), count))
    for column, (i, j) in enumerate(zip(*np.unravel_index(nearest, upper.shape), strict=True)):
        vectors[i, column], vectors[j, column] = 1.0, -np.sign(cosines[i, j])
    return vectors / np.sqrt(2.0)


def marchenko_pastur(ratio: float, count: int) -> Any:
    """Return quantiles of the law of the eigenvalues of XXᵀ/N, X (n, N) normal, n/N = ratio < 1."""
    low, high = (1.0 - np.sqrt(ratio)) ** 2, (1.0 + np.sqrt(ratio)) ** 2
    x = (low + high - (high - low) * np.cos(np.linspace(0.0, np.pi, 20_001))) / 2.0
    density = np.sqrt(np.maximum((high - x) * (x - low), 0.0)) / x
    law = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) * np.diff(x))])
    return np.interp((np.arange(count) + 0.5) / count, law / law[-1], x)


def large_spectrum(n: int, d: int) -> Any:
    """Return about the eigenvalues of relu's gradient matrix of n rows of the sphere, n > d²/2.

    K(ρ) = ρ/4 + (ρ² + ρ⁴/6 + …)/2π. Harmonics of degree 0 and 1 are large, those of degree 2 fewer
    than the rows, those of degree 4 more, and the rest is the identity.
    """
    two, four = d * (d + 1) // 2 - 1, math.comb(d + 3, 4) - math.comb(d + 1, 2)
    of_two, of_four = 1.0 / (2.0 * np.pi), 1.0 / (12.0 * np.pi)
    rest = 0.25 - of_two - of_four
    first = n / d * np.concatenate([[of_two], 0.25 * marchenko_pastur(d / n, d)])
    second = n * of_two / two * (1.0 - 1.0 / d) * marchenko_pastur(two / n, two) + rest + of_four
    others = rest + of_four * marchenko_pastur(n / four, n - d - 1 - two)
    return np.concatenate([first, second, others])


def report_large(n: int, d: int, blocks: tuple[int, ...] = (8, 16, 24, 32)) -> None:
    """Print the passes that `extreme_eigenvalues` takes to 10 %, by block size."""
    values = large_spectrum(n, d)
    diagonal = LinearOperator(
        values.shape * 2,
        matmat=lambda V: values[:, None] * V,
        matvec=lambda v: values * v,
        dtype=float,
    )
    for block in blocks:
        answer = fg.extreme_eigenvalues(diagonal, rtol=0.1, method="lanczos", block=block)
        print(f"n={n} d={d} b={block}: {answer.passes} passes, {answer.smallest}", flush=True)


def count_passes(A: Any, block: int, appended: Any = None, most: int = 400) -> tuple[int, int]:
    """Return the passes and the columns multiplied until both brackets are RTOL wide."""
    n = A.shape[0]
    run = BlockLanczos(lambda V: A @ V, n, block, 0, appended)
    quantile = overlap_quantile(CHANCE, block, n)
    floor = n * np.finfo(np.float64).eps
    while run.passes < most and not run.exhausted:
        run.advance()
        if run.passes % 2 and run.passes > 8:
            continue
        ritz = run.ritz_ends()
        rounding = floor * max(abs(end) for end in ritz)
        if all(
            excludes(run, ritz[end], out, RTOL * abs(ritz[end]), quantile, Missed(rounding))
            for end, out in ((0, -1.0), (-1, 1.0))
        ):
            break
    return run.passes, run.multiplied


def report(name: str, n: int, blocks: tuple[int, ...] = BLOCKS, appended: bool = True) -> None:
    X = data(name, n)
    A = fg.gram(X, network="relu")
    line = [f"{name} n={len(X)}"]
    for block in blocks:
        line.append("b={}: {} passes {} columns".format(block, *count_passes(A, block)))
    print("; ".join(line), flush=True)
    for block in (16, 32) if appended else ():
        extra = {f"{p} pairs": close_pairs(X, p) for p in (block // 2, block, 2 * block)}
        extra["ones"] = np.ones((len(X), 1))
        if X.shape[1] <= 64:
            extra["ones and coordinates"] = np.hstack([np.ones((len(X), 1)), X])
        for what, vectors in extra.items():
            passes, columns = count_passes(A, block, vectors)
            print(f"  b={block} with {what}: {passes} passes {columns} columns", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["large"]:
        report_large(262_144, 100)
        sys.exit()
    order = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    for which in ("sphere 100", "sphere 10", "sphere 3", "digits", "patches"):
        report(which, order)
