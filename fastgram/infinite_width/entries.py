"""From rows to Gram entries: which tables a block of entries is made of, and how exact they are.

- Homogeneous activations: one table, weights |x|**p.
- Rows of one norm: one table of that norm.
- Rows of several norms: separated tables, weights the square roots of the diagonal.
- Entries that are zero everywhere: nothing.

What neither holds is integrated entry by entry, and so are very few entries. An activation with
kinks away from 0 on rows of several norms has no table (its entries depend on the larger of the
two norms where ρ = 1); one with a kink at 0, in a deeper layer, has none near ρ = 1.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.conditioning import errors_between_norms
from fastgram.infinite_width.separable_table import Separated, separate
from fastgram.kernels.contract import CLOSE, SeparablePiece, Table
from fastgram.network.network import Network

if TYPE_CHECKING:
    from fastgram.devices.fused_product import FusedProduct

__all__ = ["Entries"]

Array = npt.NDArray[np.float64]
Tile = Any  # of a device, or a host's array
Places = npt.NDArray[np.intp]

_EPS = float(np.finfo(np.float64).eps)
# Norms no further apart than this are one norm: a few roundings of a norm.
_ONE_NORM = 32 * _EPS
# What a product of two numbers of rows takes, evaluating a table, and a quadrature, in operations
# of a matrix product by BLAS: kernels.products takes half of the time.
_PRODUCT_FLOPS, _TABLE_FLOPS, _QUADRATURE_FLOPS = 1.0, 60.0, 1e8
# So few entries are integrated sooner than a table for any two norms is made.
_FEW = 1024
# What numbers that underflow on the way to an entry may add up to, thousands of them.
_UNDERFLOW = {np.dtype(np.float64): 2.0**-1000, np.dtype(np.float32): 2.0**-130}


@dataclass
class Entries:
    """The entries between two sets of rows.

    Attributes
    ----------
    row_spans, column_spans : (n,) arrays
        The weights of rows and columns.
    error : float
        Bound on |computed − ideal| of an entry, divided by its two spans.
    table : Table or None
        Of entries over spans, one for all norms.
    separated : Separated or None
        The same where they depend on the norms.
    direct : bool
        Whether entries are integrated one by one. Without any of the three all are zero.
    """

    network: Network
    kind: str
    rows: UnitRows
    columns: UnitRows
    dtype: np.dtype[np.floating]
    table: Table | None = None
    separated: Separated | None = None
    direct: bool = False
    error: float = 0.0
    row_spans: Array = field(init=False)
    column_spans: Array = field(init=False)
    _local: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def __post_init__(self) -> None:
        network, kind = self.network, self.kind
        norms = np.unique(np.concatenate([self.rows.norms, self.columns.norms]))
        middle, spread = float(np.mean(norms)), float(norms[-1] - norms[0])
        one_norm = spread <= _ONE_NORM * norms[-1]
        # of the very norm that tables are made for: a level of the quadrature is found once
        self._refuse_overflow(middle if one_norm else float(norms[-1]))
        self._weigh(lambda norms: network.spans(kind, norms))
        if network.is_zero(kind):
            return
        power = network.homogeneity()
        if power == 0 and network.depth > 1 and norms[0] == 0.0 and self._at_zero() != 0.0:
            # a zero row leaves the first layer as a constant, which is no multiple of a table
            self._integrate_each(norms)
        elif power is not None:
            self._weigh(lambda norms: self._powers(norms, power))
            self._take_table(1.0)
        elif norms[-1] == 0.0 and not np.any(network.diagonal(kind, norms)):
            return  # all rows are zero, and so are their entries
        elif one_norm:
            self._take_table(middle, spread / middle if middle else 0.0)
        elif self.rows.norms.size * self.columns.norms.size <= _FEW:
            self._integrate_each(norms)
        elif any(network.activation.kinks):
            self._integrate_each(norms, "has kinks away from 0 and the rows have different norms")
        else:
            self._separate(norms)

    def _refuse_overflow(self, norm: float) -> None:
        """Refuse entries that the dtype of tiles does not hold; the norm is the largest."""
        with np.errstate(over="ignore", invalid="ignore"):
            largest = float(self.network.diagonal(self.kind, np.array([norm]))[0])
        # a factor for what is added and multiplied on the way; norms are weights
        if not max(largest, norm) <= float(np.finfo(self.dtype).max) / 16.0:
            name = self.dtype.name
            remedy = 'use dtype="float64"' if name == "float32" else "lower the depth"
            raise ValueError(
                f"an entry of rows of norm {norm:.3g} overflows in {name}: {remedy}, or scale"
                " the rows"
            )

    def _weigh(self, spans: Callable[[Array], Array]) -> None:
        self.row_spans = spans(self.rows.norms)
        self.column_spans = (
            self.row_spans if self.columns is self.rows else spans(self.columns.norms)
        )
        self._row_weights = np.ascontiguousarray(self.row_spans, dtype=self.dtype)
        self._column_weights = np.ascontiguousarray(self.column_spans, dtype=self.dtype)

    def _take_table(self, norm: float, spread: float = 0.0) -> None:
        """Take the table of a norm; those of rows are off it by `spread`, relatively, at most."""
        self.table = self.network.table(self.kind, norm, self.dtype)
        self.error = self.table.error + self.table.slope * self.chord_error()
        self.error += self.table.by_norm * (self.weight_error() + spread)

    def weight_error(self) -> float:
        """Bound on the relative error of the norms, and of weights that are powers of them."""
        return max(self.rows.norm_error, self.columns.norm_error) + 2.0 * _EPS

    def _separate(self, norms: Array) -> None:
        least = float(norms[norms > 0.0][0]) if norms[0] else 0.0
        separated = separate(self.network, self.kind, least, float(norms[-1]), self.dtype)
        if separated is None:
            self._integrate_each(norms, "on rows with norms so far apart has no table")
            return
        self._weigh(lambda norms: np.sqrt(self.network.diagonal(self.kind, norms)))
        self.separated = separated
        self._row_places = separated.places(self.rows.norms)
        self._column_places = separated.places(self.columns.norms)
        self.error = separated.error + separated.slope * self.chord_error()
        self.error += separated.by_norm * self.weight_error()
        share = self._share_outside(separated)
        if share > 0.0:
            _say_slow(
                f"{self.network.activation.name} at depth {self.network.depth} on rows of different"
                f" norms has a table for cosines from {max(separated.bottom, -1.0):g} to"
                f" {min(separated.top, 1.0):g} only; about {share:.2g} of the pairs are outside:"
                " these entries",
            )

    def _share_outside(self, separated: Separated) -> float:
        """Return the share of pairs whose cosine has no table, from a sample of the rows."""
        sample = [
            side.unit[:: max(side.norms.size // 128, 1)] for side in (self.rows, self.columns)
        ]
        cosines = sample[0] @ sample[1].T
        outside = (cosines >= separated.top) | (cosines < separated.bottom)
        if self.columns is self.rows:
            np.fill_diagonal(outside, False)
        return float(np.mean(outside))

    def _integrate_each(self, norms: Array, why: str = "") -> None:
        """Do without tables, and where that is slower say so."""
        self._weigh(lambda norms: np.sqrt(self.network.diagonal(self.kind, norms)))
        self.direct = True
        ends = norms[norms > 0.0][[0, -1]]
        errors = errors_between_norms(self.network, self.kind, ends)
        self.error = errors.base + self._steepest(norms) * self.chord_error()
        self.error += errors.by_norm * self.weight_error()
        if why:
            _say_slow(f"{self.network.activation.name} {why}: its entries")

    def _powers(self, norms: Array, power: int) -> Array:
        weights = norms**power
        if power == 0 and not np.all(norms):  # f is a step: at a zero row it takes the value f(0)
            f = self.network.activation.f
            mean = (float(f(np.ones(1))[0]) + float(f(-np.ones(1))[0])) / 2.0
            weights[norms == 0.0] = self._at_zero() / mean if mean else 0.0
        return np.asarray(weights)

    def _at_zero(self) -> float:
        return float(self.network.activation.f(np.zeros(1))[0])

    def _steepest(self, norms: Array) -> float:
        """Bound |dK/ds|, K entries over spans, by differences between a few angles."""
        s = np.concatenate([[0.0], np.geomspace(1e-4, np.sqrt(0.5), 24)])
        theta = 2.0 * np.arcsin(s)
        theta = np.concatenate([theta, np.pi - theta[-2::-1]])
        steps = np.concatenate([np.diff(s), np.diff(s)[::-1]])
        pairs = [(norms[-1], norms[-1]), (norms[norms > 0.0][0], norms[-1])]
        slopes = []
        for pair in pairs:
            q1, q2 = (np.full(theta.size, norm**2) for norm in pair)
            span = np.sqrt(np.prod(self.network.diagonal(self.kind, np.array(pair))))
            values = self.network.entries(self.kind, theta, q1, q2)
            slopes.append(np.max(np.abs(np.diff(values)) / steps) / span if span > 0.0 else 0.0)
        return 2.0 * float(max(slopes))

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
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.rows.norms.size, self.columns.norms.size

    @property
    def weights(self) -> Array:
        """What entries of the table are multiplied with, in the dtype of the tiles."""
        return self._row_weights

    @property
    def of_one_table(self) -> Entries | None:
        """These, where entries over their scales are one function of the cosine, else None."""
        return self if self.table is not None else None

    @property
    def factor_columns(self) -> None:
        """None: the width is infinite."""

    def factor_square(self) -> Array:
        """Refuse: there is no factor."""
        raise NotImplementedError

    def plan(
        self, columns: int, memory: int | None, devices: tuple[Device, ...]
    ) -> FusedProduct | None:
        """Return a product that writes no entry to memory, None where it goes by tiles."""
        if self.table is None or self.keeps_tiles(memory, devices):
            return None
        from fastgram.devices.fused_product import FusedProduct  # what GPUs need is for them

        return FusedProduct(self.rows, self.weights, self.table, devices)

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Whether products go by tiles: on a CPU, where they are asked for, and without a table."""
        return bool(memory) or self.table is None or not devices[0].uses_fused_product(self.table)

    def note(self, way: str) -> str:
        """Return nothing: what multiplies follows from the device."""
        return ""

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""
        return self.table is not None

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, exact to rounding."""
        if self.table is not None:
            weights = self._row_weights.astype(np.float64) * self._column_weights
            total = self.table.at_one * weights
            zero = self.rows.norms == 0.0
            total[zero] = self.network.diagonal(self.kind, np.zeros(1))[0]
            return np.asarray(total)
        if self.separated is not None or self.direct:
            return np.asarray(self.row_spans * self.row_spans)
        return np.zeros(self.shape[0])

    @property
    def entry_flops(self) -> float:
        """What an entry costs to compute: a product of rows, and what a table takes as long as."""
        one_by_one = _QUADRATURE_FLOPS if self.direct else _TABLE_FLOPS
        return float(_PRODUCT_FLOPS * self.rows.unit.shape[1] + one_by_one)

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""
        # Frobenius: the sum of error²·span²·span² over all entries
        relative = self.error * float(np.sum(self.row_spans**2))
        return relative + self.shape[0] * _UNDERFLOW[self.dtype]

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j; `scratch` is of its shape.

        `out` may be float32 or float64 whatever the dtype of the tiles; `scratch` is of theirs.
        """
        device.cosines(self.rows, i, self.columns, j, scratch)
        own = (self.direct or self.separated is not None) and self.columns is self.rows and i == j
        if own:  # the diagonal is known, and alone on its piece as a rule
            _diagonal_of(scratch)[:] = 0.0
        tables: Sequence[Table | SeparablePiece] = []
        outside: Any = None
        if self.table is not None:
            tables = [self.table]
        elif self.separated is not None:
            places = self._row_places[i], self._column_places[j]
            tables = self.separated.touched(scratch, *places, self._kept_of(i))
            if not self.separated.whole:
                outside = (scratch >= self.separated.top) | (scratch < self.separated.bottom)
        elif self.direct:
            outside = device.xp.ones(scratch.shape, dtype=bool)
        else:
            out[...] = 0.0
        if tables:
            x, y = device.unit(self.rows)[i], device.unit(self.columns)[j]
            row_weights = device.device_copy(self._row_weights)[i]
            column_weights = device.device_copy(self._column_weights)[j]
            for table in tables:
                device.evaluate(scratch, x, y, row_weights, column_weights, table, out)
        if outside is not None:
            a, b = device.xp.nonzero(device.xp.triu(outside, 1) if own else outside)
            if a.size:
                cosines = device.get(scratch[a, b])
                values = self._integrate(i, j, cosines, device.get(a), device.get(b))
                out[a, b] = values = device.put(values)
                if own:
                    out[b, a] = values
        if own:
            _diagonal_of(out)[:] = device.put(self.row_spans[i] ** 2)

    def _kept_of(self, i: slice) -> dict[int, tuple[Tile, Tile]]:
        """Return this thread's place for what depends on rows i alone; it holds one set of rows."""
        own = self._local.__dict__
        if own.get("rows") != (i.start, i.stop):
            own["rows"], own["kept"] = (i.start, i.stop), {}
        kept: dict[int, tuple[Tile, Tile]] = own["kept"]
        return kept

    def _integrate(self, i: slice, j: slice, cosines: Array, a: Places, b: Places) -> Array:
        """Return the entries at rows a and columns b of a block, by quadrature."""
        rho = np.clip(cosines.astype(np.float64), -1.0, 1.0)
        theta = np.arccos(rho)
        for sign in (1.0, -1.0):  # close pairs from the rows, as in the kernels
            close = np.flatnonzero(0.5 - 0.5 * sign * rho < CLOSE[self.dtype])
            x = self.rows.unit[i][a[close]].astype(np.float64)
            y = self.columns.unit[j][b[close]].astype(np.float64)
            s = 0.5 * np.linalg.norm(x - sign * y, axis=1)
            angle = 2.0 * np.arcsin(np.minimum(s, 1.0))
            theta[close] = angle if sign > 0.0 else np.pi - angle
        q1, q2 = self.rows.norms[i][a] ** 2, self.columns.norms[j][b] ** 2
        values = self.network.entries(self.kind, theta, q1, q2)
        # equal rows have the diagonal's entry, to the last bit
        equal = (theta == 0.0) & (q1 == q2)
        values[equal] = self.row_spans[i][a[equal]] ** 2
        return values


def _diagonal_of(block: Tile) -> Tile:
    """Return the diagonal of a square block, to be written to."""
    return block.reshape(-1)[:: block.shape[1] + 1]


def _say_slow(what: str) -> None:
    message = (
        f"{what} are integrated one by one, milliseconds each and layer;"
        " rows of one norm are thousands of times faster"
    )
    ours = (os.path.dirname(os.path.dirname(__file__)), contextlib.__file__, "<")
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(ours):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)  # at the caller's own line
