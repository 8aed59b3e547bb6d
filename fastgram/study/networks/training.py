"""Training: gradient descent on two-layer networks, beside what their Gram matrices predict."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import sphere
from fastgram.network.activations import get_activation
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_line, draw_theory, dress
from fastgram.regression.curve import TrainingCurve
from fastgram.regression.training_curve import training_curve
from fastgram.study.fits import fit_power, judged, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.networks.descent import Trained, TwoLayers, jumps, train
from fastgram.study.part import Case, Part, Row, Size, Verdict, Word, by_activation
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_N, _D = 30, 10
_ROWS = 1000  # their seed: one that no weights have, whose first numbers would be the rows
_STEP_SIZE = 0.1  # below 1/λ_max of every activation here
_LABELS = int.from_bytes(b"labels", "big")
_FRACTIONS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_LAST = _FRACTIONS[-1]
_MOST = 4  # times as many steps as predicted, and it is given up
_COMPARED = 60  # steps at which losses are compared
_WIDTHS: dict[Size, tuple[int, ...]] = {
    "quick": (256, 1024, 4096),
    "default": (512, 2048, 8192),
    "full": (512, 2048, 8192, 32_768),
}
_SEEDS: dict[Size, int] = {"quick": 1, "default": 3, "full": 1000}  # at most: 0 … 999
_ACTIVATIONS: dict[Size, tuple[str, ...]] = {
    "quick": ("relu", "selu", "tanh"),
    "default": ("relu", "selu", "elu", "tanh", "swish"),
    "full": ("relu", "selu", "elu", "tanh", "gelu", "swish"),
}
# Of steps at the greatest width, fixed beforehand; of the slope of the movement, fixed with the
# derivation that took the place of the first expectation.
_STEPS, _SLOPE = 0.10, 0.10
_MOVEMENT = "movement of the matrix"
_LINEAR = 0.10  # relative, of losses: less is the linear regime


class _Training(Part):
    name = "training"
    title = "Gradient descent takes the steps that the Gram matrix predicts"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020), after Du, Zhai, Póczos and Singh (ICLR"
        " 2019): a wide two-layer network trained by gradient descent learns at the rate that"
        " λ_min of its Gram matrix at initialisation sets; so kinked activations train fast,"
        " smooth ones slowly where their λ_min is small."
    )
    derivation = (
        "The first layer of x ↦ Σᵣ aᵣφ(wᵣ·x)/√m is trained, on ½‖u − y‖² with the step η. As"
        " long as the gradients stay as they were, u − y goes to (I − ηG)(u − y) each step, G"
        " of kind “gradient” of the very weights drawn: the loss is ½‖(I − ηG)ᵗ(y − u₀)‖²,"
        " which training_curve bounds from both sides, and is at most (1 − ηλ_min)²ᵗ times"
        " the first: 1 % takes at most ln 10/(ηλ_min) steps. Weights move by ‖W_T − W_0‖² = Σ"
        " cᵢ²(1 − (1 − ηλᵢ)ᵀ)²/λᵢ, c the coefficients of y − u₀ in eigenvectors, whatever m"
        " is: each of m neurons by 1/√m. What that does to G depends on φ'. Where φ' is"
        " continuous, the first order in the movement is a mean of m terms with the random"
        " signs aᵣ, and of size 1/√m·1/√m; the second is of size 1/m as well: G moves by 1/m."
        " Where φ' jumps, G changes by the pre-activations that cross the jump, a share of"
        " 1/√m of them, as their density at 0 is 1/√(2π). Their signs cancel but for a random"
        " part, of size m^(−3/4), and a mean of size m^(−1/2), since a sample moves a neuron"
        " on one side of the jump more than one on the other: the power seen is between these"
        " two, and −1/2 in the end. (First 1/√m was expected of all activations, and runs of"
        " tanh contradicted it: this derivation, and the widths of the runs, are from then.)"
        " So relu and selu leave the linear regime at widths at"
        " which tanh is still in it, though their λ_min is larger."
    )
    parameters = ("width", "step_size")
    values = (
        *(f"steps_to_{f:g}" for f in _FRACTIONS),
        *(f"steps_lower_{f:g}" for f in _FRACTIONS),
        *(f"steps_upper_{f:g}" for f in _FRACTIONS),
        "outside",
        "movement",
        "movement_predicted",
        "gram_movement",
        "turned",
    )
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            _case(activation, width, seed)
            for activation in _ACTIVATIONS[size]
            for width in _WIDTHS[size]
            for seed in range(min(seeds, _SEEDS[size]))
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        start = time.perf_counter()
        width, step = int(case.parameters["width"]), float(case.parameters["step_size"])
        X = sphere(case.n, case.d, _ROWS)
        y = np.random.default_rng(_LABELS).choice([-1.0, 1.0], case.n)
        network = Network(case.activation, width=width, seed=int(case.seed or 0))
        row = bracketed_row(case, X, network, settings)
        two = TwoLayers.drawn(network.activation, width, case.d, network.seed)
        wanted, gram = y - two.outputs(X @ two.weights.T), two.gram(X)
        slowest = _slowest(row, step)
        asked = np.unique(np.geomspace(1, slowest, 40).astype(int))
        operator = settings.operator(X, network, case.kind)
        curve = training_curve(operator, wanted, asked, step_size=step, progress=settings.progress)
        trained = train(two, X, y, step, _LAST, math.ceil(_MOST * curve.time_to(_LAST).upper))
        values = _steps(trained.losses, curve)
        values["outside"] = _outside(trained.losses, curve)
        values |= _movements(trained, gram, wanted, step)
        return replace(row, seconds=time.perf_counter() - start, values=values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        widest = by_activation(_widest(rows))
        found = _order(widest)
        for activation, some in widest.items():
            found += _steps_of(activation, some)
        for activation, some in by_activation(rows).items():
            found += _movement(activation, some)
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        left, right = axes
        widest = _widest(rows)
        width = widest[0].case.parameters["width"] if widest else ""
        dress(left, f"trained (line) and bounds (bars), m = {width}", "steps", "loss / first loss")
        for activation, some in by_activation(widest).items():
            _draw_losses(left, activation, some)
        dress(right, "how far the matrix moves", "width m", "‖G_T − G_0‖ / ‖G_0‖")
        for activation, some in by_activation(rows).items():
            widths, moved, error = _moved(some)
            ends = np.maximum(moved - error, 0.1 * moved), moved + error
            draw_brackets(right, widths, *ends, np.ones(moved.size, bool), activation)
            theory = moved[-1] * (widths / widths[-1]) ** _expected_slopes(activation)[1]
            draw_theory(right, widths, theory, "", activation)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        told = []
        for activation, some in by_activation(rows).items():
            off = {
                width: max(row.values["outside"] for row in some if _width(row) == width)
                for width in sorted({_width(row) for row in some})
            }
            inside = [width for width, most in off.items() if most <= _LINEAR]
            last = max(off)
            turned = np.mean([row.values["turned"] for row in some if _width(row) == last])
            told.append(
                f"{activation} {f'from m = {min(inside)} on' if inside else 'at no width here'}"
                f" (beyond its bounds by {off[last]:.1%} at m = {last}, {turned:.2%} of signs"
                " turned)"
            )
        powers = [
            f"{verdict.name.rpartition(' ')[2]} m^{verdict.measured:.2f}"
            for verdict in verdicts
            if verdict.name.startswith(_MOVEMENT)
        ]
        kept = sum(verdict.word == "holds" for verdict in verdicts)
        return (
            "The loss runs along the bounds of the Gram matrix at initialisation. Within 10 % of"
            f" them, the linear regime, are: {'; '.join(told)}. The matrix moves less and less with"
            f" the width, like {', '.join(powers)}: an activation whose φ' jumps leaves the linear"
            " regime before one whose φ' is continuous, and not because of its λ_min."
            f" {kept} of {len(verdicts)} verdicts hold."
        )


def _case(activation: str, width: int, seed: int) -> Case:
    facts = {"width": width, "step_size": _STEP_SIZE}
    data = f"sphere:n={_N},d={_D},seed={_ROWS}"
    return Case(data, seed, _N, _D, activation, "gradient", 1, facts)


def _width(row: Row) -> int:
    return int(row.case.parameters["width"])


def _widest(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the greatest width."""
    most = max((int(row.case.parameters["width"]) for row in rows), default=0)
    return [row for row in rows if row.case.parameters["width"] == most]


