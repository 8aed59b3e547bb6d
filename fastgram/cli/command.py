"""The process around the commands: an error is a line, not a traceback."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

__all__ = ["main"]

# What bad input, a missing optional part or too large a problem raise; anything else is a bug
# and keeps its traceback.
_EXPECTED = (ValueError, TypeError, NotImplementedError, OSError, ImportError, MemoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the command's name; None takes those of the process.

    Returns
    -------
    int
        The exit status, as `fastgram help status` has it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a λ must not lose the results of an hour
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            import rich  # noqa: F401
            import typer  # noqa: F401
        except ImportError:
            print("the command line needs: pip install 'fastgram[cli]'", file=sys.stderr)
            return 2
        return _run(words or ["--help"])
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    import typer

    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            from fastgram.cli.app import app

            # not standalone: typer's own way to show an error takes five lines
            command = typer.main.get_command(app)
            # `words` for the command that an interrupted one is gone on with by
            status = command.main(words, prog_name="fastgram", standalone_mode=False, obj=words)
        except SystemExit as done:  # how typer ends where it has printed a shell's completion
            status = done.code
        except typer.Abort:  # how older versions of typer pass Ctrl-C on
            return 130
        except _EXPECTED as error:
            return _fail(error)
        except Exception as error:
            if not hasattr(error, "format_message"):  # what typer raises for bad usage has one
                raise
            return _fail(error.format_message())
    return status if isinstance(status, int) else 0


def _fail(error: object) -> int:
    if isinstance(error, OSError) and error.strerror and error.filename:
        error = f"{error.filename}: {error.strerror}"  # without the "[Errno 2]"
    elif isinstance(error, Exception):
        error = str(error) or type(error).__name__
    print(f"fastgram: error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Take the place of `warnings.showwarning`: where in the library it was raised helps nobody."""
    print(f"fastgram: warning: {' '.join(str(message).split())}", file=sys.stderr)
