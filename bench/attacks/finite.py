"""Finite width: brackets against the ideal matrix of the same weights, evaluated by mpmath."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import mpmath as mp
import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx

import fastgram as fg
from bench.attacks.answers import everything
from bench.attacks.checks import Check
from bench.attacks.functions import FUNCTIONS, second_moment
from bench.attacks.truth import eigenvalues, scale_of
from fastgram.network.network import KINDS, READOUTS

__all__ = ["finite", "ideal_matrix"]

Array = npt.NDArray[np.float64]

DIGITS = 45


def drawn(network: fg.Network, d: int) -> tuple[list[Array], list[Array | None], Array]:
    """Draw weights, biases and the readout as the docstring of `fastgram.Network` says."""
    m = network.width
    assert m is not None
    generator = np.random.default_rng(network.seed)
    layers: list[Array] = []
    biases: list[Array | None] = []
    for layer in range(network.depth):
        layers.append(generator.standard_normal((m, m if layer else d)))
        variance = network.bias_variance if layer else network.first_bias_variance
        biases.append(generator.standard_normal(m) if variance > 0.0 else None)
    if network.readout == "rademacher":
        return layers, biases, generator.choice([-1.0, 1.0], m)
    return layers, biases, generator.standard_normal(m)


@functools.cache
def factor(name: str) -> Any:
    """Return √(1/E f²), to more digits than are used."""
    with mp.workdps(DIGITS + 10):
        return 1 / mp.sqrt(second_moment(name))


def ideal_matrix(X: Array, name: str, network: fg.Network, kind: str) -> arb_mat:
    """Return the matrix of gradients or outputs at the drawn weights, to some 40 digits."""
    f, df, _ = FUNCTIONS[name]
    layers, biases, readout = drawn(network, X.shape[1])
    m = network.width
    with mp.workdps(DIGITS):
        scale = factor(name) if network.normalize else mp.mpf(1)
        weight, first = mp.mpf(network.weight_variance), mp.mpf(network.first_weight_variance)
        variances = [mp.mpf(network.first_bias_variance)]
        variances += [mp.mpf(network.bias_variance)] * (network.depth - 1)
        rows = [[mp.mpf(float(v)) for v in row] for row in X]
        inputs = [[mp.sqrt(first) * v for v in row] for row in rows]  # without biases
        forwards, slopes = [], []
        for layer, own, bias in zip(layers, biases, variances, strict=True):
            forwards.append(inputs)
            z = [
                [
                    mp.fdot(map(float, w), row)
                    + (mp.sqrt(bias) * float(own[k]) if own is not None else 0)
                    for k, w in enumerate(layer)
                ]
                for row in inputs
            ]
            slopes.append([[scale * df(v) for v in row] for row in z])
            values = [[scale * f(v) for v in row] for row in z]
            inputs = [[mp.sqrt(weight / m) * v for v in row] for row in values]
        A = [[mp.mpf(0)] * len(rows) for _ in rows]
        if kind != "gradient":
            add(A, products(values), None, 1 / mp.mpf(m))
        if kind != "nngp":
            back = [
                [s * float(a) / mp.sqrt(m) for s, a in zip(row, readout, strict=True)]
                for row in slopes[-1]
            ]
            last = network.depth - 1
            for place in range(last, -1 if kind == "ntk" else last - 1, -1):
                sums = products(forwards[place])
                sums = [[v + variances[place] for v in row] for row in sums]
                add(A, sums, products(back), mp.mpf(1))
                if place:
                    columns = layers[place].T
                    step = mp.sqrt(weight / m)
                    back = [
                        [
                            step * mp.fdot(map(float, w), b) * s
                            for w, s in zip(columns, own, strict=True)
                        ]
                        for b, own in zip(back, slopes[place - 1], strict=True)
                    ]
        return as_balls(A)


def products(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the inner products of rows."""
    return [[mp.fdot(x, y) for y in rows] for x in rows]


def add(A: list[list[Any]], left: Any, right: Any, times: Any) -> None:
    """Add the entrywise product of two matrices, times a number, to a third."""
    for i, row in enumerate(A):
        for j in range(len(row)):
            row[j] += times * left[i][j] * (1 if right is None else right[i][j])


def as_balls(A: list[list[Any]]) -> arb_mat:
    """Return a matrix of mpmath's numbers with what their last digits may be off by."""
    n = len(A)
    largest = max(abs(v) for row in A for v in row)
    radius = largest * mp.mpf(10) ** (8 - DIGITS)
    with ctx.workprec(256):
        error = arb(mp.nstr(radius, 5))
        entries = [
            arb(mp.nstr(A[i][j], DIGITS + 5)) + arb(0, error.upper())
            for i in range(n)
            for j in range(n)
        ]
        return arb_mat(n, n, entries)


def finite(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack brackets of a small network of finite width."""
    name = str(rng.choice(list(FUNCTIONS)))
    n, d = int(rng.integers(2, 5 if quick else 8)), int(rng.integers(1, 5))
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-1, 0.5)
    if rng.random() < 0.3:
        X[-1] = X[0] * (1.0 + 10.0 ** rng.uniform(-15, -3))
    network = fg.Network(
        name,
        int(rng.integers(1, 4)),
        width=int(rng.integers(1, 9 if quick else 25)),
        weight_variance=float(rng.choice([1.0, rng.uniform(0.3, 2.5)])),
        bias_variance=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
        normalize=bool(rng.integers(2)),
        readout=READOUTS[int(rng.integers(2))],
        seed=int(rng.integers(1000)),
        input_weight_variance=None if rng.random() < 0.7 else float(rng.uniform(0.3, 2.5)),
        input_bias_variance=None if rng.random() < 0.7 else float(rng.choice([0.0, 0.5])),
    )
    kind = KINDS[int(rng.integers(3))]
    dtype = "float32" if rng.random() < 0.2 else "float64"
    A = ideal_matrix(X, name, network, kind)
    values, scale = eigenvalues(A, 256), scale_of(A)
    if not scale:
        return
    what = f"{name} depth={network.depth} width={network.width} {kind} {dtype} n={n}"

    def make() -> fg.GramOperator:
        return fg.GramOperator(X, network, kind=kind, dtype=dtype)

    yield from everything(what, make, values, scale)