def _slowest(row: Row, step: float) -> float:
    """Return the steps after which the loss is at 1 % at the latest, by λ_min alone."""
    return max(math.log(1.0 / _LAST) / (2.0 * step * max(row.lower, 1e-8)), 2.0)


def _first_below(losses: Array, fraction: float) -> float:
    below = np.flatnonzero(losses <= fraction * losses[0])
    return float(below[0]) if below.size else math.nan


def _steps(losses: Array, curve: TrainingCurve) -> dict[str, float]:
    """Return how many steps each fraction took, and between which bounds it was predicted."""
    found = {f"steps_to_{f:g}": _first_below(losses, f) for f in _FRACTIONS}
    for f in _FRACTIONS:
        predicted = curve.time_to(f)
        found |= {f"steps_lower_{f:g}": predicted.lower, f"steps_upper_{f:g}": predicted.upper}
    return found


def _outside(losses: Array, curve: TrainingCurve) -> float:
    """Return by how much, relative, a loss is beyond its bounds at most."""
    at = np.unique(np.geomspace(1, max(losses.size - 1, 1), _COMPARED).astype(int))
    bounds, seen = curve.loss(at), losses[at]
    with np.errstate(divide="ignore"):
        return float(np.max(np.maximum(seen / bounds.upper, bounds.lower / seen) - 1.0, initial=0))


