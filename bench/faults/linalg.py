"""Faults in what the linear algebra proves: certificates, brackets, the density, runs on disk."""

from __future__ import annotations

from bench.faults.fault import Fault

__all__ = ["FAULTS"]

FAULTS = [
    Fault(
        "fastgram/_certificate.py",
        "        relative = gamma(n + 2)\n",
        "        relative = gamma(1)\n",
        "tests/test_certificate.py",
    ),
]
