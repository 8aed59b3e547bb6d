"""The certified method: Cholesky factorisations just outside a bracket that is already narrow.

The inner ends are Rayleigh quotients with their rounding, proven as they are. The outer ends come
from `fastgram.linalg.certificate`, with shifts at the outer ends of the bracket that iteration
left: the true eigenvalue is further in, so that the factorisation runs through unless that bracket
missed, and what is proven is short of it by the certificate's own slack c and the entries' error.
With a bracket of 0.4·rtol and λ_min ≥ 200·(c + entry error), the certified one is narrower than
rtol at rtol = 0.01.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fastgram.bracket import Bracket, bracket_around
from fastgram.eigenvalues.methods.findings import kept, telling_of
from fastgram.eigenvalues.methods.hybrid import bracket_by_passes_or_inverse, factorisation_option
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.linalg.certificate import certify_below
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.support.arrays import Array
from fastgram.support.memory import require_memory
from fastgram.support.progress import late_stage, stage

__all__ = ["certify", "run_certified"]

# The part of rtol that iteration is asked for, so that certificates have room.
_INNER = 0.4
# How many widths of the bracket outside it the factorisation is tried, one after the other.
_FURTHER = (0.0, 0.25, 1.0, 4.0)


def run_certified(problem: Problem, request: Request) -> Answer:
    """Narrow both brackets and prove them.

    Raises
    ------
    ValueError
        If the matrix cannot be had entry by entry, or the memory that is free does not hold half
        of it.
    """
    if not problem.has_entries:
        raise ValueError(
            "the certified method needs an array or a GramOperator, not a LinearOperator"
        )
    require_memory(f"a certificate of order {problem.n}", packed_bytes(problem.n))
    with late_stage(request.progress, "tables"):
        option = factorisation_option(problem, request.block)
    inner = replace(request, rtol=_INNER * request.rtol)
    answer, _ = bracket_by_passes_or_inverse(problem, inner, option.costs)
    return replace(certify(problem, request, answer), method="certified")


def certify(problem: Problem, request: Request, answer: Answer) -> Answer:
    """Prove both brackets of an answer, or leave what cannot be proven as it is, and say so."""
    problem.forget()
    smallest, largest = answer.smallest, answer.largest
    with telling_of(problem, request, answer):
        if not problem.least_count and not _is_proven(smallest, request):
            smallest = _proven(problem, request, smallest, 1.0)
        if not _is_proven(largest, request):
            largest = _proven(problem, request, largest, -1.0)
    missing = [
        name
        for name, end in (("λ_min", smallest), ("λ_max", largest))
        if end.guarantee != "certified"
    ]
    message = answer.message
    if missing and not problem.least_count:
        failure = f"no factorisation near {' or '.join(missing)} ran through"
        message = f"{message}; {failure}" if message else failure
    return replace(answer, smallest=smallest, largest=largest, message=message)


def _is_proven(found: Bracket, request: Request) -> bool:
    return found.guarantee == "certified" and found.within(request.rtol)


def _certificate(problem: Problem, request: Request, shift: float, sign: float) -> float | None:
    """Return what a factorisation proves, or had proven when the checkpoint was written."""

    def work() -> dict[str, Array]:
        found = certify_below(problem.visit, problem.n, shift, sign)
        return {"proven": np.array(math.nan if found is None else found)}

    proven = float(kept(problem, request, "certificate", (shift, sign), work)["proven"])
    return None if math.isnan(proven) else proven


def _proven(problem: Problem, request: Request, found: Bracket, sign: float) -> Bracket:
    """Prove the outer end of one bracket: the lower one of λ_min for sign 1, of λ_max for −1."""
    inner = sign * (found.upper if sign > 0.0 else found.lower)
    outer = sign * (found.lower if sign > 0.0 else found.upper)
    near = inner - _INNER * request.rtol * abs(inner)
    if not math.isfinite(outer):
        outer = inner - max(abs(inner), problem.entry_error)
    step = max(inner - outer, inner - near, problem.entry_error)
    # a bracket that is still wide may be so by rounding alone: its inner end is tried first
    shifts = [outer - step * factor for factor in _FURTHER]
    proven = None
    for shift in shifts if outer >= near else [near, *shifts]:
        with stage(request.progress, "certificate"):
            proven = _certificate(problem, request, shift, sign)
        if proven is not None:
            break
    if proven is None:
        return found
    proven -= problem.entry_error
    if found.guarantee == "certified":  # by the inverse's own factorisation, and perhaps nearer
        proven = max(proven, sign * (found.lower if sign > 0.0 else found.upper))
    if sign > 0.0:
        proven = max(proven, problem.least)
    estimate = found.estimate
    if sign > 0.0:
        return bracket_around(proven, max(found.upper, proven), estimate, "certified")
    return bracket_around(min(found.lower, -proven), -proven, estimate, "certified")
