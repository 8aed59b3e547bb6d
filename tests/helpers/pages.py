"""Pages of Markdown as what a reader would run: their blocks, and how output is compared.

The rules are docs/README.md's.
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass

from markdown_it import MarkdownIt

MARK = re.compile(r"<!--\s*(run|not run: .+?)\s*-->")
PRINTS_IN_LINE = re.compile(r"\bprints `([^`]+)`")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
MACHINES = re.compile(r"\d[\d.]*(?:e[-+]?\d+)? (?:ms|s|min|h|days|kB|MB|GB|KiB|MiB|GiB)\b")
TINY = 1e-8


@dataclass
class Block:
    """A fence of code, the line that it starts on, and what it is said to print."""

    language: str
    text: str
    line: int
    runs: bool
    printed: str | None = None


def blocks_of(text):
    """Return the blocks of code of a page, each with its output where the page shows that."""
    blocks, mark, prints = [], None, False
    for token in MarkdownIt().parse(text):
        if token.type == "html_block":
            mark = (found := MARK.match(token.content)) and found[1]
        elif token.type == "heading_open":
            prints = False
        elif token.type == "inline":
            if blocks and (found := PRINTS_IN_LINE.search(token.content)):
                blocks[-1].printed = found[1]
            else:
                prints = prints or re.search(r"\bprints\b", token.content) is not None
        elif token.type == "fence":
            language, line = token.info.strip(), token.map[0] + 1
            if language == "" and prints:
                if blocks and not (mark or "").startswith("not run"):
                    blocks[-1].printed = token.content
            elif language in ("python", "sh", "bash", ""):
                python = language == "python"
                runs = mark is None if python else mark == "run"
                blocks.append(Block("python" if python else "sh", token.content, line, runs))
            mark, prints = None, False
    return blocks


def commands_of(text):
    """Return the words after `fastgram` of each such command in lines of a shell."""
    found = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        command = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word not in ("&&", "|", ">", ";", "&"):
                command.append(word)
                continue
            if command and command[0].rpartition("/")[2] == "fastgram":
                found.append(command[1:])
            command = []
    return found


def difference(printed, expected):
    """Return what differs between two outputs in a line, or None where nothing does that counts."""
    shown, wanted = _comparable(printed), _comparable(expected)
    words, wanted_words = NUMBER.split(shown), NUMBER.split(wanted)
    if words != wanted_words:
        return f"words differ: {shown!r}, not {wanted!r}"
    numbers = zip(NUMBER.findall(shown), NUMBER.findall(wanted), strict=True)
    for number, right in numbers:
        if not _close(float(number), float(right)):
            return f"{number}, not {right}, in {shown!r}"
    return None


def _comparable(text):
    """Return the text without what is the machine's (times, sizes) or the layout's."""
    lines, in_table = [], False
    for line in text.strip().splitlines():
        in_table = in_table or line.rstrip().endswith("seconds")
        lines.append(re.sub(r"\s[\d.]+\s*$", " #", line) if in_table else line)
    text = MACHINES.sub("#", "\n".join(lines))
    return re.sub(r"[\s─]+", " ", text).strip()


def _close(one, other):
    if max(one, other) < TINY:
        return one == other or (min(one, other) > 0 and abs(math.log10(one / other)) < 1)
    return math.isclose(one, other, rel_tol=0.05)
