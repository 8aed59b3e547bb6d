"""Making a table: the CPU time of rows of any norm against norm 1, and of any depth against one.

What a new process would compute is computed anew in each run: nothing is kept from one to the next.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

import fastgram as fg
from bench.floors import times_in_turn
from fastgram.network.duals import dual_entries
from fastgram.network.families import FAMILIES
from fastgram.support.literals import Kind
from fastgram.support.threads import one_blas_thread

ROUNDS = 3
NORMS = (1e-3, 0.1, 10.0, 100.0, 777.0, 3e3, 1e4)
DEPTHS = (3, 10, 30, 100, 300)
DEEP_KIND: Final = "ntk"
ROOMS = ("fastgram.network.", "fastgram.infinite_width.")
# Between them two rows at each of several angles, however close.
ANGLES = np.array([1e-6, 1e-4, 1e-3, 0.02, 0.3, 1.2, np.pi / 2, 2.5, np.pi - 1e-4])

Array = npt.NDArray[np.float64]
Dual = Callable[[Array, float, bool], Array]  # of the angle and one variance, of f or f'


def rows(norm: float) -> Array:
    """Return a row, and others at these angles from it, all of one norm."""
    theta = np.append(0.0, ANGLES)
    return norm * np.stack([np.cos(theta), np.sin(theta)], axis=1)


def forget() -> None:
    """Empty what is kept of levels, nodes, layers and tables."""
    for name, module in list(sys.modules.items()):
        if name.startswith(ROOMS) and not name.endswith("activations"):
            for part in vars(module).values():
                if hasattr(part, "cache_clear"):
                    part.cache_clear()


def seconds(runs: list[Callable[[], Any]]) -> list[list[float]]:
    """Return the CPU seconds of each, by round, on one thread of BLAS, from nothing each time."""

    def anew(run: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            forget()
            return run()

        return call

    with one_blas_thread():
        return times_in_turn([anew(run) for run in runs], ROUNDS, time.process_time)


def ratio_of(other: list[float], one: list[float]) -> str:
    ratios = sorted(a / b for a, b in zip(other, one, strict=True))
    return f"{np.median(ratios):.3g} [{ratios[0]:.3g}, {ratios[-1]:.3g}], {min(other):.2f} s of CPU"


# --- closed forms -----------------------------------------------------------------------------


def relu(theta: Array, q: float, derivative: bool) -> Array:
    left = np.pi - theta
    return (left if derivative else q * (np.sin(theta) + np.cos(theta) * left)) / (2.0 * np.pi)


def erf(theta: Array, q: float, derivative: bool) -> Array:
    root = np.sqrt(1.0 + 4.0 * q + (2.0 * q * np.sin(theta)) ** 2)
    if derivative:
        return np.asarray(4.0 / (np.pi * root))
    return np.asarray(2.0 / np.pi * np.arctan2(2.0 * q * np.cos(theta), root))


def gelu(theta: Array, q: float, derivative: bool) -> Array:
    c, determinant = q * np.cos(theta), 1.0 + 2.0 * q + (q * np.sin(theta)) ** 2
    density = 1.0 / (2.0 * np.pi * np.sqrt(determinant))
    both = 0.25 + np.arctan2(c, np.sqrt(determinant)) / (2.0 * np.pi)
    if derivative:
        return np.asarray(both + c * density * (2.0 / (1.0 + q) + 1.0 / determinant))
    # q² + c²(2/(1 + q) − 1), without what cancels in it at a large q
    squares = (q * np.sin(theta)) ** 2 + 2.0 * c * c / (1.0 + q)
    return np.asarray(c * both + density * squares)


CLOSED: dict[str, Dual] = {"relu": relu, "erf": erf, "gelu": gelu}


def dual_of(name: str) -> Dual:
    """Return the closed form, or, where there is none, double integrals one by one."""
    if name in CLOSED:
        return CLOSED[name]

    def integrals(theta: Array, q: float, derivative: bool) -> Array:
        variances = np.full(theta.shape, q)
        return dual_entries(fg.get_activation(name), derivative, theta, variances, variances)

    return integrals


def ntk_of(name: str, depth: int) -> Array:
    """Return the NTK of unit rows with the first of them, layer by layer."""
    dual, theta, q = dual_of(name), np.append(0.0, ANGLES), 1.0
    tangent = np.cos(theta)
    for _ in range(depth):
        covariance = dual(theta, q, False)
        tangent = covariance + tangent * dual(theta, q, True)
        q = float(covariance[0])
        theta = np.arccos(np.minimum(covariance / q, 1.0))
    return np.asarray(tangent, dtype=np.float64)


# --- the two ----------------------------------------------------------------------------------


def gram(name: str, norm: float, depth: int = 1, kind: Kind = "gradient") -> Array:
    return np.asarray(
        fg.gram(rows(norm), network=fg.Network(name, depth=depth), kind=kind), dtype=np.float64
    )


def check_norm(name: str, norm: float) -> None:
    """Compare entries from a table with the closed form."""
    theta, q = np.append(0.0, ANGLES), norm * norm
    expected = q * np.cos(theta) * dual_of(name)(theta, q, True)
    found = gram(name, norm)[0]
    # the angles of rounded rows are off by 1e-16, and entries change over angles of 1/norm
    assert np.max(np.abs(found - expected)) <= 5e-14 * max(norm / 100.0, 1.0) * found[0]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
@pytest.mark.parametrize("name", list(FAMILIES))
def test_norm(benchmark: Any, name: str, kind: Kind, norm: float) -> None:
    if kind == "gradient":
        check_norm(name, norm)
    one, other = seconds([lambda: gram(name, 1.0, 1, kind), lambda: gram(name, norm, 1, kind)])
    benchmark.group = f"table of {name} {kind}"
    benchmark.pedantic(lambda: gram(name, norm, 1, kind), setup=forget, rounds=1)
    benchmark.extra_info["CPU / CPU of norm 1"] = ratio_of(other, one)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "tanh"])
def test_depth(benchmark: Any, name: str, depth: int) -> None:
    # roundings of cosines near 1 are magnified by the recursion of the closed form
    expected = ntk_of(name, depth)
    found = gram(name, 1.0, depth, DEEP_KIND)[0]
    assert np.max(np.abs(found - expected)) <= 1e-10 * depth * found[0]
    one, other = seconds(
        [lambda: gram(name, 1.0, 1, DEEP_KIND), lambda: gram(name, 1.0, depth, DEEP_KIND)]
    )
    benchmark.group = f"table of {name} {DEEP_KIND}"
    benchmark.pedantic(lambda: gram(name, 1.0, depth, DEEP_KIND), setup=forget, rounds=1)
    benchmark.extra_info["CPU / CPU of depth 1"] = ratio_of(other, one)
