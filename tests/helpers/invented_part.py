"""A part of the study that was made up: λ_min is δ/2π for relu and δ²/8 for tanh."""

from __future__ import annotations

import math

from fastgram.plotting.studies import draw_brackets, dress
from fastgram.study.fits import fit_power, judged_slope
from fastgram.study.part import Case, Part, Row, by_activation

__all__ = ["InventedPart"]

_DELTAS = {"quick": (0.1, 0.01, 0.001), "default": (0.1, 0.01, 0.001, 1e-6), "full": (1e-9,)}
_SLOPES = {"relu": 1.0, "tanh": 2.0}


class InventedPart(Part):
    """Counts what it computes; `before` is called with each case."""

    name = "invented"
    title = 'An "invented" part with <angles> & ampersands'
    claim = "Somebody claims\nthat λ_min falls with δ."
    derivation = "relu: δ/2π.\n\ntanh: δ²/8."
    parameters = ("delta",)
    values = ("trace",)

    def __init__(self, before=lambda case: None):
        self.before, self.computed = before, []

    def cases(self, size, seeds):
        return [
            Case(f"pair:delta={delta}", seed, 9, 3, name, "gradient", 1, {"delta": delta})
            for name in _SLOPES
            for delta in _DELTAS[size]
            for seed in range(seeds)
        ]

    def compute(self, case, settings):
        self.before(case)
        self.computed.append(case)
        delta = case.parameters["delta"]
        value = delta / (2.0 * math.pi) if case.activation == "relu" else delta**2 / 8.0
        if value < 1e-12:
            return Row(case, -1e-12, 1e-12, "certified", False, 0.01, {"trace": math.nan})
        return Row(case, value * 0.999, value, "certified", True, 0.01, {"trace": 9.0})

    def verdicts(self, rows):
        found = []
        for name, mine in by_activation([row for row in rows if row.resolved]).items():
            ends = [row.lower for row in mine], [row.upper for row in mine]
            fit = fit_power([row.case.parameters["delta"] for row in mine], *ends)
            text = f"the slope of {name}"
            found.append(judged_slope(f"slope, {name}", fit, _SLOPES[name], 0.05, text))
        return found

    def draw(self, rows, axes):
        dress(
            axes[0], "λ_min", "δ", x_scale="linear", y_scale="linear"
        )  # ticks in a tenth of the time
        for name, mine in by_activation(rows).items():
            x = [row.case.parameters["delta"] for row in mine]
            parts = zip(*((row.lower, row.upper, row.resolved) for row in mine), strict=True)
            draw_brackets(axes[0], x, *parts, name)
        axes[0].set_axis_off()

    def seen(self, rows, verdicts):
        return f"{len(rows)} rows were seen."
