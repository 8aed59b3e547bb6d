"""`fastgram info`: versions, devices and activations, or all that a bug report needs."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Annotated

import typer

import fastgram
from fastgram.cli.guide.bug_report import report_lines
from fastgram.cli.guide.topics import activation_rows
from fastgram.cli.reports.text_table import house_table, text_console

__all__ = ["INFO", "info"]

# A line of this is a paragraph: rich would keep line breaks within one.
INFO = r"""Show versions, devices and the table of activations.

[bold]Examples[/]
  fastgram info
  fastgram info --report
  fastgram info --report > report.txt
""".replace("\\\n", "")

_REPORT = "What a bug report needs instead, to be pasted: no paths, names of users or of machines."


def info(
    report: Annotated[bool, typer.Option("--report", help=_REPORT)] = False,
) -> None:
    """Print the one or the other."""
    if report:
        for line in report_lines():
            print(line)
        return
    console = text_console()
    for key, value in _facts().items():
        console.print(f"{key:<16} {value}")
    table = house_table()
    for header in ("activation", "parameters", "what it is", "regularity"):
        table.add_column(header)
    for row in activation_rows():
        table.add_row(*row)
    console.print()
    console.print(table)


def _facts() -> dict[str, str]:
    from fastgram.devices import cpu, registry
    from fastgram.kernels.cpu import llvm_vectors
    from fastgram.support import memory as memory_of
    from fastgram.support import threads as threads_of

    found, reason = registry.gpus()
    threads, memory = threads_of.thread_limit(), memory_of.memory_limit()
    without = "" if found else f"; no GPU: {reason}"
    return {
        "fastgram": fastgram.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")},
        "devices": ", ".join(device.label for device in (cpu.CPU, *found)) + without,
        "threads": f"{threads.value} ({threads.source})",
        "memory free": f"{memory.value / 2**30:.3g} GiB ({memory.source})",
        "vectors": llvm_vectors.instructions(),
    }
