"""Tools for tests of several rooms: cases, tolerances, oracles, devices that are none."""
