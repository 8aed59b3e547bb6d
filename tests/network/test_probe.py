"""Activations that cannot be used, told when they are made; and those that only look like it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastgram as fg


def d_tanh(z):
    return 1.0 - np.tanh(z) ** 2


def relu(z):
    return np.maximum(z, 0.0)


def step(z):
    return 1.0 * (z > 0)


def single(z):
    return np.tanh(z.astype(np.float32))


UNUSABLE = {
    "scalar function": (math.tanh, d_tanh, (), ["f must take", "numpy.tanh, not math.tanh"]),
    "scalar derivative": (np.tanh, lambda z: 1 - math.tanh(z) ** 2, (), ["df must take"]),
    "if": (lambda z: z if z > 0 else 0, step, (0,), ["f must take", "numpy.where, not if"]),
    "nothing": (lambda z: None, np.ones_like, (), ["f is not finite"]),
    "float32": (single, d_tanh, (), ["f returns float32"]),
    "float16": (np.tanh, lambda z: d_tanh(z).astype("f2"), (), ["df returns float16"]),
    "float32 inside": (lambda z: single(z).astype(float), d_tanh, (), ["f computes in float32"]),
    "float32 derivative": (
        np.tanh,
        lambda z: d_tanh(z.astype(np.float32)).astype(float),
        (),
        ["df computes in float32"],
    ),
    "complex": (lambda z: 1j * z, np.ones_like, (), ["f must take", "complex"]),
    "flat shape": (lambda z: np.tanh(z).ravel(), d_tanh, (), ["shape (4, 6)", "(24,)"]),
    "part": (lambda z: np.tanh(z)[:2], d_tanh, (), ["shape (4, 6)", "(2, 6)"]),
    "list": (lambda z: [1.0] * 3, np.zeros_like, (), ["shape (4, 6)", "(3,)"]),
    "one more axis": (lambda z: np.tanh(z)[None], d_tanh, (), ["shape (4, 6)", "(1, 4, 6)"]),
    "sum": (lambda z: np.tanh(z).sum(), d_tanh, (), ["f must be elementwise"]),
    "softmax": (lambda z: np.exp(z) / np.exp(z).sum(), np.exp, (), ["f must be elementwise"]),
    "sorted": (lambda z: np.sort(z, axis=-1), np.ones_like, (), ["f must be elementwise"]),
    "chance": (
        lambda z: z + np.random.default_rng().standard_normal(z.shape),
        np.ones_like,
        (),
        ["f must be elementwise", "from call to call"],
    ),
    "integers": (  # the first value decides, and here it is 0
        np.vectorize(lambda z: z if z > 0 else 0),
        step,
        (0,),
        ["f must be elementwise"],
    ),
    "not everywhere": (np.log, lambda z: 1 / z, (), ["f is not finite at z = -2.7"]),
    "another derivative": (np.tanh, np.cos, (), ["df is not the derivative of f"]),
    "itself": (np.tanh, np.tanh, (), ["df is not the derivative of f"]),
    "even for odd": (np.cos, np.sin, (), ["df is not the derivative of f"]),
    "zero": (np.tanh, np.zeros_like, (), ["df is not the derivative of f"]),
    "a little off": (np.tanh, lambda z: 1.0001 * d_tanh(z), (), ["df is not the derivative"]),
    "other side": (relu, lambda z: 1.0 * (z < 0), (0,), ["df is not the derivative of f"]),
    "between kinks": (
        lambda z: np.clip(z, -1, 1),
        lambda z: 1.0 * (np.abs(z) > 1),
        (-1, 1),
        ["df is not the derivative of f"],
    ),
    "of small size": (
        lambda z: 1e-200 * np.tanh(z),
        lambda z: 1e-200 * np.cos(z),
        (),
        ["df is not the derivative of f"],
    ),
    "of large size": (
        lambda z: 1e200 * np.tanh(z),
        lambda z: 1e200 * np.cos(z),
        (),
        ["df is not the derivative of f"],
    ),
    "inner derivative": (
        lambda z: np.tanh(z / 100),
        lambda z: d_tanh(z / 100),
        (),
        ["df is not the derivative of f"],
    ),
    "of another scale": (
        lambda z: np.tanh(1000 * z),
        lambda z: 2000 * d_tanh(1000 * z),
        (),
        ["df is not the derivative of f"],
    ),
    "only far out": (
        lambda z: np.where(np.abs(z) > 4, 4 * np.sign(z), z),
        np.ones_like,
        (-4, 4),
        ["df is not the derivative of f"],
    ),
    "a jump": (lambda z: 1.0 * (z > 0.3), np.zeros_like, (), ["f jumps at z = 0.3", "kinks="]),
    "a jump at 1": (lambda z: 1.0 * (z > 1.0), np.zeros_like, (), ["f jumps at z = 1:", "kinks="]),
    "to 2": (lambda z: 1.0 * (z >= 2.0), np.zeros_like, (), ["f jumps at z = 2:", "kinks="]),
    "about 1": (lambda z: z + np.sign(z - 1.0), np.ones_like, (), ["f jumps at z = 1:", "kinks="]),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used(name, refuses):
    f, df, kinks, words = UNUSABLE[name]
    with refuses((TypeError, ValueError), "activation 'mine': ", *words):
        fg.Activation("mine", f, df, kinks)


def test_a_ball_is_a_function(refuses):
    with refuses(TypeError, "ball must be callable"):
        fg.Activation("mine", np.tanh, d_tanh, ball=3)


USABLE = {
    "plain": (np.tanh, d_tanh, ()),
    "vectorised": (np.vectorize(math.tanh), d_tanh, ()),
    "of Python's numbers": (np.frompyfunc(math.tanh, 1, 1), d_tanh, ()),
    "differences": (np.tanh, lambda z: (np.tanh(z + 1e-6) - np.tanh(z - 1e-6)) / 2e-6, ()),
    "forward differences": (np.tanh, lambda z: (np.tanh(z + 1e-6) - np.tanh(z)) / 1e-6, ()),
    "careless in the tails": (
        lambda z: 0.5 * z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))),
        lambda z: (
            0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
            + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        ),
        (),
    ),
    "naive sigmoid": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        (),
    ),
    "step": (step, np.zeros_like, (0,)),
    "step of bools": (lambda z: z > 0, lambda z: 0, (0,)),
    "sign without its kink": (np.sign, np.zeros_like, ()),
    "half at 0": (lambda z: np.heaviside(z, 0.5), np.zeros_like, (0,)),
    "stairs": (np.floor, np.zeros_like, range(-40, 41)),
    "two steps": (lambda z: 1.0 * (z > 1) + (z > 2), np.zeros_like, (1, 2)),
    "a jump and slopes": (
        lambda z: np.where(np.abs(z) > 0.5, z, 0.0),
        lambda z: 1.0 * (np.abs(z) > 0.5),
        (-0.5, 0.5),
    ),
    "a forgotten kink": (lambda z: np.maximum(z, 0.3), lambda z: 1.0 * (z > 0.3), ()),
    "identity": (lambda z: z, lambda z: 1, ()),
    "constant": (lambda z: 2.0, lambda z: 0.0, ()),
    "lists": (lambda z: z.tolist(), np.ones_like, ()),
    "a root": (
        lambda z: np.sqrt(np.abs(z)),
        lambda z: np.sign(z) / (2 * np.sqrt(np.abs(z))),
        (0,),
    ),
    "nan at 0": (lambda z: np.sin(z) / z, lambda z: np.cos(z) / z - np.sin(z) / z**2, ()),
    "fast": (lambda z: np.sin(300 * z), lambda z: 300 * np.cos(300 * z), ()),
    "growing": (lambda z: np.exp(z * z), lambda z: 2 * z * np.exp(z * z), ()),
    "very small": (lambda z: 1e-200 * np.tanh(z), lambda z: 1e-200 * d_tanh(z), ()),
    "beside a large constant": (lambda z: 1e6 + np.tanh(z), d_tanh, ()),
    "sharp": (lambda z: np.tanh(1e7 * (z - 0.375)), lambda z: 1e7 * d_tanh(1e7 * (z - 0.375)), ()),
}


@pytest.mark.parametrize("name", USABLE)
def test_what_can_be_used(name):
    f, df, kinks = USABLE[name]
    fg.Activation("mine", f, df, kinks)


@pytest.mark.parametrize("exponent", [-300, -12, -3, 0, 3, 12, 300])
def test_parameters_of_any_size(exponent):
    size = 10.0**exponent
    for name in ("elu(alpha={})", "celu(alpha={})", "swish(beta={})"):
        fg.get_activation(name.format(size))
    for sign in ("", "-"):
        fg.get_activation(f"leaky_relu(negative_slope={sign}{size})")
        fg.get_activation(f"polynomial(coefficients=[1.0, {sign}{size}])")
        fg.get_activation(f"swish(beta={sign}{size})")


@pytest.mark.parametrize("degree", range(0, 60, 7))
def test_powers(degree):
    fg.get_activation("polynomial", coefficients=[0.0] * degree + [1.0])


def test_it_asks_for_few_values():
    asked = []

    def counted(function):
        def count(z):
            asked.append(np.size(z))
            return function(z)

        return count

    fg.Activation("mine", counted(np.tanh), counted(d_tanh))
    assert 0 < sum(asked) < 10_000  # milliseconds
