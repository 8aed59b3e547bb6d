"""Passes with the matrix, and the inverse where they would be too many.

Passes with the matrix go on for as long as it seems that they will cost less than a factorisation
(see `fastgram.eigenvalues.methods.costs` and `PassBudget`). Otherwise the matrix is factorised and
the iteration goes on with its inverse: what passes took is then wasted, but the whole costs no more
than about three times the cheaper way, and mostly less than twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.eigenvalues.methods.costs import FACTOR_BYTES, Costs
from fastgram.eigenvalues.methods.findings import telling_of
from fastgram.eigenvalues.methods.inverse import Inverse, run_inverse
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, PassBudget, Request
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.support.memory import free_memory

__all__ = [
    "Costed",
    "FactorisationOption",
    "bracket_by_passes_or_inverse",
    "factorisation_option",
    "with_message",
]


class Costed(Protocol):
    """What costs depend on: a `Problem`, or a matrix that is only planned."""

    @property
    def n(self) -> int:
        """The order of the matrix."""

    @property
    def has_entries(self) -> bool:
        """Whether entries can be had."""

    @property
    def memory(self) -> int | None:
        """Bytes that were allowed for keeping entries, where that was said."""

    @property
    def entry_flops(self) -> float:
        """Floating-point operations that computing an entry takes."""

    @property
    def device(self) -> Device:
        """Where the blocks of a Lanczos run live."""

    def product_flops(self, columns: int) -> float | None:
        """Return what a product of so many columns takes without entries."""


@dataclass(frozen=True)
class FactorisationOption:
    """Whether the matrix can be factorised, and what that costs; else `why_not`, in words."""

    costs: Costs
    is_open: bool
    why_not: str


def factorisation_option(
    matrix: Costed, block: int, free: int | None = None, dtype: npt.DTypeLike = np.float64
) -> FactorisationOption:
    """Return whether half of the matrix fits where entries can be had, and the costs of all.

    Parameters
    ----------
    matrix : Costed
    block : int
        Vectors multiplied at a time.
    free : int, optional
        Bytes of memory; None asks how much is free.
    dtype : float32 or float64
        Of the factor.
    """
    kept, size = packed_bytes(matrix.n), packed_bytes(matrix.n, dtype=dtype)
    budget = matrix.memory if matrix.memory is not None else FACTOR_BYTES
    stored = min(1.0, budget / kept) if matrix.device.keeps_tiles else 0.0
    by_itself = matrix.product_flops(block)
    speed = matrix.device.speed
    costs = Costs(matrix.n, block, 1.0 - stored, matrix.entry_flops, by_itself, speed)
    if not matrix.has_entries or size > budget:
        return FactorisationOption(costs, False, "")
    free = free_memory() if free is None else free
    if size > free:
        short = f"a factorisation would need {size:,} bytes of memory, and {free:,} are free"
        return FactorisationOption(costs, False, short)
    return FactorisationOption(costs, True, "")


def bracket_by_passes_or_inverse(
    problem: Problem, request: Request, costs: Costs
) -> tuple[Answer, float]:
    """Return brackets of width rtol, from passes or from the inverse, and what they cost."""
    budget = PassBudget(costs.worth_passes())
    answer = run_lanczos(problem, replace(request, pass_budget=budget))
    spent = costs.passes(answer.passes)
    if not answer.stopped_early or request.until.out_of_time():
        return answer, spent
    problem.forget()
    with telling_of(problem, request, answer):
        found = run_inverse(problem, request, answer.smallest.lower)
    if found is None:
        return with_message(answer, "and no factorisation near λ_min ran through"), spent
    spent += costs.factorisation + found.products * costs.solution
    return _merged(problem, answer, found), spent


def _merged(problem: Problem, answer: Answer, found: Inverse) -> Answer:
    """Return the passes' answer with the smallest eigenvalue from the inverse."""
    message = (
        f"λ_min's bracket closed too slowly in {answer.passes} passes: the matrix was factorised,"
        f" and {found.products} products with the inverse closed it"
    )
    if found.anew:
        message += "; the factorisation was made anew, for a checkpoint keeps none"
    return replace(
        answer,
        smallest=found.smallest,
        smallest_pairs=found.pairs,
        noise_floor=max(answer.noise_floor, found.floor),
        message=message,
        method="inverse",
        cut_short=False,
    )


def with_message(answer: Answer, message: str) -> Answer:
    """Return the answer with one more part of its message, or as it is for ""."""
    both = [part for part in (answer.message, message) if part]
    return replace(answer, message="; ".join(both))
