"""The guide's table of conversions, line by line, against the other side's own formulas.

The recursions here are those of the papers, in closed form (arc-cosine and arcsine), and share no
code with the library; a line that is added to the table fails until it has its check.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.tolerances import EPS

import fastgram as fg

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "which_matrix.md"
TANGENTS = json.loads((ROOT / "tests" / "data" / "neural_tangents.json").read_text("utf-8"))
ROWS = 1.7 * fg.datasets.sphere(5, 3, seed=0)  # of one norm, whose tables are quick
D = ROWS.shape[1]
RTOL = 4500 * EPS  # closed forms in float64, of angles that arccos has lost digits of


def arc_cosine(S):
    """Return E relu(u)relu(v) and E step(u)step(v) for pairs of this covariance."""
    norms = np.sqrt(np.diag(S))
    outer = np.outer(norms, norms)
    cosine = np.clip(S / outer, -1.0, 1.0)
    np.fill_diagonal(cosine, 1.0)
    angle = np.arccos(cosine)
    values = outer * (np.sin(angle) + (np.pi - angle) * cosine) / (2.0 * np.pi)
    return values, (np.pi - angle) / (2.0 * np.pi)


def arcsine(S):
    """Return E erf(u)erf(v) for pairs of this covariance (Williams, 1998)."""
    scale = np.sqrt(1.0 + 2.0 * np.diag(S))
    return 2.0 / np.pi * np.arcsin(2.0 * S / np.outer(scale, scale))


def stax(depth, s, b, t=1.0, c=0.0):
    """Return neural-tangents' nngp and ntk of Dense, Relu, ..., Dense, by its own recursion."""
    nngp = s**2 * ROWS @ ROWS.T / D + b**2
    ntk = nngp
    for layer in range(depth):
        values, slopes = arc_cosine(nngp)
        weight, bias = (t, c) if layer == depth - 1 else (s, b)
        nngp, ntk = weight**2 * values + bias**2, weight**2 * ntk * slopes
        ntk = ntk + nngp
    return {"nngp": nngp, "ntk": ntk}


def gram(network, kind, rows=ROWS):
    return fg.gram(rows, network=network, kind=kind)


def agree(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=RTOL * np.abs(theirs).max())


def neural_tangents():
    s, b = 1.3, 0.4
    net = fg.Network(
        "relu", 3, weight_variance=s**2, bias_variance=b**2, input_weight_variance=s**2 / D
    )
    for kind, theirs in stax(3, s, b).items():
        agree(gram(net, kind), theirs)


def neural_tangents_of_scaled_rows():
    """Of the values that neural-tangents itself gave, for √d·X and so for X here."""
    wanted = {"activation": "gelu", "depth": 3, "rows": "unit"}
    record = next(r for r in TANGENTS["records"] if wanted.items() <= r.items())
    rows = np.array(TANGENTS["rows"]["unit"])
    variances = record["weight_variance"], record["bias_variance"]
    here = fg.Network("gelu", 3, None, *variances)
    there = here.replace(input_weight_variance=variances[0] / rows.shape[1])
    for kind in ("nngp", "ntk"):
        theirs = np.array(record[kind])
        agree(gram(here, kind, rows), theirs)
        agree(gram(there, kind, np.sqrt(rows.shape[1]) * rows), theirs)


def neural_tangents_with_another_last_layer():
    s, b, t, c = 1.3, 0.4, 0.7, 0.2
    net = fg.Network(
        "relu", 2, weight_variance=s**2, bias_variance=b**2, input_weight_variance=s**2 / D
    )
    for kind, theirs in stax(2, s, b, t, c).items():
        agree(t**2 * gram(net, kind) + c**2, theirs)


def panigrahi():
    agree(gram(fg.Network("relu"), "gradient"), ROWS @ ROWS.T * arc_cosine(ROWS @ ROWS.T)[1])
    normal = gram(fg.Network("relu", normalize=True), "gradient")
    agree(normal, 2.0 * ROWS @ ROWS.T * arc_cosine(ROWS @ ROWS.T)[1])  # 1/E relu² = 2


def du():
    K = ROWS @ ROWS.T
    for _ in range(2):
        K = 2.0 * arc_cosine(K)[0]
    theirs = K * 2.0 * arc_cosine(K)[1]
    agree(gram(fg.Network("relu", depth=3, normalize=True), "gradient"), theirs)


