"""What a release has beside its code: one version everywhere, and files of the form they need."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import fastgram

ROOT = Path(fastgram.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# What the Citation File Format, 1.2.0, demands and allows at the top.
CFF_NEEDS = {"cff-version", "message", "title", "authors"}
CFF_KNOWS = CFF_NEEDS | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "preferred-citation", "references", "repository"),
    *("repository-artifact", "repository-code", "type", "url", "version"),
}


@pytest.fixture(scope="module")
def yaml():
    return pytest.importorskip("yaml")


def test_one_version():
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert PROJECT["project"]["version"] == fastgram.__version__ == newest[1]
    assert version("fastgram") == fastgram.__version__


def test_the_citation(yaml):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert CFF_NEEDS <= set(cited) <= CFF_KNOWS
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == fastgram.__version__
    assert cited["license"] == PROJECT["project"]["license"]
    assert cited["type"] == "software"
    people = list(cited["authors"])
    for part in cited["references"]:
        people += part["authors"]
    assert all({"name"} == set(person) or "family-names" in person for person in people)


def test_every_folder_of_code_is_packaged():
    packages = set()
    for top, prefix in (("fastgram", ("fastgram",)), ("kernels", ("fastgram", "kernels"))):
        for path in (ROOT / top).rglob("*.py"):
            packages.add(".".join((*prefix, *path.parent.relative_to(ROOT / top).parts)))
    assert packages | {"fastgram.data"} == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_of_issues(path, yaml):
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.stem == "config":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels"}
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields)


def test_forms_ask_for_the_report(yaml):
    asking = [path.stem for path in FORMS if "fastgram info --report" in path.read_text("utf-8")]
    assert asking == ["bracket", "bug"]
