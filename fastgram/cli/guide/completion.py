"""What a shell completes: the words that an option may take, as its help shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["activations", "alternatives", "beginning_with"]


def beginning_with(incomplete: str, words: Sequence[str]) -> list[str]:
    """Return the words that go on from what has been typed."""
    return [word for word in words if word.startswith(incomplete)]


def alternatives(metavar: str | None) -> Callable[[str], list[str]]:
    """Return the completion of an option whose help is "gradient|nngp|ntk".

    What stands there in capitals, INTEGER or FILE, is no word to be typed: where there is no other,
    shells complete names of files.
    """
    words = [word for word in (metavar or "").split("|") if word and word == word.lower()]

    def complete(incomplete: str) -> list[str]:
        return beginning_with(incomplete, words)

    return complete


def activations(incomplete: str) -> list[str]:
    """Return the names of activations that go on from what has been typed."""
    from fastgram.network.families import ALIASES, FAMILIES  # no more than the names take

    return beginning_with(incomplete, [*FAMILIES, *ALIASES])
