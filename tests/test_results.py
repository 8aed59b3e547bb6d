"""What comes back, as others take it: dicts for JSON, words and HTML for people."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from commands import strict

import fastgram as fg

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
