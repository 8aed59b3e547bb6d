"""Parts about rows on their smallest cases: the right verdicts, and wrong ones of wrong rows."""

from __future__ import annotations

import dataclasses
import math

import pytest
from matplotlib.figure import Figure

import fastgram as fg
from fastgram.study.catalogue import load_part
from fastgram.study.part import Row
from fastgram.study.rows import bundled, circle, polynomial, shared
from fastgram.study.settings import Settings

# The cases of each part that take no time and let something be said.
FEW = {
    "separation": lambda case: (
        (case.activation in ("relu", "tanh") and case.parameters["delta"] in (1e-2, 1e-3))
        or (case.activation == "relu" and case.parameters["delta"] < 1e-5)
    ),
    "circle": lambda case: case.activation == "relu" or case.n < 100,
    "analytic": lambda case: case.activation in ("erf", "tanh") and case.n < 50,
    "dimension": lambda case: (
        case.n < 100
        and case.parameters["dim"] in (2, 10)
        and case.activation in ("relu", "tanh", "polynomial")
    ),
    "smoothed": lambda case: case.activation in ("relu", "gelu") and case.seed == 0,
    "high_dimension": lambda case: case.activation == "elu" and case.n < 200,
    "polynomial": lambda case: case.n < 12,
    "real_data": lambda case: (
        case.data == "iris"
        and (
            case.activation == "relu"
            or (case.activation, case.parameters["rows"]) == ("tanh", "distinct")
        )
    ),
}
# Verdicts that rows 1.4 times as large must not leave as they are.
TELLING = {
    "separation": "constant, relu",
    "circle": "value, relu",
    "analytic": "value, tanh",
    "dimension": "bounds",
    "high_dimension": "edge, elu",
}


