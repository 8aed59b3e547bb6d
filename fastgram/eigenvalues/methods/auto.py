"""The auto method: dense for small matrices; for larger ones whatever costs least.

For larger matrices passes, or the inverse (see `hybrid`), and a certificate where it costs no more
than what was spent.
"""

from __future__ import annotations

from dataclasses import replace

from fastgram.eigenvalues.methods.certified import certify
from fastgram.eigenvalues.methods.dense import run_dense
from fastgram.eigenvalues.methods.hybrid import (
    bracket_by_passes_or_inverse,
    factorisation_option,
    with_message,
)
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request

__all__ = ["run_auto"]


def run_auto(problem: Problem, request: Request) -> Answer:
    """Take the dense method, passes or the inverse; prove brackets of these where that is cheap."""
    if problem.n <= request.dense_limit and problem.has_entries:
        why = f"n ≤ {request.dense_limit}"
        return replace(run_dense(problem, request), method="dense", why=why)
    option = factorisation_option(problem, request)
    if not option.is_open:
        return with_message(run_lanczos(problem, request), option.why_not)
    answer, spent = bracket_by_passes_or_inverse(problem, request, option.costs)
    if 2.0 * option.costs.factorisation <= spent and not (
        answer.cut_short or request.until.out_of_time()
    ):
        proven = certify(problem, request, answer)
        if all(end.within(request.rtol) for end in (proven.smallest, proven.largest)):
            return replace(proven, method="certified")
    return answer
