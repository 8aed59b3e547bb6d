"""What workers hold, as it comes to them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("distributed")

from fastgram.devices.cluster.tasks import Parcel


@pytest.mark.parametrize("shift", [0, 1, 4])
def test_arrays_of_a_parcel_are_aligned_and_writable(shift):
    parcel = Parcel({"rows": np.arange(12.0).reshape(3, 4), "more": (lambda x: x + 1, "words")})
    buffers = []
    text = pickle.dumps(parcel, protocol=5, buffer_callback=buffers.append)
    moved = []
    for buffer in buffers:  # as a network leaves them
        raw = buffer.raw()
        place = bytearray(raw.nbytes + shift)
        place[shift:] = raw
        moved.append(memoryview(place)[shift:].toreadonly())
    assert moved
    found = pickle.loads(text, buffers=moved).content
    assert np.array_equal(found["rows"], np.arange(12.0).reshape(3, 4))
    assert found["rows"].flags.aligned
    assert found["rows"].flags.writeable
    assert found["more"][0](1) == 2
    assert parcel.__sizeof__() >= 96
