"""Larger matrices: passes, the inverse where passes are too many, a proof where it is cheap.

Passes with the matrix go on for as long as it seems that they will cost less than a factorisation
(see `fastgram.eigenvalues.methods.costs` and `Patience`). Otherwise the matrix is factorised and
the iteration goes on with its inverse: what passes took is then wasted, but the whole costs no more
than about three times the cheaper way, and mostly less than twice. A certificate is added where it
costs no more than what was spent, and always where it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastgram.eigenvalues.methods.certified import INNER, certify
from fastgram.eigenvalues.methods.costs import FACTOR_BYTES, Costs
from fastgram.eigenvalues.methods.inverse import Inverse, run_inverse
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Patience, Request
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.support.memory import free_memory, require_memory

__all__ = ["run_auto", "run_certified"]


@dataclass(frozen=True)
class _Means:
    """What can be done besides passes, and what it costs; `why_not` says what is in the way."""

    costs: Costs
    factorise: bool
    why_not: str


def run_auto(problem: Problem, request: Request) -> Answer:
    """Take passes, or the inverse; prove the brackets where that is cheap."""
    means = _means(problem, request)
    if not means.factorise:
        return _said(run_lanczos(problem, request), means.why_not)
    answer, spent = _narrow(problem, request, means.costs)
    if 2.0 * means.costs.factorisation <= spent and not (
        answer.cut_short or request.until.out_of_time()
    ):
        proven = certify(problem, request, answer)
        if all(end.within(request.rtol) for end in (proven.smallest, proven.largest)):
            return replace(proven, method="certified")
    return answer


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
    means = _means(problem, request)
    inner = replace(request, rtol=INNER * request.rtol)
    answer, _ = _narrow(problem, inner, means.costs)
    return replace(certify(problem, request, answer), method="certified")


def _means(problem: Problem, request: Request) -> _Means:
    size = packed_bytes(problem.n)
    budget = problem.memory if problem.memory is not None else FACTOR_BYTES
    stored = min(1.0, budget / size)
    by_itself = problem.product_flops(request.block)
    speed = problem.device.speed
    costs = Costs(problem.n, request.block, 1.0 - stored, problem.entry_flops, by_itself, speed)
    if not problem.has_entries or size > budget:
        return _Means(costs, False, "")
    free = free_memory()
    if size > free:
        short = f"a factorisation would need {size:,} bytes of memory, and {free:,} are free"
        return _Means(costs, False, short)
    return _Means(costs, True, "")


def _narrow(problem: Problem, request: Request, costs: Costs) -> tuple[Answer, float]:
    """Return brackets of width rtol, from passes or from the inverse, and what they cost."""
    patience = Patience(costs.worth_passes())
    answer = run_lanczos(problem, replace(request, patience=patience))
    spent = costs.passes(answer.passes)
    if not answer.impatient or request.until.out_of_time():
        return answer, spent
    problem.forget()
    found = run_inverse(problem, request, answer.smallest.lower)
    if found is None:
        return _said(answer, "and no factorisation near λ_min ran through"), spent
    spent += costs.factorisation + found.products * costs.solution
    return _merged(problem, answer, found), spent


def _merged(problem: Problem, answer: Answer, found: Inverse) -> Answer:
    """Return the passes' answer with the smallest eigenvalue from the inverse."""
    what = (
        f"λ_min's bracket closed too slowly in {answer.passes} passes: the matrix was factorised,"
        f" and {found.products} products with the inverse closed it"
    )
    return replace(
        answer,
        smallest=found.smallest,
        smallest_pairs=found.pairs,
        noise_floor=max(answer.noise_floor, found.floor),
        message=what,
        method="inverse",
        cut_short=False,
    )


def _said(answer: Answer, what: str) -> Answer:
    both = [part for part in (answer.message, what) if part]
    return replace(answer, message="; ".join(both))
