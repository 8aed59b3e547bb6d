"""Types as users meet them: mypy --strict on files of a package downstream."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import fastgram
from fastgram import bracket
from fastgram.devices import registry
from fastgram.eigenvalues import extreme
from fastgram.exact import solve
from fastgram.network import network
from fastgram.support import literals

DOWNSTREAM = Path(__file__).parent / "helpers" / "downstream"
ROOT = Path(fastgram.__file__).parent.parent


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The errors of mypy in the files, as (file, line, message)."""
    folder = tmp_path_factory.mktemp("mypy")
    (folder / "mypy.ini").write_text(f"[mypy]\nmypy_path = {ROOT}\nfollow_imports = silent\n")
    words = ["-m", "mypy", "--strict", "--config-file", folder / "mypy.ini"]
    words += ["--cache-dir", folder / "cache", "--no-error-summary", "--no-pretty"]
    done = subprocess.run(
        [sys.executable, *map(str, words), *map(str, sorted(DOWNSTREAM.glob("*.py")))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
    )
    assert done.stderr == ""
    found = re.findall(r"^(.*?):(\d+): (?:error|warning): (.*)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return [(Path(file).name, int(line), message) for file, line, message in found]


@pytest.mark.slow
def test_right_usage_is_clean(told):
    assert [entry for entry in told if entry[0] == "right.py"] == []


@pytest.mark.slow
def test_wrong_usage_is_caught(told):
    lines = (DOWNSTREAM / "wrong.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert {line for file, line, _ in told if file == "wrong.py"} == wrong


def test_right_usage_runs():
    pytest.importorskip("flint")
    code = (DOWNSTREAM / "right.py").read_text()
    exec(compile(code, "right.py", "exec"), {"__name__": "right"})


def test_types_are_the_words_that_are_taken():
    for words, known in [
        (literals.Kind, network.KINDS),
        (literals.Readout, network.READOUTS),
        (literals.DeviceName, registry.DEVICES),
        (literals.Method, extreme.METHODS),
        (literals.RowScaling, solve.ROWS),
        (bracket.Guarantee, bracket.GUARANTEES),
    ]:
        assert get_args(words) == known
