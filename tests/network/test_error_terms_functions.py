"""What is taken for granted of functions: f and f' to half of FUNCTION_ERROR in the mean square."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.oracles.make_dual_values import all_cases
from mpmath import mp, mpf

import fastgram as fg
from fastgram.infinite_width.conditioning import FUNCTION_ERROR

CASES = all_cases()
SAMPLES = 200


def name_of(case):
    words = ", ".join(f"{key}={value}" for key, value in case.parameters.items())
    return f"{case.name}({words})" if words else case.name


def test_every_activation_is_here():
    others = {"silu": "swish"}  # names of their own for the same
    assert {case.name for case in CASES} == set(fg.activation_names()) - set(others)
    z = np.linspace(-9.0, 9.0, 99)
    for name, known in others.items():
        same, activation = fg.get_activation(name), fg.get_activation(known)
        assert np.array_equal(same.f(z), activation.f(z))
        assert np.array_equal(same.df(z), activation.df(z))


@pytest.mark.parametrize("variance", [1e-4, 0.01, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_functions_are_as_exact_as_granted(case, variance):
    """Over normal z, relative to the mean square of the function itself."""
    activation = fg.get_activation(name_of(case))
    z = np.random.default_rng(0).standard_normal(SAMPLES) * np.sqrt(variance)
    with mp.workdps(30):
        for computed, function in ((activation.f(z), case.f), (activation.df(z), case.df)):
            exact = [mpf(function(mpf(x))) for x in z.tolist()]
            values = np.broadcast_to(computed, z.shape).tolist()
            missed = mp.fsum((mpf(v) - x) ** 2 for v, x in zip(values, exact, strict=True))
            size = mp.fsum(x * x for x in exact)
            assert missed <= (mpf(FUNCTION_ERROR) / 2) ** 2 * size
