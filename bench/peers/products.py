"""One product with the ReLU Gram matrix, nothing kept, against KeOps and NumPy on blocks."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgram as fg
from bench.peers.formulas import relu_gradient
from bench.peers.rows import Contender, Row, command, measure
from bench.peers.versions import KEOPS_FLAGS, installed

__all__ = ["compare", "prepare"]

Array = npt.NDArray[np.float64]
ROUNDS = 5
SIZES = {3: 16384, 10: 16384, 100: 8192}  # d to n: an entry costs KeOps in proportion to d
BLOCK = 256  # rows of the matrix that NumPy has at a time
SAMPLE = 64  # of the product, compared
# Relative to the largest of the product. Closed forms miss a diagonal entry by up to 1e-8, the
# angle being taken from a rounded cosine; a wrong formula is off by more than 1e-2.
AGREEMENT = 1e-7


def prepare(peer: str, n: str, d: str) -> tuple[Any, Any]:
    """Return a part of the product, for the check, and what computes it."""
    X, v = _case(int(n), int(d))
    multiply = _by_keops(X, v) if peer == "KeOps" else _by_numpy(X, v)
    return multiply().ravel()[:: int(n) // SAMPLE].tolist(), multiply


def compare(quick: bool, cap: float) -> Iterator[Row]:
    """Yield a row for each dimension."""
    for d, n in SIZES.items():
        yield _row(512 if quick else n, d, 2 if quick else ROUNDS, cap)


def _case(n: int, d: int) -> tuple[Array, Array]:
    v = np.random.default_rng(1).standard_normal((n, 1))
    return np.asarray(fg.datasets.sphere(n, d, 0), np.float64), v


def _row(n: int, d: int, rounds: int, cap: float) -> Row:
    X, v = _case(n, d)
    op = fg.GramOperator(X, "relu", memory=0)
    expected = (op @ v).ravel()[:: n // SAMPLE]

    def right(reply: dict[str, Any]) -> bool:
        error = np.abs(expected - np.asarray(reply["answer"]))
        return bool(np.max(error) < AGREEMENT * np.max(np.abs(expected)))

    peers = ["KeOps", "NumPy"] if installed("KeOps") else ["NumPy"]
    contenders = [Contender(peer, command("product", peer, n, d), right) for peer in peers]
    task = f"product relu gradient b=1, n={n} d={d}"
    return measure(
        task, lambda: op @ v, contenders, unit="ns an entry", per=1e9 / n**2, rounds=rounds, cap=cap
    )


def _by_keops(X: Array, v: Array) -> Callable[[], Array]:
    os.environ.setdefault("CXXFLAGS", KEOPS_FLAGS)
    tensor: Any = importlib.import_module("pykeops.numpy").LazyTensor
    cosine = tensor(X[:, None, :]) | tensor(X[None, :, :])
    entry = cosine * (np.pi - cosine.clamp(-1, 1).acos()) / (2.0 * np.pi)
    entry = entry.auto_factorize()  # or it takes the inner product twice
    return lambda: np.asarray(entry @ v)


def _by_numpy(X: Array, v: Array) -> Callable[[], Array]:
    def multiply() -> Array:
        starts = range(0, X.shape[0], BLOCK)
        return np.concatenate([relu_gradient(X[i : i + BLOCK] @ X.T) @ v for i in starts])

    return multiply
