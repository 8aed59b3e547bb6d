"""How often probabilistic bounds hold: at least as often as they promise, but for the draw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

import fastgram as fg
from bench.attacks.checks import Check

__all__ = ["coverage"]

Array = npt.NDArray[np.float64]

CONFIDENCES = (0.5, 0.7, 0.9)
# Chance of a false alarm, a case.
_ALARM = 1e-9


def spectrum(rng: np.random.Generator) -> Array:
    """Return eigenvalues of one of several kinds, ascending and above 0."""
    n = int(rng.integers(20, 61))
    kind = rng.integers(4)
    if kind == 0:
        values = rng.uniform(0.1, 1.0, n)
    elif kind == 1:
        values = 10.0 ** rng.uniform(-4, 0, n)
    elif kind == 2:
        values = rng.choice([0.01, 0.5, 1.0], n)
    else:
        values = np.concatenate([[1e-3, 50.0], rng.uniform(0.9, 1.1, n - 2)])
    return np.sort(values)


def coverage(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Count, over seeds, how often all that is said of one spectrum holds at once."""
    values = spectrum(rng)
    confidence = float(rng.choice(CONFIDENCES))
    block, passes = int(rng.choice([1, 2, 4])), int(rng.integers(2, 8))
    trials = 30 if quick else 150
    first = int(rng.integers(10**6))
    held = {"density": 0, "extremes": 0}
    for seed in range(first, first + trials):
        options: dict[str, Any] = {"confidence": confidence, "seed": seed}
        density = fg.spectral_density(np.diag(values), probes=block, passes=passes, **options)
        held["density"] += density_holds(density, values)
        answer = fg.extreme_eigenvalues(
            np.diag(values), method="lanczos", block=block, max_passes=passes, rtol=1e-9, **options
        )
        held["extremes"] += within(answer.smallest, values[0]) and within(
            answer.largest, values[-1]
        )
    for name, count in held.items():
        missed = bool(binom.cdf(count, trials, confidence) < _ALARM)
        spare = count - trials * confidence
        spare /= math.sqrt(trials * confidence * (1.0 - confidence))
        what = f"{name} n={values.size} block={block} passes={passes} at {confidence}"
        said = f"held {count} times of {trials}"
        yield Check(what, missed, spare, math.nan, said, trials)


def within(bracket: Any, value: float) -> bool:
    """Whether a bracket holds a value, the roundings of the sums that made it apart."""
    spare = 64 * 2.0**-52 * abs(value)
    return bool(bracket.lower - spare <= value <= bracket.upper + spare)


def density_holds(density: Any, values: Array) -> bool:
    """Whether all that a density says holds at once."""
    shares = values / math.fsum(values)
    rank = math.exp(-math.fsum(shares * np.log(shares)))
    return (
        bool(np.all(density.lower <= values) and np.all(values <= density.upper))
        and within(density.smallest, values[0])
        and within(density.largest, values[-1])
        and within(density.trace, math.fsum(values))
        and within(density.log_determinant, math.fsum(np.log(values)))
        and within(density.effective_rank, rank)
    )
