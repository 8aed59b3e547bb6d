"""What a device holds of an array is in one form or another, and never taken for the other."""

from __future__ import annotations

import numpy as np
from helpers.other_device import OtherDevice

from fastgram.devices.unit_rows import UnitRows
from fastgram.kernels.cuda.fused_product import padded_weights


def test_weights_are_held_plain_and_padded():
    """Of 130 rows tiles take 130 weights, and panels 256."""
    device, weights = OtherDevice(), np.arange(130.0)
    with device.context():
        for _ in range(2):
            plain, padded = device.device_copy(weights), device.device_copy(weights, padded_weights)
            assert (plain.shape, padded.shape) == ((130,), (256,))
        assert np.array_equal(device.get(padded)[:130], device.get(plain))
        assert not np.any(device.get(padded)[130:])


def test_rows_are_held_padded():
    rows = UnitRows.of(np.ones((130, 3)), np.dtype(np.float64))
    device = OtherDevice()
    with device.context():
        assert device.device_copy(rows.unit).shape == (130, 3)
        assert device.unit(rows).shape == (256, 8)
