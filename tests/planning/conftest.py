"""Rates made up in the place of measurements, and a cache folder of the test's own."""

from __future__ import annotations

import pytest

from fastgram.planning import rates

MACHINE = {
    "factorisation": 5e10,
    "eigenvalues": 1e10,
    "disk_write": 2e8,
    "disk_read": 4e8,
    "disk_cached": 4e9,
}
VECTORS = {"orthogonal": 1e10, "triangles": 2e10, "looks": 500.0}
ENTRIES = {"entries": 6e10, "tiles": 3e10, "memory": 1e10, "factors": 2.5e10}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fastgram" / "rates.json"


@pytest.fixture
def measured(cache, monkeypatch):
    """A list of what was measured, of rates that are made up."""
    calls = []

    def instead(name, found):
        def measure(*_):
            calls.append(name)
            return dict(found)

        monkeypatch.setattr(rates.measurements, name, measure)

    for name, found in (
        ("of_machine", MACHINE),
        ("of_vectors", VECTORS),
        ("of_entries", ENTRIES),
    ):
        instead(name, found)
    return calls
