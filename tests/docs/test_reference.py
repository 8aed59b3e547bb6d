"""Every public name is in the site's reference, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import fastgram as fg
import fastgram.exact
import fastgram.sklearn
import fastgram.study

MODULES = [fg, fg.datasets, fastgram.exact, fastgram.sklearn, fastgram.study]
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
MODULE = re.compile(r"^\.\. (?:currentmodule|automodule):: (\S+)\n(   :members:)?", re.MULTILINE)
OBJECT = re.compile(r"^\.\. auto(?:class|function):: (\S+)", re.MULTILINE)


def described(text):
    """Return the names that a page describes, as `module.name`."""
    names = []
    modules = list(MODULE.finditer(text))
    for found, after in zip(modules, [*modules[1:], None], strict=False):
        part = text[found.end() : after.start() if after else None]
        names += [f"{found[1]}.{name}" for name in OBJECT.findall(part)]
        if found[2]:
            names.append(f"{found[1]}.*")
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_its_place(module):
    names = Counter(name for page in REFERENCE.glob("*.md") for name in described(page.read_text()))
    assert [name for name, count in names.items() if count > 1] == []
    if f"{module.__name__}.*" not in names:
        wanted = {f"{module.__name__}.{name}" for name in module.__all__} - {
            "fastgram.datasets",
            "fastgram.study",
        }
        same = {name.replace("fastgram.", "fastgram.exact.") for name in names}  # fg.exact's two
        assert wanted - set(names) - same == set()


def test_what_a_page_describes_is_read():
    page = ".. automodule:: a.b\n   :members:\n\n.. currentmodule:: a\n\n.. autoclass:: C\n"
    assert described(page) == ["a.b.*", "a.C"]
