"""Every public name is in the site's reference, once, and so is what public functions return."""

from __future__ import annotations

import inspect
import re
import sys
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
        for name in OBJECT.findall(part):
            names.append(name if name.startswith("fastgram.") else f"{found[1]}.{name}")
        if found[2]:
            names.append(f"{found[1]}.*")
    return names


def names_of_the_reference():
    pages = (page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
    return Counter(name for text in pages for name in described(text))


def types_of(public):
    """Return fastgram's classes that a function returns, or that an object's attributes are."""
    module, words = vars(sys.modules[public.__module__]), ""
    if inspect.isclass(public):
        words = " ".join(map(str, inspect.get_annotations(public).values()))
    elif inspect.isfunction(public):
        words = str(inspect.signature(public).return_annotation)
    named = [module.get(word) for word in re.findall(r"\w+", words)]
    return [one for one in named if inspect.isclass(one) and one.__module__.startswith("fastgram")]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_its_place(module):
    names = names_of_the_reference()
    assert [name for name, count in names.items() if count > 1] == []
    if f"{module.__name__}.*" not in names:
        wanted = {f"{module.__name__}.{name}" for name in module.__all__} - {
            "fastgram.datasets",
            "fastgram.study",
        }
        same = {name.replace("fastgram.", "fastgram.exact.") for name in names}  # fg.exact's two
        assert wanted - set(names) - same == set()


def test_types_that_are_met_have_their_place():
    public = [getattr(module, name) for module in MODULES for name in module.__all__]
    met = [found for one in public if hasattr(one, "__module__") for found in types_of(one)]
    for one in met:  # which grows: a plan has ways
        met += [found for found in types_of(one) if found not in met]
    described_names = {name.rpartition(".")[2] for name in names_of_the_reference()}
    assert {"Brackets", "Way", "StoredGram"} <= {one.__name__ for one in met}
    # a curve's Descent is what it computes with
    assert {one.__name__ for one in met} - described_names <= {"Descent", "Rule"}


def test_what_a_page_describes_is_read():
    page = ".. automodule:: a.b\n   :members:\n\n.. currentmodule:: a\n\n.. autoclass:: C\n"
    page += "\n.. autoclass:: fastgram.d.E\n"
    assert described(page) == ["a.b.*", "a.C", "fastgram.d.E"]
