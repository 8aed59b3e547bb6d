"""Training: gradient descent on two-layer networks, beside what their Gram matrices predict."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import sphere
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_line, draw_theory, dress
from fastgram.regression.curve import TrainingCurve
from fastgram.regression.training_curve import training_curve
from fastgram.study.fits import fit_power, judged, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.networks.descent import Trained, TwoLayers, train
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_N, _D = 50, 10
_STEP_SIZE = 0.1  # below 1/λ_max of every activation here
_LABELS = int.from_bytes(b"labels", "big")
_FRACTIONS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_LAST = _FRACTIONS[-1]
_MOST = 4  # times as many steps as predicted, and it is given up
_COMPARED = 60  # steps at which losses are compared
_WIDTHS: dict[Size, tuple[int, ...]] = {
    "quick": (128, 512, 2048),
    "default": (256, 1024, 4096),
    "full": (256, 1024, 4096, 16_384, 65_536),
}
_ACTIVATIONS: dict[Size, tuple[str, ...]] = {
    "quick": ("relu", "selu", "tanh"),
    "default": ("relu", "selu", "elu", "tanh", "gelu", "swish"),
    "full": ("relu", "selu", "elu", "tanh", "gelu", "swish"),
}
# Fixed beforehand: of steps at the greatest width; of the slope of the movement.
_STEPS, _SLOPE = 0.10, 0.10
_LINEAR = 0.10  # relative, of losses: less is the linear regime


class _Training(Part):
    name = "training"
    title = "Gradient descent takes the steps that the Gram matrix predicts"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020), after Du, Zhai, Póczos and Singh (ICLR 2019): a"
        " wide two-layer network trained by gradient descent learns at the rate that λ_min of its"
        " Gram matrix at initialisation sets; so kinked activations train fast, smooth ones slowly"
        " where their λ_min is small."
    )
    derivation = (
        "The first layer of x ↦ Σᵣ aᵣφ(wᵣ·x)/√m is trained, on ½‖u − y‖² with the step η. As long"
        " as the gradients stay as they were, u − y goes to (I − ηG)(u − y) each step, G of kind"
        " “gradient” of the very weights drawn: the loss is ½‖(I − ηG)ᵗ(y − u₀)‖², which"
        " training_curve bounds from both sides, and is at most (1 − ηλ_min)²ᵗ times the first: 1 %"
        " takes at most ln 10/(ηλ_min) steps. Weights move by ‖W_T − W_0‖² ="
        " Σ cᵢ²(1 − (1 − ηλᵢ)ᵀ)²/λᵢ, c the coefficients of y − u₀ in eigenvectors, whatever m is:"
        " each of m neurons by 1/√m, and G by as much. Of relu G changes where a pre-activation"
        " changes its sign; those have the density 1/√(2π) at 0, and their share falls by 1/√m too."
        " A small λᵢ moves weights far: activations with a small λ_min leave the linear regime at"
        " widths at which others do not."
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
            _case(activation, width) for activation in _ACTIVATIONS[size] for width in _WIDTHS[size]
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        start = time.perf_counter()
        width, step = int(case.parameters["width"]), float(case.parameters["step_size"])
        X = sphere(case.n, case.d, 0)
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
        found = _order(_widest(rows))
        for row in _widest(rows):
            found += _steps_of(row)
        for activation, some in by_activation(rows).items():
            widths = [int(row.case.parameters["width"]) for row in some]
            if len(set(widths)) > 1:
                moved = [row.values["gram_movement"] for row in some]
                text = f"‖G_T − G_0‖/‖G_0‖ as a power of m, {min(widths)} to {max(widths)}"
                fit = fit_power(widths, moved, moved)
                name = f"movement of the matrix, {activation}"
                found.append(judged_slope(name, fit, -0.5, _SLOPE, text))
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        left, right = axes
        widest = _widest(rows)
        width = widest[0].case.parameters["width"] if widest else ""
        dress(left, f"trained (line) and bounds (bars), m = {width}", "steps", "loss / first loss")
        for row in widest:
            _draw_losses(left, row)
        dress(right, "how far the matrix moves", "width m", "‖G_T − G_0‖ / ‖G_0‖")
        for activation, some in by_activation(rows).items():
            widths = np.array([float(row.case.parameters["width"]) for row in some])
            moved = np.array([row.values["gram_movement"] for row in some])
            draw_brackets(right, widths, moved, moved, np.ones(moved.size, bool), activation)
            scale = moved[-1] * math.sqrt(widths[-1])
            draw_theory(right, widths, scale / np.sqrt(widths), "", activation)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        told = []
        for activation, some in by_activation(rows).items():
            inside = [row for row in some if row.values["outside"] <= _LINEAR]
            widths = [int(row.case.parameters["width"]) for row in inside]
            last = max(some, key=lambda row: int(row.case.parameters["width"]))
            regime = f"from m = {min(widths)} on" if widths else "at no width here"
            told.append(
                f"{activation} {regime} (off by {last.values['outside']:.1%} at m ="
                f" {last.case.parameters['width']}, {last.values['turned']:.2%} of signs turned)"
            )
        kept = sum(verdict.word == "holds" for verdict in verdicts)
        return (
            "The loss runs along the bounds of the Gram matrix at initialisation. Within 10 % of"
            f" them, the linear regime: {'; '.join(told)}. Outside, the trained network is not as"
            f" slow as predicted or not as fast, by as much as is said. {kept} of"
            f" {len(verdicts)} verdicts hold."
        )


def _case(activation: str, width: int) -> Case:
    facts = {"width": width, "step_size": _STEP_SIZE}
    data = f"sphere:n={_N},d={_D},seed=0"
    return Case(data, 0, _N, _D, activation, "gradient", 1, facts)


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


def _ends(row: Row) -> tuple[float, float]:
    return row.values[f"steps_lower_{_LAST:g}"], row.values[f"steps_upper_{_LAST:g}"]


def _order(rows: Sequence[Row]) -> list[Verdict]:
    """Whether activations reach 1 % in the order predicted."""
    if len(rows) < 2:
        return []
    predicted = sorted(rows, key=_ends)
    measured = sorted(rows, key=lambda row: row.values[f"steps_to_{_LAST:g}"])
    apart = all(_ends(a)[1] < _ends(b)[0] for a, b in zip(predicted, predicted[1:], strict=False))
    reached = all(math.isfinite(row.values[f"steps_to_{_LAST:g}"]) for row in rows)
    names = [" < ".join(row.case.activation for row in some) for some in (predicted, measured)]
    steps = ", ".join(f"{row.values[f'steps_to_{_LAST:g}']:.0f}" for row in measured)
    text = f"steps to 1 % of the first loss: {steps}"
    word = "holds" if names[0] == names[1] and reached else "does not hold"
    if not apart:
        word, text = "cannot be said", f"{text}; the predictions overlap"
    return [Verdict("order of activations", *names, "none", word, text)]  # type: ignore[arg-type]


def _steps_of(row: Row) -> list[Verdict]:
    """Whether 1 % took the steps predicted, and no more than λ_min alone allows."""
    taken, (low, high) = row.values[f"steps_to_{_LAST:g}"], _ends(row)
    name = f"{row.case.activation}, m = {row.case.parameters['width']}"
    text = f"1 % took {taken:.0f} steps, predicted were {low:.0f} to {high:.0f}"
    if not math.isfinite(taken):
        text = f"1 % was not reached in {_MOST} times the steps predicted"
        return [Verdict(f"steps, {name}", 1.0, "not reached", _STEPS, "does not hold", text)]
    found = [judged(f"steps, {name}", (taken / high, taken / low), 1.0, _STEPS, text)]
    most = _slowest(row, float(row.case.parameters["step_size"]))
    text = f"{taken:.0f} steps over ln 10/(ηλ_min) = {most:.0f}"
    word = "holds" if taken <= most else "does not hold"
    return [*found, Verdict(f"bound by λ_min, {name}", "at most 1", taken / most, "none", word,
                            text)]  # type: ignore[arg-type]  # fmt: skip


def _draw_losses(axes: Axes, row: Row) -> None:
    """Draw the steps taken to each fraction as a line, and those predicted as bars."""
    activation = row.case.activation
    taken = [row.values[f"steps_to_{f:g}"] for f in _FRACTIONS]
    draw_line(axes, np.maximum(taken, 1.0), _FRACTIONS, activation)
    lower = np.maximum([row.values[f"steps_lower_{f:g}"] for f in _FRACTIONS], 1.0)
    upper = np.maximum([row.values[f"steps_upper_{f:g}"] for f in _FRACTIONS], 1.0)
    for fraction, low, high in zip(_FRACTIONS, lower, upper, strict=True):
        draw_theory(axes, [low * 0.97, high * 1.03], [fraction, fraction], "", activation)


PART = _Training()
