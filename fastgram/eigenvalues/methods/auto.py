"""The auto method: dense for small matrices; for larger ones whatever costs least.

For larger matrices passes, or the inverse (see `hybrid`), and a certificate where it costs no more
than what was spent.
"""

from __future__ import annotations

from dataclasses import replace

from fastgram.eigenvalues.methods.certified import certify
from fastgram.eigenvalues.methods.dense import run_dense
from fastgram.eigenvalues.methods.hybrid import (
    Costed,
    FactorisationOption,
    bracket_by_passes_or_inverse,
    factorisation_option,
    with_message,
)
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.support.progress import late_stage

__all__ = ["choose", "is_worth_a_proof", "run_auto"]


def choose(
    matrix: Costed, block: int, dense_limit: int, free: int | None = None
) -> FactorisationOption | None:
    """Return what may follow passes, None for the dense method; nothing is computed.

    Parameters
    ----------
    matrix : Costed
    block : int
        Vectors multiplied at a time.
    dense_limit : int
        The order up to which the dense method is taken.
    free : int, optional
        Bytes of memory; None asks how much is free.
    """
    if matrix.n <= dense_limit and matrix.has_entries:
        return None
    return factorisation_option(matrix, block, free)


def is_worth_a_proof(option: FactorisationOption, spent: float) -> bool:
    """Whether the two certificates cost no more than what was spent."""
    return option.is_open and 2.0 * option.costs.factorisation <= spent


def run_auto(problem: Problem, request: Request) -> Answer:
    """Take the dense method, passes or the inverse; prove brackets of these where that is cheap."""
    with late_stage(request.progress, "tables"):
        option = choose(problem, request.block, request.dense_limit)
    if option is None:
        why = f"n ≤ {request.dense_limit}"
        return replace(run_dense(problem, request), method="dense", why=why)
    if not option.is_open:
        return with_message(run_lanczos(problem, request), option.why_not)
    answer, spent = bracket_by_passes_or_inverse(problem, request, option.costs)
    if is_worth_a_proof(option, spent) and not (answer.cut_short or request.until.out_of_time()):
        proven = certify(problem, request, answer)
        if all(end.within(request.rtol) for end in (proven.smallest, proven.largest)):
            return replace(proven, method="certified")
    return answer
