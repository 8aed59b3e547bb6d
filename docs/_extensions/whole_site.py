"""What Sphinx does not do: pages made elsewhere come along, and links within the site are followed.

Sphinx checks the links of what it parses; this follows those of what it wrote, pages made elsewhere
and raw HTML too. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Folders of docs/ that are written as HTML by another command, and are copied as they are
_MADE_ELSEWHERE = ["study"]

_log = logging.getLogger(__name__)


class _Page(HTMLParser):
    """Links that a page has, and the anchors that others may point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.anchors.add(value)
            elif value and name in ("href", "src") and tag not in ("link", "script"):
                self.links.add(value)


def _copy_pages(app: Sphinx) -> None:
    for folder in _MADE_ELSEWHERE:
        made = Path(app.srcdir) / folder
        if made.is_dir():
            shutil.copytree(made, Path(app.outdir) / folder, dirs_exist_ok=True)


def dead_links(root: Path) -> list[str]:
    """Links of the pages below a folder that lead to no file, or to no anchor, within it."""
    pages = {file.resolve(): _Page(file.read_text("utf-8")) for file in root.rglob("*.html")}
    dead = []
    for file, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                dead.append(f"{file.relative_to(root.resolve())}: no file behind {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                dead.append(f"{file.relative_to(root.resolve())}: no anchor behind {link}")
    return dead


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        _copy_pages(app)
        for line in dead_links(Path(app.outdir)):
            _log.warning(line, type="link")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what is done when all pages are written."""
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
