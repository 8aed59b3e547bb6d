"""Prints, after pytest-benchmark's own tables, the ratios that each case measured."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print one line a ratio: the median of runs taken in turn, and their range."""
    session = getattr(config, "_benchmarksession", None)
    lines = [
        f"{benchmark.name:<52} {what:<34} {value}"
        for benchmark in (session.benchmarks if session is not None else [])
        for what, value in benchmark.extra_info.items()
    ]
    if lines:
        terminalreporter.section("ratios: ours / other, median [least, largest] of runs in turn")
        for line in lines:
            terminalreporter.write_line(line)
