"""Snake, z + sin²(az)/a (Ziyin, Hartwig and Ueda, NeurIPS 2020), and how its networks train."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import fastgram as fg

__all__ = ["kernel", "smallest_eigenvalue", "snake"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)  # so that two of one frequency are equal, after a pickle too
class _Value:
    frequency: float

    def __call__(self, z: Array) -> Array:
        return z + np.sin(self.frequency * z) ** 2 / self.frequency


@dataclass(frozen=True)
class _Slope:
    frequency: float

    def __call__(self, z: Array) -> Array:
        return 1.0 + np.sin(2.0 * self.frequency * z)


def snake(frequency: float = 1.0) -> fg.Activation:
    """Return the activation."""
    return fg.Activation(
        f"snake({frequency:g})",
        _Value(frequency),
        _Slope(frequency),
        description="z + sin²(az)/a",
    )


def kernel(rows: npt.ArrayLike, depth: int = 1) -> Array:
    """Return the Gram matrix of gradients of a network of that depth."""
    return fg.gram(rows, network=fg.Network(snake(), depth=depth), kind="gradient")


def smallest_eigenvalue(rows: npt.ArrayLike, depth: int = 1, *, rtol: float = 0.1) -> fg.Bracket:
    """Return a bracket of the least eigenvalue of the same matrix."""
    operator = fg.GramOperator(rows, fg.Network(snake(), depth=depth))
    answer = fg.extreme_eigenvalues(operator, rtol=rtol)
    if answer.smallest.guarantee == "none" or not answer.converged:
        raise ArithmeticError(answer.message)
    return answer.smallest
