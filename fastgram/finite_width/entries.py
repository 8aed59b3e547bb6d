"""The entries of a Gram matrix of finite width, a block at a time, and how to multiply with it.

Tiles need the features of all rows: they are computed when the first tile is asked for, and kept.
Where φ' takes two values (relu, abs, …: looked up in the values, not in names) and the readout is
±1, one bit holds a neuron's, and B Bᵀ is counted and not multiplied.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.finite_width.factored_product import FactoredProduct, Factors
from fastgram.finite_width.features import Features, Pair
from fastgram.finite_width.rounding_error import norm_error
from fastgram.network.network import Network
from fastgram.network.weights import draw_weights
from fastgram.support.arrays import Array, blocks
from fastgram.support.memory import require_memory
from fastgram.support.threads import in_order
from fastgram.support.validation import refuse_overflow

__all__ = ["FiniteEntries"]

Tile = Any  # of a device, or a host's array

# --- what a product costs, in flops ---------------------------------------------------------------
# They decide between two ways that give the same result, so they are constants: the choice, and
# with it the last bits of a result, must not depend on the machine or on what memory is free.

# Flops that take as long as one evaluation of φ or φ' (about 3 ns, in NumPy).
_EVALUATION = 150
# How many times faster than a float64 product a tile of B Bᵀ is in float32, and counted from bits
# (bench/test_finite.py: 50 times at m = 1000 and 75 at m = 10000 with AVX-512).
_SINGLE, _COUNTED = 2, 50
# Products that the tiles kept by the first one are spread over: a typical Lanczos run.
_PASSES = 32
# Columns that a tile multiplies with at no more cost than it takes to be read.
_COLUMNS_AT_LEAST = 4
# Bytes of tiles that are taken to be kept where `memory` is None.
_KEPT = 2**30
# Bytes of features beyond which products are left to factors, whatever they cost.
_MOST_FEATURE_BYTES = 2**32


@dataclass
class _Side:
    """Augmented rows, and their features and bits, which tiles are made of."""

    rows: Array
    pairs: list[tuple[Tile | None, Tile]] = field(default_factory=list)
    bits: npt.NDArray[np.uint64] | None = None
    ones: Array | None = None


@dataclass
class FiniteEntries:
    """The entries between two sets of rows of a network of finite width.

    Attributes
    ----------
    features : Features
        The drawn network.
    row_side, column_side : _Side
        One and the same for a symmetric matrix.
    dtype : {float64, float32}
        Of the tiles. Products by factors are in float64 always.
    """

    features: Features
    row_side: _Side
    column_side: _Side
    dtype: np.dtype[np.floating]
    in_place: bool = False
    _materialised: bool = False
    _packed: bool = False
    _values: tuple[float, float] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @staticmethod
    def of(
        network: Network,
        kind: str,
        X: npt.NDArray[np.floating],
        Y: npt.NDArray[np.floating] | None,
        dtype: np.dtype[np.floating],
    ) -> FiniteEntries:
        """Draw the network and augment the rows.

        Raises
        ------
        ValueError
            If the matrix is zero because the derivative is, if rows overflow, or if the weights do
            not fit in the memory that is free.
        """
        if kind == "gradient" and network.activation.flat:
            raise ValueError(
                f"the derivative of {network.activation.name} is zero: at finite width so is every"
                ' entry of kind "gradient"'
            )
        rows = _Side(_augmented(network, X, "X"))
        columns = rows if Y is None else _Side(_augmented(network, Y, "Y"))
        features = Features(network, kind, draw_weights(network, X.shape[1]))
        return FiniteEntries(features, rows, columns, dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        # features of rows are many times the rows, and are made again where tiles want them
        columns = None if self.column_side is self.row_side else self.column_side.rows
        return _of_parts, (self.features, self.row_side.rows, columns, self.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.row_side.rows.shape[0], self.column_side.rows.shape[0]

    @property
    def of_one_table(self) -> None:
        """None: entries are no function of the cosine."""

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, to rounding."""

        def of_block(rows: slice) -> Array:
            total = np.zeros(rows.stop - rows.start)
            for backward, forward in self.features.pairs(self.row_side.rows[rows]):
                part = np.einsum("ij,ij->i", forward, forward)
                if backward is not None:
                    part *= np.einsum("ij,ij->i", backward, backward)
                total += part
            return total

        rows = blocks(self.shape[0], self.features.block_rows)
        return np.concatenate(list(in_order(of_block, rows)))

    @functools.cached_property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""
        counted = self.two_values is not None
        return norm_error(self.features, self.row_side.rows, self.dtype, counted)

    @property
    def factor_columns(self) -> int:
        """Columns of the factor J, G = JJᵀ: one a parameter."""
        return sum(max(m, 1) * p for m, p in self.features.columns)

    def factor_square(self) -> Array:
        """Return JᵀJ, whose eigenvalues beside zeros are those of JJᵀ."""
        total = np.zeros((self.factor_columns, self.factor_columns))
        for rows in blocks(self.shape[0], self.features.block_rows):
            parts = []
            for backward, forward in self.features.pairs(self.row_side.rows[rows]):
                if backward is None:
                    parts.append(forward)
                else:
                    products = backward[:, :, None] * forward[:, None, :]
                    parts.append(products.reshape(forward.shape[0], -1))
            factor = np.concatenate(parts, axis=1)
            total += factor.T @ factor
        return total

    @functools.cached_property
    def factors(self) -> Factors:
        """Products by factors, without tiles, for a symmetric matrix."""
        return Factors(self.features, self.row_side.rows)

    # --- tiles ------------------------------------------------------------------------------------

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j; `scratch` is of its shape."""
        if not self._materialised:
            self.materialise_features()
        rows, columns, copy = self.row_side, self.column_side, device.device_copy
        for index, pair in enumerate(rows.pairs):
            other = columns.pairs[index]
            device.xp.matmul(copy(pair[1])[i], copy(other[1])[j].T, out=scratch)
            if rows.bits is not None and index == self.features.gradient_index:
                scratch *= self._count(i, j, device)
            elif pair[0] is not None and other[0] is not None:
                scratch *= copy(pair[0])[i] @ copy(other[0])[j].T
            if index == 0:
                out[...] = scratch
            else:
                out += scratch

    def _count(self, i: slice, j: slice, device: Device) -> Tile:
        assert self._values is not None
        low, high = self._values
        gap = high - low
        formula = (low * low * self.features.width, low * gap, gap * gap)
        rows, columns = self.row_side, self.column_side
        out = device.xp.empty((i.stop - i.start, j.stop - j.start), self.dtype)
        bits, ones, others, their_ones = (
            device.device_copy(array)
            for array in (rows.bits, rows.ones, columns.bits, columns.ones)
            if array is not None
        )
        device.count(
            bits, (i.start, i.stop), others, (j.start, j.stop), ones, their_ones, formula, out
        )
        return out

    @functools.cached_property
    def _likely_values(self) -> tuple[float, float] | None:
        """The two values of φ'/√m on the first rows, if no more and if a² = 1."""
        if self.features.kind == "nngp" or self.features.network.readout != "rademacher":
            return None
        slopes = self.features.last_slopes(self.row_side.rows[:64])
        values = float(np.min(slopes)), float(np.max(slopes))
        return values if _are(slopes, values) else None

    @property
    def two_values(self) -> tuple[float, float] | None:
        """The two values of φ'/√m on all rows, if no more and if a² = 1; the bits are then kept."""
        with self._lock:
            if not self._packed:
                self._values = self._pack()
                self._packed = True
            return self._values

    def _sides(self) -> list[_Side]:
        same = self.row_side is self.column_side
        return [self.row_side] if same else [self.row_side, self.column_side]

    def _pack(self) -> tuple[float, float] | None:
        from fastgram.kernels.cpu.bit_products import pack, words

        values = self._likely_values
        if values is None:
            return None
        m = self.features.width
        sides = self._sides()
        n = sum(side.rows.shape[0] for side in sides)
        require_memory(f"bits of {n} rows at width {m}", 8 * n * (words(m) + 1))
        found = []
        for side in sides:
            n = side.rows.shape[0]
            bits, ones = np.empty((words(m), n), np.uint64), np.empty(n)

            def fill(rows: slice, side: _Side = side, bits: Any = bits, ones: Any = ones) -> bool:
                slopes = self.features.last_slopes(side.rows[rows])
                above = slopes == values[1]
                bits[:, rows] = pack(above)
                ones[rows] = np.count_nonzero(above, axis=1)
                return _are(slopes, values)

            # elsewhere than on the first rows there may be a third value, such as that of a kink
            if not all(in_order(fill, blocks(n, self.features.block_rows))):
                return None
            found.append((bits, ones))
        for side, (bits, ones) in zip(sides, found, strict=True):
            side.bits, side.ones = bits, ones
        return values

    def materialise_features(self) -> None:
        """Compute the features of all rows, unless it has been done."""
        with self._lock:
            if self._materialised:
                return
            counted = self.two_values is not None
            require_memory(
                f"features of {sum(side.rows.shape[0] for side in self._sides())} rows at width"
                f" {self.features.width} for tiles (products by factors do not need them)",
                sum(self._feature_bytes(side.rows.shape[0], counted) for side in self._sides()),
            )
            for side in self._sides():
                self._fill(side, counted)
            self._materialised = True

    def _feature_bytes(self, n: int, counted: bool) -> int:
        """Return the bytes of the features of n rows."""
        columns = sum(m + p for m, p in self.features.columns)
        if counted:
            columns -= self.features.width
        return columns * n * self.dtype.itemsize

    def _fill(self, side: _Side, counted: bool) -> None:
        n, pairs = side.rows.shape[0], []
        for index, (m, p) in enumerate(self.features.columns):
            without = m == 0 or (counted and index == self.features.gradient_index)
            backward = None if without else np.empty((n, m), self.dtype)
            pairs.append((backward, np.empty((n, p), self.dtype)))

        def fill(rows: slice) -> None:
            if counted and self.features.kind == "gradient":  # the bits are all of its B
                found = [Pair(None, self.features.forward(side.rows[rows])[0][-1])]
            else:
                found = self.features.pairs(side.rows[rows])
            for (backward, forward), pair in zip(pairs, found, strict=True):
                with np.errstate(over="ignore", invalid="ignore"):
                    forward[rows] = pair.forward
                    diagonal = np.einsum("ij,ij->i", forward[rows], forward[rows])
                    if backward is not None:
                        backward[rows] = pair.backward
                        diagonal *= np.einsum("ij,ij->i", backward[rows], backward[rows])
                if not np.all(np.isfinite(diagonal)):
                    raise ValueError(f"entries overflow in {self.dtype}: scale the rows")

        for _ in in_order(fill, blocks(n, self.features.block_rows)):
            pass
        side.pairs = pairs

    # --- the choice -------------------------------------------------------------------------------

    def plan(
        self, columns: int, memory: int | None, devices: tuple[Device, ...]
    ) -> FactoredProduct | None:
        """Return what multiplies a block of so many columns at less cost than tiles, or None.

        A function of the network, the kind, the rows' number and length, the columns and `memory`
        alone; see the constants of this module.
        """
        flops = self.flops_by_factors(self.shape[0], columns, memory)
        return None if flops is None else FactoredProduct(self.factors, devices[0], flops)

    def flops_by_factors(self, n: int, columns: int, memory: int | None) -> float | None:
        """Return what a product by factors takes, None where tiles cost less: of n rows like these.

        In floating-point operations.
        """
        flops = self.factored_flops(n, columns)
        fits = self.tile_feature_bytes(n) <= _MOST_FEATURE_BYTES
        return None if fits and flops > self._tile_flops(n, columns, memory) else flops

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> None:
        """Return None: any order of the rows is as good."""

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Return True: where products go by tiles, these can be kept."""
        return True

    def tile_feature_bytes(self, n: int) -> int:
        """Return the bytes of what tiles need of n rows like these."""
        counted = self._likely_values is not None
        size = self._feature_bytes(n, counted)
        if counted:
            size += n * self.features.width // 8
        return size

    def note(self, way: str) -> str:
        """Return a way to multiply in words."""
        if way == "tiles":
            return "products by tiles" + (" counted from bits" if self._likely_values else "")
        network, columns = self.features.network, self.features.columns
        if network.depth == 1 and self.features.kind == "gradient":
            return "products by factors (4nmd operations a column)"
        count = self.shape[0] * sum(4.0 * max(m, 1) * p for m, p in columns)
        return f"products by factors ({count:.2g} operations a column)"

    @property
    def entry_flops(self) -> float:
        """The flops of an entry of a tile, its features being there."""
        speed = _SINGLE if self.dtype == np.float32 else 1
        entry = 0.0
        for index, (m, p) in enumerate(self.features.columns):
            counted = self._likely_values is not None and index == self.features.gradient_index
            entry += m / _COUNTED if counted else m / speed
            entry += p / speed
        return 2.0 * entry

    def factored_flops(self, n: int, columns: int) -> float:
        """Return the flops of a product of so many columns by factors, of n rows like these."""
        m = self.features.width
        products = sum(4.0 * max(own, 1) * p for own, p in self.features.columns)
        functions = 2 if self.features.kind == "ntk" else 1
        last = m * (2.0 * self.features.weights.layers[-1].shape[1] + functions * _EVALUATION)
        return float(n * (columns * products + last))

    def _tile_flops(self, n: int, columns: int, memory: int | None) -> float:
        entry = self.entry_flops / 2.0  # the upper triangle alone
        kept = min(1.0, (_KEPT if memory is None else memory) / (4.0 * n * n))
        computed = 1.0 - kept + kept / _PASSES
        # the upper triangle is computed, and multiplied with on both sides
        return float(n * n * (computed * entry + 2.0 * max(columns, _COLUMNS_AT_LEAST)))


def _of_parts(
    features: Features, X: Array, Y: Array | None, dtype: np.dtype[np.floating]
) -> FiniteEntries:
    rows = _Side(X)
    return FiniteEntries(features, rows, rows if Y is None else _Side(Y), dtype)


def _are(slopes: Array, values: tuple[float, float]) -> bool:
    return bool(np.all((slopes == values[0]) | (slopes == values[1])))


def _augmented(network: Network, X: npt.NDArray[np.floating], name: str) -> Array:
    rows = network.augmented(X)
    with np.errstate(over="ignore"):
        refuse_overflow(np.einsum("ij,ij->i", rows, rows), name)
    return np.ascontiguousarray(rows)