def _movements(trained: Trained, gram: Array, wanted: Array, step: float) -> dict[str, float]:
    """Return how far weights and matrix have moved, and how far weights were predicted to."""
    eigenvalues, vectors = np.linalg.eigh(gram)
    steps = trained.losses.size - 1
    gone = 1.0 - (1.0 - step * eigenvalues) ** steps
    predicted = math.sqrt(float(np.sum((vectors.T @ wanted * gone) ** 2 / eigenvalues)))
    return {
        "movement": trained.movement,
        "movement_predicted": predicted,
        "gram_movement": trained.gram_movement,
        "turned": trained.turned,
    }


def _mean(rows: Sequence[Row], value: str) -> float:
    return float(np.mean([row.values[value] for row in rows]))


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the bounds of the mean number of steps to the last fraction."""
    return _mean(rows, f"steps_lower_{_LAST:g}"), _mean(rows, f"steps_upper_{_LAST:g}")


def _order(widest: dict[str, list[Row]]) -> list[Verdict]:
    """Whether activations reach 1 % in the order predicted."""
    if len(widest) < 2:
        return []
    ends = {activation: _ends(some) for activation, some in widest.items()}
    taken = {name: _mean(some, f"steps_to_{_LAST:g}") for name, some in widest.items()}
    predicted, measured = sorted(ends, key=ends.__getitem__), sorted(taken, key=taken.__getitem__)
    steps = ", ".join(f"{taken[activation]:.0f}" for activation in measured)
    text = f"mean steps to 1 % of the first loss: {steps}"
    reached = all(math.isfinite(one) for one in taken.values())
    word: Word = "holds" if predicted == measured and reached else "does not hold"
    if any(ends[a][1] >= ends[b][0] for a, b in pairwise(predicted)):
        word, text = "cannot be said", f"{text}; the predictions overlap"
    names = " < ".join(predicted), " < ".join(measured)
    found = [Verdict("order of activations", *names, "none", word, text)]
    least = {name: float(np.mean([row.lower for row in some])) for name, some in widest.items()}
    alone = " < ".join(sorted(least, key=least.__getitem__, reverse=True))
    word = "holds" if alone == names[1] else "does not hold"
    text = "the largest λ_min first; what the labels have along its eigenvector is not asked"
    return [*found, Verdict("order by λ_min alone", alone, names[1], "none", word, text)]


def _steps_of(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Whether 1 % took the steps predicted, and no more than λ_min alone allows."""
    taken, (low, high) = _mean(rows, f"steps_to_{_LAST:g}"), _ends(rows)
    name = f"{activation}, m = {_width(rows[0])}"
    text = f"1 % took {taken:.0f} steps in the mean, predicted were {low:.0f} to {high:.0f}"
    if not math.isfinite(taken):
        text = f"1 % was not reached in {_MOST} times the steps predicted"
        return [Verdict(f"steps, {name}", 1.0, "not reached", _STEPS, "does not hold", text)]
    found = [judged(f"steps, {name}", (taken / high, taken / low), 1.0, _STEPS, text)]
    most = float(np.mean([_slowest(row, _STEP_SIZE) for row in rows]))
    text = f"{taken:.0f} steps over ln 10/(ηλ_min) = {most:.0f}"
    word: Word = "holds" if taken <= most else "does not hold"
    bound = Verdict(f"bound by λ_min, {name}", "at most 1", taken / most, "none", word, text)
    return [*found, bound]


