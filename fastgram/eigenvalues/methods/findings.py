"""Factorisations and what was found by them: kept in a checkpoint, and told of where one is ended.

A factor itself is not kept: it is as large as half of the matrix. Where a run was ended within one,
it begins anew; what a finished one has found is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.problem import Problem
from fastgram.eigenvalues.request import Answer, Request
from fastgram.support.arrays import Array

__all__ = ["is_gone_on_with", "kept", "telling_of"]


def kept(
    problem: Problem,
    request: Request,
    kind: str,
    key: tuple[float, ...],
    work: Callable[[], dict[str, Array]],
) -> dict[str, Array]:
    """Return what work of that kind finds, from the checkpoint where it was found before.

    Of a matrix that only a product recognises, nothing is: a proof is of the last bit.
    """
    folder = request.checkpoint if problem.told_by_facts else None
    found = None if folder is None else folder.finding(kind, key)
    if found is not None:
        return found
    found = work()
    if folder is not None and not request.until.out_of_time():  # which may have cut it short
        folder.keep(kind, key, found)
    return found


def is_gone_on_with(request: Request) -> bool:
    """Whether every pass of the run was there when it began."""
    folder = request.checkpoint
    return folder is not None and folder.count > 0 and folder.added == 0


@contextmanager
def telling_of(problem: Problem, request: Request, answer: Answer) -> Iterator[None]:
    """Have an interrupt within a factorisation say what passes had reached, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        ends = answer.smallest, answer.largest
        low, high = (bracket_scaled(end, problem.exponent) for end in ends)
        words = f"interrupted in a factorisation after {answer.passes} passes; λ_min {low}, λ_max"
        words = f"{words} {high}"
        if request.checkpoint is not None:
            words += f"; the same call goes on from checkpoint {request.checkpoint.path}, with the"
            words += " factorisation from its beginning"
        raise KeyboardInterrupt(words) from None
