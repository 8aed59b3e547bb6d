"""Lanczos and inverse runs whose start block has the least overlap that brackets answer for.

A bracket holds where the wanted eigenvector has an overlap of at least the quantile with the random
columns. These matrices are made from the start block: the overlap is the quantile, and spectrum and
directions are then climbed to where the bracket is nearest to a miss.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.attacks.answers import attempt
from bench.attacks.checks import Check, check
from bench.attacks.truth import Interval, eigenvalues, exact_matrix
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods.inverse import run_inverse
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Request
from fastgram.linalg.lanczos_bound import overlap_quantile
from fastgram.linalg.start_block import random_columns

__all__ = ["inverse", "lanczos"]

Array = npt.NDArray[np.float64]

EPS = 2.0**-52
CHANCES = (0.05, 5e-3, 5e-4)


@dataclass
class Setting:
    """The parts of a matrix with the least overlap, and the run that it is for."""

    n: int
    block: int
    seed: int
    chance: float
    top: bool
    passes: int
    restarts: bool
    spectrum: Array  # in multiples of the wanted end's distance, ascending, the wanted one first
    direction: Array  # of the overlap among the random columns
    basis: Array  # what completes the eigenvectors

    def matrix(self) -> Array:
        """Return the matrix, whose wanted eigenvector has exactly the quantile as overlap."""
        start, _ = random_columns(self.n, self.block, self.seed)
        quantile = overlap_quantile(self.chance, self.block, self.n) * (1.0 + 1e-9)
        inside = start @ (self.direction / np.linalg.norm(self.direction))
        outside = self.basis[:, 0] - start @ (start.T @ self.basis[:, 0])
        outside /= np.linalg.norm(outside)
        wanted = math.sqrt(quantile) * inside + math.sqrt(max(1.0 - quantile, 0.0)) * outside
        vectors = np.linalg.qr(np.column_stack([wanted, self.basis[:, 1:]]))[0]
        A = (vectors * self.spectrum) @ vectors.T
        return np.asarray((A + A.T) / 2.0 * (-1.0 if self.top else 1.0))


def random_setting(rng: np.random.Generator) -> Setting:
    """Return a random spectrum of one of several kinds, and a short run."""
    n = int(rng.integers(12, 41))
    block = int(rng.choice([1, 2, 3, 4, 8]))
    block = min(block, n // 4)
    gap = 10.0 ** rng.uniform(-8, 0)
    kind = rng.integers(4)
    if kind == 0:
        rest = gap + np.sort(rng.random(n - 1))
    elif kind == 1:
        rest = gap + np.sort(10.0 ** rng.uniform(-6, 0, n - 1))
    elif kind == 2:
        rest = gap + np.sort(rng.choice([0.0, 0.3, 1.0], n - 1) + 1e-9 * rng.random(n - 1))
    else:
        rest = gap + (1.0 - np.cos(np.pi * np.arange(n - 1) / (n - 2))) / 2.0
    spectrum = np.concatenate([[0.0], rest]) + float(rng.choice([0.0, 1e-6, 1.0]))
    return Setting(
        n=n,
        block=block,
        seed=int(rng.integers(100)),
        chance=float(rng.choice(CHANCES)),
        top=bool(rng.integers(2)),
        passes=int(rng.integers(2, max(3, n // block))),
        restarts=bool(rng.random() < 0.3),
        spectrum=spectrum,
        direction=rng.standard_normal(block),
        basis=rng.standard_normal((n, n)),
    )


def moved(setting: Setting, rng: np.random.Generator) -> Setting:
    """Return a setting near another one."""
    step = 10.0 ** rng.uniform(-3, 0)
    rest = setting.spectrum[1:] - setting.spectrum[0]
    rest = np.sort(rest * np.exp(step * rng.standard_normal(rest.size)))
    return dataclasses.replace(
        setting,
        spectrum=np.concatenate([[0.0], rest]) + setting.spectrum[0],
        direction=setting.direction + step * rng.standard_normal(setting.block),
        basis=setting.basis + step * rng.standard_normal(setting.basis.shape),
    )


def request_of(setting: Setting) -> Request:
    """Return the request of the run."""
    columns = max(6 * setting.block, 4) + 1
    return Request(
        rtol=1e-12,
        chance=setting.chance,
        block=setting.block,
        k=1,
        vectors=False,
        max_passes=setting.passes,
        seed=setting.seed,
        checkpoint=None,
        progress=False,
        dense_limit=0,
        basis_bytes=8 * setting.n * columns if setting.restarts else None,
    )


def problem_of(setting: Setting, A: Array, appended: Array | None) -> Problem:
    """Return the matrix as methods are given it, with directions to append or none."""
    problem = as_problem(A)
    if appended is None:
        return problem
    problem.extra_start_vectors = lambda count: appended[:, :count]  # type: ignore[method-assign]
    return problem


def wanted_end(setting: Setting, A: Array, answer: Any) -> tuple[tuple[float, float], float, float]:
    """Return the bracket of the wanted eigenvalue, what it is, and by how much that may be off."""
    found = answer.largest if setting.top else answer.smallest
    values = np.linalg.eigvalsh(A)
    true = float(values[-1 if setting.top else 0])
    return (found.lower, found.upper), true, 8.0 * EPS * float(np.max(np.abs(values)))


def margin(setting: Setting, appended: Array | None) -> float:
    """Return how far the outer end is beyond the truth, in parts of the bracket's width."""
    A = setting.matrix()
    answer = run_lanczos(problem_of(setting, A, appended), request_of(setting))
    (lower, upper), true, _ = wanted_end(setting, A, answer)
    outside = (upper - true) if setting.top else (true - lower)
    return outside / max(upper - lower, 1e-300)


