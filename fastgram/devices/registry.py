"""From the name of a device to the devices that it stands for, and rows from wherever they are."""

from __future__ import annotations

import importlib
import os
from typing import Any, get_args

from fastgram.devices.cpu import CPU, Cpu
from fastgram.devices.device import Device
from fastgram.support.literals import DaskClient, DeviceName
from fastgram.support.validation import as_choice, on_gpu

__all__ = ["DEVICES", "as_devices", "gpus", "host_rows"]

DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)


def as_devices(name: str | DaskClient | Device) -> tuple[Device, ...]:
    """Return what a device's name stands for: the CPU, or every GPU that CuPy sees.

    A `distributed.Client` stands for the workers of its cluster, and a cluster's device for itself.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, "gpu" where none can be used, or a client that is closed or
        asynchronous. "auto" takes the CPU where there is no GPU.
    """
    if isinstance(name, Cpu):  # a cluster's, of a copy or from a pickle
        return (name,)
    if any(base.__module__.partition(".")[0] == "distributed" for base in type(name).__mro__):
        from fastgram.devices.cluster.device import cluster_of  # who asks for it has loaded Dask

        return (cluster_of(name),)
    if as_choice("device", name, DEVICES) == "cpu":
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            importlib.import_module("fastgram.kernels.cpu.jit")  # which says that it cannot be
        return (CPU,)
    found, reason = gpus()
    if not found and name == "gpu":
        raise ValueError(f"device='gpu': {reason}; device='cpu' works everywhere")
    return found or (CPU,)


def gpus() -> tuple[tuple[Device, ...], str]:
    """Return the GPUs that can be used, or none and why there is none."""
    from fastgram.devices import gpu  # what it needs is loaded for those who ask

    try:
        return gpu.find(), ""
    except gpu.NoGpuError as reason:
        return (), str(reason)


def host_rows(X: Any, devices: tuple[Device, ...]) -> tuple[Any, bool]:
    """Return rows where they can be checked, on the host, and whether they came from a GPU."""
    home = devices[0]
    if isinstance(home, Cpu) or not on_gpu(X):
        return X, False  # a GPU's, not asked for there, is refused where rows are checked
    with home.context():
        return home.get(home.put(X)), True
