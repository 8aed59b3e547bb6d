"""Width: how far the matrix of m neurons, and its smallest eigenvalue, are from the limit's."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import sphere
from fastgram.matrix.gram import gram
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import fit_power, judged, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.networks.width_theory import moments_of_one_neuron, norm_of_deviation
from fastgram.study.part import Case, Part, Row, Size, Verdict, Word, by_activation
from fastgram.study.settings import Settings

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_N, _D = 200, 20
_ROWS = 1000  # their seed: one that no weights have, whose first numbers would be the rows
_INFINITE = "infinite"
_WIDTHS: dict[Size, tuple[int, ...]] = {
    "quick": (100, 400, 1600, 6400),
    "default": (100, 400, 1600, 6400, 25_600),
    "full": (100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 102_400, 409_600),
}
_SEEDS: dict[Size, int] = {"quick": 2, "default": 1000, "full": 1000}  # at most: 0 … 999
_ACTIVATIONS: dict[Size, tuple[str, ...]] = {
    "quick": ("relu", "tanh"),
    "default": ("relu", "selu", "tanh", "swish"),
    "full": ("relu", "selu", "elu", "tanh", "swish", "gelu"),
}
# Fixed beforehand: of a slope over a factor of 64 and more in m, and of a mean of five seeds.
_SLOPE, _SIZE = 0.05, 0.10
_ERRORS = 3.0  # standard ones that a mean of λ_min may be off
_SECOND_ORDER = 0.25  # relative, of the mean of λ_min: what the third order may add
_PERTURBED = 8  # widths from so many times n on are judged by the second order


class _Width(Part):
    name = "width"
    title = "Finite width: the matrix is off by 1/√m, its smallest eigenvalue lies below"
    claim = (
        "With m neurons the Gram matrix is the mean of m independent ones, off from its"
        " limit by O(1/√m), which is why widths of n²/λ_min² and the like are asked for (Du,"
        " Zhai, Póczos and Singh, ICLR 2019; Panigrahi, Shetty and Goyal, ICLR 2020); λ_min"
        " is then off by as much at most, and comes from below."
    )
    derivation = (
        "G_m is the mean of m independent copies of g = aaᵀ, a = diag(φ'(w·xᵢ))X, with mean"
        " G: so E‖G_m − G‖²_F = V/m at every m, V = Σ ⟨xᵢ,xⱼ⟩²·E φ'(u)²φ'(v)² − ‖G‖²_F, a sum"
        " of duals of φ'². The smallest eigenvalue is concave in the matrix: its mean is at"
        " most that of G, and does not fall with m (G_m is the mean of the matrices with one"
        " neuron left out). Near G it is λ_min + uᵀEu − Σⱼ(uⱼᵀEu)²/(λⱼ − λ_min) with E = G_m"
        " − G: a mean of −B/m, B = Σⱼ E(uⱼᵀgu)²/(λⱼ − λ_min), and a standard deviation s/√m,"
        " s that of uᵀgu. uᵀgu is an average over all rows and s is small, while B sums over"
        " all eigenvectors: until m is about (B/s)², thousands or tens of thousands here,"
        " λ_min is off by 1/m and not by 1/√m, and more slowly where m is a few n and less. B"
        " and s are means over 20 000 neurons of their own."
    )
    parameters = ("width",)
    values = ("deviation", "norm_constant", "descent", "fluctuation")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        seeds = min(seeds, _SEEDS[size])
        drawn = [(width, seed) for width in _WIDTHS[size] for seed in range(seeds)]
        found = []
        for activation in _ACTIVATIONS[size]:
            found.append(_case(activation, _INFINITE, None))
            found += [_case(activation, width, seed) for width, seed in drawn]
        return found

    def compute(self, case: Case, settings: Settings) -> Row:
        start = time.perf_counter()
        X, limit = sphere(case.n, case.d, _ROWS), Network(case.activation)
        matrix = gram(X, network=limit)
        values = dict.fromkeys(self.values, math.nan)
        network = limit
        if case.seed is None:
            values["norm_constant"] = norm_of_deviation(X, case.activation, matrix)
            one = moments_of_one_neuron(X, case.activation, matrix)
            values |= {"descent": one.descent, "fluctuation": one.fluctuation}
        else:
            network = limit.replace(width=case.parameters["width"], seed=case.seed)
            values["deviation"] = float(np.linalg.norm(gram(X, network=network) - matrix))
        row = bracketed_row(case, X, network, settings, values)
        return replace(row, seconds=time.perf_counter() - start)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found: list[Verdict] = []
        for activation, some in by_activation(rows).items():
            limits = [row for row in some if row.case.seed is None]
            finite = _by_width(some)
            if limits and len(finite) > 1:
                found += _norms(activation, limits[0], finite)
                found += _smallest(activation, limits[0], finite)
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        left, right = axes
        dress(left, f"n = {_N}, d = {_D}", "width m", "‖G_m − G‖_F / ‖·‖ at m = 1")
        dress(right, "means of the seeds", "width m", "1 − λ_min(m)/λ_min(∞)")
        for activation, some in by_activation(rows).items():
            limits = [row for row in some if row.case.seed is None]
            if limits:
                _draw_activation(left, right, activation, limits[0], _by_width(some))

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        told = []
        for activation, some in by_activation(rows).items():
            limit = next((row for row in some if row.case.seed is None), None)
            finite = _by_width(some)
            if limit is None or not finite:
                continue
            widths = sorted(finite)
            parts = [
                f"{-_relative(finite[m], limit):.1%} at m = {m}" for m in (widths[0], widths[-1])
            ]
            cross = (limit.values["descent"] / limit.values["fluctuation"]) ** 2
            told.append(f"{activation} {' and '.join(parts)}, 1/m until m ≈ {cross:,.0f}")
        kept = sum(verdict.word == "holds" for verdict in verdicts)
        return (
            "The matrix is off by the derived √(V/m). The smallest eigenvalue lies below its limit"
            f" by: {'; '.join(told)}. So “off by 1/√m” is true of the matrix, and a bound for λ_min"
            " that is far from sharp: its mean is off by B/m, and the single draws by s/√m around"
            " that, the smaller of the two until the m told."
            f" {kept} of {len(verdicts)} verdicts hold."
        )


def _case(activation: str, width: int | str, seed: int | None) -> Case:
    data = f"sphere:n={_N},d={_D},seed={_ROWS}"
    return Case(data, seed, _N, _D, activation, "gradient", 1, {"width": width})


def _by_width(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Return the rows of finite width by it, narrow ones first."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        if row.case.seed is not None:
            found.setdefault(int(row.case.parameters["width"]), []).append(row)
    return dict(sorted(found.items()))


def _middle(row: Row) -> float:
    return (row.lower + row.upper) / 2.0


def _relative(rows: Sequence[Row], limit: Row) -> float:
    """Return the mean of λ_min over that of the limit, less 1."""
    return float(np.mean([_middle(row) for row in rows])) / _middle(limit) - 1.0


def _norms(activation: str, limit: Row, finite: dict[int, list[Row]]) -> list[Verdict]:
    """Whether ‖G_m − G‖_F falls like m^(−1/2), with the constant derived."""
    widths = list(finite)
    means = [
        math.sqrt(np.mean([row.values["deviation"] ** 2 for row in some]))
        for some in finite.values()
    ]
    fit = fit_power(widths, means, means)
    text = f"‖G_m − G‖_F, root mean squares of seeds, m = {widths[0]} to {widths[-1]}"
    found = [judged_slope(f"slope of the matrix, {activation}", fit, -0.5, _SLOPE, text)]
    scaled = [mean * math.sqrt(m) for m, mean in zip(widths, means, strict=True)]
    ratio = math.sqrt(np.mean(np.square(scaled))) / limit.values["norm_constant"]
    text = "the root mean square of √m·‖G_m − G‖_F over √V, at all widths"
    return [*found, judged(f"size, {activation}", (ratio, ratio), 1.0, _SIZE, text)]


def _smallest(activation: str, limit: Row, finite: dict[int, list[Row]]) -> list[Verdict]:
    """Whether λ_min comes from below, and by B/m."""
    worst = max((_errors_above(some, limit, m), m) for m, some in finite.items())
    text = f"mean of λ_min less that of the limit, in standard errors, the worst: m = {worst[1]}"
    word: Word = "holds" if worst[0] <= _ERRORS else "does not hold"
    found = [Verdict(f"from below, {activation}", "at most 0", worst[0], _ERRORS, word, text)]
    wide = {m: some for m, some in finite.items() if m >= _PERTURBED * limit.case.n}
    if not wide:
        return found
    off = max((_excess(some, limit, m), m) for m, some in wide.items())
    text = (
        f"how far the mean of λ_min is from −B/m, over {_SECOND_ORDER:g}·B/m and"
        f" {_ERRORS:g} standard errors, the worst: m = {off[1]};"
        f" B = {limit.values['descent']:.3g}"
    )
    word = "holds" if off[0] <= 1.0 else "does not hold"
    return [*found, Verdict(f"descent, {activation}", "at most 1", off[0], 1.0, word, text)]


def _errors_above(rows: Sequence[Row], limit: Row, width: int) -> float:
    """Return how far the mean of λ_min is above that of the limit, in standard errors."""
    error = limit.values["fluctuation"] / math.sqrt(width * len(rows))
    mean = float(np.mean([row.lower for row in rows]))
    return (mean - limit.upper) / error


def _excess(rows: Sequence[Row], limit: Row, width: int) -> float:
    """Return how far the mean of λ_min is from λ_min − B/m, over what it may be."""
    descent = limit.values["descent"] / width
    error = limit.values["fluctuation"] / math.sqrt(width * len(rows))
    mean = float(np.mean([_middle(row) for row in rows]))
    return abs(mean - _middle(limit) + descent) / (_SECOND_ORDER * descent + _ERRORS * error)


def _draw_activation(
    left: Axes, right: Axes, activation: str, limit: Row, finite: dict[int, list[Row]]
) -> None:
    widths = np.array(list(finite), float)
    if not widths.size:
        return
    constant, certain = limit.values["norm_constant"], np.ones(widths.size, bool)
    norms = [[row.values["deviation"] / constant for row in some] for some in finite.values()]
    spread = [min(one) for one in norms], [max(one) for one in norms]
    draw_brackets(left, widths, *spread, certain, activation, joined=False)
    draw_theory(left, widths, 1.0 / np.sqrt(widths), "", activation)
    least = _middle(limit)
    lower = [1.0 - np.mean([row.upper for row in some]) / least for some in finite.values()]
    upper = [1.0 - np.mean([row.lower for row in some]) / least for some in finite.values()]
    above = np.array(upper) > 0.0
    ends = np.maximum(lower, 1e-12)[above], np.array(upper)[above]
    draw_brackets(right, widths[above], *ends, certain[above], activation, joined=False)
    wide = widths[widths >= limit.case.n]
    draw_theory(right, wide, limit.values["descent"] / wide / least, "", activation)


PART = _Width()
