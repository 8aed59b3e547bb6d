"""The guide's page of errors has an entry for every message of the library, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.messages import messages_of

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "errors.md"
AFTER_ERRORS = "## What results say"  # which are no exceptions


def entries():
    """Return the templates in the first cells of the page's tables."""
    text = PAGE.read_text("utf-8").split(AFTER_ERRORS)[0]
    rows = re.findall(r"^\| (.*?) \| .* \|$", text, re.MULTILINE)
    return [entry for first in rows for entry in re.findall(r"`(.+?)`", first)]


def test_every_message_has_an_entry():
    known = set(entries())
    missing = [
        f"{message.file}:{message.line}: {message.template}"
        for message in messages_of()
        if message.template not in known
    ]
    assert not missing, f"{len(missing)} without an entry in {PAGE.name}:\n" + "\n".join(missing)


def test_every_entry_is_of_a_message():
    templates = {message.template for message in messages_of()}
    assert [entry for entry in entries() if entry not in templates] == []


def test_entries_are_there_once():
    found = entries()
    assert len(found) > 200
    twice = {entry for entry in found if found.count(entry) > 1}
    assert twice <= {"…: another process is writing it"}


@pytest.mark.parametrize(
    ("source", "templates"),
    [
        ("raise ValueError(f'{a} must be {b!r}')", ["… must be …"]),
        ("raise TypeError('one ' 'two')", ["one two"]),
        (
            "raise ValueError(f'{a}{b}: no ' + ('rows' if a else 'columns'))",
            ["…: no rows", "…: no columns"],
        ),
        ("def f():\n    text = f'no {a}'\n    raise ValueError(text) from None", ["no …"]),
        ("self.lost = ConnectionError(f'{a} is lost')", ["… is lost"]),
        ("raise kind(f'{a} is wrong')", ["… is wrong"]),
        ("warnings.warn(f'{a} is slow', RuntimeWarning)", ["… is slow"]),
        ("raise KeyError('internal')\nraise ValueError(f'{a}')\nraise\nraise ValueError", []),
    ],
)
def test_messages_are_found(source, templates, tmp_path):
    (tmp_path / "one.py").write_text(source, "utf-8")
    assert [message.template for message in messages_of(tmp_path)] == templates
