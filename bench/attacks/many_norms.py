"""Products over rows of many norms, enough of them to be sorted, against balls and dense matrices.

Entries are those that products are made of: columns of the identity are multiplied. Brackets of a
run of Lanczos are held against the eigenvalues of the matrix of tiles in the given order, whose own
error is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import ctx

import fastgram as fg
from bench.attacks.answers import CONFIDENCE, attempt
from bench.attacks.checks import Check, checks_of_extremes
from bench.attacks.networks import Case, ball_matrix, operator
from bench.attacks.truth import Interval
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.products import SortedProduct
from fastgram.network.activations import activation_names
from fastgram.network.network import KINDS

__all__ = ["entries_of_products", "many_norms", "many_rows"]

Array = npt.NDArray[np.float64]

_SIZES = (769, 800, 1100)  # beyond two tiles, where rows are sorted
_CHOSEN = 6  # rows whose entries are enclosed
# Homogeneous ones have one table, whatever the norms; sines a closed form; polynomials overflow.
_APART = ("abs", "cos", "leaky_relu", "linear", "polynomial", "relu", "sin", "step")
_NAMES = tuple(name for name in activation_names() if name not in _APART)
_BIASED = ("relu", "leaky_relu", "abs")  # no longer homogeneous at depth 2 with biases
# The norms of n rows.
_NORMS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "normal": lambda rng, n: np.sqrt(rng.chisquare(int(rng.integers(2, 20)), n)),
    "lognormal": lambda rng, n: np.exp(rng.uniform(0.1, 1.0) * rng.standard_normal(n)),
    "clusters": lambda rng, n: rng.choice([0.5, 3.0], n) * rng.uniform(0.999, 1.001, n),
    "outlier": lambda rng, n: np.append(rng.uniform(0.99, 1.01, n - 1), 30.0),
    "half equal": lambda rng, n: np.where(np.arange(n) % 2, 1.0, rng.uniform(0.5, 2.0, n)),
    "roundings": lambda rng, n: rng.uniform(1.0, 1.0 + 1e-12, n),
    "geometric": lambda rng, n: np.geomspace(1e-2, 1e2, n),
    "two": lambda rng, n: rng.choice([1.0, 1.5], n),
}


def many_rows(rng: np.random.Generator, n: int, kind: str) -> Array:
    """Return rows with a close pair, opposite and equal ones among the first six."""
    d = int(rng.choice([2, 3, 5, 10, 40]))
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1)[:, None]
    norms = rng.permutation(_NORMS[kind](rng, n))
    if rng.random() < 0.5:
        norms[1], norms[5] = norms[0], norms[4]
    X *= norms[:, None]
    X[1] = X[0] * (norms[1] / norms[0]) + 1e-9 * norms[1] * X[2]
    X[3], X[5] = -X[2], X[4]
    return np.asarray(X)


def random_case(rng: np.random.Generator, quick: bool) -> Case:
    """Return a network and rows of many norms."""
    depth = 1 if quick else int(rng.choice([1, 1, 1, 2, 3]))
    name = str(rng.choice(_NAMES if depth == 1 else _NAMES + _BIASED))
    bias = float(rng.choice([0.1, 1.0, 50.0] if name in _BIASED else [0.0, 0.0, 1e-8, 0.1, 50.0]))
    network = fg.Network(
        name,
        depth,
        weight_variance=float(rng.choice([1.0, 1.0, 0.3, 2.5])),
        bias_variance=bias,
        normalize=bool(rng.random() < 0.3),
    )
    rows = str(rng.choice(list(_NORMS)))
    X = many_rows(rng, _SIZES[0] if quick else int(rng.choice(_SIZES)), rows)
    return Case(X, network, KINDS[int(rng.integers(3))], rows)


def many_norms(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack products with a random network's matrix of rows of many norms, and its brackets."""
    case = random_case(rng, quick)
    yield from attempt(f"{case}: products", lambda: [entries_of_products(case)])
    yield from attempt(f"{case}: lanczos", lambda: brackets(case))


def entries_of_products(case: Case) -> Check:
    """Judge entries as products have them by what is stated of these.

    Raises
    ------
    ValueError
        If rows are not sorted, or balls do not reach so far.
    """
    op = operator(case, memory=0)
    matrix: Any = matrix_of(op)
    plan: Any = matrix.plan(_CHOSEN)
    if not isinstance(plan, SortedProduct):
        raise ValueError("rows are not sorted")
    stated: Any = plan.product.entries
    few = Case(case.X[:_CHOSEN], case.network, case.kind, case.rows)
    computed = (op @ np.eye(len(case.X), _CHOSEN))[:_CHOSEN]
    allowed = float(stated.error) * np.outer(*2 * [np.sqrt(op.diagonal()[:_CHOSEN])])
    worst = 0.0
    with ctx.workprec(256):
        truth = ball_matrix(few)
        for i, j in np.ndindex(_CHOSEN, _CHOSEN):
            true, value = Interval.of(truth[i, j]), Fraction(float(computed[i, j]))
            off = max(true.low - value, value - true.high, Fraction(0))
            if off:
                bound = Fraction(float(allowed[i, j]))
                worst = max(worst, float(off / bound) if bound else np.inf)
    said = f"error over stated bound {worst:.3g}, the bound {stated.error:.2g} of the scales"
    width = float(stated.error) / 2.0**-52
    return Check(f"{case}: products", worst > 1.0, 1.0 - worst, width, said, _CHOSEN)


def brackets(case: Case) -> list[Check]:
    """Judge the brackets of a run of Lanczos, products over sorted rows."""
    op = operator(case, memory=0)
    dense, matrix = op.dense(), matrix_of(op)
    values = np.linalg.eigvalsh(dense)
    off = matrix.norm_error + len(dense) * 2.0**-52 * float(np.linalg.norm(dense))
    truth = [Interval(Fraction(v) - Fraction(off), Fraction(v) + Fraction(off)) for v in values]
    answer = fg.extreme_eigenvalues(op, method="lanczos", confidence=CONFIDENCE, max_passes=30)
    scale = Fraction(float(np.max(np.abs(dense))))
    return list(checks_of_extremes(f"{case}: lanczos", answer, truth, scale))
