"""Depth: the trouble of smooth activations goes; the critical tangent kernel has a limit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.bracket import Bracket
from fastgram.datasets.points import circle, subspace
from fastgram.eigenvalues.extreme import extreme_eigenvalues
from fastgram.exact.solve import exact_extreme_eigenvalues
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.networks.depth_theory import (
    critical_limit,
    critical_network,
    deep_limit,
    slope_at_one,
)
from fastgram.study.networks.depth_verdicts import verdicts_of
from fastgram.study.part import Case, Part, Row, Size, Value, Verdict, by_activation
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

# Closed forms in balls: proven at any depth in less time than a table takes.
_CLOSED = ("relu", "erf")
_DIGITS = 6
_AMBIENT = 50  # dimensions that subspaces lie in

# Of each size: activations and depths on a circle of n points, those of subspaces, and those of the
# critical kernel on 11 points.
_CIRCLES: dict[Size, tuple[tuple[int, tuple[str, ...], tuple[int, ...]], ...]] = {
    "quick": (
        (31, ("relu", "erf"), (1, 2, 4, 8, 12, 16, 24, 64)),
        (61, ("erf",), (1, 2, 4, 8, 16, 24)),
        (31, ("tanh",), (1, 4, 16)),
    ),
    "default": (
        (31, ("relu", "erf"), (1, 2, 4, 8, 12, 16, 20, 24, 32, 64, 100)),
        (61, ("relu", "erf"), (1, 2, 4, 8, 16, 20, 24, 28, 32, 64, 100)),
        (121, ("erf",), (1, 2, 4, 8, 16, 24, 28, 32)),
        (31, ("tanh", "swish"), (1, 2, 4, 8, 16, 20, 24, 32, 64, 100)),
        (61, ("tanh",), (1, 2, 4, 8, 16, 24, 28, 32)),
        (31, ("selu", "elu", "gelu"), (1, 2, 4, 8, 16, 32, 64)),
        (31, ("selu", "gelu"), (100,)),
        (31, ("swish",), (128,)),
    ),
    "full": (
        (31, ("relu", "erf", "tanh", "swish"), (1, 2, 4, 8, 12, 16, 20, 24, 32, 64, 100, 200)),
        (61, ("relu", "erf", "tanh", "swish"), (1, 2, 4, 8, 16, 20, 24, 28, 32, 64, 100, 200)),
        (121, ("relu", "erf", "tanh"), (1, 2, 4, 8, 16, 24, 28, 32, 36, 64, 100, 200)),
        (241, ("relu", "erf"), (1, 2, 4, 8, 16, 24, 32, 36, 40, 64, 100, 200)),
        (31, ("selu", "elu", "gelu"), (1, 2, 4, 8, 16, 32, 64, 100, 200)),
    ),
}
_SUBSPACES: dict[Size, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "quick": (("erf", "relu"), (1, 8, 32)),
    "default": (("erf", "relu", "tanh"), (1, 2, 4, 8, 16, 32)),
    "full": (("erf", "relu", "tanh", "swish"), (1, 2, 4, 8, 16, 32, 64, 100)),
}
_CRITICAL: dict[Size, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "quick": (("relu", "erf"), (8, 16, 32, 64, 128)),
    "default": (("relu", "erf", "tanh"), (8, 16, 32, 64, 128)),
    "full": (("relu", "erf", "tanh"), (8, 16, 32, 64, 128, 256, 512)),
}
_SUBSPACE_ROWS = 30


class _Depth(Part):
    name = "depth"
    title = "Depth lifts the smallest eigenvalue of smooth activations"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): that smooth activations have a tiny λ_min"
        " on rows of few dimensions is an affair of shallow networks; with a depth that grows"
        " like the logarithm of one over the separation it is gone. At the edge of chaos the"
        " tangent kernel tends to a multiple of one matrix, so that its condition number has"
        " a limit: 1 + n/3 under relu (Huang, Wang, Tao and Zhao, 2020), 1 + n/2 under smooth"
        " activations (Xiao, Pennington and Schoenholz, ICML 2020)."
    )
    derivation = (
        "Normalised layers (E φ(z)² = 1) map correlations by κ(ρ) = Σ bₖρᵏ, κ(1) = 1, with"
        " the slope χ = E φ'(z)²/E φ(z)² at 1. If χ > 1, 1 − ρ of near rows grows by χ a"
        " layer, and all correlations tend to a fixed point ρ* < 1 (0 if E φ = 0): the matrix"
        " tends to one with χ on its diagonal and ρ*κ'(ρ*) beside it, and λ_min to χ −"
        " ρ*κ'(ρ*). As a function of the angle the deep kernel is F(χ^(L/2)·θ), one function"
        " at all depths, so that n points on the circle at depth L are as 2n at L + 2 ln 2/ln"
        " χ: the depth at which λ_min has come up grows by 2/ln χ for each unit of ln n."
        " Under erf the kernel of the last layer is singular where ρ = 3/2 below it, with the"
        " power −1/2; going backwards through the layers, by ρ → (3/2)·sin(arcsin(2/3)·ρ),"
        " finds the cosine c_L where that is, and on n equally spaced points, n odd, λ_min ~"
        " √n·e^(−rn) with r = arcosh c_L: the kernel is odd, and its least eigenvalue is that"
        " of the frequency n. Under relu χ = 1. Its kernel has the slope −1/π of |θ| at every"
        " depth, at depth 1 at the opposite point too: the coefficients of −|θ|/π, 1/(πk)²"
        " each, aliased, give λ_min = 1/n from depth 2 on and 1/(2n) at depth 1, as long as"
        " the depth is small against n; with u = θ/(3π), u → u − u² − u³/2 + … a layer, so"
        " that u ≈ 1/(L + (3/2)ln L + C), and in the end λ_min ≈ 3/L.\n"
        "The critical tangent kernel (kind ntk). Of relu, weight variance 2: on the diagonal"
        " Θ_L = L + 1; beside it t → t·(1 − 3u) + ρ, whose solution with s = 1/u is s/4 +"
        " const: the ratio is (1/4)(1 + ((3/2)ln L + C)/L). The matrix tends to L·(3/4·I +"
        " 1/4·11ᵀ), its condition to 1 + n/3. Of a smooth activation with κ'(1) = 1: e = 1 −"
        " ρ goes to e − κ''e²/2 + κ'''e³/6, so that u = κ''e/2 ≈ 1/(L + c·ln L + C), c = 1 −"
        " 2κ'''/(3κ''²), slopes are 1 − 2u, t ≈ s/3, and the condition tends to 1 + n/2;"
        " under erf c = −11/6. The approach is as slow as ln L/L: with K(L) = K + (n·r∞c/(1 −"
        " r∞)²)·(ln L)/L + B/L the condition at L and 2L gives K without B, to O((ln L/L)²)."
    )
    parameters = ("dimension", "variances")
    values = ("condition_lower", "condition_upper")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        found = [
            _on_circle(n, activation, depth)
            for n, activations, depths in _CIRCLES[size]
            for activation in activations
            for depth in depths
        ]
        activations, depths = _SUBSPACES[size]
        found += [
            _in_subspace(dimension, activation, depth)
            for dimension in (2, 3)
            for activation in activations
            for depth in depths
        ]
        activations, depths = _CRITICAL[size]
        return found + [_critical(name, depth) for name in activations for depth in depths]

    def compute(self, case: Case, settings: Settings) -> Row:
        X, network, start = _data(case), _network(case), time.perf_counter()
        least, condition, resolved = _extremes(X, network, case, settings)
        ends = (math.nan, math.nan)
        if case.parameters["variances"] == "critical" and condition is not None:
            ends = condition.lower, condition.upper
        values = dict(zip(self.values, ends, strict=True))
        seconds = time.perf_counter() - start
        return Row(case, least.lower, least.upper, least.guarantee, resolved, seconds, values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        return verdicts_of(rows)

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        left, right = axes
        dress(left, "normalised layers, kind gradient", "depth")
        ordered = sorted(rows, key=_depth)
        normalised = [r for r in ordered if r.case.parameters["variances"] == "normalised"]
        circles = [r for r in normalised if r.case.seed is None]
        least = min((r.case.n for r in circles), default=0)
        circles = [r for r in circles if r.case.n == least]
        for activation, some in by_activation(circles).items():
            _draw_rows(left, some, activation, f"{activation}, circle of {least}", "o")
            depths = np.array([row.case.depth for row in some])
            if depths.max() >= 64 and slope_at_one(activation) > 1.0 + 1e-9:
                level = np.full(2, deep_limit(activation))
                draw_theory(left, [depths.max() / 3, depths.max()], level, "", activation)
        if "relu" in by_activation(circles):
            draw_theory(left, [2, least / 2], np.full(2, 1.0 / least), "relu: 1/n", "relu")
        in_space = [r for r in normalised if r.case.parameters["dimension"] == 3]
        for activation, some in by_activation(in_space).items():
            _draw_rows(left, some, activation, f"{activation}, 3 dimensions", "s")
        critical = [r for r in ordered if r.case.parameters["variances"] == "critical"]
        _draw_conditions(right, critical)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        normalised = [row for row in rows if row.case.parameters["variances"] == "normalised"]
        told = "; ".join(_told(some) for some in by_activation(normalised).values())
        critical = [row for row in rows if row.case.parameters["variances"] == "critical"]
        conditions = [
            f"{activation} {max(some, key=_depth).values['condition_upper']:.4g} at depth"
            f" {max(map(_depth, some))}, limit {critical_limit(activation).condition(11):.4g}"
            for activation, some in by_activation(critical).items()
        ]
        kept = sum(verdict.word == "holds" for verdict in verdicts)
        return (
            f"λ_min goes: {told}. Smooth activations come up by as many decades as they were down,"
            " and at the rate that the map of correlations has; relu, which had no trouble, hardly"
            " moves, and falls in the end, as its rows grow alike. The condition of the critical"
            f" kernel comes down to its limit as slowly as ln L/L: {'; '.join(conditions)}."
            f" {kept} of {len(verdicts)} verdicts hold."
        )


def _depth(row: Row) -> int:
    return row.case.depth


def _told(rows: Sequence[Row]) -> str:
    """Return from where to where λ_min goes on the smallest circle there is, with n told."""
    circles = [row for row in rows if row.case.seed is None] or list(rows)
    least = min(row.case.n for row in circles)
    some = sorted((row for row in circles if row.case.n == least), key=_depth)
    ends = [f"{row.upper:.2g} at depth {row.case.depth}" for row in (some[0], some[-1])]
    return f"{rows[0].case.activation}, n = {least}, from {' to '.join(ends)}"


def _extremes(
    X: Array, network: Network, case: Case, settings: Settings
) -> tuple[Bracket, Bracket | None, bool]:
    """Return λ_min, the condition and whether λ_min is told from 0: in float64 if that sees it."""
    if case.activation not in _CLOSED:
        matrix = settings.operator(X, network, case.kind)
        found = extreme_eigenvalues(matrix, progress=settings.progress)
        if found.resolved:
            return found.smallest, found.condition, True
    exact = exact_extreme_eigenvalues(X, network, kind=case.kind, digits=_DIGITS)
    return exact.smallest, exact.condition, exact.smallest.lower > 0.0


def _on_circle(n: int, activation: str, depth: int) -> Case:
    facts: dict[str, Value] = {"dimension": 2, "variances": "normalised"}
    return Case(f"circle:n={n}", None, n, 2, activation, "gradient", depth, facts)


def _in_subspace(dimension: int, activation: str, depth: int) -> Case:
    n, d = _SUBSPACE_ROWS, _AMBIENT
    facts: dict[str, Value] = {"dimension": dimension, "variances": "normalised"}
    data = f"subspace:n={n},d={d},dim={dimension},seed=0"
    return Case(data, 0, n, d, activation, "gradient", depth, facts)


def _critical(activation: str, depth: int) -> Case:
    facts: dict[str, Value] = {"dimension": 2, "variances": "critical"}
    return Case("circle:n=11", None, 11, 2, activation, "ntk", depth, facts)


def _data(case: Case) -> Array:
    if case.seed is None:
        return circle(case.n)
    return subspace(case.n, case.d, int(case.parameters["dimension"]), case.seed)


def _network(case: Case) -> Network:
    if case.parameters["variances"] == "critical":
        return critical_network(case.activation, case.depth)
    return Network(case.activation, depth=case.depth, normalize=True)


def _draw_rows(axes: Axes, rows: Sequence[Row], activation: str, label: str, marker: str) -> None:
    depths, resolved = [row.case.depth for row in rows], [row.resolved for row in rows]
    lower, upper = [row.lower for row in rows], [row.upper for row in rows]
    draw_brackets(axes, depths, lower, upper, resolved, activation, label=label, marker=marker)


def _draw_conditions(axes: Axes, rows: Sequence[Row]) -> None:
    title = "critical variances, kind ntk, 11 points of the circle"
    dress(axes, title, "depth", "condition λ_max/λ_min")
    for activation, some in by_activation(rows).items():
        depths, certain = [row.case.depth for row in some], np.ones(len(some), bool)
        lower = [row.values["condition_lower"] for row in some]
        upper = [row.values["condition_upper"] for row in some]
        draw_brackets(axes, depths, lower, upper, certain, activation)
        limit = np.full(2, critical_limit(activation).condition(some[0].case.n))
        label = f"1 + n/{'3' if activation == 'relu' else '2'}"
        draw_theory(axes, [min(depths), max(depths)], limit, label, activation)


PART = _Depth()
