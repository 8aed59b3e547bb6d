"""Single entries against balls, in units of the error that the operator states for them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx

import fastgram as fg
from bench.attacks import networks
from bench.attacks.answers import attempt
from bench.attacks.checks import Check
from bench.attacks.networks import Case, ball_matrix
from bench.attacks.truth import Interval
from fastgram.matrix.operator import matrix_of
from fastgram.network.network import KINDS
from fastgram.support.literals import Kind

__all__ = ["entries", "error_over_bound", "table_of_depths"]


def error_over_bound(case: Case, dtype: str = "float64") -> tuple[float, float]:
    """Return the largest error of an entry over what is stated, and what is stated over the scale.

    Raises
    ------
    ValueError
        If an entry overflows, or balls do not reach so far.
    """
    A = ball_matrix(case)
    computed = fg.gram(case.X, network=case.network, kind=case.kind, dtype=dtype)
    op = fg.GramOperator(case.X, case.network, kind=case.kind, dtype=dtype)
    stated: Any = matrix_of(op).entries
    scales = np.asarray(stated.row_scales)
    bound = float(stated.error) * np.outer(scales, scales)
    worst, scale = Fraction(0), Fraction(0)
    n = len(case.X)
    for i in range(n):
        for j in range(n):
            true = Interval.of(A[i, j])
            value = Fraction(float(computed[i, j]))
            off = max(true.low - value, value - true.high, Fraction(0))
            scale = max(scale, abs(true.middle))
            if off:
                allowed = Fraction(float(bound[i, j]))
                worst = max(worst, off / allowed if allowed else Fraction(10**9))
    largest = Fraction(float(np.max(bound)))
    return float(worst), float(largest / scale) if scale else 0.0


def entries(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Judge the stated error of the entries of a random network."""
    case = networks.random_case(rng, quick)
    dtype = "float32" if rng.random() < 0.15 else "float64"
    yield from attempt(str(case), lambda: [judged(case, dtype)])


def judged(case: Case, dtype: str = "float64") -> Check:
    """Judge the stated error of the entries of a case."""
    with ctx.workprec(256):
        ratio, bound = error_over_bound(case, dtype)
    said = f"error over stated bound {ratio:.3g}, the bound {bound:.2g} of the scale"
    what = f"{case} {dtype} entries"
    return Check(what, ratio > 1.0, 1.0 - ratio, bound / 2.0**-52, said, len(case.X))


DEPTHS = (1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 60, 100)
CURVES: tuple[tuple[str, bool, int], ...] = (
    ("relu", False, 100),
    ("relu", True, 100),
    ("erf", False, 60),
    ("erf", True, 60),
    ("sin", False, 20),
    ("polynomial(coefficients=[0.0, 1.0, 1.0])", False, 8),
    ("polynomial(coefficients=[0.0, 1.0, 1.0])", True, 8),
    ("polynomial(coefficients=[1.0, 1.0, 1.0, 1.0])", False, 4),
    ("tanh", False, 10),
    ("softplus", False, 10),
    ("mish", True, 30),
    ("swish", False, 10),
    ("swish", True, 60),
    ("gelu", True, 60),
)


def table_of_depths(quick: bool = False) -> Iterator[tuple[str, int, float, float]]:
    """Yield an activation, a depth, the worst error over the bound, and the bound over the scale.

    Over all kinds, with rows of one norm to a few units in the last place.
    """
    for name, normalize, most in CURVES:
        for depth in DEPTHS:
            if depth > (min(most, 4) if quick else most):
                continue
            kinds = [at_depth(name, normalize, depth, kind) for kind in KINDS]
            found = [pair for pair in kinds if pair is not None]
            if found:
                label = name + (" normalize" if normalize else "")
                yield label, depth, max(r for r, _ in found), max(b for _, b in found)


def at_depth(name: str, normalize: bool, depth: int, kind: Kind) -> tuple[float, float] | None:
    """Return the worst error over the bound on a few rows, or None where there is no bound."""
    rng = np.random.default_rng([depth, len(name)])
    X = rng.standard_normal((3, 4))
    X /= np.linalg.norm(X, axis=1)[:, None]
    case = Case(X, fg.Network(name, depth, normalize=normalize), kind, "unit")
    try:
        return error_over_bound(case)
    except ValueError:
        return None
