"""Products with a Gram matrix of finite width by its factors: no matrix of n² entries anywhere.

With diag(v) in the middle, (B Bᵀ ∘ F Fᵀ) v = rowsum((B (Bᵀ diag(v) F)) ∘ F): two matrix products of
2·n·m·f flops each for m columns of B and f of F. The columns of B, one a neuron, are taken in
blocks; those of the last layer are computed from that layer's inputs when their turn comes, so
that a network of one hidden layer holds its rows and nothing of size n·m.

Blocks of neurons are what threads share. Their parts are added in the order of the neurons: the
same bits on any number of threads. Activations are evaluated on the CPU, for they are Python
functions of NumPy arrays; where vectors are on a GPU, columns of B go there as they are made, and
the products that an activation has no part in are taken there.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from fastgram.devices.band import Band
from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.finite_width.features import Features, Pair
from fastgram.support.arrays import Array, blocks
from fastgram.support.memory import require_memory
from fastgram.support.threads import in_order

__all__ = ["FactoredProduct", "Factors"]

# Bytes that a thread's columns of B take at most, unless that were fewer than 32 columns.
_NEURON_BYTES = 2**27
_MOST_NEURONS = 256
# Columns of products with V that are worked on at a time: about a second-level cache.
_WIDE = 1024


@dataclass
class Factors:
    """The factors of a Gram matrix of finite width, and products with them.

    Attributes
    ----------
    features : Features
    rows : (n, p) array
        Augmented rows.
    """

    features: Features
    rows: Array
    _last: Array | None = None
    _lower: list[Pair] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def summands(self, device: Device = CPU) -> int:
        """Return how many additions an entry of a product goes through, at most."""
        n, rows = self.rows.shape[0], device.row_block
        worst = 0
        for backward, forward in self.features.columns:
            own = rows + -(-n // rows) + forward  # over rows, then over columns of F
            if backward:
                size = self._neurons()
                own += size + -(-backward // size)
            worst = max(worst, own)
        return worst + len(self.features.columns) + 16

    def _neurons(self) -> int:
        """Return the size of a block of neurons: a function of n and m alone."""
        m = self.features.width
        fitting = _NEURON_BYTES // (8 * self.rows.shape[0])
        # no fewer than 8 blocks where there are neurons enough, so that threads have work
        return int(min(m, max(32, min(_MOST_NEURONS, fitting, m // 8))))

    def multiply(
        self,
        V: Array,
        absolute: bool = False,
        threads: int | None = None,
        device: Device = CPU,
        band: Band | None = None,
    ) -> Array:
        """Return G @ V for an (n, b) block of a device, or with the absolute values of all factors.

        Of a band it is what its blocks of neurons contribute.

        Raises
        ------
        ValueError
            For a network of several layers whose inputs do not fit in the memory that is free.
        """
        inputs, lower = self.materialise_features(threads)
        size = _absolute if absolute else _as_is
        V = size(V)
        forward = size(device.device_copy(inputs))
        tasks: list[_Last | _Lower] = [
            _Last(self.features, inputs, forward, V, neurons, size)
            for neurons in blocks(self.features.width, self._neurons())
        ]
        for pair in lower:
            assert pair.backward is not None
            inputs_below = size(device.device_copy(pair.forward))
            tasks += [
                _Lower(pair.backward, inputs_below, V, neurons, size)
                for neurons in blocks(self.features.width, self._neurons())
            ]
        if band is not None:
            ends = [len(tasks) * end // band.bands for end in (band.number, band.number + 1)]
            tasks = tasks[slice(*ends)]
        out: Array = device.xp.zeros_like(V)
        for part in device.in_order(
            lambda task: task.columns(),
            lambda task, columns: task.product(columns, device),
            tasks,
            threads,
        ):
            out += part
        return out

    def materialise_features(self, threads: int | None) -> tuple[Array, list[Pair]]:
        """Return the inputs of the last layer and the pairs of those below, computed once."""
        network, n = self.features.network, self.rows.shape[0]
        if network.depth == 1:
            return self.rows, []
        with self._lock:
            if self._last is not None:
                return self._last, self._lower
            m, fan = self.features.width, self.features.weights.layers[-1].shape[1]
            lower = network.depth - 1 if self.features.kind == "ntk" else 0
            size = 8 * n * (fan + lower * m + max(0, lower - 1) * fan)
            require_memory(f"inputs of layers of width {m} for {n} rows", size)
            last = np.empty((n, fan))
            between = [np.empty((n, fan)) for _ in range(lower - 1)]
            forwards = [*between, self.rows][-lower:] if lower else []
            pairs = [Pair(np.empty((n, m)), forward) for forward in forwards]

            def fill(rows: slice) -> None:
                if not lower:
                    last[rows] = self.features.forward(self.rows[rows])[0][-1]
                    return
                _, top, *found = self.features.pairs(self.rows[rows])
                last[rows] = top.forward
                for pair, part in zip(pairs, found, strict=True):
                    assert pair.backward is not None
                    pair.backward[rows] = part.backward
                    if pair.forward is not self.rows:
                        pair.forward[rows] = part.forward

            for _ in in_order(fill, blocks(n, self.features.block_rows), threads):
                pass
            self._last, self._lower = last, pairs
            return last, pairs


@dataclass(frozen=True)
class FactoredProduct:
    """Products with a Gram matrix by its factors, on a device.

    Attributes
    ----------
    factors : Factors
    device : Device
    flops : float
        What a product of the planned columns takes.
    """

    factors: Factors
    device: Device
    flops: float
    name: Literal["factored"] = "factored"

    def multiply(self, V: Array, absolute: bool = False) -> Array:
        """Return G @ V for an (n, b) block of the device, or with the absolute factors."""
        return self.factors.multiply(V, absolute, device=self.device)

    def with_row_sums(self, V: Array) -> tuple[Array, Array]:
        """Return G @ V, and the row sums (n, 1) of what the absolute values of the factors make."""
        with self.device.context():
            sums = self.multiply(self.device.xp.ones((V.shape[0], 1)), absolute=True)
            return self.multiply(V), sums

    def band(self, V: Array, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Array]:
        """Return what some neurons contribute: see `fastgram.matrix.products.Product`."""
        with self.device.context():
            part = self.factors.multiply(V, absolute, device=self.device, band=band)
            if row_sums:
                ones = self.device.xp.ones((V.shape[0], 1))
                sums = self.factors.multiply(ones, True, device=self.device, band=band)
                part = self.device.xp.hstack([part, sums])
            return 0, part

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""
        return self.factors.summands(self.device)


def _as_is(array: Array) -> Array:
    return array


def _absolute(array: Array) -> Array:
    return np.abs(array)


class _Columns(NamedTuple):
    """Columns of B and of the values of the last layer, on the host; None where there are none."""

    backward: Array | None
    values: Array | None


@dataclass(frozen=True)
class _Last:
    """The part of a product that some neurons of the last layer bring."""

    features: Features
    inputs: Array
    forward: Any  # inputs or |inputs|, on the device
    V: Any
    neurons: slice
    size: Callable[[Any], Any]

    def columns(self) -> _Columns:
        """Evaluate the activation and its derivative."""
        features, n = self.features, self.inputs.shape[0]
        count = self.neurons.stop - self.neurons.start
        backward = np.empty((n, count)) if features.kind != "nngp" else None
        values = np.empty((n, count)) if features.kind != "gradient" else None
        weights = features.weights.layers[-1][self.neurons]
        for r in blocks(n, CPU.row_block):
            with np.errstate(over="ignore", invalid="ignore"):
                z = self.inputs[r] @ weights.T
                if backward is not None:
                    backward[r] = self.size(features.backward(z, self.neurons))
                if values is not None:
                    values[r] = self.size(features.values(z)) / math.sqrt(features.width)
            features.require_finite(z)
            for found in (backward, values):
                if found is not None:
                    features.require_finite(found[r])
        return _Columns(backward, values)

    def product(self, columns: _Columns, device: Device) -> Any:
        """Return what they bring."""
        part = device.xp.zeros_like(self.V)
        if columns.backward is not None:
            part += _hadamard(device, device.put(columns.backward), self.forward, self.V)
        if columns.values is not None:
            part += _plain(device, device.put(columns.values), self.V)
        return part


@dataclass(frozen=True)
class _Lower:
    """The part of a product that some neurons of a layer below the last bring."""

    backward: Array
    forward: Any
    V: Any
    neurons: slice
    size: Callable[[Any], Any]

    def columns(self) -> _Columns:
        """Return its columns of B, which are there."""
        return _Columns(self.size(self.backward[:, self.neurons]), None)

    def product(self, columns: _Columns, device: Device) -> Any:
        """Return what they bring."""
        assert columns.backward is not None
        return _hadamard(device, device.put(columns.backward), self.forward, self.V)


def _plain(device: Device, values: Any, V: Any) -> Any:
    """Return F Fᵀ V, summed over blocks of rows."""
    inner = device.xp.zeros((values.shape[1], V.shape[1]))
    for r in blocks(values.shape[0], device.row_block):
        inner += values[r].T @ V[r]
    return values @ inner


def _hadamard(device: Device, backward: Any, forward: Any, V: Any) -> Any:
    """Return ((B Bᵀ) ∘ (F Fᵀ)) V."""
    columns = V.shape[1]
    out = device.xp.zeros_like(V)
    width = min(columns, 32)
    for vectors in blocks(columns, width):
        for f in blocks(forward.shape[1], max(1, _WIDE // width)):
            _add_product(device, backward, forward[:, f], V[:, vectors], out[:, vectors])
    return out


def _add_product(device: Device, backward: Any, forward: Any, V: Any, out: Any) -> None:
    shape = (-1, V.shape[1], forward.shape[1])
    xp, rows = device.xp, device.row_block
    inner = xp.zeros((backward.shape[1], V.shape[1] * forward.shape[1]))
    for r in blocks(V.shape[0], rows):
        scaled = (V[r, :, None] * forward[r, None, :]).reshape(-1, inner.shape[1])
        inner += backward[r].T @ scaled
    for r in blocks(V.shape[0], rows):
        product = (backward[r] @ inner).reshape(shape)
        out[r] += xp.einsum("rbf,rf->rb", product, forward[r])
