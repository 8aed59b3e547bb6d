"""Made-up results of extreme_eigenvalues, for tests of what is told of them."""

from __future__ import annotations

import math

import numpy as np

import fastgram as fg
from fastgram.bracket import Bracket, condition_of
from fastgram.eigenvalues.results import ExtremeEigenvalues, RitzPairs

X = fg.datasets.sphere(12, 3, seed=0)


def made_up(smallest, largest=(9.0, 9.2, 9.1, "probabilistic"), **others):
    """A result whose brackets are (lower, upper, estimate, guarantee)."""
    low, high = Bracket(*smallest), Bracket(*largest)
    pairs = RitzPairs(np.array([low.estimate]), np.array([0.0]))
    resolved = low.lower > 0 or low.guarantee == "exact"
    facts = {
        "noise_floor": 1e-12,
        "resolved": resolved,
        "converged": resolved,
        "rank_bound": 12,
        "n": 12,
        "method": "lanczos",
        "block": 12,
        "passes": 5,
        "seconds": 0.25,
        "message": "stopped early",
    }
    condition = condition_of(low, high)
    return ExtremeEigenvalues(low, high, condition, pairs, pairs, **(facts | others))


GOOD = made_up((0.0134, 0.0136, 0.0135, "probabilistic"))
OPEN = made_up((-math.inf, 0.0136, 0.0135, "none"))
ZERO = made_up((0.0, 0.0, 0.0, "exact"))
NOTHING = made_up((0.0, 0.0, 0.0, "exact"), (0.0, 0.0, 0.0, "exact"))


class Operator:
    """In the place of a GramOperator: remembers what it was made of."""

    def __init__(self, X, network, **arguments):
        self.X, self.network, self.arguments = X, network, arguments
