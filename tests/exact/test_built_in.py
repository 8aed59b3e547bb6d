"""Which formula in ball arithmetic an activation has, and that saying so loads no python-flint."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastgram as fg
from fastgram.exact.built_in import formula_of, has_formula

flint = pytest.importorskip("flint")


def test_every_one_has_one():
    for name in fg.activation_names():
        assert has_formula(name)
        assert fg.get_activation(name).ball is None
        assert hasattr(formula_of(fg.get_activation(name)), "expectations")


@pytest.mark.parametrize("name", ["leaky_relu(negative_slope=0.25)", "swish(beta=2.0)", "silu"])
def test_parameters_reach_the_formula(name):
    activation = fg.get_activation(name)
    formula = formula_of(pickle.loads(pickle.dumps(activation)))
    if "leaky" in name:
        assert formula.left == 0.25
    else:
        beta = 2.0 if "2.0" in name else 1.0
        z = flint.arb(1) / 4
        expected = float(activation.f(np.array([0.25]))[0])
        assert float(formula.function.value(z).mid()) == pytest.approx(expected, rel=1e-15)
        assert formula.function.half_width == pytest.approx(3.0 / beta)


def test_trailing_zeros_of_a_polynomial_go():
    formula = formula_of(fg.get_activation("polynomial", coefficients=[0.0, 1.0, 2.0, 0.0, 0.0]))
    assert formula.coefficients == (0.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("polynomial", {"coefficients": [0.0, 1.0, 1.0]}), ("leaky_relu", {"negative_slope": 0.01}),
     ("leaky_relu", {"negative_slope": 0.0}), ("relu", {}), ("swish", {"beta": 1.0})],
)  # fmt: skip
def test_defaults_that_are_written_out(name, parameters):
    activation = fg.get_activation(name, **parameters)
    for one in (activation, pickle.loads(pickle.dumps(activation))):
        assert formula_of(one) is not None


def test_the_ball_of_ones_own_wins():
    own = formula_of(fg.get_activation("erf"))
    activation = dataclasses.replace(fg.get_activation("tanh"), ball=lambda: own)
    assert formula_of(activation) is own


def test_a_record_with_other_functions_has_none_by_its_name():
    tanh = fg.get_activation("tanh")
    assert has_formula(dataclasses.replace(tanh, description="a bounded function"))
    half = dataclasses.replace(tanh, f=lambda z: np.tanh(z) / 2, df=lambda z: tanh.df(z) / 2)
    assert half.name == "tanh"
    assert not has_formula(half)


def test_python_flint_is_not_needed_to_say_so():
    code = (
        "import sys; sys.modules['flint'] = None\n"
        "from fastgram.exact.built_in import has_formula\n"
        "assert has_formula('tanh') and has_formula('elu')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
