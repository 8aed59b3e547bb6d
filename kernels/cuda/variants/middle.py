"""A middle polynomial as kernels take it: `Middle` of middle.cuh, by value, and which kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.kernels.contract import MIDDLE_TERMS, MiddlePolynomial

__all__ = ["as_arguments"]

_RECORD = np.dtype(
    [("radius", "f8"), ("even", "f8", (MIDDLE_TERMS,)), ("odd", "f8", (MIDDLE_TERMS,))]
)


def as_arguments(middle: MiddlePolynomial | None) -> tuple[str, list[npt.NDArray[Any]]]:
    """Return what the names of kernels end in, and the arguments after those of the table.

    Without a polynomial they are the kernels that look all entries up.
    """
    if middle is None:
        return "", []
    record = np.zeros(1, _RECORD)
    record["radius"] = middle.radius
    record["even"][0, : middle.even.size] = middle.even
    record["odd"][0, : middle.odd.size] = middle.odd
    if middle.odd.size == 1:
        return "_even", [record]
    return "_odd" if middle.even.size == 1 else "_both", [record]
