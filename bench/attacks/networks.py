"""Infinite width: brackets of every method against ball arithmetic, where condition hurts most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb_mat, ctx

import fastgram as fg
from bench.attacks.answers import everything
from bench.attacks.checks import Check
from bench.attacks.truth import Interval, eigenvalues, scale_of
from fastgram.exact.built_in import formula_of
from fastgram.exact.entries import gram_balls, row_geometry
from fastgram.network.network import KINDS
from fastgram.support.literals import Kind

__all__ = ["Case", "ball_matrix", "infinite", "random_case", "single_precision"]

Array = npt.NDArray[np.float64]

EPS = 2.0**-52
# With closed forms or polynomials in balls: cheap at any depth and for any norms.
CLOSED = {
    "relu": 100,
    "leaky_relu": 100,
    "abs": 60,
    "step": 20,
    "erf": 60,
    "sin": 30,
    "cos": 20,
    "linear": 30,
    "polynomial": 6,
    "polynomial(coefficients=[0.0, 1.0, 1.0])": 8,
    "polynomial(coefficients=[1.0, 1.0, 1.0, 1.0])": 4,
}
# With series, one a norm and layer.
SERIES = {"tanh": 8, "sigmoid": 12, "softplus": 12, "mish": 12, "swish": 60, "gelu": 60}
_DEPTHS = (1, 1, 2, 3, 4, 5, 6, 8, 12, 20, 30, 60, 100)
ROWS = ("signed", "unit", "ulps", "roundings", "many", "close", "opposite", "tables")


@dataclass(frozen=True)
class Case:
    """Rows, a network and a kind."""

    X: Array
    network: fg.Network
    kind: Kind
    rows: str

    def __str__(self) -> str:
        net = self.network
        parts = [f"{net.activation.name} depth={net.depth} {self.kind}"]
        if net.normalize:
            parts.append("normalize")
        if (net.weight_variance, net.bias_variance) != (1.0, 0.0):
            parts.append(f"σw²={net.weight_variance:.3g} σb²={net.bias_variance:.3g}")
        if net.input_bias_variance is not None:
            parts.append(f"first σw²={net.first_weight_variance:.3g}")
            parts.append(f"σb²={net.first_bias_variance:.3g}")
        return " ".join([*parts, f"{self.rows} n={len(self.X)}"])


def random_case(rng: np.random.Generator, quick: bool = False) -> Case:
    """Return a network and rows for it; in `quick` ones the truth takes little time."""
    closed = quick or rng.random() < 0.6
    table = CLOSED if closed else SERIES
    name = str(rng.choice(list(table)))
    depths = [
        depth for depth in _DEPTHS if depth <= (min(table[name], 6) if quick else table[name])
    ]
    if not closed:  # the truth takes a tenth of a second a layer and norm
        depths = [d for d in depths if d <= 6 or rng.random() < 0.3]
    normalize = bool(rng.random() < (0.7 if name in ("swish", "gelu") else 0.4))
    weight, bias = 1.0, 0.0
    if rng.random() < 0.4:
        weight, bias = float(rng.uniform(0.3, 2.5)), float(rng.choice([0.0, rng.uniform(0, 1)]))
    depth = int(rng.choice(depths))
    network = fg.Network(
        name, depth, weight_variance=weight, bias_variance=bias, normalize=normalize
    )
    if rng.random() < 0.2:
        network = network.replace(
            input_weight_variance=float(rng.uniform(0.3, 2.5)),
            input_bias_variance=float(rng.choice([0.0, rng.uniform(0, 1)])),
        )
    kind = KINDS[int(rng.integers(3))]
    kinds = [k for k in ROWS if k != "tables" or (depth <= 2 and rng.random() < 0.3)]
    if not closed and depth > 8:
        kinds = ["signed", "signed", "ulps"]
    rows = str(rng.choice(kinds))
    return Case(rows_of(rows, rng, closed, depth), network, kind, rows)


def rows_of(kind: str, rng: np.random.Generator, closed: bool, depth: int) -> Array:
    """Return rows that are hard in one way; few distinct norms where the truth needs a series."""
    d = int(rng.integers(2, 6))
    n = int(rng.integers(2, 13)) if closed else int(rng.integers(2, 7))
    if not closed and depth > 8:
        n = min(n, 3)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1)[:, None]
    if kind == "unit":
        return X
    if kind == "ulps":  # norms that differ by a few units in the last place
        return np.asarray(X * (1.0 + EPS * rng.integers(-4, 5, (n, 1))))
    if kind == "roundings":  # by about as many as are taken for one norm
        return np.asarray(X * (1.0 + EPS * rng.integers(-40, 41, (n, 1))))
    if kind == "many":
        return np.asarray(X * np.exp(rng.uniform(-1.5, 1.0, (n, 1))))
    if kind == "close":
        away = 10.0 ** rng.uniform(-12, -1, (n, 1))
        near = X[rng.integers(0, max(1, n // 2), n)] + away * rng.standard_normal((n, d))
        return np.asarray(near / np.linalg.norm(near, axis=1)[:, None])
    if kind == "opposite":
        half = X[: (n + 1) // 2]
        exact: Array = np.concatenate([half, -half])[:n]
        if rng.random() < 0.5:
            exact *= 1.0 + EPS * rng.integers(-3, 4, (len(exact), 1))
        return exact
    if kind == "tables":  # more than are integrated one by one, of two or three exact norms
        return np.asarray(signed(rng, 34, 5) * rng.choice([0.5, 1.0, 0.75], (34, 1)))
    return signed(rng, n, d)


def signed(rng: np.random.Generator, n: int, d: int) -> Array:
    """Return permutations of one row with signs: of exactly one norm."""
    row = rng.standard_normal(d)
    row /= np.linalg.norm(row)
    return np.array([rng.permutation(row) * rng.choice([-1.0, 1.0], d) for _ in range(n)])


def ball_matrix(case: Case, bits: int | None = None) -> arb_mat:
    """Enclose the matrix of a case.

    Raises
    ------
    ValueError
        If that takes too many terms.
    """
    known = case.network.activation
    if bits is None:
        series = known.name.split("(")[0] in SERIES
        bits = 72 if series else 256 + 4 * case.network.depth
    with ctx.workprec(bits + 64):
        geometry = row_geometry(case.X, False)
        return gram_balls(geometry, case.network, case.kind, formula_of(known), bits)


def truths(case: Case) -> tuple[arb_mat, list[Interval], Fraction] | None:
    """Return the matrix, its eigenvalues and its scale; None where balls do not say enough."""
    try:
        A = ball_matrix(case)
    except ValueError:
        return None
    with ctx.workprec(400):
        if not all(entry.is_finite() for entry in A.entries()):
            return None
        values, scale = eigenvalues(A, 300), scale_of(A)
    widest = max(value.high - value.low for value in values)
    return None if widest > scale * Fraction(EPS) / 4 else (A, values, scale)


def infinite(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack brackets of one network on random rows, and on some of its rows."""
    case = random_case(rng, quick)
    yield from judged(case, rng, 1 if quick else 3)


def judged(case: Case, rng: np.random.Generator, subsets: int, **options: Any) -> Iterator[Check]:
    """Judge all that is said of a case, and of subsets of its rows."""
    found = truths(case)
    if found is None:
        return
    A, values, scale = found
    yield from everything(str(case), lambda: operator(case, **options), values, scale)
    n = len(case.X)
    for _ in range(subsets - 1 if n < 20 else 0):
        chosen = rng.choice(n, int(rng.integers(2, n + 1)), replace=False)
        part = Case(case.X[chosen], case.network, case.kind, case.rows)
        size = chosen.size
        with ctx.workprec(400):
            own = arb_mat(size, size, [A[int(i), int(j)] for i in chosen for j in chosen])
            values = eigenvalues(own, 300)

        def make(part: Case = part) -> fg.GramOperator:
            return operator(part, **options)

        yield from everything(f"{part} rows {chosen.tolist()}", make, values, scale_of(own))


def operator(case: Case, **options: Any) -> fg.GramOperator:
    """Return the operator of a case."""
    return fg.GramOperator(case.X, case.network, kind=case.kind, **options)


def single_precision(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack brackets from float32 tiles."""
    case = random_case(rng, quick)
    yield from judged(case, rng, 1, dtype="float32")
