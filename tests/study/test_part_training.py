"""The part about training: gradient descent by its definition, and a few rows of the part."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastgram.datasets.points import sphere
from fastgram.matrix.gram import gram
from fastgram.network.activations import get_activation
from fastgram.network.network import Network
from fastgram.study.networks.descent import TwoLayers, jumps, train
from fastgram.study.networks.training import PART
from fastgram.study.settings import Settings

X = sphere(5, 8, 0)
Y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])


def test_the_network_is_the_one_that_is_drawn_elsewhere():
    two = TwoLayers.drawn(get_activation("tanh"), 30, 8, 3)
    network = Network("tanh", width=30, seed=3)
    np.testing.assert_allclose(two.gram(X), gram(X, network=network), rtol=1e-12)


def loss(weights, two):
    z = X @ weights.T
    return 0.5 * np.sum((two.activation.f(z) @ two.signs / np.sqrt(two.signs.size) - Y) ** 2)


def test_a_step_goes_down_the_gradient():
    two = TwoLayers.drawn(get_activation("swish"), 7, 8, 0)
    before = two.weights.copy()
    trained = train(two, X, Y, 0.01, 1e-9, 1)
    slope = np.empty_like(before)
    for place in np.ndindex(before.shape):
        step = np.zeros_like(before)
        step[place] = 1e-6
        slope[place] = (loss(before + step, two) - loss(before - step, two)) / 2e-6
    np.testing.assert_allclose((before - two.weights) / 0.01, slope, atol=1e-8)
    assert trained.losses == pytest.approx([loss(before, two), loss(two.weights, two)])
    assert trained.movement == pytest.approx(np.linalg.norm(0.01 * slope), rel=1e-5)


def test_a_linear_network_is_in_the_linear_regime():
    two = TwoLayers.drawn(get_activation("linear"), 40, 8, 0)
    residual = X @ two.weights.T @ two.signs / np.sqrt(40) - Y
    trained = train(two, X, Y, 0.2, 0.01, 1000)
    steps = np.linalg.matrix_power
    of = [steps(np.eye(5) - 0.2 * X @ X.T, t) @ residual for t in range(trained.losses.size)]
    np.testing.assert_allclose(trained.losses, [0.5 * r @ r for r in of], rtol=1e-9)
    assert trained.losses[-1] <= 0.01 * trained.losses[0] < trained.losses[-2]
    assert trained.gram_movement == 0.0


def test_it_ends():
    diverging = train(TwoLayers.drawn(get_activation("relu"), 9, 8, 0), X, Y, 1e200, 0.01, 50)
    assert diverging.losses.size <= 52


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("relu", True), ("selu", True), ("hard_tanh", True), ("elu", False), ("gelu", False)],
)
def test_where_the_derivative_jumps(activation, expected):
    assert jumps(get_activation(activation)) == expected


@pytest.fixture(scope="module")
def rows():
    cases = [
        case
        for case in PART.cases("quick", 1)
        if case.activation in ("relu", "tanh") and case.parameters["width"] in (256, 4096)
    ]
    return [PART.compute(case, Settings()) for case in cases]


def words(rows):
    return {verdict.name: verdict.word for verdict in PART.verdicts(rows)}


def test_what_rows_say(rows):
    found = words(rows)
    assert set(found.values()) == {"holds"}
    assert found.keys() >= {"order of activations", "steps, relu, m = 4096"}
    assert "movement of the matrix, tanh" in found
    assert "tanh m^" in PART.seen(rows, PART.verdicts(rows))
    PART.draw(rows, Figure().subplots(1, PART.panels))


def test_weights_move_as_far_as_predicted(rows):
    for row in rows:
        if row.case.parameters["width"] == 4096:
            predicted = row.values["movement_predicted"]
            assert row.values["movement"] == pytest.approx(predicted, rel=0.1)


def test_other_steps_do_not_pass(rows):
    def slower(row, factor):
        taken = {k: v * factor for k, v in row.values.items() if k.startswith("steps_to")}
        moved = row.values["gram_movement"] * row.case.parameters["width"] ** 0.5
        return replace(row, values={**row.values, **taken, "gram_movement": moved})

    wrong = [slower(row, 5.0 if row.case.activation == "relu" else 1.2) for row in rows]
    found = words(wrong)
    assert set(found.values()) == {"does not hold", "holds"}
    assert found["bound by λ_min, tanh, m = 4096"] == "holds"
    assert [name for name, word in found.items() if word == "holds"] == [
        "bound by λ_min, tanh, m = 4096"
    ]
    worse = [
        replace(row, lower=row.lower * (1e-3 if row.case.activation == "relu" else 1.0))
        for row in rows
    ]
    assert words(worse)["order by λ_min alone"] == "does not hold"
    never = [replace(row, values={**row.values, "steps_to_0.01": np.nan}) for row in rows]
    assert words(never)["steps, relu, m = 4096"] == "does not hold"


def test_seeds_that_differ_say_nothing_of_a_power(rows):
    def scattered(row):
        moved = row.values["gram_movement"] * row.case.parameters["width"] ** 0.12
        seeds = [replace(row.case, seed=seed) for seed in (0, 1, 2)]
        return [
            replace(row, case=case, values={**row.values, "gram_movement": moved * factor})
            for case, factor in zip(seeds, (0.3, 1.0, 1.4), strict=True)
        ]

    many = [one for row in rows for one in scattered(row)]
    assert words(many)["movement of the matrix, tanh"] == "cannot be said"
