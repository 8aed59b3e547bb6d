"""Links within a folder of HTML pages that lead nowhere; nothing is fetched."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["dead_links"]


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


def dead_links(root: Path) -> list[str]:
    """Return a line for each link that leads to no file, or to no anchor, within the folder."""
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
