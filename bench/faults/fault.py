"""A fault: a file, a text of it, and what takes its place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fault", "faults_in"]


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


def faults_in(file: str, tests: str, *changes: tuple[str, str], room: str = "") -> list[Fault]:
    """Return faults of one file that the same tests should notice.

    `file` is a path within fastgram/ and `tests` one within tests/, of a room where one is given.
    """
    within = f"{room}/" if room else ""
    path = f"fastgram/{within}{file}.py"
    return [Fault(path, text, fault, f"tests/{within}{tests}") for text, fault in changes]