def _expected_slopes(activation: str) -> tuple[float, float]:
    """Return the powers of m between which the matrix moves less: by whether φ' jumps."""
    return (-0.75, -0.5) if jumps(get_activation(activation)) else (-1.0, -1.0)


def _moved(rows: Sequence[Row]) -> tuple[Array, Array, Array]:
    """Return widths, root mean squares of how far the matrix moves, and twice their errors."""
    widths = sorted({_width(row) for row in rows})
    squares = [
        np.square([row.values["gram_movement"] for row in rows if _width(row) == width])
        for width in widths
    ]
    moved = np.sqrt([np.mean(some) for some in squares])
    # of a mean of squares, twice; a single seed tells none
    errors = [2.0 * np.std(some) / math.sqrt(max(some.size - 1, 1)) for some in squares]
    return np.array(widths, float), moved, np.array(errors) / (2.0 * moved)


def _movement(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Whether the matrix moves with the power of m derived, as far as the seeds tell."""
    widths, moved, error = _moved(rows)
    if widths.size < 2:
        return []
    low, high = _expected_slopes(activation)
    expected, tolerance = (low + high) / 2.0, (high - low) / 2.0 + _SLOPE
    fit = fit_power(widths, np.maximum(moved - error, 0.1 * moved), moved + error)
    text = f"‖G_T − G_0‖/‖G_0‖ as a power of m, {widths[0]:.0f} to {widths[-1]:.0f}: "
    text += (
        f"from {fit.lowest:.2f} to {fit.highest:.2f} within two standard errors of the seeds"
        if len({row.case.seed for row in rows}) > 1
        else "of one seed, which does not tell how far chance moves it"
    )
    return [judged_slope(f"{_MOVEMENT}, {activation}", fit, expected, tolerance, text)]


def _draw_losses(axes: Axes, activation: str, rows: Sequence[Row]) -> None:
    """Draw the steps taken to each fraction as a line, and those predicted as bars."""
    taken = [_mean(rows, f"steps_to_{f:g}") for f in _FRACTIONS]
    draw_line(axes, np.maximum(taken, 1.0), _FRACTIONS, activation)
    for fraction in _FRACTIONS:
        low = min(row.values[f"steps_lower_{fraction:g}"] for row in rows)
        high = max(row.values[f"steps_upper_{fraction:g}"] for row in rows)
        ends = [max(low, 1.0) * 0.97, max(high, 1.0) * 1.03]
        draw_theory(axes, ends, [fraction, fraction], "", activation)


PART = _Training()
