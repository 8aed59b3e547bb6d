"""Every command line of the guide is one that the command takes: parsed, and not run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from fastgram.cli.app import app

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = [
    pytest.param(line, id=f"{page.stem}: {line}")
    for page in sorted(GUIDE.glob("*.md"))
    for block in BLOCK.findall(page.read_text("utf-8"))
    for line in block.splitlines()
    if line.startswith("fastgram ")
]


def test_there_are_some():
    assert len(LINES) > 20


@pytest.mark.parametrize("line", LINES)
def test_it_is_a_command(line):
    name, *words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app).commands[name]
    context = command.make_context(name, words)
    assert not context.args
