"""A symmetric Gram matrix as it is computed: what stands behind a GramOperator.

Users see the operator; eigensolvers and densities ask this for what brackets are made of: row sums
of |A|, roundings of products, costs, tiles where they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.linalg.systems.ridge import Ridge
from fastgram.matrix.computed_rectangle import rows_of
from fastgram.matrix.consumers import Store, VisitTiles
from fastgram.matrix.entries import Blocks, NetworkBlocks
from fastgram.matrix.products import Product, plan
from fastgram.matrix.tile_cache import Cache
from fastgram.matrix.traversal import each_tile, store
from fastgram.support.arrays import Array

__all__ = ["ComputedMatrix"]


_RIDGE_ROUNDINGS = 2  # of a product with it, and of adding that


class ComputedMatrix:
    """Entries, the devices that compute them, the tiles that are kept, products, and a ridge.

    Attributes
    ----------
    entries : NetworkBlocks
    devices : tuple of Device
        The first one takes and gives vectors.
    given_rows : (n, d) array
        Read-only.
    given_memory : int or None
        Bytes of tiles that were asked to be kept.
    cache : Cache
        Of tiles without the ridge.
    ridge : Ridge
        What is added to the diagonal of all but `entries`.
    """

    def __init__(
        self,
        entries: NetworkBlocks,
        devices: tuple[Device, ...],
        given_rows: Array,
        given_memory: int | None,
        ridge: Ridge,
    ) -> None:
        self.entries = entries
        self.devices = devices
        self.given_rows = given_rows
        self.given_memory = given_memory
        self.ridge = ridge
        self._home = devices[0]
        keeps = entries.keeps_tiles(given_memory, devices)
        self.cache = Cache(given_memory if keeps else 0, self._home)
        # of each way to multiply that was taken, without the ridge
        self._row_sums: dict[str, Array] = {}
        self._summands: dict[str, int] = {}

    def with_ridge(self, ridge: Ridge) -> ComputedMatrix:
        """Return the same with another ridge; what is computed and kept serves both."""
        other = copy.copy(self)
        other.ridge = ridge
        return other

    # --- products ---------------------------------------------------------------------------------

    def plan(self, columns: int) -> Product:
        """Return what multiplies a block of so many columns."""
        return plan(self.entries, columns, self.given_memory, self.devices, self.cache)

    def multiplication_note(self, columns: int) -> str:
        """Return how so many columns are multiplied, in words, or nothing where it goes by itself.

        It is of a network of finite width that there is something to say.
        """
        return self.entries.note(self.plan(columns).name)

    def product_flops(self, columns: int) -> float | None:
        """Return what a product by factors takes, None where entries are computed for it."""
        return self.plan(columns).flops

    def multiply(self, V: Any) -> Any:
        """Return A @ V, (n, b) float64, on the host or on the first device as V is."""
        with self._home.context():
            block = self._block(V)
            return self._result(V, block, self.plan(block.shape[1]).multiply(block))

    multiply_transposed = multiply

    def product_and_row_sums(self, V: Any) -> Any:
        """Return A @ V; with the first such product, get what `absolute_row_sums` needs as well.

        V is on the host or on the first device, and so is what is returned.
        """
        with self._home.context():
            block = self._block(V)
            product = self.plan(block.shape[1])
            if product.name in self._row_sums:
                out = product.multiply(block)
                self._keep_summands(product)
                return self._result(V, block, out)
            out, sums = product.with_row_sums(block)
            self._keep_row_sums(product, sums)
            return self._result(V, block, out)

    @property
    def absolute_row_sums(self) -> Array:
        """Sums of |entries| along each row, (n,) float64: rounding in products scales with them.

        Of the products so far. For products by factors, the sums of what the absolute values of the
        factors make, which are no smaller.
        """
        if not self._row_sums:
            product = self.plan(1)
            with self._home.context():
                ones = self._home.xp.ones((self.entries.shape[0], 1))
                self._keep_row_sums(product, product.multiply(ones, absolute=True))
        return np.asarray(np.max(list(self._row_sums.values()), axis=0)) + self.ridge.given

    @property
    def has_row_sums(self) -> bool:
        """Whether a product has brought them."""
        return bool(self._row_sums)

    @property
    def summands(self) -> int:
        """How many additions an entry of the products so far goes through, at most."""
        found = max(self._summands.values()) if self._summands else self.plan(1).summands
        return found + _RIDGE_ROUNDINGS if self.ridge else found

    def _keep_row_sums(self, product: Product, sums: Any) -> None:
        self._keep_summands(product)
        self._row_sums[product.name] = self._home.get(sums)[:, 0]

    def _keep_summands(self, product: Product) -> None:
        # of a cluster, whose workers come and go, each product may have others
        found = self._summands.get(product.name, 0)
        self._summands[product.name] = max(found, product.summands)

    def _block(self, V: Any) -> Any:
        """Return vectors as a contiguous float64 block on the first device."""
        if isinstance(V, np.ndarray):
            V = self._home.put(np.ascontiguousarray(V, dtype=np.float64))
        return self._home.xp.ascontiguousarray(V, dtype=np.float64)

    def _result(self, V: Any, block: Any, product: Any) -> Any:
        """Return a product with the ridge, where the vectors were."""
        if self.ridge:
            product += self.ridge.times(block, self._home)
        return product if self._home.owns(V) else self._home.get(product)

    # --- entries ----------------------------------------------------------------------------------

    def diagonal(self) -> Array:
        """Return the diagonal, exact to rounding: (n,) float64."""
        return self.entries.diagonal() + self.ridge.given

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole matrix as it is stored."""
        ordered = self._in_order
        error = max(entries.norm_error for entries in (self.entries, *ordered))
        return error + self.ridge.rounding(self.diagonal())

    def dense_on_host(self) -> npt.NDArray[np.floating]:
        """Return the matrix as a NumPy array, wherever the rows were."""
        return np.asarray(self.store(np.empty(self.entries.shape, self.entries.dtype)))

    def dense_on_device(self) -> Any:
        """Return the matrix as an array of the first device."""
        with self._home.context():
            return self.store(self._home.xp.empty(self.entries.shape, self.entries.dtype))

    def store(self, out: Any) -> Any:
        """Write the matrix into an array of the first device or of the host, and return it."""
        dtype = self.entries.dtype
        # tiles are kept in float64: of float32 tiles the last bit would depend on what is kept
        cache = self._kept if dtype == np.float64 else None
        consumer = Store(out, symmetric=True, dtype=dtype, home=self._home)
        store(self.entries, consumer, self.devices, cache=cache)
        if self.ridge:
            diagonal = out.reshape(-1)[:: out.shape[1] + 1]
            given = self.ridge.given
            on_device = self._home.owns(out) and isinstance(given, np.ndarray)
            diagonal += self._home.put(given) if on_device else given
        return out

    def rows(self, rows: slice, xp: Any) -> Any:
        """Return some rows, of a start and a stop, as an array of xp in the dtype of the tiles."""
        found = rows_of(self.entries, self.devices, rows, xp, symmetric=True)
        if self.ridge:
            places = xp.arange(found.shape[0])
            found[places, places + rows.start] += xp.asarray(self.ridge.of(rows))
        return found

    def visit_tiles(self, visitor: Callable[[Device, slice, slice, Any], None]) -> None:
        """Hand the lower triangle to a function of the device, rows, columns and its block."""
        cache, ridge = self._kept, self.ridge

        def with_ridge(device: Device, i: slice, j: slice, block: Any) -> None:
            visitor(device, i, j, ridge.added_to_diagonal(block, i, device) if i == j else block)

        each_tile(
            self.entries,
            VisitTiles(with_ridge if ridge else visitor),
            self.devices,
            cache=cache,
        )

    @property
    def _in_order(self) -> list[Blocks]:
        """The entries of sorted rows, where products are with these."""
        ordered = self.entries.in_order_of_norms(self.devices)
        return [] if ordered is None else [ordered.entries]

    @property
    def _kept(self) -> Cache | None:
        """The tiles that are kept, to be read; None where they are of rows in another order."""
        return None if self._in_order else self.cache.read_only()

    def forget(self) -> None:
        """Give back the tiles that are kept, and the scratch of traversals."""
        self.cache.forget()
        for device in self.devices:
            device.release_scratch()
