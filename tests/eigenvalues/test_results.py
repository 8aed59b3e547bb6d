"""What comes back, as others take it: dicts for JSON, words and HTML for people."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math

import numpy as np
import pytest
from helpers.commands import strict

import fastgram as fg
from fastgram.bracket import Bracket, Brackets

X = fg.datasets.sphere(12, 3, seed=0)


def results():
    op = fg.GramOperator(X, "tanh")
    yield fg.extreme_eigenvalues(op)
    yield fg.extreme_eigenvalues(op, k=3, vectors=True)
    yield fg.extreme_eigenvalues(fg.GramOperator(X, "linear"))
    yield fg.extreme_eigenvalues(np.zeros((3, 3)))
    yield fg.spectral_density(op)
    yield fg.spectral_density(np.zeros((3, 3)))
    pytest.importorskip("flint")
    yield fg.exact_extreme_eigenvalues(X, "tanh")
    yield fg.exact_extreme_eigenvalues(X, "linear")


RESULTS = list(results())
BRACKETS = ("smallest", "largest", "condition", "trace", "log_determinant", "smallest_nonzero")


@pytest.mark.parametrize("answer", RESULTS)
def test_a_result_is_a_dict_for_json(answer):
    found = answer.to_dict()
    assert strict(json.dumps(found, allow_nan=False)) == found
    assert (found["n"], found["message"]) == (answer.n, answer.message)
    for name in BRACKETS:
        bracket = getattr(answer, name, None)
        if bracket is None:
            assert found.get(name) is None
            continue
        assert found[name] == bracket.to_dict()
        assert list(found[name]) == ["lower", "upper", "estimate", "guarantee"]
        for key in ("lower", "upper", "estimate"):
            value = getattr(bracket, key)
            assert found[name][key] == (value if math.isfinite(value) else None)
        assert found[name]["guarantee"] == bracket.guarantee
    for field in dataclasses.fields(answer):
        value = getattr(answer, field.name)
        if isinstance(value, (bool, int, str)) and value != "":
            assert found[field.name] == value


def test_pairs_are_lists():
    few, many = (answer.to_dict()["smallest_pairs"] for answer in RESULTS[:2])
    assert few["vectors"] is None
    assert len(few["values"]) == 1
    assert np.shape(many["vectors"]) == (12, 3)
    assert many["values"] == RESULTS[1].smallest_pairs.values.tolist()


def test_a_bracket_is_a_dict():
    bracket = fg.Bracket(-math.inf, np.float64(1.5), 1.0, "none")
    assert json.dumps(bracket.to_dict(), allow_nan=False) == (
        '{"lower": null, "upper": 1.5, "estimate": 1.0, "guarantee": "none"}'
    )


# --- words and HTML ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({}, "Network('tanh')", "tanh"),
        ({"depth": 3}, "Network('tanh', depth=3)", "tanh, depth 3"),
        (
            {"width": 9},
            "Network('tanh', width=9, seed=0)",
            "tanh, width 9, seed 0",
        ),
        (
            {"width": 9, "seed": 4, "readout": "gaussian"},
            "Network('tanh', width=9, readout='gaussian', seed=4)",
            "tanh, width 9, gaussian readout, seed 4",
        ),
        (
            {"weight_variance": 2.0, "bias_variance": 0.1, "normalize": True},
            "Network('tanh', weight_variance=2.0, bias_variance=0.1, normalize=True)",
            "tanh, weight variance 2, bias variance 0.1, normalized",
        ),
    ],
)
def test_networks_can_be_read(arguments, code, words):
    network = fg.Network("tanh", **arguments)
    assert (repr(network), str(network)) == (code, words)
    assert eval(code, {"Network": fg.Network}) == network
    page = network._repr_html_()
    assert "tanh, smooth" in page
    for value in arguments.values():
        assert ("yes" if value is True else f"{value}".removesuffix(".0")) in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "ntk"}, "GramOperator(12 × 12, ntk of tanh, depth 3, float64, cpu)"),
        ({"dtype": "float32"}, "GramOperator(12 × 12, gradient of tanh, depth 3, float32, cpu)"),
    ],
)
def test_operators_can_be_read(options, words):
    op = fg.GramOperator(X, fg.Network("tanh", depth=3), **options)
    assert repr(op) == str(op) == words
    for part in ("12 × 3", "tanh, depth 3", "cpu", *options.values()):
        assert part in op._repr_html_()


def test_an_operator_of_a_finite_network_can_be_read():
    op = fg.GramOperator(X, fg.Network("relu", width=9))
    assert repr(op) == "GramOperator(12 × 12, gradient of relu, width 9, seed 0, float64, cpu)"


def test_activations_can_be_read():
    assert repr(fg.get_activation("tanh")) == "Activation('tanh', smooth)"
    own = fg.Activation("a<b", np.sinh, np.cosh, kinks=[0, 1])
    assert repr(own) == "Activation('a<b', kinked at 0, 1)"
    assert "a&lt;b" in fg.Network(own)._repr_html_()
    for thing in (own, fg.Network(own), fg.GramOperator(X, own)):
        assert " at 0x" not in repr(thing)


class Cells(html.parser.HTMLParser):
    """The cells of a table, and a check that every tag is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


@pytest.mark.parametrize("answer", RESULTS)
def test_results_as_html(answer):
    cells = Cells(answer._repr_html_()).cells
    for part in ("λ_min", "λ_max", answer.smallest.guarantee, answer.message):
        assert part in cells
    digits = getattr(answer, "largest_digits", f"{answer.largest.estimate:.10g}")
    assert digits in cells
    assert "certified" in Cells(fg.Bracket(1.0, 2.0, 1.5, "certified")._repr_html_()).cells


def test_several_brackets_as_html():
    density = next(answer for answer in RESULTS if isinstance(answer, fg.SpectralDensity))
    cells = Cells(density.quantile([0.1, 0.9])._repr_html_()).cells
    assert f"{density.quantile(0.9).upper:.10g}" in cells


@pytest.mark.parametrize("ends", [(np.nan, 1.0), (0.0, np.nan), (1.0, 0.5)])
def test_no_bracket_has_ends_that_hold_nothing(ends):
    for of in (Bracket, lambda *numbers: Brackets(*map(np.atleast_1d, numbers[:3]), numbers[3])):
        with pytest.raises(ArithmeticError, match="holds nothing: a defect of fastgram"):
            of(*ends, 0.7, "certified")
    assert Bracket(-np.inf, np.inf, 0.7, "none").width == np.inf
