"""Products on GPUs that write no entry to memory: strips of rows, dealt out to the GPUs in turn.

Each GPU sums its own strips in their order, and the sums of the GPUs are added in theirs: the same
call gives the same bits on as many GPUs, and the same to rounding on others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastgram._devices import Device
from fastgram._entries import Entries
from fastgram._gpu import Gpu
from fastgram.kernels import strips

__all__ = ["additions", "multiply_by_strips"]


def multiply_by_strips(
    entries: Entries, devices: tuple[Device, ...], V: Any, absolute: bool = False
) -> Any:
    """Return A @ V, or |A| @ V, for a block on the first of the devices, which are GPUs.

    Parameters
    ----------
    entries : Entries
        Of one set of rows, with a table and tiles in float64.
    devices : tuple
    V : (n, b) array
    absolute : bool
    """
    table, home = entries.table, devices[0]
    assert table is not None
    count = strips.count(entries.shape[0])

    def share(place: int) -> Any:
        device = devices[place]
        assert isinstance(device, Gpu)
        with device.context():
            product = strips.multiply(
                device.kernels,
                device.unit(entries.rows),
                device.held(entries.weights, strips.padded_weights),
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
        worst = max(worst, strips.additions(n, device.kernels.processors))
    return worst + len(devices)
