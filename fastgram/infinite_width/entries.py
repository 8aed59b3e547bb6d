"""From rows to Gram entries of infinite width, a block at a time, and how exact they are.

`Entries` is what the matrix knows. There are four classes of it, and
`fastgram.infinite_width.entry_choice` says which one takes which rows:

- `TabledEntries`: one table, of homogeneous activations or of rows of one norm.
- `SeparatedEntries`: separated tables, for rows of several norms.
- `IntegratedEntries`: no table, pair by pair.
- `ZeroEntries`: zero everywhere.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.kernel_function import (
    diagonal_entries,
    middle_of_norm,
    row_scale,
    table_of_norm,
)
from fastgram.kernels.contract import CLOSE, Table
from fastgram.network.network import Network
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.devices.fused_product import FusedProduct

__all__ = ["Entries", "InOrder", "TabledEntries", "ZeroEntries"]

Tile = Any  # of a device, or a host's array
Places = npt.NDArray[np.intp]

_EPS = float(np.finfo(np.float64).eps)
# What a product of two numbers of rows takes, and evaluating a table, in operations of a matrix
# product by BLAS: kernels.products takes half of the time.
_PRODUCT_FLOPS, _TABLE_FLOPS = 1.0, 60.0
# From so many dimensions on rows of the sphere are so nearly orthogonal that a middle of 12 + 12
# coefficients has all but a few of the cosines: a wide one would be longer for nothing.
_MANY_DIMENSIONS = 50
# What numbers that underflow on the way to an entry may add up to, thousands of them.
_UNDERFLOW = {np.dtype(np.float64): 2.0**-1000, np.dtype(np.float32): 2.0**-130}


class InOrder(NamedTuple):
    """Entries of rows that are sorted by their norms: `order` has the places of these rows."""

    order: Places
    entries: Entries


class Entries:
    """The entries between two sets of rows.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    rows, columns : UnitRows
        One and the same for a symmetric matrix.
    dtype : {float64, float32}
        Of the tiles.

    Attributes
    ----------
    row_scales, column_scales : (n,) arrays
        What entries of a table are multiplied with, for rows and columns.
    weights : (n,) array
        Those of the rows in the dtype of the tiles.
    error : float
        Bound on |computed − ideal| of an entry, divided by its two scales.
    table : Table or None
        Of entries over scales, where one is enough.
    in_place : bool
        Whether `block` may be given its scratch as `out` too.
    """

    table: Table | None = None
    in_place: bool = False

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
    ) -> None:
        self.network, self.kind, self.dtype = network, kind, dtype
        self.rows, self.columns = rows, columns
        self.error = 0.0
        self.row_scales = self._scales(rows.norms)
        self.column_scales = self.row_scales if self.symmetric else self._scales(columns.norms)
        self.weights = np.ascontiguousarray(self.row_scales, dtype=dtype)
        self._column_weights = np.ascontiguousarray(self.column_scales, dtype=dtype)

    def _scales(self, norms: Array) -> Array:
        return row_scale(self.network, self.kind, norms)

    @property
    def symmetric(self) -> bool:
        """Whether the columns are the rows."""
        return self.columns is self.rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.rows.norms.size, self.columns.norms.size

    @property
    def entry_flops(self) -> float:
        """The flops of an entry, as of a matrix product: two rows' product and a table's value."""
        return float(_PRODUCT_FLOPS * self.rows.unit.shape[1] + _TABLE_FLOPS)

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""
        # Frobenius: the sum of error²·scale²·scale² over all entries
        relative = self.error * float(np.sum(self.row_scales**2))
        return relative + self.shape[0] * _UNDERFLOW[self.dtype]

    def weight_error(self) -> float:
        """Bound on the relative error of the norms, and of scales that are powers of them."""
        return max(self.rows.norm_error, self.columns.norm_error) + 2.0 * _EPS

    def chord_error(self) -> float:
        """Bound the error of s, the argument of tables.

        Of a product of two unit rows it is that of the product over 4s, s² at least CLOSE. Close
        pairs have less: half of what the rows are off by, and a rounding of s a column.
        """
        unit = float(np.finfo(self.dtype).eps) / 2.0
        count, least = self.rows.unit.shape[1], math.sqrt(CLOSE[self.dtype])
        rows = self.rows.unit_error + self.columns.unit_error
        if unit > _EPS:
            rows += 2.0 * unit  # rounded once more
        # products of unit rows, added in any order
        cosine = rows + count * unit
        return float(cosine / (4.0 * least)) + 2.0 * unit

    @property
    def of_one_table(self) -> TabledEntries | None:
        """None: they are no function of the cosine alone."""
        return None

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> InOrder | None:
        """Return the same of sorted rows where their tiles are cheaper, else None."""
        return None

    @property
    def factor_columns(self) -> None:
        """None: the width is infinite."""

    def factor_square(self) -> Array:
        """Refuse: there is no factor."""
        raise NotImplementedError

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Return True: products go by tiles."""
        return True

    def plan(
        self, columns: int, memory: int | None, devices: tuple[Device, ...]
    ) -> FusedProduct | None:
        """Return None: products go by tiles."""
        return None

    def flops_by_factors(self, n: int, columns: int, memory: int | None) -> None:
        """Return None: there are no factors."""

    def tile_feature_bytes(self, n: int) -> int:
        """Return 0: tiles are made of the rows."""
        return 0

    def note(self, way: str) -> str:
        """Return nothing: what multiplies follows from the device."""
        return ""

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, exact to rounding: (n,) in float64."""
        raise NotImplementedError

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j; `scratch` is of its shape.

        `out` may be float32 or float64 whatever the dtype of the tiles; `scratch` is of theirs.
        """
        raise NotImplementedError

    def _evaluate(
        self, i: slice, j: slice, device: Device, scratch: Tile, table: Any, out: Tile
    ) -> None:
        """Fill `out`, where the table or piece holds, from the cosines in `scratch`."""
        x, y = device.unit(self.rows)[i], device.unit(self.columns)[j]
        row_weights = device.device_copy(self.weights)[i]
        column_weights = device.device_copy(self._column_weights)[j]
        device.evaluate(scratch, x, y, row_weights, column_weights, table, out)


