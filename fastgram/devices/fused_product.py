"""Products on GPUs that write no entry to memory: panels of rows, dealt out to the GPUs in turn.

Each GPU sums its own panels in their order, and the sums of the GPUs are added in theirs: the same
call gives the same bits on as many GPUs, and the same to rounding on others.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastgram.devices.band import Band
from fastgram.devices.device import Device
from fastgram.devices.gpu import Gpu
from fastgram.devices.unit_rows import UnitRows
from fastgram.kernels.contract import MiddlePolynomial, Table
from fastgram.kernels.cuda.fused import product as fused_product

__all__ = ["FusedProduct"]


@dataclass(frozen=True)
class FusedProduct:
    """Products with the matrix A[i, j] = weights[i]·K(ρ[i, j])·weights[j].

    Attributes
    ----------
    rows : UnitRows
        With unit rows in float64.
    weights : (n,) float64 array
        Lives as long as the rows: a copy stays on each GPU for that long.
    table : Table
        Of K.
    devices : tuple
        GPUs.
    middle : callable
        Returns the polynomial of the table's middle, where there is one, for kernels that take it.
    """

    rows: UnitRows
    weights: npt.NDArray[np.floating]
    table: Table
    devices: tuple[Device, ...]
    middle: Callable[[], MiddlePolynomial | None] = lambda: None
    name: Literal["fused"] = "fused"
    flops: None = None

    def multiply(self, V: Any, absolute: bool = False) -> Any:
        """Return A @ V, or |A| @ V.

        Parameters
        ----------
        V : (n, b) float64 array
            On the first of the GPUs, as the product will be.
        absolute : bool
        """
        return self._of_panels(range(fused_product.panel_count(self.weights.size)), V, absolute)

    def _of_panels(self, panels: range, V: Any, absolute: bool) -> Any:
        home, count = self.devices[0], len(self.devices)
        if count == 1:
            return self._part(0, panels, V, absolute)
        home.finish()
        with ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
            parts = list(
                pool.map(lambda number: self._part(number, panels, V, absolute), range(count))
            )
        total = parts[0]
        for part in parts[1:]:
            home.add(total, part)
        return total

    def _part(self, number: int, panels: range, V: Any, absolute: bool) -> Any:
        """Return what one GPU's of these panels contribute."""
        device = self.devices[number]
        assert isinstance(device, Gpu)
        own = panels[number :: len(self.devices)]
        with device.context():
            product = fused_product.multiply(
                device.kernels, self._on(device), device.put(V), own, absolute
            )
            if len(self.devices) > 1:
                device.finish()
            return product

    def _on(self, device: Gpu) -> fused_product.Factors:
        """Return the matrix on a GPU."""
        return fused_product.Factors(
            device.packed(self.rows), device.device_copy(self.weights), self.table, self.middle()
        )

    def build(self, out: Any) -> None:
        """Write the matrix into a C-contiguous float64 array of the first of the GPUs."""
        home = self.devices[0]
        assert isinstance(home, Gpu)
        with home.context():
            fused_product.build(home.kernels, self._on(home), out)

    def with_row_sums(self, V: Any) -> tuple[Any, Any]:
        """Return A @ V and |A| @ 1, (n, 1)."""
        home = self.devices[0]
        with home.context():
            sums = self.multiply(home.xp.ones((self.weights.size, 1)), absolute=True)
            return self.multiply(V), sums

    def band(self, V: Any, band: Band, absolute: bool, row_sums: bool) -> tuple[int, Any]:
        """Return what the panels of a band contribute: see `fastgram.matrix.products.Product`."""
        home, rows = self.devices[0], band.rows
        start, stop = (fused_product.panel_count(row) for row in (rows.start, rows.stop))
        with home.context():  # a row of the CPU's tiles is whole panels
            part = self._of_panels(range(start, stop), V, absolute)
            if row_sums:
                ones = home.xp.ones((self.weights.size, 1))
                sums = self._of_panels(range(start, stop), ones, True)
                part = home.xp.hstack([part, sums])
            return rows.start, part[rows.start :]

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""
        return fused_product.SUMMANDS + len(self.devices)
