"""One cluster of two processes for all tests, on the loopback."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg

pytest.importorskip("distributed")


@pytest.fixture(scope="session")
def client():
    """Two processes; each takes seconds of a processor to begin with."""
    from helpers.clusters import processes

    with processes(2) as found:
        yield found


@pytest.fixture(scope="session")
def X():
    """Rows enough for five rows of tiles."""
    return fg.datasets.sphere(1700, 12, seed=0)


@pytest.fixture
def V():
    return np.random.default_rng(1).standard_normal((1700, 5))