def arora():
    """Θ = Σ over h of Σ⁽ʰ⁻¹⁾ times the product of the Σ̇ from h on, as the paper writes it."""
    depth = 3
    covariances, slopes = [ROWS @ ROWS.T], []
    for _ in range(depth):
        values, steps = arc_cosine(covariances[-1])
        covariances.append(2.0 * values)
        slopes.append(2.0 * steps)
    slopes.append(np.ones_like(slopes[0]))
    theirs = sum(covariances[h] * np.prod(slopes[h:], axis=0) for h in range(depth + 1))
    agree(gram(fg.Network("relu", depth=depth, normalize=True), "ntk"), theirs)


def jacot():
    beta, layers = 0.3, 3
    S = ROWS @ ROWS.T / D + beta**2
    theta = S
    for _ in range(layers - 1):
        values, steps = arc_cosine(S)
        S = values + beta**2
        theta = theta * steps + S
    net = fg.Network("relu", layers - 1, bias_variance=beta**2, input_weight_variance=1 / D)
    agree(gram(net, "ntk") + beta**2, theta)


def lee():
    weights, biases = 1.6, 0.2
    K = biases + weights * ROWS @ ROWS.T / D
    for _ in range(2):
        K = biases + weights * arc_cosine(K)[0]
    net = fg.Network(
        "relu",
        2,
        weight_variance=weights,
        bias_variance=biases,
        input_weight_variance=weights / D,
    )
    agree(weights * gram(net, "nngp") + biases, K)


def williams():
    agree(gram(fg.Network("erf", bias_variance=1.0), "nngp"), arcsine(ROWS @ ROWS.T + 1.0))


def cho_and_saul():
    norms = np.linalg.norm(ROWS, axis=1)
    angle = np.arccos(np.clip(ROWS @ ROWS.T / np.outer(norms, norms), -1.0, 1.0))
    np.fill_diagonal(angle, 0.0)
    J1 = np.sin(angle) + (np.pi - angle) * np.cos(angle)
    agree(2.0 * gram("relu", "nngp"), np.outer(norms, norms) * J1 / np.pi)
    agree(2.0 * gram("step", "nngp"), 1.0 - angle / np.pi)


def outputs(first, weights, first_bias=0.0):
    """Return E φ(u)φ(v) at the second layer of relu, of variances first/d and then weights."""
    S = first * ROWS @ ROWS.T / D + first_bias / D
    return arc_cosine(weights * arc_cosine(S)[0])[0]


def he():
    net = fg.Network("relu", 2, weight_variance=2, input_weight_variance=2 / D)
    agree(gram(net, "nngp"), outputs(2.0, 2.0))


def lecun():
    agree(gram(fg.Network("relu", 2, input_weight_variance=1 / D), "nngp"), outputs(1.0, 1.0))


def torch_linear():
    third = 1.0 / 3.0  # the variance of U(±1)
    net = fg.Network(
        "relu",
        2,
        weight_variance=1 / 3,
        input_weight_variance=1 / (3 * D),
        input_bias_variance=1 / (3 * D),
    )
    agree(gram(net, "nngp"), outputs(third, third, third))


# By how each line of the table begins.
CHECKS = {
    "neural-tangents: `Dense(m": neural_tangents,
    "the same, given √d·X": neural_tangents_of_scaled_rows,
    "the same, with a last": neural_tangents_with_another_last_layer,
    "Panigrahi": panigrahi,
    "Du et al.": du,
    "Arora et al.": arora,
    "Jacot": jacot,
    "Lee et al.": lee,
    "Williams": williams,
    "Cho and Saul": cho_and_saul,
    "He initialisation": he,
    "LeCun initialisation": lecun,
    "`torch.nn.Linear`": torch_linear,
}


def test_every_line_has_a_check():
    table = PAGE.read_text("utf-8").split("| there | here |\n|---|---|\n")[1].split("\n\n")[0]
    lines = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    unchecked = [line for line in lines if not any(line.startswith(start) for start in CHECKS)]
    assert not unchecked
    assert len(lines) == len(CHECKS)


@pytest.mark.parametrize("start", CHECKS)
def test_conversion(start):
    CHECKS[start]()


@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
def test_variance_two_is_normalising_relu(kind):
    two = gram(fg.Network("relu", depth=3, weight_variance=2.0), kind)
    agree(two, gram(fg.Network("relu", depth=3, normalize=True), kind))
