"""What a device holds of an array is in one form or another, and never taken for the other."""

from __future__ import annotations

import numpy as np
from helpers import other_device
from helpers.other_device import OtherDevice

from fastgram.devices import gpu
from fastgram.infinite_width.entries import Rows
from fastgram.kernels.cuda.fused_product import padded_weights
from fastgram.network.network import Network


class Holding(OtherDevice, gpu.Gpu):
    """A GPU that holds arrays and does nothing else."""

    def __init__(self):
        OtherDevice.__init__(self)
        gpu.Gpu.__init__(self, other_device.xp, None)


def test_weights_are_held_plain_and_padded():
    """Of 130 rows tiles take 130 weights, and strips 256."""
    device, weights = Holding(), np.arange(130.0)
    with device.context():
        for _ in range(2):
            plain, padded = device.held(weights), device.held(weights, padded_weights)
            assert (plain.shape, padded.shape) == ((130,), (256,))
        assert np.array_equal(device.get(padded)[:130], device.get(plain))
        assert not np.any(device.get(padded)[130:])


def test_rows_are_held_padded():
    rows = Rows.of(np.ones((130, 3)), Network("relu"), np.dtype(np.float64))
    device = Holding()
    with device.context():
        assert device.held(rows.unit).shape == (130, 3)
        assert device.unit(rows).shape == (256, 8)
