"""The parts of the attack, and how a case of one is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from bench.attacks.arrays import arrays
from bench.attacks.certificates import certificates
from bench.attacks.checks import Check
from bench.attacks.coverage import coverage
from bench.attacks.entries import entries
from bench.attacks.finite import finite
from bench.attacks.many_norms import many_norms
from bench.attacks.networks import infinite, single_precision
from bench.attacks.overlaps import inverse, lanczos
from fastgram.support.threads import one_blas_thread

__all__ = ["PARTS", "case", "timed"]

# A part, and how many cases of it are made unless told otherwise.
PARTS: dict[str, tuple[Callable[[np.random.Generator, bool], Iterator[Check]], int]] = {
    "infinite": (infinite, 40),
    "entries": (entries, 40),
    "arrays": (arrays, 200),
    "lanczos": (lanczos, 60),
    "inverse": (inverse, 60),
    "coverage": (coverage, 8),
    "certificates": (certificates, 40),
    "float32": (single_precision, 15),
    "finite": (finite, 60),
    "many norms": (many_norms, 40),
}


def case(part: str, seed: int, number: int, quick: bool = False) -> list[Check]:
    """Make one case and judge it; the same arguments give the same case."""
    rng = np.random.default_rng([seed, list(PARTS).index(part), number])
    with one_blas_thread():
        return list(PARTS[part][0](rng, quick))


def timed(job: tuple[str, int, int, bool]) -> tuple[list[Check], float]:
    """Make a case, and say how many seconds that took."""
    start = time.perf_counter()
    return case(*job), time.perf_counter() - start
