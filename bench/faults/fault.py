"""A fault: a file, a text of it, and what takes its place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One change for the worse.

    Attributes
    ----------
    file : str
        The file, from the root of the checkout.
    text : str
        What stands there, once.
    fault : str
        What it is replaced by.
    tests : str
        What pytest is given, as on a command line: "tests/eigenvalues/test_extreme.py -k coverage".
    """

    file: str
    text: str
    fault: str
    tests: str