def lanczos(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Climb from a random setting to where the bracket is nearest to a miss, and judge it there."""
    setting = random_setting(rng)
    appended = None
    if rng.random() < 0.3:
        appended = rng.standard_normal((setting.n, setting.block))
    yield from attempt(
        "lanczos", lambda: list(_climbed(setting, appended, rng, 6 if quick else 25))
    )


def _climbed(
    setting: Setting, appended: Array | None, rng: np.random.Generator, steps: int
) -> Iterator[Check]:
    best = margin(setting, appended)
    for _ in range(steps):
        other = moved(setting, rng)
        found = margin(other, appended)
        yield from judged(other, appended) if found < 1e-6 else []
        if found < best:
            setting, best = other, found
    yield from judged(setting, appended, steps)


def judged(setting: Setting, appended: Array | None, weight: int = 1) -> Iterator[Check]:
    """Judge the bracket of the wanted end."""
    A = setting.matrix()
    answer = run_lanczos(problem_of(setting, A, appended), request_of(setting))
    ends, true, off = wanted_end(setting, A, answer)
    what = f"n={setting.n} b={setting.block} {'λ_max' if setting.top else 'λ_min'} at the quantile"
    what += f" passes={answer.passes}" + (" restarts" if setting.restarts else "")
    what += " appended" if appended is not None else ""
    truth = Interval(Fraction(true - off), Fraction(true + off))
    scale = Fraction(float(np.max(np.abs(A))))
    yield dataclasses.replace(check(what, ends, truth, scale), weight=weight)


def inverse(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack inverse runs with shifts 0.1 to 1000 roundings below λ_min, at the least overlap."""
    setting = dataclasses.replace(random_setting(rng), top=False, restarts=False)
    lift = max(float(setting.spectrum[-1]), 1.0)
    spectrum = setting.spectrum - setting.spectrum[0] + lift * 10.0 ** rng.uniform(-15, -1)
    setting = dataclasses.replace(setting, spectrum=spectrum)
    A = setting.matrix()
    true = eigenvalues(exact_matrix(A), 160)[0]
    norm = float(np.max(np.abs(A)))
    for away in (0.1, 1.0, 10.0, 100.0, 1000.0):
        roundings = away * float(rng.uniform(0.5, 2.0))
        shift = float(true.middle) - roundings * EPS * setting.n * norm
        what = f"inverse n={setting.n} b={setting.block}, {roundings:.2g} roundings below"

        def said(shift: float = shift, what: str = what) -> list[Check]:
            request = dataclasses.replace(request_of(setting), rtol=float(rng.choice([1e-2, 1e-6])))
            found = run_inverse(as_problem(A), request, shift)
            if found is None:
                return []
            ends = found.smallest.lower, found.smallest.upper
            return [check(f"{what} {found.smallest.guarantee}", ends, true, Fraction(norm))]

        yield from attempt(what, said)
