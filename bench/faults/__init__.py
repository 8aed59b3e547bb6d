"""Faults that tests should notice, planted one at a time: ``python -m bench.faults``."""
