"""Make tests/data/neural_tangents.json: the kernels of deep networks, by neural-tangents.

neural-tangents needs an old JAX and an old NumPy, and so an environment of its own (Python 3.9 to
3.12; on the CPU)::

    python -m venv nt
    nt/bin/python -m pip install -r bench/neural_tangents/requirements.txt
    nt/bin/python bench/neural_tangents/make_values.py

The file holds a JSON object::

    {"origin": {"command": .., "date": .., "versions": {..}, "left_out": "..",
                "disagreement": {activation: {"nngp": .., "ntk": ..}, ..},
                "disagreement_left_out": {activation: {"ntk": ..}, ..}},
     "rows": {"unit": [[..], ..], "free": [[..], ..]},
     "records": [{"activation": .., "depth": .., "weight_variance": .., "bias_variance": ..,
                  "rows": "unit" | "free", "nngp": [[..], ..], "ntk": [[..], ..]}, ..]}

with every float written so that it reads back the same.

**Conventions.** neural-tangents divides inner products by the number of columns d, in its NTK
parameterization, and is therefore given √d·X. Its ``Dense(m, W_std=σw, b_std=σb)`` and activation,
`depth` times, then ``Dense(1, W_std=1, b_std=None)``, have fastgram's "nngp" and "ntk" as their
nngp and ntk. ``LeakyRelu(alpha)`` has slope alpha below 0; the kernel of ``Gelu()`` is that of the
exact one.

**How right it is.** Every entry is compared with the same recursion in the closed forms of
tests/helpers/oracles, to 60 digits. The largest error of an entry, relative to √(KᵢᵢKⱼⱼ), is
recorded in `disagreement`: it is below 1e-14, and a run in which it exceeds 2e-13 writes nothing.
Compare in this way: relative to the entry itself it is below 4e-14 too, but not for sin and cos,
whose entries between long rows are differences of rounded exponentials and can be nothing but
rounding.

One thing is left out, as null: the diagonal of the ntk of relu, leaky_relu and abs. neural-tangents
takes the angle from √(q₁q₂ − c²), where rounding leaves about 1e-16 instead of 0, hence an angle of
1e-8, and E[φ'φ'] is linear in it. (In the nngp the angle's error cancels to first order.)
`disagreement_left_out` says how far off these are: up to 5e-8.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("JAX_PLATFORMS", "cpu")
ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "tests" / "data" / "neural_tangents.json"
sys.path.insert(0, str(ROOT / "tests"))

# by name: none of these is there when fastgram's own environment checks types
jax: Any = importlib.import_module("jax")
stax: Any = importlib.import_module("neural_tangents.stax")
oracle: Any = importlib.import_module("oracles.make_depth_values")
mp: Any = importlib.import_module("mpmath").mp

Matrix = npt.NDArray[np.float64]

LAYERS = {
    "relu": stax.Relu,
    "leaky_relu": lambda: stax.LeakyRelu(0.01),
    "abs": stax.Abs,
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "cos": stax.Cos,
}
KINKED = ("relu", "leaky_relu", "abs")
WEIGHT, BIASES, DEPTHS = 1.7, (0.0, 0.3), (1, 3, 10)
# at depth 10 besides: weights for which norms neither grow nor vanish
STEADY = {
    "relu": 2.0,
    "leaky_relu": 2.0,
    "abs": 1.0,
    "erf": 1.0,
    "gelu": 2.5,
    "sin": 1.3,
    "cos": 2.4,
}
ROWS, COLUMNS = 6, 3
AGREEMENT = 2e-13  # relative to √(KᵢᵢKⱼⱼ)


def make_rows() -> dict[str, Matrix]:
    """Return unit rows at angles from 0.35 to π − 0.35, and others of norms 0.1 to 10."""
    rng = np.random.default_rng(20)
    while True:
        X = rng.standard_normal((ROWS, COLUMNS))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        cosines = np.abs(X @ X.T)[np.triu_indices(ROWS, 1)]
        if cosines.max() < math.cos(0.35):
            break
    norms = np.geomspace(0.1, 10.0, ROWS) * rng.uniform(0.9, 1.1, ROWS)
    return {"unit": X, "free": X * rng.permutation(norms)[:, None]}


def kernels(
    activation: str, depth: int, weight: float, bias: float, X: Matrix
) -> dict[str, Matrix]:
    """Return the entries of neural-tangents for nngp and ntk."""
    b_std = math.sqrt(bias) if bias else None
    layers = []
    for _ in range(depth):
        dense = stax.Dense(1, W_std=math.sqrt(weight), b_std=b_std, parameterization="ntk")
        layers += [dense, LAYERS[activation]()]
    readout = stax.Dense(1, W_std=1.0, b_std=None, parameterization="ntk")
    _, _, kernel_fn = stax.serial(*layers, readout)
    found = kernel_fn(math.sqrt(X.shape[1]) * X, None, ("nngp", "ntk"))
    return {"nngp": np.asarray(found.nngp), "ntk": np.asarray(found.ntk)}


def exact(activation: str, depth: int, weight: float, bias: float, X: Matrix) -> dict[str, Matrix]:
    """Return the same by closed forms of the exact rows, rounded at the end."""
    duals = oracle.closed_duals(activation)
    rows = [[mp.mpf(float(x)) for x in row] for row in X]
    norms = [mp.sqrt(mp.fdot(row, row)) for row in rows]
    result = {kind: np.empty((len(rows), len(rows))) for kind in ("nngp", "ntk")}
    for i, (x, norm) in enumerate(zip(rows, norms, strict=True)):
        for j in range(i + 1):
            cosine = mp.fdot(x, rows[j]) / (norm * norms[j]) if j < i else mp.mpf(1)
            found = oracle.entries(duals, cosine, (norm, norms[j]), weight, bias, (depth,))[depth]
            for kind, matrix in result.items():
                matrix[i, j] = matrix[j, i] = float(found[kind])
    return result


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    mp.dps = 60
    rows = make_rows()
    records, kept, left_out = [], {}, {}
    for activation in LAYERS:
        networks = [(depth, WEIGHT, bias) for depth in DEPTHS for bias in BIASES]
        networks += [(max(DEPTHS), STEADY[activation], bias) for bias in BIASES]
        worst, worst_left_out = {"nngp": 0.0, "ntk": 0.0}, 0.0
        for depth, weight, bias in networks:
            for name, X in rows.items():
                record: dict[str, Any] = {
                    "activation": activation, "depth": depth, "weight_variance": weight,
                    "bias_variance": bias, "rows": name,
                }  # fmt: skip
                theirs = kernels(activation, depth, weight, bias, X)
                right = exact(activation, depth, weight, bias, X)
                for kind, K in theirs.items():
                    scale = np.sqrt(np.diag(right[kind]))
                    error = np.abs(K - right[kind]) / np.outer(scale, scale)
                    record[kind] = K.tolist()
                    if activation in KINKED and kind == "ntk":
                        worst_left_out = max(worst_left_out, float(np.diag(error).max()))
                        np.fill_diagonal(error, 0.0)
                        for i, row in enumerate(record[kind]):
                            row[i] = None
                    worst[kind] = max(worst[kind], float(error.max()))
                records.append(record)
        print(f"{activation:12s} {worst} left out {worst_left_out}", file=sys.stderr, flush=True)
        if max(worst.values()) > AGREEMENT:
            raise ArithmeticError(f"{activation}: neural-tangents is off by {worst}")
        kept[activation] = worst
        if activation in KINKED:
            left_out[activation] = {"ntk": worst_left_out}
    versions = {
        name: importlib.import_module(name).__version__
        for name in ("neural_tangents", "jax", "jaxlib", "numpy", "mpmath")
    }
    origin = {
        "command": "python bench/neural_tangents/make_values.py",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {"python": platform.python_version(), **versions},
        "left_out": "null: the diagonal of the ntk of relu, leaky_relu and abs",
        "disagreement": kept,
        "disagreement_left_out": left_out,
    }
    lines = ",\n".join(json.dumps(record) for record in records)
    head = json.dumps(origin), json.dumps({name: X.tolist() for name, X in rows.items()})
    text = f'{{"origin": {head[0]},\n"rows": {head[1]},\n"records": [\n{lines}\n]}}\n'
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"{len(records)} records in {OUTPUT}, {len(text) // 1000} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
