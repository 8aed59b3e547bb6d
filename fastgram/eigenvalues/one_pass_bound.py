"""A proven lower bound of the smallest eigenvalue from one pass over the entries, nothing stored.

Entries over row scales, Bᵢⱼ = K(ρᵢⱼ), have K(ρ) = Σ aₖρᵏ with no negative coefficient. Every matrix
with the entries ρᵢⱼᵏ is positive semidefinite (Schur product theorem), so taking the orders up to
some k away only lowers B, and Gershgorin's discs bound what is left, the *remainder* of the series:

    λ_min(B) ≥ minᵢ (R(1) − Σ_{j≠i} |R(ρᵢⱼ)|),   R(ρ) = K(ρ) − Σ_{l≤k} aₗρˡ.

This holds for *any* coefficients aₗ ≥ 0: what is taken away is positive semidefinite whatever they
are. Errors in them make the bound less tight and never wrong, so that they need no proof. The
remainder is a function of the cosine like K itself: it has a table of its own, the tile kernel
evaluates it from the rows as it does any entry, close pairs included, and a pass costs what a
product with one vector costs, whatever the order.

The matrix itself is A = DBD, D the row scales, and with T the matrix of remainders
λ_min(A) ≥ λ_min(DTD). D(DTD)D⁻¹ = D²T has the eigenvalues of DTD and rows whose discs reach down to
scaleᵢ² times the margin of row i of T: the least of these is the bound of λ_min(A).

*What is subtracted.* The table of the remainder is off by at most its own error, and by its slope
times the error of the chord, in each entry: summed over a row and twice its diagonal entry, n + 2
times as much. Sums of n terms of either sign, absolute values taken, are off by γ(n + 8) of
themselves. No table entry is used beside the remainder's, so that the errors of K's table play no
part.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.infinite_width.entries import TabledEntries
from fastgram.infinite_width.kernel_function import profile_of_norm
from fastgram.infinite_width.piecewise import Profile
from fastgram.infinite_width.power_series import power_series
from fastgram.infinite_width.tables.cosine_table import build_table
from fastgram.kernels.contract import Table
from fastgram.matrix.divided.on_workers import on_devices
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.matrix.products import plan
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.rounding import gamma
from fastgram.support.threads import in_order, one_blas_thread
from fastgram.support.validation import as_integer

if TYPE_CHECKING:
    from fastgram.devices.fused_product import FusedProduct

__all__ = ["ORDERS", "OnePassBound", "one_pass_bound"]

Tile = npt.NDArray[np.floating]
Places = npt.NDArray[np.intp]

_EPS = float(np.finfo(np.float64).eps)
# The orders that are tried on a sample. Further apart than these the bound loses a few percent;
# beyond the last one it is of use only where cosines come within 1/500 of 1.
ORDERS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512)
_STRIDE = 3  # every third order is tried first, then those around the best
_SAMPLE = 64  # rows that are to show which order is best
_PROBES = 256  # rows whose neighbours are looked at for such
# A second pass at another order is made where it may raise the bound so far.
_GAIN = 1.2


@dataclass(frozen=True)
class OnePassBound:
    """A lower bound that one pass proves.

    Attributes
    ----------
    lower : float
        A lower bound of the smallest eigenvalue, at least 0.
    order : int
        The highest order that was taken away.
    slack : float
        Subtracted for all errors and roundings, in units of `lower`.
    """

    lower: float
    order: int
    slack: float


def one_pass_bound(op: GramOperator, order: int | None = None) -> OnePassBound | None:
    """Return a proven lower bound of the smallest eigenvalue, by a pass or two over the entries.

    Parameters
    ----------
    op : GramOperator
    order : int, optional
        The highest order that is taken away, at least 0. None takes the one of `ORDERS` that is
        best on a sample of the rows and, where the rows that turn out to be the worst ask for
        another and promise a fifth more, makes a second pass at that.

    Returns
    -------
    OnePassBound or None
        None where entries are not one function of the cosine: finite width, rows of many norms
        under an activation that is not homogeneous, and matrices of zeros.

    Raises
    ------
    ValueError, TypeError
        If the order is not an integer of at least 0.

    Notes
    -----
    Below λ_min by a factor of 1.3 to 2.2 for relu, on spheres in 5 to 200 dimensions, on
    handwritten digits and on image patches without their means, and of 2 to 7 for elu and tanh on
    spheres in 30 dimensions and more; closer in deep networks, and 0 as a rule where a smooth
    activation meets data of few dimensions. A pass costs what a product with one vector costs, the
    choice of an order at most 12·64·n entries.
    """
    if order is not None:
        order = as_integer("order", order, 0)
    remainders = _remainders_of(op)
    if remainders is None:
        return None
    if not np.all(remainders.entries.rows.norms):  # a row of zeros, whose entries are no table's
        return OnePassBound(0.0, order or 0, 0.0)
    if order is not None:
        return remainders.bound(order)[0]
    order, limit = remainders.best_of(remainders.sample())
    if limit <= 0.0:
        return OnePassBound(0.0, order, 0.0)
    found, worst = remainders.bound(order)
    other, limit = remainders.best_of(worst)
    if limit <= _GAIN * found.lower:
        return found
    return max(found, remainders.bound(other)[0], key=lambda bound: bound.lower)


def _remainders_of(op: GramOperator) -> _Remainders | None:
    entries = matrix_of(op).entries.of_one_table
    if entries is None:
        return None
    return _Remainders(entries, entries.table, matrix_of(op).devices)


@dataclass
class _Remainders:
    """The series remainders of an operator's entries; `full_table` is the table of K."""

    entries: TabledEntries
    full_table: Table
    devices: tuple[Device, ...]
    norm: float = field(init=False)

    def __post_init__(self) -> None:
        homogeneous = self.entries.network.homogeneity() is not None
        self.norm = 1.0 if homogeneous else float(np.mean(np.unique(self.entries.rows.norms)))

    def table(self, order: int) -> Table:
        """Return the table of the remainder above an order."""
        network, kind, dtype = self.entries.network, self.entries.kind, self.entries.dtype
        return _remainder_table(network, kind, self.norm, order, dtype.name, self.full_table.scale)

    def _entry_slack(self, table: Table) -> float:
        """Bound the errors of a whole row of entries of the remainder, added up."""
        chord = self.entries.chord_error()
        # K was made for one norm, and the rows' may be a few roundings off
        norms = self.entries.error - (self.full_table.error + self.full_table.slope * chord)
        # those of the row, and twice that of the diagonal entry in 2·R(1)
        count = self.entries.shape[0] + 2
        return count * (table.error + table.slope * chord + max(norms, 0.0))

    def _margins(self, table: Table, sums: Array) -> Array:
        """Return R(1) − Σ_{j≠i}|R(ρᵢⱼ)| from the sums over all j."""
        return 2.0 * table.at_one - sums

    def best_of(self, chosen: Places) -> tuple[int, float]:
        """Return the order that is best for the chosen rows, and the bound that they give."""
        coarse = range(0, len(ORDERS), _STRIDE)
        least = dict(zip(coarse, self._least([ORDERS[k] for k in coarse], chosen), strict=True))
        best = max(least, key=lambda k: least[k])
        around = [k for k in range(best - _STRIDE + 1, best + _STRIDE) if 0 <= k < len(ORDERS)]
        fine = [k for k in around if k not in least]
        least |= zip(fine, self._least([ORDERS[k] for k in fine], chosen), strict=True)
        best = max(least, key=lambda k: least[k])
        return ORDERS[best], least[best]

    def sample(self) -> Places:
        """Return the rows that come closest to some that are spread evenly.

        The bound is that of the row with the closest company, which an even sample would miss, or
        of the row with the least scale.
        """
        unit, n = self.entries.rows.unit, self.entries.shape[0]
        even = np.unique(np.linspace(0, n - 1, min(_PROBES, n)).astype(np.intp))
        probes = unit[even].T
        found = in_order(lambda part: np.max(np.abs(unit[part] @ probes), axis=1), self._parts())
        closest = np.concatenate(list(found))
        with one_blas_thread():
            # the even ones are as close as can be to themselves: take the others
            among = np.abs(unit[even] @ probes)
        np.fill_diagonal(among, 0.0)
        closest[even] = np.max(among, axis=1)
        near = np.argsort(-closest, kind="stable")[:_SAMPLE]
        return np.union1d(near, [np.argmin(self.entries.row_scales)])

    def _parts(self) -> list[slice]:
        """Return the rows by tiles."""
        return [slice(i, i + CPU.tile) for i in range(0, self.entries.shape[0], CPU.tile)]

    def _least(self, orders: Sequence[int], chosen: Places) -> list[float]:
        """Return the bound that the chosen rows alone would give, for each order."""
        unit = self.entries.rows.unit
        tables = [self.table(order) for order in orders]
        x = np.ascontiguousarray(unit[chosen])
        ones = np.ones(max(CPU.tile, chosen.size), unit.dtype)

        def add_up(part: slice) -> Array:
            y = np.array(unit[part])  # writable, as Numba compiled for
            cosines, out = x @ y.T, np.empty((x.shape[0], y.shape[0]))
            scales = ones[: x.shape[0]], ones[: y.shape[0]]
            sums = np.empty((len(tables), x.shape[0]))
            for table, row_sums in zip(tables, sums, strict=True):
                CPU.evaluate(cosines, x, y, *scales, table, out)
                np.sum(np.abs(out, out=out), axis=1, out=row_sums)
            return sums

        sums = sum(in_order(add_up, self._parts()), np.zeros((len(orders), chosen.size)))
        weights = self.entries.row_scales[chosen] ** 2
        return [
            float(np.min(weights * (self._margins(table, row_sums) - self._entry_slack(table))))
            for table, row_sums in zip(tables, sums, strict=True)
        ]

    def bound(self, order: int) -> tuple[OnePassBound, Places]:
        """Return the bound by one pass, and the rows that keep it from being higher."""
        reached, slack = self.discs(order)
        worst = np.argsort(reached - slack, kind="stable")[:_SAMPLE]
        lower = float(reached[worst[0]] - slack[worst[0]])
        return OnePassBound(max(lower, 0.0), order, float(slack[worst[0]])), worst

    def discs(self, order: int) -> tuple[Array, Array]:
        """Return, by one pass, how far down each row's disc reaches, and what that is off by."""
        table = self.table(order)
        n = self.entries.shape[0]
        entry_slack = self._entry_slack(table)
        sums = self._sums(table, entry_slack)
        margins, weights = self._margins(table, sums), self.entries.row_scales**2
        # row scales are powers of norms
        power = max(self.entries.network.homogeneity() or 1, 1)
        scale_error = 2.0 * power * self.entries.weight_error() + 4.0 * _EPS
        slack = entry_slack + gamma(n + 8) * sums + scale_error * np.abs(margins)
        return weights * margins, weights * slack

    def _sums(self, table: Table, entry_slack: float) -> Array:
        """Return the sums of |R| along each row, by one pass."""
        home = self.devices[0]
        remainders = _RemainderEntries(self.entries, table, self.entries.dtype, entry_slack)
        blocks = on_devices(remainders, self.devices)
        with home.context():
            ones = home.xp.ones((self.entries.shape[0], 1))
            sums = plan(blocks, 1, None, self.devices).multiply(ones, absolute=True)
            return home.get(sums)[:, 0]


