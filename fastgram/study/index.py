"""The index of a study: one page with every part's verdicts, figure and words, and no more files.

It is made of what is in the folder, so that it has all the parts that ran there, together or not.
"""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from fastgram.study.catalogue import part_names
from fastgram.study.part import Word
from fastgram.study.result import expected_text, number_text

__all__ = ["index_page", "verdict_counts"]

_WORDS: tuple[Word, ...] = get_args(Word)
_SIGNS = {"holds": "✓", "does not hold": "✗", "cannot be said": "?"}
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1e; --faint: #6b6b70;
  --line: #d9d9de; --holds: #1a7f37; --fails: #b3261e; --open: #8a6100; --link: #1f6fb4; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #e8e8ea;
  --faint: #a0a0a8; --line: #3a3b40; --holds: #5fc77e; --fails: #ff8a80; --open: #e3b341;
  --link: #7fb2e5; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { margin-top: 3rem; font-size: 1.25rem; }
a { color: var(--link); } p.note { color: var(--faint); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left;
  vertical-align: top; }
td.word { white-space: nowrap; font-weight: 600; }
.holds { color: var(--holds); } .fails { color: var(--fails); } .open { color: var(--open); }
figure { margin: 1rem 0; padding: .5rem; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; } figure img { display: block; margin: auto; max-width: 100%; height: auto; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--faint); }
"""
_CLASSES = {"holds": "holds", "does not hold": "fails", "cannot be said": "open"}


def index_page(folder: Path) -> str:
    """Return the page of the parts whose .json and .svg are in a folder."""
    parts = _parts(folder)
    counted = verdict_counts([verdict["word"] for part in parts for verdict in part["verdicts"]])
    sizes = ", ".join(dict.fromkeys(part["size"] for part in parts))
    versions = dict.fromkeys(
        ", ".join(" ".join(one) for one in part["versions"].items()) for part in parts
    )
    body = [
        "<h1>The study: what a wide network’s smallest eigenvalue does</h1>",
        f"<p>{len(parts)} parts, {sum(part['rows'] for part in parts)} matrices, size"
        f" {html.escape(sizes)}. {counted}. Every eigenvalue is a bracket; expected"
        " values are derived, not fitted, and a verdict that fails is shown as one.</p>",
        '<p class="note">In the figures: kinked activations in warm colours, smooth ones in cold'
        " ones, theory dashed; a bar is a bracket, an arrow hangs from what float64 sees where the"
        " value is below it, a triangle at the bottom edge is an exact zero.</p>",
        _summary(parts),
        *(_section(folder, part) for part in parts),
        *(f'<p class="note">{html.escape(line)}</p>' for line in versions),
    ]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>fastgram: the study</title><style>{_STYLE}</style></head><body>\n"
    )
    return head + "\n".join(body) + "\n</body></html>\n"


def verdict_counts(verdicts: Sequence[str]) -> str:
    """Return "7 verdicts: 5 hold, 1 does not, 1 cannot be said" of their words."""
    found = Counter(verdicts)
    told = {
        "holds": "hold" if found["holds"] != 1 else "holds",
        "does not hold": "do not" if found["does not hold"] != 1 else "does not",
        "cannot be said": "cannot be said",
    }
    words = ", ".join(f"{found[word]} {told[word]}" for word in _WORDS if found[word])
    plural = "verdict" if len(verdicts) == 1 else "verdicts"
    return f"{len(verdicts)} {plural}: {words}" if verdicts else "no verdicts"


def _parts(folder: Path) -> list[dict[str, Any]]:
    """Return what is told of the parts that are there, in their order, parts of one's own last.

    Other files of the folder are the user's, whatever is in them.
    """
    known = part_names()
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            told = json.loads(path.read_text("utf-8"))
        except ValueError:  # no JSON, or no UTF-8
            continue
        if isinstance(told, dict) and told.get("part") == path.stem:
            found[path.stem] = told
    last = len(known)
    return sorted(
        found.values(),
        key=lambda part: known.index(part["part"]) if part["part"] in known else last,
    )


def _summary(parts: list[dict[str, Any]]) -> str:
    """Return the table at the top: a line a verdict."""
    lines = [
        "<tr><th>part</th><th>what</th><th>expected</th><th>measured</th><th>verdict</th></tr>"
    ]
    for part in parts:
        for place, verdict in enumerate(part["verdicts"]):
            expected = expected_text(verdict["expected"], verdict["tolerance"])
            link = f'<a href="#{html.escape(part["part"])}">{html.escape(part["part"])}</a>'
            lines.append(
                f"<tr><td>{link if place == 0 else ''}</td><td>{html.escape(verdict['name'])}</td>"
                f"<td>{html.escape(expected)}</td><td>{_number(verdict['measured'])}</td>"
                f"{_word_cell(verdict)}</tr>"
            )
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _section(folder: Path, part: dict[str, Any]) -> str:
    name, title = html.escape(part["part"]), html.escape(part["title"])
    unresolved = f", {part['unresolved']} not resolved" if part["unresolved"] else ""
    lines = [
        f'<h2 id="{name}">{title}</h2>',
        _words(part["claim"]),
        _figure(folder, part),
        _words(part["seen"]),
        '<div class="wide"><table>',
        *(
            f"<tr>{_word_cell(verdict)}<td>{html.escape(verdict['name'])}</td>"
            f"<td>{html.escape(verdict['text'])}</td></tr>"
            for verdict in part["verdicts"]
        ),
        "</table></div>",
        "<details><summary>Where the expected values come from</summary>"
        f"{_words(part['derivation'])}</details>",
        *_failures(part),
        f'<p class="note">{part["rows"]} matrices{unresolved}:'
        f' <a href="{name}.csv">{name}.csv</a>, <a href="{name}.json">{name}.json</a></p>',
    ]
    return "\n".join(line for line in lines if line)


def _figure(folder: Path, part: dict[str, Any]) -> str:
    path = folder / f"{part['part']}.svg"
    if not part["rows"] or not path.exists():
        return ""
    # an image rather than elements of the page: names within one figure cannot meet another's
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    image = f'<img alt="{html.escape(part["title"])}" src="data:image/svg+xml;base64,{data}">'
    return f"<figure>{image}</figure>"


def _failures(part: dict[str, Any]) -> list[str]:
    """Return a line for each reason that cases failed for."""
    reasons = Counter(failure["error"] for failure in part["failures"])
    return [
        f'<p class="fails">No result of {count}: {html.escape(reason)}</p>'
        for reason, count in reasons.items()
    ]


def _words(text: str) -> str:
    return "".join(f"<p>{html.escape(one)}</p>" for one in text.split("\n\n") if one)


def _word_cell(verdict: dict[str, Any]) -> str:
    word = verdict["word"]
    return f'<td class="word {_CLASSES[word]}">{_SIGNS[word]} {word}</td>'


def _number(value: str | float | None) -> str:
    return "–" if value is None else html.escape(number_text(value))
