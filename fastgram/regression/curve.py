"""TrainingCurve: the result of `training_curve`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Bracket, Brackets, Guarantee, bracket_around, bracket_table, plain
from fastgram.linalg.systems.scalar_lanczos import Rule
from fastgram.support.arrays import Array
from fastgram.support.equality import ComparedByParts
from fastgram.support.rounding import gamma
from fastgram.support.scaling import lower_end, upper_end
from fastgram.support.validation import as_number

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["FRACTIONS", "Descent", "TrainingCurve", "as_steps"]

# Relative, of a power or an exponential: these are computed from logarithms of 700 at most, where
# they are not nothing.
_POWER_ERROR = 2.0**-40
_LARGEST = float(np.finfo(np.float64).max)
_LONGEST = 2.0**52  # steps
FRACTIONS = (0.1, 0.01, 0.001)  # of the first loss, that are told in steps


@dataclass(frozen=True)
class Descent:
    """What a curve is made of: rules below and above, in the units of the matrix.

    Attributes
    ----------
    gauss, upper : list of Rule
        One a column: below, and above.
    step_size : float
    ends : (float, float)
        All eigenvalues of the matrix are between them, and of the one that the rules are of.
    error : float
        Bound on the norm of (matrix that the rules are of − the one that is spoken of).
    size : float
        ‖y‖, in the Frobenius norm, over a power of two that brings it to a size of about 1.
    exponent : int
        Of that power.
    entries : int
        Of y, whose squares are added up.
    """

    gauss: list[Rule]
    upper: list[Rule]
    step_size: float
    ends: tuple[float, float]
    error: float
    size: float
    exponent: int
    entries: int

    @property
    def initial_loss(self) -> float:
        """½‖y‖²; infinite where float64 does not hold it."""
        return upper_end(0.5 * self.size**2, 2 * self.exponent)

    def losses(self, t: float, flow: bool) -> tuple[float, float, float]:
        """Return a lower bound, an estimate and an upper bound of the loss after t steps."""
        below, middle, above = self.relative(t, flow)
        first, twice = 0.5 * self.size**2, 2 * self.exponent
        low = lower_end(min(first * below, _LARGEST), twice)
        middle = min(upper_end(first * middle, twice), _LARGEST)
        return low, middle, upper_end(first * above, twice)

    def relative(self, t: float, flow: bool) -> tuple[float, float, float]:
        """Return the same of the loss over the first: no y is too large or small for that."""
        with np.errstate(over="ignore"):
            parts = [
                np.concatenate([self._of(rule, t, flow) for rule in rules]) / self.size**2
                for rules in (self.gauss, self.upper)
            ]
            low, high = float(np.nansum(parts[0])), float(np.sum(parts[1]))
        high = math.inf if math.isnan(high) else max(low, high)  # of 0 times what overflows
        moved = self._moved(t, flow)
        rounding = _POWER_ERROR + 2.0 * gamma(self.entries + 8)
        above = math.sqrt(high * (1.0 + rounding)) + moved
        below = 0.0
        if math.isfinite(moved):
            below = max(math.sqrt(min(low, _LARGEST) * (1.0 - rounding)) - moved, 0.0)
        return below**2, 0.5 * low + 0.5 * high, above**2 if above < 1e154 else math.inf

    def _moved(self, t: float, flow: bool) -> float:
        """Bound what the error of the matrix moves the residual after t steps, over ‖y‖.

        Powers of A and of A + E differ by t of one less with a factor E, and so do exponentials.
        """
        moved = t * self.step_size * self.error
        if moved > 1.0:
            return math.inf
        low, high = (self.step_size * end for end in self.ends)
        growth = -min(low, 0.0) if flow else math.log(max(abs(1.0 - low), abs(1.0 - high), 1.0))
        return moved * math.exp(t * growth) if t * growth < 700.0 else math.inf

    @property
    def is_indefinite(self) -> bool:
        """Whether the matrix is known to have a negative eigenvalue."""
        return bool(min(np.min(rule.nodes) for rule in self.gauss) < -2.0 * self.error)

    def _of(self, rule: Rule, t: float, flow: bool) -> Array:
        scaled = self.step_size * rule.nodes
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            logarithm = -scaled if flow else np.log(np.abs(1.0 - scaled))
            near = np.abs(scaled) < 0.5
            if not flow:
                logarithm = np.where(near, np.log1p(-np.where(near, scaled, 0.0)), logarithm)
            values = np.exp(2.0 * t * logarithm) if t else np.ones_like(scaled)
            return np.asarray(rule.weights * values)


def as_steps(steps: Any) -> npt.NDArray[np.int64]:
    """Return numbers of steps, whole and at least 0, as an array of any shape."""
    given = np.asarray(steps)
    if given.dtype.kind not in "iuf" or given.size == 0:
        raise TypeError(f"steps must be whole numbers, not {steps!r}")
    if not np.all((given >= 0) & (given == np.floor(given)) & (given <= _LONGEST)):
        raise ValueError(f"steps must be whole numbers from 0 to 2**52, not {steps}")
    return given.astype(np.int64)


@dataclass(frozen=True, eq=False)
class TrainingCurve(ComparedByParts):
    """The loss of gradient descent on a linear model, bounded at every step.

    Attributes
    ----------
    steps : array of int64
        That were asked for, of any shape.
    lower, upper, estimate : arrays of that shape
        Of the loss ½‖(I − ηA)ᵗy‖² after so many steps, in the units of y squared.
    flow_lower, flow_upper, flow_estimate : arrays of that shape
        The same of gradient flow at the time ηt: ½‖exp(−ηtA)y‖².
    step_size : float
        η, in units of one over the matrix's.
    smallest, largest : Bracket
        λ_min and λ_max as far as they are known: the ends that bounds are made with.
    guarantee : {"certified", "probabilistic"}
        Of the bounds: certified where the step size is proven to be below 1/λ_max.
    converged : bool
        Whether bounds are no further apart than rtol times the estimate at every step.
    passes : int
        Products with A, those for λ_max included.
    seconds : float
    message : str
    descent : Descent
        What the bounds at other steps are made of.
    """

    steps: npt.NDArray[np.int64]
    lower: Array
    upper: Array
    estimate: Array
    flow_lower: Array
    flow_upper: Array
    flow_estimate: Array
    step_size: float
    smallest: Bracket
    largest: Bracket
    guarantee: Guarantee
    converged: bool
    passes: int
    seconds: float
    message: str
    descent: Descent

    @property
    def initial_loss(self) -> float:
        """½‖y‖²; infinite where float64 does not hold it."""
        return self.descent.initial_loss

    def loss(self, steps: Any, *, flow: bool = False) -> Brackets:
        """Return brackets of the loss after any numbers of steps.

        Parameters
        ----------
        steps : int or array_like of int
            At least 0.
        flow : bool
            Of gradient flow, in units of the step size, and not of descent.

        Returns
        -------
        Brackets
            Of the shape of `steps`.
        """
        return self._brackets(self.descent.losses, steps, flow)

    def relative_loss(self, steps: Any, *, flow: bool = False) -> Brackets:
        """Return brackets of the loss after any numbers of steps, over the first loss.

        Parameters
        ----------
        steps : int or array_like of int
            At least 0.
        flow : bool
            Of gradient flow, in units of the step size, and not of descent.

        Returns
        -------
        Brackets
            Of the shape of `steps`, also of labels whose squares float64 does not hold.
        """
        return self._brackets(self.descent.relative, steps, flow)

    def _brackets(
        self, bounds: Callable[[float, bool], tuple[float, float, float]], steps: Any, flow: bool
    ) -> Brackets:
        asked = as_steps(steps)
        found = np.array([bounds(float(t), flow) for t in asked.ravel()])
        low, middle, high = found.T.reshape(3, *asked.shape)
        return Brackets(low, high, middle, self.guarantee)

    def time_to(self, fraction: float, *, flow: bool = False) -> Bracket:
        """Return how many steps it takes until the loss has fallen to a fraction of the first.

        Parameters
        ----------
        fraction : float
            Above 0 and below 1.
        flow : bool
            Of gradient flow, in units of the step size, and not of descent.

        Returns
        -------
        Bracket
            Of whole numbers; its upper end is infinite where no bound falls so low: more passes (a
            smaller rtol) may find it.

        Raises
        ------
        ValueError, TypeError
            If the fraction is not between 0 and 1, or the step size does not let the loss fall, or
            a negative eigenvalue.
        """
        fraction = as_number("fraction", fraction, above=0.0, below=1.0)
        if why_not := self._why_not_falling(flow):
            raise ValueError(f"{why_not}: the loss need not fall")
        ends = [
            _first(lambda t, k=k: self.descent.relative(t, flow)[k] <= fraction)  # type: ignore[misc]
            for k in range(3)
        ]
        return bracket_around(ends[0], max(ends[0], ends[2]), ends[1], self.guarantee)

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes: the attributes under their names, but `descent`.

        And "initial_loss", and "steps_to": brackets of `time_to` for p of 0.1, 0.01 and 0.001.
        """
        facts = {
            field.name: plain(getattr(self, field.name))
            for field in fields(self)
            if field.name != "descent"
        }
        fractions = () if self._why_not_falling(flow=False) else FRACTIONS
        times = [{"p": p, **self.time_to(p).to_dict()} for p in fractions]
        return facts | {"initial_loss": plain(self.initial_loss), "steps_to": times}

    def plot(self, path: str | Path | None = None, ax: Axes | None = None) -> Axes:
        """Draw the loss relative to the first against the steps, with its bounds.

        Parameters
        ----------
        path : str or Path, optional
            A file to write, which ends in .png, .svg or .pdf.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; None makes a figure, which without `path` is pyplot's, so that a
            notebook shows it.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn into.

        Raises
        ------
        ValueError
            If the file has another ending.
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        """
        from fastgram.plotting.curves import plot_curves

        return plot_curves({"": self}, path, ax)

    def _why_not_falling(self, flow: bool) -> str:
        """Return why the loss need not fall from step to step; empty where it does."""
        if self.descent.is_indefinite:
            return "the matrix has a negative eigenvalue"
        if not flow and self.step_size * self.largest.upper > 2.0:
            return f"the step size {self.step_size:.3g} is above 2/λ_max"
        return ""

    def _repr_html_(self) -> str:
        losses = zip(self.steps.flat, self._each(), strict=True)
        rows: dict[str, Bracket | None] = {f"loss after {t}": loss for t, loss in losses}
        if not self._why_not_falling(flow=False):
            rows |= {f"steps to {part:g}": self.time_to(part) for part in FRACTIONS}
        return bracket_table("Training curve", rows, self.message)

    def _each(self) -> list[Bracket]:
        ends = zip(self.lower.flat, self.upper.flat, self.estimate.flat, strict=True)
        return [bracket_around(low, high, middle, self.guarantee) for low, high, middle in ends]

    def __str__(self) -> str:
        parts = [
            f"loss after {t} steps {bracket}"
            for t, bracket in zip(self.steps.flat, self._each(), strict=True)
        ]
        return ", ".join(parts) + "\n" + self.message


def _first(holds: Callable[[float], bool]) -> float:
    """Return the first whole number for which it holds, as if it did from then on; else ∞."""
    high = 1.0
    if holds(0.0):
        return 0.0
    while not holds(high):
        high *= 2.0
        if high > _LONGEST:
            return math.inf
    low = math.floor(high / 2.0)
    while high - low > 1:
        middle = math.floor((low + high) / 2.0)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return float(high)
