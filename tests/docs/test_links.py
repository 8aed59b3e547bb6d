"""Links of the pages outside the site lead to files, and to headings, that are there."""

from __future__ import annotations

import re
import runpy
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "bench/README.md", "kernels/README.md", "docs/README.md"]


def links_of(text):
    for token in MarkdownIt().parse(text):
        for part in token.children or []:
            yield from (part.attrs[name] for name in ("href", "src") if name in part.attrs)


def headings_of(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(text)
    titles = (after.content for token, after in pairwise(tokens) if token.type == "heading_open")
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(text, page):
    dead = []
    for link in links_of(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve()
        if re.match(r"[a-z]+:", link):
            continue
        if path and not target.exists():
            dead.append(link)
            continue
        if anchor and anchor not in headings_of(target.read_text("utf-8") if path else text):
            dead.append(link)
    return dead


def test_links_lead_somewhere():
    found = {page: dead_links((ROOT / page).read_text("utf-8"), ROOT / page) for page in PAGES}
    assert {page: links for page, links in found.items() if links} == {}


@pytest.mark.parametrize("link", ["none.md", "#none", "README.md#none", "docs/none.png"])
def test_a_dead_link_is_seen(link):
    text = f"# A page, of links\n\n[a]({link}) [b](#a-page-of-links) ![c](docs/digits.png)"
    assert dead_links(text, ROOT / "page.md") == [link]


def test_dead_links_of_a_built_site_are_seen(tmp_path):
    dead_links_of = runpy.run_path(ROOT / "docs/_extensions/dead_links.py")["dead_links"]
    (tmp_path / "there.html").write_text('<h1 id="here">Here</h1>')
    page = '<a href="there.html#here"></a> <a href="https://elsewhere"></a> <a href="#top"></a>'
    (tmp_path / "index.html").write_text(page)
    assert dead_links_of(tmp_path) == []
    (tmp_path / "index.html").write_text(page + '<img src="a.png"> <a href="there.html#b"></a>')
    assert dead_links_of(tmp_path) == [
        "index.html: no file behind a.png",
        "index.html: no anchor behind there.html#b",
    ]
