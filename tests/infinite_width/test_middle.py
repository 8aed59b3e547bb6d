"""The middle of a table as one polynomial: against duals, mpmath, and the error of the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.cases import KINDS, RECORDS
from mpmath import mpf

from fastgram import Network, get_activation
from fastgram.infinite_width.kernel_function import middle_of_norm, profile_of_norm, table_of_norm
from fastgram.infinite_width.tables import cosine_table
from fastgram.infinite_width.tables.cosine_table import Profile, build_middle, build_table
from fastgram.kernels.contract import MIDDLE_TERMS, NARROW_TERMS
from fastgram.network.duals import dual_entries

VALUES = json.loads((Path(__file__).parents[1] / "data" / "dual_values.json").read_text("utf-8"))
QUICK = ("relu", "tanh", "selu")
CASES = [
    pytest.param(name, kind, id=f"{name}-{kind}", marks=[pytest.mark.slow] * (name not in QUICK))
    for name in RECORDS
    if name != "silu"
    for kind in KINDS
    if (name, kind) != ("step", "gradient")
]
NARROW = set()  # no wide one


def value(middle, rho):
    square = rho * rho
    return np.polyval(middle.even[::-1], square) + rho * np.polyval(middle.odd[::-1], square)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_error_is_within_the_table_s(name, kind, wide):
    activation, table = get_activation(name), table_of_norm(Network(name), kind, 1.0, "float64")
    middle = middle_of_norm(Network(name), kind, 1.0, wide)
    assert middle.radius >= (0.5625 if wide and (name, kind) not in NARROW else 0.375)
    assert min(middle.even.size, middle.odd.size) >= 1
    assert max(middle.even.size, middle.odd.size) <= (MIDDLE_TERMS if wide else NARROW_TERMS)
    ends = middle.radius * np.array([-1.0, 1.0])
    places = np.random.default_rng(5).uniform(*ends, 12)
    rho = np.concatenate([[0.0, 1e-9, -1e-3], ends, places])
    ones = np.ones_like(rho)
    expected = dual_entries(activation, kind == "gradient", np.arccos(rho), ones, ones)
    if kind == "gradient":
        expected = expected * rho
    assert np.max(np.abs(value(middle, rho) - expected)) <= table.error


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case.values[1] != "ntk"])
def test_error_against_mpmath(name, kind):
    activation, table = get_activation(name), table_of_norm(Network(name), kind, 1.0, "float64")
    middle = middle_of_norm(Network(name), kind, 1.0)
    for r in VALUES:
        rho = np.float64(r["rho"])
        same = get_activation(r["activation"], **r["parameters"]).name == activation.name
        if not same or r["derivative"] != (kind == "gradient") or not r["q1"] == r["q2"] == 1.0:
            continue
        if middle is not None and abs(rho) < middle.radius:
            exact = mpf(r["value"]) * (mpf(float(rho)) if kind == "gradient" else 1)
            assert abs(mpf(float(value(middle, rho))) - exact) <= table.error


def of_values(values):
    """A profile of a function of the cosine."""

    def chords(far, offsets):
        sign = -1.0 if far else 1.0
        return (values(np.array([sign])) - values(sign * np.cos(offsets)))[:, None]

    return Profile(values(np.ones(1)), values(-np.ones(1)), chords)


def test_a_polynomial_is_found_again():
    profile = of_values(lambda rho: 0.25 + 0.5 * rho + 0.125 * rho**2 + 0.0625 * rho**5)
    middle = build_middle(profile, build_table(profile))
    assert (middle.radius, middle.even.size, middle.odd.size) == (0.5, 2, 3)
    np.testing.assert_allclose(middle.even, [0.25, 0.125], rtol=1e-13)
    np.testing.assert_allclose(middle.odd, [0.5, 0.0, 0.0625], rtol=0.0, atol=1e-13)


def test_what_needs_a_high_degree_has_none():
    profile = of_values(lambda rho: np.exp(-60.0 * (rho - 0.1) ** 2))
    assert build_middle(profile, build_table(profile)) is None


def test_fewer_coefficients_have_a_narrower_middle(monkeypatch):
    network = Network("relu")
    profile, table = (
        profile_of_norm(network, "nngp", 1.0),
        table_of_norm(network, "nngp", 1.0, "f8"),
    )
    wide = build_middle(profile, table)
    monkeypatch.setattr(cosine_table, "NARROW_TERMS", wide.even.size - 1)
    monkeypatch.setitem(cosine_table._RADII, wide.even.size - 1, (0.5, 0.4375, 0.375))
    narrow = build_middle(profile, table)
    assert narrow.radius < wide.radius
    assert narrow.even.size < wide.even.size


def test_what_the_samples_are_off_by_leaves_the_polynomial_no_room():
    profile = profile_of_norm(Network("relu"), "nngp", 1.0)
    exact, rough = (
        build_middle(off, build_table(off)) for off in (profile, replace(profile, error=1e-9))
    )
    assert (exact.even.size, exact.odd.size) == (rough.even.size, rough.odd.size)
