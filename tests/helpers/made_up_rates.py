"""Rates that are made up, in the place of measurements."""

from __future__ import annotations

from fastgram.planning import measurements

__all__ = ["ENTRIES", "MACHINE", "VECTORS", "instead_of_measuring"]

MACHINE = {
    "factorisation": 5e10,
    "eigenvalues": 1e10,
    "disk_write": 2e8,
    "disk_read": 4e8,
}
VECTORS = {"orthogonal": 1e10, "triangles": 2e10, "looks": 500.0, "stored": 1.5e10}
ENTRIES = {"entries": 6e10, "tiles": 3e10, "memory": 1e10, "factors": 2.5e10}


def instead_of_measuring(monkeypatch, folder):
    """Keep rates in a folder of the test's own; return a list of what is measured from now on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    calls = []

    def made_up(name, found):
        def measure(*_):
            calls.append(name)
            return dict(found)

        monkeypatch.setattr(measurements, name, measure)

    made_up("of_machine", MACHINE)
    made_up("of_vectors", VECTORS)
    made_up("of_entries", ENTRIES)
    return calls
