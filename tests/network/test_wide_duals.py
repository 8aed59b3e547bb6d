"""fg.dual at variances from 1e-16 to 1e16, against 20-digit values from mpmath."""

from __future__ import annotations

import itertools
import json
from decimal import Context, Decimal
from pathlib import Path

import numpy as np
import pytest
from helpers.tolerances import DUAL, EPS, FEW

import fastgram as fg
from fastgram import dual, get_activation

PATH = Path(__file__).parents[1] / "data" / "wide_dual_values.json"
VALUES = json.loads(PATH.read_text("utf-8"))
EXACT = Context(prec=40)


def case_of(record):
    return f"{record['activation']} f{'′' * record['derivative']}"


CASES = {key: list(group) for key, group in itertools.groupby(VALUES, key=case_of)}


def size_of(records, q1, q2):
    """√(E f(u)² E f(v)²), at least E|f(u)f(v)|; of what is not among the records by fastgram."""
    squares = {r["q1"]: float(r["value"]) for r in records if r["rho"] == 1 and r["q1"] == r["q2"]}
    for q in (q1, q2):
        if q not in squares:
            record = records[0]
            squares[q] = float(dual(record["activation"], 1.0, q, q, record["derivative"]))
    return np.sqrt(squares[q1]) * np.sqrt(squares[q2])


def errors_of(records):
    """Of records of one activation and two variances: one call for all correlations."""
    first = records[0]
    found = dual(
        first["activation"],
        np.array([record["rho"] for record in records]),
        first["q1"],
        first["q2"],
        first["derivative"],
    )
    return [
        abs(float(EXACT.subtract(Decimal(float(value)), Decimal(record["value"]))))
        for value, record in zip(found, records, strict=True)
    ]


def check(records, tested):
    """Judge errors twice: as promised, and relative to the size of f, however small that is.

    The promise is 2e-14 relative to max(1, |value|), or a rounding of E|f(u)f(v)| where that is
    more: at a large variance and a correlation near −1 a value may be 1e-8 of that, and less.
    """
    misses = []
    pairs = itertools.groupby(tested, key=lambda record: (record["q1"], record["q2"]))
    groups = [list(group) for _, group in pairs]
    errors = itertools.chain.from_iterable(map(errors_of, groups))
    for record, error in zip(itertools.chain(*groups), errors, strict=True):
        value = abs(float(record["value"]))
        size = size_of(records, record["q1"], record["q2"])
        promised = max(DUAL * max(1.0, value), FEW * EPS * size)
        if not error <= promised or error > 2 * FEW * EPS * size:
            misses.append((record["rho"], record["q1"], record["q2"], record["value"], error))
    assert misses == []


def test_the_oracle_has_every_activation_at_every_point():
    names = {get_activation(name).name for name in fg.activation_names()}
    assert {record["activation"] for record in VALUES} == names
    assert len(CASES) == 2 * len(names)
    assert {len(group) for group in CASES.values()} == {84}


def one_of(case, points):
    """One, another for the next activation, and f's is not that of its f′."""
    activation, derivative = divmod(list(CASES).index(case), 2)
    return points[(activation + derivative) % len(points)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_dual_against_mpmath(case):
    equal = [r for r in CASES[case] if r["q1"] == r["q2"]]
    wanted = one_of(case, list(dict.fromkeys(r["q1"] for r in equal)))
    check(CASES[case], [r for r in equal if r["q1"] == wanted])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_variances_against_mpmath(case):
    unequal = [r for r in CASES[case] if r["q1"] != r["q2"]]
    wanted = one_of(case, list(dict.fromkeys((r["q1"], r["q2"]) for r in unequal)))
    check(CASES[case], [r for r in unequal if (r["q1"], r["q2"]) == wanted])


@pytest.mark.parametrize("case", ["tanh f", "relu6 f′"])
def test_some_of_them(case):
    """Of the least and the largest variances."""
    wanted = (1e-16, 1e-16), (1e16, 1e16)
    records = CASES[case]
    check(records, [r for r in records if (r["q1"], r["q2"]) in wanted and r["rho"] in (-0.3, 1.0)])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_small_variances_keep_relative_digits(case):
    """At variances up to 1e-4 and correlations that are not small: to 1e-14 of the value itself."""
    misses = []
    for record in CASES[case]:
        small = max(record["q1"], record["q2"]) <= 1e-4 and record["rho"] in (0.6, 1 - 1e-8, 1.0)
        if small and not errors_of([record])[0] <= DUAL / 2 * abs(float(record["value"])):
            misses.append((record["rho"], record["q1"], record["q2"], record["value"]))
    assert misses == []
