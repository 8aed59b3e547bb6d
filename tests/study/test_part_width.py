"""The part about width: moments of one neuron by other means, and a few rows of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastgram.datasets.points import sphere
from fastgram.study.networks.width import PART
from fastgram.study.networks.width_theory import moments_of_one_neuron, norm_of_deviation
from fastgram.study.settings import Settings

ANGLE = 1.0
PAIR = np.array([[1.0, 0.0], [math.cos(ANGLE), math.sin(ANGLE)]])


def of_pair(diagonal, beside):
    return np.array([[diagonal, beside], [beside, diagonal]])


def test_the_norm_of_relu_in_closed_form():
    both = (math.pi - ANGLE) / (2.0 * math.pi)  # that a neuron is on for both rows
    gram = of_pair(0.5, math.cos(ANGLE) * both)
    variance = 2 * (0.5 - 0.25) + 2 * math.cos(ANGLE) ** 2 * (both - both**2)
    assert norm_of_deviation(PAIR, "relu", gram) == pytest.approx(math.sqrt(variance), rel=1e-6)


def test_the_norm_of_tanh_on_a_grid():
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    x, y = np.meshgrid(nodes, nodes)
    density = np.outer(weights, weights) / (2.0 * np.pi)
    slopes = [1.0 / np.cosh(z) ** 2 for z in (x, math.cos(ANGLE) * x + math.sin(ANGLE) * y)]
    gram = of_pair(
        np.sum(density * slopes[0] ** 2), math.cos(ANGLE) * np.sum(density * slopes[0] * slopes[1])
    )
    squares = of_pair(
        np.sum(density * slopes[0] ** 4),
        math.cos(ANGLE) ** 2 * np.sum(density * slopes[0] ** 2 * slopes[1] ** 2),
    )
    expected = math.sqrt(np.sum(squares - gram**2))
    assert norm_of_deviation(PAIR, "tanh", gram) == pytest.approx(expected, rel=1e-6)


def test_the_moments_of_relu_in_closed_form():
    """Of two rows the eigenvectors are their sum and difference."""
    both, one = (math.pi - ANGLE) / (2.0 * math.pi), ANGLE / math.pi
    gram = of_pair(0.5, math.cos(ANGLE) * both)
    found = moments_of_one_neuron(PAIR, "relu", gram)
    descent = one / 4.0 / (2.0 * math.cos(ANGLE) * both)
    assert found.descent == pytest.approx(descent, rel=0.05)
    least = 1.0 - math.cos(ANGLE)  # of a neuron that is on for both; 1/2 where for one
    variance = both * least**2 + one / 4.0 - (both * least + one / 2.0) ** 2
    assert found.fluctuation == pytest.approx(math.sqrt(variance), rel=0.05)


def test_a_linear_network_does_not_fluctuate():
    X = sphere(4, 6, 0)
    gram = X @ X.T
    found = moments_of_one_neuron(X, "linear", gram)
    assert found == pytest.approx((0.0, 0.0), abs=1e-6)


@pytest.fixture(scope="module")
def rows():
    cases = [
        case
        for case in PART.cases("quick", 3)
        if case.activation == "relu" and case.parameters["width"] in ("infinite", 100, 1600)
    ]
    return [PART.compute(case, Settings()) for case in cases]


def words(rows):
    return {verdict.name: verdict.word for verdict in PART.verdicts(rows)}


def test_what_rows_say(rows):
    found = words(rows)
    assert found == {
        "slope of the matrix, relu": "holds",
        "size, relu": "holds",
        "from below, relu": "holds",
        "descent, relu": "holds",
    }
    assert "relu 3" in PART.seen(rows, PART.verdicts(rows))  # some 33 % at m = 100
    PART.draw(rows, Figure().subplots(1, PART.panels))


def test_another_matrix_does_not_pass(rows):
    def changed(row, deviation, smallest):
        if row.case.seed is None:
            return row
        values = {**row.values, "deviation": row.values["deviation"] * deviation(row)}
        scale = smallest(row)
        return replace(row, lower=row.lower * scale, upper=row.upper * scale, values=values)

    def same(row):
        return 1.0

    larger = [changed(row, lambda row: 1.3, same) for row in rows]
    assert words(larger)["size, relu"] == "does not hold"
    flat = [changed(row, lambda row: row.case.parameters["width"] ** 0.1, same) for row in rows]
    assert words(flat)["slope of the matrix, relu"] == "does not hold"
    above = [changed(row, same, lambda row: 2.0) for row in rows]
    assert words(above)["from below, relu"] == "does not hold"
    assert words(above)["descent, relu"] == "does not hold"
