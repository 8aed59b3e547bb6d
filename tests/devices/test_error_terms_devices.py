"""What a device holds of an array is in one form or another, and never taken for the other."""

from __future__ import annotations

import numpy as np
from helpers.other_device import OtherDevice

from fastgram.devices.unit_rows import UnitRows


def test_rows_are_held_plain_padded_and_packed():
    """Of 130 rows of 3 numbers tiles take slabs of 8, and fused products panels of 128 rows too."""
    rows = UnitRows.of(np.ones((130, 3)), np.dtype(np.float64))
    device = OtherDevice()
    with device.context():
        for _ in range(2):
            plain, padded, packed = (
                device.device_copy(rows.unit),
                device.unit(rows),
                device.packed(rows),
            )
            assert (plain.shape, padded.shape) == ((130, 3), (130, 8))
            assert packed.shape == (2, 4, 1, 512)
        assert np.array_equal(device.get(padded)[:, :3], device.get(plain))
        assert not np.any(device.get(padded)[:, 3:])
        # rows beyond the last are zeros
        assert np.count_nonzero(device.get(packed)) == 2 * 130 * 3
