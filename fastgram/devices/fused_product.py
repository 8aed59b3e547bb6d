"""Products on GPUs that write no entry to memory: panels of rows, dealt out to the GPUs in turn.

Each GPU sums its own panels in their order, and the sums of the GPUs are added in theirs: the same
call gives the same bits on as many GPUs, and the same to rounding on others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.gpu import Gpu
from fastgram.devices.unit_rows import UnitRows
from fastgram.kernels.contract import Table
from fastgram.kernels.cuda import fused_product

__all__ = ["FusedProduct"]


@dataclass(frozen=True)
class FusedProduct:
    """Products with the matrix A[i, j] = weights[i]·K(ρ[i, j])·weights[j].

    Attributes
    ----------
    rows : UnitRows
        With unit rows in float64.
    weights : (n,) array
        Lives as long as the rows: a copy stays on each GPU for that long.
    table : Table
        Of K.
    devices : tuple
        GPUs.
    """

    rows: UnitRows
    weights: npt.NDArray[np.floating]
    table: Table
    devices: tuple[Device, ...]
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
        home, count = self.devices[0], len(self.devices)
        if count == 1:
            return self._part(0, V, absolute)
        home.finish()
        with ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
            parts = list(pool.map(lambda number: self._part(number, V, absolute), range(count)))
        total = parts[0]
        for part in parts[1:]:
            home.add(total, part)
        return total

    def _part(self, number: int, V: Any, absolute: bool) -> Any:
        """Return what the panels of one GPU contribute."""
        device = self.devices[number]
        assert isinstance(device, Gpu)
        with device.context():
            panels = range(number, fused_product.panel_count(self.weights.size), len(self.devices))
            product = fused_product.multiply(
                device.kernels,
                device.unit(self.rows),
                device.device_copy(self.weights, fused_product.padded_weights),
                self.table,
                device.put(V),
                panels,
                absolute,
            )
            if len(self.devices) > 1:
                device.finish()
            return product

    def with_row_sums(self, V: Any) -> tuple[Any, Any]:
        """Return A @ V and |A| @ 1, (n, 1)."""
        home = self.devices[0]
        with home.context():
            sums = self.multiply(home.xp.ones((self.weights.size, 1)), absolute=True)
            return self.multiply(V), sums

    @property
    def summands(self) -> int:
        """How many additions an entry of a product goes through, at most."""
        worst = 0
        for device in self.devices:
            assert isinstance(device, Gpu)
            multiprocessors = device.kernels.multiprocessors
            worst = max(worst, fused_product.summands(self.weights.size, multiprocessors))
        return worst + len(self.devices)
