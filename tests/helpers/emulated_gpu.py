"""GPUs that are this machine's processor: strict arrays, and the CUDA kernels compiled as host C++.

What runs on them is all that runs on a GPU but CuPy itself: `fastgram.devices.gpu.Gpu`, the
orchestration, and the text of the kernels.
"""

import numpy as np
import pytest

from fastgram.devices import gpu as _gpu
from fastgram.kernels.cuda.launch import Kernels
from helpers import other_device
from helpers.cuda_host import launcher, whole_source
from helpers.other_device import OtherArray, OtherDevice

__all__ = ["EmulatedGpu", "as_emulated"]


class EmulatedGpu(OtherDevice):
    """One of them."""

    name = "gpu"

    def __init__(self, number=0, tile=16, backward=False, free=2**30):
        self._backward = backward
        super().__init__(free, self._kernels())
        self.number, self.tile, self.label = number, tile, f"gpu {number} (emulated)"

    def _kernels(self):
        launch = launcher(whole_source(), self._backward)

        def on_device(name, grid, block, shared, arguments):
            self._require_context()
            for argument in arguments:
                record = isinstance(argument, np.ndarray) and argument.dtype.kind == "V"
                assert record or isinstance(argument, (OtherArray, np.generic)), type(argument)
            launch(name, grid, block, shared, [_bare(argument) for argument in arguments])

        return Kernels(_Namespace(self), on_device, 3)


class _Namespace:
    """What the kernels make arrays with: CuPy's asarray takes NumPy's to the device."""

    def __init__(self, gpu):
        self.asarray = gpu.put

    def __getattr__(self, name):
        return getattr(other_device.xp, name)


def _bare(argument):
    return argument._values if isinstance(argument, OtherArray) else argument


@pytest.fixture
def as_emulated(monkeypatch):
    """A function that makes so many emulated GPUs what device="gpu" stands for."""

    def use(count=1, **options):
        found = tuple(EmulatedGpu(number, **options) for number in range(count))
        monkeypatch.setattr(_gpu, "find", lambda: found)
        return found

    return use
