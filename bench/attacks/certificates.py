"""Certificates on matrices with NaN, infinities and overflow on the way: refused, or right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import aslinearoperator

import fastgram as fg
from bench.attacks import arrays
from bench.attacks.answers import METHODS, attempt
from bench.attacks.checks import Check, check
from bench.attacks.truth import Interval, eigenvalues, exact_matrix, scale_of
from fastgram.linalg.certificate import certify_below, visit_array
from fastgram.support.literals import Method

__all__ = ["certificates"]

Array = npt.NDArray[np.float64]


def certificates(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack certificates of one matrix, and the refusal of the same with an entry that is none."""
    shape = arrays.SHAPES[int(rng.integers(len(arrays.SHAPES)))]
    n = int(rng.integers(2, 7))
    A = shape(min(n, 4) if shape is arrays.wild else n, rng)
    with np.errstate(all="ignore"):
        if shape not in (arrays.wild, arrays.nan_pivot):
            A = A * 10.0 ** float(rng.choice([-300.0, -160.0, 0.0, 150.0, 300.0]))
    A[~np.isfinite(A)] = 1e308
    yield from proofs(f"{shape.__name__} n={len(A)}", A, rng)
    yield from refusals(A, rng)


def proofs(what: str, A: Array, rng: np.random.Generator) -> Iterator[Check]:
    """Judge factorisations at shifts near, far outside and inside the spectrum."""
    exact = exact_matrix(A)
    bits = arrays.bits_for(A)
    values, scale = eigenvalues(exact, bits), scale_of(exact)
    for sign in (1.0, -1.0):
        low = values[0] if sign > 0.0 else Interval(-values[-1].high, -values[-1].low)
        for shift in shifts(low, scale, rng):
            label = f"{what}: factorisation of {sign:+.0f}A at {shift!r}"

            def proven(
                shift: float = shift, sign: float = sign, label: str = label, low: Interval = low
            ) -> list[Check]:
                found = certify_below(visit_array(A), len(A), shift, sign)
                ends = (-math.inf if found is None else found, math.inf)
                return [check(label, ends, low, scale)]

            yield from attempt(label, proven)


def shifts(low: Interval, scale: Fraction, rng: np.random.Generator) -> list[float]:
    """Return shifts on both sides of λ_min, from a rounding away to beyond what is finite."""
    found = [0.0, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324, -5e-324]
    for away in (0.0, 0.3, 1.0, 3.0, 30.0, 1e4, 1e12, 1e16):
        for side in (-1, 1):
            step = Fraction(side * away * float(rng.uniform(0.5, 2.0))) * scale / 2**52
            with np.errstate(all="ignore"):
                try:
                    found.append(float(low.middle + step))
                except OverflowError:
                    continue
    return found


def refusals(A: Array, rng: np.random.Generator) -> Iterator[Check]:
    """Judge that no bracket is given of what is not finite, as an array or as an operator."""
    i, j = rng.integers(0, len(A), 2)
    bad = A.copy()
    bad[i, j] = bad[j, i] = float(rng.choice([np.nan, np.inf, -np.inf]))
    what = f"entry ({i}, {j}) = {bad[i, j]}"
    for method in METHODS:
        for matrix, face in ((bad, "array"), (aslinearoperator(bad), "operator")):
            label = f"{what}: {face} by {method}"

            def refused(
                matrix: object = matrix, method: Method = method, label: str = label
            ) -> list[Check]:
                answer = fg.extreme_eigenvalues(matrix, method=method)
                return [Check(label, True, -math.inf, math.nan, f"answered {answer.smallest}")]

            # what an operator returns is not looked at first: any error is an answer
            yield from attempt(label, refused, Exception)
    yield from attempt(what, lambda: proven_of_nothing(bad, what), Exception)


def proven_of_nothing(bad: Array, what: str) -> list[Check]:
    """Judge that no factorisation proves anything of a matrix that is not finite."""
    found = []
    for shift in (-1.0, 0.0, 1e300, -1e300, -1.7e308):
        proven = certify_below(visit_array(bad), len(bad), shift)
        wrong = proven is not None and proven != -math.inf
        said = f"certified {proven} at {shift}"
        found.append(Check(f"{what}: factorisation", wrong, -math.inf if wrong else 0.0, 0.0, said))
    return found
