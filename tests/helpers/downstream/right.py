"""Lines that a package that uses fastgram may write: `mypy --strict` has nothing to say."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, Literal, assert_type

import distributed
import numpy as np
import numpy.typing as npt

import fastgram as fg
from fastgram.sklearn import NetworkKernel, NetworkRidge

X = fg.datasets.sphere(12, 3, seed=0)
assert_type(X, npt.NDArray[np.float64])
assert_type(fg.datasets.digits(), npt.NDArray[np.float64])
images, labels = fg.datasets.digits(return_X_y=True)
assert_type(labels, npt.NDArray[np.int64])
assert_type(fg.datasets.separation(X), float)

network = fg.Network("tanh", depth=2, width=None, readout="gaussian")
own = fg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
assert_type(fg.activation_names(), tuple[str, ...])

assert_type(fg.gram(X), npt.NDArray[np.float64])
assert_type(fg.gram(X, network=network, kind="ntk", device="auto"), npt.NDArray[np.float64])
assert_type(fg.gram(X, X, network=own, dtype="float32"), npt.NDArray[np.float32])
assert_type(fg.gram([[1.0, 2.0]], dtype="float64"), npt.NDArray[np.float64])
out: npt.NDArray[np.float32] = np.empty((12, 12), dtype=np.float32)
assert_type(fg.gram(X, out=out), npt.NDArray[np.float32])
kernel: Callable[..., Any] = functools.partial(fg.gram, network="tanh")

assert_type(fg.dual("tanh", 0.5), np.float64)

op = fg.GramOperator(X, network, kind="nngp", device="cpu", dtype="float64", memory=0)


def on_cluster(client: distributed.Client) -> fg.GramOperator:
    return fg.GramOperator(X, device=client)


assert_type(op.diagonal(), npt.NDArray[np.float64])
assert_type(op.trace(), float)
v: npt.NDArray[np.float32] = np.ones(12, dtype=np.float32)
assert_type(op @ np.ones(12), npt.NDArray[np.float64])
assert_type(op @ v, npt.NDArray[np.float64])
assert_type(op.matvec(np.arange(12)), npt.NDArray[np.float64])
assert_type(op.matvec([1.0] * 12), npt.NDArray[np.float64])
assert_type(op.matmat(X), npt.NDArray[np.float64])
assert_type(op.dot(X), npt.NDArray[np.float64])
imaginary: npt.NDArray[np.complex128] = np.ones(12, dtype=np.complex128)
of_two: npt.NDArray[np.complex128] = op @ imaginary  # of no known type, as another operator's

answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=0.1, k=2, vectors=True)
assert_type(answer, fg.ExtremeEigenvalues)
assert_type(answer.smallest, fg.Bracket)
assert_type(answer.smallest.lower, float)
if answer.smallest.guarantee == "certified":
    print(answer.smallest, answer.one_pass_lower)
assert_type(answer.method, Literal["dense", "lanczos", "inverse", "certified", "arpack"])
json.dumps(answer.to_dict())


def of_kinds(rows: npt.ArrayLike) -> list[fg.Bracket]:
    return [fg.extreme_eigenvalues(fg.GramOperator(rows, kind="ntk")).largest]


density = fg.spectral_density(op, probes=4, passes=None, confidence=0.99)
assert_type(density, fg.SpectralDensity)
assert_type(density.quantile(0.5), fg.Bracket)
assert_type(density.count(0.0, 1.0), fg.Bracket)
several = density.quantile([0.1, 0.9])
if not isinstance(several, fg.Bracket):
    assert_type(several.lower, npt.NDArray[np.float64])
    assert_type(several[0], fg.Bracket)

exact = fg.exact_extreme_eigenvalues(X, "relu", kind="gradient", rows="raw", digits=20)
assert_type(exact.smallest_digits, str)

kernel_of_own = NetworkKernel(own, depth=2, bias_variance_bounds="fixed")
assert_type(kernel_of_own.diag(X), npt.NDArray[np.float64])
ridge = NetworkRidge("relu", kind="nngp", alpha=0.1).fit(X, X[:, 0], sample_weight=[1.0] * 12)
assert_type(ridge.predict(X), npt.NDArray[np.float64])
assert_type(ridge.solution_, fg.Solution)
