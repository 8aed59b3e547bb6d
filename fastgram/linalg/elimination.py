"""Block elimination of T − x from the start block, which measures what a run leaves room for.

`fastgram.linalg.exclusion` derives what is measured, and says what of it proves what.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fastgram.support.arrays import Array

__all__ = ["Elimination", "Measures", "Run", "stages"]

Measures = tuple[Array, Array, Array]


class Run(Protocol):
    """The blocks of a run, and how many columns of the first are random."""

    block: int
    earlier: list[tuple[list[Array], list[Array]]]
    diagonals: list[Array]
    couplings: list[Array]


def stages(run: Run) -> list[tuple[list[Array], list[Array]]]:
    """Return the diagonals and couplings of each stage."""
    return [*run.earlier, (run.diagonals, run.couplings)]


class _Stage(NamedTuple):
    """The blocks of a stage in the first rows and columns of arrays (k, w, w)."""

    diagonals: Array
    couplings: Array
    sizes: npt.NDArray[np.int64]  # (k + 1,): the rows of each, and those of the last coupling


class Elimination:
    """The blocks of a run as it is, laid out to be eliminated at many points.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self._block = run.block
        # by a power of two: no rounding, and squares neither over- nor underflow
        laid_out = [_laid_out(*parts) for parts in stages(run)]
        self._scale = float(np.exp2(np.frexp(np.max(np.abs(laid_out[-1].diagonals)))[1]))
        self._stages = [
            _Stage(stage.diagonals / self._scale, stage.couplings / self._scale, stage.sizes)
            for stage in laid_out
        ]

    def coupling_norms(self) -> list[Array]:
        """Return bounds on the spectral norms of the couplings of each stage."""
        found = []
        for stage in self._stages:
            sizes = np.abs(stage.couplings)
            rows, columns = (
                np.max(np.sum(sizes, axis=2), axis=1),
                np.max(np.sum(sizes, axis=1), axis=1),
            )
            frobenius = np.sqrt(np.sum(sizes * sizes, axis=(1, 2)))
            found.append(self._scale * np.minimum(np.sqrt(rows * columns), frobenius))
        return found

    def measure(
        self, outward: float | Array, points: Array, distances: Array, negligible: float = 0.0
    ) -> Measures:
        """Return √g, η and σ at points outside the Ritz values.

        Parameters
        ----------
        outward : float or (p,) array
            Which way is out, −1 or 1: one number, or one for each point.
        points, distances : (p,) arrays
            Points x, and their distances D from the extreme Ritz value.
        negligible : float
            A √g that need not be known: what is returned is then that of the run as it was after
            fewer passes, of which √g was smaller than that already.

        Returns
        -------
        root, eta, sigma : (p,) arrays
            All 1 for a point that is not outside, or within rounding of a Ritz value.
        """
        found = np.ones((3, points.size))
        at, *measures = self._measure(outward, points, distances, negligible)
        found[:, at] = measures
        return found[0], found[1], found[2]

    def reaches(self, outward: float, point: float) -> bool:
        """Whether elimination runs through at a point, which is then outside the Ritz values."""
        at, *_ = self._measure(outward, np.array([point]), np.ones(1), 0.0)
        return at.size == 1

    def _measure(
        self, outward: float | Array, points: Array, distances: Array, negligible: float
    ) -> tuple[npt.NDArray[np.intp], Array, Array, Array]:
        """Return which points are outside, and √g, η and σ there."""
        outward = np.broadcast_to(np.asarray(outward, dtype=np.float64), points.shape)
        at = np.arange(points.size)  # those that are outside so far
        sigma = np.zeros(points.size)
        flow = np.broadcast_to(np.eye(self._block), (points.size, self._block, self._block))
        slope = flow[:, :, :0]
        for number, stage in enumerate(self._stages):
            last = number == len(self._stages) - 1
            carried = np.concatenate([flow, slope], axis=2)
            carried, drift, root, inside, definite = _pass_through(
                stage, outward[at], points[at] / self._scale, carried, negligible if last else 0.0
            )
            at = at[definite]
            sigma = sigma[definite] + _part_of_sigma(
                inside, distances[at] / self._scale, self._block
            )
            flow, change = carried[:, :, : self._block], drift[:, :, : self._block]
            slope = change + carried[:, :, self._block :] if slope.shape[2] else change
        both = np.linalg.solve(root.transpose(0, 2, 1), np.concatenate([flow, slope], axis=2))
        root = _norms(both[:, :, : self._block])
        eta = distances[at] / self._scale * _norms(both[:, :, self._block :])
        return at, root, eta, sigma


def _laid_out(diagonals: list[Array], couplings: list[Array]) -> _Stage:
    sizes = np.array([*(part.shape[0] for part in diagonals), couplings[-1].shape[0]])
    width = int(np.max(sizes))
    if np.all(sizes == width):
        return _Stage(np.array(diagonals), np.array(couplings), sizes)
    stacks = np.zeros((2, len(diagonals), width, width))
    for stack, parts in zip(stacks, (diagonals, couplings), strict=True):
        for place, part in zip(stack, parts, strict=True):
            place[: part.shape[0], : part.shape[1]] = part
    return _Stage(stacks[0], stacks[1], sizes)


def _pass_through(
    stage: _Stage, outward: Array, points: Array, carried: Array, negligible: float
) -> tuple[Array, Array, Array, Array, npt.NDArray[np.bool_]]:
    """Take Z from Φ₀ = Z through a stage, at the points where its matrix is definite.

    Returns Φₖ, its derivative by −x with Z held fixed, a root R of Sₖ = RᵀR, and Zᵀ(HE)ᵀ(HE)Z, of
    those points; and which of the points they are.
    """
    from fastgram.kernels.cpu.lanczos.elimination import (
        pass_through,
    )  # compiled: loaded when needed

    count, columns, width = points.size, carried.shape[2], stage.diagonals.shape[1]
    flows = np.zeros((count, width, columns))
    rows = min(width, carried.shape[1])  # further ones are 0
    flows[:, :rows] = carried[:, :rows]
    slopes, roots = np.empty_like(flows), np.empty((count, width, width))
    insides, definite = np.empty((count, columns, columns)), np.empty(count, dtype=bool)
    pass_through(*stage, outward, points, negligible**2, flows, slopes, roots, insides, definite)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in (flows, slopes, roots, insides):
            definite &= np.isfinite(np.sum(part, axis=(1, 2)))
    return flows[definite], slopes[definite], roots[definite], insides[definite], definite


def _part_of_sigma(inside: Array, distances: Array, block: int) -> Array:
    """Return what a stage adds to σ: D‖HEΨ‖ + D²‖HEΨ'‖."""
    part = distances * _roots_of_norms(inside[:, :block, :block])
    if inside.shape[1] > block:
        part += distances**2 * _roots_of_norms(inside[:, block:, block:])
    return part


def _roots_of_norms(squares: Array) -> Array:
    """Return the square roots of the norms of semidefinite matrices."""
    largest = np.linalg.eigvalsh(squares)[:, -1]
    return np.asarray(np.sqrt(np.maximum(largest, 0.0)))


def _norms(stack: Array) -> Array:
    return np.asarray(np.linalg.norm(stack, 2, axis=(1, 2)))
