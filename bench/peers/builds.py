"""Dense builds of the NTK, against neural-tangents, scikit-learn, NumPy and the naive loop."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgram as fg
from bench.peers import formulas
from bench.peers.process import ROOT
from bench.peers.rows import Contender, Row, command, measure
from bench.peers.versions import NEURAL_TANGENTS, installed
from fastgram.kernels import reference

__all__ = ["compare", "prepare"]

Array = npt.NDArray[np.float64]
ACTIVATIONS, DEPTHS = ("relu", "gelu", "erf"), (1, 10)
D, ROUNDS = 100, 5
SAMPLE = 32  # rows and columns whose entries are compared
# Relative to the largest entry, which is on the diagonal. Off it both sides are right to some
# roundings, as no two of these rows are close; a wrong formula is off by 1e-2 and more.
AGREEMENT = 1e-10
# On it closed forms take an angle from a rounded cosine, which makes 1e-8 of 1e-16, layer by layer.
AGREEMENT_OF_DIAGONAL = 1e-6


def prepare(peer: str, activation: str, depth: str, n: str, d: str) -> tuple[Any, Any]:
    """Return entries between a few rows, for the check, and what builds the matrix."""
    X = fg.datasets.sphere(int(n), int(d), 0)
    by_peer: dict[str, Callable[[Array, str, int], Array]] = {
        "NumPy": _by_numpy,
        "scikit-learn": _by_sklearn,
        "naive loop": _by_loop,
    }
    build = partial(by_peer[peer], X, activation, int(depth))
    sample = _sample(int(n))
    return build()[np.ix_(sample, sample)].tolist(), build


def compare(quick: bool, cap: float) -> Iterator[Row]:
    """Yield a row for each activation and depth."""
    n, loop, rounds = (256, 32, 2) if quick else (4096, 128, ROUNDS)
    for depth in DEPTHS:
        for activation in ACTIVATIONS:
            yield _row(activation, depth, n, loop, rounds, cap)


def _row(activation: str, depth: int, n: int, loop: int, rounds: int, cap: float) -> Row:
    X = fg.datasets.sphere(n, D, 0)
    network = fg.Network(activation, depth=depth)

    def build() -> Any:
        return fg.gram(X, network=network, kind="ntk")

    expected = build()

    def right(entries: Any, rows: int) -> bool:
        sample = _sample(rows)
        own = expected[np.ix_(sample, sample)]
        error = np.abs(own - np.asarray(entries)) / np.max(np.abs(own))
        apart = ~np.eye(sample.size, dtype=bool)
        return bool(
            np.max(error[apart]) < AGREEMENT and np.max(np.diag(error)) < AGREEMENT_OF_DIAGONAL
        )

    contenders = []
    if installed("neural-tangents"):
        contenders.append(
            Contender(
                "neural-tangents",
                _neural_tangents(activation, depth, n, rounds),
                lambda reply: right(reply["entries"], n),
            )
        )
    if activation in formulas.LAYERS:  # closed forms that are at hand

        def add(peer: str, rows: int, scale: float = 1.0, note: str = "") -> None:
            def checked(reply: dict[str, Any]) -> bool:
                return right(reply["answer"], rows)

            start = command("build", peer, activation, depth, rows, D)
            contenders.append(Contender(peer, start, checked, scale, note))

        if depth == 1 and installed("scikit-learn"):
            add("scikit-learn", n)
        add("NumPy", n)
        # its rows are the first of the others; an entry costs the same at any n
        add("naive loop", loop, (n / loop) ** 2, f"an entry, at n={loop}")
    task = f"build ntk {activation} depth {depth}, n={n} d={D}"
    return measure(
        task, build, contenders, unit="ns an entry", per=1e9 / n**2, rounds=rounds, cap=cap
    )


def _by_numpy(X: Array, activation: str, depth: int) -> Array:
    return formulas.ntk(X @ X.T, activation, depth)


def _by_sklearn(X: Array, activation: str, depth: int) -> Array:
    pairwise: Any = importlib.import_module("sklearn.metrics.pairwise")
    return formulas.ntk(pairwise.linear_kernel(X), activation, depth)


def _by_loop(X: Array, activation: str, depth: int) -> Array:
    return reference.gram(X, X, formulas.ntk_entry(activation, depth))


def _sample(n: int) -> npt.NDArray[np.int_]:
    """Return the rows that bench/neural_tangents/time_build.py shows too."""
    return np.unique(np.linspace(0, n - 1, SAMPLE).astype(int))


def _neural_tangents(activation: str, depth: int, n: int, rounds: int) -> list[str]:
    return [
        os.environ[NEURAL_TANGENTS], str(ROOT / "bench" / "neural_tangents" / "time_build.py"),
        *("--n", str(n), "--d", str(D), "--kind", "ntk", "--in-turn"),
        *("--activation", activation, "--depth", str(depth), "--repeats", str(rounds + 1)),
    ]  # fmt: skip