@pytest.fixture(scope="module")
def computed():
    """A function from a part's name to the part and the rows of its few cases, computed once."""
    found = {}

    def get(name):
        if name not in found:
            part = load_part(name)
            cases = [case for case in part.cases("quick", 1) if FEW[name](case)]
            found[name] = part, [part.compute(case, Settings()) for case in cases]
        return found[name]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_what_is_expected_holds(name, computed):
    if name == "real_data":
        pytest.importorskip("sklearn.datasets")
    part, rows = computed(name)
    verdicts = part.verdicts(rows)
    # of a slope through three draws nothing is demanded
    told = [verdict for verdict in verdicts if not verdict.name.startswith("slope, relu, d'")]
    assert told
    assert {verdict.name: verdict.word for verdict in told} == {
        verdict.name: "holds" for verdict in told
    }
    assert all(row.values.keys() <= set(part.values) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", TELLING)
def test_rows_of_another_matrix_are_told(name, computed):
    part, rows = computed(name)
    wrong = [dataclasses.replace(row, lower=1.4 * row.lower, upper=1.4 * row.upper) for row in rows]
    words = {verdict.name: verdict.word for verdict in part.verdicts(wrong)}
    assert words[TELLING[name]] == "does not hold"


@pytest.mark.slow
def test_a_slope_that_is_wrong(computed):
    part, rows = computed("separation")
    bent = [
        dataclasses.replace(row, lower=row.lower * scale, upper=row.upper * scale)
        for row in rows
        for scale in [float(row.case.parameters["delta"]) ** 0.1]
    ]
    words = {verdict.name: verdict.word for verdict in part.verdicts(bent)}
    assert words["slope, relu"] == words["slope, tanh"] == "does not hold"


@pytest.mark.slow
def test_a_zero_that_is_none(computed):
    part, rows = computed("polynomial")
    wrong = [dataclasses.replace(row, lower=0.0, upper=0.0, guarantee="exact") for row in rows]
    assert {verdict.word for verdict in part.verdicts(wrong)} == {"does not hold"}


@pytest.mark.slow
def test_smooth_rows_that_noise_does_not_help(computed):
    part, rows = computed("smoothed")
    bare = {row.case.activation: row for row in rows if row.case.parameters["sigma"] == 0.0}
    wrong = [dataclasses.replace(bare[row.case.activation], case=row.case) for row in rows]
    words = {verdict.name: verdict.word for verdict in part.verdicts(wrong)}
    assert words["power, gelu"] == words["against no noise, gelu"] == "does not hold"
    assert words["against no noise, relu"] == "holds"


@pytest.mark.slow
def test_a_repeat_that_is_missed(computed):
    pytest.importorskip("sklearn.datasets")
    part, rows = computed("real_data")
    wrong = [dataclasses.replace(row, lower=1.0, upper=1.0, guarantee="certified") for row in rows]
    words = {verdict.name: verdict.word for verdict in part.verdicts(wrong)}
    assert words["repeats"] == "does not hold"


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_figures(name, computed):
    if name == "real_data":
        pytest.importorskip("sklearn.datasets")
    part, rows = computed(name)
    axes = list(Figure().subplots(1, part.panels, squeeze=False)[0])
    part.draw(rows, axes)
    assert all(panel.get_legend_handles_labels()[1] for panel in axes)
    assert part.seen(rows, part.verdicts(rows))
    part.draw([], list(Figure().subplots(1, part.panels, squeeze=False)[0]))


@pytest.mark.parametrize(
    ("seeds", "word", "flat_word"),
    [(1, "cannot be said", "cannot be said"), (40, "holds", "does not hold")],
)
def test_a_slope_that_chance_could_make_says_nothing(seeds, word, flat_word):
    part, values = load_part("dimension"), {"bound": 1.0, "edge": math.nan}
    cases = [case for case in part.cases("quick", seeds) if case.activation == "relu"]
    powers = {2: -2.0, 3: -1.0, 5: -0.5}
    rows = [
        Row(case, *2 * (case.n**power,), "certified", True, 0.0, values)
        for case in cases
        for power in [powers.get(case.parameters["dim"], 0.0)]
    ]
    words = {verdict.name: verdict.word for verdict in part.verdicts(rows)}
    assert [words[f"slope, relu, d' = {dim}"] for dim in powers] == 3 * [word]
    flat = [dataclasses.replace(row, lower=1.0, upper=1.0) for row in rows]
    words = {verdict.name: verdict.word for verdict in part.verdicts(flat)}
    assert words["slope, relu, d' = 2"] == flat_word


def test_brackets_that_nobody_took_meet_nothing():
    case = next(case for case in load_part("circle").cases("default", 1) if case.n > 5000)
    row = Row(case, 1e-5, 1e-5, "certified", True, 0.0, dict.fromkeys(circle.PART.values, math.nan))
    assert "brackets" not in {verdict.name for verdict in circle.PART.verdicts([row])}


# --- what parts are made of -----------------------------------------------------------------------


@pytest.mark.parametrize(("degree", "dim"), [(2, 2), (3, 3), (4, 2), (3, 4)])
@pytest.mark.parametrize("alone", [False, True])
def test_ranks_of_rational_points(degree, dim, alone):
    """Of the kernel's own powers at rational points of the sphere, in exact arithmetic."""
    from flint import fmpq, fmpq_mat

    count = polynomial.rank_on_sphere(degree, dim, alone) + 3
    points = []
    for k in range(count):  # stereographic projection
        t = [fmpq(7 * k + 3 * i * i + 1, 5 + i + k * i % 11) for i in range(dim - 1)]
        size = sum((one * one for one in t), fmpq(0))
        points.append([2 * one / (size + 1) for one in t] + [(size - 1) / (size + 1)])
    powers = range(degree % 2 or 2, degree + 1, 2) if alone else range(1, degree + 1)
    entries = []
    for x in points:
        for y in points:
            cosine = sum((a * b for a, b in zip(x, y, strict=True)), fmpq(0))
            entries.append(sum((cosine**k for k in powers), fmpq(0)))
    assert fmpq_mat(count, count, entries).rank() == count - 3


def test_ball_arithmetic_where_float64_sees_nothing():
    case = load_part("separation").cases("quick", 1)[0]
    X = fg.datasets.circle(21)
    seen = shared.resolved_row(dataclasses.replace(case, activation="relu"), X, Settings())
    proven = shared.resolved_row(dataclasses.replace(case, activation="swish"), X, Settings())
    assert seen.upper - seen.lower > 1e-15
    assert proven.upper == pytest.approx(1.06347e-11, rel=1e-2)
    assert proven.guarantee == "certified"


def test_bundled_data():
    pytest.importorskip("sklearn.datasets")
    for name, shape in bundled.BUNDLED.items():
        X = bundled.unit_rows(name, False)
        assert X.shape == shape
        assert (X**2).sum(axis=1) == pytest.approx(1.0, rel=1e-14)
    assert len(bundled.unit_rows("iris", True)) == 149


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda library: None)
    part = load_part("real_data")
    assert {case.data for case in part.cases("default", 1)} == {"digits"}
    assert "pip install 'fastgram[sklearn,images]'" in part.seen([], [])
