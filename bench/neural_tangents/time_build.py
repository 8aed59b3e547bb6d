"""Time dense builds by neural-tangents: jitted, float64, on the CPU.

Runs in the environment that make_values.py describes, without fastgram::

    nt/bin/python bench/neural_tangents/time_build.py --activation relu erf --depth 1 10

Rows are ``numpy.random.default_rng(0).standard_normal((n, d))``, each divided by its norm. For each
activation and depth one line of JSON says what was built, with the entries between a few rows, and
then there is one line {"seconds": ..} a build, after a first one that compiles and is not timed.
With ``--in-turn`` each of these waits for a line on standard input, so that another program's
builds can run in between. neural-tangents is given √d·X, for it divides inner products by d; the
layers are ``Dense`` of weight variance 1 without bias and the activation, `depth` times, and a
readout of variance 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import time
from typing import Any

import numpy as np

os.environ.setdefault("JAX_PLATFORMS", "cpu")

# by name: neither is there when fastgram's own environment checks types
jax: Any = importlib.import_module("jax")
stax: Any = importlib.import_module("neural_tangents.stax")

LAYERS = {
    "relu": stax.Relu,
    "leaky_relu": lambda: stax.LeakyRelu(0.01),
    "abs": stax.Abs,
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "cos": stax.Cos,
}
SAMPLE = 32


def say(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def time_case(activation: str, depth: int, options: argparse.Namespace) -> None:
    n, d, kind = options.n, options.d, options.kind
    X = np.random.default_rng(0).standard_normal((n, d))
    X = math.sqrt(d) * X / np.linalg.norm(X, axis=1, keepdims=True)
    layers = []
    for _ in range(depth):
        layers += [stax.Dense(1), LAYERS[activation]()]
    _, _, kernel_fn = stax.serial(*layers, stax.Dense(1))
    build = jax.jit(lambda X: kernel_fn(X, None, kind))
    rows = jax.device_put(X)
    K = build(rows).block_until_ready()
    sample = np.unique(np.linspace(0, n - 1, SAMPLE).astype(int))
    record = {"activation": activation, "depth": depth, "kind": kind, "n": n, "d": d}
    entries = np.asarray(K)[np.ix_(sample, sample)].tolist()
    say(record | {"dtype": str(K.dtype), "sample": sample.tolist(), "entries": entries})
    del K
    for _ in range(options.repeats):
        if options.in_turn and not sys.stdin.readline():
            return
        start = time.perf_counter()
        build(rows).block_until_ready()
        say({"seconds": time.perf_counter() - start})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=4096, help="rows")
    parser.add_argument("--d", type=int, default=100, help="columns")
    parser.add_argument("--kind", choices=["nngp", "ntk"], default="ntk")
    parser.add_argument("--activation", nargs="+", choices=sorted(LAYERS), default=["relu"])
    parser.add_argument("--depth", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=5, help="timed builds a case")
    parser.add_argument("--in-turn", action="store_true", help="a line of input starts a build")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for activation in options.activation:
        for depth in options.depth:
            time_case(activation, depth, options)


if __name__ == "__main__":
    main()