class ZeroEntries(Entries):
    """Entries that are zero everywhere."""

    def diagonal(self) -> Array:
        """Return zeros."""
        return np.zeros(self.shape[0])

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with zeros."""
        out[...] = 0.0


class TabledEntries(Entries):
    """Entries of one table: scales are powers of the norms, or all rows have one norm.

    Parameters
    ----------
    norm : float
        What the table is made for: 1 for a homogeneous activation.
    deviation : float
        How far the norms of rows are off it, relatively, at most.
    """

    table: Table
    in_place = True

    def __init__(
        self,
        network: Network,
        kind: str,
        rows: UnitRows,
        columns: UnitRows,
        dtype: np.dtype[np.floating],
        norm: float = 1.0,
        deviation: float = 0.0,
    ) -> None:
        super().__init__(network, kind, rows, columns, dtype)
        self.table = table_of_norm(network, kind, norm, dtype)
        wide = rows.unit.shape[1] < _MANY_DIMENSIONS
        self._middle = functools.partial(middle_of_norm, network, kind, norm, wide)
        self.error = self.table.error + self.table.slope * self.chord_error()
        self.error += self.table.by_norm * (self.weight_error() + deviation)

    @property
    def of_one_table(self) -> TabledEntries:
        """These."""
        return self

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Whether products go by tiles: on the CPU, and where they are asked for."""
        return bool(memory) or not all(gpu.uses_fused_product(self.table) for gpu in devices)

    def plan(
        self, columns: int, memory: int | None, devices: tuple[Device, ...]
    ) -> FusedProduct | None:
        """Return a product that writes no entry to memory, None where it goes by tiles."""
        if self.keeps_tiles(memory, devices):
            return None
        from fastgram.devices.fused_product import FusedProduct  # what GPUs need is for them

        return FusedProduct(self.rows, self.weights, self.table, devices, self._middle)

    def _scales(self, norms: Array) -> Array:
        power = self.network.homogeneity()
        if power is None:
            return super()._scales(norms)
        scales = norms**power
        if power == 0 and not np.all(norms):  # f is a step: at a zero row it takes the value f(0)
            f = self.network.activation.f
            mean = (float(f(np.ones(1))[0]) + float(f(-np.ones(1))[0])) / 2.0
            scales[norms == 0.0] = float(f(np.zeros(1))[0]) / mean if mean else 0.0
        return np.asarray(scales)

    def diagonal(self) -> Array:
        """Return K(1) times the square of each scale; a zero row's entry by itself."""
        weights = self.weights.astype(np.float64) * self._column_weights
        total = self.table.at_one * weights
        zero = self.rows.norms == 0.0
        total[zero] = diagonal_entries(self.network, self.kind, np.zeros(1))[0]
        return np.asarray(total)

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the table's values at the cosines of rows i and columns j."""
        device.cosines(self.rows, i, self.columns, j, scratch)
        self._evaluate(i, j, device, scratch, self.table, out)
