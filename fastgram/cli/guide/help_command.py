"""`fastgram help`: a command's help, or a topic."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fastgram.cli.guide.completion import beginning_with
from fastgram.cli.guide.topics import TOPICS
from fastgram.support.validation import as_choice

__all__ = ["HELP", "help_command"]

# A line of this is a paragraph: rich would keep line breaks within one.
HELP = r"""Explain a command or a topic; without one, list them.

[bold]Examples[/]
  fastgram help
  fastgram help spectrum
  fastgram help brackets
""".replace("\\\n", "")


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    return beginning_with(incomplete, _known(context))


def _group(context: typer.Context) -> Any:
    return context.find_root().command


def _known(context: typer.Context) -> list[str]:
    return [*_group(context).commands, *TOPICS]


_TOPIC = "A command, or one of " + ", ".join(TOPICS) + "."


def help_command(
    context: typer.Context,
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC", help=_TOPIC, autocompletion=_complete, show_default="a list of both"
        ),
    ] = None,
) -> int:
    """Print what is asked for."""
    if topic is None:
        _of_command(context, "--help")
        width = max(map(len, TOPICS))
        print("Topics, by fastgram help TOPIC:")
        for name, told in TOPICS.items():
            print(f"  {name.ljust(width)}  {told.summary}")
        return 0
    if as_choice("topic", topic, _known(context)) in TOPICS:
        print(TOPICS[topic].text())
    else:
        _of_command(context, topic, "--help")
    return 0


def _of_command(context: typer.Context, *words: str) -> None:
    _group(context).main([*words], prog_name="fastgram", standalone_mode=False)
