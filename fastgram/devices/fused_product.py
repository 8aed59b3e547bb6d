"""Products on GPUs that write no entry to memory: strips of rows, dealt out to the GPUs in turn.

Each GPU sums its own strips in their order, and the sums of the GPUs are added in theirs: the same
call gives the same bits on as many GPUs, and the same to rounding on others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.gpu import Gpu
from fastgram.devices.unit_rows import UnitRows
from fastgram.kernels.contract import Table
from fastgram.kernels.cuda import fused_product

__all__ = ["additions", "multiply_by_strips"]


def multiply_by_strips(
    rows: UnitRows,
    weights: npt.NDArray[np.floating],
    table: Table,
    devices: tuple[Device, ...],
    V: Any,
    absolute: bool = False,
) -> Any:
    """Return A @ V, or |A| @ V, with A[i, j] = weights[i]·K(ρ[i, j])·weights[j].

    Parameters
    ----------
    rows : UnitRows
        With unit rows in float64.
    weights : (n,) array
        Lives as long as the rows: a copy is held on each GPU for that long.
    table : Table
        Of K.
    devices : tuple
        GPUs.
    V : (n, b) float64 array
        On the first of them, as the product will be.
    absolute : bool
    """
    home, count = devices[0], fused_product.count(weights.size)

    def share(place: int) -> Any:
        device = devices[place]
        assert isinstance(device, Gpu)
        with device.context():
            product = fused_product.multiply(
                device.kernels,
                device.unit(rows),
                device.device_copy(weights, fused_product.padded_weights),
                table,
                device.put(V),
                range(place, count, len(devices)),
                absolute,
            )
            if len(devices) > 1:
                device.finish()
            return product

    if len(devices) == 1:
        return share(0)
    home.finish()
    with ThreadPoolExecutor(len(devices), thread_name_prefix="fastgram") as pool:
        parts = list(pool.map(share, range(len(devices))))
    total = parts[0]
    with home.context():
        for part in parts[1:]:
            total += home.put(part)
    return total


def additions(n: int, devices: tuple[Device, ...]) -> int:
    """Return how many additions an entry of the product goes through, at most."""
    worst = 0
    for device in devices:
        assert isinstance(device, Gpu)
        worst = max(worst, fused_product.additions(n, device.kernels.processors))
    return worst + len(devices)
