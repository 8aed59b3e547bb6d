"""Brackets and Ritz pairs of a matrix, from those of a power of two times it."""

from __future__ import annotations

import numpy as np

from fastgram.bracket import Bracket
from fastgram.eigenvalues.results import RitzPairs
from fastgram.support.scaling import lower_end, scaled, upper_end

__all__ = ["bracket_scaled", "pairs_scaled"]


def bracket_scaled(found: Bracket, exponent: int) -> Bracket:
    """Return the bracket of 2**exponent times what it brackets, its ends rounded outward."""
    if exponent == 0:
        return found
    lower, upper = lower_end(found.lower, exponent), upper_end(found.upper, exponent)
    estimate = float(scaled(np.asarray(found.estimate), exponent))
    return Bracket(lower, upper, min(max(estimate, lower), upper), found.guarantee)


def pairs_scaled(pairs: RitzPairs, exponent: int) -> RitzPairs:
    """Return the Ritz pairs of 2**exponent times the matrix."""
    if exponent == 0:
        return pairs
    values, residuals = scaled(pairs.values, exponent), scaled(pairs.residuals, exponent)
    return RitzPairs(values, residuals, pairs.vectors)