@dataclass
class _RemainderEntries:
    """The remainders over row scales, as entries that a traversal takes blocks of."""

    entries: TabledEntries
    table: Table
    dtype: np.dtype[np.floating]
    norm_error: float
    in_place: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.entries.shape

    @property
    def entry_flops(self) -> float:
        """Floating-point operations that an entry takes: no more than one of the matrix."""
        return self.entries.entry_flops

    of_one_table: None = None
    factor_columns: None = None

    def factor_square(self) -> Array:
        """Refuse: there is no factor."""
        raise NotImplementedError

    def plan(
        self, columns: int, memory: int | None, devices: tuple[Device, ...]
    ) -> FusedProduct | None:
        """Return a product that writes no entry to memory, None where it goes by tiles."""
        if self.keeps_tiles(memory, devices):
            return None
        from fastgram.devices.fused_product import FusedProduct  # what GPUs need is for them

        return FusedProduct(self.entries.rows, np.ones(self.shape[0]), self.table, devices)

    def in_order_of_norms(self, devices: tuple[Device, ...]) -> None:
        """Return None: of one norm."""

    def keeps_tiles(self, memory: int | None, devices: tuple[Device, ...]) -> bool:
        """Whether products go by tiles."""
        return not all(device.uses_fused_product(self.table) for device in devices)

    def note(self, way: str) -> str:
        """Return nothing."""
        return ""

    def diagonal(self) -> Array:
        """Return the remainder of each row with itself."""
        return np.full(self.shape[0], self.table.at_one)

    def block(self, i: slice, j: slice, device: Device, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the remainder between rows i and j; `scratch` is of its shape."""
        rows = self.entries.rows
        unit = device.unit(rows)
        x, y = unit[i], unit[j]
        device.cosines(rows, i, rows, j, scratch)
        ones = device.xp.ones(max(scratch.shape), scratch.dtype)
        device.evaluate(scratch, x, y, ones[: len(x)], ones[: len(y)], self.table, out)


@functools.lru_cache(maxsize=8)
def _parts(network: Network, kind: str, norm: float, orders: int) -> tuple[Profile, Array]:
    """Return K as a function of the angle, and its series up to so many orders."""
    return profile_of_norm(network, kind, norm), power_series(network, kind, norm, orders)


@functools.lru_cache(maxsize=64)
def _remainder_table(
    network: Network, kind: str, norm: float, order: int, dtype: str, scale: float
) -> Table:
    """Return the table of K − Σ aₖρᵏ; `scale` is K's, of which its samples carry the rounding."""
    profile, series = _parts(network, kind, norm, max(order, ORDERS[-1]))
    taken = series[: order + 1]
    even, odd = taken.copy(), taken.copy()
    even[1::2], odd[0::2] = 0.0, 0.0
    powers = np.arange(1.0, order + 1.0)

    def chords(far: bool, offsets: Array) -> Array:
        # 1 − ρᵏ, to a rounding of itself as ρ tends to 1; at the other end odd orders change sign
        with np.errstate(divide="ignore"):
            log = np.log1p(np.maximum(-2.0 * np.sin(offsets / 2.0) ** 2, -1.0))
        lost = -np.expm1(np.multiply.outer(log, powers))
        lower = lost @ even[1:] + (-1.0 if far else 1.0) * (lost @ odd[1:])
        return np.asarray(profile.chords(far, offsets) - lower[:, None])

    remainder = Profile(
        profile.at_one - np.sum(taken),
        profile.at_minus_one - np.sum(even) + np.sum(odd),
        chords,
        profile.layers,
        profile.error,
        profile.by_norm,
    )
    table = build_table(remainder, dtype, scale)
    rounding = gamma(order + 8) * float(np.sum(taken))  # of the sums above
    return replace(table, error=table.error + rounding)
