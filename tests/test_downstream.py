"""A package that depends on fastgram; `.ci/run` installs it beside the wheel and checks types."""

from __future__ import annotations

import runpy
from pathlib import Path

PACKAGE = Path(__file__).parent / "downstream"


def test_a_package_downstream_keeps_its_promises(monkeypatch, capsys):
    monkeypatch.syspath_prepend(PACKAGE)
    runpy.run_path(str(PACKAGE / "check.py"), run_name="__main__")
    assert capsys.readouterr().out.startswith("snake, depth 1, 40 rows: ")
